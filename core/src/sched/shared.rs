//! The scheduler as its threads share it: seats, injector, sleepers, thread table, the clock's tick.
//! Imports: base, lease, seat, slow, task, thread.
//!
//! Sleep and wake (Dekker with sequentially consistent fences; the loom model is `loom_park`):
//!  1 sleeper: set own bit in `sleepers` (RMW, SeqCst)
//!  2 sleeper: look at injector, pinned queue, stop once more; work there -> clear the bit and go on
//!  3 sleeper: park
//!  1'waker: publish the work; 2' fence SeqCst; 3' read `sleepers`; 4' clear a bit; whoever cleared it unparks
//! Either the sleeper sees the work in 2, or the waker sees the bit in 3'.

use super::lease::Lease;
use super::seat::Seat;
use super::slow::SlowLane;
use super::task::{Lane, Task};
use super::thread;
use crate::base::clock::Clock;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::Thread;

/// What the floor above does for the scheduler.
pub(crate) trait Host: Send + Sync {
    /// Fires what is due in timer wheel `wheel`.
    fn poll_timers(&self, wheel: usize, now_ns: u64);
    /// When wheel `wheel` wants to be polled next, in ns of the node's clock (`u64::MAX`: never).
    fn next_deadline(&self, wheel: usize) -> u64;
    /// A callback has overstayed its slice by the watchdog's measure.
    fn long_schedule(&self, task: *mut Task);
    /// A thread is about to run tasks, and has stopped to.
    fn thread_start(&self) {}
    /// See `thread_start`.
    fn thread_stop(&self, _id: u32) {}
}

/// A seat with what others may look at.
pub(crate) struct SeatCell {
    pub index: usize,
    pub lease: Lease,
    pub seat: UnsafeCell<Seat>,
    /// Number of the slice in progress; the watchdog compares. Relaxed: a stale value delays it by one tick.
    pub slice: AtomicU64,
    /// The task of that slice. Relaxed like `slice`; used only after a revocation, whose barrier orders it.
    pub current: AtomicPtr<Task>,
    /// The seated thread, for unparking, and its kernel id, for niceness.
    pub sitter: Mutex<Option<Sitter>>,
    /// What `Vtable::overstayed` returned, by the epoch that was revoked, until the old thread fetches it.
    tokens: Mutex<Vec<(u64, Token)>>,
    token_left: Condvar,
}

struct Token(*const ());
// SAFETY: a counted pointer of the floor above, handed from the watchdog to one thread.
unsafe impl Send for Token {}

impl SeatCell {
    /// The watchdog leaves the token for the thread that had `epoch`.
    pub fn leave_token(&self, epoch: u64, token: *const ()) {
        lock(&self.tokens).push((epoch, Token(token)));
        self.token_left.notify_all();
    }

