//! The whole scheduler on random schedules (or, without shuttle, on real threads for a while): workers, injector,
//! pinned queues, slow lane, watchdog and takeovers, as they ship. What runs is a toy process: an inbox (the library's),
//! a few messages, callbacks that dawdle. How it is owned paraphrases `process/run.rs` (`seated`, `locked`,
//! `parked_elsewhere`, `overstayed`, `settle_with`): fields of the holder of the right, under a lock once it was taken
//! over.
//!
//! Checked: every message is handled once, in the order its sender sent it; a process's code never runs twice at a
//! time, and on its thread only once it is pinned; everybody goes home at the stop. A lost wake-up shows as a run that
//! does not end. Shuttle's memory is sequentially consistent: orderings are loom's business.

use crate::base::clock::Clock;
#[cfg(shuttle)]
use crate::base::random::Random;
use crate::base::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::base::sync::atomic::{AtomicBool, AtomicUsize};
use crate::base::sync::{Arc, Mutex, lock, thread};
use crate::process::inbox::{Inbox, Link, Pushed};
use crate::sched::seat::Deferred;
use crate::sched::shared::{Host, Shared};
use crate::sched::task::{After, Lane, Task, Vtable};
use crate::sched::thread as sched_thread;
use crate::timer::locked::LockedWheel;
#[cfg(shuttle)]
use shuttle::scheduler::{Schedule, Scheduler, TaskId};
use std::cell::UnsafeCell;
use std::collections::{HashMap, VecDeque};
use std::ptr::null_mut;

/// What a message makes its receiver do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Nothing,
    /// Stay in the callback for so many turns of the other threads.
    Dawdle(u32),
    /// Send `Nothing` to a process.
    Send(usize),
    /// Send it a `Send` back to oneself, so many times.
    PingPong(usize, u32),
    /// From now on the code runs on this thread only, as a fiber's does.
    Pin,
    Unpin,
    /// Have oneself sent `Nothing` by a timer.
    Timer,
}

struct Node {
    next: *mut Node,
    from: usize,
    number: u32,
    what: Do,
}

impl Link for Node {
    unsafe fn set_next(node: *mut Self, next: *mut Self) {
        // SAFETY: by contract.
        unsafe { (*node).next = next }
    }
    unsafe fn next(node: *mut Self) -> *mut Self {
        // SAFETY: by contract.
        unsafe { (*node).next }
    }
}

/// Sender numbers beyond the processes: threads outside, and timers.
const OUTSIDE: usize = 100;
const TIMER: usize = 200;

#[repr(C)]
struct Slot {
    task: Task,
    inbox: Inbox<Node>,
    index: usize,
    world: *const World,
    /// Belongs to the holder of the right; once there is a guest, to the holder of `lock`.
    own: UnsafeCell<Own>,
    lock: Mutex<Guest>,
    /// Whether the fields are under the lock. Changes under the right, from false to true.
    has_guest: AtomicBool,
    running: AtomicBool,
    /// Whether it may be pinned: such a one does not go to the slow lane.
    fiber: bool,
}

// SAFETY: guarded as the fields say.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

#[derive(Default)]
struct Own {
    queue: VecDeque<Message>,
    last: HashMap<usize, u32>,
    sent: HashMap<usize, u32>,
    home: Option<thread::ThreadId>,
}

#[derive(Clone, Copy)]
struct Message {
    from: usize,
    number: u32,
    what: Do,
}

#[derive(Default)]
struct Guest {
    out: bool,
}

struct World {
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    handled: AtomicUsize,
    takeovers: AtomicUsize,
    wheel: LockedWheel<usize>,
}

// SAFETY: slots are guarded, the rest is Sync.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

static VTABLE: Vtable = Vtable { run, overstayed, deliver };

impl World {
    /// The first `fibers` of the processes may be pinned.
    fn new(seats: usize, processes: usize, fibers: usize, overstay: u64) -> Arc<Self> {
        let shared = Arc::new(Shared::new(seats, Clock::virtual_clock(), overstay, None));
        let world = Arc::new_cyclic(|me: &std::sync::Weak<Self>| Self {
            shared,
            slots: (0..processes)
                .map(|index| Slot {
                    task: Task::new(&VTABLE),
                    inbox: Inbox::new_closed(),
                    index,
                    world: me.as_ptr(),
                    own: UnsafeCell::new(Own::default()),
                    lock: Mutex::new(Guest::default()),
                    has_guest: AtomicBool::new(false),
                    running: AtomicBool::new(false),
                    fiber: index < fibers,
                })
                .collect(),
            handled: AtomicUsize::new(0),
            takeovers: AtomicUsize::new(0),
            wheel: LockedWheel::new(0),
        });
        for slot in &world.slots {
            slot.inbox.open();
            assert!(slot.inbox.go_idle());
        }
        let host: Arc<dyn Host> = world.clone();
        let _ = world.shared.host.set(Arc::downgrade(&host));
        world.shared.start().unwrap();
        world
    }

