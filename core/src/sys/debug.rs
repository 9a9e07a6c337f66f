//! Debug options of a process. Imports: term, process, report, fun. Source: OTP `sys:debug_options/1`,
//! `handle_debug/4`; C5.5-C5.13, C10.27-28.

use super::fun::{self, Fun};
use crate::process::context::Context;
use crate::report::{self, Text};
use crate::term::{Term, View, atoms};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::time::SystemTime;

/// Prints an event: the event, and the name of the process. The text ends in a newline.
pub type EventFormat = fn(event: &Term, name: &Term, out: &mut Text);

const LOG_SIZE: usize = 10;

/// What is to happen at each system event; nothing, and a null pointer, unless somebody has asked.
#[derive(Default)]
pub struct Debug(Option<Box<Items>>);

/// One word while there is nothing: a vector itself would be three in every server.
#[derive(Default)]
struct Items(Vec<Item>);

enum Item {
    Trace,
    Log {
        size: usize,
        events: VecDeque<Term>,
    },
    File(File),
    Statistics {
        since: SystemTime,
        reductions: u64,
        received: u64,
        sent: u64,
    },
    /// `id` is the function itself unless it was given another.
    Fun {
        id: Term,
        named: bool,
        fun: Term,
        state: Term,
    },
}

/// Which kind an item is, for finding and removing.
#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Trace,
    Log,
    File,
    Statistics,
}

impl Item {
    fn is(&self, kind: Kind) -> bool {
        match self {
            Self::Trace => kind == Kind::Trace,
            Self::Log { .. } => kind == Kind::Log,
            Self::File(_) => kind == Kind::File,
            Self::Statistics { .. } => kind == Kind::Statistics,
            Self::Fun { .. } => false,
        }
    }
}

