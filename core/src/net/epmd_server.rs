//! An epmd of our own, for a host where none runs. It lives as long as the node that has started it.
//! Imports: dist.
//!
//! The rules are `Server`'s; this carries bytes to it and its outputs back.
//! Locks: one for all of it, never held over a wait.

use super::listen;
use crate::base::clock::Clock;
use crate::dist::epmd::server::Config;
use crate::dist::epmd::{Output, Server, is_local_peer};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

struct State {
    server: Server,
    /// To the connections' tasks; a sender that is gone means: write what is left and close.
    writers: HashMap<u64, UnboundedSender<Vec<u8>>>,
    next: u64,
}

struct Shared {
    state: Mutex<State>,
    clock: Clock,
    shutdown: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }
}

impl State {
    /// False: the server is told to end.
    fn carry_out(&mut self, outputs: Vec<Output>) -> bool {
        let mut goes_on = true;
        for output in outputs {
            match output {
                Output::Send(id, bytes) => {
                    // A connection that has just closed needs no answer.
                    let _ = self.writers.get(&id).map(|w| w.send(bytes));
                }
                Output::Close(id) => drop(self.writers.remove(&id)),
                Output::Shutdown => {
                    self.writers.clear();
                    goes_on = false;
                }
            }
        }
        goes_on
    }
}

/// Starts to serve on a port.
///
/// # Errors
/// The port cannot be had; another epmd may have been faster.
pub(super) async fn start(address: Option<IpAddr>, port: u16, clock: Clock) -> std::io::Result<()> {
    let mut listeners = vec![listen::bind(address, port).await?];
    if address.is_some_and(|ip| !ip.is_loopback() && !ip.is_unspecified()) {
        // Nodes of this host register over loopback.
        listeners.push(listen::bind(Some(Ipv4Addr::LOCALHOST.into()), port).await?);
    }
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(4, |d| d.as_secs() as u32);
    let server = Server::new(Config::new(port, seed));
    let state = Mutex::new(State { server, writers: HashMap::new(), next: 0 });
    let shared = Arc::new(Shared { state, clock, shutdown: Notify::new() });
    for listener in listeners {
        tokio::spawn(serve(shared.clone(), listener));
    }
    Ok(())
}

async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let deadline = shared.lock().server.deadline();
        let left = deadline.map_or(3_600_000, |at| at.saturating_sub(shared.now()));
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let Ok(own) = stream.local_addr() else { continue };
                    let local = is_local_peer(from.ip(), own.ip());
                    let mut state = shared.lock();
                    let id = state.next;
                    state.next += 1;
                    let now = shared.now();
                    if state.server.accept(id, local, now) {
                        let (writer, orders) = unbounded_channel();
                        state.writers.insert(id, writer);
                        tokio::spawn(connection(shared.clone(), id, stream, orders));
                    }
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            () = sleep(Duration::from_millis(left)) => {
                let now = shared.now();
                let mut state = shared.lock();
                let outputs = state.server.expire(now);
                state.carry_out(outputs);
            }
            () = shared.shutdown.notified() => {
                // For the other listener, if there is one.
                shared.shutdown.notify_one();
                return;
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, id: u64, mut stream: TcpStream, mut orders: UnboundedReceiver<Vec<u8>>) {
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                None => {
                    // What came meanwhile unread would turn the close into a reset.
                    let _ = stream.shutdown().await;
                    return;
                }
            },
            read = stream.read(&mut buffer) => match read {
                Ok(n) if n > 0 => {
                    let mut state = shared.lock();
                    let outputs = state.server.feed(id, &buffer[..n]);
                    if !state.carry_out(outputs) {
                        shared.shutdown.notify_one();
                    }
                }
                _ => break,
            },
        }
    }
    let mut state = shared.lock();
    state.writers.remove(&id);
    state.server.closed(id);
}
