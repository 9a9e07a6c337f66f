//! Reaching another node: its host, its port, its socket.
//! Imports: dist, link.

use super::config::{ConnectError, Epmd};
use super::link::{self, Origin};
use super::{Entry, Net, lock};
use crate::dist::connection::{Connection, DownReason};
use crate::dist::epmd::client::Answer;
use crate::dist::epmd::{Query, Request};
use crate::dist::handshake::Cookie;
use crate::dist::name::NodeName;
use crate::dist::nodes::{ConnectionId, Dial};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Begins to dial, unless a connection is up or on its way. True: there is nothing to wait for.
pub(super) fn want(net: &Arc<Net>, name: &NodeName) -> bool {
    let dial = net.table().dial(name);
    match dial {
        Dial::Up(_) | Dial::Own => return true,
        Dial::Pending(_) => {}
        Dial::Begin(id, cookie) => begin(net, name.clone(), id, cookie),
    }
    false
}

fn begin(net: &Arc<Net>, name: NodeName, id: ConnectionId, cookie: Cookie) {
    let given_up = Arc::new(Notify::new());
    lock(&net.connections).insert(id, Entry::Attempt(given_up.clone()));
    let net = net.clone();
    tokio::spawn(async move {
        let patience = Duration::from_millis(net.config.setup_ms);
        let opened = tokio::select! {
            opened = timeout(patience, open(&net, &name)) => opened.unwrap_or(Err(ConnectError::Timeout)),
            () = given_up.notified() => Err(ConnectError::Refused(DownReason::Disconnect)),
        };
        let settings = net.settings().ok_or_else(|| ConnectError::Tcp("no random numbers for a challenge".into()));
        match opened.and_then(|stream| Ok((stream, settings?))) {
            Ok((stream, settings)) => {
                let connection = Connection::dial(settings, name.clone(), cookie, net.now_ms());
                link::run(net, stream, id, connection, given_up, Origin::Dialled(name)).await;
            }
            Err(e) => link::attempt_ended(&net, id, Some(name), &e),
        }
    });
}

async fn open(net: &Net, name: &NodeName) -> Result<TcpStream, ConnectError> {
    let hosts = resolve(name.host()).await?;
    let mut last = ConnectError::Host(format!("{:?} has no address", name.host()));
    for host in hosts {
        match open_at(net, name, host).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}

async fn open_at(net: &Net, name: &NodeName, host: IpAddr) -> Result<TcpStream, ConnectError> {
    let port = match net.config.epmd {
        Epmd::Without { peers } => {
            peers.ok_or_else(|| ConnectError::Epmd("this node was started without one and without a port".into()))?
        }
        Epmd::Serve | Epmd::Use => ask(SocketAddr::new(host, net.epmd_port), name.alive()).await?,
    };
    let address = SocketAddr::new(host, port);
    TcpStream::connect(address).await.map_err(|e| ConnectError::Tcp(format!("{address}: {e}")))
}

/// The addresses of a host, those of IPv4 first, as OTP's TCP distribution knows no others.
async fn resolve(host: &str) -> Result<Vec<IpAddr>, ConnectError> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| ConnectError::Host(format!("{host:?}: {e}")))?;
    let mut all: Vec<IpAddr> = found.map(|a| a.ip()).collect();
    all.sort_by_key(IpAddr::is_ipv6);
    all.dedup();
    Ok(all)
}

/// Asks an epmd for a node's port.
async fn ask(epmd: SocketAddr, alive: &str) -> Result<u16, ConnectError> {
    let fail = |e: String| ConnectError::Epmd(format!("{epmd}: {e}"));
    let request = Request::PortPlease2(alive.as_bytes().to_vec());
    let (mut query, bytes) = Query::new(request).map_err(|e| fail(e.to_string()))?;
    let mut stream = TcpStream::connect(epmd).await.map_err(|e| fail(e.to_string()))?;
    stream.write_all(&bytes).await.map_err(|e| fail(e.to_string()))?;
    let mut buffer = [0; 1024];
    let answer = loop {
        let n = stream.read(&mut buffer).await.map_err(|e| fail(e.to_string()))?;
        if n == 0 {
            break query.closed().map_err(|e| fail(e.to_string()))?;
        }
        if let Some(answer) = query.feed(&buffer[..n]).map_err(|e| fail(e.to_string()))? {
            break answer;
        }
    };
    match answer {
        Answer::Port(Some(r)) => Ok(r.port),
        _ => Err(ConnectError::NotRegistered(alive.to_owned())),
    }
}
