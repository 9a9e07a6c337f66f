//! Control messages: what nodes tell each other about processes, as typed values.
//! Imports: term, flags.
//!
//! A control message is a tuple that begins with an operation number, and for some operations a payload term beside it.
//! `decode` checks what OTP checks: shapes, that a link's or monitor's sender lives on the peer, that a receiver lives
//! here. A receiver of an older incarnation of this node passes: who carries the message out compares `Pid::node`.
//! `encode` chooses among the operations by the negotiated flags.
//!
//! Tokens of sequential tracing are kept and sent on, and mean nothing here.
//!
//! Source: OTP distribution protocol, "Protocol between Connected Nodes"; `dist.h`.

mod decode;
mod encode;

pub use decode::Ends;

use super::flags::Flags;
use crate::term::{Atom, Pid, Ref, Term};
use std::fmt;

/// What a monitor is set upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A process.
    Pid(Pid),
    /// Whoever bears a registered name.
    Name(Atom),
}

/// Where a signal of operation 37 goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A process.
    Pid(Pid),
    /// Whoever bears a registered name.
    Name(Atom),
    /// Through a process alias.
    Alias(Ref),
}

/// A spawn request.
#[derive(Clone, Debug, PartialEq)]
pub struct SpawnRequest {
    /// Names the request; the reply repeats it. Also the monitor's reference, if one is asked for.
    pub reference: Ref,
    /// Who asks.
    pub from: Pid,
    /// Group leader of the new process.
    pub leader: Pid,
    /// What to run.
    pub module: Atom,
    /// Its function.
    pub function: Atom,
    /// A proper list.
    pub arguments: Term,
    /// A proper list: `link`, `monitor`, and others that are passed on.
    pub options: Term,
    /// Of sequential tracing.
    pub token: Option<Term>,
}

/// A control message with its payload.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the operations")]
pub enum Control {
    /// Link two processes.
    Link { from: Pid, to: Pid },
    /// Undo a link. With an id it must be acknowledged; without one the peer knows no ids.
    Unlink { from: Pid, to: Pid, id: Option<u64> },
    /// The link is undone; before any other signal to the same process.
    UnlinkAck { from: Pid, to: Pid, id: u64 },
    /// A message to a process. Old nodes do not name the sender.
    Send { from: Option<Pid>, to: Pid, message: Term, token: Option<Term> },
    /// A message to a registered name.
    RegSend { from: Pid, to: Atom, message: Term, token: Option<Term> },
    /// A message through an alias: dropped unless the alias is active.
    AliasSend { from: Pid, to: Ref, message: Term, token: Option<Term> },
    /// A linked process has ended.
    Exit { from: Pid, to: Pid, reason: Term, token: Option<Term> },
    /// `exit(Pid, Reason)`.
    Exit2 { from: Pid, to: Pid, reason: Term, token: Option<Term> },
    /// Change of a group leader.
    GroupLeader { leader: Pid, member: Pid },
    /// Set up a monitor.
    Monitor { from: Pid, target: Target, reference: Ref },
    /// Undo it.
    Demonitor { from: Pid, target: Target, reference: Ref },
    /// What was monitored is gone. `from` repeats the target as it was given.
    MonitorExit { from: Target, to: Pid, reference: Ref, reason: Term },
    /// Start a process.
    SpawnRequest(Box<SpawnRequest>),
    /// A process was started, or why not. Flags: 1 a link was made, 2 a monitor.
    SpawnReply { reference: Ref, to: Pid, flags: u32, result: Result<Pid, Atom>, token: Option<Term> },
    /// A signal of operation 37, OTP 28: a message, or with `exit` an exit signal as of `exit/2`.
    AltSignal { priority: bool, exit: bool, from: Pid, to: Destination, message: Term, token: Option<Term> },
}

/// A link was made.
pub const SPAWN_LINKED: u32 = 1;
/// A monitor was made.
pub const SPAWN_MONITORED: u32 = 2;