    /// `System::enter`.
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: a non-null record is the current thread's own.
        match unsafe { sched_thread::current().as_ref() } {
            Some(ctx) => {
                let outermost = ctx.enter_nested();
                let r = f();
                ctx.exit_nested(outermost);
                r
            }
            None => f(),
        }
    }

    /// Sends from inside the core or from a thread that is not the scheduler's; as `send_from`, with the deferred chain.
    fn send(&self, from: usize, number: u32, to: usize, what: Do) {
        let slot = &self.slots[to];
        let task = (&raw const slot.task).cast_mut();
        let node = Box::into_raw(Box::new(Node { next: null_mut(), from, number, what }));
        // SAFETY: a non-null record is the current thread's own.
        if let Some(ctx) = unsafe { sched_thread::current().as_ref() }.filter(|c| !c.locked.get()) {
            // SAFETY: inside the core by contract.
            let seat = unsafe { ctx.seat() };
            if seat.deferred.dest == task {
                // SAFETY: fresh; it becomes the newest of the chain.
                unsafe { Node::set_next(node, seat.deferred.last.cast()) };
                seat.deferred.last = node.cast();
                seat.deferred.count += 1;
                return;
            }
            seat.flush();
            if slot.inbox.is_awake() {
                seat.deferred = Deferred { dest: task, first: node.cast(), last: node.cast(), count: 1 };
                return;
            }
        }
        slot.push(node, node);
    }

    fn describe(&self) -> String {
        let slot = |s: &Slot| {
            let (awake, out) = (s.inbox.is_awake(), lock(&s.lock).out);
            format!("{}: awake {awake}, out {out}, pin {}, lane {:?}", s.index, s.task.pin.load(Relaxed), s.task.lane())
        };
        let slots: Vec<String> = self.slots.iter().map(slot).collect();
        let (injected, hungry, slow) = (self.shared.has_injected(), self.shared.hungry(), self.shared.slow.threads());
        format!("{slots:#?}, injected {injected}, hungry {hungry}, slow threads {slow}, timers {}", self.wheel.len())
    }

    fn stop(&self) {
        assert_eq!(self.shared.stop(std::time::Duration::from_secs(60)), 0, "every thread goes home");
    }
}

impl Host for World {
    fn poll_timers(&self, wheel: usize, now_ns: u64) {
        if wheel == 0 {
            self.wheel.poll(now_ns, |_, _, process| {
                let node = Box::new(Node { next: null_mut(), from: TIMER, number: 0, what: Do::Nothing });
                let node = Box::into_raw(node);
                self.slots[process].push(node, node);
            });
        }
    }

    fn next_deadline(&self, wheel: usize) -> u64 {
        if wheel == 0 { self.wheel.next_deadline() } else { u64::MAX }
    }

    fn long_schedule(&self, _task: *mut Task) {
        self.takeovers.fetch_add(1, Relaxed);
    }
}

impl Slot {
    fn world(&self) -> &World {
        // SAFETY: the world owns the slot.
        unsafe { &*self.world }
    }

    fn task_ptr(&self) -> *mut Task {
        (&raw const self.task).cast_mut()
    }

    fn push(&self, oldest: *mut Node, newest: *mut Node) {
        // SAFETY: the callers own the chain.
        match unsafe { self.inbox.push(oldest, newest) } {
            Pushed::Queued => {}
            // SAFETY: `Woke` gives us the right; inside the core, or not seated.
            Pushed::Woke => unsafe { self.world().shared.wake(self.task_ptr()) },
            Pushed::Closed => panic!("nobody ends"),
        }
    }

    /// Owner only.
    fn drain(&self, own: &mut Own) {
        if !self.inbox.has_new() {
            return;
        }
        let mut node = self.inbox.take();
        while !node.is_null() {
            // SAFETY: taken, so ours.
            let n = unsafe { Box::from_raw(node) };
            node = n.next;
            if n.from != TIMER {
                let before = own.last.insert(n.from, n.number);
                assert!(before.is_none_or(|b| b < n.number), "in order, once: {} after {before:?}", n.number);
            }
            own.queue.push_back(Message { from: n.from, number: n.number, what: n.what });
        }
    }

