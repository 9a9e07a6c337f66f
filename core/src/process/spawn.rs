//! Making processes. Source: OTP `spawn/1,3`, `spawn_link`, `spawn_monitor`, `spawn_opt`; C2.16.
//! Imports: term, core, context, slot, table, body, module.

use super::async_body::{AsyncBody, AsyncContext};
use super::body::{Body, Handler};
use super::context::Context;
use super::core::Core;
use super::error::Exception;
use super::fiber_body::{FiberBody, FiberContext};
use super::link_state;
use super::monitor::MonitorOptions;
use super::origin::Origin;
use super::slot::{MonitorState, MonitoredBy, Slot};
use super::system::{System, VTABLE};
use crate::sched::task::{Lane, Priority};
use crate::term::{Atom, Pid, Ref, Term};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Options of `spawn_opt`.
#[derive(Clone, Debug, Default)]
pub struct SpawnOptions {
    /// Link with the spawning process, atomically with the spawn.
    pub link: bool,
    /// Monitor by the spawning process, atomically with the spawn.
    pub monitor: Option<MonitorOptions>,
    /// Scheduling priority; `None`: normal.
    pub priority: Option<Priority>,
    /// The body is known to block or to hog: it runs on the slow lane from the start.
    pub slow: bool,
    /// Mailbox limit in messages; beyond it the process ends with `{system_limit, message_queue}`. 0: none.
    pub max_mailbox: usize,
    /// Group leader; `None`: the spawner's.
    pub group_leader: Option<Pid>,
    /// The function OTP would name as the initial call.
    pub initial_call: Option<(Atom, Atom, u8)>,
}

/// Something a process can run.
///
/// Handlers, async bodies, blocking closures under the fiber contract, and functions of the module registry all
/// become one.
pub struct Code(Kind);

// SAFETY: code has not begun: it holds closures and handlers that are Send by their constructors' bounds; a fiber's
// stack, which is bound to its thread, does not exist yet.
unsafe impl Send for Code {}

enum Kind {
    Handler(Box<dyn Handler>),
    Async(Box<AsyncBody>),
    Fiber(Box<FiberBody>),
}

impl Code {
    /// A callback process. See [`Handler`].
    pub fn handler(h: impl Handler) -> Self {
        Self(Kind::Handler(Box::new(h)))
    }

    /// An async process: `f` gets the process's context and returns its future; dropping the future is the kill.
    pub fn future<F, Fut>(f: F) -> Self
    where
        F: FnOnce(AsyncContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Exception>> + Send + 'static,
    {
        Self(Kind::Async(AsyncBody::new(f)))
    }

    /// A blocking process on a stack of its own.
    ///
    /// # Safety
    /// While the closure waits (receive, call, sleep), other processes run on the same OS thread. Between two calls
    /// of the context it must not hold anything that is tied to the thread's *value* state: a `MutexGuard` of a lock
    /// that another process of this node takes, a scoped thread-local, a runtime's enter guard. It resumes on the
    /// same thread, so addresses of thread-locals stay valid.
    pub unsafe fn assume_fiber_safe<F>(f: F) -> Self
    where
        F: FnOnce(&mut FiberContext) -> Result<(), Exception> + Send + 'static,
    {
        Self(Kind::Fiber(FiberBody::new(f)))
    }
}

impl<H: Handler> From<H> for Code {
    fn from(h: H) -> Self {
        Self::handler(h)
    }
}

impl Context {
    /// Spawns a process. Errors: `system_limit` when the table is full.
    pub fn spawn(&mut self, code: impl Into<Code>) -> Result<Pid, Exception> {
        Ok(self.spawn_opt(code, &SpawnOptions::default())?.0)
    }

    /// Spawns a process and links with it, atomically: its death is never missed.
    pub fn spawn_link(&mut self, code: impl Into<Code>) -> Result<Pid, Exception> {
        Ok(self.spawn_opt(code, &SpawnOptions { link: true, ..Default::default() })?.0)
    }

    /// Spawns a process and monitors it, atomically.
    pub fn spawn_monitor(&mut self, code: impl Into<Code>) -> Result<(Pid, Ref), Exception> {
        let o = SpawnOptions { monitor: Some(MonitorOptions::default()), ..Default::default() };
        let (pid, reference) = self.spawn_opt(code, &o)?;
        Ok((pid, reference.unwrap_or_else(|| unreachable!("asked for a monitor"))))
    }

    /// Spawns with options; the reference is that of the monitor, if one was asked for.
    pub fn spawn_opt(&mut self, code: impl Into<Code>, o: &SpawnOptions) -> Result<(Pid, Option<Ref>), Exception> {
        self.spawn_from(code.into(), o, None)
    }

