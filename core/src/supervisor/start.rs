//! Start functions: what a child is started by, and what that returns. Source: C8.19, C8.54. Imports: term, process.
//!
//! Every start function has a name, `{M, F, A}`, by which reports, `get_childspec` and other nodes know it. Some are
//! closures as well; those that are not are looked up in the node's module registry each time.

use crate::process::async_body::AsyncContext;
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::term::{Atom, Pid, Term, View, atoms};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// How a start function has succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum Started {
    /// `{ok, Pid}`: it runs, and is linked to the supervisor.
    Pid(Pid),
    /// `{ok, Pid, Info}`: the same, with something for whoever called `start_child`.
    WithInfo(Pid, Term),
    /// `ignore`: there is nothing to supervise.
    Ignore,
}

impl From<Pid> for Started {
    fn from(pid: Pid) -> Self {
        Self::Pid(pid)
    }
}

impl Started {
    /// What a start function named by `{M, F, A}` has returned; an error is the reason that OTP makes of it: `E` of
    /// `{error, E}`, of anything else the thing itself.
    pub fn from_term(t: Term) -> Result<Self, Term> {
        match t.view() {
            View::Atom(atoms::IGNORE) => return Ok(Self::Ignore),
            View::Tuple([tag, x]) => match (tag.as_atom(), x.as_pid()) {
                (Some(atoms::OK), Some(pid)) => return Ok(Self::Pid(pid)),
                (Some(atoms::ERROR), _) => return Err(x.clone()),
                _ => {}
            },
            View::Tuple([tag, pid, info]) => {
                if let (Some(atoms::OK), Some(pid)) = (tag.as_atom(), pid.as_pid()) {
                    return Ok(Self::WithInfo(pid, info.clone()));
                }
            }
            _ => {}
        }
        Err(t)
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match self {
            Self::Pid(pid) | Self::WithInfo(pid, _) => Some(*pid),
            Self::Ignore => None,
        }
    }

    /// `{ok, Pid}`, `{ok, Pid, Info}` or `{ok, undefined}`.
    pub(super) fn to_reply(&self) -> Term {
        let ok = Term::from(atoms::OK);
        match self {
            Self::Pid(pid) => Term::tuple([ok, (*pid).into()]),
            Self::WithInfo(pid, info) => Term::tuple([ok, (*pid).into(), info.clone()]),
            Self::Ignore => Term::tuple([ok, atoms::UNDEFINED.into()]),
        }
    }
}

/// What becomes of calling a start function: the child, or the reason that it did not come up.
///
/// A reason that OTP's start function would have returned as `{error, E}` is `Exception::throw(E)`: it is passed on as
/// it is. `exit` and `error` become `{'EXIT', ...}`, as a crash of the start function does; so does a panic.
pub type StartFuture<'a> = Pin<Box<dyn Future<Output = Result<Started, Exception>> + Send + 'a>>;

/// A start function, which may wait. It runs in the supervisor and gets the arguments as a list.
pub type StartFn = Arc<dyn for<'a> Fn(&'a mut AsyncContext, Term) -> StartFuture<'a> + Send + Sync>;

type SpawnFn = Arc<dyn Fn(&mut Context, &Term) -> Result<Started, Exception> + Send + Sync>;

/// How the start function is called.
#[derive(Clone)]
pub(super) enum How {
    /// By its name.
    Named,
    /// A closure that does not wait.
    Spawn(SpawnFn),
    /// A closure that may wait.
    Wait(StartFn),
}

/// A start function with its name and its arguments.
#[derive(Clone)]
pub struct Start {
    pub(super) module: Atom,
    pub(super) function: Atom,
    /// A list, or `undefined`: forgotten.
    pub(super) args: Term,
    pub(super) how: How,
}

impl Start {
    /// A function of the node's module registry.
    pub fn mfa(module: Atom, function: Atom, args: impl IntoIterator<Item = Term>) -> Self {
        Self { module, function, args: Term::list(args).compact(), how: How::Named }
    }

    /// A closure that does not wait: for children that need no handshake. It must link the child, as
    /// `spawn_link` does.
    pub fn spawn(
        name: (Atom, Atom),
        f: impl Fn(&mut Context, &Term) -> Result<Started, Exception> + Send + Sync + 'static,
    ) -> Self {
        Self { module: name.0, function: name.1, args: Term::nil(), how: How::Spawn(Arc::new(f)) }
    }

    /// A closure that may wait, for the child's initialisation as a rule. It must link the child.
    pub fn wait(
        name: (Atom, Atom),
        f: impl for<'a> Fn(&'a mut AsyncContext, Term) -> StartFuture<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { module: name.0, function: name.1, args: Term::nil(), how: How::Wait(Arc::new(f)) }
    }

    /// The same with arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = Term>) -> Self {
        self.args = Term::list(args).compact();
        self
    }

    /// `{M, F, A}` where M and F are atoms and A is a list.
    pub(super) fn from_term(t: &Term) -> Option<Self> {
        let [m, f, args] = t.as_tuple()? else { return None };
        let (module, function) = (m.as_atom()?, f.as_atom()?);
        args.is_list().then(|| Self { module, function, args: args.compact(), how: How::Named })
    }

    pub(super) fn mfa_of(&self, args: Term) -> Term {
        Term::tuple([self.module.into(), self.function.into(), args])
    }

    pub(super) fn mfa_term(&self) -> Term {
        self.mfa_of(self.args.clone())
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mfa_term())
    }
}
