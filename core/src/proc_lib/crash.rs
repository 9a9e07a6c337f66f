//! Making a crash report: what the dying process knows of itself, and what its neighbours say of themselves.
//! Imports: term, process, report, format.
//!
//! Neighbours are asked before the exit is announced, so that they still live; the dying process waits for their
//! answers, but not for long. A handler cannot wait inside a callback: so dying is a small state machine that is fed
//! the messages. Without a sink nobody is asked. Source: OTP `proc_lib:crash_report/4`, C4.38.

use super::format::format_crash;
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::process::info::ProcessInfo;
use crate::process::message::Message;
use crate::report::{self, Level};
use crate::term::{Pid, Ref, Term, View, atoms};

/// How long the neighbours have, in ms.
pub(crate) const PATIENCE_MS: u64 = 200;
/// As in OTP.
const MAX_NEIGHBOURS: usize = 15;
const ASK_AT_MOST: usize = 64;

/// How a process ends.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// The exception that nobody has caught.
    pub exception: Exception,
}

impl Ending {
    /// The exit reason.
    pub fn reason(&self) -> Term {
        self.exception.clone().into_exit_reason()
    }
}

/// What to do next while dying.
pub(crate) enum DyingStep {
    /// The report is out (or nobody wants it): end with this reason.
    Done(Term),
    /// Feed it the next message, or `give_up` after `PATIENCE_MS`.
    Wait,
    /// Not for it: leave the message where it is.
    Keep(Message),
}

/// See the module's text.
pub(crate) struct Dying {
    ending: Ending,
    own: Term,
    links: Vec<Pid>,
    waiting: Vec<(Ref, Pid)>,
    asked: Vec<Pid>,
    found: Vec<Found>,
}

struct Found {
    pid: Pid,
    links: Vec<Pid>,
    report: Term,
}

impl Dying {
    /// Begins; `Err` when there is nothing to wait for.
    pub fn begin(ctx: &mut Context, ending: Ending) -> Result<Self, Term> {
        let reason = ending.reason();
        if super::is_quiet(&reason) || !report::wanted(ctx) {
            return Err(reason);
        }
        let Some(info) = ctx.info() else { return Err(reason) };
        let own = own_report(&info, &ending.exception);
        let mut dying = Self {
            ending,
            own,
            links: info.links.clone(),
            waiting: Vec::new(),
            asked: vec![ctx.self_pid()],
            found: Vec::new(),
        };
        dying.ask(ctx, &info.links);
        if dying.waiting.is_empty() { Err(dying.finish(ctx)) } else { Ok(dying) }
    }

    fn ask(&mut self, ctx: &mut Context, pids: &[Pid]) {
        for &pid in pids {
            let here = pid.node == ctx.self_pid().node;
            if here && self.asked.len() < ASK_AT_MOST && !self.asked.contains(&pid) {
                self.asked.push(pid);
                let r = ctx.request_info(pid, |info| info.map_or_else(Term::nil, neighbour));
                self.waiting.push((r, pid));
            }
        }
    }

    /// Feeds it a message.
    pub fn message(&mut self, ctx: &mut Context, m: Message) -> DyingStep {
        let Some((at, answer)) = self.answer(&m) else { return DyingStep::Keep(m) };
        let (_, pid) = self.waiting.swap_remove(at);
        if let View::Tuple([links, report]) = answer.view() {
            let links: Vec<Pid> =
                links.as_list().map(|l| l.iter().filter_map(Term::as_pid).collect()).unwrap_or_default();
            self.ask(ctx, &links);
            self.found.push(Found { pid, links, report: report.clone() });
        }
        if self.waiting.is_empty() { DyingStep::Done(self.finish(ctx)) } else { DyingStep::Wait }
    }

    /// Whether a message is one that `message` takes.
    pub fn wants(&self, m: &Message) -> bool {
        self.answer(m).is_some()
    }

    fn answer<'m>(&self, m: &'m Message) -> Option<(usize, &'m Term)> {
        let Message::Term(t) = m else { return None };
        let View::Tuple([r, answer]) = t.view() else { return None };
        let r = r.as_ref()?;
        Some((self.waiting.iter().position(|(w, _)| *w == r)?, answer))
    }

    /// The report goes out with what has come; returns the exit reason.
    pub fn finish(&self, ctx: &Context) -> Term {
        let mut visited = vec![ctx.self_pid()];
        self.visit(&self.links, &mut visited);
        let me = ctx.self_pid();
        let neighbours = visited
            .iter()
            .rev()
            .filter(|p| **p != me)
            .filter_map(|p| self.found.iter().find(|f| f.pid == *p))
            .map(|f| Term::tuple([atoms::NEIGHBOUR.into(), f.report.clone()]));
        let report = Term::list([self.own.clone(), Term::list(neighbours)]);
        let label = Term::tuple([atoms::PROC_LIB.into(), atoms::CRASH.into()]);
        let term = Term::map([(atoms::LABEL.into(), label), (atoms::REPORT.into(), report)]);
        report::emit(ctx, Level::Error, "crash_report", term, format_crash);
        self.ending.reason()
    }

    /// OTP's walk: the rest of the row first, then what lies behind its first.
    fn visit(&self, row: &[Pid], visited: &mut Vec<Pid>) {
        // A row is walked before what is behind it, so the depth is bounded by the number of neighbours.
        let mut behind = Vec::new();
        for pid in row {
            if visited.len() > MAX_NEIGHBOURS {
                break;
            }
            if visited.contains(pid) {
                continue;
            }
            if let Some(f) = self.found.iter().find(|f| f.pid == *pid) {
                visited.push(*pid);
                behind.push(f);
            }
        }
        for f in behind.into_iter().rev() {
            self.visit(&f.links, visited);
        }
    }
}

