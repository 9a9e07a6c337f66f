//! The models, one room a file.

#[cfg(not(any(loom, shuttle)))]
mod alias;
#[cfg(not(any(loom, shuttle)))]
mod link;

#[cfg(loom)]
mod call;
#[cfg(loom)]
mod exit;
#[cfg(loom)]
mod handoff;
#[cfg(loom)]
mod inbox;
#[cfg(loom)]
mod lease;
#[cfg(loom)]
mod pool;
#[cfg(not(loom))]
mod scheduler;
#[cfg(loom)]
mod sleep;
#[cfg(loom)]
mod timer;

/// Checks every execution of `f`, or with `preemptions` those in which the scheduler takes a thread that could go on
/// off its core so often at most. (Bugs that need more than three are rare; executions with more are most of all.)
#[cfg(loom)]
fn check(preemptions: Option<usize>, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    builder.max_branches = 20_000;
    builder.check(f);
}
