//! Why a handshake failed, in words.
//! Imports: flags, name.

use crate::dist::flags::Flags;
use crate::dist::name::{NameError, NodeName};
use std::fmt;

/// Where a handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Acceptor: the peer's name.
    Name,
    /// Acceptor: our own decision.
    Verdict,
    /// Initiator: the peer's status.
    Status,
    /// Initiator: our own word on whether the attempt still counts.
    StillWanted,
    /// Acceptor: the peer's word on whether its attempt still counts.
    Confirm,
    /// Initiator: the peer's challenge.
    Challenge,
    /// Acceptor: the answer to our challenge.
    Reply,
    /// Initiator: the peer's proof.
    Ack,
    /// Over.
    Done,
}

impl Step {
    const fn what(self) -> &'static str {
        match self {
            Self::Name => "the peer's name",
            Self::Verdict => "this node's own decision about the peer",
            Self::Status => "the peer's status",
            Self::StillWanted => "this node's own word on its attempt",
            Self::Confirm => "the peer's word on its attempt",
            Self::Challenge => "the peer's challenge",
            Self::Reply => "the peer's answer to our challenge",
            Self::Ack => "the peer's proof of the cookie",
            Self::Done => "nothing",
        }
    }
}

/// Why there is no connection. Its text is one line, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer opened with the handshake of before OTP 23.
    OldHandshake {
        /// The name it gave, as far as it is text.
        name: String,
    },
    /// A message that does not fit the step.
    Message {
        /// What was awaited.
        step: Step,
        /// The first byte that came.
        tag: u8,
    },
    /// A message that ends too early for its kind.
    Short(Step),
    /// A message, or what came while none was awaited, is longer than a handshake needs.
    TooLong(Step),
    /// The peer's name is none.
    Name(NameError),
    /// The peer bears our own name.
    OwnName,
    /// The peer lacks flags without which we do not connect.
    MissingFlags {
        /// The peer, as it calls itself.
        peer: String,
        /// What it lacks.
        missing: Flags,
    },
    /// We do not let this peer in.
    NotAllowed(String),
    /// We keep our own attempt toward the same peer.
    Nok(NodeName),
    /// The peer does not let us in: its allow list, or flags that it demands.
    NotAllowedByPeer,
    /// The peer keeps its own attempt toward us: wait for it to come.
    NokByPeer,
    /// A status that is none.
    Status(String),
    /// The attempt had been given up when the peer said that it has a connection already.
    NotWanted,
    /// The peer gave up its attempt when it heard that there is a connection already.
    NotWantedByPeer,
    /// Another node answers than the one that was dialled.
    WrongPeer {
        /// Whom we dialled.
        dialled: NodeName,
        /// Who answered.
        answered: String,
    },
    /// The peer's digest is wrong: the cookies differ.
    Digest {
        /// The peer.
        peer: String,
    },
    /// The peer gave us a name we cannot bear, or one that we did not ask for.
    GivenName,
    /// The peer closed the connection.
    Closed(Step),
    /// The peer took too long.
    Timeout(Step),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldHandshake { name } => write!(
                f,
                "{name:?} opened with the old handshake ('n'): it is older than OTP 25 and came without asking epmd"
            ),
            Self::Message { step, tag } => {
                write!(f, "a handshake message began with {tag} where {} was awaited", step.what())
            }
            Self::Short(step) => write!(f, "a handshake message ended too early: {} was awaited", step.what()),
            Self::TooLong(step) => write!(f, "the peer sent too much while {} was awaited", step.what()),
            Self::Name(e) => write!(f, "the peer has no valid name: {e}"),
            Self::OwnName => f.write_str("the peer calls itself by this node's own name"),
            Self::MissingFlags { peer, missing } => write!(f, "{peer} lacks mandatory capability flags: {missing}"),
            Self::NotAllowed(peer) => write!(f, "this node does not allow {peer} to connect"),
            Self::Nok(peer) => write!(f, "both nodes dialled at once and this node's attempt toward {peer} stands"),
            Self::NotAllowedByPeer => f.write_str(
                "the peer does not allow this node: its allow list, or it demands capability flags this node lacks",
            ),
            Self::NokByPeer => f.write_str("both nodes dialled at once and the peer's attempt stands"),
            Self::Status(s) => write!(f, "the peer answered with an unknown status {s:?}"),
            Self::NotWanted => f.write_str("the peer has a connection already and the attempt was given up"),
            Self::NotWantedByPeer => f.write_str("there is a connection already and the peer gave up its attempt"),
            Self::WrongPeer { dialled, answered } => {
                write!(f, "{dialled} was dialled but {answered:?} answered: the port belongs to another node")
            }
            Self::Digest { peer } => write!(f, "{peer} has another cookie"),
            Self::GivenName => f.write_str("the peer gave this node a name that was not asked for or is not valid"),
            Self::Closed(step @ (Step::Ack | Step::Reply)) => {
                write!(f, "the peer closed the connection when {} was awaited: the cookies may differ", step.what())
            }
            Self::Closed(Step::Status) => f.write_str(
                "the peer closed the connection without a status: it may be older than OTP 23 or refuse the name",
            ),
            Self::Closed(step) => write!(f, "the peer closed the connection when {} was awaited", step.what()),
            Self::Timeout(step) => write!(f, "no progress in time: {} was awaited", step.what()),
        }
    }
}

impl std::error::Error for Refusal {}
