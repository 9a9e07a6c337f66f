//! Asking and steering a process. Imports: term, process, gen, fun. Source: OTP `sys`; C5.2-3, C10.24.
//!
//! Each function is a call of its own protocol. When it fails the error is the exit `{Why, {sys, Function, Args}}`.

use super::fun::Fun;
use crate::r#gen::{ServerRef, Waiter, call_raw, timeout_term, why_exit};
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::term::{Atom, Term, View, atoms};

/// How long to wait for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Within {
    /// 5000 ms, not shown in the arguments of a failure.
    #[default]
    Default,
    /// So many ms.
    Ms(u64),
    /// For ever.
    Infinity,
}

impl From<u64> for Within {
    fn from(ms: u64) -> Self {
        Self::Ms(ms)
    }
}

impl Within {
    fn ms(self) -> Option<u64> {
        match self {
            Self::Default => Some(5000),
            Self::Ms(n) => Some(n),
            Self::Infinity => None,
        }
    }
}

async fn ask<W: Waiter>(
    w: &mut W,
    server: &ServerRef,
    within: Within,
    function: Atom,
    args: Vec<Term>,
    request: Term,
) -> Result<Term, Exception> {
    call_raw(w, atoms::SYSTEM, server, request, within.ms()).await.map_err(|why| {
        let mut all = vec![server.to_term()];
        all.extend(args);
        if within != Within::Default {
            all.push(timeout_term(within.ms()));
        }
        why_exit(why, atoms::SYS, function, all)
    })
}

fn unit(answer: Term) -> Result<(), Exception> {
    if answer.as_atom() == Some(atoms::OK) { Ok(()) } else { Err(Exception::error(answer)) }
}

/// What is in `{ok, Value}`; a callback that failed is an error of this process.
fn value(answer: Term) -> Result<Term, Exception> {
    match answer.view() {
        View::Tuple([ok, v]) if ok.as_atom() == Some(atoms::OK) => Ok(v.clone()),
        View::Tuple([e, r]) if e.as_atom() == Some(atoms::ERROR) => Err(Exception::error(r.clone())),
        _ => Err(Exception::error(answer)),
    }
}

macro_rules! client {
    ($(
        $(#[$doc:meta])*
        $name:ident($($arg:ident: $t:ty),*) -> $out:ty = $function:expr, |$w:ident| $made:expr, $read:expr;
    )*) => {$(
        $(#[$doc])*
        pub fn $name<W: Waiter>(
            w: &mut W,
            server: impl Into<ServerRef>,
            $($arg: $t,)*
            within: impl Into<Within>,
        ) -> W::Ret<impl Future<Output = Result<$out, Exception>>> {
            let (server, within) = (server.into(), within.into());
            let (args, request): (Vec<Term>, Term) = {
                let $w: &Context = w;
                $made
            };
            W::run(async move { ask(w, &server, within, $function, args, request).await.and_then($read) })
        }
    )*};
}

fn debug(what: Atom, arg: Term) -> Term {
    Term::tuple([atoms::DEBUG.into(), Term::tuple([what.into(), arg])])
}

/// What `log` is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFlag {
    /// Keep the last ten events.
    On,
    /// Keep so many.
    Keep(usize),
    /// Stop, and forget them.
    Off,
    /// Print them.
    Print,
    /// Give them.
    Get,
}

impl LogFlag {
    fn term(self) -> Term {
        match self {
            Self::On => true.into(),
            Self::Off => false.into(),
            Self::Keep(n) => Term::tuple([true.into(), n.into()]),
            Self::Print => atoms::PRINT.into(),
            Self::Get => atoms::GET.into(),
        }
    }
}

/// What `statistics` is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatisticsFlag {
    /// Begin to count.
    On,
    /// Stop.
    Off,
    /// Give the counts.
    Get,
}

impl StatisticsFlag {
    fn term(self) -> Term {
        match self {
            Self::On => true.into(),
            Self::Off => false.into(),
            Self::Get => atoms::GET.into(),
        }
    }
}

