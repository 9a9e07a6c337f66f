//! Starting under a name. Imports: term, process, proc_lib, server_ref. Source: OTP `gen:start/5,6`; C4.5-C4.17.
//!
//! The name is looked at twice: by the starter, who then need not spawn, and by the child, who takes it before its
//! `init` runs; so of two that race one gets the other's pid.

use super::server_ref::Name;
use crate::proc_lib::{self, Bond, StartOptions, Waiter, start_raw};
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::process::spawn::{Code, SpawnOptions};
use crate::term::{Atom, Pid, Ref, Term, View, atoms};

/// What binds a server to who starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Nothing; the server is its own parent.
    None,
    /// A link; the starter is the parent.
    Link,
    /// A monitor of the starter's.
    Monitor,
}

/// Options of a start. Source: OTP `gen_server:start_opt()`, C4.11.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long, in ms, `init` may take; `None`: for ever. Then the server is killed: `{error, timeout}`.
    pub timeout_ms: Option<u64>,
    /// Debug options in OTP's form, active before `init`: `trace`, `log`, `{log, N}`, `statistics`,
    /// `{log_to_file, Name}`, `{install, _}`. Source: C5.20.
    pub debug: Term,
    /// Options of the spawn; `monitor` is refused with `badarg`.
    pub spawn: SpawnOptions,
    /// After so many ms without a message the server hibernates; `None`: never.
    pub hibernate_after_ms: Option<u64>,
}

/// What a start has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Started {
    /// `{ok, Pid}`
    Ok(Pid),
    /// `{ok, {Pid, MonitorRef}}`
    Monitored(Pid, Ref),
    /// `ignore`: it did not want to run; nothing is wrong.
    Ignore,
    /// `{error, Reason}`: it is gone, and its name is free.
    Error(Term),
    /// What else the child has acknowledged with.
    Other(Term),
}

impl Started {
    /// The pid of a server that runs.
    pub fn pid(&self) -> Option<Pid> {
        match self {
            Self::Ok(p) | Self::Monitored(p, _) => Some(*p),
            _ => None,
        }
    }

    /// OTP's form.
    pub fn to_term(&self) -> Term {
        match self {
            Self::Ok(p) => Term::tuple([atoms::OK.into(), (*p).into()]),
            Self::Monitored(p, r) => Term::tuple([atoms::OK.into(), Term::tuple([(*p).into(), (*r).into()])]),
            Self::Ignore => atoms::IGNORE.into(),
            Self::Error(r) => Term::tuple([atoms::ERROR.into(), r.clone()]),
            Self::Other(t) => t.clone(),
        }
    }

    /// Reads what a start function has returned.
    pub fn from_term(t: &Term) -> Self {
        match t.view() {
            View::Atom(atoms::IGNORE) => Self::Ignore,
            View::Tuple([k, p]) if k.as_atom() == Some(atoms::OK) => match p.as_pid() {
                Some(p) => Self::Ok(p),
                None => Self::Other(t.clone()),
            },
            View::Tuple([k, r]) if k.as_atom() == Some(atoms::ERROR) => Self::Error(r.clone()),
            _ => Self::Other(t.clone()),
        }
    }

    /// The pid, or an exception of class exit with what came instead.
    pub fn ok(self) -> Result<Pid, Exception> {
        match self {
            Self::Ok(p) | Self::Monitored(p, _) => Ok(p),
            Self::Error(r) => Err(Exception::exit(r)),
            other => Err(Exception::exit(other.to_term())),
        }
    }
}

fn already_started(pid: Option<Pid>) -> Term {
    let who = pid.map_or_else(|| Term::from(atoms::UNDEFINED), Term::from);
    Term::tuple([atoms::ALREADY_STARTED.into(), who])
}

/// What the child needs to be born as its starter wants it. The behaviour's body takes it and calls
/// [`Birth::register`] first, [`Birth::ok`] or one of the failures later.
#[derive(Clone, Debug)]
pub struct Birth {
    starter: Pid,
    /// The parent: the starter if linked, else the process itself (then `None`).
    parent: Option<Pid>,
    name: Option<Name>,
}

