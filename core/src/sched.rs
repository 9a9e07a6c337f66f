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
//! | `Seat`          | the thread whose lease is current       | `Lease`               |
//! | injector        | anybody                                 | mutex, `len` as hint  |
//! | slow lane       | anybody                                 | mutex + condvar       |
//! | pinned queue    | pushed by anybody, popped by its thread | mutex, `len` as hint  |

#[cfg(not(loom))]
pub mod blocking;
#[cfg(not(loom))]
pub mod fiber;
pub mod lease;
pub mod queue;
#[cfg(not(loom))]
pub(crate) mod seat;
#[cfg(not(loom))]
pub(crate) mod shared;
#[cfg(not(loom))]
pub(crate) mod slow;
pub(crate) mod task;
#[cfg(not(loom))]
pub(crate) mod thread;
#[cfg(not(loom))]
pub(crate) mod watchdog;
#[cfg(not(loom))]
pub(crate) mod worker;
