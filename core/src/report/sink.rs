//! Where reports go.
//! Imports: report. Locks: those of stdout and stderr, for the length of one text.

use super::{Level, Report};
use crate::term::Pid;
use std::io::Write;

/// Takes the reports of a node, and the lines of `sys:trace`.
///
/// Called on the thread of the process that reports, so it should be quick. A panic in it counts as the process's own.
pub trait Sink: Send + Sync {
    /// A report. Source: OTP `logger` handlers.
    fn report(&self, report: &Report);

    /// A line of `sys:trace` or `sys:log(print)`, with its newline. Default: to stdout. Source: OTP `sys`, C5.7.
    fn trace(&self, process: Pid, line: &str) {
        let _ = process;
        to_stdout(line);
    }
}

/// What happens to trace lines where there is no sink: somebody has asked for them by name.
pub(crate) fn to_stdout(line: &str) {
    // Nobody can be told that the console is gone.
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Writes reports to stderr as OTP's default handler does: a header, then the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrSink;

impl Sink for StderrSink {
    fn report(&self, report: &Report) {
        let name = match (report.level, report.kind) {
            (_, "crash_report") => "CRASH REPORT",
            (_, "supervisor_report") => "SUPERVISOR REPORT",
            (_, "progress") => "PROGRESS REPORT",
            (Level::Error, _) => "ERROR REPORT",
            (Level::Warning, _) => "WARNING REPORT",
            (Level::Notice, _) => "NOTICE REPORT",
            (Level::Info, _) => "INFO REPORT",
        };
        let text = format!("={name}==== {} ===\n{}\n", time::stamp(report.time), report.text());
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// Local time, as the C library knows it.
pub(crate) mod time {
    use std::time::{SystemTime, UNIX_EPOCH};

    /// Year, month, day, hour, minute, second; microseconds.
    pub(crate) fn local(t: SystemTime) -> ([i64; 6], u32) {
        let since = t.duration_since(UNIX_EPOCH).unwrap_or_default();
        let secs = i64::try_from(since.as_secs()).unwrap_or(i64::MAX) as libc::time_t;
        // SAFETY: `tm` is plain integers and a pointer, for which zero is a value.
        let mut tm: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: both point to live values of ours; the function is the reentrant one.
        unsafe { libc::localtime_r(&raw const secs, &raw mut tm) };
        let n = i64::from;
        let parts = [n(tm.tm_year) + 1900, n(tm.tm_mon) + 1, n(tm.tm_mday), n(tm.tm_hour), n(tm.tm_min), n(tm.tm_sec)];
        (parts, since.subsec_micros())
    }

    /// `24-Nov-2026::22:18:50.123456`
    pub(super) fn stamp(t: SystemTime) -> String {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let ([year, month, day, h, m, s], us) = local(t);
        let month = usize::try_from(month - 1).ok().and_then(|i| MONTHS.get(i)).unwrap_or(&"???");
        format!("{day}-{month}-{year}::{h:02}:{m:02}:{s:02}.{us:06}")
    }
}
