//! The rooms of `core/src/timer`.

#[path = "../../src/timer/locked.rs"]
pub mod locked;
#[path = "../../src/timer/wheel.rs"]
pub mod wheel;
