//! The slow lane: nicer threads for processes whose callbacks overstayed, or that were declared slow.
//! Imports: base, roster, shared, task, thread.
//!
//! A hog must not share a thread with anybody. A slow task's slices run here, one thread each at a time; a new
//! thread starts whenever a task comes and no slow thread is free, up to a cap. Threads that lost their seat join.
//! Tasks and roster are under one lock; a thread whose time is over looks at both before it leaves (model: `pool`).

use super::roster::Roster;
use super::shared::{OsThread, Ptr, Shared};
use super::task::{After, Task};
use super::thread::{Installed, ThreadCtx};
use crate::base::affinity;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, Condvar, Mutex, lock, wait_timeout};
use std::collections::VecDeque;
use std::time::Duration;

/// How much nicer than a worker a slow thread is.
pub(crate) const SLOW_NICE: i32 = 10;
/// Beyond this many slow threads a slow task waits for one to come free.
const MAX_SLOW_THREADS: usize = 256;
const KEEP_ALIVE: Duration = Duration::from_secs(5);

struct Queue {
    tasks: VecDeque<Ptr>,
    roster: Roster,
    me: std::sync::Weak<Shared>,
}

/// The queue and its threads' count.
pub(crate) struct SlowLane {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl SlowLane {
    pub fn new() -> Self {
        let roster = Roster::new(MAX_SLOW_THREADS);
        let queue = Queue { tasks: VecDeque::new(), roster, me: std::sync::Weak::new() };
        Self { queue: Mutex::new(queue), arrived: Condvar::new() }
    }

    /// Lets the lane start threads that keep the scheduler alive.
    pub fn bind(&self, shared: &Arc<Shared>) {
        lock(&self.queue).me = Arc::downgrade(shared);
    }

    /// Queues a task whose scheduling right the caller holds.
    pub fn push(&self, shared: &Shared, task: *mut Task) {
        let (start, full) = {
            let mut q = lock(&self.queue);
            q.tasks.push_back(Ptr(task));
            // Seeded, the driver takes it.
            (shared.seeded.is_none() && q.roster.work_came(), q.roster.is_full())
        };
        self.arrived.notify_one();
        if start {
            self.start(shared);
        } else if full {
            shared.sleep.rouse_watchdog(|| shared.wake_watchdog());
        }
    }

    /// Starts a thread that the roster has asked for. If there is none to be had, the task waits for a thread that
    /// comes free, or for the watchdog's next try.
    fn start(&self, shared: &Shared) {
        let me = lock(&self.queue).me.clone();
        let Some(me) = me.upgrade() else { return };
        let started = shared.start_thread("krarup-slow".into(), move || {
            let os = me.register_thread();
            // Raising one's own niceness needs no privilege; if it fails the thread is merely not nicer.
            let _ = affinity::set_nice(os.kernel_tid, SLOW_NICE);
            me.with_host(|h| h.thread_start());
            lock(&me.slow.queue).roster.arrived();
            me.slow.serve(&me, &os);
            me.with_host(|h| h.thread_stop(os.id));
            me.unregister_thread(&os);
        });
        if started.is_err() {
            let _ = lock(&self.queue).roster.not_started();
            shared.sleep.rouse_watchdog(|| shared.wake_watchdog());
        }
    }

    /// Whether tasks wait for a thread: the watchdog does not sleep then.
    pub fn has_waiting(&self) -> bool {
        !lock(&self.queue).tasks.is_empty()
    }

    /// Whether tasks wait for a thread that could not be started.
    pub fn is_short(&self) -> bool {
        lock(&self.queue).roster.is_short()
    }

    /// Tries again to start a thread for tasks that wait for one.
    pub fn retry(&self, shared: &Shared) {
        let start = lock(&self.queue).roster.wants_thread();
        if start {
            self.start(shared);
        }
    }

    /// While every thread the lane may have is busy, the tasks that wait are given to the seats, so that their signals are
    /// applied (the code of the busy ones may never come back, and a kill must not wait for it); those whose code would
    /// have to run come back and wait on. Whether it is so.
    pub fn relieve(&self, shared: &Shared) -> bool {
        let tasks: Vec<_> = {
            let mut q = lock(&self.queue);
            if !q.roster.is_full() {
                return false;
            }
            let tasks: Vec<_> = q.tasks.drain(..).map(|p| p.0).collect();
            tasks.iter().for_each(|_| q.roster.withdrawn());
            tasks
        };
        shared.inject_all(&tasks);
        true
    }

    /// Serves the lane on a thread that lost its seat and has no parked fibers any more.
    pub fn join(&self, shared: &Arc<Shared>, os: &Arc<OsThread>) {
        let joins = lock(&self.queue).roster.joins();
        if joins {
            let _ = affinity::set_nice(os.kernel_tid, SLOW_NICE);
            self.serve(shared, os);
        }
    }

    /// The caller is on the roster, idle; it is off it afterwards.
    fn serve(&self, shared: &Arc<Shared>, os: &Arc<OsThread>) {
        let ctx = ThreadCtx::unseated(shared, os);
        let _installed = Installed::new(&ctx);
        while let Some(task) = self.next(shared) {
            ctx.current.set(task);
            // SAFETY: the queue held the scheduling right; it is ours for the slice.
            let after = unsafe { ((*task).vtable.run)(task) };
            ctx.current.set(std::ptr::null_mut());
            // Idle before the task comes back, or it would start another thread for what this one is about to take.
            lock(&self.queue).roster.done();
            if after == After::Again {
                // SAFETY: `Again` leaves the right with us.
                unsafe { shared.wake(task) };
            }
        }
    }

    /// The next task; `None`: the caller is off the roster. Nothing starts after the stop, whatever waits.
    fn next(&self, shared: &Shared) -> Option<*mut Task> {
        let mut q = lock(&self.queue);
        let mut time_over = false;
        loop {
            if shared.stop.load(Relaxed) {
                q.roster.leaves();
                return None;
            }
            if let Some(Ptr(t)) = q.tasks.pop_front() {
                q.roster.took();
                return Some(t);
            }
            if time_over && q.roster.may_leave() {
                return None;
            }
            (q, time_over) = wait_timeout(&self.arrived, q, &self.queue, KEEP_ALIVE);
        }
    }

    /// Takes one task, for the seeded mode, which has no threads.
    pub fn take(&self) -> Option<*mut Task> {
        lock(&self.queue).tasks.pop_front().map(|p| p.0)
    }

    /// Wakes every thread so that it sees the stop flag.
    pub fn wake_all(&self) {
        let _q = lock(&self.queue);
        self.arrived.notify_all();
    }

    /// Threads of the lane, busy or not.
    pub fn threads(&self) -> usize {
        lock(&self.queue).roster.threads()
    }
}
