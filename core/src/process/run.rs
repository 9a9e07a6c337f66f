//! A slice of a process: apply its signals in order, give its body messages, see to its end.
//! Imports: sched, slot, guest, signal, exit, body, context, and the rooms whose signals it dispatches.
//!
//! Order within a slice: signals first, then the exit they may have caused, then the body. The body is asked again
//! until it wants nothing more, the budget is spent, or its thread has lost the seat under it.

use super::async_body;
use super::body::{Body, Handler, Next};
use super::context::Context;
use super::error::{Exception, panic_reason};
use super::exit_state::CameBack;
use super::fiber_body;
use super::guest::{Guest, GuestState};
use super::message::Message;
use super::signal::{self, Node, Signal};
use super::slot::{Own, Slot};
use super::{alias, call, exit, info, link, monitor};
use crate::sched::task::{After, Lane, Task};
use crate::sched::thread::{self, ThreadCtx};
use crate::term::{Term, atoms};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard};

/// Reductions in a slice. A handled message costs one, calls cost what they do.
pub(crate) const SLICE: u64 = 2000;
/// Slices below the watchdog's measure that clear a process of being slow.
const QUICK_SLICES: u8 = 100;

/// What the body's code has come back with.
pub(crate) enum Turn {
    /// A handler has accepted its message.
    Accepted,
    /// A handler does not want this message now.
    Skipped(Message),
    /// The body waits for a signal.
    Waits,
    /// It wants to go on, later.
    Yields,
    /// It ends with this reason.
    Ends(Term),
}

/// How the slice owns the process's fields while user code does not run.
pub(crate) enum Hold<'a> {
    Seat(&'a ThreadCtx),
    Lock { slot: &'a Slot, guard: Option<MutexGuard<'a, GuestState>> },
}

/// A turn, and whether the fields are still ours.
enum Back {
    Ours(Turn),
    Lost(Turn),
}

impl Hold<'_> {
    /// Runs user code outside: the seat may be taken away meanwhile. Under a lock the scheduling right is given up
    /// first, so that others apply signals (a kill among them) while the code runs; `settle_with` takes it back.
    #[inline]
    fn outside(&mut self, code: impl FnOnce() -> Turn) -> Back {
        let run = || catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|p| Turn::Ends(panic_reason(&*p)));
        match self {
            Hold::Seat(ctx) => {
                ctx.exit_core();
                let turn = run();
                if ctx.enter_core() { Back::Ours(turn) } else { Back::Lost(turn) }
            }
            Hold::Lock { slot, guard } => {
                if let Some(mut g) = guard.take() {
                    g.exit.goes_out();
                }
                if !slot.inbox.go_idle() {
                    slot.system().shared.inject(slot.task_ptr());
                }
                Back::Lost(run())
            }
        }
    }
}

/// The clock of the process's node, also when the process may be gone: its guest remembers.
fn slot_clock(guest: &Guest) -> u64 {
    guest.clock.now_ns()
}

/// What a series of turns has come to.
enum Step {
    Waits,
    Yields,
    Ends,
    /// The turn still has to be noted, and how much had been drained when it began.
    Lost(Turn, u32),
}

/// The scheduler's `run`.
///
/// # Safety
/// As the vtable says: `task` heads a slot, the caller holds its scheduling right.
pub(crate) unsafe fn run(task: *mut Task) -> After {
    // SAFETY: tasks are the first field of slots; slots are never unmapped; the thread runs tasks, so has a record.
    let (slot, ctx) = unsafe { (&*task.cast::<Slot>(), &*thread::current()) };
    let own = slot.own.get();
    let pin = slot.task.pin.load(Relaxed);
    if pin != 0 && pin != ctx.id {
        return parked_elsewhere(slot, own, pin);
    }
    // SAFETY: S2; the guest field changes only under the scheduling right, which is ours.
    let guest = unsafe {
        if ctx.locked.get() && (*own).guest.is_none() {
            (*own).guest = Some(Arc::new(Guest::new(slot, false)));
        }
        (*own).guest.clone()
    };
    match guest {
        None => seated(slot, own, ctx),
        Some(g) => locked(slot, own, ctx, &g),
    }
}

