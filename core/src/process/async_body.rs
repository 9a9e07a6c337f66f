//! Async processes: a future polled in slices, `Send`, free to move between threads, dropped on kill.
//! Imports: term, sched, context, core, queue, call, slot.
//!
//! Krarup's own futures need no waker: whatever they wait for arrives as a signal, and any signal makes the process
//! runnable. A foreign future that clones the waker gets one that sends the process a wake signal.

use super::call::{self, CallError, CallRecord};
use super::context::Context;
use super::core::Core;
use super::error::{Exception, panic_reason};
use super::message::Message;
use super::monitor::Target;
use super::run::Turn;
use super::signal::Signal;
use super::slot::Slot;
use super::system::System;
use crate::term::{Pid, Ref, Term, atoms};
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Weak};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

type Fut = Pin<Box<dyn Future<Output = Result<(), Exception>> + Send>>;
type Make = Box<dyn FnOnce(AsyncContext) -> Fut + Send>;

/// The future, or what will make it in the first slice (it needs the process's context).
pub(crate) enum AsyncBody {
    Fresh(Option<Make>),
    Running(Fut),
}

impl AsyncBody {
    pub fn new<F, T>(f: F) -> Box<Self>
    where
        F: FnOnce(AsyncContext) -> T + Send + 'static,
        T: Future<Output = Result<(), Exception>> + Send + 'static,
    {
        Box::new(Self::Fresh(Some(Box::new(move |c| Box::pin(f(c)) as Fut))))
    }

    pub fn into_raw(self: Box<Self>) -> NonNull<Self> {
        // SAFETY: a box is never null.
        unsafe { NonNull::new_unchecked(Box::into_raw(self)) }
    }
}

/// Polls once. Outside the core.
pub(crate) fn poll(body: NonNull<AsyncBody>, slot: &Slot, pid: Pid) -> Turn {
    // SAFETY: the body is alive: only the slice's owner, or an exit that leaves it to us, may drop it.
    let body = unsafe { &mut *body.as_ptr() };
    if let AsyncBody::Fresh(make) = body {
        let Some(make) = make.take() else {
            return Turn::Ends(panic_reason(&"the closure that makes the future has panicked"));
        };
        *body = AsyncBody::Running(make(AsyncContext { context: Context::of(slot) }));
    }
    let AsyncBody::Running(future) = body else { return Turn::Waits };
    let local = LocalWaker { system: slot.system, pid, again: AtomicBool::new(false) };
    // SAFETY: `local` outlives the poll; the vtable's functions match its type.
    let waker = unsafe { Waker::from_raw(RawWaker::new((&raw const local).cast(), &LOCAL)) };
    let polled = future.as_mut().poll(&mut std::task::Context::from_waker(&waker));
    match polled {
        Poll::Ready(Ok(())) => Turn::Ends(Term::from(atoms::NORMAL)),
        Poll::Ready(Err(e)) => Turn::Ends(e.into_exit_reason()),
        // Acquire pairs with the Release of a wake from wherever.
        Poll::Pending if local.again.load(Acquire) => Turn::Yields,
        Poll::Pending => Turn::Waits,
    }
}

/// The waker of one poll, on the stack.
struct LocalWaker {
    system: *const System,
    pid: Pid,
    again: AtomicBool,
}

/// A waker that was cloned out of a poll.
struct RemoteWaker {
    system: Weak<System>,
    pid: Pid,
}

static LOCAL: RawWakerVTable = RawWakerVTable::new(local_clone, local_wake, local_wake, |_| {});

unsafe fn local_clone(p: *const ()) -> RawWaker {
    // SAFETY: made by `poll` from a `LocalWaker` that outlives the waker; the system outlives its processes' polls.
    let local = unsafe { &*p.cast::<LocalWaker>() };
    // SAFETY: as above; the system lives in an Arc from birth.
    let system = unsafe { Weak::clone((*local.system).weak()) };
    let waker = Waker::from(Arc::new(RemoteWaker { system, pid: local.pid }));
    let raw = RawWaker::new(waker.data(), waker.vtable());
    std::mem::forget(waker);
    raw
}

unsafe fn local_wake(p: *const ()) {
    // SAFETY: as in `local_clone`.
    unsafe { (*p.cast::<LocalWaker>()).again.store(true, Release) };
}

impl std::task::Wake for RemoteWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(s) = self.system.upgrade() {
            s.enter(|| {
                if s.find(self.pid).is_some() {
                    s.signal(self.pid, Signal::Wake);
                }
            });
        }
    }
}

/// The context of an async process: all of [`Context`], and what waits.
///
/// It must stay in its process: using it elsewhere panics with a clear message.
pub struct AsyncContext {
    context: Context,
}

impl Deref for AsyncContext {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.context
    }
}

impl DerefMut for AsyncContext {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.context
    }
}

/// Nothing has come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout;

