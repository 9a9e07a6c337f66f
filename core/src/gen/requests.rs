//! Requests that are sent now and waited for later, alone or in collections.
//! Imports: term, process, proc_lib, call. Source: OTP 25 `gen_server:send_request/2`, `reqids_new/0`; C4.25.

use super::call::{reply_in, request_term};
use super::server_ref::{Place, ServerRef};
use crate::proc_lib::Waiter;
use crate::process::alias_state::AliasMode;
use crate::process::context::Context;
use crate::process::message::Message;
use crate::process::monitor::{MonitorOptions, Target};
use crate::process::send::Dest;
use crate::term::{Atom, Ref, Term, atoms};
use std::collections::HashMap;

/// A request on its way. Dropping it abandons nothing: its reply will lie in the mailbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    reference: Ref,
    server: ServerRef,
}

/// What has come of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The reply.
    Reply(Term),
    /// The server has ended with this reason, or is not there.
    Error(Term, ServerRef),
}

impl Response {
    /// `{reply, Reply}` or `{error, {Reason, ServerRef}}`.
    pub fn to_term(&self) -> Term {
        match self {
            Self::Reply(r) => Term::tuple([atoms::REPLY.into(), r.clone()]),
            Self::Error(reason, s) => Term::tuple([atoms::ERROR.into(), Term::tuple([reason.clone(), s.to_term()])]),
        }
    }
}

/// Sends a request and does not wait. `label` is `'$gen_call'` for servers.
pub fn send_request(ctx: &mut Context, label: Atom, server: impl Into<ServerRef>, request: impl Into<Term>) -> Request {
    let server = server.into();
    let options = MonitorOptions { alias: Some(AliasMode::ReplyDemonitor), tag: None };
    let (target, to) = match server.place(ctx) {
        Place::Pid(p) => (Target::Pid(p), Some(Dest::Pid(p))),
        Place::Elsewhere(name, node) => (Target::NameNode(name, node), Some(Dest::NameNode(name, node))),
        // A name that nobody has: the monitor says so, as for a server that has just ended.
        Place::Nowhere => (Target::Name(atoms::UNDEFINED), None),
    };
    let reference = ctx.monitor_opt(target, options);
    if let Some(to) = to {
        let term = request_term(ctx, label, reference, request.into());
        // A name on a node is never refused.
        let _ = ctx.send_to(to, term);
    }
    Request { reference, server }
}

impl Request {
    fn response(&self, m: &Message) -> Option<Response> {
        match m {
            Message::Down(d) if d.reference == self.reference => Some(self.down(d.reason.clone())),
            m => reply_in(m, self.reference).map(|r| Response::Reply(r.clone())),
        }
    }

    fn down(&self, reason: Term) -> Response {
        let gone = reason.as_atom() == Some(atoms::NOCONNECTION);
        let reason = match &self.server {
            ServerRef::Pid(p) if gone => nodedown(p.node.name()),
            ServerRef::NameNode(_, node) if gone => nodedown(*node),
            ServerRef::Global(_) | ServerRef::Via(..) if gone => atoms::NOPROC.into(),
            _ => reason,
        };
        Response::Error(reason, self.server.clone())
    }
}

fn nodedown(node: Atom) -> Term {
    Term::tuple([atoms::NODEDOWN.into(), node.into()])
}

/// Waits for the response; `None`: it has not come in time, and may be waited for again.
/// Source: OTP `gen_server:wait_response/2`.
pub fn wait_response<W: Waiter>(
    w: &mut W,
    request: &Request,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Option<Response>>> {
    W::run(wait_raw(w, request, timeout_ms))
}

async fn wait_raw<W: Waiter>(w: &mut W, request: &Request, timeout_ms: Option<u64>) -> Option<Response> {
    let m = w.wait_match(Some(request.reference), timeout_ms, |m| request.response(m).is_some()).await?;
    request.response(&m)
}

/// Waits for the response; `None`: it has not come in time and never will, as the request is abandoned.
/// Source: OTP `gen_server:receive_response/2`.
pub fn receive_response<W: Waiter>(
    w: &mut W,
    request: &Request,
    timeout_ms: Option<u64>,
) -> W::Ret<impl Future<Output = Option<Response>>> {
    W::run(async move {
        let got = wait_raw(w, request, timeout_ms).await;
        if got.is_some() {
            return got;
        }
        w.demonitor_flush(request.reference);
        // It may have come while we gave up.
        wait_raw(w, request, Some(0)).await
    })
}

/// What a message says of a request: `None` if it is not its response.
/// Source: OTP `gen_server:check_response/2`.
pub fn check_response(message: &Message, request: &Request) -> Option<Response> {
    request.response(message)
}

/// Requests on their way, each with a label. Source: OTP `gen_server:reqids_new/0` and what goes with it.
#[derive(Clone, Debug, Default)]
pub struct RequestIds {
    all: HashMap<Ref, (Request, Term)>,
}

/// What waiting for one of several requests has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum OneOf {
    /// A response, with the label of its request, which is not in the collection any more.
    Response(Response, Term),
    /// None has come in time.
    Timeout,
    /// There is none to wait for.
    NoRequest,
}

impl RequestIds {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a request under a label.
    pub fn add(&mut self, request: Request, label: impl Into<Term>) {
        self.all.insert(request.reference, (request, label.into()));
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.all.len()
    }

    /// All of them, in no particular order.
    pub fn to_list(&self) -> Vec<(Request, Term)> {
        self.all.values().cloned().collect()
    }

    fn request_of(&self, m: &Message) -> Option<Ref> {
        let reference = match m {
            Message::Down(d) => d.reference,
            Message::Term(t) => t.as_tuple()?.first()?.as_list()?.rest().as_ref()?,
            _ => return None,
        };
        let (request, _) = self.all.get(&reference)?;
        request.response(m).map(|_| reference)
    }

    /// What a message says of one of the requests; its request is taken out. `None`: it is no response to any.
    pub fn check_response(&mut self, message: &Message) -> Option<(Response, Term)> {
        let (request, label) = self.all.remove(&self.request_of(message)?)?;
        Some((request.response(message)?, label))
    }

    /// Waits for the response to any of them. See [`wait_response`].
    pub fn wait_response<W: Waiter>(
        &mut self,
        w: &mut W,
        timeout_ms: Option<u64>,
    ) -> W::Ret<impl Future<Output = OneOf>> {
        W::run(self.wait_raw(w, timeout_ms))
    }

    async fn wait_raw<W: Waiter>(&mut self, w: &mut W, timeout_ms: Option<u64>) -> OneOf {
        if self.all.is_empty() {
            return OneOf::NoRequest;
        }
        let Some(m) = w.wait_match(None, timeout_ms, |m| self.request_of(m).is_some()).await else {
            return OneOf::Timeout;
        };
        self.check_response(&m).map_or(OneOf::Timeout, |(r, label)| OneOf::Response(r, label))
    }

    /// Waits for the response to any of them; when none comes in time all are abandoned. See [`receive_response`].
    pub fn receive_response<W: Waiter>(
        &mut self,
        w: &mut W,
        timeout_ms: Option<u64>,
    ) -> W::Ret<impl Future<Output = OneOf>> {
        W::run(async move {
            let got = self.wait_raw(w, timeout_ms).await;
            if got != OneOf::Timeout {
                return got;
            }
            for reference in self.all.keys() {
                w.demonitor_flush(*reference);
            }
            // One may have come while we gave up.
            self.wait_raw(w, Some(0)).await
        })
    }
}