/// A slice of a process whose fiber is parked on a thread that somebody's code holds: only its signals are applied, so
/// that it can be asked and killed. Its messages wait for that thread.
fn parked_elsewhere(slot: &Slot, own: *mut Own, pin: u32) -> After {
    // SAFETY: S2; the guest field changes only under the scheduling right, which is ours.
    let guest = unsafe { (*own).guest.clone() };
    let guard = guest.as_ref().map(|g| g.lock());
    // SAFETY: S2: the right is ours, and the lock if there is one; the fiber is parked.
    let own = unsafe { &mut *own };
    if !own.exiting && slot.inbox.has_new() {
        drain(slot, own);
    }
    if own.pending.is_none() {
        drop(guard);
        slot.system().shared.push_pinned(pin, slot.task_ptr());
        return After::Gone;
    }
    drop(guard);
    let guest = own.guest.get_or_insert_with(|| Arc::new(Guest::new(slot, true))).clone();
    let mut guard = guest.lock();
    // Nobody but its thread may unwind it: to the others it is code outside.
    guard.exit.goes_out();
    exit::end_guest(slot, own, guard)
}

/// The thread of a parked fiber is free: it unwinds what was left to it.
pub(crate) fn unwind_orphan(guest: &Guest) {
    let came_back = guest.lock().exit.came_back();
    if let CameBack::Orphan(o) = came_back {
        o.finish();
    }
}

fn seated(slot: &Slot, own: *mut Own, ctx: &ThreadCtx) -> After {
    let mut budget = SLICE;
    // SAFETY: S2.
    unsafe { (*own).slice_began = (*own).reductions };
    let mut hold = Hold::Seat(ctx);
    loop {
        // SAFETY: S2: the right is ours, and no user code runs now.
        unsafe {
            if slot.inbox.has_new() {
                // What the process has sent must not be overtaken by what the signals make it answer.
                flush(ctx);
                drain(slot, &mut *own);
            }
            if (*own).pending.is_some() {
                flush(ctx);
                exit::terminate(slot, &mut *own);
                return After::Gone;
            }
            if (*own).is_suspended() {
                if slot.inbox.go_idle() {
                    return After::Gone;
                }
                continue;
            }
        }
        // SAFETY: as above.
        let did = match unsafe { &(*own).body } {
            Body::Handler(h) => handler_turns(slot, own, ctx, *h, &mut budget),
            _ => step(slot, own, &mut hold, &mut budget),
        };
        match did {
            Step::Waits => {
                // SAFETY: as above.
                unsafe { arm_deadline(slot, &mut *own) };
                if slot.inbox.go_idle() {
                    return After::Gone;
                }
            }
            Step::Yields => return After::Again,
            Step::Ends => {}
            Step::Lost(turn, drained) => {
                settle(ctx, turn, drained);
                return After::LostSeat;
            }
        }
    }
}

/// Publishes the deferred chain: before an exit is announced, or anything else the process causes.
fn flush(ctx: &ThreadCtx) {
    // SAFETY: inside the core.
    unsafe { ctx.seat().flush() };
}

