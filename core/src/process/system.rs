//! The process side of one node: table, names, modules, timers, configuration, and the scheduler under it.
//! Imports: sched, table, names, timers, module.

use super::body::Body;
use super::inbox::Pushed;
use super::info::Counters;
use super::message::Monitored;
use super::module::Modules;
use super::names::Names;
use super::rooms::Rooms;
use super::run;
use super::signal::{self, Signal};
use super::slot::Slot;
use super::table::Table;
use super::timers::Timers;
use crate::base::clock::Clock;
use crate::sched::shared::{Host, Shared};
use crate::sched::task::Task;
use crate::sched::{blocking, thread};
use crate::term::{Atom, NodeId, Pid, Ref, Term, atoms};
use std::any::Any;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Settings of a node, as its builder leaves them.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub workers: usize,
    pub max_processes: usize,
    pub cleanup_ms: u64,
    pub overstay_ms: u64,
    pub stack_bytes: usize,
    pub max_fibers: usize,
    pub blocking_threads: usize,
    /// Seed of the single-thread mode.
    pub seed: Option<u64>,
    pub node_name: Atom,
}

/// Where signals go whose receiver lives on another node of a cluster; distribution implements it.
pub(crate) trait Router: Any + Send + Sync {
    /// Carries a signal to a process of another node, or to whoever has a registered name there. `from`: on whose
    /// behalf, as far as the signal itself does not say; what one process sends to another arrives in order.
    ///
    /// May be called on any thread, inside the core too; it must not run anybody's code.
    fn route(&self, system: &System, from: Option<Pid>, to: Monitored, signal: Signal);
}

/// What an exit must release besides names: tables, ports. Implemented by the rooms above.
pub(crate) trait Owned: Send + Sync {
    /// `pid` is gone; release what it owned.
    fn release(&self, pid: Pid);
}

/// Something that wants to hear of crashes and long callbacks.
pub(crate) trait Reports: Send + Sync {
    /// A callback has run longer than the watchdog allows.
    fn long_schedule(&self, pid: Pid, ms: u64);
}

pub(crate) struct System {
    pub id: NodeId,
    pub config: Config,
    pub shared: Arc<Shared>,
    pub table: Table,
    pub names: Names,
    pub modules: Modules,
    pub rooms: Rooms,
    pub timers: Timers,
    pub blocking: blocking::Pool,
    pub router: OnceLock<Arc<dyn Router>>,
    pub owned: OnceLock<Vec<Arc<dyn Owned>>>,
    pub reports: OnceLock<Arc<dyn Reports>>,
    pub counters: Counters,
    /// Fibers that have a stack. Relaxed: compared with a limit, off by a few at worst.
    pub fibers: Arc<AtomicUsize>,
    /// Default group leader of processes that nobody of ours spawned.
    pub group_leader: Pid,
    me: std::sync::Weak<System>,
}

/// Numbers references of every node in this OS process; threads take blocks of it.
static NEXT_REF: AtomicU64 = AtomicU64::new(0);
const REF_BLOCK: u64 = 1 << 12;

thread_local! {
    static REFS: std::cell::Cell<(u64, u64)> = const { std::cell::Cell::new((0, 0)) };
}

/// A number no other reference of this OS process has, below 2^60.
fn unique() -> u64 {
    REFS.with(|c| {
        let (next, end) = c.get();
        if next < end {
            c.set((next + 1, end));
            return next;
        }
        let from = NEXT_REF.fetch_add(REF_BLOCK, Relaxed) + 1;
        c.set((from + 1, from + REF_BLOCK));
        from
    })
}

