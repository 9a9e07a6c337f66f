//! Timers of processes: send_after, start_timer, cancel, read; receive deadlines; the wait of an exit for its callback.
//! Source: OTP `erlang:send_after/3,4`, `start_timer/3,4`, `cancel_timer/1`, `read_timer/1`.
//! Imports: base, timer, term, sched, core, context, signal.
//!
//! One wheel a seat, each under its own lock, so that anybody can cancel; the timer's reference tells wheel and
//! entry, so that nobody searches. The seat's worker polls its wheel; `next` says when it must.

use super::context::Context;
use super::core::Core;
use super::error::Exception;
use super::send::Dest;
use super::signal::Signal;
use super::slot::Slot;
use super::system::System;
use crate::sched::shared::{Ptr, lock};
use crate::sched::thread;
use crate::term::{Pid, Ref, Term, atoms};
use crate::timer::wheel::{TimerKey, Wheel};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

const MS: u64 = 1_000_000;
/// Longest relative timeout, in ms. Source: OTP `send_after/3` (2^32 - 1).
pub const MAX_TIMEOUT_MS: u64 = 0xffff_ffff;

enum Entry {
    /// `send_after`
    Send(Dest, Term),
    /// `start_timer`: `{timeout, Ref, Message}`; the reference is the entry's own key.
    Start(Dest, Term),
    /// The receive deadline of a process.
    Wake { number: u32, serial: u32 },
    /// An exit waits for its callback; the entry holds the scheduling right.
    Cleanup(Ptr),
}

/// Names a cleanup entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CleanupKey {
    wheel: usize,
    key: TimerKey,
}

struct One {
    wheel: Mutex<Wheel<Entry>>,
    /// When the wheel must be polled next. Written under the lock (SeqCst: a foreign inserter then looks at the
    /// sleepers, see `Shared`), read by the worker without it: a stale value is corrected by the wake-up.
    next: AtomicU64,
}

pub(crate) struct Timers {
    wheels: Box<[One]>,
}

impl Timers {
    pub fn new(wheels: usize, now_ns: u64) -> Self {
        let one = |_| One { wheel: Mutex::new(Wheel::new(now_ns)), next: AtomicU64::new(u64::MAX) };
        Self { wheels: (0..wheels).map(one).collect() }
    }

    pub fn next_deadline(&self, wheel: usize) -> u64 {
        self.wheels[wheel].next.load(Relaxed)
    }

    /// The calling thread's wheel, or the first.
    fn own_wheel(&self, system: &System) -> usize {
        // SAFETY: a non-null record is the current thread's own.
        match unsafe { thread::current().as_ref() } {
            Some(c) if std::ptr::eq(c.shared, std::sync::Arc::as_ptr(&system.shared)) && !c.locked.get() => {
                // SAFETY: seated threads have a cell.
                unsafe { (*c.cell).index }
            }
            _ => 0,
        }
    }

    fn insert(&self, system: &System, deadline: u64, entry: Entry) -> (usize, TimerKey) {
        let at = self.own_wheel(system);
        let one = &self.wheels[at];
        let (key, sooner) = {
            let mut w = lock(&one.wheel);
            let key = w.insert(deadline, entry);
            let sooner = deadline < one.next.load(Relaxed);
            if sooner {
                one.next.store(deadline, SeqCst);
            }
            (key, sooner)
        };
        // Only a seat that would sleep too long has to be told.
        if sooner {
            system.shared.wake_seat(at);
        }
        (at, key)
    }

    /// Fires what is due. Called by the seat's worker, inside the core.
    pub fn poll(&self, system: &System, wheel: usize, now: u64) {
        let one = &self.wheels[wheel];
        let mut due = Vec::new();
        {
            let mut w = lock(&one.wheel);
            w.advance(now, |key, _deadline, entry| due.push((key, entry)));
            one.next.store(w.next_deadline().unwrap_or(u64::MAX), SeqCst);
        }
        for (key, entry) in due {
            match entry {
                Entry::Send(to, message) => deliver(system, to, message),
                Entry::Start(to, message) => {
                    let r = to_ref(system, wheel, key);
                    deliver(system, to, Term::tuple([Term::from(atoms::TIMEOUT), r.into(), message]));
                }
                Entry::Wake { number, serial } => {
                    let to = Pid { node: system.id, number, serial };
                    if system.find(to).is_some() {
                        system.signal(to, Signal::Wake);
                    }
                }
                // SAFETY: the entry held the right.
                Entry::Cleanup(Ptr(task)) => unsafe { system.shared.wake(task) },
            }
        }
    }