/// A slice of a process whose fields are guarded by its guest's lock.
fn locked(slot: &Slot, own: *mut Own, ctx: &ThreadCtx, guest: &Arc<Guest>) -> After {
    let mut budget = SLICE;
    let started = slot.system().shared.clock.now_ns();
    let mut guard = guest.lock();
    // SAFETY: S2.
    unsafe { (*own).slice_began = (*own).reductions };
    loop {
        // SAFETY: S2: alive (we hold the right, so nobody has ended it), and the lock is ours.
        unsafe {
            if !(*own).exiting && slot.inbox.has_new() {
                drain(slot, &mut *own);
            }
            if (*own).pending.is_some() {
                if matches!((*own).body, Body::Fiber(_)) && slot.task.pin.load(Relaxed) == ctx.id {
                    // On its own thread, which is here, a fiber is parked, whatever it counted as elsewhere.
                    let _ = guard.exit.came_back();
                }
                return exit::end_guest(slot, &mut *own, guard);
            }
            let body_elsewhere = guard.exit.is_out() || matches!((*own).body, Body::Thread);
            if body_elsewhere || (*own).is_suspended() {
                guest.arrived.notify_all();
                if slot.inbox.go_idle() {
                    return After::Gone;
                }
                continue;
            }
            if slot.task.lane() == Lane::Slow && !ctx.locked.get() {
                return After::Again; // the scheduler sends it to the slow lane
            }
        }
        let before = ctx.guest.replace(Arc::as_ptr(guest).cast());
        let was_locked = ctx.locked.replace(true);
        let mut hold = Hold::Lock { slot, guard: Some(guard) };
        let did = step(slot, own, &mut hold, &mut budget);
        ctx.guest.set(before);
        ctx.locked.set(was_locked);
        match did {
            Step::Lost(turn, drained) => {
                let took = slot_clock(guest) - started;
                settle_with(guest, turn, drained, Some(took));
                return After::Gone;
            }
            Step::Ends | Step::Yields | Step::Waits => {}
        }
        let Hold::Lock { guard: Some(g), .. } = hold else { unreachable!("no user code ran") };
        guard = g;
        // SAFETY: as above.
        arm_deadline(slot, unsafe { &mut *own });
        if slot.inbox.go_idle() {
            return After::Gone;
        }
    }
}

/// The watchdog's takeover: the process's fields go under a lock, and its signals are served from here on by
/// whoever schedules it.
///
/// # Safety
/// As the vtable says: the thread that ran `task` is in user code and has lost the lease.
pub(crate) unsafe fn overstayed(task: *mut Task) -> *const () {
    // SAFETY: tasks are the first field of slots; the right passes from the thread to us.
    let slot = unsafe { &*task.cast::<Slot>() };
    let guest = Arc::new(Guest::new(slot, true));
    let token = Arc::into_raw(guest.clone()).cast::<()>();
    // SAFETY: S2: ours until the inbox goes idle or the task is queued.
    unsafe {
        let own = slot.own.get();
        (*own).guest = Some(guest);
        (*own).quick = 0;
        if !matches!((*own).body, Body::Fiber(_)) {
            slot.task.lane.store(Lane::Slow as u8, Relaxed);
        }
    }
    // Signals that came during the overstay are served by a seat, not by the watchdog.
    slot.system().shared.inject(task);
    token
}

/// The thread whose seat was taken away settles what its callback has come back with.
fn settle(ctx: &ThreadCtx, turn: Turn, drained: u32) {
    let token = ctx.guest.replace(std::ptr::null()).cast::<Guest>();
    // SAFETY: made by `overstayed` with a count for us.
    let guest = unsafe { Arc::from_raw(token) };
    settle_with(&guest, turn, drained, None);
}

/// Step 5 of a callback outside. `took_ns`: how long it was, when it ran in the slow lane.
fn settle_with(guest: &Arc<Guest>, turn: Turn, drained: u32, took_ns: Option<u64>) {
    let mut g = guest.lock();
    let ending = match g.exit.came_back() {
        CameBack::Alive => None,
        CameBack::Ending(key) => Some(key),
        CameBack::Gone => return,
        CameBack::Orphan(o) => {
            drop(g);
            return o.finish();
        }
    };
    // SAFETY: alive or ending, and the lock is ours.
    let slot = unsafe { &*g.slot };
    // SAFETY: S2.
    let own = unsafe { &mut *slot.own.get() };
    let waits = matches!(turn, Turn::Waits);
    if matches!(turn, Turn::Ends(_)) {
        // A fiber that has ended binds its process to this thread no more, which may go away now.
        slot.task.pin.store(0, Relaxed);
    }
    apply(own, turn);
    if let Some(took) = took_ns {
        let quick = took < slot.system().config.overstay_ms * 1_000_000;
        own.quick = if quick { own.quick.saturating_add(1) } else { 0 };
    }
    let claimed = match ending {
        // The exit waits for us: take the right back from its timer, unless that has fired.
        Some(key) => key.is_some_and(|k| slot.system().timers.cancel_cleanup(k)),
        None if waits && own.pending.is_none() && own.drained == drained => {
            // Nothing came while it ran: it waits on, and whoever sends wakes it.
            arm_deadline(slot, own);
            false
        }
        None => slot.inbox.claim(),
    };
    if claimed && own.quick >= QUICK_SLICES && !own.slow_declared && own.pending.is_none() {
        own.quick = 0;
        slot.task.lane.store(Lane::Seat as u8, Relaxed);
        own.guest = None;
    }
    drop(g);
    if claimed {
        // SAFETY: the right is ours; this thread has no seat, or its lane sends the task elsewhere.
        unsafe { slot.system().shared.wake(slot.task_ptr()) };
    }
}

