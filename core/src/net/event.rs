//! What a node's network has to report: refusals, losses, limits. Nothing is printed; whoever wants to hear sets a hook.
//! Imports: dist.

use crate::dist::connection::DownReason;
use crate::dist::name::NodeName;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Something has happened on the network side of a node. Its text is one line, for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A connection is up.
    Up {
        /// The other node.
        node: NodeName,
        /// Whether it is a visible one.
        visible: bool,
    },
    /// A connection that was up has ended.
    Down {
        /// The other node.
        node: NodeName,
        /// Why.
        reason: DownReason,
    },
    /// Somebody who came to us was not let in.
    Refused {
        /// From where.
        from: SocketAddr,
        /// Why.
        reason: DownReason,
    },
    /// A node could not be reached.
    Unreachable {
        /// Which.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// Somebody came while as many handshakes as allowed were under way; the connection was closed unread.
    TooManyHandshakes {
        /// From where.
        from: SocketAddr,
    },
    /// More bytes (or, before the connection is up, signals) wait for a node than the limit allows; it is disconnected.
    QueueFull {
        /// Which.
        node: NodeName,
    },
    /// A message holds a term that cannot leave this OS process, or it is too long; it was dropped.
    Unsendable {
        /// For whom it was.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// A node asked for a process to be started here, which is not served; the request was dropped.
    SpawnRefused {
        /// Who asked.
        node: NodeName,
    },
    /// No epmd ran on this host, so this node serves one.
    EpmdStarted {
        /// Its port.
        port: u16,
    },
    /// The registration with epmd is lost, and tried again every two seconds.
    EpmdLost,
    /// The registration has been renewed.
    EpmdRenewed,
    /// The listening socket gave an error; it is tried again.
    AcceptFailed {
        /// The error.
        reason: String,
    },
}

impl fmt::Display for NodeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { node, visible } => {
                write!(f, "connected to {node}{}", if *visible { "" } else { " (hidden)" })
            }
            Self::Down { node, reason } => write!(f, "lost {node}: {reason}"),
            Self::Refused { from, reason } => write!(f, "refused a connection from {from}: {reason}"),
            Self::Unreachable { node, reason } => write!(f, "no connection to {node}: {reason}"),
            Self::TooManyHandshakes { from } => {
                write!(f, "closed a connection from {from}: too many handshakes are under way")
            }
            Self::QueueFull { node } => write!(f, "disconnecting {node}: too much waits to be sent to it"),
            Self::Unsendable { node, reason } => write!(f, "dropped a message to {node}: {reason}"),
            Self::SpawnRefused { node } => write!(f, "{node} asked for a process to be spawned, which is not served"),
            Self::EpmdStarted { port } => write!(f, "no epmd ran; this node serves one on port {port}"),
            Self::EpmdLost => f.write_str("lost the registration with epmd; trying again"),
            Self::EpmdRenewed => f.write_str("registered with epmd again"),
            Self::AcceptFailed { reason } => write!(f, "the listening socket failed: {reason}"),
        }
    }
}

/// Hears of events. Runs on the network thread of the node: it must not block. A panic of its own is dropped.
pub type EventHook = Arc<dyn Fn(&NodeEvent) + Send + Sync>;

/// Tells the hook, if there is one. What it does wrong must not cost the node its network.
pub(super) fn tell(hook: Option<&EventHook>, event: &NodeEvent) {
    if let Some(hook) = hook {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hook(event)));
    }
}
