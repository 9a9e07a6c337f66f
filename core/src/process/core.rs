//! Access to a process's own fields from a call its code makes: through the seat's lease or the guest's lock.
//! Imports: sched, slot, guest, system, context.

use super::context::Context;
use super::exit;
use super::guest::{Guest, GuestState};
use super::slot::{Own, Slot};
use super::system::System;
use crate::sched::seat::Seat;
use crate::sched::thread::{self, ThreadCtx};
use crate::term::Pid;
use std::sync::MutexGuard;

/// While it lives, the process's own fields are ours.
pub(crate) struct Core<'a> {
    pub slot: &'a Slot,
    pub pid: Pid,
    via: Via<'a>,
}

enum Via<'a> {
    Seat { ctx: &'a ThreadCtx, outermost: bool },
    Lock(#[allow(dead_code)] MutexGuard<'a, GuestState>),
}

/// The process is dead: its code still runs, but nothing it does has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dead;

impl<'a> Core<'a> {
    /// Access for the code of the process that `context` names.
    ///
    /// # Panics
    /// When the context is used outside of its process: a mistake that safe code can make by moving an async
    /// process's context elsewhere.
    #[inline(always)]
    pub fn enter(context: &'a Context) -> Result<Self, Dead> {
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        let slot = unsafe { &*context.slot };
        // SAFETY: a non-null record is the current thread's own and outlives the call.
        if let Some(ctx) = unsafe { thread::current().as_ref() }
            && ctx.current.get() == slot.task_ptr()
            && !ctx.inside.get()
            && ctx.enter_core()
        {
            return Ok(Self { slot, pid: context.pid, via: Via::Seat { ctx, outermost: true } });
        }
        Self::enter_otherwise(context, slot)
    }

    /// As `enter`, for a call that others would notice. Refused once the process has received the exit it ends of: in
    /// OTP no code of it runs after that, here it may until its body gives the thread back.
    #[inline(always)]
    pub fn act(context: &'a Context) -> Result<Self, Dead> {
        let mut core = Self::enter(context)?;
        if core.must_end() { Err(Dead) } else { Ok(core) }
    }

    /// Nested, or without the seat.
    #[cold]
    #[inline(never)]
    fn enter_otherwise(context: &'a Context, slot: &'a Slot) -> Result<Self, Dead> {
        if let Some(g) = &context.guest {
            return Self::lock(g, slot, context.pid);
        }
        // SAFETY: a non-null record is the current thread's own and outlives the call.
        let ctx = unsafe { thread::current().as_ref() };
        let Some(ctx) = ctx.filter(|c| c.current.get() == slot.task_ptr()) else {
            panic!("a process context was used outside of its process");
        };
        if let Some(outermost) = ctx.try_enter_nested() {
            return Ok(Self { slot, pid: context.pid, via: Via::Seat { ctx, outermost } });
        }
        let token = ctx.guest_token().cast::<Guest>();
        if token.is_null() {
            return Err(Dead);
        }
        // SAFETY: the thread holds a count of the guest until its callback is settled.
        Self::lock(unsafe { &*token }, slot, context.pid)
    }

    #[cold]
    fn lock(g: &'a Guest, slot: &'a Slot, pid: Pid) -> Result<Self, Dead> {
        let guard = g.lock();
        if !guard.exit.may_act() {
            return Err(Dead);
        }
        Ok(Self { slot, pid, via: Via::Lock(guard) })
    }

    #[inline]
    pub fn own(&mut self) -> &mut Own {
        // SAFETY: S2: lease or lock make us the owner; `&mut self` makes the reference unique.
        unsafe { &mut *self.slot.own.get() }
    }

    #[inline]
    pub fn system(&self) -> &'a System {
        self.slot.system()
    }

    /// The seat, if we have one.
    #[inline]
    pub fn seat(&mut self) -> Option<&mut Seat> {
        match &self.via {
            // SAFETY: inside the core; `&mut self` makes the reference unique.
            Via::Seat { ctx, .. } => Some(unsafe { ctx.seat() }),
            Via::Lock(_) => None,
        }
    }

    /// Publishes the deferred chain: must come before any effect but another send to the same process.
    #[inline]
    pub fn flush(&mut self) {
        if let Some(seat) = self.seat() {
            seat.flush();
        }
    }

    /// Charges work to the process.
    #[inline]
    pub fn charge(&mut self, reductions: u64) {
        self.own().reductions += reductions;
    }

    /// Applies the signals that have arrived, so that the code sees its mailbox as it is now.
    pub fn drain(&mut self) {
        let slot = self.slot;
        if slot.inbox.has_new() {
            self.flush();
            // SAFETY: S2, as in `own`.
            unsafe { super::run::drain(slot, &mut *slot.own.get()) };
        }
    }

    /// Whether the process must end before its code does anything else.
    #[inline]
    pub fn must_end(&mut self) -> bool {
        self.own().pending.is_some()
    }
}

impl Drop for Core<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Via::Seat { ctx, outermost } = self.via {
            ctx.exit_nested(outermost);
        }
    }
}

/// Ends the calling process at its next safe point.
pub(crate) fn end(core: &mut Core<'_>, reason: crate::term::Term) {
    exit::set_pending(core.own(), reason);
}
