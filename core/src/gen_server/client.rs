//! Starting servers and asking them. Imports: term, process, gen, callbacks. Source: OTP `gen_server`; C4.5-C4.26.

use super::callbacks::{AsyncGenServer, GenServer};
use super::{plain, waiting};
use crate::r#gen::{
    self, Birth, Linkage, Name, Options, Replies, Request, ServerRef, Started, Waiter, call_raw, timeout_term, why_exit,
};
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::process::spawn::Code;
use crate::term::{Atom, Term, atoms};

/// What a call waits unless it says otherwise, in ms.
pub const CALL_TIMEOUT_MS: u64 = 5000;

/// The body of a plain server, for who starts it by other means.
pub fn code<S: GenServer>(birth: Birth, args: S::Args, options: Options) -> Code {
    Code::handler(plain::Server::<S>::new(birth, args, options))
}

/// The body of an async server, for who starts it by other means.
pub fn async_code<S: AsyncGenServer>(birth: Birth, args: S::Args, options: Options) -> Code {
    waiting::body::<S>(birth, args, options)
}

/// Starts a plain server: under a name or without, linked, monitored or neither.
///
/// Returns when `init` has: the start is synchronous, and so are several in a row in their order. Errors: `badarg`,
/// `timeout_value`, `system_limit` for options that cannot be; what `init` says is in [`Started`].
pub fn start_with<S: GenServer, W: Waiter>(
    w: &mut W,
    linkage: Linkage,
    name: Option<Name>,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    let call = (S::module(&args), atoms::INIT, 1);
    let o = options.clone();
    W::run(async move { raw(w, linkage, name, call, move |birth| code::<S>(birth, args, o), options).await })
}

/// As [`start_with`], an async server.
pub fn start_async_with<S: AsyncGenServer, W: Waiter>(
    w: &mut W,
    linkage: Linkage,
    name: Option<Name>,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    let call = (S::module(&args), atoms::INIT, 1);
    let o = options.clone();
    W::run(async move { raw(w, linkage, name, call, move |birth| async_code::<S>(birth, args, o), options).await })
}

async fn raw<W: Waiter>(
    w: &mut W,
    linkage: Linkage,
    name: Option<Name>,
    call: (Atom, Atom, u8),
    code: impl FnOnce(Birth) -> Code,
    options: Options,
) -> Result<Started, Exception> {
    r#gen::start_raw_named(w, linkage, name, call, code, &options).await
}

/// Starts a server that is linked to the caller, its parent. Source: OTP `gen_server:start_link/3`.
pub fn start_link<S: GenServer, W: Waiter>(
    w: &mut W,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    start_with::<S, W>(w, Linkage::Link, None, args, options)
}

/// Starts a server on its own. Source: OTP `gen_server:start/3`.
pub fn start<S: GenServer, W: Waiter>(
    w: &mut W,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    start_with::<S, W>(w, Linkage::None, None, args, options)
}

/// Starts a server that the caller monitors. Source: OTP `gen_server:start_monitor/3`.
pub fn start_monitor<S: GenServer, W: Waiter>(
    w: &mut W,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    start_with::<S, W>(w, Linkage::Monitor, None, args, options)
}

/// As [`start_link`], an async server.
pub fn start_async_link<S: AsyncGenServer, W: Waiter>(
    w: &mut W,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    start_async_with::<S, W>(w, Linkage::Link, None, args, options)
}

/// As [`start`], an async server.
pub fn start_async<S: AsyncGenServer, W: Waiter>(
    w: &mut W,
    args: S::Args,
    options: Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    start_async_with::<S, W>(w, Linkage::None, None, args, options)
}

/// Calls a server and waits for its reply, at most 5000 ms.
///
/// Errors: `exit({Why, {gen_server, call, [Server, Request]}})`; see [`crate::r#gen::call`] for the whys. A request
/// that timed out is not cancelled; its late reply is dropped. Source: OTP `gen_server:call/2`.
pub fn call<W: Waiter>(
    w: &mut W,
    server: impl Into<ServerRef>,
    request: impl Into<Term>,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    let (server, request) = (server.into(), request.into());
    W::run(async move {
        let r = call_raw(w, atoms::GEN_CALL, &server, request.clone(), Some(CALL_TIMEOUT_MS)).await;
        r.map_err(|why| why_exit(why, atoms::GEN_SERVER, atoms::CALL, [server.to_term(), request]))
    })
}

/// As [`call`], with a timeout in ms; `None`: for ever. Source: OTP `gen_server:call/3`.
pub fn call_timeout<W: Waiter>(
    w: &mut W,
    server: impl Into<ServerRef>,
    request: impl Into<Term>,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    let (server, request) = (server.into(), request.into());
    W::run(async move {
        let r = call_raw(w, atoms::GEN_CALL, &server, request.clone(), timeout_ms).await;
        let args = |request| [server.to_term(), request, timeout_term(timeout_ms)];
        r.map_err(|why| why_exit(why, atoms::GEN_SERVER, atoms::CALL, args(request)))
    })
}

/// Sends a request that nobody waits for. Always succeeds at once. Source: OTP `gen_server:cast/2`.
pub fn cast(ctx: &mut Context, server: impl Into<ServerRef>, request: impl Into<Term>) {
    r#gen::cast(ctx, &server.into(), Term::tuple([atoms::GEN_CAST.into(), request.into()]));
}

/// Sends a request and does not wait. Source: OTP `gen_server:send_request/2`.
pub fn send_request(ctx: &mut Context, server: impl Into<ServerRef>, request: impl Into<Term>) -> Request {
    r#gen::send_request(ctx, atoms::GEN_CALL, server, request)
}

/// Ends a server normally and waits for its end. Source: OTP `gen_server:stop/1`.
pub fn stop<W: Waiter>(w: &mut W, server: impl Into<ServerRef>) -> W::Ret<impl Future<Output = Result<(), Exception>>> {
    r#gen::stop(w, server, atoms::NORMAL, None)
}

/// Ends a server with a reason and waits for its end, at most `timeout_ms`; `None`: for ever. See
/// [`crate::r#gen::stop`]. Source: OTP `gen_server:stop/3`.
pub fn stop_reason<W: Waiter>(
    w: &mut W,
    server: impl Into<ServerRef>,
    reason: impl Into<Term>,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Result<(), Exception>>> {
    r#gen::stop(w, server, reason, timeout_ms)
}

/// Calls the servers of a name on several nodes and waits for all. Source: OTP `gen_server:multi_call/3`.
pub fn multi_call<W: Waiter>(
    w: &mut W,
    nodes: Vec<Atom>,
    name: Atom,
    request: impl Into<Term>,
) -> W::Ret<impl Future<Output = Replies>> {
    r#gen::multi_call(w, nodes, name, request, None)
}

/// As [`multi_call`], at most `timeout_ms`. Source: OTP `gen_server:multi_call/4`.
pub fn multi_call_timeout<W: Waiter>(
    w: &mut W,
    nodes: Vec<Atom>,
    name: Atom,
    request: impl Into<Term>,
    timeout_ms: u64,
) -> W::Ret<impl Future<Output = Replies>> {
    r#gen::multi_call(w, nodes, name, request, Some(timeout_ms))
}

/// Casts to the servers of a name on several nodes. Source: OTP `gen_server:abcast/3`.
pub fn abcast(ctx: &mut Context, nodes: &[Atom], name: Atom, request: impl Into<Term>) {
    r#gen::abcast(ctx, nodes, name, request);
}
