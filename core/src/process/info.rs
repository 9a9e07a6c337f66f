//! What can be known about a process and a node. Source: OTP `process_info/1,2`, `processes/0`,
//! `system_info/1`.
//! Imports: term, slot, system, signal, guest.
//!
//! Only the owner can say; so a question is a signal, and its answer comes through a channel (for threads outside)
//! or as a message (for processes). A process asks about itself directly.

use super::context::Context;
use super::core::Core;
use super::guest::OrphanCount;
use super::message::{Message, Monitored};
use super::signal::Signal;
use super::slot::{Own, Slot};
use super::system::System;
use crate::sched::task::Priority;
use crate::term::{Atom, Pid, Ref, Term};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// A process as it was when it answered.
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: Pid,
    /// Its registered name.
    pub registered_name: Option<Atom>,
    /// Messages waiting, and what they are (only when asked for).
    pub message_queue_len: usize,
    /// The messages, if asked for.
    pub messages: Option<Vec<Term>>,
    /// Linked processes.
    pub links: Vec<Pid>,
    /// Its monitors.
    pub monitors: Vec<Monitored>,
    /// Who monitors it (callers that wait for its reply among them).
    pub monitored_by: Vec<Pid>,
    /// Whether it traps exits.
    pub trap_exit: bool,
    /// Its priority.
    pub priority: Priority,
    /// Its group leader.
    pub group_leader: Pid,
    /// Who spawned it.
    pub parent: Pid,
    /// Work charged so far.
    pub reductions: u64,
    /// Module, function, arity of the initial call, if known.
    pub initial_call: Option<(Atom, Atom, u8)>,
    /// Its label.
    pub label: Option<Term>,
    /// Its dictionary.
    pub dictionary: Vec<(Term, Term)>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether it runs on the slow lane.
    pub slow: bool,
    /// The process whose code holds the thread where this one's fiber is parked.
    pub blocked_behind: Option<Pid>,
}

/// A question to a process.
pub(crate) struct InfoRequest {
    what: What,
}

enum What {
    /// Everything, with messages or without.
    All(bool, SyncSender<ProcessInfo>),
    /// As a message `{Ref, Info}` through a closure that makes the term.
    Notify(Pid, Ref, fn(Option<&ProcessInfo>) -> Term),
    /// You have been given this name.
    Named(Atom),
}

impl InfoRequest {
    pub fn named(name: Atom) -> Self {
        Self { what: What::Named(name) }
    }

    /// The name that the process is to note.
    pub fn name(&self) -> Option<Atom> {
        if let What::Named(name) = self.what { Some(name) } else { None }
    }

    /// The process is gone: a dropped sender tells the asker, and a name it never noted is free again.
    pub fn nobody(self, system: &System, pid: Pid) {
        if let What::Named(name) = self.what {
            system.names.remove(name, pid);
        }
    }
}

/// Counts of a node.
#[derive(Default)]
pub(crate) struct Counters {
    pub orphans: OrphanCount,
    /// Relaxed, as all counts here: nothing hangs on them.
    pub orphans_ever: AtomicU64,
    pub long_schedules: AtomicU64,
}

pub(crate) fn send(system: &System, to: Pid, request: InfoRequest) {
    system.signal(to, Signal::Info(Box::new(request)));
}

/// The owner answers.
pub(crate) fn answer(slot: &Slot, own: &mut Own, request: InfoRequest) {
    match request.what {
        What::All(messages, tx) => {
            let _ = tx.try_send(describe(slot, own, messages));
        }
        What::Notify(to, reference, make) => {
            let term = make(Some(&describe(slot, own, false)));
            let m = Message::Term(Term::tuple([reference.into(), term]));
            slot.system().signal(to, Signal::Message(m));
        }
        What::Named(name) => {
            if slot.system().names.whereis(name) == Some(slot.pid()) {
                own.cold().name = Some(name);
            }
        }
    }
}

