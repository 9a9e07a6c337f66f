//! The scheduler as its threads share it: seats, injector, sleepers, thread table, the clock's tick.
//! Imports: base, handoff, lease, seat, sleep, slow, task, thread, watchdog, worker.
//!
//! Sleeping and waking: see `sleep`. Taking a seat away: see `lease` and `watchdog`.

use super::handoff::Handoff;
use super::lease::Tenure;
use super::seat::Seat;
use super::sleep::Sleep;
use super::slow::SlowLane;
use super::task::{Lane, Task};
use super::{thread, watchdog, worker};
use crate::base::clock::Clock;
use crate::base::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::base::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use crate::base::sync::thread::Thread;
use crate::base::sync::{Arc, Condvar, Mutex, RwLock, even_if_poisoned, wait_timeout};
use std::cell::UnsafeCell;
use std::time::{Duration, Instant};

pub(crate) use crate::base::sync::lock;

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

/// A seat with what others may look at. Aligned so that neighbours' hot words share no cache line.
#[repr(align(128))]
pub(crate) struct SeatCell {
    pub index: usize,
    pub seat: UnsafeCell<Seat>,
    /// Number of the slice in progress; the watchdog compares. Odd while one runs, even between two: a worker that is
    /// idle shows the same number for long and has not overstayed. Relaxed: a stale value delays the watchdog by one
    /// tick; what it acts upon it reads after a barrier that orders it.
    pub slice: AtomicU64,
    /// The task of that slice. Relaxed like `slice`.
    pub current: AtomicPtr<Task>,
    /// The current tenure. A leaf lock.
    tenure: Mutex<Arc<Tenure>>,
    /// The seated thread, for unparking, and its kernel id, for niceness. A leaf lock.
    pub sitter: Mutex<Option<Sitter>>,
}

impl SeatCell {
    fn new(index: usize) -> Self {
        Self {
            index,
            seat: UnsafeCell::new(Seat::new()),
            slice: AtomicU64::new(0),
            current: AtomicPtr::new(std::ptr::null_mut()),
            tenure: Mutex::new(Arc::new(Tenure::new())),
            sitter: Mutex::new(None),
        }
    }

    /// The current tenure.
    pub fn tenure(&self) -> Arc<Tenure> {
        lock(&self.tenure).clone()
    }

    /// The watchdog has taken the seat away: the next thread's tenure begins.
    pub fn begin_tenure(&self) {
        *lock(&self.tenure) = Arc::new(Tenure::new());
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
    pub cpu: crate::base::affinity::ThreadClock,
    /// Tasks whose parked fiber lives here, as others woke them.
    pinned: Handoff<Ptr>,
    /// The seat the thread sits on, or `NO_SEAT`. Relaxed: a stale value wakes a thread too many.
    seat: AtomicUsize,
    /// Fibers parked here. Relaxed: only the thread itself changes it, others want an estimate.
    pub parked_fibers: AtomicUsize,
    /// The task whose code holds the thread, away from its seat, while fibers may be parked here; null: none does.
    /// Relaxed: for the watchdog and for information, whose next look corrects it.
    holder: AtomicPtr<Task>,
    /// What only this thread may do, when it comes free. A leaf lock.
    chores: Mutex<Vec<Chore>>,
    pub handle: Thread,
}

const NO_SEAT: usize = usize::MAX;

type Chore = Box<dyn FnOnce() + Send>;

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
    /// Tasks for any seat.
    injector: Handoff<Ptr>,
    pub sleep: Sleep,
    /// Bumped by the watchdog every millisecond while somebody works; workers that see it change read the clock.
    pub tick: AtomicU64,
    pub watchdog: Mutex<Option<Thread>>,
    pub threads: RwLock<Vec<Option<Arc<OsThread>>>>,
    pub slow: SlowLane,
    pub stop: AtomicBool,
    /// Threads with a `holder`. Relaxed; the fences of the watchdog's sleep order it with that.
    held: AtomicUsize,
    /// OS threads of ours that are alive. A leaf lock.
    live_threads: Mutex<usize>,
    thread_gone: Condvar,
    pub clock: Clock,
    pub host: std::sync::OnceLock<std::sync::Weak<dyn Host>>,
    pub overstay_ms: u64,
    /// Seeded single-thread mode: draws the next task at random.
    pub seeded: Option<Mutex<crate::base::random::Random>>,
    /// The thread that drives a seeded scheduler, registered by its first drive.
    driver: Mutex<Option<Arc<OsThread>>>,
}

