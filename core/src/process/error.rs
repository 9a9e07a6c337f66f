//! Exceptions: the three classes, and the exit reasons they become when nobody catches them.
//! Imports: term.

use crate::term::{Atom, Term, atoms};
use std::fmt;

/// Class of an exception. Source: C2.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A run-time error; ends a process with `{Reason, Stack}`.
    Error,
    /// `exit/1`; ends a process with the reason itself.
    Exit,
    /// `throw/1`; ends a process with `{{nocatch, Value}, Stack}`.
    Throw,
}

/// What a body returns to end abnormally, and what a refused call returns.
///
/// Source: OTP `erlang:error/1`, `exit/1`, `throw/1`; C2.12.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Its class.
    pub class: Class,
    /// Reason or thrown value.
    pub reason: Term,
    /// Stack as OTP prints it: a list of `{M, F, A, Location}`.
    pub stack: Term,
}

impl Exception {
    /// `erlang:error(Reason)`
    pub fn error(reason: impl Into<Term>) -> Self {
        Self { class: Class::Error, reason: reason.into(), stack: Term::nil() }
    }

    /// `exit(Reason)`
    pub fn exit(reason: impl Into<Term>) -> Self {
        Self { class: Class::Exit, reason: reason.into(), stack: Term::nil() }
    }

    /// `throw(Value)`
    pub fn throw(value: impl Into<Term>) -> Self {
        Self { class: Class::Throw, reason: value.into(), stack: Term::nil() }
    }

    /// `error:badarg`
    pub fn badarg() -> Self {
        Self::error(atoms::BADARG)
    }

    /// `error:system_limit`
    pub fn system_limit() -> Self {
        Self::error(atoms::SYSTEM_LIMIT)
    }

    /// What a call returns inside a process that has been killed while its code still runs: nothing it does has an
    /// effect any more, and it should return.
    pub fn killed() -> Self {
        Self::exit(atoms::KILLED)
    }

    /// The exit reason of a process that ends with this exception uncaught.
    pub fn into_exit_reason(self) -> Term {
        match self.class {
            Class::Exit => self.reason,
            Class::Error => Term::tuple([self.reason, self.stack]),
            Class::Throw => Term::tuple([Term::tuple([Term::from(atoms::NOCATCH), self.reason]), self.stack]),
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::Error => "error",
            Class::Exit => "exit",
            Class::Throw => "throw",
        };
        write!(f, "{class}:{}", self.reason)
    }
}

impl std::error::Error for Exception {}

/// The exit reason that a Rust panic becomes: `{{panic, Text}, Stack}`, a run-time error by its class.
pub(crate) fn panic_reason(payload: &(dyn std::any::Any + Send)) -> Term {
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "payload without a text".to_owned());
    let what = Term::tuple([Term::from(panic_atom()), Term::binary(text.into_bytes())]);
    Exception::error(what).into_exit_reason()
}

fn panic_atom() -> Atom {
    static PANIC: std::sync::OnceLock<Atom> = std::sync::OnceLock::new();
    // The atom table is full: the reason says so instead, and the node lives on.
    *PANIC.get_or_init(|| Atom::new("panic").unwrap_or(atoms::SYSTEM_LIMIT))
}
