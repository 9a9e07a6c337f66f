//! F4 reports: what the library has to say about crashes, in OTP's words, to whoever wants to hear it.
//! Imports: term, process. Locks: one for the sink, a leaf, not held while the sink runs.
//!
//! A report is a term (a map with a `label`, as OTP's `logger` gets it) and a function that makes OTP's text of it.
//! A node has at most one [`Sink`]; without one, nothing is collected and nothing is printed. The room `logger`
//! stands above and will be such a sink. Source: OTP `logger`, `error_logger`; C4.36-38.

mod sink;
mod text;

pub(crate) use sink::time::local as local_time;
pub(crate) use sink::to_stdout;
pub use sink::{Sink, StderrSink};
pub use text::Text;

use crate::process::context::Context;
use crate::term::{NodeId, Pid, Term};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// How bad it is. Source: OTP `logger:level()`, the levels that the library itself uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something has crashed.
    Error,
    /// Something is odd, and was ignored.
    Warning,
    /// Something of interest has happened.
    Notice,
    /// The same, of less interest.
    Info,
}

/// Makes the text of a report. Source: OTP `report_cb`.
pub type Format = fn(report: &Term, out: &mut Text);

/// One thing the library has to say.
#[derive(Clone, Debug)]
pub struct Report {
    /// How bad it is.
    pub level: Level,
    /// The process that reports.
    pub pid: Pid,
    /// When it was made.
    pub time: SystemTime,
    /// What there is to say: a map with the key `label`. Source: OTP `logger:report()`.
    pub term: Term,
    /// What the old `error_logger` calls it: `error_report`'s type, as `crash_report`; `std_error` if none.
    pub kind: &'static str,
    format: Format,
}

impl Report {
    /// OTP's text, without a header; it ends in a newline.
    pub fn text(&self) -> String {
        let mut out = Text::new(self.pid.node);
        (self.format)(&self.term, &mut out);
        out.into_string()
    }

    /// The node whose pids are printed as `<0.N.S>`.
    pub fn node(&self) -> NodeId {
        self.pid.node
    }
}

/// The sink of one node.
#[derive(Default)]
pub(crate) struct Reports {
    sink: RwLock<Option<Arc<dyn Sink>>>,
}

impl Reports {
    /// Sets the sink, or takes it away.
    pub fn set(&self, sink: Option<Arc<dyn Sink>>) {
        *self.sink.write().unwrap_or_else(PoisonError::into_inner) = sink;
    }

    /// The sink, if there is one.
    pub fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sink of the node the process lives on.
pub(crate) fn sink_of(ctx: &Context) -> Option<Arc<dyn Sink>> {
    ctx.find_room::<Reports>()?.sink()
}

/// Whether anybody wants reports: ask before making a costly one.
pub fn wanted(ctx: &Context) -> bool {
    sink_of(ctx).is_some()
}

/// Hands a report to the node's sink, if it has one. The sink runs here, on the thread of the caller.
pub fn emit(ctx: &Context, level: Level, kind: &'static str, term: Term, format: Format) {
    if let Some(sink) = sink_of(ctx) {
        sink.report(&Report { level, pid: ctx.self_pid(), time: SystemTime::now(), term, kind, format });
    }
}
