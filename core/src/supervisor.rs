//! F5 supervisor: starts children in order, restarts those that end, gives up when that happens too often.
//! Source: OTP `supervisor`; C8.2-C8.42. Imports: term, process, proc_lib, gen, sys, report.
//!
//! This file is the policy, and only that: what the end of a child means. It needs no process: [`Policy`] is told
//! what has happened ([`Event`]) and says what is to be done ([`Action`]); time and the question whether a pid lives
//! are handed in ([`World`]). The rooms around it:
//!
//! | file | what |
//! |---|---|
//! | `spec`, `check` | flags and child specifications; what is wrong with a term that should be one |
//! | `start` | start functions and what they return |
//! | `children`, `brood` | the children that have an order, and those that have none |
//! | `intensity` | the restart history |
//! | `work` | sequences: starting one after the other, stopping in reverse, one event at a time |
//! | `request` | what others may ask: `which_children`, `start_child` ... |
//! | `upgrade` | new flags and specifications under a running supervisor |
//! | `report`, `reporting` | what is logged, and how it gets there |
//! | `setup` | where flags and children come from: a value, a callback, a module |
//! | `body` | the process that carries the actions out |
//! | `status` | what `sys` sees of it |
//! | `client` | the functions that others call |
//!
//! Invariant: a supervisor does one thing at a time. While it starts or stops children ([`Work`] is not idle) it is
//! told only what that work waits for; everything else stays in its queue.

mod body;
mod brood;
mod check;
mod children;
mod client;
mod intensity;
mod report;
mod reporting;
mod request;
mod setup;
mod spec;
mod start;
mod status;
mod upgrade;
mod work;

pub use check::check_childspecs;
pub use client::{
    count_children, delete_child, get_childspec, restart_child, start_child, start_child_term, start_link,
    terminate_child, which_child, which_children,
};
pub use report::{Context as ReportContext, Report};
pub use request::Request;
pub use setup::Setup;
pub use spec::{AutoShutdown, ChildSpec, ChildType, Flags, Restart, Shutdown, Strategy};
pub use start::{Start, StartFn, StartFuture, Started};

use crate::term::{Pid, Term, atoms};
use brood::Brood;
use children::{Children, Place};
use intensity::History;
use std::sync::Arc;
use work::{AfterStop, Starting, Work};

/// What an init callback returns, or what a supervisor without a callback is given.
#[derive(Clone, Debug, Default)]
pub struct Init {
    /// The flags.
    pub flags: Flags,
    /// The children, in start order.
    pub children: Vec<ChildSpec>,
}

/// What has happened.
#[derive(Debug)]
pub enum Event<R> {
    /// Begin: start the static children.
    Begin,
    /// The start function has returned.
    Started(Result<Started, Term>),
    /// An exit signal from a pid that may be a child.
    Exit(Pid, Term),
    /// The time has come to try a failed restart again.
    Retry(Term),
    /// Somebody asks.
    Request(Request, R),
    /// A child that was told to end has ended.
    Down(Pid, Term),
    /// The time that children had to end is over.
    Timeout,
    /// The supervisor has to end with this reason: its parent says so.
    Shutdown(Term),
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Action<R> {
    /// Call the start function with these arguments, then tell `Started`.
    Start(Arc<ChildSpec>, Term),
    /// Monitor a child and send it this exit signal.
    Stop(Pid, Term),
    /// Send a child that is being stopped the signal that it cannot ignore.
    Kill(Pid),
    /// Wait for `Down` of every child that is being stopped; after so many milliseconds tell `Timeout`, once.
    Await(Option<u64>),
    /// Tell `Retry` with this id, after everything that waits already.
    Retry(Term),
    /// Answer.
    Reply(R, Term),
    /// Log.
    Report(Report),
    /// The static children have been started.
    Ready,
    /// End with this reason: no child is left.
    Exit(Term),
}

/// What the policy cannot know.
pub trait World {
    /// Monotonic time in whole seconds.
    fn now_s(&self) -> u64;
    /// Whether a process lives, as far as that can be known at once.
    fn is_alive(&self, pid: Pid) -> bool;
}

enum Family {
    Ordered(Children),
    Brood(Brood),
}

/// One child, however the family is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Place(Place),
    /// Of a brood: its pid, or the one it had before a restart that failed.
    Pid(Pid),
}

/// A supervisor without its process. `R`: whom to answer.
pub struct Policy<R> {
    /// As reports name it.
    name: Term,
    flags: Flags,
    family: Family,
    history: History,
    work: Work<R>,
    /// Nobody wants reports: none are made.
    muted: bool,
}

impl<R> Policy<R> {
    /// Checks what it is given. Errors: OTP's reason, with which the supervisor ends.
    pub fn new(name: Term, init: Init) -> Result<Self, Term> {
        init.check()?;
        let specs = init.children.into_iter().map(Arc::new);
        let mut brood = None;
        let mut children = Children::default();
        for spec in specs {
            if init.flags.strategy == Strategy::SimpleOneForOne {
                brood = Some(Brood::new(spec));
            } else {
                children.append(spec, children::Life::Undefined);
            }
        }
        let family = brood.map_or(Family::Ordered(children), Family::Brood);
        Ok(Self { name, flags: init.flags, family, history: History::default(), work: Work::Idle, muted: false })
    }

