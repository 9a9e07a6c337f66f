//! What a process runs: a handler, an async body, a fiber, or nothing here because it is a thread elsewhere.
//! Imports: term, context, message, error.

use super::async_body::AsyncBody;
use super::context::Context;
use super::error::Exception;
use super::fiber_body::FiberBody;
use super::message::Message;
use crate::term::Term;
use std::ptr::NonNull;

/// What a handler's callback wants next.
#[derive(Debug)]
pub enum Next {
    /// Wait for the next message.
    Continue,
    /// This message is not wanted now: keep it in the queue, in its place, and look at the next. The scan starts at
    /// the oldest again after the next message that is accepted (selective receive). Source: C2.20.
    Skip(Message),
    /// End with this reason.
    Stop(Term),
}

/// A callback process: called once per message, no stack of its own while idle.
///
/// Callbacks must not block: they run on a scheduler thread, and one that overstays is moved to the slow lane. A
/// panic ends the process with `{{panic, Text}, Stack}`. The value is dropped when the process has ended, on the
/// thread that ended it (or on the thread where its last callback returns, if it was killed meanwhile).
pub trait Handler: Send + 'static {
    /// Runs first, in the new process.
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        let _ = ctx;
        Ok(Next::Continue)
    }

    /// One message, oldest first.
    fn handle(&mut self, ctx: &mut Context, message: Message) -> Result<Next, Exception>;

    /// The time set with [`Context::set_timeout`] has passed without an accepted message.
    fn timeout(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        let _ = ctx;
        Ok(Next::Continue)
    }

    /// Runs once when the process ends in whatever way, before links and monitors are told. It cannot receive or
    /// send as the process any more.
    fn terminated(&mut self, reason: &Term) {
        let _ = reason;
    }
}

impl<F> Handler for F
where
    F: FnMut(&mut Context, Message) -> Result<Next, Exception> + Send + 'static,
{
    fn handle(&mut self, ctx: &mut Context, message: Message) -> Result<Next, Exception> {
        self(ctx, message)
    }
}

/// Runs once when a process ends, whatever it was doing. See [`Context::on_exit`].
pub(crate) type Hook = Box<dyn FnOnce(&Term) + Send>;

/// Pointers instead of boxes: while a callback runs the body may have to change hands.
pub(crate) enum Body {
    None,
    /// Not started yet: `init` comes first.
    Fresh(NonNull<dyn Handler>),
    Handler(NonNull<dyn Handler>),
    Async(NonNull<AsyncBody>),
    Fiber(NonNull<FiberBody>),
    /// An attached thread; its code is not ours to run.
    Thread,
}

// SAFETY: the pointees are Send (or, for a parked fiber, only resumed and dropped on its own thread).
unsafe impl Send for Body {}

impl Body {
    pub fn handler(h: Box<dyn Handler>) -> Self {
        // SAFETY: a box is never null.
        Self::Fresh(unsafe { NonNull::new_unchecked(Box::into_raw(h)) })
    }
}

/// Ends a body: its destructors run here, panics are contained. Must not be called while a callback of it runs.
pub(crate) fn finish(body: Body, reason: &Term) {
    let run = std::panic::AssertUnwindSafe(|| match body {
        Body::None | Body::Thread => {}
        Body::Fresh(p) | Body::Handler(p) => {
            // SAFETY: made by `Body::handler`; this is the only owner.
            let mut h = unsafe { Box::from_raw(p.as_ptr()) };
            h.terminated(reason);
        }
        // SAFETY: made by `AsyncBody::into_raw`; this is the only owner.
        Body::Async(p) => drop(unsafe { Box::from_raw(p.as_ptr()) }),
        // SAFETY: made by `FiberBody::into_raw`; this is the only owner, on the fiber's thread.
        Body::Fiber(p) => unsafe { Box::from_raw(p.as_ptr()) }.kill(),
    });
    // A destructor's panic has nowhere to go: the process is ending with another reason already.
    let _ = std::panic::catch_unwind(run);
}
