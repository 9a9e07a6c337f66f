//! What `sys` sees of a supervisor. Source: OTP `sys:get_status/1`, `supervisor:format_status`; C8.36, C8.41.
//! Imports: term, process, gen, sys, report.

use super::Policy;
use super::setup::{Refusal, Setup};
use crate::r#gen::{Birth, From};
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::report::Text;
use crate::sys::{EventFormat, Sys, Target};
use crate::term::{Atom, Term, View, atoms};

pub(super) struct Seen<'a> {
    pub policy: &'a mut Policy<From>,
    pub setup: &'a Setup,
    pub birth: &'a Birth,
}

impl Seen<'_> {
    fn state(&self) -> Term {
        self.policy.state_term(self.setup.module.into(), self.setup.args.clone())
    }
}

fn error(reason: Term) -> Term {
    Term::tuple([atoms::ERROR.into(), reason])
}

fn text_pair(key: &str, value: impl Into<Term>) -> Term {
    Term::tuple([Term::string(key), value.into()])
}

fn data(pairs: impl IntoIterator<Item = Term>) -> Term {
    Term::tuple([atoms::DATA.into(), Term::list(pairs)])
}

/// What OTP's `code_change` makes of the reason that a start would have failed with.
fn as_change_error(reason: &Term) -> Term {
    let View::Tuple([tag, inner]) = reason.view() else { return error(reason.clone()) };
    match tag.as_atom() {
        Some(atoms::SUPERVISOR_DATA) => match inner.as_tuple() {
            Some([tag, flags]) if tag.as_atom() == Some(atoms::INVALID_TYPE) => {
                error(Term::tuple([atoms::BAD_FLAGS.into(), flags.clone()]))
            }
            _ => error(inner.clone()),
        },
        Some(atoms::START_SPEC) => error(inner.clone()),
        _ => error(reason.clone()),
    }
}

fn format_event(event: &Term, name: &Term, out: &mut Text) {
    out.str("*DBG* ").term(name).str(" got ").term(event).str("\n");
}

impl Target for Seen<'_> {
    fn module(&self) -> Atom {
        atoms::GEN_SERVER
    }

    fn name(&self, ctx: &Context) -> Term {
        self.birth.shown(ctx)
    }

    fn event_format(&self) -> EventFormat {
        format_event
    }

    fn get_state(&mut self) -> Result<Term, Exception> {
        Ok(self.state())
    }

    /// The state of a supervisor is not a term: it cannot be replaced by one.
    fn replace_state(&mut self, _: &mut dyn FnMut(&Term) -> Result<Term, Exception>) -> Result<Term, Exception> {
        Err(Exception::error(atoms::BADARG))
    }

    fn change_code(&mut self, ctx: &mut Context, _: &Term, _: &Term, _: &Term) -> Result<(), Term> {
        match self.setup.init(ctx) {
            Ok(init) => self.policy.upgrade(init).map_err(|r| as_change_error(&r)),
            Err(Refusal::Ignore) => Ok(()),
            Err(Refusal::Wrong(reason)) => Err(as_change_error(&reason)),
            Err(Refusal::Odd(t)) => Err(t),
            Err(Refusal::Crash(e)) => Err(Term::tuple([atoms::EXIT.into(), e.into_exit_reason()])),
        }
    }

    fn status(&mut self, ctx: &mut Context, sys: &Sys) -> Term {
        let mut header = Text::new(ctx.self_pid().node);
        header.str("Status for generic server ").term(&self.birth.shown(ctx));
        let module = Term::list([text_pair("Callback", self.setup.module)]);
        Term::list([
            Term::tuple([atoms::HEADER.into(), Term::string(header.as_str())]),
            data([
                text_pair("Status", sys.status_atom()),
                text_pair("Parent", sys.parent),
                text_pair("Logged events", Term::list(sys.debug.log())),
            ]),
            data([text_pair("State", self.state())]),
            Term::tuple([atoms::SUPERVISOR.into(), module]),
        ])
    }
}