/// The operation numbers. Source: OTP `dist.h`, `enum dop`.
pub mod op {
    #![expect(missing_docs, reason = "names of the protocol")]
    pub const LINK: i64 = 1;
    pub const SEND: i64 = 2;
    pub const EXIT: i64 = 3;
    pub const UNLINK: i64 = 4;
    pub const REG_SEND: i64 = 6;
    pub const GROUP_LEADER: i64 = 7;
    pub const EXIT2: i64 = 8;
    pub const SEND_TT: i64 = 12;
    pub const EXIT_TT: i64 = 13;
    pub const REG_SEND_TT: i64 = 16;
    pub const EXIT2_TT: i64 = 18;
    pub const MONITOR_P: i64 = 19;
    pub const DEMONITOR_P: i64 = 20;
    pub const MONITOR_P_EXIT: i64 = 21;
    pub const SEND_SENDER: i64 = 22;
    pub const SEND_SENDER_TT: i64 = 23;
    pub const PAYLOAD_EXIT: i64 = 24;
    pub const PAYLOAD_EXIT_TT: i64 = 25;
    pub const PAYLOAD_EXIT2: i64 = 26;
    pub const PAYLOAD_EXIT2_TT: i64 = 27;
    pub const PAYLOAD_MONITOR_P_EXIT: i64 = 28;
    pub const SPAWN_REQUEST: i64 = 29;
    pub const SPAWN_REQUEST_TT: i64 = 30;
    pub const SPAWN_REPLY: i64 = 31;
    pub const SPAWN_REPLY_TT: i64 = 32;
    pub const ALIAS_SEND: i64 = 33;
    pub const ALIAS_SEND_TT: i64 = 34;
    pub const UNLINK_ID: i64 = 35;
    pub const UNLINK_ID_ACK: i64 = 36;
    pub const ALTACT_SIG_SEND: i64 = 37;
}

/// Bits of operation 37. Source: OTP 28 `dist.h`.
mod alt {
    pub const PRIORITY: i64 = 1;
    pub const TOKEN: i64 = 2;
    pub const ALIAS: i64 = 4;
    pub const NAME: i64 = 8;
    pub const EXIT: i64 = 16;
    pub const ALL: i64 = 31;
}

/// Why something is no control message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlError {
    /// Not a tuple that begins with a small integer.
    NoOperation,
    /// An operation that is not known.
    Unknown(i64),
    /// A tuple of another size than the operation has.
    Arity {
        /// The operation.
        op: i64,
        /// Elements that came.
        size: usize,
    },
    /// An element of another type than the operation has there.
    Element {
        /// The operation.
        op: i64,
        /// Which element, from 1.
        at: usize,
        /// What should be there.
        wants: &'static str,
    },
    /// The payload is missing.
    NoPayload(i64),
    /// There is a payload where none belongs.
    Payload(i64),
    /// The peer did not offer what is needed to say this.
    NotNegotiated(Flags),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOperation => f.write_str("a control message that is no tuple with an operation number"),
            Self::Unknown(op) => write!(f, "unknown operation {op} in a control message"),
            Self::Arity { op, size } => write!(f, "operation {op} with a tuple of {size} elements"),
            Self::Element { op, at, wants } => write!(f, "operation {op}: element {at} is not {wants}"),
            Self::NoPayload(op) => write!(f, "operation {op} without its payload"),
            Self::Payload(op) => write!(f, "operation {op} with a payload, which it has not"),
            Self::NotNegotiated(flags) => write!(f, "the peer did not offer {flags}"),
        }
    }
}

impl std::error::Error for ControlError {}

impl Control {
    /// The process that sends it, as far as it is named. What one process sends arrives in order.
    pub fn sender(&self) -> Option<Pid> {
        match self {
            Self::Link { from, .. }
            | Self::Unlink { from, .. }
            | Self::UnlinkAck { from, .. }
            | Self::RegSend { from, .. }
            | Self::AliasSend { from, .. }
            | Self::Exit { from, .. }
            | Self::Exit2 { from, .. }
            | Self::Monitor { from, .. }
            | Self::Demonitor { from, .. }
            | Self::AltSignal { from, .. }
            | Self::MonitorExit { from: Target::Pid(from), .. }
            | Self::SpawnReply { result: Ok(from), .. } => Some(*from),
            Self::Send { from, .. } => *from,
            Self::SpawnRequest(r) => Some(r.from),
            Self::GroupLeader { .. }
            | Self::MonitorExit { from: Target::Name(_), .. }
            | Self::SpawnReply { result: Err(_), .. } => None,
        }
    }

    /// What has to be negotiated before this can be said. A monitor that cannot be said must be answered
    /// `noconnection`; a message through an alias that cannot be said is lost.
    pub fn needs(&self) -> Flags {
        match self {
            Self::Monitor { .. } | Self::Demonitor { .. } | Self::MonitorExit { .. } => {
                Flags::DIST_MONITOR | Flags::DIST_MONITOR_NAME
            }
            Self::UnlinkAck { .. } => Flags::UNLINK_ID,
            Self::AliasSend { .. } => Flags::ALIAS,
            Self::SpawnRequest(_) | Self::SpawnReply { .. } => Flags::SPAWN,
            Self::AltSignal { .. } => Flags::ALTACT_SIG,
            _ => Flags::NONE,
        }
    }
}
