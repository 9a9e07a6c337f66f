//! What a process's code calls: the context of the running process.
//! Imports: term, core, queue, call. The calls themselves live in the rooms of their nouns (`send`, `spawn`, `link`,
//! `monitor`, `alias`, `timers`, `flags`, `info`).

use super::body::Hook;
use super::call::{self, CallRecord};
use super::core::Core;
use super::error::Exception;
use super::guest::Guest;
use super::message::Message;
use super::monitor::Target;
use super::slot::Slot;
use crate::sched::thread;
use crate::term::{Atom, Pid, Ref, Term};
use std::sync::Arc;
use std::task::Poll;

/// The calling process. Handlers and fibers get it by reference, async processes own an `AsyncContext`.
///
/// Threads: only the code of the process itself may use it. Blocking: no call here blocks.
pub struct Context {
    pub(crate) slot: *const Slot,
    pub(crate) pid: Pid,
    /// Of an attached thread.
    pub(crate) guest: Option<Arc<Guest>>,
}

// SAFETY: a context moves between threads with its async body; every use checks that its process runs here.
unsafe impl Send for Context {}

impl Context {
    pub(crate) fn of(slot: &Slot) -> Self {
        Self { slot, pid: slot.pid(), guest: None }
    }

    /// Source: OTP `self/0`.
    #[inline]
    pub fn self_pid(&self) -> Pid {
        self.pid
    }

    /// Source: OTP `make_ref/0`.
    pub fn make_ref(&mut self) -> Ref {
        let Ok(mut core) = Core::enter(self) else { return super::system::fresh_ref_of(self) };
        let r = core.system().make_ref();
        core.own().queue.set_mark(r);
        r
    }

    /// Registers a name for a process of this node.
    ///
    /// Errors: `badarg` when the name is taken or is `undefined`, the process has a name, or is not alive.
    /// Source: OTP `register/2`, C2.22.
    pub fn register(&mut self, name: Atom, pid: Pid) -> Result<(), Exception> {
        super::flags::register(self, name, pid)
    }

    /// Frees a name. Errors: `badarg` when nobody has it. Source: OTP `unregister/1`.
    pub fn unregister(&mut self, name: Atom) -> Result<(), Exception> {
        super::flags::unregister(self, name)
    }

    /// Source: OTP `whereis/1`.
    pub fn whereis(&mut self, name: Atom) -> Option<Pid> {
        Core::enter(self).ok()?.system().names.whereis(name)
    }

    /// Whether a process of this node lives. Source: OTP `is_process_alive/1`.
    pub fn is_alive(&mut self, pid: Pid) -> bool {
        Core::enter(self).is_ok_and(|mut c| {
            c.flush();
            c.system().is_alive(pid)
        })
    }

    /// As `is_alive`, as far as it can be seen without a look at this process's own effects.
    pub(crate) fn lives(&self, pid: Pid) -> bool {
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        unsafe { (*self.slot).system() }.is_alive(pid)
    }

    /// Handlers: after `ms` milliseconds without an accepted message `Handler::timeout` is called; `None`: never.
    pub fn set_timeout(&mut self, ms: Option<u64>) {
        let deadline = self.deadline_in(ms);
        if let Ok(mut core) = Core::enter(self) {
            core.own().deadline = deadline;
        }
    }

    /// Runs `hook` once when the process ends, whatever ends it (a kill too), before links and monitors are told.
    pub fn on_exit(&mut self, hook: impl FnOnce(&Term) + Send + 'static) {
        if let Ok(mut core) = Core::enter(self) {
            let hook: Hook = Box::new(hook);
            core.own().cold().hooks.push(hook);
        }
    }

    /// Runs a closure on the blocking pool and sends its result to this process as `{Ref, Result}`; if it panics,
    /// nothing comes. Errors: `system_limit` when no thread runs and none can be started.
    pub fn blocking(&mut self, work: impl FnOnce() -> Term + Send + 'static) -> Result<Ref, Exception> {
        let r = self.make_ref();
        let me = self.pid;
        let core = Core::act(self).map_err(|_| Exception::killed())?;
        let system = core.system();
        let weak = system.weak().clone();
        let work = move || {
            let result = work();
            if let Some(s) = weak.upgrade() {
                let m = Message::Term(Term::tuple([r.into(), result]));
                s.signal(me, super::signal::Signal::Message(m));
            }
        };
        system.blocking.submit(Box::new(work)).map_err(|_| Exception::system_limit())?;
        Ok(r)
    }

    pub(crate) fn poll_receive(&mut self, want: &mut dyn FnMut(&Message) -> bool) -> Poll<Message> {
        let Ok(mut core) = Core::enter(self) else { return Poll::Pending };
        loop {
            if core.must_end() {
                // The slice ends the process as soon as the body gives the thread back.
                return Poll::Pending;
            }
            if let Some(m) = core.own().queue.receive(&mut *want) {
                core.charge(1);
                return Poll::Ready(m);
            }
            // What the process has sent itself may still be in the deferred chain, and counts as here.
            core.flush();
            if !core.slot.inbox.has_new() {
                return Poll::Pending;
            }
            core.drain();
        }
    }

    pub(crate) fn begin_call(&mut self, server: Target, request: Term) -> Option<Arc<CallRecord>> {
        let mut core = Core::enter(self).ok()?;
        Some(call::begin(&mut core, server, request))
    }

    pub(crate) fn skip_to_mark(&mut self, reference: Ref) {
        if let Ok(mut core) = Core::enter(self) {
            core.own().queue.skip_to_mark(reference);
        }
    }

    pub(crate) fn restart_receive(&mut self) {
        if let Ok(mut core) = Core::enter(self) {
            core.own().queue.restart();
        }
    }

    /// The time `ms` from now on the node's clock; `None`: never.
    pub(crate) fn deadline_in(&self, ms: Option<u64>) -> u64 {
        let Some(ms) = ms else { return u64::MAX };
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        let now = unsafe { (*self.slot).system() }.shared.clock.now_ns();
        now.saturating_add(ms.saturating_mul(1_000_000))
    }

    pub(crate) fn deadline_passed(&self, deadline: u64) -> bool {
        // SAFETY: as in `deadline_in`.
        deadline != u64::MAX && unsafe { (*self.slot).system() }.shared.clock.now_ns() >= deadline
    }

    pub(crate) fn wake_by(&mut self, deadline: u64) {
        if let Ok(mut core) = Core::enter(self) {
            core.own().deadline = deadline;
        }
    }

    pub(crate) fn clear_deadline(&mut self) {
        self.wake_by(u64::MAX);
    }

    /// Whether the running slice has used up its budget.
    pub(crate) fn slice_spent(&mut self) -> bool {
        Core::enter(self).is_ok_and(|mut c| {
            let own = c.own();
            own.reductions - own.slice_began >= super::run::SLICE
        })
    }

    pub(crate) fn is_current(&self) -> bool {
        // SAFETY: a non-null record is the current thread's own.
        self.guest.is_some()
            || unsafe { thread::current().as_ref() }.is_some_and(|c| std::ptr::eq(c.current.get().cast(), self.slot))
    }
}
