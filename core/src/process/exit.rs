//! The end of a process, and what exit signals do.
//! Imports: term, sched, slot, signal, system, guest, body, call.
//!
//! Exit protocol (only the holder of the scheduling right runs it):
//!  1 mark exiting
//!  2 close the inbox: late senders see `CLOSED` and drop, or are answered `noproc`
//!  3 release the name, then tables and ports: whoever hears of the death may take them at once
//!  4 finish hooks, body and state, if no thread runs its code; if one does, wait at most `cleanup_ms` for it
//!  5 announce: links get exit signals, monitors `DOWN`, open calls their failure, what lay unread in the inbox its
//!    answer
//!  6 if the code never came back it is an orphan: its body is left with its thread, its results are dropped
//!  7 the slot is clean and free; the next process there has another serial

use super::body::{self, Body};
use super::call;
use super::exit_state::MustEnd;
use super::guest::{GuestState, Orphan};
use super::inbox::Link as _;
use super::link_state;
use super::message::{Down, ExitMessage, Message, Monitored};
use super::signal::{self, ExitCause, Node, Signal};
use super::slot::{Own, Slot};
use super::system::System;
use crate::sched::task::{After, Lane, Priority};
use crate::term::{NodeId, Pid, Term, atoms};
use std::ptr::null_mut;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering::Relaxed;

/// The process must end with `reason`, unless it must end already.
pub(crate) fn set_pending(own: &mut Own, reason: Term) {
    if own.pending.is_none() {
        own.pending = Some(reason);
    }
}

/// An exit signal has arrived. Source: OTP reference manual, processes, "Receiving exit signals"; C2.32-33.
pub(crate) fn arrived(slot: &Slot, own: &mut Own, from: Pid, cause: ExitCause, reason: Term) {
    if cause != ExitCause::Exit2 {
        if !own.links.update(from, link_state::exit_arrived) {
            return;
        }
    } else if reason == Term::from(atoms::KILL) {
        // The one signal that nothing stops; its trace to others is `killed`, which can be trapped.
        return set_pending(own, Term::from(atoms::KILLED));
    }
    if own.trap_exit {
        let m = Message::Exit(ExitMessage { from, reason });
        let node = signal::make(slot.serial.load(Relaxed), Signal::Message(m));
        // SAFETY: a fresh node that carries a message.
        unsafe { own.queue.push(node) };
    } else if reason != Term::from(atoms::NORMAL) || (cause == ExitCause::Exit2 && from == slot.pid()) {
        set_pending(own, reason);
    }
}

/// Steps 1 to 7 for a process no thread runs code of. The seat's deferred chain must have been published.
pub(crate) fn terminate(slot: &Slot, own: &mut Own) {
    let system = slot.system();
    let pid = slot.pid();
    let reason = own.pending.take().unwrap_or_else(|| Term::from(atoms::NORMAL));
    let unread = if own.exiting { null_mut() } else { first_half(slot, own) };
    run_hooks(take_hooks(own), &reason);
    body::finish(std::mem::replace(&mut own.body, Body::None), &reason); // 4
    announce(system, own, pid, &reason); // 5
    answer_unread(slot, own, unread);
    clean(slot, own); // 7
}

fn take_hooks(own: &mut Own) -> Vec<body::Hook> {
    own.cold.as_mut().map(|c| std::mem::take(&mut c.hooks)).unwrap_or_default()
}

/// Steps 1 to 3; returns what was left in the inbox.
fn first_half(slot: &Slot, own: &mut Own) -> *mut Node {
    own.exiting = true; // 1
    let unread = slot.inbox.close(); // 2
    let system = slot.system();
    let pid = slot.pid();
    free_names(slot, own, unread); // 3
    if let Some(all) = system.owned.get() {
        all.iter().for_each(|o| o.release(pid));
    }
    unread
}

/// The name the process has noted, and those whose notes it has not read.
fn free_names(slot: &Slot, own: &Own, unread: *mut Node) {
    let (names, pid) = (&slot.system().names, slot.pid());
    let of = |s: &Signal| if let Signal::Info(request) = s { request.name() } else { None };
    if let Some(c) = own.cold.as_deref() {
        c.name.into_iter().chain(c.late.iter().filter_map(of)).for_each(|n| _ = names.remove(n, pid));
    }
    let mut node = unread;
    while !node.is_null() {
        // SAFETY: taken from the inbox at its closing, so ours.
        let n = unsafe { &*node };
        if let Some(name) = of(&n.signal).filter(|_| n.serial == pid.serial) {
            names.remove(name, pid);
        }
        node = n.next;
    }
}

pub(crate) fn run_hooks(hooks: Vec<body::Hook>, reason: &Term) {
    // Last registered first, as scopes close.
    for hook in hooks.into_iter().rev() {
        // A hook's panic has nowhere to go: the process is ending with another reason already.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hook(reason)));
    }
}

