//! The slow lane: nicer threads for processes whose callbacks overstayed, or that were declared slow.
//! Imports: base, shared, task, thread.
//!
//! A hog must not share a thread with anybody. A slow task's slices run here, one thread each at a time; a new
//! thread starts whenever a task comes and no slow thread is free, up to a cap. Threads that lost their seat join.

use super::shared::{OsThread, Ptr, Shared, lock};
use super::task::{After, Task};
use super::thread::{Installed, ThreadCtx};
use crate::base::affinity;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How much nicer than a worker a slow thread is.
pub(crate) const SLOW_NICE: i32 = 10;
/// Beyond this many slow threads a slow task waits for one to come free.
const MAX_SLOW_THREADS: usize = 256;
const KEEP_ALIVE: Duration = Duration::from_secs(5);

struct Queue {
    tasks: VecDeque<Ptr>,
    free: usize,
    threads: usize,
    /// Threads that were started and have not come to the queue yet.
    coming: usize,
    me: std::sync::Weak<Shared>,
}

/// The queue and its threads' count.
pub(crate) struct SlowLane {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl SlowLane {
    pub fn new() -> Self {
        let queue = Queue { tasks: VecDeque::new(), free: 0, threads: 0, coming: 0, me: std::sync::Weak::new() };
        Self { queue: Mutex::new(queue), arrived: Condvar::new() }
    }

    /// Lets the lane start threads that keep the scheduler alive.
    pub fn bind(&self, shared: &Arc<Shared>) {
        lock(&self.queue).me = Arc::downgrade(shared);
    }

    /// Queues a task whose scheduling right the caller holds.
    pub fn push(&self, shared: &Shared, task: *mut Task) {
        let mut q = lock(&self.queue);
        q.tasks.push_back(Ptr(task));
        if q.tasks.len() > q.free + q.coming && q.threads < MAX_SLOW_THREADS && shared.seeded.is_none() {
            if let Some(me) = q.me.upgrade() {
                let started = std::thread::Builder::new().name("krarup-slow".into()).spawn(move || {
                    let os = me.register_thread();
                    // Raising one's own niceness needs no privilege; if it fails the thread is merely not nicer.
                    let _ = affinity::set_nice(os.kernel_tid, SLOW_NICE);
                    me.slow.run_from_start(&me, &os);
                    me.unregister_thread(&os);
                });
                // No thread to be had: the task waits for one that comes free.
                if started.is_ok() {
                    q.threads += 1;
                    q.coming += 1;
                }
            }
        }
        drop(q);
        self.arrived.notify_one();
    }

    fn run_from_start(&self, shared: &Arc<Shared>, os: &Arc<OsThread>) {
        lock(&self.queue).coming -= 1;
        self.serve(shared, os);
        lock(&self.queue).threads -= 1;
    }

    /// Serves the lane on a thread that lost its seat and has been made nicer by the watchdog.
    pub fn join(&self, shared: &Arc<Shared>, os: &Arc<OsThread>) {
        {
            let mut q = lock(&self.queue);
            if q.threads >= MAX_SLOW_THREADS {
                return;
            }
            q.threads += 1;
        }
        self.serve(shared, os);
        lock(&self.queue).threads -= 1;
    }

    fn serve(&self, shared: &Arc<Shared>, os: &Arc<OsThread>) {
        let ctx = ThreadCtx {
            shared: Arc::as_ptr(shared),
            cell: std::ptr::null(),
            epoch: 0,
            locked: Cell::new(true),
            current: Cell::new(std::ptr::null_mut()),
            inside: Cell::new(false),
            guest: Cell::new(std::ptr::null()),
            id: os.id,
            os: Arc::as_ptr(os),
        };
        let _installed = Installed::new(&ctx);
        while let Some(task) = self.next(shared) {
            ctx.current.set(task);
            // SAFETY: the queue held the scheduling right; it is ours for the slice.
            let after = unsafe { ((*task).vtable.run)(task) };
            ctx.current.set(std::ptr::null_mut());
            if after == After::Again {
                // SAFETY: `Again` leaves the right with us.
                unsafe { shared.wake(task) };
            }
        }
    }

    fn next(&self, shared: &Shared) -> Option<*mut Task> {
        let mut q = lock(&self.queue);
        loop {
            if let Some(Ptr(t)) = q.tasks.pop_front() {
                return Some(t);
            }
            if shared.stop.load(Relaxed) {
                return None;
            }
            q.free += 1;
            let (guard, timeout) = self.arrived.wait_timeout(q, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
            q = guard;
            q.free -= 1;
            if timeout.timed_out() && q.tasks.is_empty() {
                return None;
            }
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
        lock(&self.queue).threads
    }
}
