//! F2 scheduler: seats, workers, parking, the watchdog with stand-ins, the slow lane. It knows no terms:
//! what runs is a [`Task`], a header that `process` puts at the start of each process slot.
//! Imports: base, timer.
//!
//! Words. A *seat* is one place to run processes: run queues and a deferred send, owned by whoever holds its lease.
//! A *worker* is the OS thread that sits on it. When a callback overstays, the watchdog takes the seat away
//! from the thread (`lease`), seats a *stand-in* there, and the old thread goes on as a guest of its own process.
//!
//! | what            | owner                                   | guarded by            |
//! |-----------------|-----------------------------------------|-----------------------|
//! | `Seat`          | the thread whose tenure is current      | `lease`               |
//! | injector        | anybody                                 | mutex, length as hint |
//! | slow lane       | anybody                                 | mutex + condvar       |
//! | pinned queue    | pushed by anybody, popped by its thread | mutex, length as hint |
//!
//! Locks are leaves but for these orders: slow lane before nothing, sitter and tenure of a seat before nothing, thread
//! table before nothing. No lock is held while a task runs or the floor above is called.
//!
//! Every protocol here is written down as numbered steps in its room and checked by the crate `core/models`.

pub mod blocking;
pub mod fiber;
pub(crate) mod handoff;
pub(crate) mod lease;
pub(crate) mod queue;
pub(crate) mod roster;
pub(crate) mod seat;
pub(crate) mod shared;
pub(crate) mod sleep;
pub(crate) mod slow;
pub(crate) mod task;
pub(crate) mod thread;
pub(crate) mod watchdog;
pub(crate) mod worker;

#[cfg(test)]
mod tests;