impl System {
    pub fn new(config: Config, clock: Clock) -> std::io::Result<Arc<Self>> {
        let id = NodeId::new_local(config.node_name).map_err(|e| std::io::Error::other(e.to_string()))?;
        let seats = if config.seed.is_some() { 1 } else { config.workers.clamp(1, 64) };
        let shared = Arc::new(Shared::new(seats, clock, config.overstay_ms, config.seed));
        let group_leader = Pid { node: id, number: 0, serial: 0 };
        let system = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            id,
            table: Table::new(config.max_processes, config.seed.is_none()),
            names: Names::default(),
            modules: Modules::default(),
            rooms: Rooms::default(),
            timers: Timers::new(seats, shared.clock.now_ns()),
            blocking: blocking::Pool::new(config.blocking_threads),
            router: OnceLock::new(),
            owned: OnceLock::new(),
            reports: OnceLock::new(),
            counters: Counters::default(),
            fibers: Arc::new(AtomicUsize::new(0)),
            group_leader,
            shared,
            config,
        });
        let host: Arc<dyn Host> = system.clone();
        let _ = system.shared.host.set(Arc::downgrade(&host));
        if system.config.seed.is_none() {
            system.shared.start()?;
        }
        Ok(system)
    }

    /// For those who may outlive the node.
    pub fn weak(&self) -> &std::sync::Weak<Self> {
        &self.me
    }

    /// The living process with this pid. A hint: it may die at any moment.
    #[inline]
    pub fn find(&self, pid: Pid) -> Option<&Slot> {
        let slot = self.table.slot(pid.number)?;
        (slot.serial.load(Relaxed) == pid.serial).then_some(slot)
    }

    /// Sends a signal to a process of this node, or by the router to another. Inside the core, or on a thread that
    /// is not ours. False: there is no such process (the signal is answered as death would answer it).
    pub fn signal(&self, to: Pid, signal: Signal) -> bool {
        if to.node != self.id {
            return self.signal_elsewhere(None, Monitored::Pid(to), signal);
        }
        let Some(slot) = self.find(to) else {
            super::exit::answer_for_nobody(self, to, signal);
            return false;
        };
        slot.give(to.serial, signal)
    }

    /// Carries a signal to another node. `from`: see [`Router::route`]. Always true.
    #[cold]
    pub fn signal_elsewhere(&self, from: Option<Pid>, to: Monitored, signal: Signal) -> bool {
        match self.router.get() {
            Some(r) => r.route(self, from, to, signal),
            // Not connected to anybody: the other node is as good as lost.
            None => super::exit::answer_noconnection(self, to, signal),
        }
        true
    }

    /// A fresh reference. Source: OTP `make_ref/0`.
    #[inline]
    pub fn make_ref(&self) -> Ref {
        let n = unique();
        // The first word of a reference has 18 bits on the wire of older nodes.
        Ref::new(self.id, [(n & 0x3ffff) as u32, (n >> 18) as u32, (n >> 50) as u32])
    }

    /// A fresh reference that says whose it is: what comes through it from another node finds its process.
    #[inline]
    pub fn make_alias_ref(&self, of: Pid) -> Ref {
        if self.id.creation() == 0 {
            // A node without a name: nobody will ever have to find the process by the reference alone.
            return self.make_ref();
        }
        let n = unique();
        let words = [(n & 0x3ffff) as u32, (n >> 18) as u32, (n >> 50) as u32, of.number, of.serial];
        Ref::from_words(self.id, &words).unwrap_or_else(|| self.make_ref())
    }

    /// The process of a reference made by [`System::make_alias_ref`].
    pub fn owner_of_alias(&self, reference: &Ref) -> Option<Pid> {
        match reference.words() {
            &[_, _, _, number, serial] if reference.node() == self.id => Some(Pid { node: self.id, number, serial }),
            _ => None,
        }
    }

    /// Runs `f` inside the core when the calling thread is seated at one of our seats, else as a foreign thread.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: a non-null record is the current thread's own.
        match unsafe { thread::current().as_ref() } {
            Some(ctx) if std::ptr::eq(ctx.shared, Arc::as_ptr(&self.shared)) => {
                let outermost = ctx.enter_nested();
                let r = f();
                ctx.exit_nested(outermost);
                r
            }
            _ => f(),
        }
    }

    /// Stops the node: no slice starts any more. Waits up to `patience` for its threads.
    /// Returns how many threads are still inside somebody's code.
    pub fn stop(&self, patience: Duration) -> usize {
        self.shared.stop(patience)
    }
}

impl System {
    /// A thread ends with the node: the fibers parked on it are unwound on it, as nobody else may.
    fn kill_fibers_of(&self, id: u32) {
        for n in 0..self.table.made() {
            let Some(slot) = self.table.slot(n) else { continue };
            if slot.task.pin.load(Relaxed) != id || slot.inbox.is_closed() {
                continue;
            }
            // SAFETY: the node has stopped: no slice starts any more, and the fiber's thread is this one.
            let own = unsafe { &mut *slot.own.get() };
            if matches!(own.body, Body::Fiber(_)) {
                let body = std::mem::replace(&mut own.body, Body::None);
                super::body::finish(body, &Term::from(atoms::SHUTDOWN));
            }
        }
    }
}

