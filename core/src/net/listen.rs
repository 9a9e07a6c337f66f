//! Letting others in.
//! Imports: dist, link.

use super::event::NodeEvent;
use super::link::{self, Origin};
use super::{Entry, Net, lock};
use crate::dist::connection::Connection;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::sleep;

/// After an error that is not the peer's (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// Listens on an address, or on all of them: both families where the kernel has both.
pub(super) async fn bind(address: Option<IpAddr>, port: u16) -> std::io::Result<TcpListener> {
    if let Some(ip) = address {
        return TcpListener::bind(SocketAddr::new(ip, port)).await;
    }
    match TcpListener::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).await {
        Ok(listener) => Ok(listener),
        // A port that is taken is taken; a family that is missing is no matter.
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Err(e),
        Err(_) => TcpListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).await,
    }
}

/// Accepts as long as the runtime lives.
pub(super) async fn accept(net: Arc<Net>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => admit(&net, stream, from),
            Err(e) => {
                net.report(&NodeEvent::AcceptFailed { reason: e.to_string() });
                sleep(PAUSE).await;
            }
        }
    }
}

/// Counts a handshake for as long as it lasts.
pub(super) struct InHandshake(Arc<Net>);

impl InHandshake {
    fn begin(net: &Arc<Net>) -> Option<Self> {
        if net.handshakes.load(Relaxed) >= net.config.max_handshakes {
            return None;
        }
        net.handshakes.fetch_add(1, Relaxed);
        Some(Self(net.clone()))
    }
}

impl Drop for InHandshake {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Relaxed);
    }
}

fn admit(net: &Arc<Net>, stream: TcpStream, from: SocketAddr) {
    let Some(counted) = InHandshake::begin(net) else {
        return net.report(&NodeEvent::TooManyHandshakes { from });
    };
    let Some(settings) = net.settings() else { return };
    let id = net.table().incoming();
    let given_up = Arc::new(Notify::new());
    lock(&net.connections).insert(id, Entry::Attempt(given_up.clone()));
    let connection = Connection::accept(settings, net.now_ms());
    tokio::spawn(link::run(net.clone(), stream, id, connection, given_up, Origin::Accepted(from, counted)));
}
