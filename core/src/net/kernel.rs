//! The process named `net_kernel`, as far as other nodes ask something of it.
//! Imports: term, process.
//!
//! Source: OTP `net_kernel`, `net_adm:ping/1`: a peer that does not answer `is_auth` leaves the caller waiting for ever.

use super::Net;
use crate::dist::name::NameKind;
use crate::process::body::{Handler, Next};
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::process::message::Message;
use crate::process::send::Dest;
use crate::process::spawn::{Code, SpawnOptions};
use crate::process::system::System;
use crate::term::{Atom, Pid, Ref, Term, View, atoms};

struct NetKernel {
    node: Atom,
    long: bool,
}

/// Starts and registers it.
pub(super) fn spawn(system: &System, net: &Net) -> Result<Pid, Exception> {
    let handler = NetKernel { node: net.atom, long: net.kind == NameKind::Long };
    let leader = system.group_leader;
    let slot = system.prepare(Code::handler(handler), &SpawnOptions::default(), leader, leader)?;
    let pid = slot.pid();
    let name = Atom::new("net_kernel").map_err(|_| Exception::system_limit())?;
    system.register_other(name, pid)?;
    system.start(slot, None);
    Ok(pid)
}

impl NetKernel {
    /// `None`: OTP answers nothing either.
    fn answer(&self, request: &Term) -> Option<Term> {
        match request.view() {
            View::Tuple([what, _]) if is(what, "is_auth") => Some(atoms::YES.into()),
            _ if is(request, "longnames") => Some(if self.long { atoms::TRUE } else { atoms::FALSE }.into()),
            _ if is(request, "nodename") => Some(self.node.into()),
            _ => None,
        }
    }
}

fn is(term: &Term, text: &str) -> bool {
    matches!(term.view(), View::Atom(a) if a.as_str() == text)
}

impl Handler for NetKernel {
    fn handle(&mut self, ctx: &mut Context, message: Message) -> Result<Next, Exception> {
        match message {
            Message::Call(call) => {
                if let Some(answer) = self.answer(call.request()) {
                    let (from, _) = call.into_parts();
                    ctx.reply(from, answer);
                }
            }
            other => {
                let term = other.into_term();
                if let View::Tuple([call, from, request]) = term.view()
                    && is(call, "$gen_call")
                    && let Some(answer) = self.answer(request)
                {
                    reply(ctx, from, answer);
                }
            }
        }
        Ok(Next::Continue)
    }
}

/// Replies to a call that came as a term, by the alias if its tag has one. Source: OTP `gen:reply/2`.
fn reply(ctx: &mut Context, from: &Term, answer: Term) {
    let View::Tuple([pid, tag]) = from.view() else { return };
    let Some(pid) = pid.as_pid() else { return };
    let to = alias_of(tag).map_or(Dest::Pid(pid), |alias| Dest::Alias(alias, pid));
    // Only a local name can be an error.
    let _ = ctx.send_to(to, Term::tuple([tag.clone(), answer]));
}

/// `[alias | Ref]`, or a list that begins with it.
fn alias_of(tag: &Term) -> Option<Ref> {
    let list = tag.as_list()?;
    if is(list.head(), "alias") {
        return list.rest().as_ref();
    }
    let head = list.head().as_list()?;
    if is(head.head(), "alias") { head.rest().as_ref() } else { None }
}
