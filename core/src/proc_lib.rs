//! F4 `proc_lib`: processes that say who started them, tell their starter how their beginning went, and report their
//! crash. Everything that lives in a supervision tree begins here. Source: OTP `proc_lib`; C10.5-C10.17.
//! Imports: term, process, report.
//!
//! | file | what |
//! |---|---|
//! | `waiter` | the three kinds of code that may wait, behind one trait: the same function serves all of them |
//! | `spawn` | spawn, with ancestors and initial call; bodies that report their crash |
//! | `start` | spawn and wait for the acknowledgement |
//! | `crash`, `format` | crash reports, and their text |
//!
//! For who writes a special process, or a behaviour (all work in async bodies, fibers and attached threads alike):
//! [`start_link`] waits for the child's [`init_ack`] or [`init_fail`]; [`future`], [`handler`] and
//! [`assume_fiber_safe`] make the [`crate::Code`] of a child that reports its crash; [`Waiter`] is what a function
//! takes that has to wait.

mod crash;
mod format;
mod spawn;
mod start;
mod waiter;

pub(crate) use crash::Dying;
pub use format::format_crash;
pub use spawn::{assume_fiber_safe, future, handler, spawn, spawn_link, spawn_opt};
pub(crate) use spawn::{begin_dying, caught, caught_now, dying_turn, report_and_end};
pub(crate) use start::{Bond, start_raw};
pub use start::{StartOptions, init_ack, init_fail, start, start_link, start_monitor};
pub use waiter::Waiter;

use crate::term::{Term, View, atoms};

/// Whether ending with this reason is nothing to report: `normal`, `shutdown`, `{shutdown, _}`.
pub fn is_quiet(reason: &Term) -> bool {
    match reason.view() {
        View::Atom(a) => a == atoms::NORMAL || a == atoms::SHUTDOWN,
        View::Tuple([first, _]) => first.as_atom() == Some(atoms::SHUTDOWN),
        _ => false,
    }
}
