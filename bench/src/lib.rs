//! The harness of krarup's benchmark program. The Rust peers include the same file.

pub mod harness;
