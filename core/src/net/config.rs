//! Settings of a node that is to have a name, and what can be wrong with them.
//! Imports: dist.

use super::event::EventHook;
use crate::dist::name::NameError;
use crate::dist::ticker::TickTime;
use std::fmt;
use std::net::IpAddr;

/// How a node finds others and is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epmd {
    /// By epmd; if none runs on this host, this node serves one for as long as it lives. The default.
    Serve,
    /// By the epmd that runs; without one the node does not start.
    Use,
    /// Without any: the node is not registered, and dials other nodes on this port. Source: OTP `-erl_epmd_port`.
    Without {
        /// Where other nodes listen; `None`: none can be dialled.
        peers: Option<u16>,
    },
}

/// `-sname` or `-name`.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Short(String),
    Long(String),
}

#[derive(Clone)]
pub(crate) struct NetConfig {
    pub wanted: Option<Wanted>,
    /// `None`: that of `~/.erlang.cookie`.
    pub cookie: Option<String>,
    pub visible: bool,
    pub address: Option<IpAddr>,
    pub port: u16,
    pub epmd: Epmd,
    pub epmd_port: Option<u16>,
    pub tick: TickTime,
    pub setup_ms: u64,
    pub max_handshakes: usize,
    pub busy_limit: usize,
    pub queue_limit: usize,
    pub hook: Option<EventHook>,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            wanted: None,
            cookie: None,
            visible: false,
            address: None,
            port: 0,
            epmd: Epmd::Serve,
            epmd_port: None,
            tick: TickTime::default(),
            setup_ms: 7_000,
            max_handshakes: 256,
            busy_limit: 1 << 20,
            queue_limit: 256 << 20,
            hook: None,
        }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The cookie is nobody's business.
        f.debug_struct("NetConfig").field("wanted", &self.wanted).field("epmd", &self.epmd).finish_non_exhaustive()
    }
}

/// Why a node did not get its name.
#[derive(Debug)]
#[non_exhaustive]
pub enum NameFailure {
    /// The name is none, or not of the kind asked for.
    Name(NameError),
    /// No host part was given and this host's own name does not serve; the text says why.
    Host(String),
    /// The cookie is none, or its file cannot be read, written or trusted; the text says why.
    Cookie(String),
    /// The listening socket.
    Listen(std::io::Error),
    /// epmd refused or is not there.
    Epmd(crate::dist::epmd::client::RegisterError),
    /// The network thread did not start.
    Thread(std::io::Error),
    /// A seeded node has a virtual clock, which no socket knows.
    Seeded,
}

impl fmt::Display for NameFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(e) => write!(f, "{e}"),
            Self::Host(why) | Self::Cookie(why) => f.write_str(why),
            Self::Listen(e) => write!(f, "cannot listen: {e}"),
            Self::Epmd(e) => write!(f, "{e}"),
            Self::Thread(e) => write!(f, "the network thread did not start: {e}"),
            Self::Seeded => f.write_str("a seeded node has a virtual clock and cannot have a name on the network"),
        }
    }
}

impl std::error::Error for NameFailure {}

/// Why a node could not be reached. Its text is one line, for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// This node has no name, or has stopped.
    NotAlive,
    /// Not a name that this node can dial.
    Name(NameError),
    /// The host part does not resolve.
    Host(String),
    /// epmd there cannot be asked.
    Epmd(String),
    /// epmd there knows no such node.
    NotRegistered(String),
    /// Nobody listens where epmd says.
    Tcp(String),
    /// The time of a setup has passed.
    Timeout,
    /// The handshake failed.
    Refused(crate::dist::connection::DownReason),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAlive => f.write_str("this node has no name, or has stopped"),
            Self::Name(e) => write!(f, "{e}"),
            Self::Host(why) => write!(f, "the host does not resolve: {why}"),
            Self::Epmd(why) => write!(f, "the epmd of that host cannot be asked: {why}"),
            Self::NotRegistered(alive) => write!(f, "the epmd of that host knows no node {alive:?}"),
            Self::Tcp(why) => write!(f, "the node does not listen where epmd says: {why}"),
            Self::Timeout => f.write_str("the connection was not set up in time"),
            Self::Refused(reason) => write!(f, "{reason}"),
        }
    }
}

impl std::error::Error for ConnectError {}
