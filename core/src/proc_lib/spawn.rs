//! Bodies that report their crash, and asynchronous spawns of them.
//! Imports: term, process, crash. Source: OTP `proc_lib:spawn/1,3`, `spawn_link`, `spawn_opt`; C10.6, C10.16.

use super::crash::{Dying, DyingStep, Ending, PATIENCE_MS};
use super::waiter::Waiter;
use crate::process::async_body::AsyncContext;
use crate::process::body::{Handler, Next};
use crate::process::context::Context;
use crate::process::error::{Class, Exception, panic_reason};
use crate::process::fiber_body::FiberContext;
use crate::process::message::Message;
use crate::process::spawn::{Code, SpawnOptions};
use crate::term::{Atom, Pid, Ref, Term, View};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

impl Context {
    fn spawn_proc(
        &mut self,
        initial_call: (Atom, Atom, u8),
        code: Code,
        o: &SpawnOptions,
    ) -> Result<(Pid, Option<Ref>), Exception> {
        let origin = self.origin_of_child(initial_call);
        self.spawn_from(code, o, origin)
    }
}

/// Spawns a process that knows its ancestors. Make the code with [`future`], [`handler`] or [`assume_fiber_safe`], so
/// that it reports its crash. Does not wait. Errors: `system_limit`.
pub fn spawn(ctx: &mut Context, initial_call: (Atom, Atom, u8), code: Code) -> Result<Pid, Exception> {
    ctx.spawn_proc(initial_call, code, &SpawnOptions::default()).map(|r| r.0)
}

/// As [`spawn`], linked.
pub fn spawn_link(ctx: &mut Context, initial_call: (Atom, Atom, u8), code: Code) -> Result<Pid, Exception> {
    let o = SpawnOptions { link: true, ..Default::default() };
    ctx.spawn_proc(initial_call, code, &o).map(|r| r.0)
}

/// As [`spawn`], with options; the reference is that of the monitor, if one was asked for.
pub fn spawn_opt(
    ctx: &mut Context,
    initial_call: (Atom, Atom, u8),
    code: Code,
    options: &SpawnOptions,
) -> Result<(Pid, Option<Ref>), Exception> {
    ctx.spawn_proc(initial_call, code, options)
}

/// An async process that reports its crash. See [`Code::future`].
pub fn future<F, Fut>(f: F) -> Code
where
    F: FnOnce(AsyncContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), Exception>> + Send + 'static,
{
    Code::future(move |c| async move {
        let mut own = c.twin();
        match caught(async move { f(c).await }).await {
            Ok(()) => Ok(()),
            Err(e) => Err(report_and_end(&mut own, e).await),
        }
    })
}

/// Reports a crash, unless its reason is a quiet one, and gives the exception back for the body to return.
pub(crate) async fn report_and_end<W: Waiter>(w: &mut W, e: Exception) -> Exception {
    let Ok(mut dying) = Dying::begin(w, Ending { exception: e.clone() }) else { return e };
    while let Some(m) = w.wait_match(None, Some(PATIENCE_MS), |m| dying.wants(m)).await {
        if matches!(dying.message(w, m), DyingStep::Done(_)) {
            return e;
        }
    }
    dying.finish(w);
    e
}

/// The exception that a panic counts as: `error:{panic, Text}`.
pub(crate) fn panic_exception(payload: &(dyn std::any::Any + Send)) -> Exception {
    let reason = panic_reason(payload);
    match reason.view() {
        View::Tuple([what, stack]) => Exception { class: Class::Error, reason: what.clone(), stack: stack.clone() },
        _ => Exception::error(reason),
    }
}

/// A future whose panics come back as exceptions.
pub(crate) async fn caught<T>(f: impl Future<Output = Result<T, Exception>>) -> Result<T, Exception> {
    let mut f = pin!(f);
    std::future::poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| f.as_mut().poll(cx)))
            .unwrap_or_else(|p| Poll::Ready(Err(panic_exception(&*p))))
    })
    .await
}

/// A callback whose panics come back as exceptions.
#[inline]
pub(crate) fn caught_now<T>(f: impl FnOnce() -> Result<T, Exception>) -> Result<T, Exception> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|p| Err(panic_exception(&*p)))
}

/// A blocking process on a stack of its own that reports its crash.
///
/// # Safety
/// The contract of [`Code::assume_fiber_safe`].
pub unsafe fn assume_fiber_safe<F>(f: F) -> Code
where
    F: FnOnce(&mut FiberContext) -> Result<(), Exception> + Send + 'static,
{
    let code = move |c: &mut FiberContext| match caught_now(|| f(c)) {
        Ok(()) => Ok(()),
        Err(e) => Err(FiberContext::run(report_and_end(c, e))),
    };
    // SAFETY: what is added holds nothing over its waits; for the rest the caller answers.
    unsafe { Code::assume_fiber_safe(code) }
}

/// A callback process that reports its crash. See [`Code::handler`].
pub fn handler(h: impl Handler) -> Code {
    Code::handler(Reporting { inner: h, dying: None })
}

struct Reporting<H> {
    inner: H,
    dying: Option<Box<Dying>>,
}

impl<H: Handler> Reporting<H> {
    fn turn(&mut self, ctx: &mut Context, f: impl FnOnce(&mut H, &mut Context) -> Result<Next, Exception>) -> Next {
        let e = match caught_now(|| f(&mut self.inner, ctx)) {
            Ok(Next::Stop(reason)) if !super::is_quiet(&reason) => Exception::exit(reason),
            Ok(next) => return next,
            Err(e) => e,
        };
        self.dying = None;
        match begin_dying(ctx, e) {
            Ok(d) => {
                self.dying = Some(d);
                Next::Continue
            }
            Err(reason) => Next::Stop(reason),
        }
    }
}

/// A handler begins to die: `Err` with the exit reason when there is nothing to wait for.
pub(crate) fn begin_dying(ctx: &mut Context, e: Exception) -> Result<Box<Dying>, Term> {
    let dying = Dying::begin(ctx, Ending { exception: e })?;
    ctx.set_timeout(Some(PATIENCE_MS));
    Ok(Box::new(dying))
}

/// A handler that is dying gets a message.
pub(crate) fn dying_turn(dying: &mut Dying, ctx: &mut Context, m: Message) -> Next {
    match dying.message(ctx, m) {
        DyingStep::Done(reason) => Next::Stop(reason),
        DyingStep::Wait => Next::Continue,
        DyingStep::Keep(m) => Next::Skip(m),
    }
}

impl<H: Handler> Handler for Reporting<H> {
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        Ok(self.turn(ctx, |h, c| h.init(c)))
    }

    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        match &mut self.dying {
            Some(d) => Ok(dying_turn(d, ctx, m)),
            None => Ok(self.turn(ctx, |h, c| h.handle(c, m))),
        }
    }

    fn timeout(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        match &self.dying {
            Some(d) => Ok(Next::Stop(d.finish(ctx))),
            None => Ok(self.turn(ctx, |h, c| h.timeout(c))),
        }
    }

    fn terminated(&mut self, reason: &Term) {
        self.inner.terminated(reason);
    }
}
