//! The watchdog: sees callbacks that overstay, takes the seat away from their thread and seats a stand-in.
//! Imports: base, lease, shared, slow, worker.
//!
//! Takeover:
//!  1 a seat shows the same odd slice number for `overstay_ms`, and its thread has run meanwhile (or for some times as
//!    long, if it has not)
//!  2 a stand-in thread is at hand; if there is none to be had, the seat stays as it is (a seat without a thread would
//!    serve neither its queue nor its timers)
//!  3 revoke the lease, unless the thread is inside the core just now (then try again at the next tick): from here on
//!    the thread's next entry into the core fails
//!  4 the seat's deferred chain is published: before the thread, or whoever ends its process, can send anything that
//!    would overtake it; tasks that only the old thread may run go to its own queue
//!  5 the running task is told (`overstayed`): its own fields go under its lock, its signals are served by others
//!  6 the old thread is made nicer, unless fibers are parked on it (lowering niceness again needs privilege), and gets
//!    its token
//!  7 the slice is over (its number even), the next tenure begins, the stand-in sits down
//! It also gives the tick that tells busy workers to read the clock, and starts slow threads that could not be
//! started when they were wanted.

use super::shared::{Shared, lock};
use super::slow::SLOW_NICE;
use super::worker;
use crate::base::affinity;
use crate::base::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::base::sync::{Arc, Condvar, Mutex, even_if_poisoned, hint, park_timeout, thread};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);
/// Ticks without a busy seat before the watchdog sleeps too.
const QUIET_TICKS: u32 = 16;
/// How many times as long a callback may take whose thread does not run: preempted, or blocked in the kernel.
const PREEMPTED: u64 = 4;
/// How often, within a tick, it looks whether the thread of an overstaying callback is outside the core. A callback
/// that calls the runtime all the time is caught in one of a few ticks.
const LOOKS: u32 = 64;

/// Starts the watchdog's thread.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let theirs = shared.clone();
    shared.start_thread("krarup-watchdog".into(), move || {
        *lock(&theirs.watchdog) = Some(thread::current());
        Watchdog { seen: vec![Seen::default(); theirs.seats.len()], quiet: 0, spare: None, shared: &theirs }.run();
        theirs.thread_ended();
    })
}

struct Watchdog<'a> {
    shared: &'a Arc<Shared>,
    seen: Vec<Seen>,
    quiet: u32,
    /// A thread for the next takeover.
    spare: Option<StandIn>,
}

/// What a seat last showed.
#[derive(Clone, Copy, Default)]
struct Seen {
    slice: u64,
    /// For how many ticks.
    ticks: u64,
    /// Processor time of its thread when it was seen first.
    cpu_ns: u64,
}

