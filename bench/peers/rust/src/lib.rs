//! What the Rust peers share: the same harness as krarup's own benchmark program.

#[path = "../../../src/harness.rs"]
pub mod harness;
