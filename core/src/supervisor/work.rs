//! What a supervisor does step by step: starting one child after the other, stopping them in reverse order, stopping
//! a brood at once. Each step ends in an action whose outcome comes back as an event.
//! Source: C8.9, C8.16, C8.19, C8.22, C8.23, C8.31. Imports: term, children, report.

use super::children::{Life, Place};
use super::spec::{ChildSpec, Restart, Shutdown};
use super::{Action, Family, Key, Policy, ReportContext, Started, is_shutdown_because};
use crate::term::{Pid, Term, atoms};
use std::sync::Arc;

/// What the supervisor waits for.
pub(super) enum Work<R> {
    /// What others want.
    Idle,
    /// A start function.
    Starting(Starting<R>),
    /// The end of `child`; then come those `left`, the last of them first.
    Stopping { child: Place, left: Vec<Place>, then: AfterStop<R> },
    /// The end of every child of a brood; the unexpected reasons so far, and how many children had each.
    StoppingBrood { reasons: Vec<(Term, usize)>, then: Term },
    /// The end of one child of a brood.
    StoppingOne { child: Pid, reply: R },
    /// Nothing any more.
    Over,
}

impl<R> Work<R> {
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }
}

/// Which start it is, and so what its outcome means.
pub(super) enum Starting<R> {
    /// A static child, at the very start.
    Static(Place),
    /// One of several that are restarted together.
    Series { place: Place, fallen: Place, last_pid: Option<Pid> },
    /// A single child is restarted.
    Again(Key),
    /// `restart_child`
    Asked(Place, R),
    /// `start_child`
    New(Arc<ChildSpec>, R),
    /// `start_child` of a brood, with the full list of arguments.
    NewOne(Term, R),
}

/// What comes when the children are stopped.
pub(super) enum AfterStop<R> {
    /// Start those from `first` on.
    StartFrom {
        first: Place,
        fallen: Place,
        last_pid: Option<Pid>,
    },
    /// Answer `terminate_child`.
    Reply(R),
    Exit(Term),
}

impl<R> Policy<R> {
    pub(super) fn begin(&mut self, out: &mut Vec<Action<R>>) {
        match &self.family {
            Family::Brood(_) => out.push(Action::Ready),
            Family::Ordered(c) => match c.at_or_after(0) {
                Some(first) => self.start(Starting::Static(first), out),
                None => out.push(Action::Ready),
            },
        }
    }

    pub(super) fn start(&mut self, what: Starting<R>, out: &mut Vec<Action<R>>) {
        let (spec, args) = match (&what, &self.family) {
            (
                Starting::Static(place)
                | Starting::Series { place, .. }
                | Starting::Again(Key::Place(place))
                | Starting::Asked(place, _),
                Family::Ordered(c),
            ) => match c.get(*place) {
                Some(child) => (child.spec.clone(), child.spec.start.args.clone()),
                None => return,
            },
            (Starting::Again(Key::Pid(pid)), Family::Brood(b)) => match b.get(*pid) {
                Some(one) => (b.spec.clone(), one.args.clone()),
                None => return,
            },
            (Starting::New(spec, _), _) => (spec.clone(), spec.start.args.clone()),
            (Starting::NewOne(args, _), Family::Brood(b)) => (b.spec.clone(), args.clone()),
            _ => return,
        };
        self.work = Work::Starting(what);
        out.push(Action::Start(spec, args));
    }

