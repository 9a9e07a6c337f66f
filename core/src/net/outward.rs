//! Signals that leave: from the process room's records to control messages.
//! Imports: term, process, dist, system.
//!
//! A message is encoded on its sender's thread without any lock. All other signals are small; they are encoded under
//! the connection's lock, together with their entry in the ledger.
//!
//! Back-pressure: a process that sends a message while more than the busy limit waits is suspended (it finishes its
//! slice) until half of that is left. What others and attached threads send is queued, up to the queue limit; beyond
//! it the connection is closed with a report. Source: OTP `+zdbbl`, but for the last.

use super::ledger::{Incoming, Outgoing};
use super::remote::{Held, Link, MAX_HELD, Remote, State};
use super::{Command, Net};
use crate::dist::connection::{SendError, encode};
use crate::dist::control::{Control, Target};
use crate::dist::flags::Flags;
use crate::process::exit::{answer_for_nobody, answer_noconnection};
use crate::process::message::{Message, Monitored};
use crate::process::signal::{ExitCause, Signal};
use crate::process::system::{Router, System};
use crate::term::{Pid, Ref, Term};
use std::sync::atomic::Ordering::Acquire;

/// What is left to do when a signal has been carried, without the lock.
enum After {
    Nothing,
    /// It cannot be said to this peer: as if there were no connection.
    Refused(Signal),
    /// This answers it.
    Answered(Pid, Signal),
    /// A term of it cannot leave.
    Unsendable(String, Option<Signal>),
}

impl Router for Net {
    fn route(&self, system: &System, from: Option<Pid>, to: Monitored, mut signal: Signal) {
        let node = match to {
            Monitored::Pid(p) => p.node.name(),
            Monitored::Name(_, node) => node,
        };
        if node == self.atom {
            // A process of an earlier life of this node.
            return match to {
                Monitored::Pid(p) => answer_for_nobody(system, p, signal),
                Monitored::Name(..) => answer_noconnection(system, to, signal),
            };
        }
        loop {
            let Some(remote) = self.remote(node, connects(&signal)) else {
                return answer_noconnection(system, to, signal);
            };
            // Acquire pairs with the release of the connection's coming up.
            let flags = Flags(remote.flags.load(Acquire));
            if flags != Flags::NONE {
                match message(self.sender(from), to, signal) {
                    Ok(control) => return self.send_message(system, &remote, flags, from, control),
                    Err(other) => signal = other,
                }
            }
            match self.carry(system, &remote, from, to, signal) {
                Ok(()) => return,
                Err(again) => signal = again,
            }
        }
    }
}

/// Whether a signal is worth a connection. The others only end what a connection carried. Source: OTP `dist.c`.
fn connects(signal: &Signal) -> bool {
    matches!(
        signal,
        Signal::Message(_)
            | Signal::Alias(..)
            | Signal::Exit { cause: ExitCause::Exit2, .. }
            | Signal::Link { .. }
            | Signal::Monitor { .. }
            | Signal::GroupLeader(_)
    )
}

/// A message as its control message; any other signal comes back.
fn message(from: Pid, to: Monitored, signal: Signal) -> Result<Control, Signal> {
    match signal {
        Signal::Message(Message::Call(_)) => Err(signal),
        Signal::Message(m) => Ok(send(from, to, m.into_term())),
        Signal::Alias(alias, message) => Ok(Control::AliasSend { from, to: alias, message, token: None }),
        other => Err(other),
    }
}

fn send(from: Pid, to: Monitored, message: Term) -> Control {
    match to {
        Monitored::Pid(to) => Control::Send { from: Some(from), to, message, token: None },
        Monitored::Name(to, _) => Control::RegSend { from, to, message, token: None },
    }
}

impl Net {
    /// Who sends what nobody sends.
    fn sender(&self, from: Option<Pid>) -> Pid {
        from.unwrap_or(Pid { node: self.home, number: 0, serial: 0 })
    }

