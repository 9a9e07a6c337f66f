//! Reports on their way to the node's sink, and their texts. Source: OTP `supervisor:format_log/1`, C8.33-C8.34.
//! Imports: term, process, report.

use super::report::{Context as About, Report};
use crate::process::context::Context;
use crate::report::{self, Level, Reports, Text};
use crate::term::{Term, atoms};
use std::sync::Arc;

/// Whether anybody listens; asked at every step, so the node's value is looked up once.
pub(super) struct Log(Arc<Reports>);

impl Log {
    pub fn of(ctx: &Context) -> Self {
        Self(ctx.room())
    }

    pub fn is_wanted(&self) -> bool {
        self.0.sink().is_some()
    }
}

/// Logs a report, if anybody wants it.
pub(super) fn emit(ctx: &Context, r: &Report) {
    if !report::wanted(ctx) {
        return;
    }
    let (level, kind) = match r.context {
        About::Progress => (Level::Info, "progress"),
        _ => (Level::Error, "supervisor_report"),
    };
    let term = Term::map([(atoms::LABEL.into(), r.label()), (atoms::REPORT.into(), r.to_term())]);
    report::emit(ctx, level, kind, term, format);
}

/// OTP's text: a line for each part.
fn format(report: &Term, out: &mut Text) {
    let parts = report.as_map().and_then(|m| m.get(&atoms::REPORT.into())).and_then(Term::as_list);
    for part in parts.into_iter().flatten() {
        if let Some([key, value]) = part.as_tuple() {
            out.str("    ").line(key).str(": ").term(value).str("\n");
        }
    }
}

/// Logs a message that nobody understands.
pub(super) fn unexpected(ctx: &Context, message: &Term) {
    if !report::wanted(ctx) {
        return;
    }
    let label = Term::tuple([atoms::SUPERVISOR.into(), atoms::ERROR.into()]);
    let term = Term::map([(atoms::LABEL.into(), label), (atoms::REPORT.into(), message.clone())]);
    report::emit(ctx, Level::Error, "std_error", term, |report, out| {
        let message = report.as_map().and_then(|m| m.get(&atoms::REPORT.into()));
        out.str("Supervisor received unexpected message: ").term(message.unwrap_or(report)).str("\n");
    });
}
