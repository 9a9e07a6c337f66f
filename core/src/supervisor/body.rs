//! The process of a supervisor: turns messages into events for the policy, and carries its actions out.
//! Source: OTP `supervisor`, `gen_server`; C8.2, C8.5, C8.22, C8.33-C8.36.
//! Imports: base, term, process, proc_lib, gen, sys.
//!
//! It waits in two places: for any message, when the policy is idle; and for the end of children that it stops, when
//! it takes only their signals (and a start function may wait for what it likes). So a supervisor that starts or stops
//! children answers nobody until it is done.

use super::client::Built;
use super::reporting::{self, Log};
use super::setup::{Refusal, Setup};
use super::start::{How, Started};
use super::status::Seen;
use super::{Action, ChildSpec, Event, Policy, Request, World};
use crate::r#gen::{Birth, From, Name, reply_last};
use crate::proc_lib;
use crate::process::async_body::AsyncContext;
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::process::message::{Message, Monitored};
use crate::process::timers::MAX_TIMEOUT_MS;
use crate::sys::{Debug, Sys, system_request};
use crate::term::{Pid, Ref, Term, View, atoms};
use std::cell::RefCell;
use std::collections::HashMap;

use std::sync::Arc;

/// The body: becomes a supervisor, and returns when that ends.
pub(super) async fn run(mut c: AsyncContext, birth: Birth, setup: Setup) -> Result<(), Exception> {
    c.trap_exit(true);
    birth.register(&mut c)?;
    let parent = birth.parent(&c);
    let name = match birth.name() {
        Some(name) => full_name(name),
        None => Term::tuple([c.self_pid().into(), setup.module.into()]),
    };
    let refused = match setup.init(&mut c) {
        Ok(init) => match Policy::new(name, init) {
            Ok(policy) => {
                let s = Supervisor::new(c, policy, setup, Sys::new(parent, Debug::default()), birth);
                return s.live().await;
            }
            Err(reason) => Refusal::Wrong(reason),
        },
        Err(refused) => refused,
    };
    let exception = match refused {
        Refusal::Ignore => return Err(birth.ignore(&mut c)),
        Refusal::Crash(e) => e,
        Refusal::Wrong(reason) => Exception::exit(reason),
        Refusal::Odd(t) => {
            let call = Term::tuple([setup.module.into(), atoms::INIT.into(), t]);
            Exception::exit(Term::tuple([atoms::BAD_RETURN.into(), call]))
        }
    };
    Err(birth.error(&mut c, exception.clone().into_exit_reason(), exception))
}

/// `{local, Name}` and so on, as reports show it.
fn full_name(name: &Name) -> Term {
    match name {
        Name::Local(n) => Term::tuple([atoms::LOCAL.into(), (*n).into()]),
        Name::Global(t) => Term::tuple([atoms::GLOBAL.into(), t.clone()]),
        Name::Via(m, t) => Term::tuple([atoms::VIA.into(), (*m).into(), t.clone()]),
    }
}

/// What the policy asks about the world.
struct Outside<'a>(RefCell<&'a mut Context>);

impl World for Outside<'_> {
    fn now_s(&self) -> u64 {
        self.0.borrow().monotonic_ms() / 1000
    }

    fn is_alive(&self, pid: Pid) -> bool {
        let mut c = self.0.borrow_mut();
        // What is known of another node's processes is that no exit signal has come.
        pid.node != c.self_pid().node || c.is_alive(pid)
    }
}

/// A child that is being stopped.
struct Leaving {
    monitor: Ref,
    /// Of its exit signal, which tells more than a monitor that was set too late.
    reason: Option<Term>,
}

struct Supervisor {
    c: AsyncContext,
    policy: Policy<From>,
    setup: Setup,
    sys: Sys,
    birth: Birth,
    leaving: HashMap<Pid, Leaving>,
    /// When those that are leaving have had their time, in ms of the node's clock.
    deadline: Option<u64>,
    log: Log,
    /// Ends the common time of a brood: many messages come then, and none should have to look at the clock.
    timer: Option<Ref>,
    /// Emptied and used again.
    actions: Vec<Action<From>>,
}

impl Supervisor {
    fn new(c: AsyncContext, policy: Policy<From>, setup: Setup, sys: Sys, birth: Birth) -> Self {
        let log = Log::of(&c);
        let (leaving, actions) = (HashMap::new(), Vec::new());
        Self { c, policy, setup, sys, birth, leaving, deadline: None, log, timer: None, actions }
    }

    async fn live(mut self) -> Result<(), Exception> {
        if let Some(reason) = self.work(Event::Begin).await {
            let exception = Exception::exit(reason.clone());
            return Err(self.birth.error(&mut self.c, reason, exception));
        }
        loop {
            let Some(message) = self.sys.receive(&mut self.c).await else { return Err(Exception::killed()) };
            let Some(event) = self.event(message) else { continue };
            let again = matches!(event, Event::Retry(_));
            if let Some(reason) = self.work(event).await {
                return Err(Exception::exit(reason));
            }
            if again {
                // A restart that fails at once is tried again at once: whoever could mend it must have a turn between.
                self.c.yield_now().await;
            }
        }
    }