    /// Wakes a process at a time.
    pub fn wake_at(&self, slot: &Slot, deadline: u64) {
        let entry = Entry::Wake { number: slot.number, serial: slot.serial.load(Relaxed) };
        self.insert(slot.system(), deadline, entry);
    }

    /// Keeps the scheduling right of an ending process until then.
    pub fn cleanup_at(&self, slot: &Slot, deadline: u64) -> CleanupKey {
        let (wheel, key) = self.insert(slot.system(), deadline, Entry::Cleanup(Ptr(slot.task_ptr())));
        CleanupKey { wheel, key }
    }

    /// Takes the right back; false if the timer was faster.
    pub fn cancel_cleanup(&self, c: CleanupKey) -> bool {
        lock(&self.wheels[c.wheel].wheel).cancel(c.key).is_some()
    }
}

/// The name is looked up when the timer fires, not when it is set; if nobody has it then, the message is dropped.
fn deliver(system: &System, to: Dest, message: Term) {
    let _ = system.send_from_nobody(to, message);
}

/// Timer references say where the timer is: index, generation and wheel fill the three words under a bit that no
/// counted reference has.
const TIMER_BIT: u32 = 1 << 31;

fn to_ref(system: &System, wheel: usize, key: TimerKey) -> Ref {
    let g = key.generation;
    let high = TIMER_BIT | ((wheel as u32 & 0x3f) << 14) | (g >> 18);
    Ref::new(system.id, [g & 0x3ffff, key.index, high])
}

fn from_ref(system: &System, r: Ref) -> Option<(usize, TimerKey)> {
    let &[low, index, high] = r.words() else { return None };
    if r.node() != system.id || high & TIMER_BIT == 0 {
        return None;
    }
    let wheel = (high >> 14 & 0x3f) as usize;
    let generation = low | (high & 0x3fff) << 18;
    (wheel < system.timers.wheels.len()).then_some((wheel, TimerKey { index, generation }))
}

impl Context {
    /// Sends `message` to `to` after `ms` milliseconds. Errors: `badarg` beyond 2^32 - 1 ms.
    pub fn send_after(&mut self, ms: u64, to: impl Into<Dest>, message: impl Into<Term>) -> Result<Ref, Exception> {
        let (to, message) = (to.into(), message.into());
        self.set_timer(ms, Entry::Send(to, message))
    }

    /// Sends `{timeout, Ref, Message}` to `to` after `ms` milliseconds, where `Ref` is what this returns.
    pub fn start_timer(&mut self, ms: u64, to: impl Into<Dest>, message: impl Into<Term>) -> Result<Ref, Exception> {
        let (to, message) = (to.into(), message.into());
        self.set_timer(ms, Entry::Start(to, message))
    }

    /// Stops a timer. The milliseconds that were left, or `None` if it has fired, was cancelled, or never was.
    pub fn cancel_timer(&mut self, timer: Ref) -> Option<u64> {
        let mut core = Core::act(self).ok()?;
        core.charge(2);
        let system = core.system();
        let (wheel, key) = from_ref(system, timer)?;
        let (deadline, entry) = lock(&system.timers.wheels[wheel].wheel).cancel(key)?;
        drop(entry);
        Some(left(system, deadline))
    }

    /// The milliseconds a timer has left, or `None`.
    pub fn read_timer(&mut self, timer: Ref) -> Option<u64> {
        let core = Core::enter(self).ok()?;
        let system = core.system();
        let (wheel, key) = from_ref(system, timer)?;
        let deadline = lock(&system.timers.wheels[wheel].wheel).read(key).map(|(d, _)| d)?;
        Some(left(system, deadline))
    }

    fn set_timer(&mut self, ms: u64, entry: Entry) -> Result<Ref, Exception> {
        let mut core = Core::act(self).map_err(|_| Exception::killed())?;
        if ms > MAX_TIMEOUT_MS {
            return Err(Exception::badarg());
        }
        core.charge(2);
        core.flush();
        let system = core.system();
        let deadline = system.shared.clock.now_ns() + ms * MS;
        let (wheel, key) = system.timers.insert(system, deadline, entry);
        Ok(to_ref(system, wheel, key))
    }
}

fn left(system: &System, deadline: u64) -> u64 {
    deadline.saturating_sub(system.shared.clock.now_ns()).div_ceil(MS)
}