impl Drop for System {
    /// Bodies that are left run their destructors here. A fiber that could not be unwound on its own thread is leaked.
    fn drop(&mut self) {
        let shutdown = Term::from(atoms::SHUTDOWN);
        for n in 0..self.table.made() {
            let Some(slot) = self.table.slot(n) else { continue };
            // SAFETY: nobody else has the system any more.
            let own = unsafe { &mut *slot.own.get() };
            let body = std::mem::replace(&mut own.body, Body::None);
            if !matches!(body, Body::Fiber(_)) {
                super::body::finish(body, &shutdown);
            }
            own.queue.clear(drop);
        }
    }
}

impl Host for System {
    fn poll_timers(&self, wheel: usize, now_ns: u64) {
        self.timers.poll(self, wheel, now_ns);
    }

    fn next_deadline(&self, wheel: usize) -> u64 {
        self.timers.next_deadline(wheel)
    }

    fn long_schedule(&self, task: *mut Task) {
        self.counters.long_schedules.fetch_add(1, Relaxed);
        if let Some(r) = self.reports.get() {
            // SAFETY: tasks are the first field of slots, which are never unmapped.
            let slot = unsafe { &*task.cast::<Slot>() };
            r.long_schedule(slot.pid(), self.config.overstay_ms);
        }
    }

    fn thread_stop(&self, id: u32) {
        self.kill_fibers_of(id);
        self.table.give_back_cache();
        signal::give_back_pool();
    }
}

impl Slot {
    /// Gives the process a signal. Inside the core, or on a thread that is not ours. False: it is gone (the signal is
    /// answered as death would answer it).
    ///
    /// If the process sleeps, the sender takes the scheduling right and applies the signal itself: the process will
    /// run on this core next, and finds an inbox with nothing to take.
    #[inline]
    pub fn give(&self, serial: u32, signal: Signal) -> bool {
        if self.inbox.is_idle() && self.inbox.claim() {
            // SAFETY: S2: the right is ours.
            let own = unsafe { &mut *self.own.get() };
            if self.serial.load(Relaxed) == serial && own.guest.is_none() {
                run::take_in(self, own, signal);
            } else {
                let node = signal::make(serial, signal);
                // SAFETY: a fresh node is a chain of one. Queued: the right is ours already.
                unsafe { self.inbox.push(node, node) };
            }
            // SAFETY: the right is ours.
            unsafe { self.system().shared.wake(self.task_ptr()) };
            return true;
        }
        let node = signal::make(serial, signal);
        // SAFETY: a fresh node is a chain of one.
        match unsafe { self.inbox.push(node, node) } {
            Pushed::Queued => true,
            Pushed::Woke => {
                // SAFETY: `Woke` gives us the right.
                unsafe { self.system().shared.wake(self.task_ptr()) };
                true
            }
            Pushed::Closed => {
                // SAFETY: still ours.
                let signal = unsafe { signal::open(node) };
                let to = Pid { node: self.system().id, number: self.number, serial };
                super::exit::answer_for_nobody(self.system(), to, signal);
                false
            }
        }
    }

    #[inline]
    pub fn task_ptr(&self) -> *mut Task {
        (&raw const self.task).cast_mut()
    }

    #[inline]
    pub fn system(&self) -> &System {
        // SAFETY: the system owns the table that owns the slot.
        unsafe { &*self.system }
    }

    /// The pid of who lives here.
    #[inline]
    pub fn pid(&self) -> Pid {
        Pid { node: self.system().id, number: self.number, serial: self.serial.load(Relaxed) }
    }
}

/// The scheduler's calls on a process.
pub(crate) static VTABLE: crate::sched::task::Vtable =
    crate::sched::task::Vtable { run: run::run, overstayed: run::overstayed, deliver: super::send::deliver };

/// A reference for a call that has no effect any more, as its process is dead.
pub(crate) fn fresh_ref_of(context: &super::context::Context) -> Ref {
    // SAFETY: slots live as long as the system, which the context's owner keeps alive.
    unsafe { (*context.slot).system().make_ref() }
}
