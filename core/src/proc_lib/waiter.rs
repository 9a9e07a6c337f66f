//! The kinds of code that may wait: async bodies, fibers, attached threads.
//! Imports: term, process.
//!
//! What waits is written once, as an async function over this trait. In an async body its future is what the caller
//! awaits; fibers and threads wait inside, so that the future is ready at its first poll and only its value is seen.

use crate::process::async_body::AsyncContext;
use crate::process::attached::{Attached, ReceiveError};
use crate::process::call::CallError;
use crate::process::context::Context;
use crate::process::fiber_body::FiberContext;
use crate::process::message::Message;
use crate::term::{Pid, Ref, Term};
use std::future::Future;
use std::ops::DerefMut;
use std::pin::pin;
use std::task::{Poll, Waker};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AsyncContext {}
    impl Sealed for super::FiberContext {}
    impl Sealed for super::Attached {}
}

/// A process whose code may wait. Functions that take one return a future in async bodies, and the value itself in
/// fibers and attached threads.
pub trait Waiter: DerefMut<Target = Context> + sealed::Sealed {
    /// What such a function returns.
    type Ret<F: Future>;

    #[doc(hidden)]
    fn run<F: Future>(f: F) -> Self::Ret<F>;

    /// Selective receive; with a reference that this process has made, older messages are not looked at.
    /// `None`: nothing came in time.
    #[doc(hidden)]
    fn wait_match(
        &mut self,
        newer_than: Option<Ref>,
        timeout_ms: Option<u64>,
        want: impl FnMut(&Message) -> bool + Send,
    ) -> impl Future<Output = Option<Message>>;

    /// The native call.
    #[doc(hidden)]
    fn wait_call(
        &mut self,
        server: Pid,
        request: Term,
        timeout_ms: Option<u64>,
    ) -> impl Future<Output = Result<Term, CallError>>;
}

impl Waiter for AsyncContext {
    type Ret<F: Future> = F;

    fn run<F: Future>(f: F) -> F {
        f
    }

    async fn wait_match(
        &mut self,
        newer_than: Option<Ref>,
        timeout_ms: Option<u64>,
        want: impl FnMut(&Message) -> bool + Send,
    ) -> Option<Message> {
        match newer_than {
            Some(r) => self.receive_ref(r, timeout_ms, want).await.ok(),
            None => self.receive_match(timeout_ms, want).await.ok(),
        }
    }

    async fn wait_call(&mut self, server: Pid, request: Term, timeout_ms: Option<u64>) -> Result<Term, CallError> {
        self.call(server, request, timeout_ms).await
    }
}

impl Waiter for FiberContext {
    type Ret<F: Future> = F::Output;

    fn run<F: Future>(f: F) -> F::Output {
        at_once(f)
    }

    async fn wait_match(
        &mut self,
        newer_than: Option<Ref>,
        timeout_ms: Option<u64>,
        want: impl FnMut(&Message) -> bool + Send,
    ) -> Option<Message> {
        match newer_than {
            Some(r) => self.receive_ref(r, timeout_ms, want).ok(),
            None => self.receive_match(timeout_ms, want).ok(),
        }
    }

    async fn wait_call(&mut self, server: Pid, request: Term, timeout_ms: Option<u64>) -> Result<Term, CallError> {
        self.call(server, request, timeout_ms)
    }
}

impl Waiter for Attached {
    type Ret<F: Future> = F::Output;

    fn run<F: Future>(f: F) -> F::Output {
        at_once(f)
    }

    async fn wait_match(
        &mut self,
        newer_than: Option<Ref>,
        timeout_ms: Option<u64>,
        want: impl FnMut(&Message) -> bool + Send,
    ) -> Option<Message> {
        let got = match newer_than {
            Some(r) => self.receive_ref(r, timeout_ms, want),
            None => self.receive_match(timeout_ms, want),
        };
        // A killed thread goes on without effect; what it waits for will not come.
        got.map_err(|e| debug_assert!(matches!(e, ReceiveError::Timeout | ReceiveError::Killed))).ok()
    }

    async fn wait_call(&mut self, server: Pid, request: Term, timeout_ms: Option<u64>) -> Result<Term, CallError> {
        self.call(server, request, timeout_ms)
    }
}

/// The value of a future that waits for nothing.
fn at_once<F: Future>(f: F) -> F::Output {
    let mut f = pin!(f);
    match f.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(v) => v,
        Poll::Pending => unreachable!("fibers and threads wait inside of the poll"),
    }
}