    /// Takes one event in and appends what is to be done. An event that the present work does not wait for changes
    /// nothing.
    pub fn handle(&mut self, event: Event<R>, world: &dyn World, out: &mut Vec<Action<R>>) {
        match (self.work.is_idle(), event) {
            (true, Event::Begin) => self.begin(out),
            (true, Event::Exit(pid, reason)) => self.ended(pid, reason, world, out),
            (true, Event::Retry(id)) => self.try_again(&id, world, out),
            (true, Event::Request(request, from)) => self.request(request, from, world, out),
            (true, Event::Shutdown(reason)) => self.shut_down(reason, out),
            (false, Event::Started(result)) => self.started(result, out),
            (false, Event::Down(pid, reason)) => self.stopped(pid, reason, out),
            (false, Event::Timeout) => self.out_of_time(out),
            _ => {}
        }
    }

    /// Whether to leave out the reports, because nobody wants them.
    pub fn mute(&mut self, yes: bool) {
        self.muted = yes;
    }

    /// Whether it waits for nothing but what others want of it.
    pub fn is_idle(&self) -> bool {
        self.work.is_idle()
    }

    // The policy of restart.

    /// A child has ended by itself. Exit signals of pids that are no children mean nothing.
    fn ended(&mut self, pid: Pid, reason: Term, world: &dyn World, out: &mut Vec<Action<R>>) {
        let Some(child) = self.child_of(pid) else { return };
        let expected = is_expected(&reason);
        let again = match self.spec(child).restart {
            Restart::Permanent => true,
            Restart::Transient => !expected,
            Restart::Temporary => false,
        };
        if again || !expected {
            self.log(ReportContext::ChildTerminated, reason, child, out);
        }
        if again {
            self.restart(child, world, out);
        } else {
            let significant = self.spec(child).significant;
            self.let_go(child);
            if significant && self.is_done() {
                self.shut_down(atoms::SHUTDOWN.into(), out);
            }
        }
    }

    /// Every attempt counts, whether it succeeds or not, and however many children it concerns.
    fn restart(&mut self, child: Key, world: &dyn World, out: &mut Vec<Action<R>>) {
        if !self.history.allows_another(world.now_s(), &self.flags) {
            let reason = Term::from(atoms::REACHED_MAX_RESTART_INTENSITY);
            self.log(ReportContext::Shutdown, reason, child, out);
            self.let_go(child);
            return self.shut_down(atoms::SHUTDOWN.into(), out);
        }
        match (self.flags.strategy, child) {
            (Strategy::OneForAll, Key::Place(place)) => self.restart_from(0, place, out),
            (Strategy::RestForOne, Key::Place(place)) => self.restart_from(place, place, out),
            _ => self.start(Starting::Again(child), out),
        }
    }

    /// Stops the children from a place on, the last first, and starts them and the fallen one again, the first first.
    fn restart_from(&mut self, first: Place, fallen: Place, out: &mut Vec<Action<R>>) {
        let Family::Ordered(children) = &mut self.family else { return };
        let last_pid = children.get(fallen).and_then(|c| c.life.last_pid());
        children.set(fallen, children::Life::Undefined);
        let mut others = children.places_from(first);
        others.retain(|p| *p != fallen);
        self.stop(others, AfterStop::StartFrom { first, fallen, last_pid }, out);
    }

    /// A restart has failed and its turn has come again, unless somebody has terminated or started it meanwhile.
    fn try_again(&mut self, id: &Term, world: &dyn World, out: &mut Vec<Action<R>>) {
        if let Some(child) = self.restarting_child(id) {
            self.restart(child, world, out);
        }
    }

    /// Whether the end of a significant child, which is gone by now, ends the supervisor.
    fn is_done(&self) -> bool {
        match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => match &self.family {
                Family::Ordered(c) => {
                    !c.newest_first().any(|c| c.spec.significant && c.life != children::Life::Undefined)
                }
                Family::Brood(b) => b.len() == 0,
            },
        }
    }

    /// Stops all children, then ends.
    fn shut_down(&mut self, reason: Term, out: &mut Vec<Action<R>>) {
        match &self.family {
            Family::Ordered(children) => {
                let all = children.places_from(0);
                self.stop(all, AfterStop::Exit(reason), out);
            }
            Family::Brood(_) => self.stop_brood(reason, out),
        }
    }

    /// A child that is not to be restarted leaves: for good if it is temporary or one of many, else its specification
    /// stays.
    fn let_go(&mut self, child: Key) {
        match (&mut self.family, child) {
            (Family::Ordered(c), Key::Place(place)) => c.let_go(place),
            (Family::Brood(b), Key::Pid(pid)) => drop(b.remove(pid)),
            _ => {}
        }
    }
}

/// Ends that are no crash.
fn is_expected(reason: &Term) -> bool {
    match reason.as_atom() {
        Some(atoms::NORMAL | atoms::SHUTDOWN) => true,
        _ => is_shutdown_because(reason),
    }
}

/// `{shutdown, _}`
fn is_shutdown_because(reason: &Term) -> bool {
    matches!(reason.as_tuple(), Some([tag, _]) if tag.as_atom() == Some(atoms::SHUTDOWN))
}
