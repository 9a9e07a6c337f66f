//! Terms to control messages.
//! Imports: term, control.

use super::{Control, ControlError, Destination, SpawnRequest, Target, alt, op};
use crate::term::{Atom, Pid, Ref, Term, View};

/// Both ends of a connection, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// This node.
    pub local: Atom,
    /// The peer.
    pub peer: Atom,
}

struct Fields<'a> {
    op: i64,
    elements: &'a [Term],
    ends: Ends,
}

type Result<T> = std::result::Result<T, ControlError>;

/// Flags of a spawn reply have 27 bits.
const MAX_SPAWN_FLAGS: i64 = (1 << 27) - 1;

impl Fields<'_> {
    /// `at` counts from 1, as in the protocol's tables.
    fn get<T>(&self, at: usize, wants: &'static str, read: impl Fn(&Term) -> Option<T>) -> Result<T> {
        let bad = ControlError::Element { op: self.op, at, wants };
        self.elements.get(at - 1).and_then(read).ok_or(bad)
    }

    fn pid(&self, at: usize) -> Result<Pid> {
        self.get(at, "a pid", Term::as_pid)
    }

    fn peers_pid(&self, at: usize) -> Result<Pid> {
        self.get(at, "a pid of the peer", |t| t.as_pid().filter(|p| p.node.name() == self.ends.peer))
    }

    fn our_pid(&self, at: usize) -> Result<Pid> {
        self.get(at, "a pid of this node", |t| t.as_pid().filter(|p| p.node.name() == self.ends.local))
    }

    fn atom(&self, at: usize) -> Result<Atom> {
        self.get(at, "an atom", Term::as_atom)
    }

    fn reference(&self, at: usize) -> Result<Ref> {
        self.get(at, "a reference", Term::as_ref)
    }

    fn reference_of(&self, at: usize, node: Atom, wants: &'static str) -> Result<Ref> {
        self.get(at, wants, |t| t.as_ref().filter(|r| r.node().name() == node))
    }

    fn our_target(&self, at: usize) -> Result<Target> {
        self.target(at, self.ends.local, "a pid or a name of this node")
    }

    fn target(&self, at: usize, node: Atom, wants: &'static str) -> Result<Target> {
        self.get(at, wants, |t| match t.view() {
            View::Pid(p) if p.node.name() == node => Some(Target::Pid(p)),
            View::Atom(a) => Some(Target::Name(a)),
            _ => None,
        })
    }

    fn id(&self, at: usize) -> Result<u64> {
        self.get(at, "an id from 1 to 2^64 - 1", |t| match t.view() {
            View::Int(n) if n > 0 => Some(n as u64),
            View::Big(b) => u64::try_from(b.to_bigint()).ok(),
            _ => None,
        })
    }

    fn term(&self, at: usize) -> Result<Term> {
        self.get(at, "a term", |t| Some(t.clone()))
    }

    fn size(&self, wants: usize) -> Result<()> {
        let size = self.elements.len();
        if size == wants { Ok(()) } else { Err(ControlError::Arity { op: self.op, size }) }
    }
}

fn proper_list(term: &Term) -> Option<usize> {
    match term.view() {
        View::Nil => Some(0),
        View::List(l) if l.is_proper() => Some(l.len()),
        _ => None,
    }
}

impl Control {
    /// Reads a control message and its payload.
    ///
    /// # Errors
    /// Whatever OTP drops the connection for, and a payload where none belongs.
    pub fn decode(control: &Term, payload: Option<Term>, ends: Ends) -> Result<Self> {
        let elements = control.as_tuple().ok_or(ControlError::NoOperation)?;
        let op = elements.first().and_then(Term::as_int).ok_or(ControlError::NoOperation)?;
        let f = Fields { op, elements, ends };
        if !has_payload(op)? {
            return if payload.is_some() { Err(ControlError::Payload(op)) } else { without_payload(&f) };
        }
        with_payload(&f, payload.ok_or(ControlError::NoPayload(op))?)
    }
}

