//! The watchdog: sees callbacks that overstay, takes the seat away from their thread and seats a stand-in.
//! Imports: base, lease, shared, slow, worker.
//!
//! Takeover:
//!  1 a seat shows the same slice, with its thread in user code, for `overstay_ms`
//!  2 revoke the lease: from here on the thread's next entry into the core fails; wait until it is outside
//!  3 the running task is told (`overstayed`): its own fields go under its lock, its signals are served by others
//!  4 the seat's deferred chain is published and a stand-in thread is seated under the new lease
//!  5 the old thread is made nicer, unless fibers are parked on it (lowering niceness again needs privilege)
//! It also gives the tick that tells busy workers to read the clock.

use super::shared::{Shared, lock};
use super::slow::SLOW_NICE;
use super::worker;
use crate::base::affinity;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);
/// Ticks without a busy seat before the watchdog sleeps too.
const QUIET_TICKS: u32 = 16;

/// Starts the watchdog's thread.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = shared.clone();
    std::thread::Builder::new().name("krarup-watchdog".into()).spawn(move || {
        *lock(&shared.watchdog) = Some(std::thread::current());
        shared.live_threads.fetch_add(1, SeqCst);
        Watchdog { seen: vec![(0, 0); shared.seats.len()], quiet: 0, shared: &shared }.run();
        shared.live_threads.fetch_sub(1, SeqCst);
    })?;
    Ok(())
}

struct Watchdog<'a> {
    shared: &'a Arc<Shared>,
    /// Slice number a seat last showed, and for how many ticks.
    seen: Vec<(u64, u64)>,
    quiet: u32,
}

impl Watchdog<'_> {
    fn run(&mut self) {
        while !self.shared.stop.load(Relaxed) {
            std::thread::sleep(TICK);
            self.shared.tick.fetch_add(1, Relaxed);
            for index in 0..self.shared.seats.len() {
                self.inspect(index);
            }
            self.maybe_sleep();
        }
    }

    fn maybe_sleep(&mut self) {
        if !self.shared.all_asleep() {
            self.quiet = 0;
            return;
        }
        self.quiet += 1;
        if self.quiet < QUIET_TICKS {
            return;
        }
        self.quiet = 0;
        self.shared.watchdog_asleep.store(true, SeqCst);
        // A seat that woke before the store has not seen it; then it is not asleep any more, which we see here.
        if self.shared.all_asleep() && !self.shared.stop.load(SeqCst) {
            std::thread::park();
        }
        self.shared.watchdog_asleep.store(false, SeqCst);
    }

    fn inspect(&mut self, index: usize) {
        let cell = &self.shared.seats[index];
        let slice = cell.slice.load(Relaxed);
        let seen = &mut self.seen[index];
        if cell.lease.in_core() || seen.0 != slice {
            *seen = (slice, 0);
            return;
        }
        seen.1 += 1;
        if seen.1 < self.shared.overstay_ms {
            return;
        }
        seen.1 = 0;
        self.take_over(index);
    }

    fn take_over(&self, index: usize) {
        let cell = &self.shared.seats[index];
        let old = cell.lease.epoch();
        let epoch = cell.lease.revoke(); // 2
        let task = cell.current.load(Relaxed);
        self.shared.with_host(|h| h.long_schedule(task));
        // SAFETY: the thread is in user code inside a slice of `task` and cannot enter the core any more.
        let token = unsafe { ((*task).vtable.overstayed)(task) }; // 3
        cell.leave_token(old, token);
        // SAFETY: the seat is ours since step 2.
        unsafe { (*cell.seat.get()).flush() }; // 4
        if let Some(s) = lock(&cell.sitter).as_ref() {
            if s.os.parked_fibers.load(Relaxed) == 0 {
                let _ = affinity::set_nice(s.os.kernel_tid, SLOW_NICE); // 5
            }
        }
        // No thread to be had: nobody sits there until the old thread is through; the injector still serves the rest.
        let _ = worker::start(self.shared, index, epoch);
    }
}
