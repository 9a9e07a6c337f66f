//! F4 net: a node on the network: sockets, connections, and the processes' signals over them.
//! Imports: base, term, process, dist.
//!
//! One OS thread per named node runs a current-thread tokio runtime with the listener, the dials, epmd and a task per
//! connection that reads. Writing is done by whoever sends. What the protocol means is in `dist`, what a signal means
//! in `process`; here the two are joined.
//!
//! Who does what
//!  1 a process sends to another node: `outward` says it on the connection, or holds it and asks for one (`Dial`)
//!  2 the network thread dials (`dial`), or accepts (`listen`); either becomes a task of `link` with its handshake
//!  3 up: the table entry holds the connection, what was held goes out, `nodeup` is told
//!  4 bytes come: the task decodes, `inward` makes signals of them, the task delivers them
//!  5 down: the table entry goes, the ledger's losses are delivered, then `nodedown` is told
//!
//! Locks: `remotes`, then a remote's `state`; `nodes`, `connections`, `waiting` and `watch` are leaves. No process is
//! given a signal under any of them.
//! All of the table of nodes (`nodes`) is changed on the network thread only, so its decisions need no other order.

pub(crate) mod config;
mod context;
mod dial;
mod epmd;
mod epmd_server;
pub(crate) mod event;
mod identity;
mod inward;
mod kernel;
mod ledger;
mod link;
mod listen;
mod outward;
mod remote;
mod start;
pub(crate) mod watch;

pub(crate) use start::{Prepared, Running, start};

use crate::base::clock::Clock;
use crate::dist::connection::{DownReason, Settings};
use crate::dist::flags::{Flags, Offer};
use crate::dist::handshake::{Framing, Identity, Setup};
use crate::dist::name::{NameKind, NodeName};
use crate::dist::nodes::{ConnectionId, Nodes};
use crate::process::system::System;
use crate::term::{Atom, NodeId};
use config::{ConnectError, NetConfig};
use event::NodeEvent;
use remote::{Remote, State};
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use watch::Watch;

/// Work for the network thread.
pub(crate) enum Command {
    /// The node is ready for others.
    Open,
    /// A process waits for this node.
    Dial(Atom),
    /// Somebody outside does; he is told what came of it.
    Connect(Atom, Waiter),
    /// End the connection, if there is one.
    Disconnect(Atom),
    /// Too much waits for this node: on this connection, or for there to be one.
    QueueFull(Atom, Option<ConnectionId>),
    /// A message for this node was dropped.
    Unsendable(Atom, String),
    /// The node stops.
    Stop,
}

/// Somebody outside who waits for a connection.
type Waiter = Sender<Result<(), ConnectError>>;

/// A connection, by its number.
enum Entry {
    /// Its handshake is under way; notifying gives it up.
    Attempt(Arc<Notify>),
    Up(Arc<Remote>),
}

/// The network side of one node.
pub(crate) struct Net {
    pub(crate) name: NodeName,
    pub(crate) kind: NameKind,
    pub(crate) creation: u32,
    atom: Atom,
    home: NodeId,
    system: Weak<System>,
    clock: Clock,
    config: NetConfig,
    epmd_port: u16,
    commands: UnboundedSender<Command>,
    remotes: RwLock<HashMap<Atom, Arc<Remote>>>,
    nodes: Mutex<Nodes>,
    connections: Mutex<HashMap<ConnectionId, Entry>>,
    waiting: Mutex<HashMap<NodeName, Vec<Waiter>>>,
    watch: Mutex<Watch>,
    /// Accepted connections in their handshake. Relaxed: a count for a limit, changed on the network thread only.
    handshakes: AtomicUsize,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics half-way through a change under these locks.
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Net {
    fn now_ms(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }

    /// To the network thread; lost if that has ended, as everything then is.
    pub(crate) fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    fn report(&self, event: &NodeEvent) {
        event::tell(self.config.hook.as_ref(), event);
    }

    /// The entry of a node. `None`: there is none and none is wanted, or its name is not one to dial.
    fn remote(&self, node: Atom, connect: bool) -> Option<Arc<Remote>> {
        let known = self.remotes.read().unwrap_or_else(PoisonError::into_inner).get(&node).cloned();
        if known.is_some() || !connect || self.commands.is_closed() {
            return known;
        }
        let name = self.dialable(node.as_str()).ok()?;
        let mut map = self.remotes.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = false;
        let remote = map
            .entry(node)
            .or_insert_with(|| {
                new = true;
                Arc::new(Remote::new(name, node))
            })
            .clone();
        drop(map);
        if new {
            self.command(Command::Dial(node));
        }
        Some(remote)
    }

    fn dialable(&self, text: &str) -> Result<NodeName, ConnectError> {
        let name = NodeName::new(text).map_err(ConnectError::Name)?;
        name.check_kind(self.kind).map_err(ConnectError::Name)?;
        Ok(name)
    }

    /// Takes a node's entry out of the table, whatever state it is in.
    fn take_entry(&self, node: Atom) -> Option<(Arc<Remote>, State)> {
        let remote = self.remotes.write().unwrap_or_else(PoisonError::into_inner).remove(&node)?;
        let state = std::mem::replace(&mut *remote.lock(), State::Gone);
        Some((remote, state))
    }

    fn settings(&self) -> Option<Settings> {
        let mut challenge = [0; 4];
        getrandom::fill(&mut challenge).ok()?;
        let offer = Offer { visible: self.config.visible, ..Offer::default() };
        let setup = Setup {
            identity: Identity::Named(self.name.clone(), self.creation),
            flags: offer.flags(),
            mandatory: Flags::OUR_MANDATORY,
            framing: Framing::Tcp,
            challenge: u32::from_be_bytes(challenge),
        };
        Some(Settings {
            tick: self.config.tick,
            setup_ms: self.config.setup_ms,
            busy_limit: self.config.busy_limit,
            ..Settings::new(setup, self.home)
        })
    }

    /// Those who wait for a connection hear what came of it.
    fn tell_waiting(&self, name: &NodeName, outcome: &Result<(), ConnectError>) {
        for who in lock(&self.waiting).remove(name).unwrap_or_default() {
            // One who has given up waiting needs no answer.
            let _ = who.send(outcome.clone());
        }
    }

    /// Gives an attempt up, or takes a connection down.
    fn drop_connection(self: &Arc<Self>, system: &System, id: ConnectionId) {
        let found = match lock(&self.connections).get(&id) {
            None => return,
            Some(Entry::Attempt(notify)) => {
                notify.notify_one();
                None
            }
            Some(Entry::Up(remote)) => Some(remote.clone()),
        };
        if let Some(remote) = found {
            self.take_down(system, &remote, id, DownReason::Disconnect);
        }
    }

    /// The nodes of the table.
    fn table(&self) -> MutexGuard<'_, Nodes> {
        lock(&self.nodes)
    }
}