fn pair(key: crate::term::Atom, value: impl Into<Term>) -> Term {
    Term::tuple([key.into(), value.into()])
}

fn pids(all: &[Pid]) -> Term {
    let mut all = all.to_vec();
    all.sort_by(Pid::order);
    Term::list(all.into_iter().map(Term::from))
}

fn name(info: &ProcessInfo) -> Term {
    info.registered_name.map_or_else(Term::nil, Term::from)
}

fn entry(info: &ProcessInfo, key: crate::term::Atom) -> Option<Term> {
    let key = Term::from(key);
    info.dictionary.iter().find(|(k, _)| k.same(&key)).map(|(_, v)| v.clone())
}

/// `{M, F, Arity}` as reports show it: with made-up arguments.
fn initial_call(info: &ProcessInfo) -> Term {
    let known = entry(info, atoms::INITIAL_CALL);
    if let Some(View::Tuple([m, f, a])) = known.as_ref().map(Term::view) {
        let arity = a.as_int().unwrap_or(0).clamp(0, 255);
        let args = (1..=arity).map(|n| match crate::term::Atom::new(&format!("Argument__{n}")) {
            Ok(a) => Term::from(a),
            Err(_) => Term::from(n),
        });
        return Term::tuple([m.clone(), f.clone(), Term::list(args)]);
    }
    plain_call(info)
}

fn plain_call(info: &ProcessInfo) -> Term {
    let (m, f, a) = info.initial_call.unwrap_or((atoms::ERLANG, atoms::APPLY, 2));
    Term::tuple([m.into(), f.into(), Term::from(a)])
}

fn own_report(info: &ProcessInfo, e: &Exception) -> Term {
    let class = match e.class {
        Class::Exit => atoms::EXIT_CLASS,
        Class::Error | Class::Throw => atoms::ERROR,
    };
    let reason = match e.class {
        Class::Throw => Term::tuple([atoms::NOCATCH.into(), e.reason.clone()]),
        _ => e.reason.clone(),
    };
    let hidden = [Term::from(atoms::ANCESTORS), Term::from(atoms::INITIAL_CALL)];
    let shown = info.dictionary.iter().filter(|(k, _)| !hidden.iter().any(|h| h.same(k)));
    let dictionary = Term::list(shown.map(|(k, v)| Term::tuple([k.clone(), v.clone()])));
    let mut all = vec![
        pair(atoms::INITIAL_CALL_KEY, initial_call(info)),
        pair(atoms::PID, info.pid),
        pair(atoms::REGISTERED_NAME, name(info)),
    ];
    if let Some(label) = &info.label {
        all.push(pair(atoms::PROCESS_LABEL, label.clone()));
    }
    all.extend([
        pair(atoms::ERROR_INFO, Term::tuple([class.into(), reason, e.stack.clone()])),
        pair(atoms::ANCESTORS_KEY, entry(info, atoms::ANCESTORS).unwrap_or_default()),
        pair(atoms::MESSAGE_QUEUE_LEN, info.message_queue_len),
        pair(atoms::MESSAGES, Term::list(info.messages.iter().flatten().cloned())),
        pair(atoms::LINKS, pids(&info.links)),
        pair(atoms::DICTIONARY, dictionary),
        pair(atoms::TRAP_EXIT, info.trap_exit),
        pair(atoms::STATUS, atoms::RUNNING),
        pair(atoms::HEAP_SIZE, 0),
        pair(atoms::STACK_SIZE, 0),
        pair(atoms::REDUCTIONS, info.reductions),
    ]);
    Term::list(all)
}

/// `{Links, Report}`, or `[]` for a process that traps exits and so is not drawn in.
fn neighbour(info: &ProcessInfo) -> Term {
    if info.trap_exit {
        return Term::nil();
    }
    let links = pids(&info.links);
    let status = if info.suspended { atoms::SUSPENDED } else { atoms::WAITING };
    let report = Term::list([
        pair(atoms::PID, info.pid),
        pair(atoms::REGISTERED_NAME, name(info)),
        pair(atoms::INITIAL_CALL_KEY, if info.initial_call.is_some() { plain_call(info) } else { initial_call(info) }),
        pair(atoms::CURRENT_FUNCTION, atoms::UNDEFINED),
        pair(atoms::ANCESTORS_KEY, entry(info, atoms::ANCESTORS).unwrap_or_default()),
        pair(atoms::MESSAGE_QUEUE_LEN, info.message_queue_len),
        pair(atoms::LINKS, links.clone()),
        pair(atoms::TRAP_EXIT, info.trap_exit),
        pair(atoms::STATUS, status),
        pair(atoms::HEAP_SIZE, 0),
        pair(atoms::STACK_SIZE, 0),
        pair(atoms::REDUCTIONS, info.reductions),
        pair(atoms::CURRENT_STACKTRACE, Term::nil()),
    ]);
    Term::tuple([links, report])
}