// SAFETY: seats are guarded by their leases, everything else by atomics and mutexes.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    pub fn new(seats: usize, clock: Clock, overstay_ms: u64, seed: Option<u64>) -> Self {
        Self {
            seats: (0..seats).map(SeatCell::new).collect(),
            injector: Handoff::new(),
            sleep: Sleep::new(seats),
            tick: AtomicU64::new(0),
            watchdog: Mutex::new(None),
            threads: RwLock::new(Vec::new()),
            slow: SlowLane::new(),
            stop: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            live_threads: Mutex::new(0),
            thread_gone: Condvar::new(),
            clock,
            host: std::sync::OnceLock::new(),
            overstay_ms,
            seeded: seed.map(|s| Mutex::new(crate::base::random::Random::seeded(s))),
            driver: Mutex::new(None),
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
        if let Some(ctx) = unsafe { ctx.as_ref() }
            && std::ptr::eq(ctx.shared, self)
            && !ctx.locked.get()
            && (pin == 0 || pin == ctx.id)
        {
            debug_assert!(ctx.inside.get(), "a seated thread wakes from inside the core");
            // SAFETY: inside the core by contract.
            return unsafe { ctx.seat().push_woken(task) };
        }
        if pin == 0 { self.inject(task) } else { self.push_pinned(pin, task) }
    }

    /// Starts the threads: one a seat, and the watchdog. Not for a seeded scheduler, which is driven.
    ///
    /// Errors: a thread could not be started; those that were are told to stop.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        self.slow.bind(self);
        let mut seats = 0..self.seats.len();
        let started = seats.try_for_each(|i| worker::start(self, i)).and_then(|()| watchdog::start(self));
        if started.is_err() {
            self.request_stop();
        }
        started
    }

    fn request_stop(&self) {
        self.stop.store(true, SeqCst);
        for os in even_if_poisoned(self.threads.read()).iter().flatten() {
            os.handle.unpark();
        }
        self.wake_watchdog();
        self.slow.wake_all();
    }

    /// Queues a task for any seat.
    pub fn inject(&self, task: *mut Task) {
        self.injector.push_all([Ptr(task)]);
        self.wake_one();
    }

    /// Queues many tasks for any seat.
    pub fn inject_all(&self, tasks: &[*mut Task]) {
        self.injector.push_all(tasks.iter().map(|t| Ptr(*t)));
        self.wake_one();
    }

    /// Whether the injector seems to hold work.
    #[inline]
    pub fn has_injected(&self) -> bool {
        self.injector.has_some()
    }

    /// Moves one seat's share of the injector, at most `max`, into `seat`. If some stay, another seat is woken for
    /// them: their wakers may have counted on the caller, who cannot run them all at once.
    pub fn take_injected(&self, seat: &mut Seat, max: usize) {
        let left = self.injector.take(
            |len| len.div_ceil(self.seats.len()).min(max),
            // SAFETY: the queue held the right; it passes to the seat.
            |Ptr(t)| unsafe { seat.push_back(t) },
        );
        if left > 0 {
            self.wake_one();
        }
    }

    /// Queues a task for the thread where its fiber is parked.
    pub fn push_pinned(&self, pin: u32, task: *mut Task) {
        let os = self.thread_of(pin);
        // A fiber's thread outlives the fiber. If it serves no more, the fiber has ended since the pin was read, and any
        // thread will do.
        let Some(os) = os.filter(|os| os.pinned.push(Ptr(task)).is_ok()) else { return self.inject(task) };
        // The seat does not sleep any more: nobody should wake it for other work, which would wait behind this. If the
        // thread has lost the seat meanwhile, its successor is woken for nothing (and not left asleep without its bit).
        let seat = os.seat.load(Relaxed);
        if seat != NO_SEAT {
            self.wake_seat(seat);
        }
        os.handle.unpark();
    }

    /// Wakes one sleeping seat, unless somebody already looks for work. After publishing work.
    pub fn wake_one(&self) {
        if let Some(seat) = self.sleep.pick() {
            self.unpark_sitter(seat);
        }
    }

    /// Wakes seat `index` if it sleeps; says whether it did. After publishing what it is to see.
    pub fn wake_seat(&self, index: usize) -> bool {
        let asleep = self.sleep.take(index);
        if asleep {
            self.unpark_sitter(index);
        }
        asleep
    }

    fn unpark_sitter(&self, index: usize) {
        if let Some(s) = lock(&self.seats[index].sitter).as_ref() {
            s.thread.unpark();
        }
    }

    pub fn wake_watchdog(&self) {
        if let Some(t) = lock(&self.watchdog).as_ref() {
            t.unpark();
        }
    }

    /// How many seats sleep or look for work; a busy seat shares when there are any.
    #[inline]
    pub fn hungry(&self) -> bool {
        self.sleep.hungry()
    }

    /// The driver of a seeded scheduler in the thread table. It stays there between drives: a task that is woken
    /// meanwhile for a fiber parked on it must find it. Not counted as a live thread.
    pub fn driver_thread(&self) -> Arc<OsThread> {
        lock(&self.driver).get_or_insert_with(|| self.enter_thread_table()).clone()
    }

    /// Leaves something to the thread with number `pin`, to be done when it comes free. 0: a fiber that is just getting
    /// its stack, so that its code is out and comes back by itself; nothing is left then.
    pub fn leave_chore(&self, pin: u32, chore: Chore) {
        let Some(os) = self.thread_of(pin) else { return };
        // A thread outlives the fibers parked on it, so it is there; a chore for nobody is dropped.
        lock(&os.chores).push(chore);
        os.handle.unpark();
    }

    /// The thread with number `pin` (0: none).
    fn thread_of(&self, pin: u32) -> Option<Arc<OsThread>> {
        let at = (pin as usize).checked_sub(1)?;
        even_if_poisoned(self.threads.read()).get(at).cloned().flatten()
    }

    /// The task whose code holds the thread with number `pin` (0: no thread).
    pub fn holder_of(&self, pin: u32) -> Option<*mut Task> {
        Some(self.thread_of(pin)?.holder.load(Relaxed)).filter(|t| !t.is_null())
    }

    /// Whether somebody's code holds a thread on which fibers may be parked.
    pub fn has_held_threads(&self) -> bool {
        self.held.load(Relaxed) > 0
    }

    /// Tasks woken for fibers parked on threads that somebody's code holds are given to the seats, so that their signals
    /// are applied; those that have nothing but messages come back and wait on. Whether there are such threads.
    pub fn relieve_held_threads(&self) -> bool {
        if !self.has_held_threads() {
            return false;
        }
        let threads: Vec<_> = even_if_poisoned(self.threads.read()).iter().flatten().cloned().collect();
        for os in threads.iter().filter(|os| !os.holder.load(Relaxed).is_null()) {
            os.pinned.take(|len| len, |Ptr(t)| self.inject(t));
        }
        true
    }

    /// Starts a thread of ours, counted before it runs: who stops the node must wait for a thread that the kernel has
    /// not run yet. It has to end with `unregister_thread`, or `thread_ended` if it was never registered.
    pub fn start_thread(&self, name: String, f: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.thread_starts();
        let started = crate::base::sync::thread::Builder::new().name(name).spawn(f);
        if started.is_err() {
            self.thread_ended();
        }
        started.map(drop)
    }

    /// One thread more will use the scheduler.
    pub fn thread_starts(&self) {
        *lock(&self.live_threads) += 1;
    }

    /// How many threads use the scheduler.
    pub fn live_threads(&self) -> usize {
        *lock(&self.live_threads)
    }

    /// Tells every thread to stop as soon as it is out of its slice and waits for them, at most `patience`. Returns how
    /// many are left.
    pub fn stop(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        loop {
            // Again and again: a thread that is just being started is counted but not told.
            self.request_stop();
            let live = lock(&self.live_threads);
            let left = until.saturating_duration_since(Instant::now());
            if *live == 0 || left.is_zero() {
                return *live;
            }
            drop(wait_timeout(&self.thread_gone, live, &self.live_threads, left.min(Duration::from_millis(1))));
        }
    }

    /// The calling thread, which was counted, uses the scheduler no more.
    pub fn thread_ended(&self) {
        *lock(&self.live_threads) -= 1;
        self.thread_gone.notify_all();
    }

    /// Registers the calling thread, which `start_thread` has counted, in the thread table.
    pub fn register_thread(&self) -> Arc<OsThread> {
        self.enter_thread_table()
    }

    fn enter_thread_table(&self) -> Arc<OsThread> {
        let mut table = even_if_poisoned(self.threads.write());
        let at = table.iter().position(Option::is_none).unwrap_or(table.len());
        let os = Arc::new(OsThread {
            id: at as u32 + 1,
            kernel_tid: crate::base::affinity::gettid(),
            cpu: crate::base::affinity::ThreadClock::current(),
            pinned: Handoff::new(),
            seat: AtomicUsize::new(NO_SEAT),
            parked_fibers: AtomicUsize::new(0),
            holder: AtomicPtr::new(std::ptr::null_mut()),
            chores: Mutex::new(Vec::new()),
            handle: crate::base::sync::thread::current(),
        });
        if at == table.len() {
            table.push(Some(os.clone()));
        } else {
            table[at] = Some(os.clone());
        }
        os
    }

    /// Removes the calling thread; it has no parked fibers any more.
    pub fn unregister_thread(&self, os: &OsThread) {
        even_if_poisoned(self.threads.write())[os.id as usize - 1] = None;
        self.thread_ended();
    }
}

