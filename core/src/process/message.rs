//! What lies in a process's message queue. Signals that OTP turns into terms stay native until somebody looks.
//! Imports: term, call.

use super::call::Call;
use crate::term::{Atom, Pid, Ref, Term, atoms};
use std::borrow::Cow;

/// A received message.
///
/// `into_term` gives exactly the term that OTP would have put into the mailbox; the native forms save building it
/// for those who know what they expect. Source: OTP `receive`, `erlang:monitor/2`, `process_flag(trap_exit)`.
#[derive(Debug)]
pub enum Message {
    /// Anything sent with `send`.
    Term(Term),
    /// A native request: as a term `{'$gen_call', {Pid, [alias | Ref]}, Request}`.
    Call(Call),
    /// `{'DOWN', Ref, process, Object, Reason}`; boxed, so that ordinary messages stay small.
    Down(Box<Down>),
    /// `{'EXIT', From, Reason}`
    Exit(ExitMessage),
}

/// A monitor has fired.
#[derive(Debug, Clone)]
pub struct Down {
    /// The monitor.
    pub reference: Ref,
    /// What was monitored.
    pub object: Monitored,
    /// The tag: `DOWN`, unless the monitor was made with another.
    pub tag: Option<Term>,
    /// The exit reason, or `noproc`, or `noconnection`.
    pub reason: Term,
}

/// What a monitor was set upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitored {
    /// A pid.
    Pid(Pid),
    /// A registered name and its node's name.
    Name(Atom, Atom),
}

/// An exit signal that was trapped.
#[derive(Debug, Clone)]
pub struct ExitMessage {
    /// The process that died, or that called `exit/2`.
    pub from: Pid,
    /// Its reason.
    pub reason: Term,
}

impl Down {
    pub(crate) fn of(reference: Ref, pid: Pid, reason: Term) -> Self {
        Self { reference, object: Monitored::Pid(pid), tag: None, reason }
    }

    /// `{'DOWN', Ref, process, Object, Reason}`
    pub fn into_term(self) -> Term {
        let object = match self.object {
            Monitored::Pid(p) => Term::from(p),
            Monitored::Name(name, node) => Term::tuple([name.into(), node.into()]),
        };
        let tag = self.tag.unwrap_or(Term::from(atoms::DOWN));
        Term::tuple([tag, self.reference.into(), atoms::PROCESS.into(), object, self.reason])
    }
}

impl ExitMessage {
    /// `{'EXIT', From, Reason}`
    pub fn into_term(self) -> Term {
        Term::tuple([atoms::EXIT.into(), self.from.into(), self.reason])
    }
}

impl Message {
    /// The term OTP would have delivered.
    pub fn into_term(self) -> Term {
        match self {
            Self::Term(t) => t,
            Self::Call(c) => c.to_term(),
            Self::Down(d) => d.into_term(),
            Self::Exit(e) => e.into_term(),
        }
    }

    /// The term OTP would have delivered, for a look: the message stays what it is.
    pub fn as_term(&self) -> Cow<'_, Term> {
        Cow::Owned(match self {
            Self::Term(t) => return Cow::Borrowed(t),
            Self::Call(c) => c.to_term(),
            Self::Down(d) => d.clone().into_term(),
            Self::Exit(e) => e.clone().into_term(),
        })
    }
}

impl From<Term> for Message {
    fn from(t: Term) -> Self {
        Self::Term(t)
    }
}
