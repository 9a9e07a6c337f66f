//! F4 `sys`: looking into and steering any behaviour while it runs. Both sides: who answers system messages, and who
//! sends them. Source: OTP `sys`; C5.1-C5.20, C10.21-C10.28.
//! Imports: term, process, proc_lib, gen, report.
//!
//! | file | what |
//! |---|---|
//! | `answer` | [`Sys`]: what an answering process keeps; a request is answered by `handle` |
//! | `debug` | debug options: trace, log, log to a file, statistics, functions of the user |
//! | `fun` | functions that travel in messages to a process of this node |
//! | `client` | `get_state`, `suspend`, `trace` and the rest |
//!
//! A process of one's own keeps a [`Sys`] and a [`Target`] (what is asked about it). It takes its messages with
//! [`Sys::receive`], or gives back those that [`Sys::wants`] refuses while it is suspended; for each message it asks
//! [`system_request`], and gives what that finds to [`Sys::handle`], which says whether to go on or to end.

mod answer;
mod client;
mod debug;
mod fun;

pub use answer::{Sys, Target, system_request};
pub use client::{
    LogFlag, StatisticsFlag, Within, change_code, get_state, get_status, install, log, log_to_file, no_debug, remove,
    replace_state, resume, statistics, suspend, terminate, trace,
};
pub use debug::{Debug, EventFormat};
pub use fun::{Fun, apply};
