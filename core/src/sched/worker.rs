//! The loop of a seated thread: take the next task, run a slice, look at the clock, share, spin, sleep.
//! Imports: seat, shared, task, thread.

use super::shared::{OsThread, Shared, Sitter, lock};
use super::sleep::Looked;
use super::task::{After, Lane, Task};
use super::thread::{Installed, ThreadCtx};
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, park_timeout, thread};
use std::ptr::null_mut;
use std::time::Duration;

/// Slices between two looks at clock and injector when no tick comes.
const LOOK_EVERY: u32 = 64;
/// Tasks a seat takes from the injector at once.
const TAKE: usize = 256;
/// A seat shares its queue only after having been busy for so long: crossing a core costs more than short work.
const SHARE_AFTER_NS: u64 = 50_000;

/// Seats a new thread on seat `index`.
pub(crate) fn start(shared: &Arc<Shared>, index: usize) -> std::io::Result<()> {
    let theirs = shared.clone();
    shared.start_thread(format!("krarup-{index}"), move || serve(&theirs, index))
}

/// The life of a thread, counted already, that is the next to sit on seat `index`.
pub(crate) fn serve(shared: &Arc<Shared>, index: usize) {
    let os = shared.register_thread();
    shared.with_host(|h| h.thread_start());
    let lost = {
        let cell = &shared.seats[index];
        *lock(&cell.sitter) = Some(Sitter { thread: thread::current(), os: os.clone() });
        let ctx = ThreadCtx::seated(shared, cell, &os);
        let _installed = Installed::new(&ctx);
        let lost = ctx.enter_core() && Worker::new(shared, &ctx, &os, index).run();
        if lost {
            os.held_by(shared, null_mut());
            serve_parked_fibers(shared, &ctx, &os);
        }
        lost
    };
    if lost {
        shared.slow.join(shared, &os);
    }
    // After the last slice: what the thread has cached is given back.
    shared.with_host(|h| h.thread_stop(os.id));
    shared.unregister_thread(&os);
}

/// A thread without a seat still owns the fibers parked on it; it serves them until the last is gone.
///
/// A fiber's last turn and a signal for its process may cross: the waker reads the pin, the fiber ends, and the task
/// lies in the queue of a thread that has no fibers. So the queue is closed, and what it holds goes to any seat.
fn serve_parked_fibers(shared: &Arc<Shared>, ctx: &ThreadCtx, os: &OsThread) {
    loop {
        os.do_chores();
        if os.parked_fibers.load(Relaxed) == 0 || shared.stop.load(Relaxed) {
            break;
        }
        match os.pop_pinned() {
            Some(task) => {
                ctx.current.set(task);
                os.held_by(shared, task);
                // SAFETY: the pinned queue held the scheduling right.
                if unsafe { ((*task).vtable.run)(task) } == After::Again {
                    // SAFETY: `Again` leaves the right with us.
                    unsafe { shared.wake(task) };
                }
                os.held_by(shared, null_mut());
                ctx.current.set(null_mut());
            }
            None => park_timeout(Duration::from_millis(100)),
        }
    }
    shared.inject_all(&os.close_pinned());
}

