//! F5 `gen_server`: servers. Source: OTP `gen_server`; C4.1-C4.57.
//! Imports: term, process, proc_lib, gen, sys, report.
//!
//! | file | what |
//! |---|---|
//! | `callbacks` | [`GenServer`], [`AsyncGenServer`]: what a server's author writes; what callbacks return |
//! | `dynamic` | the same behind pointers, for callbacks of other languages |
//! | `engine` | the loop: which callback a message is for, what its result means. Calls nobody, waits for nothing |
//! | `facet` | what the loop asks of a server beside its callbacks |
//! | `plain`, `waiting` | the two drivers of the loop: on a handler, on an async body |
//! | `report` | error reports and printed events, in OTP's words |
//! | `client` | start, call, cast, reply, stop |
//!
//! A server is plain unless it must wait inside its callbacks (call other servers): a plain one has no stack and costs
//! little while it is idle; an async one keeps its future.

mod callbacks;
mod client;
mod dynamic;
mod engine;
mod facet;
mod plain;
mod report;
mod waiting;

pub use crate::r#gen::{
    From, Linkage, Name, OneOf, Options, Replies, Request, RequestIds, Response, ServerRef, Started, Waiter,
    check_response, receive_response, reply, wait_response,
};
pub use callbacks::{After, AsyncGenServer, CallReturn, FormatStatus, GenServer, Init, Return};
pub use client::{
    abcast, async_code, call, call_timeout, cast, code, multi_call, multi_call_timeout, send_request, start,
    start_async, start_async_link, start_async_with, start_link, start_monitor, start_with, stop, stop_reason,
};
pub use dynamic::{AsyncCallbacks, BoxFuture, Callbacks, Dynamic, DynamicAsync};
pub use report::{format_event, format_no_handle_info, format_terminate};
pub use waiting::enter_loop;