fn describe(slot: &Slot, own: &mut Own, with_messages: bool) -> ProcessInfo {
    let mut messages = None;
    if with_messages {
        let mut all = Vec::with_capacity(own.queue.len);
        own.queue.for_each(|m| all.push(m.as_term().into_owned()));
        messages = Some(all);
    }
    let r = own.relations.as_deref();
    let mut monitored_by: Vec<Pid> =
        r.map(|r| r.monitored_by.entries().iter().map(|(_, m)| m.from).collect()).unwrap_or_default();
    monitored_by.extend(r.map(|r| r.calls.callers()).unwrap_or_default().iter().map(|(_, p)| *p));
    let cold = own.cold.as_deref();
    ProcessInfo {
        pid: slot.pid(),
        // Another process may have unregistered it meanwhile: the table of names knows.
        registered_name: cold.and_then(|c| c.name).filter(|n| slot.system().names.whereis(*n) == Some(slot.pid())),
        message_queue_len: own.queue.len,
        messages,
        links: own.links.entries().iter().filter(|(_, l)| l.unlinking == 0).map(|(p, _)| **p).collect(),
        monitors: r.map(|r| r.monitors.entries().iter().map(|(_, m)| m.target).collect()).unwrap_or_default(),
        monitored_by,
        trap_exit: own.trap_exit,
        priority: own.priority,
        group_leader: own.group_leader,
        parent: own.parent,
        reductions: own.reductions,
        initial_call: cold.and_then(|c| c.initial_call),
        label: cold.and_then(|c| c.label.clone()),
        dictionary: super::flags::dictionary_of(own),
        suspended: own.is_suspended(),
        slow: slot.task.lane() == crate::sched::task::Lane::Slow,
        blocked_behind: blocked_behind(slot),
    }
}

fn blocked_behind(slot: &Slot) -> Option<Pid> {
    let hog = slot.system().shared.holder_of(slot.task.pin.load(Relaxed))?;
    // SAFETY: tasks are the first field of slots, which are never unmapped.
    let pid = unsafe { (*hog.cast::<Slot>()).pid() };
    (pid != slot.pid()).then_some(pid)
}

impl Context {
    /// The name of the calling process. Source: OTP `process_info(self(), registered_name)`.
    pub fn registered_name(&mut self) -> Option<Atom> {
        Core::enter(self).ok()?.own().cold.as_ref()?.name
    }

    /// Work charged to the calling process so far. Source: OTP `process_info(self(), reductions)`.
    pub fn reductions(&mut self) -> u64 {
        Core::enter(self).map_or(0, |mut c| c.own().reductions)
    }

    /// The name of the node. Source: OTP `node/0`.
    pub fn node_name(&self) -> Atom {
        self.pid.node.name()
    }

    /// Milliseconds on the node's clock. Source: OTP `erlang:monotonic_time(millisecond)`.
    pub fn monotonic_ms(&self) -> u64 {
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        unsafe { (*self.slot).system() }.shared.clock.now_ns() / 1_000_000
    }

    /// The node's value of a type that a floor above keeps; made if there is none.
    pub(crate) fn room<T: std::any::Any + Send + Sync + Default>(&self) -> std::sync::Arc<T> {
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        unsafe { (*self.slot).system() }.rooms.get()
    }

    /// The same, if anybody has asked for one.
    pub(crate) fn find_room<T: std::any::Any + Send + Sync>(&self) -> Option<std::sync::Arc<T>> {
        // SAFETY: as in `room`.
        unsafe { (*self.slot).system() }.rooms.find()
    }

    /// What is known about the calling process itself. Source: OTP `process_info(self())`.
    pub fn info(&mut self) -> Option<ProcessInfo> {
        let mut core = Core::enter(self).ok()?;
        core.flush();
        core.drain();
        let slot = core.slot;
        Some(describe(slot, core.own(), true))
    }

    /// Asks for a process's registered name, queue length and the like; the answer comes as `{Ref, Info}` where
    /// `Info` is what `make` makes of it, or never if there is no such process (monitor it).
    pub fn request_info(&mut self, pid: Pid, make: fn(Option<&ProcessInfo>) -> Term) -> Ref {
        let r = self.make_ref();
        if let Ok(mut core) = Core::act(self) {
            core.flush();
            let me = core.pid;
            send(core.system(), pid, InfoRequest { what: What::Notify(me, r, make) });
        }
        r
    }
}

impl System {
    /// Asks a process from outside; blocks the calling thread for at most `patience`. `None`: there is no such
    /// process, or it did not answer.
    pub fn process_info(&self, pid: Pid, with_messages: bool, patience: Duration) -> Option<ProcessInfo> {
        self.ask_info(pid, with_messages).recv_timeout(patience).ok()
    }

    /// The question without the wait, for a node that is driven by hand.
    pub fn ask_info(&self, pid: Pid, with_messages: bool) -> Receiver<ProcessInfo> {
        let (tx, rx) = sync_channel(1);
        self.enter(|| send(self, pid, InfoRequest { what: What::All(with_messages, tx) }));
        rx
    }

    /// Whether a process lives.
    pub fn is_alive(&self, pid: Pid) -> bool {
        pid.node == self.id && self.find(pid).is_some_and(|s| !s.inbox.is_closed())
    }

    /// Every living process. Source: OTP `processes/0`.
    pub fn processes(&self) -> Vec<Pid> {
        (0..self.table.made())
            .filter_map(|n| self.table.slot(n))
            .filter(|s| !s.inbox.is_closed())
            .map(Slot::pid)
            .collect()
    }
}
