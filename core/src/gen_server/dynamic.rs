//! Servers behind pointers: for callback tables and classes of other languages. Imports: term, process, gen, callbacks.
//!
//! The value is module and state in one; it exists before `init`, which only begins it.

use super::callbacks::{
    After, AsyncGenServer, CallReturn, FormatStatus, GenServer, Init, Return, no_state, opaque, undef,
};
use super::engine::{ParsedInit, parse_init};
use crate::r#gen::From;
use crate::process::async_body::AsyncContext;
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::process::message::Message;
use crate::term::{Atom, Term, atoms};
use std::future::Future;
use std::pin::Pin;

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

macro_rules! common {
    () => {
        /// See [`GenServer::module`].
        fn module(&self) -> Atom;

        /// See [`GenServer::state`].
        fn state(&self) -> Term {
            opaque::<Self>()
        }

        /// See [`GenServer::set_state`].
        fn set_state(&mut self, state: Term) -> Result<(), Exception> {
            let _ = state;
            Err(no_state())
        }

        /// See [`GenServer::code_change`].
        fn code_change(
            &mut self,
            ctx: &mut Context,
            old_vsn: &Term,
            extra: &Term,
        ) -> Result<Result<(), Term>, Exception> {
            let _ = (ctx, old_vsn, extra);
            Err(undef(self.module(), atoms::CODE_CHANGE, 3))
        }

        /// See [`GenServer::format_status`].
        fn format_status(&self, status: FormatStatus) -> FormatStatus {
            status
        }

        /// See [`GenServer::hibernate`].
        fn hibernate(&mut self) {}
    };
}

/// As [`GenServer`], behind a pointer. A callback that the author has not given returns `undef` from the start.
pub trait Callbacks: Send + 'static {
    common!();

    /// See [`GenServer::init`].
    fn init(&mut self, ctx: &mut Context) -> Result<Init<()>, Exception>;

    /// See [`GenServer::handle_call`].
    fn handle_call(&mut self, ctx: &mut Context, request: &Term, from: &From) -> Result<CallReturn, Exception> {
        let _ = (ctx, request, from);
        Err(undef(self.module(), atoms::HANDLE_CALL, 3))
    }

    /// See [`GenServer::handle_cast`].
    fn handle_cast(&mut self, ctx: &mut Context, request: &Term) -> Result<Return, Exception> {
        let _ = (ctx, request);
        Err(undef(self.module(), atoms::HANDLE_CAST, 2))
    }

    /// See [`GenServer::handle_info`].
    fn handle_info(&mut self, ctx: &mut Context, message: &Message) -> Result<Return, Exception> {
        super::report::no_handle_info(ctx, self.module(), message);
        Ok(Return::noreply())
    }

    /// See [`GenServer::handle_continue`].
    fn handle_continue(&mut self, ctx: &mut Context, with: &Term) -> Result<Return, Exception> {
        let _ = (ctx, with);
        Err(undef(self.module(), atoms::HANDLE_CONTINUE, 2))
    }

    /// See [`GenServer::terminate`].
    fn terminate(&mut self, ctx: &mut Context, reason: &Term) -> Result<(), Exception> {
        let _ = (ctx, reason);
        Ok(())
    }
}

/// As [`AsyncGenServer`], behind a pointer.
pub trait AsyncCallbacks: Send + Sync + 'static {
    common!();

    /// See [`AsyncGenServer::init`].
    fn init<'a>(&'a mut self, ctx: &'a mut AsyncContext) -> BoxFuture<'a, Result<Init<()>, Exception>>;

    /// See [`AsyncGenServer::handle_call`].
    fn handle_call<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        request: &'a Term,
        from: &'a From,
    ) -> BoxFuture<'a, Result<CallReturn, Exception>> {
        let _ = (ctx, request, from);
        let e = undef(self.module(), atoms::HANDLE_CALL, 3);
        Box::pin(std::future::ready(Err(e)))
    }

    /// See [`AsyncGenServer::handle_cast`].
    fn handle_cast<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        request: &'a Term,
    ) -> BoxFuture<'a, Result<Return, Exception>> {
        let _ = (ctx, request);
        let e = undef(self.module(), atoms::HANDLE_CAST, 2);
        Box::pin(std::future::ready(Err(e)))
    }

    /// See [`AsyncGenServer::handle_info`].
    fn handle_info<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<Return, Exception>> {
        super::report::no_handle_info(ctx, self.module(), message);
        Box::pin(std::future::ready(Ok(Return::noreply())))
    }

    /// See [`AsyncGenServer::handle_continue`].
    fn handle_continue<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        with: &'a Term,
    ) -> BoxFuture<'a, Result<Return, Exception>> {
        let _ = (ctx, with);
        let e = undef(self.module(), atoms::HANDLE_CONTINUE, 2);
        Box::pin(std::future::ready(Err(e)))
    }

    /// See [`AsyncGenServer::terminate`].
    fn terminate<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        reason: &'a Term,
    ) -> BoxFuture<'a, Result<(), Exception>> {
        let _ = (ctx, reason);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A plain server behind a pointer: start it with its callbacks as the argument.
pub struct Dynamic(Box<dyn Callbacks>);

/// An async server behind a pointer: start it with its callbacks as the argument.
pub struct DynamicAsync(Box<dyn AsyncCallbacks>);