    /// What a message means; `None`: nothing to the policy.
    fn event(&mut self, message: Message) -> Option<Event<From>> {
        match message {
            Message::Exit(e) if e.from == self.sys.parent => Some(Event::Shutdown(e.reason)),
            Message::Exit(e) => Some(Event::Exit(e.from, e.reason)),
            Message::Call(call) => {
                let (from, request) = call.into_parts();
                Some(Event::Request(read_request(request), from.into()))
            }
            Message::Term(_) => self.term_event(message),
            Message::Down(d) => {
                reporting::unexpected(&self.c, &d.into_term());
                None
            }
        }
    }

    /// The same for messages that came as terms: from other nodes, or from who writes the protocol out.
    fn term_event(&mut self, message: Message) -> Option<Event<From>> {
        if let Some((from, request)) = system_request(&message) {
            let mut seen = Seen { policy: &mut self.policy, setup: &self.setup, birth: &self.birth };
            return self.sys.handle(&mut self.c, &from, &request, &mut seen).map(Event::Shutdown);
        }
        let t = message.into_term();
        match t.view() {
            View::Tuple([tag, from, request]) if tag.as_atom() == Some(atoms::GEN_CALL) => {
                if let Some(from) = From::from_term(from) {
                    return Some(Event::Request(read_request(request.clone()), from));
                }
            }
            View::Tuple([tag, pid, reason]) if tag.as_atom() == Some(atoms::EXIT) => {
                // OTP takes whatever looks like a trapped exit for one.
                match pid.as_pid() {
                    Some(pid) if pid == self.sys.parent => return Some(Event::Shutdown(reason.clone())),
                    Some(pid) => return Some(Event::Exit(pid, reason.clone())),
                    None => return None,
                }
            }
            View::Tuple([tag, cast]) if tag.as_atom() == Some(atoms::GEN_CAST) => {
                if let Some([what, id]) = cast.as_tuple()
                    && what.as_atom() == Some(atoms::TRY_AGAIN_RESTART)
                {
                    return Some(Event::Retry(id.clone()));
                }
            }
            _ => {}
        }
        reporting::unexpected(&self.c, &t);
        None
    }