impl OsThread {
    /// Code of `task` holds the thread from now on; null: nobody's does.
    pub fn held_by(&self, shared: &Shared, task: *mut Task) {
        let before = self.holder.swap(task, Relaxed);
        match (before.is_null(), task.is_null()) {
            (true, false) => {
                shared.held.fetch_add(1, Relaxed);
                // It may sleep, as every seat does: this thread has none.
                shared.sleep.rouse_watchdog(|| shared.wake_watchdog());
            }
            (false, true) => drop(shared.held.fetch_sub(1, Relaxed)),
            _ => {}
        }
    }

    /// Does what was left to the thread.
    pub fn do_chores(&self) {
        let chores = std::mem::take(&mut *lock(&self.chores));
        chores.into_iter().for_each(|chore| chore());
    }

    /// The thread sits on seat `index` from now on, or on none.
    pub fn sits(&self, index: Option<usize>) {
        self.seat.store(index.unwrap_or(NO_SEAT), Relaxed);
    }

    pub fn has_pinned(&self) -> bool {
        self.pinned.has_some()
    }

    /// The next task whose parked fiber lives here.
    pub fn pop_pinned(&self) -> Option<*mut Task> {
        self.pinned.pop().map(|p| p.0)
    }

    /// The thread serves no fibers any more; the tasks that came too late for it.
    pub fn close_pinned(&self) -> Vec<*mut Task> {
        self.pinned.close().into_iter().map(|p| p.0).collect()
    }

    /// Moves the tasks whose parked fibers live here into the thread's own seat, where they take their turn with the
    /// others: served first, a stream of them would starve the seat, and a low priority would go before a high one.
    pub fn take_pinned(&self, seat: &mut Seat) {
        // SAFETY: the queue held the right; it passes to the seat.
        self.pinned.take(|len| len, |Ptr(t)| unsafe { seat.push_back(t) });
    }
}