fn has_payload(op: i64) -> Result<bool> {
    match op {
        op::LINK
        | op::EXIT
        | op::UNLINK
        | op::GROUP_LEADER
        | op::EXIT2
        | op::EXIT_TT
        | op::EXIT2_TT
        | op::MONITOR_P
        | op::DEMONITOR_P
        | op::MONITOR_P_EXIT
        | op::SPAWN_REPLY
        | op::SPAWN_REPLY_TT
        | op::UNLINK_ID
        | op::UNLINK_ID_ACK => Ok(false),
        op::SEND
        | op::REG_SEND
        | op::SEND_TT
        | op::REG_SEND_TT
        | op::SEND_SENDER
        | op::SEND_SENDER_TT
        | op::PAYLOAD_EXIT
        | op::PAYLOAD_EXIT_TT
        | op::PAYLOAD_EXIT2
        | op::PAYLOAD_EXIT2_TT
        | op::PAYLOAD_MONITOR_P_EXIT
        | op::SPAWN_REQUEST
        | op::SPAWN_REQUEST_TT
        | op::ALIAS_SEND
        | op::ALIAS_SEND_TT
        | op::ALTACT_SIG_SEND => Ok(true),
        unknown => Err(ControlError::Unknown(unknown)),
    }
}

fn without_payload(f: &Fields<'_>) -> Result<Control> {
    let (size, token) = match f.op {
        op::LINK | op::UNLINK | op::GROUP_LEADER => (3, None),
        op::SPAWN_REPLY => (5, None),
        op::SPAWN_REPLY_TT => (6, Some(6)),
        op::EXIT_TT | op::EXIT2_TT => (5, Some(4)),
        op::MONITOR_P_EXIT => (5, None),
        _ => (4, None),
    };
    f.size(size)?;
    let token = token.map(|at| f.term(at)).transpose()?;
    Ok(match f.op {
        op::LINK => Control::Link { from: f.peers_pid(2)?, to: f.our_pid(3)? },
        op::UNLINK => Control::Unlink { from: f.peers_pid(2)?, to: f.our_pid(3)?, id: None },
        op::UNLINK_ID => Control::Unlink { id: Some(f.id(2)?), from: f.peers_pid(3)?, to: f.our_pid(4)? },
        op::UNLINK_ID_ACK => Control::UnlinkAck { id: f.id(2)?, from: f.peers_pid(3)?, to: f.our_pid(4)? },
        op::EXIT | op::EXIT_TT => {
            let reason = f.term(size)?;
            Control::Exit { from: f.peers_pid(2)?, to: f.our_pid(3)?, reason, token }
        }
        op::EXIT2 | op::EXIT2_TT => Control::Exit2 { from: f.pid(2)?, to: f.our_pid(3)?, reason: f.term(size)?, token },
        op::GROUP_LEADER => Control::GroupLeader { leader: f.pid(2)?, member: f.our_pid(3)? },
        op::MONITOR_P => {
            Control::Monitor { from: f.peers_pid(2)?, target: f.our_target(3)?, reference: f.reference(4)? }
        }
        op::DEMONITOR_P => {
            Control::Demonitor { from: f.peers_pid(2)?, target: f.our_target(3)?, reference: f.reference(4)? }
        }
        op::MONITOR_P_EXIT => monitor_exit(f, f.term(5)?)?,
        op::SPAWN_REPLY | op::SPAWN_REPLY_TT => {
            let reference = f.reference_of(2, f.ends.local, "a reference of this node")?;
            let to = f.our_pid(3)?;
            let flags = f.get(4, "spawn flags", |t| {
                t.as_int().filter(|n| (0..=MAX_SPAWN_FLAGS).contains(n)).map(|n| n as u32)
            })?;
            let result = match f.target(5, f.ends.peer, "a pid of the peer or an atom")? {
                Target::Pid(p) => Ok(p),
                Target::Name(reason) => Err(reason),
            };
            Control::SpawnReply { reference, to, flags, result, token }
        }
        unknown => return Err(ControlError::Unknown(unknown)),
    })
}

