//! One connection's task: the handshake, then reading until the end.
//! Imports: term, process, dist, remote, inward, outward.

use super::config::ConnectError;
use super::event::NodeEvent;
use super::inward::{self, Delivery};
use super::ledger::Ledger;
use super::listen::InHandshake;
use super::remote::{Link, Pump, Remote, State, pump};
use super::{Entry, Net, lock};
use crate::dist::connection::{Connection, DownReason, Event};
use crate::dist::handshake::{Peer, Refusal};
use crate::dist::name::NodeName;
use crate::dist::nodes::{ConnectionId, News};
use crate::process::signal::Signal;
use crate::process::system::System;
use crate::term::Atom;
use std::collections::HashSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Control messages that are decoded under the lock at once.
const BATCH: usize = 128;
/// Room for what is read at once.
const READ: usize = 32 << 10;
/// How long an ended connection may take to write what is left.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a connection came about.
pub(super) enum Origin {
    Dialled(NodeName),
    Accepted(SocketAddr, #[expect(dead_code, reason = "counted while it lives")] InHandshake),
}

/// Drives a connection from its first byte to its end.
pub(super) async fn run(
    net: Arc<Net>,
    stream: TcpStream,
    id: ConnectionId,
    connection: Connection,
    given_up: Arc<Notify>,
    origin: Origin,
) {
    // Without it small messages would wait for acknowledgements; a socket that refuses is about to fail anyway.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let write = Arc::new(write);
    let mut name = match &origin {
        Origin::Dialled(name) => Some(name.clone()),
        Origin::Accepted(..) => None,
    };
    match handshake(&net, &read, &write, id, connection, &given_up, &mut name).await {
        Ok((connection, peer)) => {
            // The handshake counts no more.
            drop(origin);
            if let Some(remote) = come_up(&net, id, connection, peer, write.clone()) {
                serve(&net, &remote, id, read, &write).await;
            }
        }
        Err((mut connection, reason)) => {
            last_words(&net, &mut connection, &write).await;
            if let Origin::Accepted(from, _) = origin {
                net.report(&NodeEvent::Refused { from, reason: reason.clone() });
            }
            attempt_ended(&net, id, name, &ConnectError::Refused(reason));
        }
    }
}

type Failed = (Connection, DownReason);

async fn handshake(
    net: &Arc<Net>,
    read: &OwnedReadHalf,
    write: &OwnedWriteHalf,
    id: ConnectionId,
    mut c: Connection,
    given_up: &Notify,
    name: &mut Option<NodeName>,
) -> Result<(Connection, Peer), Failed> {
    loop {
        while let Some(event) = c.next_event(net.now_ms()) {
            let now = net.now_ms();
            match event {
                Event::Ask(hello) => {
                    name.clone_from(&hello.name);
                    let mut random = [0; 8];
                    // Only a name that has to be made up uses it; two alike would be refused by the table.
                    let _ = getrandom::fill(&mut random);
                    let decision = net.table().hello(id, &hello, u64::from_be_bytes(random));
                    if let (Some(old), Some(system)) = (decision.drop, net.system.upgrade()) {
                        net.drop_connection(&system, old);
                    }
                    c.answer(decision.verdict, now);
                }
                Event::AskStillWanted => {
                    let wanted = net.table().still_wanted(id);
                    c.still_wanted(wanted, now);
                }
                Event::DropOld => {
                    let old = net.table().drop_old(id);
                    if let (Some(old), Some(system)) = (old, net.system.upgrade()) {
                        net.drop_connection(&system, old);
                    }
                }
                Event::Up(peer) => return Ok((c, peer)),
                Event::Down(reason) => return Err((c, reason)),
                // Not before it is up.
                Event::Control(_) => {}
            }
        }
        let full = pump(&mut c, write, net.now_ms()) == Pump::Full;
        let wait = c.deadline().unwrap_or(0).saturating_sub(net.now_ms());
        let mut buffer = [0; 4096];
        tokio::select! {
            ready = read.readable() => {
                let now = net.now_ms();
                match ready.and_then(|()| read.try_read(&mut buffer)) {
                    Ok(0) => c.closed(now),
                    Ok(n) => c.feed(&buffer[..n], now),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => c.closed(now),
                }
            }
            _ = write.writable(), if full => {}
            () = sleep(Duration::from_millis(wait)) => c.on_time(net.now_ms()),
            () = given_up.notified() => c.disconnect(),
        }
    }
}

/// Writes what is left, for a while.
async fn last_words(net: &Net, c: &mut Connection, write: &OwnedWriteHalf) {
    let all = async {
        while pump(c, write, net.now_ms()) == Pump::Full {
            if write.writable().await.is_err() {
                return;
            }
        }
    };
    // Whoever does not read in time does not want to know.
    let _ = timeout(LAST_WORDS, all).await;
}

/// An attempt has ended without a connection. Those who wait for the node hear of it, unless another attempt is on
/// its way: theirs toward us, or one that was begun meanwhile.
pub(super) fn attempt_ended(net: &Arc<Net>, id: ConnectionId, name: Option<NodeName>, error: &ConnectError) {
    let reason = match error {
        ConnectError::Refused(reason) => reason.clone(),
        _ => DownReason::Disconnect,
    };
    lock(&net.connections).remove(&id);
    // Of an attempt there is no news.
    let _ = net.table().down(id, reason);
    let Some(name) = name else { return };
    if matches!(error, ConnectError::Refused(DownReason::Setup(Refusal::NokByPeer))) {
        // The peer's own attempt will come, or fail for a reason that it knows.
        let (net, error) = (net.clone(), error.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(net.config.setup_ms)).await;
            unreachable(&net, &name, &error);
        });
        return;
    }
    unreachable(net, &name, error);
}