/// The end of a process that has a guest: what has to be done now, `exit_state` says.
pub(crate) fn end_guest(slot: &Slot, own: &mut Own, mut guard: MutexGuard<'_, GuestState>) -> After {
    let system = slot.system();
    let now = system.shared.clock.now_ns();
    let step = guard.exit.must_end(now, system.config.cleanup_ms.saturating_mul(1_000_000));
    if let Some(g) = &own.guest {
        g.arrived.notify_all();
    }
    match step {
        MustEnd::Finish { .. } => {
            drop(guard);
            terminate(slot, own);
        }
        MustEnd::Begin { until } => {
            let unread = first_half(slot, own);
            // What lay unread is answered at once: its senders need not wait for foreign code.
            answer_unread(slot, own, unread);
            guard.exit.armed(system.timers.cleanup_at(slot, until));
        }
        MustEnd::Wait { until } => guard.exit.armed(system.timers.cleanup_at(slot, until)),
        MustEnd::Abandon => {
            // 6
            let pid = slot.pid();
            let reason = own.pending.take().unwrap_or_else(|| Term::from(atoms::KILLED));
            let count = system.counters.orphans.clone();
            count.left();
            system.counters.orphans_ever.fetch_add(1, Relaxed);
            let body = std::mem::replace(&mut own.body, Body::None);
            let fiber = matches!(body, Body::Fiber(_));
            guard.exit.orphaned(Orphan { body, hooks: take_hooks(own), reason: reason.clone(), count });
            drop(guard);
            if let Some(g) = own.guest.clone().filter(|_| fiber) {
                // Only its own thread may unwind it, when it comes free.
                let pin = slot.task.pin.load(Relaxed);
                system.shared.leave_chore(pin, Box::new(move || super::run::unwind_orphan(&g)));
            }
            announce(system, own, pid, &reason);
            clean(slot, own);
        }
    }
    After::Gone
}

/// Step 5.
fn announce(system: &System, own: &mut Own, pid: Pid, reason: &Term) {
    own.links.drain(|peer, _| {
        // A link being undone is announced too: the peer may not have heard of the undoing, and ignores it if so.
        system.signal(peer, Signal::Exit { from: pid, cause: ExitCause::Link, reason: reason.clone() });
    });
    let Some(mut r) = own.relations.take() else { return };
    r.monitored_by.drain(|reference, by| {
        system.signal(by.from, Signal::Down(Box::new(Down::of(reference, pid, reason.clone()))));
    });
    r.monitors.drain(|reference, m| {
        super::monitor::release(system, pid, reference, &m);
    });
    call::fail_all(system, &mut r, reason);
}

/// Step 7.
fn clean(slot: &Slot, own: &mut Own) {
    own.queue.clear(|m| {
        if let Message::Call(c) = m {
            c.forget();
        }
    });
    own.links = super::relations::SmallMap::new();
    own.relations = None;
    own.cold = None;
    own.origin = None;
    own.guest = None;
    own.pending = None;
    own.reductions = 0;
    own.deadline = u64::MAX;
    own.armed = u64::MAX;
    own.trap_exit = false;
    own.exiting = false;
    own.slow_declared = false;
    own.quick = 0;
    own.priority = Priority::Normal;
    slot.task.priority.store(Priority::Normal as u8, Relaxed);
    slot.task.lane.store(Lane::Seat as u8, Relaxed);
    slot.task.pin.store(0, Relaxed);
    slot.system().table.give(slot);
}

/// Answers signals nobody will read: those that came after the fatal exit, then what was left in the inbox.
fn answer_unread(slot: &Slot, own: &mut Own, mut node: *mut Node) {
    let pid = slot.pid();
    for signal in own.cold.as_mut().map(|c| std::mem::take(&mut c.late)).unwrap_or_default() {
        answer_for_nobody(slot.system(), pid, signal);
    }
    while !node.is_null() {
        // SAFETY: taken from the inbox at its closing, so ours.
        unsafe {
            let next = Node::next(node);
            let to = Pid { serial: (*node).serial, ..pid };
            answer_for_nobody(slot.system(), to, signal::open(node));
            node = next;
        }
    }
}

/// A signal for a process that does not exist: monitors, links and calls hear `noproc`, the rest is silence.
pub(crate) fn answer_for_nobody(system: &System, to: Pid, signal: Signal) {
    answer(system, to, signal, Term::from(atoms::NOPROC));
}

/// The same for a process or a name of a node we have no connection to.
pub(crate) fn answer_noconnection(system: &System, to: Monitored, signal: Signal) {
    let to = match to {
        Monitored::Pid(p) => p,
        // What is answered to a signal for a name has its own record of the name.
        Monitored::Name(..) => Pid { node: NodeId::LOCAL_NONE, number: 0, serial: 0 },
    };
    answer(system, to, signal, Term::from(atoms::NOCONNECTION));
}

fn answer(system: &System, to: Pid, signal: Signal, reason: Term) {
    match signal {
        Signal::Link { from } => {
            system.signal(from, Signal::Exit { from: to, cause: ExitCause::NoProc, reason });
        }
        Signal::Monitor { from, reference, .. } => {
            system.signal(from, Signal::Down(Box::new(Down::of(reference, to, reason))));
        }
        Signal::Unlink { from, id } => {
            system.signal(from, Signal::UnlinkAck { from: to, id });
        }
        Signal::Message(Message::Call(c)) => c.fail(system, reason),
        Signal::Info(request) => request.nobody(system, to),
        _ => {}
    }
}
