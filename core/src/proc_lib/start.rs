//! Synchronous start: spawn, and wait until the child says that it is ready, or why it is not.
//! Imports: term, process, waiter.
//!
//! The child says `{ack, Pid, Ret}` and goes on, or `{nack, Pid, Ret}` and ends, or ends without a word. The rule is
//! that of OTP 26: when a start has failed the process is gone, its name is free, and no `'EXIT'` of it is left.

use super::waiter::Waiter;
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::process::message::Message;
use crate::process::monitor::MonitorOptions;
use crate::process::origin::Origin;
use crate::process::spawn::{Code, SpawnOptions};
use crate::term::{Atom, Pid, Ref, Term, View, atoms};
use std::sync::Arc;

/// Options of a start.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// How long, in ms, to wait for the acknowledgement; `None`: for ever. Then the child is killed and the start
    /// returns `{error, timeout}`.
    pub timeout_ms: Option<u64>,
    /// Options of the spawn; its `monitor` is refused with `badarg`.
    pub spawn: SpawnOptions,
}

/// What binds starter and child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    No,
    Link,
    Monitor,
}

/// What a start has come to.
pub(crate) struct Outcome {
    /// What the child has acknowledged, or `{error, Reason}`.
    pub ret: Term,
    /// The monitor of a child that is there.
    pub monitor: Option<Ref>,
}

/// Starts a process and returns what it says with [`init_ack`]; `{error, Reason}` if it ends before, or does not say
/// anything in time. `initial_call` is what reports and `process_info` show.
///
/// Errors: `badarg` for the spawn option `monitor`; `system_limit`. Source: OTP `proc_lib:start/3,4,5`, C10.7-11.
pub fn start<W: Waiter>(
    w: &mut W,
    initial_call: (Atom, Atom, u8),
    code: Code,
    options: StartOptions,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    W::run(async move { start_raw(w, initial_call, code, options, Bond::No).await.map(|o| o.ret) })
}

/// As [`start`], linked. A starter that does not trap exits is ended by a child that ends abnormally; one that does
/// finds no `'EXIT'` of a failed start. Source: OTP `proc_lib:start_link/3,4,5`.
pub fn start_link<W: Waiter>(
    w: &mut W,
    initial_call: (Atom, Atom, u8),
    code: Code,
    options: StartOptions,
) -> W::Ret<impl Future<Output = Result<Term, Exception>>> {
    W::run(async move { start_raw(w, initial_call, code, options, Bond::Link).await.map(|o| o.ret) })
}

/// As [`start`], monitored: what the child says, and the monitor unless the start has failed.
/// Source: OTP `proc_lib:start_monitor/3,4,5`.
pub fn start_monitor<W: Waiter>(
    w: &mut W,
    initial_call: (Atom, Atom, u8),
    code: Code,
    options: StartOptions,
) -> W::Ret<impl Future<Output = Result<(Term, Option<Ref>), Exception>>> {
    W::run(async move { start_raw(w, initial_call, code, options, Bond::Monitor).await.map(|o| (o.ret, o.monitor)) })
}

/// The one implementation.
pub(crate) async fn start_raw<W: Waiter>(
    w: &mut W,
    initial_call: (Atom, Atom, u8),
    code: Code,
    options: StartOptions,
    bond: Bond,
) -> Result<Outcome, Exception> {
    if options.spawn.monitor.is_some() {
        return Err(Exception::badarg());
    }
    let linked = bond == Bond::Link || options.spawn.link;
    let origin: Option<Arc<Origin>> = w.origin_of_child(initial_call);
    let spawn = SpawnOptions { link: linked, monitor: Some(MonitorOptions::default()), ..options.spawn };
    let (pid, monitor) = w.spawn_from(code, &spawn, origin)?;
    let Some(monitor) = monitor else { return Err(Exception::killed()) };
    let word = w.wait_match(Some(monitor), options.timeout_ms, |m| is_word(m, pid, monitor)).await;
    match word {
        Some(Message::Term(t)) => {
            let View::Tuple([kind, _, ret]) = t.view() else { return Err(Exception::badarg()) };
            let ret = ret.clone();
            if kind.as_atom() == Some(atoms::ACK) {
                if bond != Bond::Monitor {
                    w.demonitor_flush(monitor);
                }
                return Ok(Outcome { ret, monitor: (bond == Bond::Monitor).then_some(monitor) });
            }
            // It ends now; wait for that.
            w.wait_match(Some(monitor), None, |m| is_down(m, monitor)).await;
            forget_exit(w, pid, linked).await;
            Ok(Outcome { ret, monitor: None })
        }
        Some(Message::Down(d)) => {
            forget_exit(w, pid, linked).await;
            Ok(failed(d.reason))
        }
        _ => {
            w.unlink(pid);
            w.exit(pid, atoms::KILL);
            w.wait_match(Some(monitor), None, |m| is_down(m, monitor)).await;
            forget_exit(w, pid, linked).await;
            // A word that came too late.
            w.wait_match(Some(monitor), Some(0), |m| is_word(m, pid, monitor)).await;
            Ok(failed(atoms::TIMEOUT.into()))
        }
    }
}

fn failed(reason: Term) -> Outcome {
    Outcome { ret: Term::tuple([atoms::ERROR.into(), reason]), monitor: None }
}

fn is_down(m: &Message, monitor: Ref) -> bool {
    matches!(m, Message::Down(d) if d.reference == monitor)
}

fn is_word(m: &Message, pid: Pid, monitor: Ref) -> bool {
    match m {
        Message::Down(d) => d.reference == monitor,
        Message::Term(t) => match t.view() {
            View::Tuple([kind, from, _]) => {
                matches!(kind.as_atom(), Some(atoms::ACK | atoms::NACK)) && from.as_pid() == Some(pid)
            }
            _ => false,
        },
        _ => false,
    }
}

/// The trapped exit of a child that is gone: its signal came before the monitor's message.
async fn forget_exit<W: Waiter>(w: &mut W, pid: Pid, linked: bool) {
    if linked {
        w.unlink(pid);
        w.wait_match(None, Some(0), |m| matches!(m, Message::Exit(e) if e.from == pid)).await;
    }
}

/// The child is ready: the start returns `ret`, by convention `{ok, Pid}`. Source: OTP `proc_lib:init_ack/2`.
pub fn init_ack(ctx: &mut Context, starter: Pid, ret: impl Into<Term>) {
    say(ctx, atoms::ACK, starter, ret.into());
}

/// The child cannot be: the start returns `ret` as soon as the child is gone. Return the exception from the body at
/// once. A failed start should let go of what it has registered before. Source: OTP 26 `proc_lib:init_fail/3`.
pub fn init_fail(ctx: &mut Context, starter: Pid, ret: impl Into<Term>, exception: Exception) -> Exception {
    say(ctx, atoms::NACK, starter, ret.into());
    exception
}

fn say(ctx: &mut Context, kind: Atom, starter: Pid, ret: Term) {
    let me = ctx.self_pid();
    ctx.send(starter, Term::tuple([kind.into(), me.into(), ret]));
}
