//! Fibers: blocking style on a stack of their own, parked on the OS thread where they started.
//! Imports: sched (fiber stacks), term, context, core, call, run.
//!
//! The closure's stack is taken when it first runs and given back when it ends. While parked, the task is pinned to
//! its thread (`Task::pin`): only that thread resumes it, and only that thread unwinds it at a kill.

use super::async_body::Timeout;
use super::call::{self, CallError};
use super::context::Context;
use super::core::Core;
use super::error::{Exception, panic_reason};
use super::message::Message;
use super::monitor::Target;
use super::run::Turn;
use super::slot::Slot;
use super::spawn::Code;
use crate::sched::fiber::{Fiber, FiberEnd, Resumed, Suspender};
use crate::sched::thread;
use crate::term::{Pid, Ref, Term, atoms};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

type Closure = Box<dyn FnOnce(&mut FiberContext) -> Result<(), Exception> + Send>;

/// What a fiber says when it gives its thread back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Waits,
    Yields,
}

enum State {
    Fresh(Closure),
    Parked(Fiber<Pause, Result<(), Exception>>),
    Gone,
}

pub(crate) struct FiberBody {
    state: State,
    /// Counted while it has a stack.
    counter: Option<Arc<AtomicUsize>>,
}

impl FiberBody {
    pub fn new(f: impl FnOnce(&mut FiberContext) -> Result<(), Exception> + Send + 'static) -> Box<Self> {
        Box::new(Self { state: State::Fresh(Box::new(f)), counter: None })
    }

    /// Takes a place among the node's fibers; false: there are too many.
    pub fn count_in(&mut self, counter: &Arc<AtomicUsize>, limit: usize) -> bool {
        if counter.fetch_add(1, Relaxed) >= limit {
            counter.fetch_sub(1, Relaxed);
            return false;
        }
        self.counter = Some(counter.clone());
        true
    }

    pub fn into_raw(self: Box<Self>) -> NonNull<Self> {
        // SAFETY: a box is never null.
        unsafe { NonNull::new_unchecked(Box::into_raw(self)) }
    }

    /// Unwinds the closure, if it has begun. On the fiber's own thread.
    pub fn kill(mut self) {
        if let State::Parked(fiber) = std::mem::replace(&mut self.state, State::Gone) {
            fiber.kill();
            unpark_count();
        }
    }
}

impl Drop for FiberBody {
    fn drop(&mut self) {
        if let Some(c) = &self.counter {
            c.fetch_sub(1, Relaxed);
        }
    }
}

/// One fiber less is parked on the calling thread.
fn unpark_count() {
    // SAFETY: a non-null record is the current thread's own; its `os` outlives it.
    if let Some(os) = unsafe { thread::current().as_ref().and_then(|c| c.os.as_ref()) } {
        os.parked_fibers.fetch_sub(1, Relaxed);
    }
}

/// Lets the fiber go on until it pauses or ends. Outside the core.
pub(crate) fn resume(body: NonNull<FiberBody>, slot: &Slot) -> Turn {
    // SAFETY: the body is alive: only the slice's owner, on this thread, may drop it.
    let body = unsafe { &mut *body.as_ptr() };
    let resumed = match &mut body.state {
        State::Gone => return Turn::Waits,
        State::Parked(fiber) => fiber.resume(),
        State::Fresh(_) => {
            let State::Fresh(f) = std::mem::replace(&mut body.state, State::Gone) else { return Turn::Waits };
            let context = Context::of(slot);
            let code = move |suspender: &Suspender<Pause>| {
                f(&mut FiberContext { context, suspender: std::ptr::from_ref(suspender) })
            };
            let Ok(mut fiber) = Fiber::new(slot.system().config.stack_bytes, code) else {
                return Turn::Ends(Exception::system_limit().into_exit_reason());
            };
            // SAFETY: running a task, the thread has a record; its `os` outlives it.
            if let Some(os) = unsafe { (*thread::current()).os.as_ref() } {
                os.parked_fibers.fetch_add(1, Relaxed);
                slot.task.pin.store(os.id, Relaxed);
            }
            let resumed = fiber.resume();
            body.state = State::Parked(fiber);
            resumed
        }
    };
    match resumed {
        Resumed::Paused(Pause::Waits) => Turn::Waits,
        Resumed::Paused(Pause::Yields) => Turn::Yields,
        Resumed::Ended(end) => {
            body.state = State::Gone;
            unpark_count();
            match end {
                FiberEnd::Returned(Ok(())) => Turn::Ends(Term::from(atoms::NORMAL)),
                FiberEnd::Returned(Err(e)) => Turn::Ends(e.into_exit_reason()),
                FiberEnd::Panicked(p) => Turn::Ends(panic_reason(&*p)),
                FiberEnd::Killed => Turn::Ends(Term::from(atoms::KILLED)),
            }
        }
    }
}