    /// The callback, outside the core.
    fn handle(&self, message: Message) {
        assert!(!self.running.swap(true, SeqCst), "one thread at a time");
        let world = self.world();
        match message.what {
            Do::Nothing => {}
            Do::Dawdle(turns) => (0..turns).for_each(|_| time_passes()),
            Do::Send(to) => self.send(to, Do::Nothing),
            Do::PingPong(to, n) => {
                self.send(to, if n == 0 { Do::Nothing } else { Do::PingPong(self.index, n - 1) });
            }
            Do::Pin => self.pin(true),
            Do::Unpin => self.pin(false),
            Do::Timer => world.enter(|| {
                let due = world.shared.clock.now_ns() + 1;
                if world.wheel.insert(due, self.index).1 {
                    world.shared.wake_seat(0);
                }
            }),
        }
        assert!(self.running.swap(false, SeqCst));
        world.handled.fetch_add(1, SeqCst);
    }

    /// A call of the callback; its numbers are the running code's.
    fn send(&self, to: usize, what: Do) {
        self.world().enter(|| {
            // SAFETY: the fields are ours by lease or lock, as `Core::enter` has it.
            let number = self.with_own(|own| {
                let n = own.sent.entry(to).or_insert(0);
                *n += 1;
                *n
            });
            self.world().send(self.index, number, to, what);
        });
    }

    /// `Core::enter`: by the lease if we have it, else by the lock.
    fn with_own<R>(&self, f: impl FnOnce(&mut Own) -> R) -> R {
        // SAFETY: code of a process runs on the scheduler's threads, which have a record.
        let ctx = unsafe { &*sched_thread::current() };
        let _guard = ctx.locked.get().then(|| lock(&self.lock));
        // SAFETY: ours by lease or lock.
        f(unsafe { &mut *self.own.get() })
    }

    fn pin(&self, on: bool) {
        // SAFETY: as above; `os` outlives the record.
        let (ctx, os) = unsafe {
            let ctx = &*sched_thread::current();
            (ctx, &*ctx.os)
        };
        if on {
            os.parked_fibers.fetch_add(1, Relaxed);
        } else {
            os.parked_fibers.fetch_sub(1, Relaxed);
        }
        self.task.pin.store(if on { ctx.id } else { 0 }, Relaxed);
        self.world().enter(|| self.with_own(|own| own.home = on.then(|| thread::current().id())));
    }
}

/// Messages in one slice.
const SLICE: u32 = 2;

unsafe fn run(task: *mut Task) -> After {
    // SAFETY: tasks head slots; the thread runs tasks, so it has a record.
    let (slot, ctx) = unsafe { (&*task.cast::<Slot>(), &*sched_thread::current()) };
    let pin = slot.task.pin.load(Relaxed);
    if pin != 0 && pin != ctx.id {
        return parked_elsewhere(slot, pin);
    }
    if slot.has_guest.load(Relaxed) || ctx.locked.get() {
        slot.has_guest.store(true, Relaxed);
        return locked(slot, ctx);
    }
    for _ in 0..SLICE {
        let message = loop {
            // SAFETY: the right is ours, and no user code runs.
            let own = unsafe { &mut *slot.own.get() };
            assert!(own.home.is_none_or(|h| h == thread::current().id()), "a pinned process runs at home");
            slot.drain(own);
            match own.queue.pop_front() {
                Some(m) => break m,
                None if slot.inbox.go_idle() => return After::Gone,
                None => {}
            }
        };
        ctx.exit_core();
        slot.handle(message);
        if !ctx.enter_core() {
            assert!(std::ptr::eq(ctx.guest.replace(std::ptr::null()).cast(), slot), "its own token");
            came_back(slot);
            return After::LostSeat;
        }
    }
    After::Again
}

/// A seat applies the signals of a process whose home somebody's code holds; its messages wait for home.
fn parked_elsewhere(slot: &Slot, pin: u32) -> After {
    {
        let _guest = slot.has_guest.load(Relaxed).then(|| lock(&slot.lock));
        // SAFETY: the right is ours, and the lock if there is a guest.
        slot.drain(unsafe { &mut *slot.own.get() });
    }
    slot.world().shared.push_pinned(pin, slot.task_ptr());
    After::Gone
}

