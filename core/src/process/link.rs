//! Links, with OTP's unlink protocol. Source: OTP distribution protocol, "Link Protocol"; C2.28-30.
//! Imports: term, core, context, signal, exit, link_state.
//!
//! The rules of the record each side keeps, and what they prevent, are in `link_state`.

use super::context::Context;
use super::core::Core;
use super::error::Exception;
use super::exit;
use super::link_state;
use super::message::{ExitMessage, Message};
use super::signal::{self, ExitCause, Signal};
use super::slot::{Own, Slot};
use super::system::System;
use crate::term::{Pid, Term, atoms};
use std::sync::atomic::Ordering::Relaxed;

impl Context {
    /// Links the calling process with another; both ways, at most once.
    ///
    /// If there is no such process: an `'EXIT'` message with reason `noproc` when exits are trapped, else
    /// `error:noproc`. For a process of another node the reason arrives as a signal.
    /// Source: OTP `link/1`.
    pub fn link(&mut self, pid: Pid) -> Result<(), Exception> {
        let mut core = Core::act(self).map_err(|_| Exception::killed())?;
        if pid == core.pid {
            return Ok(());
        }
        core.charge(4);
        core.flush();
        let me = core.pid;
        let system = core.system();
        let linked = link_state::is_active(core.own().links.get(&pid).copied());
        if !linked && pid.node == system.id && !system.is_alive(pid) {
            return no_such_process(&mut core, pid);
        }
        if !core.own().links.update(pid, link_state::link) {
            return Ok(());
        }
        system.signal(pid, Signal::Link { from: me });
        Ok(())
    }

    /// Removes the link; no exit signal of that link is acted upon afterwards. Source: OTP `unlink/1`.
    pub fn unlink(&mut self, pid: Pid) {
        let Ok(mut core) = Core::act(self) else { return };
        core.charge(3);
        core.flush();
        let me = core.pid;
        // What has arrived before the call counts as before it.
        core.drain();
        if core.own().links.get(&pid).is_none() {
            return;
        }
        let r = core.own().relations();
        r.next_unlink += 1;
        let id = r.next_unlink;
        if !core.own().links.update(pid, |l| link_state::unlink(l, id)) {
            return;
        }
        core.system().signal(pid, Signal::Unlink { from: me, id });
    }
}

fn no_such_process(core: &mut Core<'_>, pid: Pid) -> Result<(), Exception> {
    if !core.own().trap_exit {
        return Err(Exception::error(atoms::NOPROC));
    }
    // What the other has sent before it ended comes before the news.
    core.drain();
    let m = Message::Exit(ExitMessage { from: pid, reason: Term::from(atoms::NOPROC) });
    let node = signal::make(core.slot.serial.load(Relaxed), Signal::Message(m));
    // SAFETY: a fresh node that carries a message.
    unsafe { core.own().queue.push(node) };
    Ok(())
}

pub(crate) fn arrived(own: &mut Own, from: Pid) {
    own.links.update(from, link_state::link_arrived);
}

pub(crate) fn unlink_arrived(slot: &Slot, own: &mut Own, from: Pid, id: u64) {
    own.links.update(from, link_state::unlink_arrived);
    slot.system().signal(from, Signal::UnlinkAck { from: slot.pid(), id });
}

pub(crate) fn ack_arrived(own: &mut Own, from: Pid, id: u64) {
    own.links.update(from, |l| link_state::ack_arrived(l, id));
}

/// `exit/2`.
impl Context {
    /// Sends an exit signal; needs no link. One to the calling process itself is received before the call returns: if
    /// it is fatal, nothing that the code does afterwards has an effect. Source: OTP `exit/2`, C2.33.
    pub fn exit(&mut self, pid: Pid, reason: impl Into<Term>) {
        let Ok(mut core) = Core::act(self) else { return };
        core.charge(2);
        core.flush();
        let (me, reason) = (core.pid, reason.into());
        if pid != me {
            core.system().signal(pid, Signal::Exit { from: me, cause: ExitCause::Exit2, reason });
            return;
        }
        // What came before it is received before it.
        core.drain();
        exit::arrived(core.slot, core.own(), me, ExitCause::Exit2, reason);
        // The end of an attached thread is the business of a scheduler thread, which has to be told.
        core.system().signal(me, Signal::Wake);
    }
}

impl System {
    /// `exit/2` from outside of every process.
    pub fn exit_from_nobody(&self, pid: Pid, reason: Term) {
        self.signal(pid, Signal::Exit { from: self.group_leader, cause: ExitCause::Exit2, reason });
    }
}