/// The context of a fiber: all of [`Context`], and what blocks the process (never its thread).
pub struct FiberContext {
    context: Context,
    suspender: *const Suspender<Pause>,
}

impl Deref for FiberContext {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.context
    }
}

impl DerefMut for FiberContext {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl FiberContext {
    fn pause(&mut self, how: Pause) {
        // SAFETY: the suspender lives at the base of the fiber's stack, under everything that can call this; a kill
        // unwinds from inside.
        unsafe { (*self.suspender).suspend(how) };
    }

    /// Lets other processes run.
    pub fn yield_now(&mut self) {
        self.pause(Pause::Yields);
    }

    /// Lets other processes run if this one has used its slice up.
    pub fn checkpoint(&mut self) {
        if self.context.slice_spent() {
            self.yield_now();
        }
    }

    /// As [`Context::send`]; yields when the slice is spent.
    pub fn send(&mut self, to: Pid, message: impl Into<Term>) {
        self.context.send(to, message);
        self.checkpoint();
    }

    /// As [`Context::spawn`]; yields when the slice is spent.
    pub fn spawn(&mut self, code: impl Into<Code>) -> Result<Pid, Exception> {
        let r = self.context.spawn(code);
        self.checkpoint();
        r
    }

    /// Waits for the next message, oldest first; `None`: no timeout.
    pub fn receive(&mut self, timeout_ms: Option<u64>) -> Result<Message, Timeout> {
        self.receive_match(timeout_ms, |_| true)
    }

    /// Selective receive: the oldest message that `want` accepts; the others stay, in order.
    pub fn receive_match(
        &mut self,
        timeout_ms: Option<u64>,
        mut want: impl FnMut(&Message) -> bool,
    ) -> Result<Message, Timeout> {
        self.wait(timeout_ms, |c| c.poll_receive(&mut want))
    }

    /// Waits for a message that contains `reference`, made by this process; older messages are not looked at.
    pub fn receive_ref(
        &mut self,
        reference: Ref,
        timeout_ms: Option<u64>,
        mut want: impl FnMut(&Message) -> bool,
    ) -> Result<Message, Timeout> {
        self.context.skip_to_mark(reference);
        self.wait(timeout_ms, |c| c.poll_receive(&mut want))
    }

    /// Sleeps; messages stay in the queue.
    pub fn sleep(&mut self, ms: u64) {
        let _: Result<(), Timeout> = self.wait(Some(ms), |_| Poll::Pending);
    }

    /// Calls a server and waits for its reply. See `AsyncContext::call`.
    pub fn call(
        &mut self,
        server: impl Into<Target>,
        request: impl Into<Term>,
        timeout_ms: Option<u64>,
    ) -> Result<Term, CallError> {
        let killed = || CallError::Exit(Term::from(atoms::KILLED));
        let record = self.context.begin_call(server.into(), request.into()).ok_or_else(killed)?;
        let outcome = self.wait(timeout_ms, |_| if record.is_done() { Poll::Ready(()) } else { Poll::Pending });
        let mut core = Core::enter(&self.context).map_err(|_| killed())?;
        if outcome.is_err() && call::give_up(&mut core, &record) {
            return Err(CallError::Timeout);
        }
        call::poll(&mut core, &record).unwrap_or(Err(CallError::Timeout))
    }

    fn wait<T>(
        &mut self,
        timeout_ms: Option<u64>,
        mut ready: impl FnMut(&mut Context) -> Poll<T>,
    ) -> Result<T, Timeout> {
        let deadline = self.context.deadline_in(timeout_ms);
        loop {
            if let Poll::Ready(v) = ready(&mut self.context) {
                self.context.clear_deadline();
                self.checkpoint();
                return Ok(v);
            }
            if self.context.deadline_passed(deadline) {
                self.context.clear_deadline();
                self.context.restart_receive();
                return Err(Timeout);
            }
            self.context.wake_by(deadline);
            self.pause(Pause::Waits);
        }
    }
}