fn with_payload(f: &Fields<'_>, payload: Term) -> Result<Control> {
    if f.op == op::ALTACT_SIG_SEND {
        return alt_signal(f, payload);
    }
    // The token, where there is one, is the last element.
    let (size, traced) = match f.op {
        op::REG_SEND | op::PAYLOAD_MONITOR_P_EXIT => (4, false),
        op::REG_SEND_TT => (5, true),
        op::SEND_TT | op::SEND_SENDER_TT | op::PAYLOAD_EXIT_TT | op::PAYLOAD_EXIT2_TT | op::ALIAS_SEND_TT => (4, true),
        op::SPAWN_REQUEST => (6, false),
        op::SPAWN_REQUEST_TT => (7, true),
        _ => (3, false),
    };
    f.size(size)?;
    let token = traced.then(|| f.term(size)).transpose()?;
    Ok(match f.op {
        op::SEND | op::SEND_TT => Control::Send { from: None, to: f.our_pid(3)?, message: payload, token },
        op::SEND_SENDER | op::SEND_SENDER_TT => {
            Control::Send { from: Some(f.pid(2)?), to: f.our_pid(3)?, message: payload, token }
        }
        op::REG_SEND | op::REG_SEND_TT => Control::RegSend { from: f.pid(2)?, to: f.atom(4)?, message: payload, token },
        op::ALIAS_SEND | op::ALIAS_SEND_TT => {
            let to = f.reference_of(3, f.ends.local, "a reference of this node")?;
            Control::AliasSend { from: f.pid(2)?, to, message: payload, token }
        }
        op::PAYLOAD_EXIT | op::PAYLOAD_EXIT_TT => {
            Control::Exit { from: f.peers_pid(2)?, to: f.our_pid(3)?, reason: payload, token }
        }
        op::PAYLOAD_EXIT2 | op::PAYLOAD_EXIT2_TT => {
            Control::Exit2 { from: f.pid(2)?, to: f.our_pid(3)?, reason: payload, token }
        }
        op::PAYLOAD_MONITOR_P_EXIT => monitor_exit(f, payload)?,
        op::SPAWN_REQUEST | op::SPAWN_REQUEST_TT => spawn_request(f, payload, token)?,
        unknown => return Err(ControlError::Unknown(unknown)),
    })
}

fn monitor_exit(f: &Fields<'_>, reason: Term) -> Result<Control> {
    let from = f.target(2, f.ends.peer, "a pid of the peer or a name")?;
    Ok(Control::MonitorExit { from, to: f.our_pid(3)?, reference: f.reference(4)?, reason })
}

fn spawn_request(f: &Fields<'_>, arguments: Term, token: Option<Term>) -> Result<Control> {
    let (module, function, arity) = f.get(5, "{Module, Function, Arity}", |t| match t.as_tuple()? {
        [m, f, a] => Some((m.as_atom()?, f.as_atom()?, a.as_int()?)),
        _ => None,
    })?;
    let options = f.get(6, "a list of options", |t| proper_list(t).map(|_| t.clone()))?;
    let count = proper_list(&arguments).and_then(|n| i64::try_from(n).ok());
    if count != Some(arity) {
        return Err(ControlError::Element { op: f.op, at: 5, wants: "the arity of the argument list" });
    }
    Ok(Control::SpawnRequest(Box::new(SpawnRequest {
        reference: f.reference_of(2, f.ends.peer, "a reference of the peer")?,
        from: f.peers_pid(3)?,
        leader: f.pid(4)?,
        module,
        function,
        arguments,
        options,
        token,
    })))
}

fn alt_signal(f: &Fields<'_>, message: Term) -> Result<Control> {
    let bits = f.get(2, "signal bits", |t| t.as_int().filter(|n| n & !alt::ALL == 0))?;
    let traced = bits & alt::TOKEN != 0;
    f.size(if traced { 5 } else { 4 })?;
    let to = match (bits & alt::ALIAS != 0, bits & alt::NAME != 0) {
        (true, true) => {
            return Err(ControlError::Element { op: f.op, at: 2, wants: "bits for one kind of receiver" });
        }
        (true, false) => Destination::Alias(f.reference_of(4, f.ends.local, "a reference of this node")?),
        (false, true) => Destination::Name(f.atom(4)?),
        (false, false) => Destination::Pid(f.our_pid(4)?),
    };
    Ok(Control::AltSignal {
        priority: bits & alt::PRIORITY != 0,
        exit: bits & alt::EXIT != 0,
        from: f.pid(3)?,
        to,
        message,
        token: traced.then(|| f.term(5)).transpose()?,
    })
}