client! {
    /// The state. Source: OTP `sys:get_state/1,2`.
    get_state() -> Term = atoms::GET_STATE, |_w| (Vec::new(), atoms::GET_STATE.into()), value;

    /// `{status, Pid, {module, Mod}, Items}`. Source: OTP `sys:get_status/1,2`.
    get_status() -> Term = atoms::GET_STATUS, |_w| (Vec::new(), atoms::GET_STATUS.into()), Ok;

    /// Replaces the state by what `f` makes of it, inside the process. On another node `f` cannot run: the error is
    /// `{callback_failed, _, {error, {badfun, _}}}`, or the encoder's. Source: OTP `sys:replace_state/2,3`.
    replace_state(f: impl Fn(&Term) -> Result<Term, Exception> + Send + Sync + 'static) -> Term
        = atoms::REPLACE_STATE,
        |w| {
            let fun = Fun::term(w, move |args| args.first().map_or_else(|| Err(Exception::badarg()), |s| f(s)));
            (vec![fun.clone()], Term::tuple([atoms::REPLACE_STATE.into(), fun]))
        },
        value;

    /// From now on it handles system messages only. Source: OTP `sys:suspend/1,2`.
    suspend() -> () = atoms::SUSPEND, |_w| (Vec::new(), atoms::SUSPEND.into()), unit;

    /// It goes on. Source: OTP `sys:resume/1,2`.
    resume() -> () = atoms::RESUME, |_w| (Vec::new(), atoms::RESUME.into()), unit;

    /// Runs the code change of a suspended process. Source: OTP `sys:change_code/4,5`.
    change_code(module: Atom, old_vsn: Term, extra: Term) -> () = atoms::CHANGE_CODE,
        |_w| (
            vec![module.into(), old_vsn.clone(), extra.clone()],
            Term::tuple([atoms::CHANGE_CODE.into(), module.into(), old_vsn, extra])
        ),
        unit;

    /// Orders it to end with a reason; does not wait for the end. Source: OTP `sys:terminate/2,3`.
    terminate(reason: Term) -> () = atoms::TERMINATE,
        |_w| (vec![reason.clone()], Term::tuple([atoms::TERMINATE.into(), reason])), unit;

    /// Prints each event, or stops that. Source: OTP `sys:trace/2,3`.
    trace(on: bool) -> () = atoms::TRACE, |_w| (vec![on.into()], debug(atoms::TRACE, on.into())), unit;

    /// The log of events: `ok`, or `{ok, Events}` for `Get`. Source: OTP `sys:log/2,3`.
    log(flag: LogFlag) -> Term = atoms::LOG, |_w| (vec![flag.term()], debug(atoms::LOG, flag.term())), known;

    /// Writes each event to a file, or stops that (`None`). Source: OTP `sys:log_to_file/2,3`.
    log_to_file(file: Option<&str>) -> () = atoms::LOG_TO_FILE,
        |_w| {
            let arg = file.map_or_else(|| false.into(), Term::string);
            (vec![arg.clone()], debug(atoms::LOG_TO_FILE, arg))
        },
        unit;

    /// Counts: `ok`, or `{ok, Statistics}` for `Get`. Source: OTP `sys:statistics/2,3`.
    statistics(flag: StatisticsFlag) -> Term = atoms::STATISTICS,
        |_w| (vec![flag.term()], debug(atoms::STATISTICS, flag.term())), known;

    /// Takes every debug option away. Source: OTP `sys:no_debug/1,2`.
    no_debug() -> () = atoms::NO_DEBUG,
        |_w| (Vec::new(), Term::tuple([atoms::DEBUG.into(), atoms::NO_DEBUG.into()])), unit;

    /// Installs a function that sees each event: `f(State, Event, Name)` gives its next state, or `done`. `id` names
    /// it for [`remove`]. Source: OTP `sys:install/2,3`.
    install(
        id: Term,
        f: impl Fn(&Term, &Term, &Term) -> Result<Term, Exception> + Send + Sync + 'static,
        state: Term
    ) -> () = atoms::INSTALL,
        |w| {
            let fun = Fun::term(w, move |args| match args {
                [state, event, name] => f(state, event, name),
                _ => Err(Exception::badarg()),
            });
            let spec = Term::tuple([id, fun, state]);
            (vec![spec.clone()], debug(atoms::INSTALL, spec))
        },
        unit;

    /// Takes a function away, if it is there. Source: OTP `sys:remove/2,3`.
    remove(id: Term) -> () = atoms::REMOVE, |_w| (vec![id.clone()], debug(atoms::REMOVE, id)), unit;
}

fn known(answer: Term) -> Result<Term, Exception> {
    if answer.as_atom() == Some(atoms::UNKNOWN_DEBUG) { Err(Exception::error(answer)) } else { Ok(answer) }
}