macro_rules! delegate {
    ($args:ty) => {
        type Args = $args;

        fn module(args: &Self::Args) -> Atom {
            args.module()
        }
        fn state(&self) -> Term {
            self.0.state()
        }
        fn set_state(&mut self, state: Term) -> Result<(), Exception> {
            self.0.set_state(state)
        }
        fn code_change(
            &mut self,
            ctx: &mut Context,
            old_vsn: &Term,
            extra: &Term,
        ) -> Result<Result<(), Term>, Exception> {
            self.0.code_change(ctx, old_vsn, extra)
        }
        fn format_status(&self, status: FormatStatus) -> FormatStatus {
            self.0.format_status(status)
        }
        fn hibernate(&mut self) {
            self.0.hibernate();
        }
    };
}

/// Puts the server where `init` has left the place for it. A thrown `{ok, State}` counts as returned.
fn begun<S>(
    result: Result<Init<()>, Exception>,
    set_state: impl FnOnce(Term) -> Result<(), Exception>,
    make: impl FnOnce() -> S,
) -> Result<Init<S>, Exception> {
    let ok = |after: After| Ok(Init::Ok(make(), after));
    match result {
        Ok(Init::Ok((), after)) => ok(after),
        Ok(Init::Ignore) => Ok(Init::Ignore),
        Ok(Init::Stop(r)) => Ok(Init::Stop(r)),
        Ok(Init::Error(r)) => Ok(Init::Error(r)),
        // What another language has returned, as it is.
        Ok(Init::Bad(v)) => from_term(v, set_state, ok),
        Err(e) if e.class == Class::Throw => from_term(e.reason, set_state, ok),
        Err(e) => Err(e),
    }
}

fn from_term<S>(
    value: Term,
    set_state: impl FnOnce(Term) -> Result<(), Exception>,
    ok: impl FnOnce(After) -> Result<Init<S>, Exception>,
) -> Result<Init<S>, Exception> {
    match parse_init(value.clone()) {
        ParsedInit::Ok(state, after) => match set_state(state) {
            Ok(()) => ok(after),
            Err(_) => Ok(Init::Bad(value)),
        },
        ParsedInit::Ignore => Ok(Init::Ignore),
        ParsedInit::Stop(r) => Ok(Init::Stop(r)),
        ParsedInit::Error(r) => Ok(Init::Error(r)),
        ParsedInit::Bad(v) => Ok(Init::Bad(v)),
    }
}

impl GenServer for Dynamic {
    delegate!(Box<dyn Callbacks>);

    fn init(ctx: &mut Context, mut args: Self::Args) -> Result<Init<Self>, Exception> {
        let result = args.init(ctx);
        let cell = std::cell::RefCell::new(Some(args));
        begun(
            result,
            |t| cell.borrow_mut().as_mut().map_or_else(|| Err(no_state()), |a| a.set_state(t)),
            || Self(cell.borrow_mut().take().unwrap_or_else(|| unreachable!("taken once"))),
        )
    }

    fn handle_call(&mut self, ctx: &mut Context, request: &Term, from: &From) -> Result<CallReturn, Exception> {
        self.0.handle_call(ctx, request, from)
    }

    fn handle_cast(&mut self, ctx: &mut Context, request: &Term) -> Result<Return, Exception> {
        self.0.handle_cast(ctx, request)
    }

    fn handle_info(&mut self, ctx: &mut Context, message: &Message) -> Result<Return, Exception> {
        self.0.handle_info(ctx, message)
    }

    fn handle_continue(&mut self, ctx: &mut Context, with: &Term) -> Result<Return, Exception> {
        self.0.handle_continue(ctx, with)
    }

    fn terminate(&mut self, ctx: &mut Context, reason: &Term) -> Result<(), Exception> {
        self.0.terminate(ctx, reason)
    }
}

impl AsyncGenServer for DynamicAsync {
    delegate!(Box<dyn AsyncCallbacks>);

    async fn init(ctx: &mut AsyncContext, mut args: Self::Args) -> Result<Init<Self>, Exception> {
        let result = args.init(ctx).await;
        let cell = std::cell::RefCell::new(Some(args));
        begun(
            result,
            |t| cell.borrow_mut().as_mut().map_or_else(|| Err(no_state()), |a| a.set_state(t)),
            || Self(cell.borrow_mut().take().unwrap_or_else(|| unreachable!("taken once"))),
        )
    }

    async fn handle_call(
        &mut self,
        ctx: &mut AsyncContext,
        request: &Term,
        from: &From,
    ) -> Result<CallReturn, Exception> {
        self.0.handle_call(ctx, request, from).await
    }

    async fn handle_cast(&mut self, ctx: &mut AsyncContext, request: &Term) -> Result<Return, Exception> {
        self.0.handle_cast(ctx, request).await
    }

    async fn handle_info(&mut self, ctx: &mut AsyncContext, message: &Message) -> Result<Return, Exception> {
        self.0.handle_info(ctx, message).await
    }

    async fn handle_continue(&mut self, ctx: &mut AsyncContext, with: &Term) -> Result<Return, Exception> {
        self.0.handle_continue(ctx, with).await
    }

    async fn terminate(&mut self, ctx: &mut AsyncContext, reason: &Term) -> Result<(), Exception> {
        self.0.terminate(ctx, reason).await
    }
}