    fn send_message(&self, system: &System, remote: &Remote, flags: Flags, from: Option<Pid>, control: Control) {
        let encoded = match encode(control, flags) {
            Ok(encoded) => encoded,
            // A peer without aliases never hears of them: lost, as in OTP.
            Err(SendError::NotNegotiated(_)) => return,
            Err(e) => return self.unsendable(remote, &e.to_string()),
        };
        let mut state = remote.lock();
        let State::Up(link) = &mut *state else { return };
        // Another connection than the one it was encoded for: lost with that one.
        if link.negotiated != flags || link.connection.send_encoded(from, encoded).is_err() {
            return;
        }
        remote.send_off(link, self.clock.now_ns());
        if link.connection.is_busy() {
            self.press(system, remote, link, from);
        }
    }

    /// Back-pressure.
    fn press(&self, system: &System, remote: &Remote, link: &mut Link, from: Option<Pid>) {
        if link.connection.pending_bytes() > self.config.queue_limit && !link.overflown {
            link.overflown = true;
            self.command(Command::QueueFull(remote.atom, Some(link.id)));
        }
        if let Some(pid) = from.filter(|p| p.node == self.home && link.suspended.insert(*p)) {
            // Under the lock, so that it comes before the resumption. A suspension is only counted: it makes no
            // process of ours say anything.
            system.signal(pid, Signal::Suspend(true));
        }
    }

    /// Says a signal, or holds it. `Err`: the node is not in the table any more.
    fn carry(
        &self,
        system: &System,
        remote: &Remote,
        from: Option<Pid>,
        to: Monitored,
        signal: Signal,
    ) -> Result<(), Signal> {
        let after = {
            let mut state = remote.lock();
            match &mut *state {
                State::Gone => return Err(signal),
                State::Holding(held) if held.overflown => After::Refused(signal),
                State::Holding(held) => {
                    held.signals.push(Held { from, to, signal });
                    if held.signals.len() >= MAX_HELD {
                        held.overflown = true;
                        self.command(Command::QueueFull(remote.atom, None));
                    }
                    After::Nothing
                }
                State::Up(link) => {
                    let after = self.say(link, from, to, signal);
                    remote.send_off(link, self.clock.now_ns());
                    after
                }
            }
        };
        self.finish(system, remote, to, after);
        Ok(())
    }

    /// The connection is up: what was held goes out, in order. What could not, comes back for [`Net::finish_held`].
    pub(super) fn release(&self, link: &mut Link, held: Vec<Held>) -> Vec<(Monitored, Unsaid)> {
        let say = |h: Held| (h.to, Unsaid(self.say(link, h.from, h.to, h.signal)));
        held.into_iter().map(say).filter(|(_, a)| !matches!(a.0, After::Nothing)).collect()
    }

    pub(super) fn finish_held(&self, system: &System, remote: &Remote, unsaid: Vec<(Monitored, Unsaid)>) {
        for (to, Unsaid(after)) in unsaid {
            self.finish(system, remote, to, after);
        }
    }

    fn finish(&self, system: &System, remote: &Remote, to: Monitored, after: After) {
        match after {
            After::Nothing => {}
            After::Refused(signal) => answer_noconnection(system, to, signal),
            After::Answered(pid, signal) => {
                system.signal(pid, signal);
            }
            After::Unsendable(why, signal) => {
                self.unsendable(remote, &why);
                if let Some(signal) = signal {
                    answer_noconnection(system, to, signal);
                }
            }
        }
    }

    fn unsendable(&self, remote: &Remote, why: &str) {
        self.command(Command::Unsendable(remote.atom, why.to_owned()));
    }