    /// A start function has returned.
    pub(super) fn started(&mut self, result: Result<Started, Term>, out: &mut Vec<Action<R>>) {
        let what = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Starting(what) => what,
            other => {
                self.work = other;
                return;
            }
        };
        match (what, result) {
            (Starting::Static(place), Ok(s)) => {
                self.is_up(place, s.pid(), out);
                match self.next_after(place) {
                    Some(place) => self.start(Starting::Static(place), out),
                    None => out.push(Action::Ready),
                }
            }
            (Starting::Static(place), Err(reason)) => self.roll_back(place, reason, out),
            (Starting::Series { place, fallen, last_pid }, Ok(s)) => {
                self.is_up(place, s.pid(), out);
                if let Some(place) = self.next_after(place) {
                    self.start(Starting::Series { place, fallen, last_pid }, out);
                }
            }
            (Starting::Series { place, fallen, last_pid }, Err(reason)) => {
                self.log(ReportContext::StartError, reason, Key::Place(place), out);
                self.will_try_again(Key::Place(place), last_pid.filter(|_| place == fallen), out);
            }
            (Starting::Again(Key::Place(place)), Ok(s)) => self.is_up(place, s.pid(), out),
            (Starting::Again(Key::Pid(old)), Ok(s)) => {
                if let Family::Brood(b) = &mut self.family {
                    // OTP keeps an entry `undefined` for a child that ignores, and crashes over it later.
                    if let (Some(one), Some(new)) = (b.remove(old), s.pid()) {
                        b.insert(new, one.args);
                    }
                }
            }
            (Starting::Again(child), Err(reason)) => {
                let last_pid = self.life(child).last_pid();
                self.log(ReportContext::StartError, reason, child, out);
                self.will_try_again(child, last_pid, out);
            }
            (Starting::Asked(place, from), Ok(s)) => {
                // An explicit restart of a child that ignores keeps its specification, whatever its type.
                if let (Family::Ordered(c), Some(pid)) = (&mut self.family, s.pid()) {
                    c.set(place, Life::Running(pid));
                    self.log(ReportContext::Progress, Term::nil(), Key::Place(place), out);
                }
                out.push(Action::Reply(from, s.to_reply()));
            }
            (Starting::Asked(_, from), Err(reason)) => out.push(Action::Reply(from, error(reason))),
            (Starting::New(spec, from), Ok(s)) => {
                self.add(spec, s.pid(), out);
                out.push(Action::Reply(from, s.to_reply()));
            }
            (Starting::New(spec, from), Err(reason)) => {
                let record = spec.to_record(atoms::UNDEFINED.into());
                out.push(Action::Reply(from, error(Term::tuple([reason, record]))));
            }
            (Starting::NewOne(args, from), Ok(s)) => {
                if let (Family::Brood(b), Some(pid)) = (&mut self.family, s.pid()) {
                    let forget = b.spec.restart == Restart::Temporary;
                    b.insert(pid, if forget { atoms::UNDEFINED.into() } else { args });
                }
                out.push(Action::Reply(from, s.to_reply()));
            }
            (Starting::NewOne(_, from), Err(reason)) => out.push(Action::Reply(from, error(reason))),
        }
    }

    /// A child of the series is started, or has ignored.
    fn is_up(&mut self, place: Place, pid: Option<Pid>, out: &mut Vec<Action<R>>) {
        let Family::Ordered(c) = &mut self.family else { return };
        match pid {
            Some(pid) => {
                c.set(place, Life::Running(pid));
                self.log(ReportContext::Progress, Term::nil(), Key::Place(place), out);
            }
            None => c.let_go(place),
        }
    }

    fn next_after(&self, place: Place) -> Option<Place> {
        match &self.family {
            Family::Ordered(c) => c.at_or_after(place + 1),
            Family::Brood(_) => None,
        }
    }

    /// A static child has not come up: what was started before it is stopped, and the supervisor ends.
    fn roll_back(&mut self, place: Place, reason: Term, out: &mut Vec<Action<R>>) {
        let child = Key::Place(place);
        self.log(ReportContext::StartError, reason.clone(), child, out);
        let failed = Term::tuple([atoms::FAILED_TO_START_CHILD.into(), self.spec(child).id.clone(), reason]);
        self.shut_down(Term::tuple([atoms::SHUTDOWN.into(), failed]), out);
    }

    /// A restart has failed. The next attempt waits behind the messages that have come, so that requests get through.
    fn will_try_again(&mut self, child: Key, last_pid: Option<Pid>, out: &mut Vec<Action<R>>) {
        let id = match (&mut self.family, child) {
            (Family::Ordered(c), Key::Place(place)) => {
                c.set(place, Life::Restarting(last_pid));
                c.get(place).map(|c| c.spec.id.clone())
            }
            (Family::Brood(b), Key::Pid(pid)) => {
                b.set_restarting(pid);
                Some(Life::Restarting(Some(pid)).to_term())
            }
            _ => None,
        };
        out.extend(id.map(Action::Retry));
    }

    /// `start_child` has succeeded. OTP forgets the arguments of a temporary child: it never starts again.
    fn add(&mut self, spec: Arc<ChildSpec>, pid: Option<Pid>, out: &mut Vec<Action<R>>) {
        let Family::Ordered(c) = &mut self.family else { return };
        let temporary = spec.restart == Restart::Temporary;
        if pid.is_none() && temporary {
            return;
        }
        let progress = pid.map(|_| spec.clone());
        let mut spec = spec;
        if temporary {
            let mut without = ChildSpec::clone(&spec);
            without.start.args = atoms::UNDEFINED.into();
            spec = Arc::new(without);
        }
        c.append(spec, pid.map_or(Life::Undefined, Life::Running));
        if let (Some(spec), Some(pid)) = (progress, pid) {
            self.log_new(spec, pid, out);
        }
    }

    /// Stops children, given in start order, the last first; each is waited for before the next is told.
    pub(super) fn stop(&mut self, mut left: Vec<Place>, then: AfterStop<R>, out: &mut Vec<Action<R>>) {
        let Family::Ordered(children) = &mut self.family else { return };
        while let Some(place) = left.pop() {
            let Some(child) = children.get(place) else { continue };
            let Life::Running(pid) = child.life else {
                children.let_go(place);
                continue;
            };
            stop_one(pid, child.spec.stop_how(), out);
            self.work = Work::Stopping { child: place, left, then };
            return;
        }
        self.all_stopped(then, out);
    }

    fn all_stopped(&mut self, then: AfterStop<R>, out: &mut Vec<Action<R>>) {
        self.work = Work::Idle;
        match then {
            AfterStop::StartFrom { first, fallen, last_pid } => {
                let Family::Ordered(c) = &self.family else { return };
                if let Some(place) = c.at_or_after(first) {
                    self.start(Starting::Series { place, fallen, last_pid }, out);
                }
            }
            AfterStop::Reply(from) => out.push(Action::Reply(from, atoms::OK.into())),
            AfterStop::Exit(reason) => self.exit(reason, out),
        }
    }

    fn exit(&mut self, reason: Term, out: &mut Vec<Action<R>>) {
        self.work = Work::Over;
        out.push(Action::Exit(reason));
    }

    /// Tells all children of a brood to end, and gives all of them one common time.
    pub(super) fn stop_brood(&mut self, then: Term, out: &mut Vec<Action<R>>) {
        let Family::Brood(brood) = &mut self.family else { return };
        let retries: Vec<Pid> = brood.iter().filter(|(_, one)| one.restarting).map(|(pid, _)| pid).collect();
        retries.into_iter().for_each(|pid| drop(brood.remove(pid)));
        if brood.len() == 0 {
            return self.exit(then, out);
        }
        let how = brood.spec.stop_how();
        out.extend(brood.iter().map(|(pid, _)| Action::Stop(pid, first_signal(how))));
        out.push(Action::Await(patience(how)));
        self.work = Work::StoppingBrood { reasons: Vec::new(), then };
    }

    pub(super) fn stop_one_of_brood(&mut self, child: Pid, reply: R, out: &mut Vec<Action<R>>) {
        let how = self.spec(Key::Pid(child)).stop_how();
        stop_one(child, how, out);
        self.work = Work::StoppingOne { child, reply };
    }

    /// A child that was told to end has ended.
    pub(super) fn stopped(&mut self, pid: Pid, reason: Term, out: &mut Vec<Action<R>>) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Stopping { child, left, then } if self.life(Key::Place(child)) == Life::Running(pid) => {
                self.report_unexpected(Key::Place(child), reason, out);
                self.let_go(Key::Place(child));
                self.stop(left, then, out);
            }
            Work::StoppingOne { child, reply } if child == pid => {
                self.report_unexpected(Key::Pid(child), reason, out);
                self.let_go(Key::Pid(child));
                out.push(Action::Reply(reply, atoms::OK.into()));
            }
            Work::StoppingBrood { mut reasons, then } => {
                let Family::Brood(brood) = &mut self.family else { return };
                if brood.remove(pid).is_some() && !is_as_told(&brood.spec, &reason) {
                    match reasons.iter_mut().find(|(r, _)| r.same(&reason)) {
                        Some((_, n)) => *n += 1,
                        None => reasons.push((reason, 1)),
                    }
                }
                if brood.len() > 0 {
                    self.work = Work::StoppingBrood { reasons, then };
                    return;
                }
                let spec = brood.spec.clone();
                reasons.sort_by(|a, b| a.0.compare_exact(&b.0));
                for (reason, n) in reasons {
                    self.log_many(spec.clone(), reason, n, out);
                }
                self.exit(then, out);
            }
            other => self.work = other,
        }
    }

    /// The children have not ended in time: they are killed, which nobody can ignore.
    pub(super) fn out_of_time(&mut self, out: &mut Vec<Action<R>>) {
        match (&self.work, &self.family) {
            (Work::Stopping { child, .. }, Family::Ordered(c)) => {
                if let Some(Life::Running(pid)) = c.get(*child).map(|c| c.life) {
                    out.push(Action::Kill(pid));
                }
            }
            (Work::StoppingOne { child, .. }, _) => out.push(Action::Kill(*child)),
            (Work::StoppingBrood { .. }, Family::Brood(b)) => out.extend(b.iter().map(|(pid, _)| Action::Kill(pid))),
            _ => return,
        }
        out.push(Action::Await(None));
    }

    fn report_unexpected(&mut self, child: Key, reason: Term, out: &mut Vec<Action<R>>) {
        if !is_as_told(self.spec(child), &reason) {
            self.log(ReportContext::ShutdownError, reason, child, out);
        }
    }
}

