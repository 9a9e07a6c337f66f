//! What a server has to say: printed events, status, error reports. Imports: term, process, gen, sys, report.
//! Source: OTP `gen_server:format_log/1`, `format_status/2`; C4.36-37, C5.7, C5.14.

use super::callbacks::FormatStatus;
use crate::r#gen::From;
use crate::process::context::Context;
use crate::process::message::Message;
use crate::report::{self, Level, Text};
use crate::sys::Sys;
use crate::term::{Atom, Term, View, atoms};

/// Prints an event as `sys:trace` does.
pub fn format_event(event: &Term, name: &Term, out: &mut Text) {
    out.str("*DBG* ").term(name);
    let row = event.as_tuple().unwrap_or_default();
    match (row.first().and_then(Term::as_atom), row) {
        (Some(atoms::IN), [_, m]) => {
            match m.as_tuple() {
                Some([tag, from, request]) if tag.as_atom() == Some(atoms::GEN_CALL) && client(from).is_some() => {
                    out.str(" got call ").term(request).str(" from ").term(client(from).unwrap_or(from));
                }
                Some([tag, request]) if tag.as_atom() == Some(atoms::GEN_CAST) => {
                    out.str(" got cast ").term(request);
                }
                _ => {
                    out.str(" got ").term(m);
                }
            };
            out.str("\n");
        }
        (Some(atoms::OUT), [_, m, to, state]) => {
            out.str(" sent ").term(m).str(" to ").term(client(to).unwrap_or(to));
            out.str(", new state ").term(state).str("\n");
        }
        (Some(atoms::NOREPLY), [_, state]) => {
            out.str(" new state ").term(state).str("\n");
        }
        _ => {
            out.str(" dbg  ").term(event).str("\n");
        }
    }
}

fn client(from: &Term) -> Option<&Term> {
    match from.view() {
        View::Tuple([pid, _]) if pid.is_pid() => Some(pid),
        _ => None,
    }
}

/// `{"Text", Value}`
fn said(text: &str, value: impl Into<Term>) -> Term {
    Term::tuple([Term::string(text), value.into()])
}

/// The last element of `get_status`.
pub(super) fn status(name: &Term, ctx: &Context, sys: &Sys, shown: FormatStatus) -> Term {
    let mut header = Text::new(ctx.self_pid().node);
    header.str("Status for generic server ").term(name);
    let data = Term::list([
        said("Status", sys.status_atom()),
        said("Parent", sys.parent),
        said("Logged events", Term::list(shown.log)),
    ]);
    let state = Term::list([said("State", shown.state)]);
    Term::list([
        Term::tuple([atoms::HEADER.into(), Term::string(header.as_str())]),
        Term::tuple([atoms::DATA.into(), data]),
        Term::tuple([atoms::DATA.into(), state]),
    ])
}

/// The error report of a server that terminates.
pub(super) fn terminate(ctx: &Context, name: &Term, shown: FormatStatus, client: Option<&From>) {
    let client_info = client.map_or_else(
        || Term::from(atoms::UNDEFINED),
        |from| {
            let pid = from.pid();
            let known = if pid.node != ctx.self_pid().node {
                Term::tuple([term_atom("remote"), pid.node.name().into()])
            } else if ctx.lives(pid) {
                // A native client has no Erlang stack to show.
                Term::tuple([pid.into(), Term::nil()])
            } else {
                term_atom("dead")
            };
            Term::tuple([pid.into(), known])
        },
    );
    let label = Term::tuple([atoms::GEN_SERVER.into(), atoms::TERMINATE.into()]);
    let report = Term::map([
        (atoms::LABEL.into(), label),
        (atoms::NAME.into(), name.clone()),
        (atoms::LAST_MESSAGE.into(), shown.message.unwrap_or_default()),
        (atoms::STATE.into(), shown.state),
        (atoms::LOG.into(), Term::list(shown.log)),
        (atoms::REASON.into(), shown.reason.unwrap_or_default()),
        (atoms::CLIENT_INFO.into(), client_info),
    ]);
    report::emit(ctx, Level::Error, "std_error", report, format_terminate);
}