    /// Does what an event calls for, until the policy is idle again. `Some`: the supervisor has ended.
    async fn work(&mut self, event: Event<From>) -> Option<Term> {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let mut actions = std::mem::take(&mut self.actions);
            self.policy.mute(!self.log.is_wanted());
            self.policy.handle(event, &Outside(RefCell::new(&mut self.c)), &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Start(spec, args) => next = Some(Event::Started(self.start(&spec, args).await)),
                    Action::Stop(pid, signal) => self.stop(pid, signal),
                    Action::Kill(pid) => self.c.exit(pid, atoms::KILL),
                    Action::Await(ms) => self.give_time(ms),
                    Action::Retry(id) => self.retry(id),
                    Action::Reply(from, reply) => reply_last(&mut self.c, from, reply),
                    Action::Report(r) => reporting::emit(&self.c, &r),
                    Action::Ready => self.birth.ok(&mut self.c),
                    Action::Exit(reason) => return Some(reason),
                }
            }
            self.actions = actions;
            if next.is_none() && !self.leaving.is_empty() {
                next = Some(self.left().await);
            }
        }
        None
    }

    async fn start(&mut self, spec: &Arc<ChildSpec>, args: Term) -> Result<Started, Term> {
        let c = &mut self.c;
        let result = match &spec.start.how {
            How::Spawn(f) => proc_lib::caught_now(|| f(c, &args)),
            How::Wait(f) => proc_lib::caught(f(c, args)).await,
            How::Named => return start_named(c, spec, args).await,
        };
        result.map_err(crashed)
    }

    fn stop(&mut self, pid: Pid, signal: Term) {
        let monitor = self.c.monitor(pid);
        self.leaving.insert(pid, Leaving { monitor, reason: None });
        self.c.exit(pid, signal);
    }

    fn give_time(&mut self, ms: Option<u64>) {
        (self.deadline, self.timer) = (None, None);
        let Some(ms) = ms else { return };
        if self.leaving.len() > 1 && ms <= MAX_TIMEOUT_MS {
            let me = self.c.self_pid();
            self.timer = self.c.start_timer(ms, me, atoms::KILL).ok();
        }
        if self.timer.is_none() {
            self.deadline = Some(self.c.monotonic_ms().saturating_add(ms));
        }
    }

    fn is_timer(&self, t: &Term) -> bool {
        matches!((t.as_tuple(), self.timer), (Some([_, r, _]), Some(timer)) if r.as_ref() == Some(timer))
    }

    /// OTP's cast to itself: behind everything that waits already.
    fn retry(&mut self, id: Term) {
        let cast = Term::tuple([atoms::TRY_AGAIN_RESTART.into(), id]);
        let me = self.c.self_pid();
        self.c.send(me, Term::tuple([atoms::GEN_CAST.into(), cast]));
    }

    /// The next child that has left, or that the time is over.
    async fn left(&mut self) -> Event<From> {
        loop {
            let ms = self.deadline.map(|d| d.saturating_sub(self.c.monotonic_ms()));
            let only = if self.leaving.len() == 1 && self.timer.is_none() { self.leaving.iter().next() } else { None };
            let got = match only.map(|(pid, l)| (*pid, l.monitor)) {
                // Older messages need not be looked at: the monitor was made just now.
                Some((pid, monitor)) => self.c.receive_ref(monitor, ms, |m| is_end(m, pid, monitor)).await,
                // A whole brood leaves, and then the supervisor: what else comes is of no use to anybody.
                None => self.c.receive_match(ms, |_| true).await,
            };
            match got {
                Err(_) => {
                    self.deadline = None;
                    return Event::Timeout;
                }
                Ok(Message::Exit(e)) => {
                    if let Some(l) = self.leaving.get_mut(&e.from) {
                        l.reason = Some(e.reason);
                    }
                }
                Ok(Message::Down(d)) => {
                    let Monitored::Pid(pid) = d.object else { continue };
                    if self.leaving.get(&pid).is_some_and(|l| l.monitor == d.reference) {
                        let reason = self.gone(pid, d.reason).await;
                        return Event::Down(pid, reason);
                    }
                }
                Ok(Message::Term(t)) if self.is_timer(&t) => return Event::Timeout,
                Ok(_) => {}
            }
        }
    }

    /// The monitor of a child has fired: no exit signal of it must be heard later.
    async fn gone(&mut self, pid: Pid, reason: Term) -> Term {
        let heard = self.leaving.remove(&pid).and_then(|l| l.reason);
        if let Some(reason) = heard {
            return reason;
        }
        self.c.unlink(pid);
        match self.c.receive_match(Some(0), |m| matches!(m, Message::Exit(e) if e.from == pid)).await {
            Ok(Message::Exit(e)) => e.reason,
            _ => reason,
        }
    }
}

fn is_end(m: &Message, pid: Pid, monitor: Ref) -> bool {
    match m {
        Message::Exit(e) => e.from == pid,
        Message::Down(d) => d.reference == monitor,
        _ => false,
    }
}

fn read_request(t: Term) -> Request {
    if let View::Tuple([tag, built]) = t.view()
        && tag.as_atom() == Some(atoms::START_CHILD)
        && let Some(Built(spec)) = built.as_resource().and_then(|r| r.get::<Built>())
    {
        return Request::StartBuilt(spec.clone());
    }
    Request::from_term(t)
}

/// `catch apply(M, F, A)`
async fn start_named(c: &mut AsyncContext, spec: &ChildSpec, args: Term) -> Result<Started, Term> {
    let (m, f) = (spec.start.module, spec.start.function);
    let list: Option<Vec<Term>> = match args.view() {
        View::Nil => Some(Vec::new()),
        View::List(l) if l.is_proper() => Some(l.iter().cloned().collect()),
        _ => None,
    };
    let Some(list) = list else {
        let frame = Term::tuple([atoms::ERLANG.into(), atoms::APPLY.into(), Term::list([m.into(), f.into(), args])]);
        let stack = Term::list([frame]);
        return Err(crashed(Exception { stack, ..Exception::badarg() }));
    };
    match proc_lib::caught(c.apply_wait(m, f, list)).await {
        Ok(t) => Started::from_term(t),
        Err(e) if e.class == Class::Throw => Started::from_term(e.reason),
        Err(e) => Err(crashed(e)),
    }
}

/// `{'EXIT', Reason}`, or what was thrown.
fn crashed(e: Exception) -> Term {
    match e.class {
        Class::Throw => e.reason,
        _ => Term::tuple([atoms::EXIT.into(), e.into_exit_reason()]),
    }
}

impl Started {
    /// From what `gen::start` has come to, `gen_server::start_link` among them: the error becomes what a start
    /// function returns for `{error, E}`.
    pub fn of(started: crate::r#gen::Started) -> Result<Self, Exception> {
        use crate::r#gen::Started as S;
        match started {
            S::Ok(pid) | S::Monitored(pid, _) => Ok(Self::Pid(pid)),
            S::Ignore => Ok(Self::Ignore),
            S::Error(reason) => Err(Exception::throw(reason)),
            S::Other(t) => Self::from_term(t).map_err(Exception::throw),
        }
    }
}