impl Birth {
    /// The process whose end ends this one: the linked starter, or the process itself.
    pub fn parent(&self, ctx: &Context) -> Pid {
        self.parent.unwrap_or_else(|| ctx.self_pid())
    }

    /// Its name.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The name alone, or the pid, as traces and reports show it.
    pub fn shown(&self, ctx: &Context) -> Term {
        self.name.as_ref().map_or_else(|| ctx.self_pid().into(), Name::bare)
    }

    /// Takes the name, if there is to be one. `Err`: the body must return it at once (the process ends `normal`, the
    /// start returns `{error, {already_started, Pid}}`).
    pub fn register(&self, ctx: &mut Context) -> Result<(), Exception> {
        let Some(name) = &self.name else { return Ok(()) };
        name.register(ctx).map_err(|who| {
            let ret = Term::tuple([atoms::ERROR.into(), already_started(who)]);
            proc_lib::init_fail(ctx, self.starter, ret, Exception::exit(atoms::NORMAL))
        })
    }

    /// The start returns `{ok, Pid}`.
    pub fn ok(&self, ctx: &mut Context) {
        let ret = Term::tuple([atoms::OK.into(), ctx.self_pid().into()]);
        proc_lib::init_ack(ctx, self.starter, ret);
    }

    /// The start returns `ignore`; return the exception from the body at once.
    pub fn ignore(&self, ctx: &mut Context) -> Exception {
        self.fail(ctx, atoms::IGNORE.into(), Exception::exit(atoms::NORMAL))
    }

    /// The start returns `{error, Reason}`; return the exception from the body at once.
    pub fn error(&self, ctx: &mut Context, reason: Term, exception: Exception) -> Exception {
        self.fail(ctx, Term::tuple([atoms::ERROR.into(), reason]), exception)
    }

    fn fail(&self, ctx: &mut Context, ret: Term, exception: Exception) -> Exception {
        if let Some(name) = &self.name {
            name.unregister(ctx);
        }
        proc_lib::init_fail(ctx, self.starter, ret, exception)
    }
}

/// Starts a process of a behaviour and waits until it is initialised. `code` makes its body from its [`Birth`];
/// `initial_call` is what reports and `process_info` show.
///
/// Errors: `badarg` for the spawn option `monitor`, `timeout_value` beyond 2^32 - 1 ms, `system_limit`.
pub fn start<W: Waiter>(
    w: &mut W,
    linkage: Linkage,
    name: Option<Name>,
    initial_call: (Atom, Atom, u8),
    code: impl FnOnce(Birth) -> Code,
    options: &Options,
) -> W::Ret<impl Future<Output = Result<Started, Exception>>> {
    let options = options.clone();
    W::run(async move { start_raw_named(w, linkage, name, initial_call, code, &options).await })
}

/// The one implementation.
pub(crate) async fn start_raw_named<W: Waiter>(
    w: &mut W,
    linkage: Linkage,
    name: Option<Name>,
    initial_call: (Atom, Atom, u8),
    code: impl FnOnce(Birth) -> Code,
    options: &Options,
) -> Result<Started, Exception> {
    if options.timeout_ms.is_some_and(|t| t > crate::process::timers::MAX_TIMEOUT_MS) {
        return Err(Exception::error(atoms::TIMEOUT_VALUE));
    }
    if let Some(who) = name.as_ref().and_then(|n| n.whereis(w)) {
        return Ok(Started::Error(already_started(Some(who))));
    }
    let me = w.self_pid();
    let linked = linkage == Linkage::Link;
    let birth = Birth { starter: me, parent: linked.then_some(me), name };
    let bond = match linkage {
        Linkage::None => Bond::No,
        Linkage::Link => Bond::Link,
        Linkage::Monitor => Bond::Monitor,
    };
    let start = StartOptions { timeout_ms: options.timeout_ms, spawn: options.spawn.clone() };
    let o = start_raw(w, initial_call, code(birth), start, bond).await?;
    Ok(match (Started::from_term(&o.ret), o.monitor) {
        (Started::Ok(pid), Some(r)) => Started::Monitored(pid, r),
        (other, _) => other,
    })
}
