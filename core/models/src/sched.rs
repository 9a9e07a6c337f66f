//! The rooms of `core/src/sched`. Loom has no weak pointers and no time, so that the rooms which need them are left to
//! shuttle. Fibers and the blocking pool's channel are left out: they are other people's code.

#[path = "../../src/sched/handoff.rs"]
pub mod handoff;
#[path = "../../src/sched/lease.rs"]
pub mod lease;
#[path = "../../src/sched/queue.rs"]
pub mod queue;
#[path = "../../src/sched/roster.rs"]
pub mod roster;
#[path = "../../src/sched/sleep.rs"]
pub mod sleep;
#[path = "../../src/sched/task.rs"]
pub mod task;

#[cfg(not(loom))]
#[path = "../../src/sched/seat.rs"]
pub mod seat;
#[cfg(not(loom))]
#[path = "../../src/sched/shared.rs"]
pub mod shared;
#[cfg(not(loom))]
#[path = "../../src/sched/slow.rs"]
pub mod slow;
#[cfg(not(loom))]
#[path = "../../src/sched/thread.rs"]
pub mod thread;
#[cfg(not(loom))]
#[path = "../../src/sched/watchdog.rs"]
pub mod watchdog;
#[cfg(not(loom))]
#[path = "../../src/sched/worker.rs"]
pub mod worker;