/// Notes a turn in the process's fields.
fn apply(own: &mut Own, turn: Turn) {
    match turn {
        Turn::Accepted => own.queue.restart(),
        Turn::Skipped(m) => own.queue.put_back(m),
        Turn::Waits | Turn::Yields => {}
        Turn::Ends(reason) => exit::set_pending(own, reason),
    }
}

/// `step` for a handler on a seat, the common case, kept apart so that a message costs as little as it can: one
/// landing pad for all of the slice's callbacks instead of one each.
fn handler_turns(slot: &Slot, own: *mut Own, ctx: &ThreadCtx, h: NonNull<dyn Handler>, budget: &mut u64) -> Step {
    let drained = Cell::new(0);
    let turns = || {
        let mut context = Context::of(slot);
        loop {
            // SAFETY: S2: ours while no user code runs; re-read every turn as user code runs in between.
            let own_ref = unsafe { &mut *own };
            let Some(message) = own_ref.queue.take_unseen() else {
                if own_ref.deadline == u64::MAX {
                    return Step::Waits;
                }
                return step(slot, own, &mut Hold::Seat(ctx), budget);
            };
            let before = own_ref.reductions;
            drained.set(own_ref.drained);
            ctx.exit_core();
            // SAFETY: the body is alive: only we, or an exit that leaves it to us, may drop it.
            let result = unsafe { (*h.as_ptr()).handle(&mut context, message) };
            if !ctx.enter_core() {
                return Step::Lost(handler_turn(result), drained.get());
            }
            // SAFETY: as above.
            let own_ref = unsafe { &mut *own };
            own_ref.reductions += 1;
            if let Ok(Next::Continue) = result {
                own_ref.queue.restart();
            } else {
                apply(own_ref, handler_turn(result));
            }
            if own_ref.pending.is_some() {
                return Step::Ends;
            }
            let spent = own_ref.reductions - before;
            if *budget <= spent {
                return Step::Yields;
            }
            *budget -= spent;
        }
    };
    catch_unwind(AssertUnwindSafe(turns)).unwrap_or_else(|p| {
        let turn = Turn::Ends(panic_reason(&*p));
        // A panic comes from the callback only, outside of the core.
        if !ctx.enter_core() {
            return Step::Lost(turn, drained.get());
        }
        // SAFETY: as above.
        apply(unsafe { &mut *own }, turn);
        Step::Ends
    })
}