impl AsyncContext {
    /// Another handle on the same process, for code that goes on when the body's own has ended.
    pub(crate) fn twin(&self) -> Self {
        // SAFETY: slots live as long as the system, which outlives its bodies.
        Self { context: Context { pid: self.context.pid, ..Context::of(unsafe { &*self.context.slot }) } }
    }

    /// Waits for the next message, oldest first.
    pub async fn receive(&mut self) -> Message {
        std::future::poll_fn(|_| self.context.poll_receive(&mut |_| true)).await
    }

    /// Waits for the next message, at most `ms` milliseconds (0: looks and does not wait).
    pub async fn receive_timeout(&mut self, ms: u64) -> Result<Message, Timeout> {
        self.receive_match(Some(ms), |_| true).await
    }

    /// Selective receive: the oldest message that `want` accepts; the others stay, in order. `None`: no timeout.
    pub async fn receive_match(
        &mut self,
        timeout_ms: Option<u64>,
        mut want: impl FnMut(&Message) -> bool + Send,
    ) -> Result<Message, Timeout> {
        let deadline = self.context.deadline_in(timeout_ms);
        self.wait(deadline, move |c| c.poll_receive(&mut want)).await
    }

    /// Waits for a message that contains `reference`, made by this process: never looks at older messages.
    pub async fn receive_ref(
        &mut self,
        reference: Ref,
        timeout_ms: Option<u64>,
        mut want: impl FnMut(&Message) -> bool + Send,
    ) -> Result<Message, Timeout> {
        self.context.skip_to_mark(reference);
        let deadline = self.context.deadline_in(timeout_ms);
        self.wait(deadline, move |c| c.poll_receive(&mut want)).await
    }

    /// Sleeps; messages stay in the queue.
    pub async fn sleep(&mut self, ms: u64) {
        let deadline = self.context.deadline_in(Some(ms));
        let _: Result<(), Timeout> = self.wait(deadline, |_| Poll::Pending).await;
    }

    /// Calls a server and waits for its reply: monitor, alias, reference mark and timeout in one record.
    ///
    /// `None`: no timeout. A late reply is dropped. Source: OTP `gen:call/4`, C3.32.
    pub async fn call(
        &mut self,
        server: impl Into<Target>,
        request: impl Into<Term>,
        timeout_ms: Option<u64>,
    ) -> Result<Term, CallError> {
        let deadline = self.context.deadline_in(timeout_ms);
        let request = request.into();
        let Some(record) = self.context.begin_call(server.into(), request) else {
            return Err(CallError::Exit(Term::from(atoms::KILLED)));
        };
        let mut guard = CallGuard { context: &mut self.context, record: Some(record) };
        std::future::poll_fn(|_| guard.poll(deadline)).await
    }

    /// Lets other processes run if this one has used its slice up; long loops should call it.
    pub async fn checkpoint(&mut self) {
        if self.context.slice_spent() {
            self.yield_now().await;
        }
    }

    /// Lets other processes run.
    pub async fn yield_now(&mut self) {
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    async fn wait<T>(&mut self, deadline: u64, mut ready: impl FnMut(&mut Context) -> Poll<T>) -> Result<T, Timeout> {
        std::future::poll_fn(|_| {
            if let Poll::Ready(v) = ready(&mut self.context) {
                self.context.clear_deadline();
                return Poll::Ready(Ok(v));
            }
            if self.context.deadline_passed(deadline) {
                self.context.clear_deadline();
                self.context.restart_receive();
                return Poll::Ready(Err(Timeout));
            }
            self.context.wake_by(deadline);
            Poll::Pending
        })
        .await
    }
}

/// Closes the call when its future is dropped before the end.
struct CallGuard<'a> {
    context: &'a mut Context,
    record: Option<Arc<CallRecord>>,
}

impl CallGuard<'_> {
    fn poll(&mut self, deadline: u64) -> Poll<Result<Term, CallError>> {
        let Some(record) = self.record.clone() else { return Poll::Ready(Err(CallError::Timeout)) };
        let Ok(mut core) = Core::enter(self.context) else {
            return Poll::Ready(Err(CallError::Exit(Term::from(atoms::KILLED))));
        };
        core.drain();
        let mut outcome = call::poll(&mut core, &record);
        if outcome.is_none() && deadline != u64::MAX && core.system().shared.clock.now_ns() >= deadline {
            outcome = Some(if call::give_up(&mut core, &record) {
                Err(CallError::Timeout)
            } else {
                call::poll(&mut core, &record).unwrap_or(Err(CallError::Timeout))
            });
        }
        match outcome {
            Some(o) => {
                core.own().deadline = u64::MAX;
                drop(core);
                self.record = None;
                Poll::Ready(o)
            }
            None => {
                core.own().deadline = deadline;
                Poll::Pending
            }
        }
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        // Dropped by its process's own code (a `select` that lost). At the process's end the exit closes the call.
        if let Some(record) = self.record.take()
            && self.context.is_current()
            && let Ok(mut core) = Core::enter(self.context)
        {
            call::give_up(&mut core, &record);
            core.own().deadline = u64::MAX;
        }
    }
}
