//! Who sleeps and who looks for work: how a seat's thread goes to sleep without missing work, and whom a waker wakes.
//! Imports: base.
//!
//! Protocol (models: `sleep`). S is a seat's thread without work, W whoever publishes work for any seat.
//!  1 S: `spinning` + 1, looks for work for a while, `spinning` - 1
//!  2 S: sets its bit in `sleepers`; fence (SeqCst)
//!  3 S: looks for work once more; there is some -> clears the bit, step 6
//!  4 S: parks
//!  5 S: clears its bit
//!  6 S: fence (SeqCst); the watchdog sleeps -> wakes it
//!  a W: publishes the work; fence (SeqCst)
//!  b W: reads `spinning`; somebody looks for work -> done
//!  c W: clears a bit of `sleepers`; whoever cleared it unparks that thread
//! By the fences in 2 and a, either S sees the work in 3, or W sees S's bit in c. If W stops at b because of S, it has
//! read a value from before S's decrement; then a is before 2, and S sees the work in 3 at the latest.
//!
//! Step b leaves work to a spinner that may take something else: two pieces of work come, both wakers see the one
//! spinner, it takes one piece and runs it, and the other waits although seats sleep. So whoever takes work and leaves
//! some behind does steps a to c again (`Shared::take_injected`).
//!
//! The watchdog sleeps by the same rule, with all the bits as its work: it sets `watchdog_asleep`, fence, sees that
//! every bit is set (and that nothing else waits for it), parks; a thread that clears its own bit looks at it in 6,
//! whatever made it clear the bit; so does whoever leaves it something.

use crate::base::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use crate::base::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
use crate::base::sync::hint;
#[cfg(not(any(loom, shuttle)))]
use std::time::{Duration, Instant};

/// How long a thread looks for work before it sleeps. Waking a core that has halted costs tens of microseconds where
/// the kernel is itself a guest, and about as long is the usual compromise: spinning as long as the sleep would cost
/// loses at most a factor of two. With 10 us two processes on two cores sent each other 38,000 messages a second, with 50
/// us 1,200,000.
#[cfg(not(any(loom, shuttle)))]
const SPIN: Duration = Duration::from_micros(50);
/// Rounds instead of time where there is no time.
#[cfg(any(loom, shuttle))]
const ROUNDS: u32 = 1;

/// See the module's text.
pub(crate) struct Sleep {
    /// Bit i: seat i's thread sleeps or is about to.
    sleepers: AtomicU64,
    /// Threads in step 1.
    spinning: AtomicU32,
    watchdog_asleep: AtomicBool,
    /// The bits of all seats.
    all: u64,
}

/// What looking around has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    Found,
    Nothing,
}

impl Sleep {
    /// For 1 to 64 seats, whose threads are awake.
    pub fn new(seats: usize) -> Self {
        assert!((1..=64).contains(&seats), "1 to 64 seats");
        Self {
            sleepers: AtomicU64::new(0),
            spinning: AtomicU32::new(0),
            watchdog_asleep: AtomicBool::new(false),
            all: u64::MAX >> (64 - seats),
        }
    }

    /// Step 1.
    pub fn spin(&self, has_work: impl Fn() -> bool) -> Looked {
        self.spinning.fetch_add(1, Relaxed);
        let mut patience = Patience::new();
        let looked = loop {
            if has_work() {
                break Looked::Found;
            }
            if patience.is_over() {
                break Looked::Nothing;
            }
            hint::spin_loop();
        };
        // Relaxed: a waker that has read the old value has published before our fence in `prepare`.
        self.spinning.fetch_sub(1, Relaxed);
        looked
    }

    /// Steps 2 and 3. True: the caller may park, and calls `awake` afterwards. False: there is work; the caller is
    /// awake as before.
    #[must_use]
    pub fn prepare(&self, seat: usize, has_work: impl FnOnce() -> bool, wake_watchdog: impl FnOnce()) -> bool {
        self.sleepers.fetch_or(1 << seat, AcqRel);
        fence(SeqCst);
        if has_work() {
            self.awake(seat, wake_watchdog);
            return false;
        }
        true
    }

    /// Steps 5 and 6, after parking, whoever ended it.
    pub fn awake(&self, seat: usize, wake_watchdog: impl FnOnce()) {
        // Acquire pairs with the waker's Release in `take`: what it wrote before (a timer's deadline, work) is seen.
        self.sleepers.fetch_and(!(1 << seat), AcqRel);
        self.rouse_watchdog(wake_watchdog);
    }

    /// Step 6: there is something the watchdog must see to, published before the call.
    pub fn rouse_watchdog(&self, wake_watchdog: impl FnOnce()) {
        fence(SeqCst);
        if self.watchdog_asleep.load(Relaxed) && self.watchdog_asleep.swap(false, AcqRel) {
            wake_watchdog();
        }
    }

    /// Steps a to c, after the work was published: the seat whose thread the caller must unpark.
    #[must_use]
    pub fn pick(&self) -> Option<usize> {
        fence(SeqCst);
        if self.spinning.load(Relaxed) > 0 {
            return None;
        }
        loop {
            let mask = self.sleepers.load(Relaxed);
            if mask == 0 {
                return None;
            }
            let seat = mask.trailing_zeros() as usize;
            if self.take(seat) {
                return Some(seat);
            }
        }
    }

    /// Step c for one seat, whose own work has been published (its timers, its pinned tasks); true: the caller must
    /// unpark it. The read-modify-write stands for the fence: if the seat's bit comes later, its Acquire sees ours.
    #[must_use]
    pub fn take(&self, seat: usize) -> bool {
        let bit = 1 << seat;
        self.sleepers.fetch_and(!bit, AcqRel) & bit != 0
    }

    /// Whether every seat sleeps.
    pub fn all_asleep(&self) -> bool {
        self.sleepers.load(Acquire) == self.all
    }

    /// Whether some seat sleeps or looks for work. A hint: a busy seat shares when there are any.
    #[inline]
    pub fn hungry(&self) -> bool {
        self.sleepers.load(Relaxed) != 0 || self.spinning.load(Relaxed) != 0
    }

    /// The watchdog sleeps if `may` and every seat do. `park` must come back when `awake` says `wake_watchdog`.
    pub fn watchdog_sleep(&self, may: impl FnOnce() -> bool, park: impl FnOnce()) {
        self.watchdog_asleep.store(true, Relaxed);
        fence(SeqCst);
        if self.all_asleep() && may() {
            park();
        }
        self.watchdog_asleep.store(false, Relaxed);
    }
}

/// How long is left of looking around.
struct Patience {
    #[cfg(not(any(loom, shuttle)))]
    began: Instant,
    #[cfg(any(loom, shuttle))]
    rounds: u32,
}

impl Patience {
    fn new() -> Self {
        Self {
            #[cfg(not(any(loom, shuttle)))]
            began: Instant::now(),
            #[cfg(any(loom, shuttle))]
            rounds: 0,
        }
    }

    fn is_over(&mut self) -> bool {
        #[cfg(not(any(loom, shuttle)))]
        return self.began.elapsed() >= SPIN;
        #[cfg(any(loom, shuttle))]
        {
            self.rounds += 1;
            self.rounds > ROUNDS
        }
    }
}
