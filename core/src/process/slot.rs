//! A process slot: type-stable memory with the inbox head inside, and what its owner owns.
//! Imports: sched, term, inbox, signal, queue, relations, body, guest.
//!
//! Invariant S1: slots are never unmapped while their node lives; senders may touch `task`, `inbox` and `serial`
//! of any slot at any time.
//! Invariant S2: `own` belongs to the holder of the scheduling right; once the process has a guest, to the
//! holder of the guest's lock.

use super::alias_state::AliasMode;
use super::body::Body;
use super::guest::Guest;
use super::inbox::Inbox;
use super::link_state::LinkState;
use super::queue::Queue;
use super::relations::SmallMap;
use super::signal::Node;
use super::system::System;
use crate::sched::task::{Priority, Task};
use crate::term::{Atom, Pid, Ref, Term};
use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

#[repr(C, align(64))]
pub(crate) struct Slot {
    pub task: Task,
    pub inbox: Inbox<Node>,
    /// Serial of the process that lives here (or lived here last). Written by spawn before `inbox.open`; a sender
    /// that reads an old value has lost the race against the death it would have been told of anyway.
    pub serial: AtomicU32,
    pub number: u32,
    pub system: *const System,
    pub own: UnsafeCell<Own>,
}

/// A monitor of ours.
pub(crate) struct MonitorState {
    pub target: super::message::Monitored,
    /// The pid it was resolved to, for the demonitor; a name on another node is resolved there and has none.
    pub pid: Option<Pid>,
    pub tag: Option<Term>,
}

/// Somebody's monitor of us.
pub(crate) struct MonitoredBy {
    pub from: Pid,
}

/// Monitors, aliases and open calls; made on first use.
#[derive(Default)]
pub(crate) struct Relations {
    pub monitors: SmallMap<Ref, MonitorState>,
    pub monitored_by: SmallMap<Ref, MonitoredBy>,
    pub aliases: SmallMap<Ref, AliasMode>,
    /// Calls we have received and not answered.
    pub calls: super::call::OpenCalls,
    /// Calls we have made and wait for, by reference (so that a term-shaped reply finds its record).
    pub waiting: SmallMap<Ref, Arc<super::call::CallRecord>>,
    pub next_unlink: u64,
}

impl Relations {
    /// Whether nothing would be lost without it.
    pub fn is_empty(&self) -> bool {
        let Self { monitors, monitored_by, aliases, calls, waiting, next_unlink } = self;
        monitors.is_empty()
            && monitored_by.is_empty()
            && aliases.is_empty()
            && calls.is_empty()
            && waiting.is_empty()
            && *next_unlink == 0
    }
}

/// What few processes have; made on first use.
#[derive(Default)]
pub(crate) struct Cold {
    pub dictionary: HashMap<Term, Term>,
    pub name: Option<Atom>,
    pub label: Option<Term>,
    pub initial_call: Option<(Atom, Atom, u8)>,
    pub limits: Limits,
    pub hooks: Vec<super::body::Hook>,
    /// The origin of the last child, for the next of the same kind.
    pub child_origin: Option<Arc<super::origin::Origin>>,
    pub suspended: u32,
    /// What has come after the exit that the process ends of, oldest first.
    pub late: Vec<super::signal::Signal>,
}

/// Limits of a process; 0: none.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub mailbox: usize,
}

/// What belongs to the owner.
pub(crate) struct Own {
    pub queue: Queue,
    pub body: Body,
    /// The process must end with this reason; acted upon at the next safe point.
    pub pending: Option<Term>,
    pub links: SmallMap<Pid, LinkState>,
    pub relations: Option<Box<Relations>>,
    pub cold: Option<Box<Cold>>,
    /// Ancestors and initial call, for processes started by the floors above.
    pub origin: Option<Arc<super::origin::Origin>>,
    pub guest: Option<Arc<Guest>>,
    pub parent: Pid,
    pub group_leader: Pid,
    pub reductions: u64,
    /// When the current receive gives up, in ns of the node's clock; `u64::MAX`: never. Lazily armed: `armed`
    /// is the earliest wake-up already in the wheel.
    pub deadline: u64,
    pub armed: u64,
    pub trap_exit: bool,
    pub exiting: bool,
    pub slow_declared: bool,
    /// Quick slices since the process was marked slow.
    pub quick: u8,
    /// Counts drains, so that a thread can see whether signals were applied while its callback ran.
    pub drained: u32,
    /// `reductions` when the slice began.
    pub slice_began: u64,
    pub priority: Priority,
}

impl Own {
    pub fn relations(&mut self) -> &mut Relations {
        self.relations.get_or_insert_default()
    }

    pub fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    pub fn is_suspended(&self) -> bool {
        self.cold.as_ref().is_some_and(|c| c.suspended > 0)
    }
}
