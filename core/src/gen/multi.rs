//! Calls and casts to a name on several nodes. Imports: term, process, proc_lib, call. Source: OTP `gen_server`,
//! C4.51-52.

use super::call::request_term;
use super::server_ref::{Place, ServerRef};
use crate::proc_lib::Waiter;
use crate::process::alias_state::AliasMode;
use crate::process::context::Context;
use crate::process::message::Message;
use crate::process::monitor::{MonitorOptions, Target};
use crate::process::send::Dest;
use crate::term::{Atom, Ref, Term, atoms};

/// The replies with their nodes, and the nodes that have not replied.
pub type Replies = (Vec<(Atom, Term)>, Vec<Atom>);

/// Calls the server of a name on each of the nodes, at most `timeout_ms` in all. The replies with their nodes, and the
/// nodes where there was no server, no connection, or no reply in time. Late replies are dropped.
pub fn multi_call<W: Waiter>(
    w: &mut W,
    nodes: Vec<Atom>,
    name: Atom,
    request: impl Into<Term>,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Replies>> {
    let request = request.into();
    W::run(async move {
        let mut sent: Vec<(Atom, Ref)> = Vec::with_capacity(nodes.len());
        for node in nodes {
            sent.push((node, send(w, node, name, request.clone())));
        }
        let deadline = timeout_ms.map(|t| w.monotonic_ms() + t);
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (node, reference) in sent {
            let left = deadline.map(|d| d.saturating_sub(w.monotonic_ms()));
            let wanted = |m: &Message| match m {
                Message::Down(d) => d.reference == reference,
                m => super::call::reply_in(m, reference).is_some(),
            };
            let mut got = w.wait_match(None, left, wanted).await;
            if got.is_none() {
                w.demonitor_flush(reference);
                got = w.wait_match(None, Some(0), |m| super::call::reply_in(m, reference).is_some()).await;
            }
            match got.as_ref().and_then(|m| super::call::reply_in(m, reference)) {
                Some(reply) => good.push((node, reply.clone())),
                None => bad.push(node),
            }
        }
        (good, bad)
    })
}

fn send(ctx: &mut Context, node: Atom, name: Atom, request: Term) -> Ref {
    let options = MonitorOptions { alias: Some(AliasMode::ReplyDemonitor), tag: None };
    let (target, to) = match ServerRef::NameNode(name, node).place(ctx) {
        Place::Pid(p) => (Target::Pid(p), Some(Dest::Pid(p))),
        Place::Elsewhere(name, node) => (Target::NameNode(name, node), Some(Dest::NameNode(name, node))),
        Place::Nowhere => (Target::Name(name), None),
    };
    let reference = ctx.monitor_opt(target, options);
    if let Some(to) = to {
        let term = request_term(ctx, atoms::GEN_CALL, reference, request);
        // A name on a node is never refused.
        let _ = ctx.send_to(to, term);
    }
    reference
}

/// Casts to the server of a name on each of the nodes; nobody hears whether it is there.
pub fn abcast(ctx: &mut Context, nodes: &[Atom], name: Atom, request: impl Into<Term>) {
    let message = Term::tuple([atoms::GEN_CAST.into(), request.into()]);
    for node in nodes {
        super::cast(ctx, &ServerRef::NameNode(name, *node), message.clone());
    }
}
