//! The blocking pool: OS threads for code that may wait, as many as it needs up to a limit.
//! Imports: base, roster.
//!
//! Protocol (model: `pool`). All counts are in the roster, under one lock; the channel only carries the work.
//!  1 submitter: counts the work in; starts a thread if nobody will come for it
//!  2 submitter: sends the work
//!  3 thread: waits for work; takes it, counts it out, runs it, counts itself idle
//!  4 thread: nothing came for a while: leaves the roster if no work is counted in, else goes back to 3
//! Work that is counted in and not sent yet keeps its thread in 4. (With separate atomic counts it did not: the
//! submitter saw an idle thread, the thread's time was over, it looked into the empty channel and ended, and the
//! work came to nobody.)

use super::roster::Roster;
use crate::base::sync::lock;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

const KEEP_ALIVE: Duration = Duration::from_secs(10);

struct Shared {
    roster: Mutex<Roster>,
    /// Relaxed: a count, nothing hangs on it.
    panics: AtomicUsize,
}

/// See the module's text.
pub struct Pool {
    sender: Sender<Work>,
    receiver: Receiver<Work>,
    shared: Arc<Shared>,
    keep_alive: Duration,
}

impl Pool {
    /// A pool without threads yet; at most `max` (at least one).
    pub fn new(max: usize) -> Self {
        Self::with_keep_alive(max, KEEP_ALIVE)
    }

    /// The same, whose threads end when no work has come for so long.
    pub fn with_keep_alive(max: usize, keep_alive: Duration) -> Self {
        let (sender, receiver) = unbounded();
        let shared = Arc::new(Shared { roster: Mutex::new(Roster::new(max)), panics: AtomicUsize::new(0) });
        Self { sender, receiver, shared, keep_alive }
    }

    /// Runs `work` on a thread of the pool, soon. Panics in it are contained and counted.
    ///
    /// Errors: no thread is running and none can be started; the work has not been run.
    pub fn submit(&self, work: Work) -> std::io::Result<()> {
        let start = lock(&self.shared.roster).work_came(); // 1
        if start && let Err(e) = self.start() {
            let mut r = lock(&self.shared.roster);
            if !r.not_started() {
                r.withdrawn();
                return Err(e);
            }
        }
        // We hold a receiver, so the channel cannot be disconnected.
        let _ = self.sender.send(work); // 2
        Ok(())
    }

    fn start(&self) -> std::io::Result<()> {
        let (receiver, shared, keep_alive) = (self.receiver.clone(), self.shared.clone(), self.keep_alive);
        let thread = std::thread::Builder::new().name("krarup-blocking".into());
        thread.spawn(move || serve(&receiver, &shared, keep_alive)).map(drop)
    }

    /// Threads alive, idle or not.
    pub fn threads(&self) -> usize {
        lock(&self.shared.roster).threads()
    }

    /// Pieces of work that panicked.
    pub fn panics(&self) -> usize {
        self.shared.panics.load(Relaxed)
    }
}

fn serve(receiver: &Receiver<Work>, shared: &Shared, keep_alive: Duration) {
    lock(&shared.roster).arrived();
    loop {
        match receiver.recv_timeout(keep_alive) {
            Ok(work) => {
                lock(&shared.roster).took(); // 3
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    shared.panics.fetch_add(1, Relaxed);
                }
                lock(&shared.roster).done();
            }
            Err(RecvTimeoutError::Timeout) => {
                if lock(&shared.roster).may_leave() {
                    return; // 4
                }
            }
            // The pool is gone, and the channel empty.
            Err(RecvTimeoutError::Disconnected) => return lock(&shared.roster).leaves(),
        }
    }
}
