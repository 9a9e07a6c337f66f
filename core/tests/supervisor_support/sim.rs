//! Plays a scenario with our policy and writes down what can be seen from outside.
#![allow(dead_code)] // Each test binary uses a part of it.

use super::scenario::{How, Kid, Out, Scenario, Step, a};
use krarup::supervisor::{Action, Event, Init, Policy, Report, ReportContext, Request, Started, World};
use krarup::term::{NodeId, View};
use krarup::text::parse_term;
use krarup::{Pid, Term};
use std::collections::{HashMap, VecDeque};

struct Outside<'s> {
    scenario: &'s Scenario,
    now: u64,
    born: HashMap<&'static str, usize>,
    /// Name, how it will end when told.
    alive: Vec<(Pid, String, How)>,
    /// Dead, and the supervisor has not heard of it.
    dead: Vec<(Pid, Term)>,
    names: HashMap<Pid, String>,
    trace: Vec<String>,
}

impl World for Outside<'_> {
    fn now_s(&self) -> u64 {
        self.now
    }

    fn is_alive(&self, pid: Pid) -> bool {
        self.alive.iter().any(|(p, ..)| *p == pid)
    }
}

pub fn term(text: &str) -> Term {
    parse_term(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

impl Outside<'_> {
    fn start(&mut self, kid: &Kid) -> Result<Started, Term> {
        let n = self.born.entry(kid.id).or_insert(0);
        let (out, how) = (kid.out(*n), kid.how(*n));
        *n += 1;
        let name = format!("{}{n}", kid.id);
        self.trace.push(format!("start {} {out:?}", kid.id));
        match out {
            Out::Ignore => return Ok(Started::Ignore),
            Out::Error => return Err(a("no")),
            Out::Odd => return Err(a("odd")),
            Out::Ok | Out::Info => {}
        }
        let pid = Pid { node: NodeId::LOCAL_NONE, number: self.names.len() as u32 + 1, serial: 0 };
        self.names.insert(pid, name.clone());
        self.alive.push((pid, name, how));
        Ok(if out == Out::Info { Started::WithInfo(pid, a("info")) } else { Started::Pid(pid) })
    }

    /// Pids become names, and what has no order gets one.
    fn named(&self, t: &Term) -> Term {
        match t.view() {
            View::Pid(p) => a(self.names.get(&p).map_or("?", |n| n)),
            View::Tuple(e) => Term::tuple(e.iter().map(|t| self.named(t))),
            View::List(l) => Term::improper_list(l.iter().map(|t| self.named(t)), self.named(l.tail())),
            View::Map(m) => Term::map(m.iter().map(|(k, v)| (k.clone(), self.named(v)))),
            _ => t.clone(),
        }
    }

    fn die(&mut self, pid: Pid, reason: Term) -> Event<()> {
        self.alive.retain(|(p, ..)| *p != pid);
        Event::Down(pid, reason)
    }

    fn stop(&mut self, pid: Pid, signal: &Term) -> Option<Event<()>> {
        if let Some(i) = self.dead.iter().position(|(p, _)| *p == pid) {
            // It was dead already, and its exit signal is taken out of the queue.
            return Some(Event::Down(pid, self.dead.remove(i).1));
        }
        let (_, name, how) = self.alive.iter().find(|(p, ..)| *p == pid).expect("alive").clone();
        if *signal == a("kill") {
            return Some(self.die(pid, a("killed")));
        }
        self.trace.push(format!("term {name} {signal}"));
        match how {
            How::Obey => Some(self.die(pid, signal.clone())),
            How::Other(reason) => Some(self.die(pid, term(reason))),
            How::Hang => None,
        }
    }

    fn log(&mut self, r: &Report) {
        let text = self.named(&r.to_term()).to_string();
        self.trace.push(format!("report {text}"));
    }
}

/// The trace, one line an event; what a brood does in no particular order is sorted.
pub fn play(scenario: &Scenario) -> Vec<String> {
    let mut o = Outside {
        scenario,
        now: 100,
        born: HashMap::new(),
        alive: Vec::new(),
        dead: Vec::new(),
        names: HashMap::new(),
        trace: Vec::new(),
    };
    let init =
        Init { flags: scenario.flags, children: scenario.kids[..scenario.fixed].iter().map(Kid::spec).collect() };
    let mut policy: Policy<()> = match Policy::new(a("sup"), init) {
        Ok(p) => p,
        Err(e) => return vec![format!("refused {e}")],
    };
    let mut queue = VecDeque::from([Event::Begin]);
    let mut ended = run(&mut policy, &mut queue, &mut o);
    for step in &scenario.steps {
        if ended {
            break;
        }
        let id = |i: &usize| a(scenario.kids[*i].id);
        let oldest = o.alive.first().map_or_else(|| id(&0), |(p, ..)| Term::from(*p));
        match step {
            Step::Die(all) => {
                for (i, reason) in all {
                    if !o.alive.is_empty() {
                        let (pid, name, _) = o.alive.remove(i % o.alive.len());
                        o.trace.push(format!("dies {name} {reason}"));
                        o.dead.push((pid, term(reason)));
                        queue.push_back(Event::Exit(pid, term(reason)));
                    }
                }
            }
            Step::Which => queue.push_back(Event::Request(Request::WhichChildren, ())),
            Step::Count => queue.push_back(Event::Request(Request::CountChildren, ())),
            Step::Start(_) if scenario.is_simple() => {
                queue.push_back(Event::Request(Request::StartChild(Term::nil()), ()));
            }
            Step::Start(i) => {
                let spec = scenario.kids[*i].spec().to_term();
                queue.push_back(Event::Request(Request::StartChild(spec), ()));
            }
            Step::Terminate(_) if scenario.is_simple() => {
                queue.push_back(Event::Request(Request::TerminateChild(oldest), ()));
            }
            Step::Terminate(i) => queue.push_back(Event::Request(Request::TerminateChild(id(i)), ())),
            Step::Restart(i) => queue.push_back(Event::Request(Request::RestartChild(id(i)), ())),
            Step::Delete(i) => queue.push_back(Event::Request(Request::DeleteChild(id(i)), ())),
            Step::Spec(i) => queue.push_back(Event::Request(Request::GetChildspec(id(i)), ())),
            Step::Pass(s) => o.now += s,
            Step::Parent(reason) => queue.push_back(Event::Shutdown(term(reason))),
        }
        ended = run(&mut policy, &mut queue, &mut o);
    }
    assert!(ended, "a supervisor that is told to end ends");
    assert!(o.alive.is_empty(), "children are left: {:?}", o.alive);
    tidy(o.trace)
}

fn run(policy: &mut Policy<()>, queue: &mut VecDeque<Event<()>>, o: &mut Outside<'_>) -> bool {
    let mut out = Vec::new();
    while let Some(event) = queue.pop_front() {
        if let Event::Exit(pid, _) = &event {
            let Some(i) = o.dead.iter().position(|(p, _)| p == pid) else { continue };
            o.dead.remove(i);
        }
        assert!(policy.is_idle() || matches!(event, Event::Started(_) | Event::Down(..) | Event::Timeout));
        policy.handle(event, o, &mut out);
        let mut inner: VecDeque<Event<()>> = VecDeque::new();
        let mut awaited = false;
        loop {
            for action in out.drain(..) {
                match action {
                    Action::Start(spec, args) => {
                        let kid = o.scenario.kids.iter().find(|k| a(k.id) == *spec.id()).expect("a known id");
                        assert_eq!(args, Term::list([a(kid.id)]));
                        inner.push_back(Event::Started(o.start(&kid.clone())));
                    }
                    Action::Stop(pid, signal) => inner.extend(o.stop(pid, &signal)),
                    Action::Kill(pid) => inner.push_back(o.die(pid, a("killed"))),
                    Action::Await(Some(_)) => awaited = true,
                    Action::Await(None) => awaited = false,
                    Action::Retry(id) => queue.push_back(Event::Retry(id)),
                    Action::Reply((), reply) => {
                        let text = sorted(o.named(&reply), o.scenario.is_simple()).to_string();
                        o.trace.push(format!("reply {text}"));
                    }
                    Action::Report(r) if r.context == ReportContext::Progress => {}
                    Action::Report(r) => o.log(&r),
                    Action::Ready => o.trace.push("ready".to_owned()),
                    Action::Exit(reason) => {
                        o.trace.push(format!("exit {reason}"));
                        return true;
                    }
                }
            }
            // Whoever still lives and was told has not obeyed.
            match inner.pop_front() {
                Some(event) => policy.handle(event, o, &mut out),
                None if std::mem::take(&mut awaited) => policy.handle(Event::Timeout, o, &mut out),
                None => break,
            }
        }
        assert!(policy.is_idle(), "it waits for nothing that could come");
    }
    false
}

fn sorted(t: Term, yes: bool) -> Term {
    match t.view() {
        View::List(l) if yes => {
            let mut all: Vec<Term> = l.iter().cloned().collect();
            all.sort_by(Term::compare);
            Term::list(all)
        }
        _ => t,
    }
}

/// Neighbouring `term` lines of one brood have no order among them.
pub fn tidy(trace: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut from = 0;
    for line in trace {
        if !line.starts_with("term t") {
            from = out.len() + 1;
        }
        let moved = line.starts_with("term t");
        out.push(line);
        if moved {
            out[from..].sort();
        }
    }
    out
}
