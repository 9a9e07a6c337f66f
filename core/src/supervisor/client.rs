//! What others call: start a supervisor, ask it, change its children. Source: OTP `supervisor`; C8.5, C8.24-C8.30.
//! Imports: term, process, proc_lib, gen.
//!
//! All functions that ask wait without a limit, as OTP's do: a supervisor that starts or stops children answers when
//! it is done. They return a future in async bodies, the value in fibers and attached threads. What they return is
//! what OTP returns, as a term; an absent supervisor is an exception of class exit,
//! `{noproc, {gen_server, call, [Sup, Request, infinity]}}`.

use super::body;
use super::setup::Setup;
use super::spec::ChildSpec;
use crate::r#gen::{self, Birth, Linkage, Name, Options, ServerRef, Started, Waiter, call_raw, why_exit};
use crate::proc_lib;
use crate::process::error::Exception;
use crate::term::{Resource, Term, atoms};
use std::sync::{Arc, LazyLock};

static DEFAULTS: LazyLock<Options> = LazyLock::new(Options::default);

/// A native specification on its way to a supervisor of this node.
pub(super) struct Built(pub Arc<ChildSpec>);

/// Starts a supervisor, linked, and returns when its static children have been started, in order, or one of them has
/// failed and those before it have been stopped.
///
/// Errors: `system_limit`. A supervisor that does not come up is `Started::Error` with OTP's reason (C8.5).
/// Source: OTP `supervisor:start_link/2,3`.
pub fn start_link<W: Waiter>(
    w: &mut W,
    name: Option<Name>,
    setup: Setup,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    let initial_call = (atoms::SUPERVISOR, setup.module, 1);
    let code = move |birth: Birth| proc_lib::future(move |c| body::run(c, birth, setup));
    r#gen::start(w, Linkage::Link, name, initial_call, code, &DEFAULTS)
}

async fn ask<W: Waiter>(w: &mut W, sup: ServerRef, request: Term) -> Result<Term, Exception> {
    match call_raw(w, atoms::GEN_CALL, &sup, request.clone(), None).await {
        Ok(reply) => Ok(reply),
        Err(why) => {
            let args = [sup.to_term(), request, atoms::INFINITY.into()];
            Err(why_exit(why, atoms::GEN_SERVER, atoms::CALL, args))
        }
    }
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident, $atom:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<W: Waiter>(
            w: &mut W,
            sup: impl Into<ServerRef>,
            id: impl Into<Term>,
        ) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
            let (sup, request) = (sup.into(), Term::tuple([atoms::$atom.into(), id.into()]));
            W::run(async move { ask(w, sup, request).await })
        }
    )*};
}

requests! {
    /// Starts a child: `what` is a specification as a term, or, for a simple_one_for_one supervisor, a list of further
    /// arguments. `{ok, Pid}`, `{ok, Pid, Info}`, `{ok, undefined}` or `{error, Reason}` (C8.28).
    start_child_term, START_CHILD;
    /// Stops a child: `ok` or `{error, not_found | simple_one_for_one}`. By pid under simple_one_for_one. Must not be
    /// called by the child itself or by one of its own: it is killed when its time to shut down is over.
    terminate_child, TERMINATE_CHILD;
    /// Starts a child that is not running: `{ok, Pid}`, `{ok, Pid, Info}` or
    /// `{error, running | restarting | not_found | simple_one_for_one | Reason}`.
    restart_child, RESTART_CHILD;
    /// Forgets a child that is not running: `ok` or `{error, running | restarting | not_found | simple_one_for_one}`.
    delete_child, DELETE_CHILD;
    /// `{ok, Map}` with every key filled in, or `{error, not_found}`.
    get_childspec, GET_CHILDSPEC;
    /// `{ok, {Id, Child, Type, Modules}}` or `{error, not_found}`. Source: OTP 28.
    which_child, WHICH_CHILD;
}

/// Starts a child of a supervisor on this node from a native specification. See [`start_child_term`].
pub fn start_child<W: Waiter>(
    w: &mut W,
    sup: impl Into<ServerRef>,
    spec: ChildSpec,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    let built = Arc::new(Built(Arc::new(spec)));
    let spec = Term::resource(Resource::new(atoms::CHILD, built, w.self_pid().node));
    start_child_term(w, sup, spec)
}

/// `[{Id, Child, Type, Modules}]`, the last started first; `Child` is a pid, `undefined` or `restarting`.
pub fn which_children<W: Waiter>(
    w: &mut W,
    sup: impl Into<ServerRef>,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    let sup = sup.into();
    W::run(async move { ask(w, sup, atoms::WHICH_CHILDREN.into()).await })
}

/// `[{specs, N}, {active, N}, {supervisors, N}, {workers, N}]`
pub fn count_children<W: Waiter>(
    w: &mut W,
    sup: impl Into<ServerRef>,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    let sup = sup.into();
    W::run(async move { ask(w, sup, atoms::COUNT_CHILDREN.into()).await })
}