pub(crate) struct Worker<'a> {
    pub shared: &'a Shared,
    pub ctx: &'a ThreadCtx,
    pub os: &'a OsThread,
    pub index: usize,
    pub turns: u32,
    pub tick: u64,
    pub busy_since: u64,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, ctx: &'a ThreadCtx, os: &'a OsThread, index: usize) -> Self {
        Self { shared, ctx, os, index, turns: 0, tick: 0, busy_since: 0 }
    }

    /// Runs until the scheduler stops (false) or the seat is taken away (true).
    fn run(&mut self) -> bool {
        self.look();
        loop {
            let tick = self.shared.tick.load(Relaxed);
            if tick != self.tick || self.turns >= LOOK_EVERY {
                if tick != self.tick {
                    // SAFETY: the worker loop is always inside the core; the reference ends here.
                    unsafe { self.ctx.seat().end_lifo_turns() };
                }
                self.tick = tick;
                if self.shared.stop.load(Relaxed) {
                    return false;
                }
                self.look();
            }
            match self.next() {
                Some(task) => {
                    if self.turn(task) {
                        return true;
                    }
                }
                None => {
                    if self.shared.stop.load(Relaxed) {
                        return false;
                    }
                    self.idle();
                }
            }
        }
    }

    #[inline]
    fn next(&mut self) -> Option<*mut Task> {
        // SAFETY: the worker loop is always inside the core; the reference ends here.
        let seat = unsafe { self.ctx.seat() };
        if self.os.has_pinned() {
            self.os.take_pinned(seat);
        }
        if let Some(t) = seat.pop() {
            return Some(t);
        }
        self.shared.take_injected(seat, TAKE);
        seat.pop()
    }

    /// Runs one slice; true when the seat was lost in it.
    #[inline]
    fn turn(&mut self, task: *mut Task) -> bool {
        self.turns += 1;
        // SAFETY: the seat's cell lives as long as the scheduler.
        let cell = unsafe { &*self.ctx.cell };
        self.ctx.current.set(task);
        cell.current.store(task, Relaxed);
        // Odd from here on: a slice runs.
        let slice = cell.slice.load(Relaxed).wrapping_add(1);
        cell.slice.store(slice, Relaxed);
        // SAFETY: the queue held the scheduling right; it is ours for the slice.
        let after = unsafe { ((*task).vtable.run)(task) };
        if after == After::LostSeat {
            return true;
        }
        cell.slice.store(slice.wrapping_add(1), Relaxed);
        self.ctx.current.set(null_mut());
        // SAFETY: inside the core; no other reference is live.
        let seat = unsafe { self.ctx.seat() };
        seat.flush();
        if after == After::Again {
            // SAFETY: `Again` leaves the right with us, so the task lives.
            unsafe {
                if (*task).lane() == Lane::Slow {
                    self.shared.wake(task);
                } else {
                    seat.push_back(task);
                }
            }
        }
        false
    }

    /// Reads the clock, fires timers, fetches injected work, shares surplus.
    fn look(&mut self) {
        self.turns = 0;
        let now = self.shared.clock.now_ns();
        // SAFETY: inside the core; the reference ends before the host is called.
        unsafe { self.ctx.seat().now_ns = now };
        self.shared.with_host(|h| {
            if now >= h.next_deadline(self.index) {
                h.poll_timers(self.index, now);
            }
        });
        // SAFETY: inside the core.
        let seat = unsafe { self.ctx.seat() };
        if seat.len() == 0 || !self.shared.hungry() {
            self.shared.take_injected(seat, TAKE);
        } else if self.shared.has_injected() {
            // Here it would wait its turn, a hungry seat runs it at once. It may have been our own wake-up that was
            // meant for it.
            self.shared.wake_one();
        }
        if self.busy_since == 0 {
            self.busy_since = now;
        }
        if seat.len() >= 2 && self.shared.hungry() && now.saturating_sub(self.busy_since) > SHARE_AFTER_NS {
            let mut out = Vec::new();
            seat.queue.split_off_half(&mut out);
            if !out.is_empty() {
                self.shared.inject_all(&out);
            }
        }
    }

    /// What the thread can see without its seat.
    fn has_work(&self) -> bool {
        self.shared.has_injected() || self.os.has_pinned() || self.shared.stop.load(Relaxed)
    }

    /// Nothing to do: look around for a while, then sleep until something comes or a timer is due.
    fn idle(&mut self) {
        self.busy_since = 0;
        let sleep = &self.shared.sleep;
        if self.shared.seats.len() > 1 && sleep.spin(|| self.has_work()) == Looked::Found {
            return self.look();
        }
        self.look();
        let wake_watchdog = || self.shared.wake_watchdog();
        // SAFETY: inside the core; the reference ends here.
        if unsafe { self.ctx.seat().len() } > 0 || !sleep.prepare(self.index, || self.has_work(), wake_watchdog) {
            return;
        }
        let now = self.shared.clock.now_ns();
        let due = self.shared.with_host(|h| h.next_deadline(self.index)).unwrap_or(u64::MAX);
        // A timer set from outside lowers the deadline and then wakes this seat; its bit is already set.
        if due == u64::MAX {
            thread::park();
        } else if due > now {
            park_timeout(Duration::from_nanos(due - now));
        }
        sleep.awake(self.index, wake_watchdog);
        self.look();
    }
}

/// Drives a seeded scheduler on the calling thread until nothing is runnable or `limit` slices have run.
/// Returns how many ran. One thread at a time; the same thread always, once it has parked fibers.
pub(crate) fn drive(shared: &Arc<Shared>, limit: u64) -> u64 {
    let os = shared.driver_thread();
    let ctx = ThreadCtx::seated(shared, &shared.seats[0], &os);
    let mut ran = 0;
    {
        let _installed = Installed::new(&ctx);
        if ctx.enter_core() {
            let mut w = Worker::new(shared, &ctx, &os, 0);
            while ran < limit {
                w.look();
                // SAFETY: inside the core; the reference ends before the slice.
                let task = unsafe {
                    let seat = ctx.seat();
                    os.take_pinned(seat);
                    seat.spill_lifo();
                    let n = seat.queue.eligible();
                    match &shared.seeded {
                        Some(r) if n > 1 => seat.queue.pop_nth(lock(r).below(n as u64) as usize),
                        _ => seat.queue.pop(),
                    }
                };
                let Some(task) = task.or_else(|| shared.slow.take()) else { break };
                ran += 1;
                w.turn(task);
            }
            ctx.exit_core();
        }
    }
    ran
}
