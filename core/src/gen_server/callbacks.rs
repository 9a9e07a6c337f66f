//! What a server's author writes. Imports: term, process, gen. Source: OTP `gen_server` callbacks; C4.13, C4.21, C4.27-35.
//!
//! The server is its state: callbacks get `&mut self`. Where OTP keeps the state from before a callback that has
//! failed, here it is as the callback has left it; `terminate` sees that.

use crate::r#gen::From;
use crate::process::async_body::AsyncContext;
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::process::message::Message;
use crate::term::{Atom, Term, atoms};
use std::future::Future;

/// What comes after a callback. Source: the timeout position of OTP's return tuples; C4.31, C4.41, C4.43.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum After {
    /// Wait for the next message.
    #[default]
    Wait,
    /// If no message at all comes within so many ms, `handle_info(timeout)`. 0: only if none is there now. At most
    /// 2^32 - 1.
    Timeout(u64),
    /// Give back memory, then wait.
    Hibernate,
    /// `handle_continue` with this, before any message.
    Continue(Term),
}

/// What `init` returns.
#[derive(Debug)]
#[non_exhaustive]
pub enum Init<S> {
    /// The server, and what comes first.
    Ok(S, After),
    /// Not to be started, and nothing is wrong.
    Ignore,
    /// `{stop, Reason}`: the start is `{error, Reason}`, the process ends with the reason.
    Stop(Term),
    /// `{error, Reason}`: the start is `{error, Reason}`, the process ends `normal`. Source: OTP 26.
    Error(Term),
    /// Something else: the start is `{error, {bad_return_value, Value}}`.
    Bad(Term),
}

/// What `handle_call` returns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallReturn {
    /// `{reply, Reply, State, After}`
    Reply(Term, After),
    /// `{noreply, State, After}`: somebody replies later.
    NoReply(After),
    /// `{stop, Reason, Reply, State}`: `terminate`, then the reply, then the end.
    StopReply(Term, Term),
    /// `{stop, Reason, State}`
    Stop(Term),
    /// OTP's return tuple as a term, its state given to `set_state`.
    Term(Term),
}

impl CallReturn {
    /// `{reply, Reply, State}`
    #[inline]
    pub fn reply(reply: impl Into<Term>) -> Self {
        Self::Reply(reply.into(), After::Wait)
    }

    /// `{noreply, State}`
    pub fn noreply() -> Self {
        Self::NoReply(After::Wait)
    }

    /// `{stop, Reason, State}`
    pub fn stop(reason: impl Into<Term>) -> Self {
        Self::Stop(reason.into())
    }
}

/// What the other callbacks return.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Return {
    /// `{noreply, State, After}`
    NoReply(After),
    /// `{stop, Reason, State}`
    Stop(Term),
    /// OTP's return tuple as a term, its state given to `set_state`.
    Term(Term),
}

impl Return {
    /// `{noreply, State}`
    #[inline]
    pub fn noreply() -> Self {
        Self::NoReply(After::Wait)
    }

    /// `{stop, Reason, State}`
    pub fn stop(reason: impl Into<Term>) -> Self {
        Self::Stop(reason.into())
    }
}

/// What `format_status` may change before it is shown. Source: OTP 25 `gen_server:format_status()`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FormatStatus {
    /// The state; in `get_status` it is shown as `{data, [{"State", State}]}`.
    pub state: Term,
    /// The last message; only when the server terminates.
    pub message: Option<Term>,
    /// Why it terminates; `None` for `get_status`.
    pub reason: Option<Term>,
    /// The stored events.
    pub log: Vec<Term>,
}

/// The state of a server that has not said how to show it: `{native, <<"crate::Type">>}`.
pub(super) fn opaque<S: ?Sized>() -> Term {
    let name = std::any::type_name::<S>();
    match Atom::new("native") {
        Ok(a) => Term::tuple([a.into(), Term::binary(name)]),
        Err(_) => Term::binary(name),
    }
}

/// The type's name without its path, as the name of the callback module.
pub(super) fn module_of<S>() -> Atom {
    let full = std::any::type_name::<S>();
    let head = full.split('<').next().unwrap_or(full);
    Atom::new(head.rsplit("::").next().unwrap_or(head)).unwrap_or(atoms::GEN_SERVER)
}

pub(super) fn undef(module: Atom, callback: Atom, arity: u8) -> Exception {
    let frame = Term::tuple([module.into(), callback.into(), Term::from(arity), Term::nil()]);
    Exception { stack: Term::list([frame]), ..Exception::error(atoms::UNDEF) }
}

pub(super) fn no_state() -> Exception {
    Exception::error(atoms::BADARG)
}