impl Debug {
    /// Reads start options. Unknown ones are ignored, and so is a file that cannot be opened. `None`: it is no list.
    /// Source: OTP `sys:debug_options/1`.
    pub fn from_options(ctx: &mut Context, options: &Term) -> Option<Self> {
        let mut debug = Self::default();
        let list = match options.view() {
            View::Nil => return Some(debug),
            View::List(l) if l.is_proper() => l,
            _ => return None,
        };
        for o in list {
            match o.view() {
                View::Atom(atoms::TRACE) => debug.add(Kind::Trace, Item::Trace),
                View::Atom(atoms::LOG) => debug.log_size(LOG_SIZE),
                View::Atom(atoms::STATISTICS) => debug.count(ctx),
                View::Tuple([k, v]) => match k.as_atom() {
                    Some(atoms::LOG) => {
                        if let Some(n) = positive(v) {
                            debug.log_size(n);
                        }
                    }
                    Some(atoms::LOG_TO_FILE) => {
                        debug.log_to_file(v);
                    }
                    Some(atoms::INSTALL) => {
                        debug.install(v);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Some(debug)
    }

    /// Whether events are wanted: ask before making one.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn items(&mut self) -> &mut Vec<Item> {
        &mut self.0.get_or_insert_default().0
    }

    fn all(&self) -> impl Iterator<Item = &Item> {
        self.0.iter().flat_map(|i| i.0.iter())
    }

    fn add(&mut self, kind: Kind, item: Item) {
        let items = self.items();
        if !items.iter().any(|i| i.is(kind)) {
            items.insert(0, item);
        }
    }

    fn drop_kind(&mut self, kind: Kind) {
        self.retain(|i| !i.is(kind));
    }

    fn retain(&mut self, keep: impl FnMut(&Item) -> bool) {
        if let Some(items) = &mut self.0 {
            items.0.retain(keep);
            if items.0.is_empty() {
                self.0 = None;
            }
        }
    }

    /// As in OTP a log that is on keeps its size: to change it, turn it off first.
    fn log_size(&mut self, size: usize) {
        self.add(Kind::Log, Item::Log { size, events: VecDeque::new() });
    }

    fn count(&mut self, ctx: &mut Context) {
        let item = Item::Statistics { since: SystemTime::now(), reductions: ctx.reductions(), received: 0, sent: 0 };
        self.drop_kind(Kind::Statistics);
        self.add(Kind::Statistics, item);
    }

    /// False: it could not be opened. A former file is closed either way.
    fn log_to_file(&mut self, name: &Term) -> bool {
        self.drop_kind(Kind::File);
        let opened = path_of(name).and_then(|p| File::create(p).ok());
        let ok = opened.is_some();
        if let Some(f) = opened {
            self.add(Kind::File, Item::File(f));
        }
        ok
    }

    /// False: it is not a function that can be called here, or no function at all.
    fn install(&mut self, spec: &Term) -> bool {
        let (id, fun, state) = match spec.view() {
            View::Tuple([f, s]) => (None, f, s),
            View::Tuple([id, f, s]) => (Some(id), f, s),
            _ => return false,
        };
        if !Fun::is(fun) {
            return false;
        }
        let (named, id) = (id.is_some(), id.unwrap_or(fun).clone());
        let items = self.items();
        if !items.iter().any(|i| matches!(i, Item::Fun { id: other, .. } if other.same(&id))) {
            items.insert(0, Item::Fun { id, named, fun: fun.clone(), state: state.clone() });
        }
        true
    }

    /// The stored events, oldest first. Source: OTP `sys:get_log/1`.
    pub fn log(&self) -> Vec<Term> {
        let log = self.all().find_map(|i| match i {
            Item::Log { events, .. } => Some(events.iter().cloned().collect()),
            _ => None,
        });
        log.unwrap_or_default()
    }

    /// An event happens; `name` is the process as its user knows it. Source: OTP `sys:handle_debug/4`.
    #[cold]
    pub fn event(&mut self, ctx: &mut Context, name: &Term, format: EventFormat, event: Term) {
        let Some(all) = &mut self.0 else { return };
        let items = &mut all.0;
        let mut lines = None;
        let home = ctx.self_pid().node;
        let text = |lines: &mut Option<String>| -> String {
            lines
                .get_or_insert_with(|| {
                    let mut out = Text::new(home);
                    format(&event, name, &mut out);
                    out.into_string()
                })
                .clone()
        };
        items.retain_mut(|item| match item {
            Item::Trace => {
                print(ctx, &text(&mut lines));
                true
            }
            Item::File(f) => {
                // A full disk stops the log, not the server.
                f.write_all(text(&mut lines).as_bytes()).is_ok()
            }
            Item::Log { size, events } => {
                if events.len() >= *size {
                    events.pop_front();
                }
                events.push_back(event.compact());
                true
            }
            Item::Statistics { received, sent, .. } => {
                match event.as_tuple().and_then(|t| t.first()).and_then(Term::as_atom) {
                    Some(atoms::IN) => *received += 1,
                    Some(atoms::OUT) => *sent += 1,
                    _ => {}
                }
                true
            }
            Item::Fun { fun, state, .. } => match fun::apply(fun, &[state, &event, name]) {
                Ok(next) if next.as_atom() == Some(atoms::DONE) => false,
                Ok(next) => {
                    *state = next;
                    true
                }
                // A throw counts as the value; other failures take the function away.
                Err(e) if e.class == crate::process::error::Class::Throw => {
                    *state = e.reason;
                    true
                }
                Err(_) => false,
            },
        });
        if items.is_empty() {
            self.0 = None;
        }
    }

    /// Answers `{debug, Command}`.
    pub(super) fn command(&mut self, ctx: &mut Context, name: &Term, format: EventFormat, c: &Term) -> Term {
        let ok = Term::from(atoms::OK);
        let unknown = Term::from(atoms::UNKNOWN_DEBUG);
        let (what, arg) = match c.view() {
            View::Atom(atoms::NO_DEBUG) => {
                self.0 = None;
                return ok;
            }
            View::Tuple([what, arg]) => (what.as_atom().unwrap_or(atoms::EMPTY), arg),
            _ => return unknown,
        };
        match (what, arg.view()) {
            (atoms::TRACE, View::Atom(atoms::TRUE)) => self.add(Kind::Trace, Item::Trace),
            (atoms::TRACE, View::Atom(atoms::FALSE)) => self.drop_kind(Kind::Trace),
            (atoms::LOG, View::Atom(atoms::TRUE)) => self.log_size(LOG_SIZE),
            (atoms::LOG, View::Atom(atoms::FALSE)) => self.drop_kind(Kind::Log),
            (atoms::LOG, View::Atom(atoms::GET)) => return Term::tuple([ok, Term::list(self.log())]),
            (atoms::LOG, View::Atom(atoms::PRINT)) => {
                let mut out = Text::new(ctx.self_pid().node);
                self.log().iter().for_each(|e| format(e, name, &mut out));
                print(ctx, out.as_str());
            }
            (atoms::LOG, View::Tuple([on, n])) if on.as_atom() == Some(atoms::TRUE) => match positive(n) {
                Some(n) => self.log_size(n),
                None => return unknown,
            },
            (atoms::LOG_TO_FILE, View::Atom(atoms::FALSE)) => self.drop_kind(Kind::File),
            (atoms::LOG_TO_FILE, _) => {
                if !self.log_to_file(arg) {
                    return Term::tuple([atoms::ERROR.into(), atoms::OPEN_FILE.into()]);
                }
            }
            (atoms::STATISTICS, View::Atom(atoms::TRUE)) => self.count(ctx),
            (atoms::STATISTICS, View::Atom(atoms::FALSE)) => self.drop_kind(Kind::Statistics),
            (atoms::STATISTICS, View::Atom(atoms::GET)) => return Term::tuple([ok, self.statistics(ctx)]),
            (atoms::INSTALL, View::Tuple([..])) => {
                if !self.install(arg) {
                    let f = arg.as_tuple().map_or_else(Term::nil, |t| t[t.len().saturating_sub(2)].clone());
                    return Term::tuple([atoms::ERROR.into(), Term::tuple([atoms::BADFUN.into(), f])]);
                }
            }
            (atoms::REMOVE, _) => {
                self.retain(|i| !matches!(i, Item::Fun { id, fun, .. } if id.same(arg) || fun.same(arg)));
            }
            _ => return unknown,
        }
        ok
    }

    fn statistics(&self, ctx: &mut Context) -> Term {
        for i in self.all() {
            if let Item::Statistics { since, reductions, received, sent } = i {
                let pair = |k: crate::term::Atom, v: Term| Term::tuple([k.into(), v]);
                return Term::list([
                    pair(atoms::START_TIME, date(*since)),
                    pair(atoms::CURRENT_TIME, date(SystemTime::now())),
                    pair(atoms::REDUCTIONS, ctx.reductions().saturating_sub(*reductions).into()),
                    pair(atoms::MESSAGES_IN, (*received).into()),
                    pair(atoms::MESSAGES_OUT, (*sent).into()),
                ]);
            }
        }
        atoms::NO_STATISTICS.into()
    }

    /// As `get_status` shows the options; functions as themselves.
    pub(super) fn to_term(&self, ctx: &Context) -> Term {
        let pair = |k: Term, v: Term| Term::tuple([k, v]);
        Term::list(self.all().map(|i| match i {
            Item::Trace => pair(atoms::TRACE.into(), true.into()),
            Item::Log { events, .. } => pair(atoms::LOG.into(), Term::list(events.iter().cloned())),
            Item::File(_) => pair(atoms::LOG_TO_FILE.into(), ctx.self_pid().into()),
            Item::Statistics { since, reductions, received, sent } => {
                let r = pair(atoms::REDUCTIONS.into(), (*reductions).into());
                let all = Term::tuple([date(*since), r, (*received).into(), (*sent).into()]);
                pair(atoms::STATISTICS.into(), all)
            }
            Item::Fun { id, named: true, fun, state } => pair(id.clone(), pair(fun.clone(), state.clone())),
            Item::Fun { fun, state, .. } => pair(fun.clone(), state.clone()),
        }))
    }
}

fn positive(t: &Term) -> Option<usize> {
    t.as_int().filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok())
}

fn print(ctx: &Context, text: &str) {
    match report::sink_of(ctx) {
        Some(sink) => sink.trace(ctx.self_pid(), text),
        None => report::to_stdout(text),
    }
}

/// A file's name: a string or a binary.
fn path_of(t: &Term) -> Option<String> {
    if let Some(b) = t.as_binary() {
        return String::from_utf8(b.to_vec()).ok();
    }
    let chars = t.as_list()?.iter().map(|c| char::from_u32(u32::try_from(c.as_int()?).ok()?));
    chars.collect()
}

/// `{{Year, Month, Day}, {Hour, Minute, Second}}`, local time.
fn date(t: SystemTime) -> Term {
    let (p, _) = report::local_time(t);
    let three = |p: &[i64]| Term::tuple(p.iter().map(|n| Term::from(*n)));
    Term::tuple([three(&p[..3]), three(&p[3..])])
}
