//! Plain tokio tasks with channels for mailboxes: the floor under every actor crate built on tokio.
//!
//! All mailboxes are unbounded `mpsc` channels, as a process's is. The part that measures is itself a task on a worker.

mod call;
mod latency;
mod messaging;
mod spawn;
mod timers;

use std::future::Future;
use std::process::ExitCode;

use krarup_bench_peers::harness::{self, Failure, Figure, Job, Kind, Row};
use tokio::runtime::{Builder, Runtime};

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
    Row { name: "link_exit", kind: Kind::Rate, run: spawn::link_exit },
    Row { name: "spawn_live_mem", kind: Kind::Once, run: spawn::spawn_live_mem },
    Row { name: "call", kind: Kind::Rate, run: call::call },
    Row { name: "call_par_64x1", kind: Kind::Rate, run: |job| call::call_par(job, 64, 1) },
    Row { name: "call_par_64x64", kind: Kind::Rate, run: |job| call::call_par(job, 64, 64) },
    Row { name: "cast", kind: Kind::Rate, run: call::cast },
    Row { name: "timer_start_cancel", kind: Kind::Rate, run: timers::start_cancel },
    Row { name: "timers_1m", kind: Kind::Once, run: timers::timers_1m },
    Row { name: "latency_idle_paced", kind: Kind::Plain, run: latency::idle },
    Row { name: "latency_load_paced", kind: Kind::Plain, run: latency::load },
    Row { name: "latency_load_paced_work200us", kind: Kind::Plain, run: latency::load_work },
    Row { name: "startup", kind: Kind::Plain, run: harness::startup },
];

fn main() -> ExitCode {
    harness::main(ROWS, |workers| on_runtime(workers, async { Ok(()) }))
}

fn runtime(workers: usize) -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_time().worker_threads(workers).build()
}

/// Runs `task` on a worker of a fresh runtime.
fn on_runtime<T, F>(workers: usize, task: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let runtime = runtime(workers)?;
    let result = runtime.block_on(async { tokio::spawn(task).await });
    runtime.shutdown_background();
    result?
}

/// As [`on_runtime`], for the workers that the job asks for.
fn figures<F>(job: &Job, task: F) -> Figures
where
    F: Future<Output = Figures> + Send + 'static,
{
    on_runtime(job.workers, task)
}