fn error(reason: Term) -> Term {
    Term::tuple([atoms::ERROR.into(), reason])
}

fn first_signal(how: Shutdown) -> Term {
    match how {
        Shutdown::BrutalKill => atoms::KILL.into(),
        Shutdown::Infinity | Shutdown::Ms(_) => atoms::SHUTDOWN.into(),
    }
}

fn patience(how: Shutdown) -> Option<u64> {
    match how {
        Shutdown::Ms(ms) => Some(ms),
        Shutdown::BrutalKill | Shutdown::Infinity => None,
    }
}

fn stop_one<R>(pid: Pid, how: Shutdown, out: &mut Vec<Action<R>>) {
    out.push(Action::Stop(pid, first_signal(how)));
    out.push(Action::Await(patience(how)));
}

/// Whether a child that was told to end has ended as it was told. Permanent children have no business to end
/// `normal` just then.
fn is_as_told(spec: &ChildSpec, reason: &Term) -> bool {
    let lenient = spec.restart != Restart::Permanent;
    match (reason.as_atom(), spec.stop_how()) {
        (Some(atoms::KILLED), Shutdown::BrutalKill) => true,
        (Some(atoms::SHUTDOWN), how) => lenient || how != Shutdown::BrutalKill,
        (Some(atoms::NORMAL), _) => lenient,
        _ => lenient && is_shutdown_because(reason),
    }
}
