//! Signals that come: from control messages to the process room's records.
//! Imports: term, process, dist, ledger, remote.
//!
//! Runs under the connection's lock, makes the ledger's entries and lists what is to be delivered when the lock is
//! given back. A receiver of an earlier life of this node is no more: links and monitors hear `noproc`, the rest is
//! silence. So does one that a hostile peer has made up: it names a process that does not exist.

use super::ledger::Incoming;
use super::remote::Link;
use crate::dist::control::{Control, Destination, Target};
use crate::process::message::{Down, Message};
use crate::process::signal::{ExitCause, Signal};
use crate::process::system::System;
use crate::term::{Pid, Ref, Term, atoms};

/// Something for a process of ours.
pub(super) type Delivery = (Pid, Signal);

/// What came is not served: a request to spawn.
pub(super) struct NotServed;

/// Applies a control message to the connection, and lists what our processes get of it.
pub(super) fn arrived(
    system: &System,
    link: &mut Link,
    control: Control,
    out: &mut Vec<Delivery>,
) -> Result<(), NotServed> {
    let ours = |p: &Pid| p.node == system.id;
    let text = |t: Term| Signal::Message(Message::Term(t));
    match control {
        Control::Send { to, message, .. } if ours(&to) => out.push((to, text(message))),
        Control::RegSend { to, message, .. } => {
            if let Some(pid) = system.names.whereis(to) {
                out.push((pid, text(message)));
            }
        }
        Control::AliasSend { to, message, .. } => alias(system, to, message, out),
        Control::Link { from, to } if ours(&to) => {
            link.ledger.link_arrived(to, from);
            out.push((to, Signal::Link { from }));
        }
        Control::Link { from, to } => {
            say(link, to, Control::Exit { from: to, to: from, reason: atoms::NOPROC.into(), token: None });
        }
        Control::Unlink { from, to, id } if ours(&to) => {
            link.ledger.unlink_arrived(to, from);
            out.push((to, Signal::Unlink { from, id: id.unwrap_or(0) }));
        }
        Control::Unlink { from, to, id: Some(id) } => say(link, to, Control::UnlinkAck { from: to, to: from, id }),
        Control::UnlinkAck { from, to, id } if ours(&to) => {
            link.ledger.ack_arrived(to, from, id);
            out.push((to, Signal::UnlinkAck { from, id }));
        }
        Control::Exit { from, to, reason, .. } if ours(&to) => {
            link.ledger.unlinked(to, from);
            out.push((to, Signal::Exit { from, cause: ExitCause::Link, reason }));
        }
        Control::Exit2 { from, to, reason, .. } if ours(&to) => {
            out.push((to, Signal::Exit { from, cause: ExitCause::Exit2, reason }));
        }
        Control::GroupLeader { leader, member } if ours(&member) => out.push((member, Signal::GroupLeader(leader))),
        Control::Monitor { from, target, reference } => {
            let (pid, name) = match target {
                Target::Pid(p) => (Some(p).filter(ours), None),
                Target::Name(n) => (system.names.whereis(n), Some(n)),
            };
            let Some(pid) = pid else {
                let reason = atoms::NOPROC.into();
                let answer = Control::MonitorExit { from: target, to: from, reference, reason };
                say_for(link, None, answer);
                return Ok(());
            };
            if let Some(before) = link.ledger.monitor_arrived(reference, Incoming { watcher: from, pid, name }) {
                out.push((before, Signal::Demonitor { reference }));
            }
            out.push((pid, Signal::Monitor { from, reference, name }));
        }
        Control::Demonitor { reference, .. } => {
            if let Some(m) = link.ledger.watched_ends(&reference) {
                out.push((m.pid, Signal::Demonitor { reference }));
            }
        }
        Control::MonitorExit { from, to, reference, reason } => {
            if link.ledger.monitor_fires(&reference, to) {
                // The record of the monitor knows what it was set upon.
                let object = if let Target::Pid(p) = from { p } else { to };
                out.push((to, Signal::Down(Box::new(Down::of(reference, object, reason)))));
            }
        }
        Control::AltSignal { exit, from, to, message, .. } => {
            let pid = match to {
                Destination::Pid(p) => Some(p).filter(ours),
                Destination::Name(n) => system.names.whereis(n),
                Destination::Alias(r) if !exit => {
                    alias(system, r, message, out);
                    return Ok(());
                }
                Destination::Alias(_) => None,
            };
            if let Some(pid) = pid {
                let exits = |reason| Signal::Exit { from, cause: ExitCause::Exit2, reason };
                out.push((pid, if exit { exits(message) } else { text(message) }));
            }
        }
        Control::SpawnRequest(_) => return Err(NotServed),
        // For processes of an earlier life, and answers to requests that are never made.
        Control::Send { .. }
        | Control::Unlink { .. }
        | Control::UnlinkAck { .. }
        | Control::Exit { .. }
        | Control::Exit2 { .. }
        | Control::GroupLeader { .. }
        | Control::SpawnReply { .. } => {}
    }
    Ok(())
}

fn alias(system: &System, to: Ref, message: Term, out: &mut Vec<Delivery>) {
    if let Some(pid) = system.owner_of_alias(&to) {
        out.push((pid, Signal::Alias(to, message)));
    }
}

fn say(link: &mut Link, from: Pid, control: Control) {
    say_for(link, Some(from), control);
}

fn say_for(link: &mut Link, from: Option<Pid>, control: Control) {
    // It can be said: the peer has just said its counterpart.
    let _ = link.connection.send(from, control);
}
