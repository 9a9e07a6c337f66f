//! Process flags, dictionary, registered name, group leader, suspension.
//! Source: OTP `process_flag/2`, `put/2`, `register/2`, `group_leader/0,2`, `suspend_process/1`.
//! Imports: term, sched, core, context, info, signal.

use super::context::Context;
use super::core::Core;
use super::error::Exception;
use super::inbox::Pushed;
use super::info::InfoRequest;
use super::origin::Origin;
use super::signal::{self, Signal};
use super::system::System;
use crate::sched::task::Priority;
use crate::term::{Atom, Pid, Term, atoms};
use std::sync::atomic::Ordering::Relaxed;

impl Context {
    /// Whether exit signals become messages. Returns the former setting. Source: OTP `process_flag(trap_exit, B)`.
    pub fn trap_exit(&mut self, on: bool) -> bool {
        let Ok(mut core) = Core::enter(self) else { return false };
        // Signals that came before the call are judged by the former setting.
        core.drain();
        std::mem::replace(&mut core.own().trap_exit, on)
    }

    /// Sets the priority; returns the former. Source: OTP `process_flag(priority, P)`.
    pub fn set_priority(&mut self, p: Priority) -> Priority {
        let Ok(mut core) = Core::enter(self) else { return Priority::Normal };
        core.slot.task.priority.store(p as u8, Relaxed);
        std::mem::replace(&mut core.own().priority, p)
    }

    /// Sets the mailbox limit in messages (0: none); returns the former.
    pub fn set_max_mailbox(&mut self, messages: usize) -> usize {
        let Ok(mut core) = Core::enter(self) else { return 0 };
        std::mem::replace(&mut core.own().cold().limits.mailbox, messages)
    }

    /// Source: OTP `put/2`.
    pub fn put(&mut self, key: impl Into<Term>, value: impl Into<Term>) -> Option<Term> {
        // A small piece of a large message must not keep the whole alive.
        let (key, value) = (key.into().compact(), value.into().compact());
        let mut core = Core::enter(self).ok()?;
        let own = core.own();
        if own.origin.as_ref().is_some_and(|o| o.get(&key).is_some()) {
            Origin::settle(own);
        }
        own.cold().dictionary.insert(key, value)
    }

    /// Source: OTP `get/1`.
    pub fn get(&mut self, key: &Term) -> Option<Term> {
        let mut core = Core::enter(self).ok()?;
        let own = core.own();
        if let Some(found) = own.origin.as_ref().and_then(|o| o.get(key)) {
            return Some(found.clone());
        }
        own.cold.as_ref()?.dictionary.get(key).cloned()
    }

    /// Source: OTP `erase/1`.
    pub fn erase(&mut self, key: &Term) -> Option<Term> {
        let mut core = Core::enter(self).ok()?;
        let own = core.own();
        if own.origin.as_ref().is_some_and(|o| o.get(key).is_some()) {
            Origin::settle(own);
        }
        own.cold.as_mut()?.dictionary.remove(key)
    }

    /// Source: OTP `get/0`; in no particular order.
    pub fn dictionary(&mut self) -> Vec<(Term, Term)> {
        let Ok(mut core) = Core::enter(self) else { return Vec::new() };
        dictionary_of(core.own())
    }

    /// Sets the label shown in reports. Source: OTP `proc_lib:set_label/1`.
    pub fn set_label(&mut self, label: impl Into<Term>) {
        if let Ok(mut core) = Core::enter(self) {
            core.own().cold().label = Some(label.into());
        }
    }

    /// Source: OTP `group_leader/0`.
    pub fn group_leader(&mut self) -> Option<Pid> {
        Some(Core::enter(self).ok()?.own().group_leader)
    }

    /// Sets the group leader of a process, of this one at once. Source: OTP `group_leader/2`.
    pub fn set_group_leader(&mut self, leader: Pid, of: Pid) {
        let Ok(mut core) = Core::act(self) else { return };
        core.flush();
        if of == core.pid {
            core.own().group_leader = leader;
        } else {
            core.system().signal(of, Signal::GroupLeader(leader));
        }
    }

    /// Suspends a process until as many `resume_process` have come. Asynchronous. Source: OTP `suspend_process/2`
    /// with `asynchronous`.
    pub fn suspend_process(&mut self, pid: Pid) {
        self.suspension(pid, true);
    }

    /// Source: OTP `resume_process/1`.
    pub fn resume_process(&mut self, pid: Pid) {
        self.suspension(pid, false);
    }

    fn suspension(&mut self, pid: Pid, up: bool) {
        let Ok(mut core) = Core::act(self) else { return };
        core.flush();
        core.system().signal(pid, Signal::Suspend(up));
    }
}

/// The dictionary as OTP shows it.
pub(crate) fn dictionary_of(own: &super::slot::Own) -> Vec<(Term, Term)> {
    let mut all: Vec<_> = own.origin.iter().flat_map(|o| o.entries()).collect();
    if let Some(c) = &own.cold {
        all.extend(c.dictionary.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    all
}

pub(crate) fn register(context: &mut Context, name: Atom, pid: Pid) -> Result<(), Exception> {
    let mut core = Core::act(context).map_err(|_| Exception::killed())?;
    core.flush();
    let system = core.system();
    if pid != core.pid {
        return system.register_other(name, pid);
    }
    if name == atoms::UNDEFINED || !system.names.insert(name, pid) {
        return Err(Exception::badarg());
    }
    core.own().cold().name = Some(name);
    Ok(())
}

impl System {
    /// Gives a name to a process whose fields are not the caller's. The process notes it when it drains, as its exit
    /// frees it; an exit finds a note that was not drained in the inbox it closes.
    ///
    /// The note is pushed first, and under the names' lock. If the inbox is closed there will be no name; if not, the
    /// exit comes after, and waits for the lock. Bad interleaving this prevents: the process ends and is announced
    /// between the look at whether it lives and the note, and who hears of the death finds the name taken by the dead.
    pub fn register_other(&self, name: Atom, pid: Pid) -> Result<(), Exception> {
        let slot = self.find(pid).filter(|_| pid.node == self.id && name != atoms::UNDEFINED);
        let slot = slot.ok_or_else(Exception::badarg)?;
        let mut woke = false;
        let taken = self.names.insert_if(name, pid, || {
            let note = signal::make(pid.serial, Signal::Info(Box::new(InfoRequest::named(name))));
            // SAFETY: a fresh node is a chain of one.
            match unsafe { slot.inbox.push(note, note) } {
                Pushed::Queued => {}
                Pushed::Woke => woke = true,
                Pushed::Closed => {
                    // SAFETY: still ours.
                    drop(unsafe { signal::open(note) });
                    return false;
                }
            }
            // Another lives there: it will find a note for somebody who lived there before, which is nobody's.
            slot.serial.load(Relaxed) == pid.serial
        });
        if woke {
            // SAFETY: `Woke` gives us the right; inside the core, or on a thread that is not ours.
            unsafe { self.shared.wake(slot.task_ptr()) };
        }
        if taken { Ok(()) } else { Err(Exception::badarg()) }
    }
}

pub(crate) fn unregister(context: &mut Context, name: Atom) -> Result<(), Exception> {
    let mut core = Core::act(context).map_err(|_| Exception::killed())?;
    core.flush();
    let system = core.system();
    let pid = system.names.whereis(name).ok_or_else(Exception::badarg)?;
    if !system.names.remove(name, pid) {
        return Err(Exception::badarg());
    }
    if pid == core.pid {
        core.own().cold().name = None;
    }
    Ok(())
}