/// Those who wait for a node hear that it cannot be reached, if nothing is on its way any more.
pub(super) fn unreachable(net: &Arc<Net>, name: &NodeName, error: &ConnectError) {
    if net.table().is_known(name) {
        return;
    }
    net.tell_waiting(name, &Err(error.clone()));
    let Ok(atom) = Atom::new(name.as_str()) else { return };
    let Some(system) = net.system.upgrade() else { return };
    if let Some((_, State::Holding(held))) = net.take_entry(atom) {
        net.report(&NodeEvent::Unreachable { node: name.clone(), reason: error.to_string() });
        for h in held.signals {
            crate::process::exit::answer_noconnection(&system, h.to, h.signal);
        }
    }
    net.tell_nodedown_of(&system, atom);
}

/// The handshake is over: the connection takes its place in the table.
fn come_up(
    net: &Arc<Net>,
    id: ConnectionId,
    mut connection: Connection,
    peer: Peer,
    socket: Arc<OwnedWriteHalf>,
) -> Option<Arc<Remote>> {
    let system = net.system.upgrade()?;
    let atom = Atom::new(peer.name.as_str()).ok();
    let news = atom.and_then(|_| net.table().up(id, &peer));
    let (Some(atom), Some(News::Up(info))) = (atom, news) else {
        // It lost its place meanwhile.
        connection.disconnect();
        attempt_ended(net, id, Some(peer.name), &ConnectError::Refused(DownReason::Disconnect));
        return None;
    };
    let mut link = Box::new(Link {
        id,
        connection,
        negotiated: peer.negotiated,
        ledger: Ledger::default(),
        suspended: HashSet::new(),
        overflown: false,
        last_write: 0,
        task_writes: true,
        socket,
    });
    let mut map = net.remotes.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    let remote = map.entry(atom).or_insert_with(|| Arc::new(Remote::new(peer.name.clone(), atom))).clone();
    let unsaid = {
        let mut state = remote.lock();
        drop(map);
        let held = match std::mem::replace(&mut *state, State::Gone) {
            State::Holding(held) => held.signals,
            // The table of nodes has one connection per name.
            State::Up(_) | State::Gone => Vec::new(),
        };
        let unsaid = net.release(&mut link, held);
        *state = State::Up(link);
        remote.flags.store(peer.negotiated.0, Release);
        unsaid
    };
    lock(&net.connections).insert(id, Entry::Up(remote.clone()));
    net.finish_held(&system, &remote, unsaid);
    net.tell_waiting(&peer.name, &Ok(()));
    net.report(&NodeEvent::Up { node: peer.name, visible: info.visible });
    net.tell_up(&system, atom, &info);
    Some(remote)
}

/// What the task found under the lock.
enum Look {
    /// Another connection, or none.
    Replaced,
    Down(DownReason),
    /// There is more to decode.
    More,
    /// Nothing to do before the time.
    Wait {
        full: bool,
        ms: u64,
    },
}