macro_rules! common {
    () => {
        /// What `init` gets.
        type Args: Send + 'static;

        /// The name of the callback module, which reports, `$initial_call` and code changes show. Default: the type's
        /// name without its path.
        fn module(args: &Self::Args) -> Atom {
            let _ = args;
            module_of::<Self>()
        }

        /// The state as a term, for `sys:get_state`, traces and reports. Default: `{native, <<"crate::Type">>}`.
        fn state(&self) -> Term {
            opaque::<Self>()
        }

        /// Takes a state that `sys:replace_state`, or a return tuple given as a term, brings. Default: `error:badarg`.
        fn set_state(&mut self, state: Term) -> Result<(), Exception> {
            let _ = state;
            Err(no_state())
        }

        /// The server is suspended for an upgrade from `old_vsn` (`{down, Vsn}` for a downgrade). `Ok(Err(reason))`
        /// refuses. Default: `undef`, as in OTP.
        fn code_change(
            &mut self,
            ctx: &mut Context,
            old_vsn: &Term,
            extra: &Term,
        ) -> Result<Result<(), Term>, Exception> {
            let _ = (ctx, old_vsn, extra);
            Err(undef(module_of::<Self>(), atoms::CODE_CHANGE, 3))
        }

        /// Changes what `get_status` and the error report show: to make it readable, or to hide secrets.
        fn format_status(&self, status: FormatStatus) -> FormatStatus {
            status
        }

        /// The server goes to sleep for long: a chance to drop caches.
        fn hibernate(&mut self) {}
    };
}

/// A server whose callbacks do not wait. They run one at a time in the server's own process, on a scheduler thread.
///
/// Errors that a callback returns are its exceptions: class `error` ends the server with `{Reason, Stack}`, `exit`
/// with the reason, `throw` counts as a return value (OTP's tuple). A panic is `error:{panic, Text}`. In all cases
/// `terminate` runs first.
pub trait GenServer: Sized + Send + 'static {
    common!();

    /// Makes the server, in its process, before the start returns. Must not wait for the starter.
    fn init(ctx: &mut Context, args: Self::Args) -> Result<Init<Self>, Exception>;

    /// A request that somebody waits for.
    fn handle_call(&mut self, ctx: &mut Context, request: &Term, from: &From) -> Result<CallReturn, Exception>;

    /// A request that nobody waits for.
    fn handle_cast(&mut self, ctx: &mut Context, request: &Term) -> Result<Return, Exception>;

    /// Any other message: `'DOWN'`, trapped exits, the atom `timeout`, whatever was sent. Default: a warning is
    /// reported, and the message dropped.
    fn handle_info(&mut self, ctx: &mut Context, message: &Message) -> Result<Return, Exception> {
        super::report::no_handle_info(ctx, module_of::<Self>(), message);
        Ok(Return::noreply())
    }

    /// What a callback has left for later with [`After::Continue`].
    fn handle_continue(&mut self, ctx: &mut Context, with: &Term) -> Result<Return, Exception> {
        let _ = (ctx, with);
        Err(undef(module_of::<Self>(), atoms::HANDLE_CONTINUE, 2))
    }

    /// The server ends. Runs after stops and failures, and at the parent's exit if exits are trapped; not after a
    /// kill or an exit signal that is not trapped. An error becomes the reason of the end; a throw is ignored.
    fn terminate(&mut self, ctx: &mut Context, reason: &Term) -> Result<(), Exception> {
        let _ = (ctx, reason);
        Ok(())
    }
}

/// A server whose callbacks may wait: call other servers, sleep, receive. While one waits no other runs.
///
/// As [`GenServer`] otherwise. Its future must not wait for what comes from outside the runtime only.
pub trait AsyncGenServer: Sized + Send + Sync + 'static {
    common!();

    /// Makes the server, in its process, before the start returns. Must not wait for the starter.
    fn init(ctx: &mut AsyncContext, args: Self::Args) -> impl Future<Output = Result<Init<Self>, Exception>> + Send;

    /// A request that somebody waits for.
    fn handle_call(
        &mut self,
        ctx: &mut AsyncContext,
        request: &Term,
        from: &From,
    ) -> impl Future<Output = Result<CallReturn, Exception>> + Send;

    /// A request that nobody waits for.
    fn handle_cast(
        &mut self,
        ctx: &mut AsyncContext,
        request: &Term,
    ) -> impl Future<Output = Result<Return, Exception>> + Send;

    /// Any other message. See [`GenServer::handle_info`].
    fn handle_info(
        &mut self,
        ctx: &mut AsyncContext,
        message: &Message,
    ) -> impl Future<Output = Result<Return, Exception>> + Send {
        super::report::no_handle_info(ctx, module_of::<Self>(), message);
        std::future::ready(Ok(Return::noreply()))
    }

    /// What a callback has left for later with [`After::Continue`].
    fn handle_continue(
        &mut self,
        ctx: &mut AsyncContext,
        with: &Term,
    ) -> impl Future<Output = Result<Return, Exception>> + Send {
        let _ = (ctx, with);
        std::future::ready(Err(undef(module_of::<Self>(), atoms::HANDLE_CONTINUE, 2)))
    }

    /// The server ends. See [`GenServer::terminate`].
    fn terminate(
        &mut self,
        ctx: &mut AsyncContext,
        reason: &Term,
    ) -> impl Future<Output = Result<(), Exception>> + Send {
        let _ = (ctx, reason);
        std::future::ready(Ok(()))
    }
}
