//! krarup: Erlang/OTP as a native library.
//!
//! Rooms are stacked in floors; a room imports from lower floors only (`tests/floors.rs` checks it).
//! See `docs/architecture.md`.

#[doc(hidden)]
pub mod base;
pub mod bits;
pub mod dist;
pub mod etf;
pub mod r#gen;
pub mod gen_server;
mod net;
mod node;
pub mod pattern;
pub mod proc_lib;
mod process;
pub mod report;
mod sched;
pub mod supervisor;
pub mod sys;
pub mod term;
pub mod text;
#[doc(hidden)]
pub mod timer;

pub use r#gen::{Name, ServerRef, Started, Waiter};
pub use gen_server::{AsyncGenServer, GenServer};
pub use net::config::{ConnectError, Epmd, NameFailure};
pub use net::event::{EventHook, NodeEvent};
pub use net::watch::{MonitorNodes, NodeType};
pub use node::{Node, NodeBuilder, NodeCounts, StartError, StillRunning};
pub use process::alias_state::AliasMode;
pub use process::async_body::{AsyncContext, Timeout};
pub use process::attached::{Attached, ReceiveError};
pub use process::body::{Handler, Next};
pub use process::call::{Call, CallError, From as CallFrom};
pub use process::context::Context;
pub use process::error::{Class, Exception};
pub use process::fiber_body::FiberContext;
pub use process::info::ProcessInfo;
pub use process::message::{Down, ExitMessage, Message, Monitored};
pub use process::module::{CallFn, Module, SpawnFn, WaitFn, WaitFuture};
pub use process::monitor::{MonitorOptions, Target};
pub use process::send::Dest;
pub use process::spawn::{Code, SpawnOptions};
pub use process::timers::MAX_TIMEOUT_MS;
pub use sched::task::Priority;
pub use term::{Atom, Pid, Ref, Term};

/// The README's program, compiled and run by the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