fn locked(slot: &Slot, ctx: &sched_thread::ThreadCtx) -> After {
    let mut guest = lock(&slot.lock);
    let message = loop {
        // SAFETY: the lock is ours.
        let own = unsafe { &mut *slot.own.get() };
        slot.drain(own);
        if guest.out {
            if slot.inbox.go_idle() {
                return After::Gone;
            }
            continue;
        }
        assert!(own.home.is_none_or(|h| h == thread::current().id()), "a pinned process runs at home");
        if slot.task.lane() == Lane::Slow && !ctx.locked.get() {
            return After::Again;
        }
        match own.queue.pop_front() {
            Some(m) => break m,
            None if slot.inbox.go_idle() => return After::Gone,
            None => {}
        }
    };
    guest.out = true;
    drop(guest);
    if !slot.inbox.go_idle() {
        slot.world().shared.inject(slot.task_ptr());
    }
    let was_locked = ctx.locked.replace(true);
    slot.handle(message);
    ctx.locked.set(was_locked);
    came_back(slot);
    After::Gone
}

/// `settle_with`.
fn came_back(slot: &Slot) {
    let claimed = {
        let mut guest = lock(&slot.lock);
        guest.out = false;
        slot.inbox.claim()
    };
    if claimed {
        // SAFETY: the right is ours; the thread is unseated, or inside the core.
        unsafe { slot.world().shared.wake(slot.task_ptr()) };
    }
}

unsafe fn overstayed(task: *mut Task) -> *const () {
    // SAFETY: tasks head slots; the thread that ran it is outside and has lost the seat.
    let slot = unsafe { &*task.cast::<Slot>() };
    slot.has_guest.store(true, Relaxed);
    lock(&slot.lock).out = true;
    if !slot.fiber {
        slot.task.lane.store(Lane::Slow as u8, Relaxed);
    }
    slot.world().shared.inject(task);
    std::ptr::from_ref(slot).cast()
}

unsafe fn deliver(task: *mut Task, first: *mut (), last: *mut (), _count: u32) {
    // SAFETY: tasks head slots.
    unsafe { (*task.cast::<Slot>()).push(first.cast(), last.cast()) };
}

fn time_passes() {
    #[cfg(shuttle)]
    thread::yield_now();
    #[cfg(not(shuttle))]
    thread::sleep(std::time::Duration::from_micros(500));
}

/// Runs `f` on real threads, as they come.
#[cfg(not(shuttle))]
fn check(rounds: usize, f: impl Fn()) {
    (0..rounds / 50).for_each(|_| f());
}

/// Runs `f` on many schedules; a failure prints the seed.
#[cfg(shuttle)]
fn check(rounds: usize, f: impl Fn() + Send + Sync + 'static) {
    let from_env = |name: &str| std::env::var(name).ok().and_then(|s| s.parse().ok());
    let seed = from_env("KRARUP_SEED").unwrap_or_else(|| Random::from_os().next_u64());
    let rounds = from_env("KRARUP_ROUNDS").map_or(rounds, |n| n as usize);
    println!("KRARUP_SEED={seed}");
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = shuttle::MaxSteps::FailAfter(1_000_000);
    config.silence_warnings = true;
    shuttle::Runner::new(Laggards { random: Random::seeded(seed), rounds, late: None }, config).run(f);
}

/// Draws the next thread anew at every step; and now and then one that gets no turn for long, as a thread that the
/// kernel has preempted. (PCT would do this too, but gives nobody else a turn while somebody yields in a loop.)
#[cfg(shuttle)]
struct Laggards {
    random: Random,
    rounds: usize,
    /// Who is late, and for how many steps more.
    late: Option<(TaskId, u64)>,
}

#[cfg(shuttle)]
impl Scheduler for Laggards {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.rounds = self.rounds.checked_sub(1)?;
        self.late = None;
        Some(Schedule::new(self.random.next_u64()))
    }

    fn next_task(&mut self, runnable: &[&shuttle::scheduler::Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        self.late = match self.late {
            Some((id, left)) if left > 0 => Some((id, left - 1)),
            _ if self.random.below(64) == 0 => Some((self.draw(runnable, None)?, self.random.below(400))),
            _ => None,
        };
        let late = self.late.map(|l| l.0);
        self.draw(runnable, late).or_else(|| self.draw(runnable, None))
    }

    fn next_u64(&mut self) -> u64 {
        self.random.next_u64()
    }
}

