//! What a supervisor logs: reports of what went wrong, and of children that came up, as OTP's terms.
//! Source: C8.34. Imports: term, spec, children.
//!
//! A report is kept native until somebody wants its term: most are thrown away unread.

use super::children::Life;
use super::spec::ChildSpec;
use super::{Action, Family, Key, Policy};
use crate::term::{Atom, Pid, Term, atoms};
use std::sync::Arc;

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A child has ended that should not have, or is restarted.
    ChildTerminated,
    /// A child has not come up.
    StartError,
    /// The supervisor gives up.
    Shutdown,
    /// A child that was told to end has ended otherwise.
    ShutdownError,
    /// A child has come up. Level info; the others are errors.
    Progress,
}

impl Context {
    /// OTP's word for it.
    pub fn atom(self) -> Atom {
        match self {
            Self::ChildTerminated => atoms::CHILD_TERMINATED,
            Self::StartError => atoms::START_ERROR,
            Self::Shutdown => atoms::SHUTDOWN,
            Self::ShutdownError => atoms::SHUTDOWN_ERROR,
            Self::Progress => atoms::PROGRESS,
        }
    }
}

/// Whom a report is about.
#[derive(Clone, Debug)]
enum Who {
    /// A child: its pid, `undefined`, or `{restarting, Pid}`.
    Child(Life),
    Many(usize),
}

/// A supervisor report or a progress report.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is about.
    pub context: Context,
    supervisor: Term,
    reason: Term,
    who: Who,
    spec: Arc<ChildSpec>,
    args: Term,
}

fn pair(a: Atom, b: impl Into<Term>) -> Term {
    Term::tuple([a.into(), b.into()])
}

impl Report {
    /// The reason; `[]` in a progress report.
    pub fn reason(&self) -> &Term {
        &self.reason
    }

    /// The label under which OTP logs it: `{supervisor, Context}`.
    pub fn label(&self) -> Term {
        pair(atoms::SUPERVISOR, self.context.atom())
    }

    /// OTP's report: `[{supervisor, Name}, {errorContext, C}, {reason, R}, {offender, Child}]`, or
    /// `[{supervisor, Name}, {started, Child}]`.
    pub fn to_term(&self) -> Term {
        let supervisor = pair(atoms::SUPERVISOR, self.supervisor.clone());
        if self.context == Context::Progress {
            return Term::list([supervisor, pair(atoms::STARTED, self.child())]);
        }
        Term::list([
            supervisor,
            pair(atoms::ERROR_CONTEXT, self.context.atom()),
            pair(atoms::REASON, self.reason.clone()),
            pair(atoms::OFFENDER, self.child()),
        ])
    }

    fn child(&self) -> Term {
        let s = &self.spec;
        let who = match &self.who {
            Who::Child(life) => pair(atoms::PID, life.to_term()),
            Who::Many(n) => pair(atoms::NB_CHILDREN, *n),
        };
        let mfargs = s.start.mfa_of(self.args.clone());
        Term::list([
            who,
            pair(atoms::ID, s.id.clone()),
            pair(atoms::MFARGS, mfargs),
            pair(atoms::RESTART_TYPE, s.restart),
            pair(atoms::SIGNIFICANT, s.significant),
            pair(atoms::SHUTDOWN, s.stop_how()),
            pair(atoms::CHILD_TYPE, s.child_type),
        ])
    }
}

impl<R> Policy<R> {
    /// Reports something about a child, as it is now.
    pub(super) fn log(&self, context: Context, reason: Term, child: Key, out: &mut Vec<Action<R>>) {
        if self.muted {
            return;
        }
        let spec = self.spec(child).clone();
        let args = match (&self.family, child) {
            // Of a child that was told to end OTP shows what all have in common.
            (Family::Brood(b), Key::Pid(pid)) if context != Context::ShutdownError => {
                b.get(pid).map_or_else(Term::nil, |one| one.args.clone())
            }
            _ => spec.start.args.clone(),
        };
        self.put(context, reason, Who::Child(self.life(child)), spec, args, out);
    }

    /// A child has come up by `start_child`.
    pub(super) fn log_new(&self, spec: Arc<ChildSpec>, pid: Pid, out: &mut Vec<Action<R>>) {
        let args = spec.start.args.clone();
        self.put(Context::Progress, Term::nil(), Who::Child(Life::Running(pid)), spec, args, out);
    }

    /// So many children of a brood have ended with this reason instead of as told.
    pub(super) fn log_many(&self, spec: Arc<ChildSpec>, reason: Term, n: usize, out: &mut Vec<Action<R>>) {
        let args = spec.start.args.clone();
        self.put(Context::ShutdownError, reason, Who::Many(n), spec, args, out);
    }

    fn put(
        &self,
        context: Context,
        reason: Term,
        who: Who,
        spec: Arc<ChildSpec>,
        args: Term,
        out: &mut Vec<Action<R>>,
    ) {
        if !self.muted {
            let supervisor = self.name.clone();
            out.push(Action::Report(Report { context, supervisor, reason, who, spec, args }));
        }
    }
}
