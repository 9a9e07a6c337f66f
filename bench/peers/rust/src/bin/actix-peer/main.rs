//! actix actors.
//!
//! With one worker every actor lives on one arbiter, that is one thread: nothing crosses a core. With two workers the
//! receiving side (servers, receivers, ping-pong's echo in `pingpong_cross`) lives on a second arbiter; rows without
//! sides (`pingpong`, `ring`, `spawn_*`, the supervisor) stay on one, actix's default.

mod call;
mod messaging;
mod spawn;
mod supervisor;

use std::future::Future;
use std::process::ExitCode;

use actix::{Actor, Addr, Arbiter, Context, System};
use krarup_bench_peers::harness::{self, Failure, Figure, Job, Kind, Row};

/// What a row gives.
type Figures = Result<Vec<Figure>, Failure>;

const ROWS: &[Row] = &[
    Row { name: "pingpong", kind: Kind::Rate, run: messaging::pingpong },
    Row { name: "pingpong_cross", kind: Kind::Rate, run: messaging::pingpong_cross },
    Row { name: "ring", kind: Kind::Rate, run: messaging::ring },
    Row { name: "many_to_one", kind: Kind::Rate, run: messaging::many_to_one },
    Row { name: "one_to_many", kind: Kind::Rate, run: messaging::one_to_many },
    Row { name: "spawn_exit", kind: Kind::Rate, run: spawn::spawn_exit },
    Row { name: "monitor_down", kind: Kind::Rate, run: spawn::monitor_down },
    Row { name: "spawn_live_mem", kind: Kind::Once, run: spawn::spawn_live_mem },
    Row { name: "call", kind: Kind::Rate, run: call::call },
    Row { name: "call_par_64x1", kind: Kind::Rate, run: |job| call::call_par(job, 64, 1) },
    Row { name: "call_par_64x64", kind: Kind::Rate, run: |job| call::call_par(job, 64, 64) },
    Row { name: "cast", kind: Kind::Rate, run: call::cast },
    Row { name: "supervisor_restart", kind: Kind::Plain, run: |_| supervisor::restart(2_000) },
    Row { name: "supervisor_restart_20k", kind: Kind::Once, run: |_| supervisor::restart(20_000) },
    Row { name: "startup", kind: Kind::Plain, run: harness::startup },
];

fn main() -> ExitCode {
    harness::main(ROWS, |_| spawn::first())
}

/// Runs `row` in a fresh system, on its first arbiter.
fn figures<F: Future<Output = Figures>>(row: F) -> Figures {
    System::new().block_on(row)
}

/// Where the receiving side lives.
enum Place {
    Here,
    There(Arbiter),
}

impl Place {
    fn new(job: &Job) -> Place {
        if job.workers < 2 { Place::Here } else { Place::There(Arbiter::new()) }
    }

    fn start<A: Actor<Context = Context<A>> + Send>(&self, actor: A) -> Addr<A> {
        match self {
            Place::Here => actor.start(),
            Place::There(arbiter) => A::start_in_arbiter(&arbiter.handle(), |_| actor),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Place::There(arbiter) = self {
            arbiter.stop();
        }
    }
}

fn gone<E>(_: E) -> Failure {
    Failure::new("an actor is gone")
}
