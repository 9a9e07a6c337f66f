//! epmd, the Erlang port mapper: which node of a host listens where.
//! Imports: nothing of this crate.
//!
//! `codec` is the bytes of both sides, `client` asks and keeps a node registered, `server` is an epmd of our own for
//! hosts where none runs. Names here are the part before the `@`, as bytes.
//!
//! Source: OTP distribution protocol, "EPMD Protocol"; rules of the daemon as epmd of OTP 25 shows them.

pub mod client;
pub mod codec;
pub mod server;

pub use client::{Action, Event, Query, Registrar};
pub use codec::{CodecError, Registration, Request};
pub use server::{Output, Server};

use std::net::IpAddr;

/// The port, unless `ERL_EPMD_PORT` names another.
pub const DEFAULT_PORT: u16 = 4369;
/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 255;
/// The longest `Extra` field, in bytes.
pub const MAX_EXTRA: usize = 1020;

/// What kind of node is registered. Source: OTP, 77 visible, 72 hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeType {
    /// `M`
    Visible,
    /// `H`
    Hidden,
    /// Anything else, kept as it came.
    Other(u8),
}

impl NodeType {
    /// Its byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Visible => 77,
            Self::Hidden => 72,
            Self::Other(b) => b,
        }
    }

    /// Of its byte.
    pub const fn of(byte: u8) -> Self {
        match byte {
            77 => Self::Visible,
            72 => Self::Hidden,
            b => Self::Other(b),
        }
    }
}

/// Whether a connection comes from this host: over loopback, or from the very address it arrived at.
/// Only such a peer may register, dump, kill or stop.
pub fn is_local_peer(peer: IpAddr, own: IpAddr) -> bool {
    let (peer, own) = (peer.to_canonical(), own.to_canonical());
    peer.is_loopback() || peer == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_the_hosts_own_address_are_local() {
        let ip = |s: &str| s.parse::<IpAddr>().expect("an address");
        assert!(is_local_peer(ip("127.0.0.1"), ip("127.0.0.1")));
        assert!(is_local_peer(ip("127.0.0.9"), ip("10.0.0.1")));
        assert!(is_local_peer(ip("::1"), ip("::1")));
        assert!(is_local_peer(ip("::ffff:127.0.0.1"), ip("::ffff:127.0.0.1")));
        assert!(is_local_peer(ip("10.0.0.1"), ip("::ffff:10.0.0.1")));
        assert!(!is_local_peer(ip("10.0.0.2"), ip("10.0.0.1")));
        assert!(!is_local_peer(ip("fe80::1"), ip("fe80::2")));
    }
}