    /// Queues what a signal is on the wire.
    fn say(&self, link: &mut Link, from: Option<Pid>, to: Monitored, signal: Signal) -> After {
        let target = match to {
            Monitored::Pid(p) => Target::Pid(p),
            Monitored::Name(n, _) => Target::Name(n),
        };
        let signal = match message(self.sender(from), to, signal) {
            Ok(control) => return queue(link, from, control),
            Err(other) => other,
        };
        // A name takes messages, calls and monitors only.
        let pid = match to {
            Monitored::Pid(p) => p,
            Monitored::Name(..) => self.sender(None),
        };
        match signal {
            Signal::Message(Message::Call(_)) if !link.negotiated.monitors() => After::Refused(signal),
            Signal::Message(Message::Call(call)) => {
                let (caller, reference) = (call.record().caller, call.record().reference);
                let request = match encode(send(caller, to, call.to_term()), link.negotiated) {
                    Ok(r) => r,
                    Err(e) => return After::Unsendable(e.to_string(), Some(Signal::Message(Message::Call(call)))),
                };
                link.ledger.monitors(reference, Outgoing { watcher: caller, target });
                let after = queue(link, Some(caller), Control::Monitor { from: caller, target, reference });
                // Only a connection that is down takes nothing.
                let _ = link.connection.send_encoded(Some(caller), request);
                after
            }
            Signal::Monitor { .. } if !link.negotiated.monitors() => After::Refused(signal),
            Signal::Monitor { from, reference, .. } => {
                link.ledger.monitors(reference, Outgoing { watcher: from, target });
                queue(link, Some(from), Control::Monitor { from, target, reference })
            }
            Signal::Demonitor { reference } => self.demonitor(link, reference),
            Signal::CallClosed(record) => self.demonitor(link, record.reference),
            Signal::Down(down) => match link.ledger.watched_ends(&down.reference) {
                // Undone, or of an older connection.
                None => After::Nothing,
                Some(m @ Incoming { watcher, pid, .. }) => {
                    let (from, reference) = (m.target(), down.reference);
                    let control = Control::MonitorExit { from, to: watcher, reference, reason: down.reason };
                    queue(link, Some(pid), control)
                }
            },
            Signal::Link { from } => {
                link.ledger.links(from, pid);
                queue(link, Some(from), Control::Link { from, to: pid })
            }
            Signal::Unlink { from, id } if link.negotiated.has(Flags::UNLINK_ID) => {
                link.ledger.unlinks(from, pid, id);
                queue(link, Some(from), Control::Unlink { from, to: pid, id: Some(id) })
            }
            Signal::Unlink { from, id } => {
                // Such a peer acknowledges nothing.
                link.ledger.unlinked(from, pid);
                match queue(link, Some(from), Control::Unlink { from, to: pid, id: None }) {
                    After::Nothing => After::Answered(from, Signal::UnlinkAck { from: pid, id }),
                    other => other,
                }
            }
            Signal::UnlinkAck { from, id } => queue(link, Some(from), Control::UnlinkAck { from, to: pid, id }),
            Signal::Exit { from, cause: ExitCause::Exit2, reason } => {
                queue(link, Some(from), Control::Exit2 { from, to: pid, reason, token: None })
            }
            Signal::Exit { from, reason, .. } => {
                if !link.ledger.unlinked(from, pid) {
                    return After::Nothing;
                }
                queue(link, Some(from), Control::Exit { from, to: pid, reason, token: None })
            }
            Signal::GroupLeader(leader) => queue(link, None, Control::GroupLeader { leader, member: pid }),
            // Questions and their kin stay on their node.
            other => After::Refused(other),
        }
    }

    fn demonitor(&self, link: &mut Link, reference: Ref) -> After {
        match link.ledger.monitor_ends(&reference) {
            None => After::Nothing,
            Some(Outgoing { watcher: from, target }) => {
                queue(link, Some(from), Control::Demonitor { from, target, reference })
            }
        }
    }
}

/// What [`Net::release`] leaves to be done.
pub(super) struct Unsaid(After);

fn queue(link: &mut Link, sender: Option<Pid>, control: Control) -> After {
    match link.connection.send(sender, control) {
        // A peer that does not know of it does without, and so do we, as in OTP.
        Ok(()) | Err(SendError::NotUp | SendError::NotNegotiated(_)) => After::Nothing,
        Err(e) => After::Unsendable(e.to_string(), None),
    }
}
