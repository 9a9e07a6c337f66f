//! Call, cast, stop. Imports: term, process, proc_lib, server_ref. Source: OTP `gen:call/4`, `gen:stop/3`; C4.18-20.
//!
//! To a pid, a `$gen_call` is the native call record; everything else (system messages, names on other nodes) is OTP's
//! protocol in terms: monitor with an alias, request, reply or `'DOWN'`, demonitor.

use super::server_ref::{Place, ServerRef};
use crate::proc_lib::Waiter;
use crate::process::alias_state::AliasMode;
use crate::process::call::CallError;
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::process::message::Message;
use crate::process::monitor::{MonitorOptions, Target};
use crate::process::send::Dest;
use crate::process::timers::MAX_TIMEOUT_MS;
use crate::term::{Atom, Ref, Term, View, atoms};

/// Why a call has failed: what stands before `{Module, Function, Args}` in the exit reason.
pub(crate) type Why = Term;

/// Calls a server with the given protocol label (`'$gen_call'` for servers) and waits for its reply, at most
/// `timeout_ms` (`None`: for ever).
///
/// Errors: why it failed, as OTP's `gen:call` exits: `timeout`, `noproc`, `{nodedown, Node}`, `calling_self`, the
/// reason the server has ended with, `{timeout_value, Stack}` beyond 2^32 - 1 ms.
pub fn call<W: Waiter>(
    w: &mut W,
    label: Atom,
    server: impl Into<ServerRef>,
    request: impl Into<Term>,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Result<Term, Term>>> {
    let (server, request) = (server.into(), request.into());
    W::run(async move { call_raw(w, label, &server, request, timeout_ms).await })
}

/// The one implementation.
pub(crate) async fn call_raw<W: Waiter>(
    w: &mut W,
    label: Atom,
    server: &ServerRef,
    request: Term,
    timeout_ms: Option<u64>,
) -> Result<Term, Why> {
    if timeout_ms.is_some_and(|t| t > MAX_TIMEOUT_MS) {
        return Err(Term::tuple([atoms::TIMEOUT_VALUE.into(), Term::nil()]));
    }
    let by_registry = matches!(server, ServerRef::Global(_) | ServerRef::Via(..));
    let failed = match server.place(w) {
        Place::Nowhere => return Err(atoms::NOPROC.into()),
        Place::Pid(p) if p == w.self_pid() => return Err(atoms::CALLING_SELF.into()),
        Place::Pid(p) if label == atoms::GEN_CALL => match w.wait_call(p, request, timeout_ms).await {
            Ok(reply) => return Ok(reply),
            Err(CallError::Timeout) => return Err(atoms::TIMEOUT.into()),
            Err(CallError::Exit(reason)) => (reason, p.node.name()),
        },
        Place::Pid(p) => match in_terms(w, label, Target::Pid(p), Dest::Pid(p), request, timeout_ms).await {
            Ok(reply) => return Ok(reply),
            Err(why) => (why, p.node.name()),
        },
        Place::Elsewhere(name, node) => {
            let (target, to) = (Target::NameNode(name, node), Dest::NameNode(name, node));
            match in_terms(w, label, target, to, request, timeout_ms).await {
                Ok(reply) => return Ok(reply),
                Err(why) => (why, node),
            }
        }
    };
    let (why, node) = failed;
    if why.as_atom() != Some(atoms::NOCONNECTION) {
        return Err(why);
    }
    // The registry has not noticed yet.
    Err(if by_registry { atoms::NOPROC.into() } else { Term::tuple([atoms::NODEDOWN.into(), node.into()]) })
}

/// `{Label, {self(), [alias | Ref]}, Request}`
pub(super) fn request_term(ctx: &Context, label: Atom, reference: Ref, request: Term) -> Term {
    let tag = Term::improper_list([Term::from(atoms::ALIAS)], reference.into());
    Term::tuple([label.into(), Term::tuple([ctx.self_pid().into(), tag]), request])
}

/// The reply in `{[alias | Ref], Reply}`.
pub(super) fn reply_in(m: &Message, reference: Ref) -> Option<&Term> {
    let Message::Term(t) = m else { return None };
    let View::Tuple([tag, reply]) = t.view() else { return None };
    let tag = tag.as_list()?;
    (tag.head().as_atom() == Some(atoms::ALIAS) && tag.rest().as_ref() == Some(reference)).then_some(reply)
}

fn is_outcome(m: &Message, reference: Ref) -> bool {
    match m {
        Message::Down(d) => d.reference == reference,
        m => reply_in(m, reference).is_some(),
    }
}

/// OTP's protocol, term for term.
async fn in_terms<W: Waiter>(
    w: &mut W,
    label: Atom,
    target: Target,
    to: Dest,
    request: Term,
    timeout_ms: Option<u64>,
) -> Result<Term, Why> {
    let options = MonitorOptions { alias: Some(AliasMode::ReplyDemonitor), tag: None };
    let reference = w.monitor_opt(target, options);
    let term = request_term(w, label, reference, request);
    // A name that is free is told by the monitor.
    let _ = w.send_to(to, term);
    let mut got = w.wait_match(Some(reference), timeout_ms, |m| is_outcome(m, reference)).await;
    if got.is_none() {
        w.demonitor_flush(reference);
        // It may have come while we gave up.
        got = w.wait_match(Some(reference), Some(0), |m| reply_in(m, reference).is_some()).await;
    }
    match got {
        None => Err(atoms::TIMEOUT.into()),
        Some(Message::Down(d)) => Err(d.reason),
        Some(m) => reply_in(&m, reference).cloned().ok_or_else(|| atoms::BADARG.into()),
    }
}

/// `exit({Why, {Module, Function, Args}})`, which a failed call raises.
pub(crate) fn why_exit(why: Why, m: Atom, f: Atom, args: impl IntoIterator<Item = Term>) -> Exception {
    let call = Term::tuple([m.into(), f.into(), Term::list(args)]);
    Exception::exit(Term::tuple([why, call]))
}

/// A timeout as the Erlang term: an integer or `infinity`.
pub(crate) fn timeout_term(timeout_ms: Option<u64>) -> Term {
    timeout_ms.map_or_else(|| atoms::INFINITY.into(), Term::from)
}

/// Sends a message that nobody answers; always succeeds, whether or not the server is there.
/// Source: OTP `gen_server:cast/2` without its label, C4.26.
pub fn cast(ctx: &mut Context, server: &ServerRef, message: impl Into<Term>) {
    match server.place(ctx) {
        Place::Pid(p) => ctx.send(p, message),
        // Never refused.
        Place::Elsewhere(name, node) => drop(ctx.send_to(Dest::NameNode(name, node), message)),
        Place::Nowhere => {}
    }
}

/// Asks a process to end with a reason, by a system message, and waits for its end.
///
/// Errors, all of class exit: `noproc`, `timeout`, `{{nodedown, Node}, _}`, `{calling_self, _}`, or the reason it has
/// ended with if that is another. Source: OTP `gen:stop/3`, `proc_lib:stop/3`, C4.40.
pub fn stop<W: Waiter>(
    w: &mut W,
    server: impl Into<ServerRef>,
    reason: impl Into<Term>,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Result<(), Exception>>> {
    let (server, reason) = (server.into(), reason.into());
    W::run(async move { stop_raw(w, &server, reason, timeout_ms).await })
}

async fn stop_raw<W: Waiter>(
    w: &mut W,
    server: &ServerRef,
    reason: Term,
    timeout_ms: Option<u64>,
) -> Result<(), Exception> {
    if timeout_ms.is_some_and(|t| t > MAX_TIMEOUT_MS) {
        return Err(Exception::error(atoms::TIMEOUT_VALUE));
    }
    let (target, at) = match server.place(w) {
        Place::Nowhere => return Err(Exception::exit(atoms::NOPROC)),
        Place::Pid(p) if p == w.self_pid() => {
            let args = [p.into(), reason, timeout_term(timeout_ms)];
            return Err(why_exit(atoms::CALLING_SELF.into(), atoms::SYS, atoms::TERMINATE, args));
        }
        Place::Pid(p) => (Target::Pid(p), ServerRef::Pid(p)),
        Place::Elsewhere(name, node) => (Target::NameNode(name, node), ServerRef::NameNode(name, node)),
    };
    let started = w.monotonic_ms();
    let monitor = w.monitor(target);
    let request = Term::tuple([atoms::TERMINATE.into(), reason.clone()]);
    let answered = call_raw(w, atoms::SYSTEM, &at, request, timeout_ms).await;
    if let Err(why) = answered {
        w.demonitor_flush(monitor);
        return Err(match why.view() {
            View::Atom(atoms::TIMEOUT | atoms::NOPROC) => Exception::exit(why),
            View::Tuple([down, _]) if down.as_atom() == Some(atoms::NODEDOWN) => {
                let args = [at.to_term(), reason, timeout_term(timeout_ms)];
                why_exit(why.clone(), atoms::SYS, atoms::TERMINATE, args)
            }
            // It has ended meanwhile.
            _ if why.same(&reason) => return Ok(()),
            _ => Exception::exit(why),
        });
    }
    let left = timeout_ms.map(|t| t.saturating_sub(w.monotonic_ms() - started));
    let down = w.wait_match(Some(monitor), left, |m| matches!(m, Message::Down(d) if d.reference == monitor)).await;
    match down {
        Some(Message::Down(d)) if d.reason.same(&reason) => Ok(()),
        Some(Message::Down(d)) => Err(Exception::exit(d.reason)),
        _ => {
            w.demonitor_flush(monitor);
            Err(Exception::exit(atoms::TIMEOUT))
        }
    }
}