impl Watchdog<'_> {
    fn run(&mut self) {
        while !self.shared.stop.load(Relaxed) {
            // Parked, not asleep: the stop wakes it.
            park_timeout(TICK);
            self.shared.tick.fetch_add(1, Relaxed);
            for index in 0..self.shared.seats.len() {
                self.inspect(index);
            }
            if self.shared.slow.is_short() {
                self.shared.slow.retry(self.shared);
            }
            let held = self.shared.relieve_held_threads();
            if self.shared.slow.relieve(self.shared) || held {
                continue;
            }
            self.maybe_sleep();
        }
    }

    fn maybe_sleep(&mut self) {
        if !self.shared.sleep.all_asleep() {
            self.quiet = 0;
            return;
        }
        self.quiet += 1;
        if self.quiet < QUIET_TICKS {
            return;
        }
        self.quiet = 0;
        let s = self.shared;
        let may = || !s.slow.has_waiting() && !s.has_held_threads() && !s.stop.load(SeqCst);
        s.sleep.watchdog_sleep(may, thread::park);
    }

    fn inspect(&mut self, index: usize) {
        let slice = self.shared.seats[index].slice.load(Relaxed);
        let seen = self.seen[index];
        if slice.is_multiple_of(2) || seen.slice != slice {
            let cpu_ns = if slice.is_multiple_of(2) { 0 } else { self.cpu_ns(index) };
            self.seen[index] = Seen { slice, ticks: 0, cpu_ns };
            return;
        }
        self.seen[index].ticks += 1;
        let overstay = self.shared.overstay_ms;
        if seen.ticks + 1 < overstay {
            return;
        }
        // A thread that the kernel has not let run has not overstayed, and a stand-in would be no better off. One that
        // is blocked does not run either; it is given a little longer.
        let ran = self.cpu_ns(index).saturating_sub(seen.cpu_ns) >= overstay * 500_000;
        if ran || seen.ticks + 1 >= overstay * PREEMPTED {
            self.take_over(index, slice);
        }
    }

    fn cpu_ns(&self, index: usize) -> u64 {
        lock(&self.shared.seats[index].sitter).as_ref().and_then(|s| s.os.cpu.now_ns()).unwrap_or(0)
    }

    fn take_over(&mut self, index: usize, slice: u64) {
        let Some(stand_in) = self.spare.take().or_else(|| StandIn::start(self.shared)) else { return }; // 2
        if !self.revoke(index, slice) {
            self.spare = Some(stand_in);
            return;
        }
        let cell = &self.shared.seats[index];
        let task = cell.current.load(Relaxed);
        let sitter = lock(&cell.sitter).take();
        {
            // SAFETY: the seat is ours since step 3.
            let seat = unsafe { &mut *cell.seat.get() };
            seat.flush(); // 4
            seat.take_pinned(|pin, task| self.shared.push_pinned(pin, task));
        }
        // SAFETY: the thread is in user code inside a slice of `task` and cannot enter the core any more.
        let token = unsafe { ((*task).vtable.overstayed)(task) }; // 5
        if let Some(s) = sitter {
            if s.os.parked_fibers.load(Relaxed) == 0 {
                // Before the token, without which the thread cannot end and leave its kernel id to another.
                let _ = affinity::set_nice(s.os.kernel_tid, SLOW_NICE); // 6
            } else {
                s.os.held_by(self.shared, task);
            }
        }
        cell.tenure().leave_token(token);
        cell.slice.store(slice.wrapping_add(1), Relaxed); // 7
        cell.begin_tenure();
        stand_in.sit(self.shared, index);
        // Last: the report may take a lock that the callback holds while it waits for its token.
        self.shared.with_host(|h| h.long_schedule(task));
    }

    /// Step 3.
    fn revoke(&self, index: usize, slice: u64) -> bool {
        let cell = &self.shared.seats[index];
        let tenure = cell.tenure();
        for _ in 0..LOOKS {
            if !tenure.in_core() {
                // Read while the thread is outside: exact. Between the look and now it may have begun another slice.
                return tenure.try_revoke(|| cell.slice.load(Relaxed) == slice);
            }
            hint::spin_loop();
        }
        false
    }
}

/// A thread that waits to be given a seat; dropped, it ends.
struct StandIn {
    order: Arc<(Mutex<Order>, Condvar)>,
}

enum Order {
    Wait,
    Sit(usize),
    Go,
}

impl StandIn {
    /// `None`: no thread to be had.
    fn start(shared: &Arc<Shared>) -> Option<Self> {
        let order = Arc::new((Mutex::new(Order::Wait), Condvar::new()));
        let (shared, theirs) = (shared.clone(), order.clone());
        let started = thread::Builder::new().name("krarup-stand-in".into()).spawn(move || {
            let mut order = lock(&theirs.0);
            loop {
                match *order {
                    Order::Wait => order = even_if_poisoned(theirs.1.wait(order)),
                    Order::Go => return,
                    Order::Sit(index) => {
                        drop(order);
                        return worker::serve(&shared, index);
                    }
                }
            }
        });
        started.is_ok().then_some(Self { order })
    }

    fn sit(self, shared: &Shared, index: usize) {
        shared.thread_starts();
        *lock(&self.order.0) = Order::Sit(index);
        self.order.1.notify_one();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let mut order = lock(&self.order.0);
        if matches!(*order, Order::Wait) {
            *order = Order::Go;
            self.order.1.notify_one();
        }
    }
}