    /// As `spawn_opt`, with what the dictionary of the new process shows as `$ancestors` and `$initial_call`.
    pub(crate) fn spawn_from(
        &mut self,
        code: Code,
        o: &SpawnOptions,
        origin: Option<Arc<Origin>>,
    ) -> Result<(Pid, Option<Ref>), Exception> {
        let mut core = Core::act(self).map_err(|_| Exception::killed())?;
        core.charge(8);
        core.flush();
        let group_leader = o.group_leader.unwrap_or(core.own().group_leader);
        let system = core.system();
        let me = core.pid;
        let slot = system.prepare(code, o, me, group_leader)?;
        let pid = slot.pid();
        // SAFETY: S2: nobody else knows the process yet.
        let child = unsafe { &mut *slot.own.get() };
        child.origin = origin;
        let mut reference = None;
        if o.link {
            child.links.insert(me, link_state::ACTIVE);
            core.own().links.insert(pid, link_state::ACTIVE);
        }
        if let Some(m) = &o.monitor {
            let r = if m.alias.is_some() { system.make_alias_ref(me) } else { system.make_ref() };
            child.relations().monitored_by.insert(r, MonitoredBy { from: me });
            let own = core.own();
            own.queue.set_mark(r);
            if let Some(mode) = m.alias {
                own.relations().aliases.insert(r, mode);
            }
            let target = super::message::Monitored::Pid(pid);
            own.relations().monitors.insert(r, MonitorState { target, pid: Some(pid), tag: m.tag.clone() });
            reference = Some(r);
        }
        system.start(slot, core.seat());
        Ok((pid, reference))
    }

    /// Spawns a function of the module registry. A function that is not exported gives a process that ends with
    /// `{undef, [{M, F, Args, []}]}`. Source: OTP `spawn/3`, C2.2.
    pub fn spawn_mfa(
        &mut self,
        m: Atom,
        f: Atom,
        args: Vec<Term>,
        o: &SpawnOptions,
    ) -> Result<(Pid, Option<Ref>), Exception> {
        let arity = u8::try_from(args.len()).map_err(|_| Exception::system_limit())?;
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        let code = unsafe { (*self.slot).system() }.modules.code(m, f, args);
        let o = SpawnOptions { initial_call: Some((m, f, arity)), ..o.clone() };
        self.spawn_opt(code, &o)
    }
}

impl System {
    /// Takes a slot and fills it; the process exists (its pid is valid) but does not run yet.
    pub fn prepare(&self, code: Code, o: &SpawnOptions, parent: Pid, group_leader: Pid) -> Result<&Slot, Exception> {
        let Some(slot) = self.table.take(self, &VTABLE) else { return Err(Exception::system_limit()) };
        // SAFETY: S2: a free slot is the taker's.
        let own = unsafe { &mut *slot.own.get() };
        own.body = match code.0 {
            Kind::Handler(h) => Body::handler(h),
            Kind::Async(a) => Body::Async(AsyncBody::into_raw(a)),
            Kind::Fiber(mut f) => {
                if !f.count_in(&self.fibers, self.config.max_fibers) {
                    self.table.give(slot);
                    return Err(Exception::system_limit());
                }
                Body::Fiber(FiberBody::into_raw(f))
            }
        };
        own.parent = parent;
        own.group_leader = group_leader;
        if let Some(p) = o.priority {
            own.priority = p;
            slot.task.priority.store(p as u8, Relaxed);
        }
        if o.slow && !matches!(own.body, Body::Fiber(_)) {
            own.slow_declared = true;
            own.guest = Some(std::sync::Arc::new(super::guest::Guest::new(slot, false)));
            slot.task.lane.store(Lane::Slow as u8, Relaxed);
        }
        if o.max_mailbox != 0 {
            own.cold().limits.mailbox = o.max_mailbox;
        }
        if o.initial_call.is_some() {
            own.cold().initial_call = o.initial_call;
        }
        // A new serial first: a sender with the old pid must not take the new process for the old.
        slot.serial.store(slot.serial.load(Relaxed).wrapping_add(1), Relaxed);
        slot.inbox.open();
        Ok(slot)
    }

    /// Queues a prepared process for its first slice.
    pub fn start(&self, slot: &Slot, seat: Option<&mut crate::sched::seat::Seat>) {
        let task = slot.task_ptr();
        if slot.task.lane() == Lane::Slow {
            return self.shared.slow.push(&self.shared, task);
        }
        match seat {
            // SAFETY: `prepare` gave us the right; inside the core.
            Some(seat) => unsafe { seat.push_back(task) },
            None => self.shared.inject(task),
        }
    }
}
