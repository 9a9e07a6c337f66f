//! F3 processes: table, inbox, message queue, signals, links, monitors, aliases, names, timers of a process, exits.
//! Imports: base, term, sched, timer, pattern.
//!
//! Terms are values; processes are the only owners; signals are the only way in. Everything sent to a process is
//! a [`signal::Signal`] in its one inbox, and only the receiver (whoever holds its scheduling right) applies it,
//! in order: that alone gives Erlang's guarantee that signals between two processes arrive in order.

pub(crate) mod alias;
pub(crate) mod alias_state;
pub(crate) mod async_body;
pub(crate) mod attached;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod call_state;
pub(crate) mod context;
pub(crate) mod core;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod exit_state;
pub(crate) mod fiber_body;
pub(crate) mod flags;
pub(crate) mod guest;
pub(crate) mod inbox;
pub(crate) mod info;
pub(crate) mod link;
pub(crate) mod link_state;
pub(crate) mod message;
pub(crate) mod module;
pub(crate) mod monitor;
pub(crate) mod names;
pub(crate) mod origin;
pub(crate) mod queue;
pub(crate) mod relations;
pub(crate) mod rooms;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod signal;
pub(crate) mod slot;
pub(crate) mod spawn;
pub(crate) mod system;
pub(crate) mod table;
pub(crate) mod timers;