fn term_atom(text: &str) -> Term {
    Atom::new(text).map_or_else(|_| Term::binary(text), Term::from)
}

/// OTP's text of a report with the label `{gen_server, terminate}`.
pub fn format_terminate(report: &Term, out: &mut Text) {
    let nil = Term::nil();
    let get = |key: Atom| report.as_map().and_then(|m| m.get(&key.into())).unwrap_or(&nil);
    out.str("** Generic server ").term(get(atoms::NAME)).str(" terminating \n");
    out.str("** Last message in was ").term(get(atoms::LAST_MESSAGE)).str("\n");
    out.str("** When Server state == ").term(get(atoms::STATE)).str("\n");
    out.str("** Reason for termination ==\n** ").term(&refined(get(atoms::REASON))).str("\n");
    let log = get(atoms::LOG);
    if !log.is_nil() {
        out.str("** Log ==\n** ").term(log).str("\n");
    }
    let Some([pid, known]) = get(atoms::CLIENT_INFO).as_tuple() else { return };
    match known.view() {
        View::Atom(_) => {
            out.str("** Client ").term(pid).str(" is dead\n");
        }
        View::Tuple([remote, node]) if remote.as_atom().is_some_and(|a| a.as_str() == "remote") => {
            out.str("** Client ").term(pid).str(" is remote on node ").term(node).str("\n");
        }
        View::Tuple([name, stack]) => {
            out.str("** Client ").term(name).str(" stacktrace\n** ").term(stack).str("\n");
        }
        _ => {}
    }
}

/// An `undef` says more precisely what was missing.
fn refined(reason: &Term) -> Term {
    let Some([what, stack]) = reason.as_tuple() else { return reason.clone() };
    if what.as_atom() != Some(atoms::UNDEF) || !matches!(stack.view(), View::List(_)) {
        return reason.clone();
    }
    // A native server's module is always there.
    Term::tuple([term_atom("function not exported"), stack.clone()])
}

/// A warning: a message has come that the server does not handle.
pub(super) fn no_handle_info(ctx: &Context, module: Atom, message: &Message) {
    if !report::wanted(ctx) {
        return;
    }
    let label = Term::tuple([atoms::GEN_SERVER.into(), atoms::NO_HANDLE_INFO.into()]);
    let report = Term::map([
        (atoms::LABEL.into(), label),
        (atoms::MODULE.into(), module.into()),
        (atoms::MESSAGE.into(), message.as_term().into_owned()),
    ]);
    report::emit(ctx, Level::Warning, "warning_msg", report, format_no_handle_info);
}

/// OTP's text of a report with the label `{gen_server, no_handle_info}`.
pub fn format_no_handle_info(report: &Term, out: &mut Text) {
    let nil = Term::nil();
    let get = |key: Atom| report.as_map().and_then(|m| m.get(&key.into())).unwrap_or(&nil);
    out.str("** Undefined handle_info in ").term(get(atoms::MODULE)).str("\n");
    out.str("** Unhandled message: ").term(get(atoms::MESSAGE)).str("\n");
}

/// Debug options that are no list.
pub(super) fn bad_debug_options(ctx: &Context, name: &Term, options: &Term) {
    let report = Term::map([
        (atoms::LABEL.into(), Term::tuple([term_atom("error_logger"), term_atom("error_msg")])),
        (atoms::NAME.into(), name.clone()),
        (atoms::DEBUG.into(), options.clone()),
    ]);
    report::emit(ctx, Level::Error, "std_error", report, |r, out| {
        let nil = Term::nil();
        let get = |key: Atom| r.as_map().and_then(|m| m.get(&key.into())).unwrap_or(&nil);
        out.term(get(atoms::NAME)).str(": ignoring erroneous debug options - ").term(get(atoms::DEBUG)).str("\n");
    });
}