async fn serve(
    net: &Arc<Net>,
    remote: &Arc<Remote>,
    id: ConnectionId,
    mut read: OwnedReadHalf,
    write: &OwnedWriteHalf,
) {
    let mut batch: Vec<Delivery> = Vec::new();
    let mut turns = 0_u32;
    loop {
        let Some(system) = net.system.upgrade() else { return };
        let look = look(net, &system, remote, id, &mut batch);
        for (to, signal) in batch.drain(..) {
            system.signal(to, signal);
        }
        match look {
            Look::Replaced => return,
            Look::Down(reason) => return net.take_down(&system, remote, id, reason),
            Look::More => {
                drop(system);
                turns += 1;
                if turns.is_multiple_of(16) {
                    // Other connections have their turn.
                    tokio::task::yield_now().await;
                }
            }
            Look::Wait { full, ms } => {
                drop(system);
                tokio::select! {
                    () = poll_fn(|cx| {
                        let mut state = remote.lock();
                        let Some(link) = state.up(id) else { return Poll::Ready(()) };
                        let Some(buffer) = link.connection.buffer_mut() else { return Poll::Ready(()) };
                        buffer.reserve(READ);
                        let polled = pin!(read.read_buf(buffer)).poll(cx);
                        let now = net.now_ms();
                        match polled {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(Ok(n)) if n > 0 => link.connection.fed(n, now),
                            Poll::Ready(_) => link.connection.closed(now),
                        }
                        Poll::Ready(())
                    }) => {}
                    _ = write.writable(), if full => {}
                    // Its senders may have more to say: what they say now costs no write of its own.
                    () = remote.poke.notified() => std::thread::yield_now(),
                    () = sleep(Duration::from_millis(ms)) => {}
                }
            }
        }
    }
}

fn look(net: &Net, system: &System, remote: &Remote, id: ConnectionId, batch: &mut Vec<Delivery>) -> Look {
    let mut refused = false;
    let mut resumed = HashSet::new();
    let found = {
        let mut state = remote.lock();
        let Some(link) = state.up(id) else { return Look::Replaced };
        let now = net.now_ms();
        link.connection.on_time(now);
        let mut more = false;
        let mut down = None;
        while let Some(event) = link.connection.next_event(now) {
            match event {
                Event::Control(control) => refused |= inward::arrived(system, link, control, batch).is_err(),
                Event::Down(reason) => {
                    down = Some(reason);
                    break;
                }
                // Questions of the handshake, which is over.
                _ => {}
            }
            if batch.len() >= BATCH {
                more = true;
                break;
            }
        }
        if let Some(reason) = down {
            Look::Down(reason)
        } else {
            if link.connection.output().next().is_some() {
                link.last_write = net.clock.now_ns();
            }
            let full = pump(&mut link.connection, &link.socket, now) == Pump::Full;
            link.task_writes = full;
            if link.connection.pending_bytes() <= net.config.busy_limit / 2 {
                resumed = std::mem::take(&mut link.suspended);
            }
            if more {
                Look::More
            } else {
                let ms = link.connection.deadline().map_or(u64::MAX / 2, |d| d.saturating_sub(now));
                Look::Wait { full, ms: ms.min(3_600_000) }
            }
        }
    };
    resume(system, resumed);
    if refused {
        net.report(&NodeEvent::SpawnRefused { node: remote.name.clone() });
    }
    found
}

fn resume(system: &System, suspended: HashSet<crate::term::Pid>) {
    for pid in suspended {
        system.signal(pid, Signal::Suspend(false));
    }
}

impl Net {
    /// A connection that was up has ended: its losses are delivered, then the news. On the network thread.
    pub(super) fn take_down(self: &Arc<Self>, system: &System, remote: &Remote, id: ConnectionId, reason: DownReason) {
        if remote.lock().up(id).is_none() {
            return;
        }
        remote.flags.store(0, Release);
        let Some((_, State::Up(link))) = self.take_entry(remote.atom) else { return };
        let Link { mut connection, ledger, suspended, socket, .. } = *link;
        for (to, signal) in ledger.lost() {
            system.signal(to, signal);
        }
        resume(system, suspended);
        lock(&self.connections).remove(&id);
        let news = self.table().down(id, reason.clone());
        self.report(&NodeEvent::Down { node: remote.name.clone(), reason: reason.clone() });
        if let Some(News::Down(info, reason)) = news {
            self.tell_down(system, remote.atom, &info, &reason);
        }
        self.tell_nodedown_of(system, remote.atom);
        // The task finds its connection gone; whoever was poked to write finds nothing.
        remote.poke.notify_one();
        connection.disconnect();
        let net = self.clone();
        tokio::spawn(async move { last_words(&net, &mut connection, &socket).await });
    }
}
