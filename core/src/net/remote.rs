//! One other node: what waits for a connection to it, or the connection.
//! Imports: term, process, dist.
//!
//! Anybody who sends takes the lock of `state`, says what is to be said and writes it to the socket himself; only what
//! the socket does not take is left to the network thread. The network thread takes it to read.
//!
//! Locks: `state` is held for codec work and one system call, and no process of ours is given anything under it, as its
//! answer may want the same lock (but for a suspension, which has none).
//! Invariant R1: `flags` is not 0 exactly while the state is `Up`, but for the moment of the change itself.

use super::ledger::Ledger;
use crate::dist::connection::Connection;
use crate::dist::flags::Flags;
use crate::dist::name::NodeName;
use crate::dist::nodes::ConnectionId;
use crate::process::message::Monitored;
use crate::process::signal::Signal;
use crate::term::{Atom, Pid};
use std::collections::HashSet;
use std::io::{ErrorKind, IoSlice};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// Signals that may wait for a connection.
pub(super) const MAX_HELD: usize = 100_000;

pub(super) struct Remote {
    pub name: NodeName,
    pub atom: Atom,
    /// What was negotiated, for who encodes without the lock. Released when the connection is up, acquired by senders.
    pub flags: AtomicU64,
    /// Wakes the connection's task.
    pub poke: Notify,
    state: Mutex<State>,
}

pub(super) enum State {
    /// A connection is being made.
    Holding(Holding),
    Up(Box<Link>),
    /// Not in the table any more: look there again.
    Gone,
}

/// What waits for the connection, in order.
#[derive(Default)]
pub(super) struct Holding {
    pub signals: Vec<Held>,
    /// The limit was met: nothing more is held, and the attempt will be given up.
    pub overflown: bool,
}

/// A signal that waits for the connection.
pub(super) struct Held {
    pub from: Option<Pid>,
    pub to: Monitored,
    pub signal: Signal,
}

/// A connection that is up.
pub(super) struct Link {
    pub id: ConnectionId,
    pub connection: Connection,
    pub negotiated: Flags,
    pub ledger: Ledger,
    /// Processes that were told to wait until the queue is shorter.
    pub suspended: HashSet<Pid>,
    /// The queue limit was met: the network thread has been told to take the connection down.
    pub overflown: bool,
    /// The task writes, or has been woken to: what is queued will go out.
    pub task_writes: bool,
    pub socket: Arc<OwnedWriteHalf>,
    /// When somebody last wrote, in ns.
    pub last_write: u64,
}

/// What became of an attempt to write all that is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pump {
    /// Nothing waits.
    Empty,
    /// The socket takes no more now.
    Full,
    /// The socket is broken; whoever reads it will see.
    Broken,
}

const SLICES: usize = 32;
/// A write costs some microseconds: messages that follow each other closer than this are not worth one each.
const FLOOD_NS: u64 = 20_000;

/// Writes what a connection has queued, as far as the socket takes it.
pub(super) fn pump(connection: &mut Connection, socket: &OwnedWriteHalf, now: u64) -> Pump {
    loop {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(connection.output()) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        if count == 0 {
            return Pump::Empty;
        }
        match socket.try_write_vectored(&slices[..count]) {
            Ok(0) => return Pump::Broken,
            Ok(n) => connection.wrote(n, now),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Pump::Full,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Pump::Broken,
        }
    }
}

impl Remote {
    pub fn new(name: NodeName, atom: Atom) -> Self {
        let (flags, poke) = (AtomicU64::new(0), Notify::new());
        Self { name, atom, flags, poke, state: Mutex::new(State::Holding(Holding::default())) }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets what has just been queued go out: by the caller if the socket takes it, else by the task. When the last
    /// write is only just over, the caller is one of a flood: the task then writes for many at once.
    pub fn send_off(&self, link: &mut Link, now_ns: u64) {
        if link.task_writes {
            return;
        }
        let flood = now_ns.saturating_sub(link.last_write) < FLOOD_NS;
        link.last_write = now_ns;
        if flood || pump(&mut link.connection, &link.socket, now_ns / 1_000_000) != Pump::Empty {
            link.task_writes = true;
            self.poke.notify_one();
        }
    }
}

impl State {
    /// The connection `id`, if it is still the one.
    pub fn up(&mut self, id: ConnectionId) -> Option<&mut Link> {
        match self {
            Self::Up(link) if link.id == id => Some(link),
            _ => None,
        }
    }
}
