//! Models of krarup's concurrency protocols. The rooms below are the files of `core/src` themselves, included by path;
//! only what stands around them (who calls what, and what a process is) is written here. A model whose glue
//! paraphrases code of the library says so.
//!
//! Three ways of checking, three runs:
//!
//! ```text
//! cargo test -p krarup-models                                                    exhaustive search, no threads
//! RUSTFLAGS="--cfg loom" cargo test -p krarup-models --release --target-dir target/loom        all interleavings and
//!                                                 memory orders of small models, with few preemptions where it says so
//! RUSTFLAGS="--cfg shuttle" cargo test -p krarup-models --release --target-dir target/shuttle  the whole scheduler on
//!                                                 random schedules; prints its seed, KRARUP_SEED and KRARUP_ROUNDS set it
//! ```

// The rooms' items are used by the library, and here by some models under some configurations.
#![allow(dead_code, unused_imports)]

mod base;
mod process;
mod sched;
mod timer;

#[cfg(test)]
mod models;