/// Lets the body go on until it waits, ends, or the budget is spent.
fn step(slot: &Slot, own: *mut Own, hold: &mut Hold<'_>, budget: &mut u64) -> Step {
    let mut context = Context::of(slot);
    loop {
        // SAFETY: S2: ours while no user code runs; re-read every turn as user code runs in between.
        let own_ref = unsafe { &mut *own };
        let before = own_ref.reductions;
        let drained = own_ref.drained;
        let back = match own_ref.body {
            Body::Fresh(h) => {
                own_ref.body = Body::Handler(h);
                let context = &mut context;
                // SAFETY: the body is alive: only we, or an exit that leaves it to us, may drop it.
                hold.outside(|| handler_turn(unsafe { (*h.as_ptr()).init(context) }))
            }
            Body::Handler(h) => {
                let Some(message) = own_ref.queue.take_unseen() else {
                    // What has come in meanwhile is older than a timeout that nobody has heard of yet.
                    let early = own_ref.deadline == u64::MAX || slot.inbox.has_new();
                    if early || !deadline_passed(slot, own_ref) {
                        return Step::Waits;
                    }
                    own_ref.deadline = u64::MAX;
                    let context = &mut context;
                    // SAFETY: as above.
                    match hold.outside(|| handler_turn(unsafe { (*h.as_ptr()).timeout(context) })) {
                        Back::Lost(turn) => return Step::Lost(turn, drained),
                        Back::Ours(turn) => {
                            // SAFETY: as above.
                            apply(unsafe { &mut *own }, turn);
                        }
                    }
                    // SAFETY: as above.
                    if unsafe { (*own).pending.is_some() } {
                        return Step::Ends;
                    }
                    continue;
                };
                let context = &mut context;
                // SAFETY: as above.
                hold.outside(|| handler_turn(unsafe { (*h.as_ptr()).handle(context, message) }))
            }
            Body::Async(a) => {
                let pid = slot.pid();
                hold.outside(|| async_body::poll(a, slot, pid))
            }
            Body::Fiber(f) => hold.outside(|| fiber_body::resume(f, slot)),
            Body::None | Body::Thread => return Step::Waits,
        };
        let turn = match back {
            Back::Lost(turn) => return Step::Lost(turn, drained),
            Back::Ours(turn) => turn,
        };
        // SAFETY: as above.
        let own_ref = unsafe { &mut *own };
        own_ref.reductions += 1;
        let (waits, yields) = (matches!(turn, Turn::Waits), matches!(turn, Turn::Yields));
        apply(own_ref, turn);
        if own_ref.pending.is_some() {
            return Step::Ends;
        }
        if waits {
            return Step::Waits;
        }
        *budget = budget.saturating_sub(own_ref.reductions - before);
        if yields || *budget == 0 {
            return Step::Yields;
        }
    }
}

#[inline]
fn handler_turn(result: Result<Next, Exception>) -> Turn {
    match result {
        Ok(Next::Continue) => Turn::Accepted,
        Ok(Next::Skip(m)) => Turn::Skipped(m),
        Ok(Next::Stop(reason)) => Turn::Ends(reason),
        Err(e) => Turn::Ends(e.into_exit_reason()),
    }
}

fn deadline_passed(slot: &Slot, own: &Own) -> bool {
    own.deadline <= slot.system().shared.clock.now_ns()
}

/// Sees to it that the process is woken at its deadline. Lazy: an earlier wake-up that is already in the wheel
/// will find the deadline moved and set the next; so a process that calls and calls sets one timer in five seconds.
#[inline]
fn arm_deadline(slot: &Slot, own: &mut Own) {
    if own.deadline < own.armed {
        own.armed = own.deadline;
        slot.system().timers.wake_at(slot, own.deadline);
    }
}

/// Applies what has arrived, in order. Owner only.
#[inline]
pub(crate) fn drain(slot: &Slot, own: &mut Own) {
    let serial = slot.serial.load(Relaxed);
    own.drained = own.drained.wrapping_add(1);
    let mut node = slot.inbox.take();
    while !node.is_null() {
        // SAFETY: taken from the inbox, so live and ours.
        unsafe {
            let next = (*node).next;
            if (*node).serial == serial {
                match (*node).signal {
                    Signal::Message(Message::Term(_)) => accept(slot, own, node),
                    _ => other(slot, own, node),
                }
            } else {
                stray(slot, node);
            }
            node = next;
        }
    }
}

