//! F4 `gen`: what all behaviours share. Names and references to servers, calls, casts, replies, requests that are
//! waited for later, starting under a name, stopping. Source: OTP `gen`; C4.5-C4.26, C4.40, C4.51-53.
//! Imports: term, process, proc_lib, report.
//!
//! | file | what |
//! |---|---|
//! | `server_ref` | whom a call is for |
//! | `registry` | names beyond the local ones: `global`, and registries of users |
//! | `from` | who asked; the forms of reply tags |
//! | `call` | call, cast, stop |
//! | `requests` | send now, wait later; collections of requests |
//! | `start` | start under a name, with options |
//! | `multi` | calls and casts to a name on several nodes |
//!
//! For who writes a behaviour:
//! * start a child: [`start`] with a [`Linkage`], a [`Code`](crate::Code) and [`Options`] gives [`Started`]
//!   (`{ok, Pid} | ignore | {error, R}`) from an async body, a fiber or an attached thread. In the child [`Birth`] does
//!   the rest: it registers the name, tells the parent, acknowledges or fails.
//! * without a name: [`crate::proc_lib::start_link`], [`crate::proc_lib::init_ack`], [`crate::proc_lib::init_fail`].
//! * system messages: [`crate::sys::Sys`], whose `handle` answers one, and `receive` respects a suspension.
//! * reports: [`crate::report::emit`].
//!
//! Functions that wait take a [`Waiter`]: in an async body they return a future, in fibers and attached threads the
//! value.

mod call;
mod from;
mod multi;
mod registry;
mod requests;
mod server_ref;
mod start;

pub use crate::proc_lib::Waiter;
pub use call::{call, cast, stop};
pub(crate) use call::{call_raw, timeout_term, why_exit};
pub(crate) use from::reply_last;
pub use from::{From, reply};
pub use multi::{Replies, abcast, multi_call};
pub(crate) use registry::Registries;
pub use registry::Registry;
pub use requests::{
    OneOf, Request, RequestIds, Response, check_response, receive_response, send_request, wait_response,
};
pub use server_ref::{Name, ServerRef};
pub(crate) use start::start_raw_named;
pub use start::{Birth, Linkage, Options, Started, start};
