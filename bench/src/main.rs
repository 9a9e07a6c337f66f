//! krarup's side of the benchmarks: `krarup-bench ROW [--workers N] [--reps R] [--ops N]`, or `krarup-bench list`.
//!
//! Imports: the harness and krarup's public API, nothing private: what is measured is what a user gets. One file a
//! family of rows, each with its own table; `README.md` says what a row measures, and `rows.tsv` its unit.

mod call;
mod etf;
mod latency;
mod messaging;
mod spawn;
mod startup;
mod timers;
mod world;

use std::process::ExitCode;

use krarup_bench::harness;

fn main() -> ExitCode {
    let rows = [messaging::ROWS, spawn::ROWS, call::ROWS, timers::ROWS, etf::ROWS, latency::ROWS, startup::ROWS];
    harness::main(&rows.concat(), startup::first)
}