/// Applies one signal. Owner only.
#[inline]
pub(crate) fn take_in(slot: &Slot, own: &mut Own, signal: Signal) {
    if let Signal::Message(m) = &signal {
        if let Message::Call(c) = m {
            if own.pending.is_some() {
                return too_late(own, signal);
            }
            call::received(own, c.record());
        }
        let node = signal::make(0, signal);
        // SAFETY: a fresh node that carries a message.
        return unsafe { accept(slot, own, node) };
    }
    dispatch(slot, own, signal);
}

/// Queues a message, within the mailbox limit.
#[inline]
unsafe fn accept(slot: &Slot, own: &mut Own, node: *mut Node) {
    if own.relations.as_ref().is_some_and(|r| !r.waiting.is_empty()) {
        // SAFETY: ours, a message.
        if unsafe { call::is_plain_reply(slot, own, node) } {
            return;
        }
    }
    // SAFETY: ours, a message.
    unsafe { own.queue.push(node) };
    if let Some(c) = &own.cold {
        let limit = c.limits.mailbox;
        if limit != 0 && own.queue.len > limit {
            mailbox_overflow(slot, own);
        }
    }
}

/// The mailbox limit is reached: the process ends with `{system_limit, message_queue}`; the node lives on.
#[cold]
fn mailbox_overflow(_slot: &Slot, own: &mut Own) {
    let what = crate::term::Atom::new("message_queue").unwrap_or(atoms::SYSTEM_LIMIT);
    exit::set_pending(own, Term::tuple([Term::from(atoms::SYSTEM_LIMIT), what.into()]));
}

/// A signal for somebody who lived here before: answered as that death would have answered it.
#[cold]
fn stray(slot: &Slot, node: *mut Node) {
    // SAFETY: ours.
    let (serial, signal) = unsafe { ((*node).serial, signal::open(node)) };
    let to = crate::term::Pid { serial, ..slot.pid() };
    exit::answer_for_nobody(slot.system(), to, signal);
}

unsafe fn other(slot: &Slot, own: &mut Own, node: *mut Node) {
    // SAFETY: ours; read for dispatch, opened below unless queued as it is.
    unsafe {
        if let Signal::Message(m) = &(*node).signal {
            if let Message::Call(c) = m {
                if own.pending.is_some() {
                    return too_late(own, signal::open(node));
                }
                call::received(own, c.record());
            }
            return accept(slot, own, node);
        }
        dispatch(slot, own, signal::open(node));
    }
}

/// The process has received the exit it ends of before this signal, which finds nobody: it is answered after the end
/// has been announced.
#[cold]
fn too_late(own: &mut Own, signal: Signal) {
    own.cold().late.push(signal);
}

fn dispatch(slot: &Slot, own: &mut Own, signal: Signal) {
    if own.pending.is_some() {
        return too_late(own, signal);
    }
    match signal {
        Signal::Message(_) => unreachable!("queued by the caller"),
        Signal::Alias(reference, message) => alias::arrived(slot, own, reference, message),
        Signal::Exit { from, cause, reason } => exit::arrived(slot, own, from, cause, reason),
        Signal::Link { from } => link::arrived(own, from),
        Signal::Unlink { from, id } => link::unlink_arrived(slot, own, from, id),
        Signal::UnlinkAck { from, id } => link::ack_arrived(own, from, id),
        Signal::Monitor { from, reference, name } => monitor::arrived(own, from, reference, name),
        Signal::Demonitor { reference } => monitor::demonitor_arrived(own, reference),
        Signal::Down(down) => monitor::down_arrived(own, down),
        Signal::Reply(record) => call::reply_arrived(own, &record),
        Signal::CallClosed(record) => call::closed_arrived(own, &record),
        Signal::Info(request) => info::answer(slot, own, *request),
        Signal::GroupLeader(pid) => own.group_leader = pid,
        Signal::Suspend(up) => {
            let n = &mut own.cold().suspended;
            *n = if up { *n + 1 } else { n.saturating_sub(1) };
        }
        Signal::Wake => {
            // Ours may have fired; a waker's may have come before it.
            if own.armed != u64::MAX && own.armed <= slot.system().shared.clock.now_ns() {
                own.armed = u64::MAX;
            }
        }
    }
}
