//! The blocking pool: OS threads for code that may wait, as many as it needs up to a limit.
//! Imports: nothing of this crate.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Counts; Relaxed: decisions made by them are off by one at worst, and then a piece of work waits for the next
/// thread that comes free.
#[derive(Default)]
struct Counts {
    threads: AtomicUsize,
    idle: AtomicUsize,
    waiting: AtomicUsize,
    panics: AtomicUsize,
}

/// See the module's text.
pub struct Pool {
    sender: Sender<Work>,
    receiver: Receiver<Work>,
    counts: Arc<Counts>,
    max: usize,
}

impl Pool {
    /// A pool without threads yet; at most `max` (at least one).
    pub fn new(max: usize) -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver, counts: Arc::default(), max: max.max(1) }
    }

    /// Runs `work` on a thread of the pool, soon. Panics in it are contained and counted.
    ///
    /// Errors: no thread is running and none can be started; the work has not been run.
    pub fn submit(&self, work: Work) -> std::io::Result<()> {
        let c = &self.counts;
        let busy = c.waiting.fetch_add(1, Relaxed) + 1 > c.idle.load(Relaxed);
        if busy && c.threads.load(Relaxed) < self.max {
            if let Err(e) = self.start() {
                if c.threads.load(Relaxed) == 0 {
                    c.waiting.fetch_sub(1, Relaxed);
                    return Err(e);
                }
            }
        }
        // We hold a receiver, so the channel cannot be disconnected.
        let _ = self.sender.send(work);
        Ok(())
    }

    fn start(&self) -> std::io::Result<()> {
        let n = self.counts.threads.fetch_add(1, Relaxed);
        let (receiver, counts) = (self.receiver.clone(), self.counts.clone());
        let started = std::thread::Builder::new().name(format!("krarup-blk-{n}")).spawn(move || {
            loop {
                counts.idle.fetch_add(1, Relaxed);
                let got = receiver.recv_timeout(KEEP_ALIVE);
                counts.idle.fetch_sub(1, Relaxed);
                match got {
                    Ok(work) => {
                        counts.waiting.fetch_sub(1, Relaxed);
                        if catch_unwind(AssertUnwindSafe(work)).is_err() {
                            counts.panics.fetch_add(1, Relaxed);
                        }
                    }
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            counts.threads.fetch_sub(1, Relaxed);
            // Work that came between the timeout and the line above finds this thread gone; the submitter saw it idle.
            if let Ok(work) = receiver.try_recv() {
                counts.waiting.fetch_sub(1, Relaxed);
                let _ = catch_unwind(AssertUnwindSafe(work));
            }
        });
        if started.is_err() {
            self.counts.threads.fetch_sub(1, Relaxed);
        }
        started.map(drop)
    }

    /// Threads alive, idle or not.
    pub fn threads(&self) -> usize {
        self.counts.threads.load(Relaxed)
    }

    /// Pieces of work that panicked.
    pub fn panics(&self) -> usize {
        self.counts.panics.load(Relaxed)
    }
}