    /// The thread that had `epoch` fetches it; the watchdog is at most a few steps behind.
    #[cold]
    pub fn wait_for_token(&self, epoch: u64) -> *const () {
        let mut tokens = lock(&self.tokens);
        loop {
            if let Some(i) = tokens.iter().position(|t| t.0 == epoch) {
                return tokens.swap_remove(i).1.0;
            }
            tokens = self.token_left.wait(tokens).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Clone)]
pub(crate) struct Sitter {
    pub thread: Thread,
    pub os: Arc<OsThread>,
}

/// An OS thread that can have fibers parked on it.
pub(crate) struct OsThread {
    pub id: u32,
    pub kernel_tid: i32,
    pinned: Mutex<VecDeque<Ptr>>,
    /// Length of `pinned` as a hint. Release after the push, pairs with Acquire in `pop_pinned`'s check.
    pinned_len: AtomicUsize,
    /// Fibers parked here. Relaxed: only the thread itself changes it, others want an estimate.
    pub parked_fibers: AtomicUsize,
    pub handle: Thread,
}

/// A task pointer that may cross threads, with the scheduling right.
#[derive(Clone, Copy)]
pub(crate) struct Ptr(pub *mut Task);
// SAFETY: whoever holds the pointer in a queue holds the scheduling right; slots are never unmapped.
unsafe impl Send for Ptr {}
// SAFETY: as above.
unsafe impl Sync for Ptr {}

/// See the module's text.
pub(crate) struct Shared {
    pub seats: Box<[SeatCell]>,
    injector: Mutex<VecDeque<Ptr>>,
    /// Length of the injector as a hint; Release after a push, pairs with the Acquire load before a pop.
    injector_len: AtomicUsize,
    /// Bit i: seat i's thread sleeps. See the protocol above.
    sleepers: AtomicU64,
    /// Threads that look for work without sleeping; a waker that sees one leaves the work to it.
    pub spinning: AtomicU32,
    /// Bumped by the watchdog every millisecond while somebody works; workers that see it change read the clock.
    pub tick: AtomicU64,
    pub watchdog: Mutex<Option<Thread>>,
    /// The watchdog sleeps because nobody works. Same protocol as `sleepers`, with the watchdog as sleeper.
    pub watchdog_asleep: AtomicBool,
    pub threads: RwLock<Vec<Option<Arc<OsThread>>>>,
    pub slow: SlowLane,
    pub stop: AtomicBool,
    /// OS threads of ours that are alive.
    pub live_threads: AtomicUsize,
    pub clock: Clock,
    pub host: std::sync::OnceLock<std::sync::Weak<dyn Host>>,
    pub overstay_ms: u64,
    /// Seeded single-thread mode: draws the next task at random.
    pub seeded: Option<Mutex<crate::base::random::Random>>,
}

// SAFETY: seats are guarded by their leases, everything else by atomics and mutexes.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// A poisoned lock here means a panic in a few lines that cannot leave the data half written.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(seats: usize, clock: Clock, overstay_ms: u64, seed: Option<u64>) -> Self {
        let cell = |index| SeatCell {
            index,
            lease: Lease::new(),
            seat: UnsafeCell::new(Seat::new()),
            slice: AtomicU64::new(0),
            current: AtomicPtr::new(std::ptr::null_mut()),
            sitter: Mutex::new(None),
            tokens: Mutex::new(Vec::new()),
            token_left: Condvar::new(),
        };
        Self {
            seats: (0..seats).map(cell).collect(),
            injector: Mutex::new(VecDeque::new()),
            injector_len: AtomicUsize::new(0),
            sleepers: AtomicU64::new(0),
            spinning: AtomicU32::new(0),
            tick: AtomicU64::new(0),
            watchdog: Mutex::new(None),
            watchdog_asleep: AtomicBool::new(false),
            threads: RwLock::new(Vec::new()),
            slow: SlowLane::new(),
            stop: AtomicBool::new(false),
            live_threads: AtomicUsize::new(0),
            clock,
            host: std::sync::OnceLock::new(),
            overstay_ms,
            seeded: seed.map(|s| Mutex::new(crate::base::random::Random::seeded(s))),
        }
    }

    /// Runs `f` on the floor above, if it is still there.
    pub fn with_host<R>(&self, f: impl FnOnce(&dyn Host) -> R) -> Option<R> {
        self.host.get().and_then(std::sync::Weak::upgrade).map(|h| f(&*h))
    }

    /// Queues a task whose scheduling right the caller has just won.
    ///
    /// # Safety
    /// `task` is live and the right is the caller's; if the calling thread is seated it is inside the core.
    #[inline]
    pub unsafe fn wake(&self, task: *mut Task) {
        // SAFETY: live by contract.
        let t = unsafe { &*task };
        if t.lane() == Lane::Slow {
            return self.slow.push(self, task);
        }
        let pin = t.pin.load(Relaxed);
        let ctx = thread::current();
        // SAFETY: a non-null record is the current thread's own.
        if let Some(ctx) = unsafe { ctx.as_ref() } {
            if std::ptr::eq(ctx.shared, self) && !ctx.locked.get() && (pin == 0 || pin == ctx.id) {
                // SAFETY: inside the core by contract.
                return unsafe { ctx.seat().push_woken(task) };
            }
        }
        if pin == 0 { self.inject(task) } else { self.push_pinned(pin, task) }
    }

    /// Queues a task for any seat.
    pub fn inject(&self, task: *mut Task) {
        {
            let mut q = lock(&self.injector);
            q.push_back(Ptr(task));
            self.injector_len.store(q.len(), Release);
        }
        self.wake_one();
    }

    /// Queues many tasks for any seat.
    pub fn inject_all(&self, tasks: &[*mut Task]) {
        {
            let mut q = lock(&self.injector);
            q.extend(tasks.iter().map(|t| Ptr(*t)));
            self.injector_len.store(q.len(), Release);
        }
        self.wake_one();
    }

    /// Whether the injector seems to hold work.
    #[inline]
    pub fn has_injected(&self) -> bool {
        self.injector_len.load(Acquire) != 0
    }

    /// Moves up to `max` tasks from the injector into `seat`.
    pub fn take_injected(&self, seat: &mut Seat, max: usize) {
        if !self.has_injected() {
            return;
        }
        let mut q = lock(&self.injector);
        let n = q.len().div_ceil(self.seats.len()).min(max);
        for _ in 0..n {
            if let Some(Ptr(t)) = q.pop_front() {
                // SAFETY: the queue held the right; it passes to the seat.
                unsafe { seat.push_back(t) };
            }
        }
        self.injector_len.store(q.len(), Release);
    }

    fn push_pinned(&self, pin: u32, task: *mut Task) {
        let os = self.threads.read().unwrap_or_else(PoisonError::into_inner)[pin as usize - 1].clone();
        // A fiber's thread outlives the fiber: it serves its parked fibers before it ends.
        let Some(os) = os else { return self.inject(task) };
        {
            let mut q = lock(&os.pinned);
            q.push_back(Ptr(task));
            os.pinned_len.store(q.len(), Release);
        }
        fence(SeqCst);
        self.sleepers.fetch_and(!self.seat_bit_of(&os), SeqCst);
        os.handle.unpark();
    }

    fn seat_bit_of(&self, os: &OsThread) -> u64 {
        for c in &self.seats {
            if lock(&c.sitter).as_ref().is_some_and(|s| s.os.id == os.id) {
                return 1 << c.index;
            }
        }
        0
    }

    /// Wakes one sleeping seat, unless somebody already looks for work.
    pub fn wake_one(&self) {
        fence(SeqCst);
        if self.spinning.load(Relaxed) > 0 {
            return;
        }
        loop {
            let mask = self.sleepers.load(Relaxed);
            if mask == 0 {
                return;
            }
            let index = mask.trailing_zeros() as usize;
            if self.wake_seat(index) {
                return;
            }
        }
    }

    /// Wakes seat `index` if it sleeps; says whether it did.
    pub fn wake_seat(&self, index: usize) -> bool {
        let bit = 1u64 << index;
        if self.sleepers.fetch_and(!bit, SeqCst) & bit == 0 {
            return false;
        }
        if let Some(s) = lock(&self.seats[index].sitter).as_ref() {
            s.thread.unpark();
        }
        true
    }

    /// Steps 1 and 2 of going to sleep; false: there is work, the bit is cleared again.
    pub fn prepare_sleep(&self, index: usize, os: &OsThread) -> bool {
        let bit = 1u64 << index;
        self.sleepers.fetch_or(bit, SeqCst);
        fence(SeqCst);
        if self.has_injected() || os.has_pinned() || self.stop.load(Relaxed) {
            self.sleepers.fetch_and(!bit, SeqCst);
            return false;
        }
        true
    }

    /// After waking for whatever reason.
    pub fn finish_sleep(&self, index: usize) {
        self.sleepers.fetch_and(!(1u64 << index), SeqCst);
        if self.watchdog_asleep.load(Relaxed) && self.watchdog_asleep.swap(false, SeqCst) {
            if let Some(t) = lock(&self.watchdog).as_ref() {
                t.unpark();
            }
        }
    }

    /// Whether every seat sleeps.
    pub fn all_asleep(&self) -> bool {
        self.sleepers.load(SeqCst).count_ones() as usize == self.seats.len()
    }

    /// How many seats sleep or look for work; a busy seat shares when there are any.
    #[inline]
    pub fn hungry(&self) -> bool {
        self.sleepers.load(Relaxed) != 0 || self.spinning.load(Relaxed) != 0
    }

    /// Registers the calling thread in the thread table.
    pub fn register_thread(&self) -> Arc<OsThread> {
        let mut table = self.threads.write().unwrap_or_else(PoisonError::into_inner);
        let at = table.iter().position(Option::is_none).unwrap_or(table.len());
        let os = Arc::new(OsThread {
            id: at as u32 + 1,
            kernel_tid: crate::base::affinity::gettid(),
            pinned: Mutex::new(VecDeque::new()),
            pinned_len: AtomicUsize::new(0),
            parked_fibers: AtomicUsize::new(0),
            handle: std::thread::current(),
        });
        if at == table.len() {
            table.push(Some(os.clone()));
        } else {
            table[at] = Some(os.clone());
        }
        self.live_threads.fetch_add(1, SeqCst);
        os
    }

    /// Removes the calling thread; it has no parked fibers any more.
    pub fn unregister_thread(&self, os: &OsThread) {
        self.threads.write().unwrap_or_else(PoisonError::into_inner)[os.id as usize - 1] = None;
        self.live_threads.fetch_sub(1, SeqCst);
    }
}

impl OsThread {
    pub fn has_pinned(&self) -> bool {
        self.pinned_len.load(Acquire) != 0
    }

    /// The next task whose parked fiber lives here.
    pub fn pop_pinned(&self) -> Option<*mut Task> {
        if !self.has_pinned() {
            return None;
        }
        let mut q = lock(&self.pinned);
        let t = q.pop_front().map(|p| p.0);
        self.pinned_len.store(q.len(), Release);
        t
    }
}
