//! The rooms of `core/src/process` that are pure enough for models.

#[path = "../../src/process/alias_state.rs"]
pub mod alias_state;
#[path = "../../src/process/call_state.rs"]
pub mod call_state;
#[path = "../../src/process/exit_state.rs"]
pub mod exit_state;
#[path = "../../src/process/inbox.rs"]
pub mod inbox;
#[path = "../../src/process/link_state.rs"]
pub mod link_state;