#[cfg(shuttle)]
impl Laggards {
    fn draw(&mut self, runnable: &[&shuttle::scheduler::Task], but: Option<TaskId>) -> Option<TaskId> {
        let ids: Vec<TaskId> = runnable.iter().map(|t| t.id()).filter(|id| Some(*id) != but).collect();
        let n = u64::try_from(ids.len()).ok().filter(|n| *n > 0)?;
        ids.get(self.random.below(n) as usize).copied()
    }
}

/// Starts a world, has each of `outside` send its messages from a thread of its own, waits until `expected` messages
/// have been handled and every process is idle, stops.
fn play(world: &Arc<World>, outside: &[&[(usize, Do)]], expected: usize) {
    let senders: Vec<_> = outside
        .iter()
        .enumerate()
        .map(|(i, messages)| {
            let (world, messages) = (world.clone(), messages.to_vec());
            thread::spawn(move || {
                for (n, (to, what)) in messages.into_iter().enumerate() {
                    world.send(OUTSIDE + i, n as u32, to, what);
                }
            })
        })
        .collect();
    for s in senders {
        s.join().unwrap();
    }
    let mut patience = 50_000;
    while world.handled.load(SeqCst) < expected || world.slots.iter().any(|s| s.inbox.is_awake()) {
        patience -= 1;
        assert!(patience > 0, "stuck: {} of {expected} handled; {}", world.handled.load(SeqCst), world.describe());
        // Time passes: timers come due.
        world.shared.clock.advance(1 << 20);
        time_passes();
    }
    world.stop();
    assert_eq!(world.handled.load(SeqCst), expected, "nothing twice");
}

/// Overstaying never happens.
const PATIENT: u64 = u64::MAX;

#[test]
fn messages_from_everywhere_reach_processes_on_two_seats() {
    check(3000, || {
        let world = World::new(2, 3, 0, PATIENT);
        play(
            &world,
            &[&[(0, Do::PingPong(1, 3)), (2, Do::Send(0))], &[(1, Do::Send(2)), (0, Do::Nothing), (2, Do::Dawdle(2))]],
            4 + 1 + 2 + 2 + 1 + 1,
        );
    });
}

#[test]
fn hogs_lose_their_seats_and_nothing_is_lost() {
    check(3000, || {
        let world = World::new(2, 3, 0, 1);
        play(
            &world,
            &[
                &[(0, Do::Dawdle(4)), (0, Do::PingPong(1, 2)), (1, Do::Dawdle(3))],
                &[(1, Do::PingPong(2, 2)), (2, Do::Dawdle(3)), (0, Do::Send(2))],
            ],
            1 + 4 + 1 + 4 + 1 + 2,
        );
    });
}

#[test]
fn pinned_processes_run_at_home_also_when_home_has_lost_its_seat() {
    check(3000, || {
        let world = World::new(2, 3, 2, 1);
        play(
            &world,
            &[
                &[(0, Do::Pin), (0, Do::Dawdle(3)), (0, Do::PingPong(1, 2)), (0, Do::Unpin)],
                &[(1, Do::Pin), (2, Do::Dawdle(4)), (1, Do::Send(0)), (1, Do::Unpin)],
            ],
            1 + 1 + 4 + 1 + 1 + 1 + 2 + 1,
        );
    });
}

#[test]
fn one_seat_is_enough_and_timers_fire_while_it_is_hogged() {
    check(3000, || {
        let world = World::new(1, 2, 0, 1);
        play(
            &world,
            &[&[(0, Do::Timer), (0, Do::Dawdle(3)), (1, Do::Timer)], &[(1, Do::Send(0)), (1, Do::Dawdle(2))]],
            2 + 1 + 2 + 2 + 1,
        );
    });
}

/// Not a property of one schedule, but of many: the scenes above do what they are for.
#[test]
fn takeovers_do_happen_in_these_scenes() {
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = seen.clone();
    check(200, move || {
        let world = World::new(2, 2, 0, 1);
        play(&world, &[&[(0, Do::Dawdle(8)), (1, Do::Dawdle(8)), (0, Do::Send(1))]], 4);
        count.fetch_add(world.takeovers.load(Relaxed), std::sync::atomic::Ordering::Relaxed);
    });
    let seen = seen.load(std::sync::atomic::Ordering::Relaxed);
    assert!(seen > 3, "{seen} takeovers");
}
