//! Why a connection ended.
//! Imports: control, frame, handshake, etf.

use crate::dist::control::ControlError;
use crate::dist::frame::FrameError;
use crate::dist::handshake::Refusal;
use crate::etf::DecodeError;
use std::fmt;

/// Why a connection ended. Its text is one line, for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DownReason {
    /// It never came up.
    Setup(Refusal),
    /// The peer closed it, or the network did.
    Closed,
    /// We ended it.
    Disconnect,
    /// Nothing has come for the whole ticktime.
    TickTimeout,
    /// A frame that is none.
    Frame(FrameError),
    /// A term that is none.
    Term(DecodeError),
    /// More bytes in a frame than its terms have.
    Trailing(usize),
    /// A control message that is none.
    Control(ControlError),
    /// There is no room for the atom of a node's name.
    AtomTableFull,
}

impl DownReason {
    /// The `nodedown_reason` that OTP's `net_kernel:monitor_nodes` gives for it.
    pub const fn nodedown_reason(&self) -> &'static str {
        match self {
            Self::Setup(_) | Self::AtomTableFull => "connection_setup_failed",
            Self::Disconnect => "disconnect",
            Self::TickTimeout => "net_tick_timeout",
            Self::Closed | Self::Frame(_) | Self::Term(_) | Self::Trailing(_) | Self::Control(_) => "connection_closed",
        }
    }

    /// Whether the peer broke the protocol: worth an error report.
    pub const fn is_violation(&self) -> bool {
        matches!(self, Self::Frame(_) | Self::Term(_) | Self::Trailing(_) | Self::Control(_))
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(refusal) => write!(f, "{refusal}"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Disconnect => f.write_str("this node closed the connection"),
            Self::TickTimeout => f.write_str("nothing came from the peer for the whole ticktime"),
            Self::Frame(e) => write!(f, "the peer broke the protocol: {e}"),
            Self::Term(e) => write!(f, "the peer broke the protocol: {e}"),
            Self::Trailing(n) => write!(f, "the peer broke the protocol: {n} bytes follow the terms of a message"),
            Self::Control(e) => write!(f, "the peer broke the protocol: {e}"),
            Self::AtomTableFull => f.write_str("the atom table is full"),
        }
    }
}

impl std::error::Error for DownReason {}

impl From<FrameError> for DownReason {
    fn from(e: FrameError) -> Self {
        Self::Frame(e)
    }
}

impl From<DecodeError> for DownReason {
    fn from(e: DecodeError) -> Self {
        Self::Term(e)
    }
}

impl From<ControlError> for DownReason {
    fn from(e: ControlError) -> Self {
        Self::Control(e)
    }
}
