//! Control messages to terms, by what was negotiated.
//! Imports: term, flags, control.

use super::{Control, ControlError, Destination, SpawnRequest, Target, alt, op};
use crate::dist::flags::Flags;
use crate::term::{Atom, Pid, Ref, Term, View, atoms};

/// Where the protocol has an element that is not used.
const UNUSED: Atom = atoms::EMPTY;

fn target(t: Target) -> Term {
    match t {
        Target::Pid(p) => p.into(),
        Target::Name(a) => a.into(),
    }
}

/// `{Op, Elements..., Token}`
fn tuple<const N: usize>(op: i64, elements: [Term; N], token: Option<Term>) -> Term {
    Term::tuple(std::iter::once(Term::from(op)).chain(elements).chain(token))
}

/// The operation with or without its token.
const fn traced(plain: i64, with_token: i64, token: Option<&Term>) -> i64 {
    if token.is_some() { with_token } else { plain }
}

fn exit(ops: [i64; 4], payload: bool, ends: [Pid; 2], reason: Term, token: Option<Term>) -> (Term, Option<Term>) {
    let [from, to] = ends.map(Term::from);
    let [plain, plain_tt, with_payload, with_payload_tt] = ops;
    if payload {
        let op = traced(with_payload, with_payload_tt, token.as_ref());
        return (tuple(op, [from, to], token), Some(reason));
    }
    match token {
        None => (tuple(plain, [from, to, reason], None), None),
        Some(token) => (tuple(plain_tt, [from, to, token, reason], None), None),
    }
}

impl Control {
    /// The control term and the payload.
    ///
    /// # Errors
    /// [`ControlError::NotNegotiated`]: the peer cannot be told this.
    pub fn encode(self, negotiated: Flags) -> Result<(Term, Option<Term>), ControlError> {
        let alias_by_alt = matches!(self, Self::AliasSend { .. }) && negotiated.has(Flags::ALTACT_SIG);
        let missing = self.needs().without(negotiated);
        if missing != Flags::NONE && !alias_by_alt {
            return Err(ControlError::NotNegotiated(missing));
        }
        let payload = negotiated.has(Flags::EXIT_PAYLOAD);
        Ok(match self {
            Self::Link { from, to } => (tuple(op::LINK, [from.into(), to.into()], None), None),
            Self::Unlink { from, to, id } => match id.filter(|_| negotiated.has(Flags::UNLINK_ID)) {
                Some(id) => (tuple(op::UNLINK_ID, [id.into(), from.into(), to.into()], None), None),
                None => (tuple(op::UNLINK, [from.into(), to.into()], None), None),
            },
            Self::UnlinkAck { from, to, id } => {
                (tuple(op::UNLINK_ID_ACK, [id.into(), from.into(), to.into()], None), None)
            }
            Self::Send { from, to, message, token } => {
                let (op, first) = match from.filter(|_| negotiated.has(Flags::SEND_SENDER)) {
                    Some(from) => (traced(op::SEND_SENDER, op::SEND_SENDER_TT, token.as_ref()), from.into()),
                    None => (traced(op::SEND, op::SEND_TT, token.as_ref()), UNUSED.into()),
                };
                (tuple(op, [first, to.into()], token), Some(message))
            }
            Self::RegSend { from, to, message, token } => {
                let op = traced(op::REG_SEND, op::REG_SEND_TT, token.as_ref());
                (tuple(op, [from.into(), UNUSED.into(), to.into()], token), Some(message))
            }
            // From OTP 30 on operation 37 is the only one.
            Self::AliasSend { from, to, message, token } if alias_by_alt => {
                alt_signal(0, from, Destination::Alias(to), message, token)
            }
            Self::AliasSend { from, to, message, token } => {
                let op = traced(op::ALIAS_SEND, op::ALIAS_SEND_TT, token.as_ref());
                (tuple(op, [from.into(), to.into()], token), Some(message))
            }
            Self::Exit { from, to, reason, token } => {
                let ops = [op::EXIT, op::EXIT_TT, op::PAYLOAD_EXIT, op::PAYLOAD_EXIT_TT];
                exit(ops, payload, [from, to], reason, token)
            }
            Self::Exit2 { from, to, reason, token } => {
                let ops = [op::EXIT2, op::EXIT2_TT, op::PAYLOAD_EXIT2, op::PAYLOAD_EXIT2_TT];
                exit(ops, payload, [from, to], reason, token)
            }
            Self::GroupLeader { leader, member } => {
                (tuple(op::GROUP_LEADER, [leader.into(), member.into()], None), None)
            }
            Self::Monitor { from, target: t, reference } => (monitor(op::MONITOR_P, from, t, reference), None),
            Self::Demonitor { from, target: t, reference } => (monitor(op::DEMONITOR_P, from, t, reference), None),
            Self::MonitorExit { from, to, reference, reason } => {
                let common = [target(from), to.into(), reference.into()];
                if payload {
                    (tuple(op::PAYLOAD_MONITOR_P_EXIT, common, None), Some(reason))
                } else {
                    (tuple(op::MONITOR_P_EXIT, common, Some(reason)), None)
                }
            }
            Self::SpawnRequest(request) => spawn_request(*request),
            Self::SpawnReply { reference, to, flags, result, token } => {
                let op = traced(op::SPAWN_REPLY, op::SPAWN_REPLY_TT, token.as_ref());
                let result = result.map_or_else(Term::from, Term::from);
                (tuple(op, [reference.into(), to.into(), Term::from(i64::from(flags)), result], token), None)
            }
            Self::AltSignal { priority, exit, from, to, message, token } => {
                let bits = if priority { alt::PRIORITY } else { 0 } | if exit { alt::EXIT } else { 0 };
                alt_signal(bits, from, to, message, token)
            }
        })
    }
}

fn monitor(op: i64, from: Pid, on: Target, reference: Ref) -> Term {
    tuple(op, [from.into(), target(on), reference.into()], None)
}

fn spawn_request(r: SpawnRequest) -> (Term, Option<Term>) {
    let arity = match r.arguments.view() {
        View::List(l) => l.len(),
        _ => 0,
    };
    let mfa = Term::tuple([r.module.into(), r.function.into(), Term::from(arity as u64)]);
    let op = traced(op::SPAWN_REQUEST, op::SPAWN_REQUEST_TT, r.token.as_ref());
    (tuple(op, [r.reference.into(), r.from.into(), r.leader.into(), mfa, r.options], r.token), Some(r.arguments))
}

fn alt_signal(bits: i64, from: Pid, to: Destination, message: Term, token: Option<Term>) -> (Term, Option<Term>) {
    let (kind, to) = match to {
        Destination::Pid(p) => (0, Term::from(p)),
        Destination::Name(a) => (alt::NAME, Term::from(a)),
        Destination::Alias(r) => (alt::ALIAS, Term::from(r)),
    };
    let bits = bits | kind | if token.is_some() { alt::TOKEN } else { 0 };
    (tuple(op::ALTACT_SIG_SEND, [Term::from(bits), from.into(), to], token), Some(message))
}
