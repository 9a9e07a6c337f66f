//! krarup: Erlang/OTP as a native library.
//!
//! Rooms are stacked in floors; a room imports from lower floors only (`tests/floors.rs` checks it).
//! See `docs/architecture.md`.

pub mod base;
pub mod bits;
pub mod dist;
pub mod etf;
pub mod pattern;
pub mod sched;
pub mod term;
pub mod text;
pub mod timer;
