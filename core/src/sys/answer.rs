//! Answering system messages. Imports: term, process, gen, debug. Source: OTP `sys:handle_system_msg/6`; C5.1, C5.14-18,
//! C10.21-26.
//!
//! Not OTP's form, which never returns: `handle` consumes one message and says whether to go on. A suspension is a
//! flag; while it is set the process leaves ordinary messages in its queue.

use super::debug::{Debug, EventFormat};
use super::fun;
use crate::r#gen::{self, From, Waiter};
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::process::message::Message;
use crate::term::{Atom, Pid, Term, View, atoms};

/// What an answering process keeps beside its own state.
pub struct Sys {
    /// Whose exit ends it.
    pub parent: Pid,
    /// Whether it handles system messages only.
    pub suspended: bool,
    /// Its debug options.
    pub debug: Debug,
}

/// What is asked about a process. Source: the callbacks `system_get_state/1` and so on, C10.23.
pub trait Target {
    /// The module in `{module, Module}` of `get_status`: the behaviour's.
    fn module(&self) -> Atom;
    /// The process as traces show it: its name, or its pid.
    fn name(&self, ctx: &Context) -> Term;
    /// How its events are printed.
    fn event_format(&self) -> EventFormat;
    /// Its state.
    fn get_state(&mut self) -> Result<Term, Exception>;
    /// Its state becomes what `f` makes of it; returns the new state. Errors: `f`'s own, or that of a state that cannot
    /// be taken; the state stays as it was.
    fn replace_state(&mut self, f: &mut dyn FnMut(&Term) -> Result<Term, Exception>) -> Result<Term, Exception>;
    /// `Ok`: done. `Err`: what stands in `{error, Reason}`.
    fn change_code(&mut self, ctx: &mut Context, module: &Term, old: &Term, extra: &Term) -> Result<(), Term>;
    /// The last element of `get_status`: `Misc`, made readable.
    fn status(&mut self, ctx: &mut Context, sys: &Sys) -> Term;
}

/// A system message, taken apart: who asks, and what. `None`: it is something else.
#[inline]
pub fn system_request(m: &Message) -> Option<(From, Term)> {
    let Message::Term(t) = m else { return None };
    match t.view() {
        View::Tuple([tag, from, request]) if tag.as_atom() == Some(atoms::SYSTEM) => {
            Some((From::from_term(from)?, request.clone()))
        }
        _ => None,
    }
}

impl Sys {
    /// Of a process that has just begun.
    pub fn new(parent: Pid, debug: Debug) -> Self {
        Self { parent, suspended: false, debug }
    }

    /// Whether the process may take this message now: any, unless it is suspended.
    #[inline]
    pub fn wants(&self, m: &Message) -> bool {
        !self.suspended || system_request(m).is_some() || self.is_parent_exit(m)
    }

    /// Whether this is the trapped exit of the parent: the order to end, also while suspended.
    #[inline]
    pub fn is_parent_exit(&self, m: &Message) -> bool {
        matches!(m, Message::Exit(e) if e.from == self.parent)
    }

    /// Waits for the next message that the process may take now. `None`: an attached thread whose process has been
    /// killed.
    pub fn receive<W: Waiter>(&self, w: &mut W) -> W::Ret<impl Future<Output = Option<Message>>> {
        W::run(async move {
            // Without a timeout only a thread whose process has been killed gets nothing.
            w.wait_match(None, None, |m| self.wants(m)).await
        })
    }

    /// Answers a system message. `Some`: end with this reason. Source: C10.22.
    pub fn handle(&mut self, ctx: &mut Context, from: &From, request: &Term, target: &mut dyn Target) -> Option<Term> {
        let ok = Term::from(atoms::OK);
        let answer = match request.view() {
            View::Atom(atoms::SUSPEND) => {
                self.suspended = true;
                ok
            }
            View::Atom(atoms::RESUME) => {
                self.suspended = false;
                ok
            }
            View::Atom(atoms::GET_STATE) => match target.get_state() {
                Ok(s) => Term::tuple([ok, s]),
                Err(e) => failed(target.module(), atoms::SYSTEM_GET_STATE, e),
            },
            View::Atom(atoms::GET_STATUS) => self.status(ctx, target),
            View::Tuple([what, f]) if what.as_atom() == Some(atoms::REPLACE_STATE) => {
                match target.replace_state(&mut |s| fun::apply(f, &[s])) {
                    Ok(s) => Term::tuple([ok, s]),
                    Err(e) => failed(target.module(), atoms::SYSTEM_REPLACE_STATE, e),
                }
            }
            View::Tuple([what, command]) if what.as_atom() == Some(atoms::DEBUG) => {
                let name = target.name(ctx);
                self.debug.command(ctx, &name, target.event_format(), command)
            }
            View::Tuple([what, reason]) if what.as_atom() == Some(atoms::TERMINATE) => {
                r#gen::reply(ctx, from, ok);
                return Some(reason.clone());
            }
            View::Tuple([what, module, old, extra]) if what.as_atom() == Some(atoms::CHANGE_CODE) && self.suspended => {
                match target.change_code(ctx, module, old, extra) {
                    Ok(()) => ok,
                    Err(r) => Term::tuple([atoms::ERROR.into(), r]),
                }
            }
            _ => {
                let unknown = Term::tuple([atoms::UNKNOWN_SYSTEM_MSG.into(), request.clone()]);
                Term::tuple([atoms::ERROR.into(), unknown])
            }
        };
        r#gen::reply(ctx, from, answer);
        None
    }

    /// `running` or `suspended`.
    pub fn status_atom(&self) -> Atom {
        if self.suspended { atoms::SUSPENDED } else { atoms::RUNNING }
    }

    /// `{status, Pid, {module, Mod}, [PDict, SysState, Parent, Dbg, Misc]}`
    fn status(&self, ctx: &mut Context, target: &mut dyn Target) -> Term {
        let misc = target.status(ctx, self);
        let dictionary = ctx.dictionary();
        let dictionary = Term::list(dictionary.into_iter().map(|(k, v)| Term::tuple([k, v])));
        let items =
            Term::list([dictionary, self.status_atom().into(), self.parent.into(), self.debug.to_term(ctx), misc]);
        let module = Term::tuple([atoms::MODULE.into(), target.module().into()]);
        Term::tuple([atoms::STATUS.into(), ctx.self_pid().into(), module, items])
    }
}

/// `{error, {callback_failed, {Module, Callback}, {Class, Reason}}}`
fn failed(module: Atom, callback: Atom, e: Exception) -> Term {
    let class = match e.class {
        Class::Error => atoms::ERROR,
        Class::Exit => atoms::EXIT_CLASS,
        Class::Throw => atoms::THROW,
    };
    let what = Term::tuple([module.into(), callback.into()]);
    let why = Term::tuple([class.into(), e.reason]);
    Term::tuple([atoms::ERROR.into(), Term::tuple([atoms::CALLBACK_FAILED.into(), what, why])])
}
