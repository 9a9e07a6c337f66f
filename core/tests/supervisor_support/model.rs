//! A second supervisor, written from OTP's rules in the plainest way: lists that are walked, one function a rule, no
//! states between. It plays a scenario and writes the same trace. Source: C8.9-C8.32.

use super::scenario::{How, Kid, Out, Scenario, Step};
use super::sim::tidy;
use krarup::supervisor::{AutoShutdown, Restart, Shutdown, Strategy};
use std::collections::{HashMap, VecDeque};

#[derive(Clone, PartialEq, Debug)]
enum Is {
    Undefined,
    Up(String),
    Restarting(String),
}

impl Is {
    fn pid(&self) -> String {
        match self {
            Is::Undefined => "undefined".into(),
            Is::Up(p) => p.clone(),
            Is::Restarting(p) => format!("{{restarting,{p}}}"),
        }
    }

    fn shown(&self) -> String {
        if let Is::Restarting(_) = self { "restarting".into() } else { self.pid() }
    }
}

enum Mail {
    Exit(String, String),
    Retry(String),
    Which,
    Count,
    Start(usize),
    Terminate(String),
    Restart(usize),
    Delete(usize),
    Spec(usize),
    Parent(String),
}

/// The supervisor has ended.
struct Ended;
type Step1 = Result<(), Ended>;

struct Model<'s> {
    s: &'s Scenario,
    now: u64,
    restarts: Vec<u64>,
    /// Of an order: kid, state, whether its arguments are forgotten. Start order.
    line: Vec<(usize, Is, bool)>,
    /// Of a brood: pids, dead ones that are restarting among them.
    brood: Vec<Is>,
    mail: VecDeque<Mail>,
    born: HashMap<usize, usize>,
    alive: Vec<(String, How)>,
    dead: Vec<(String, String)>,
    trace: Vec<String>,
}

fn expected(reason: &str) -> bool {
    reason == "normal" || reason == "shutdown" || reason.starts_with("{shutdown,")
}

fn kind(r: Restart) -> &'static str {
    match r {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    }
}

fn how_long(s: Shutdown) -> String {
    match s {
        Shutdown::BrutalKill => "brutal_kill".into(),
        Shutdown::Infinity => "infinity".into(),
        Shutdown::Ms(n) => n.to_string(),
    }
}

impl Model<'_> {
    fn kid(&self, k: usize) -> &Kid {
        &self.s.kids[k]
    }

    fn simple(&self) -> bool {
        self.s.is_simple()
    }

    fn say(&mut self, line: String) {
        self.trace.push(line);
    }

    fn reply(&mut self, text: impl std::fmt::Display) {
        self.say(format!("reply {text}"));
    }

    fn report(&mut self, context: &str, reason: &str, who: &str, k: usize, forgotten: bool) {
        let kid = self.kid(k);
        let of_brood = self.simple() && kid.restart == Restart::Temporary && context != "shutdown_error";
        let args = if forgotten || of_brood { "undefined".to_owned() } else { format!("[{}]", kid.id) };
        let line = format!(
            "report [{{supervisor,sup}},{{errorContext,{context}}},{{reason,{reason}}},{{offender,[{who},{{id,{}}},\
             {{mfargs,{{m,f,{args}}}}},{{restart_type,{}}},{{significant,{}}},{{shutdown,{}}},{{child_type,worker}}]}}]",
            kid.id,
            kind(kid.restart),
            kid.significant,
            how_long(kid.shutdown),
        );
        self.say(line);
    }

    /// Calls the start function: a pid, nothing, or a reason.
    fn call_start(&mut self, k: usize) -> Result<(Option<String>, bool), &'static str> {
        let n = self.born.entry(k).or_insert(0);
        let (out, how) = (self.s.kids[k].out(*n), self.s.kids[k].how(*n));
        *n += 1;
        let pid = format!("{}{n}", self.s.kids[k].id);
        self.say(format!("start {} {out:?}", self.s.kids[k].id));
        match out {
            Out::Ignore => Ok((None, false)),
            Out::Error => Err("no"),
            Out::Odd => Err("odd"),
            Out::Ok | Out::Info => {
                self.alive.push((pid.clone(), how));
                Ok((Some(pid), out == Out::Info))
            }
        }
    }

    /// Tells a process to end; the reason it ends with.
    fn end(&mut self, pid: &str, how_told: Shutdown) -> String {
        if let Some(i) = self.dead.iter().position(|(p, _)| p == pid) {
            return self.dead.remove(i).1;
        }
        let i = self.alive.iter().position(|(p, _)| p == pid).expect("alive");
        let (_, how) = self.alive.remove(i);
        if how_told == Shutdown::BrutalKill {
            return "killed".into();
        }
        self.say(format!("term {pid} shutdown"));
        match how {
            How::Obey => "shutdown".into(),
            How::Other(r) => r.into(),
            How::Hang => "killed".into(),
        }
    }

    fn fine(&self, k: usize, reason: &str) -> bool {
        let kid = self.kid(k);
        let brutal = kid.shutdown == Shutdown::BrutalKill;
        match kid.restart {
            Restart::Permanent => reason == if brutal { "killed" } else { "shutdown" },
            _ => expected(reason) || brutal && reason == "killed",
        }
    }

    fn end_child(&mut self, i: usize) {
        let (k, is, forgotten) = self.line[i].clone();
        if let Is::Up(pid) = is {
            let reason = self.end(&pid, self.kid(k).shutdown);
            if !self.fine(k, &reason) {
                self.report("shutdown_error", &reason, &format!("{{pid,{pid}}}"), k, forgotten);
            }
        }
        self.del(i);
    }

    /// What is left of a child that has ended for good.
    fn del(&mut self, i: usize) {
        if self.kid(self.line[i].0).restart == Restart::Temporary {
            self.line.remove(i);
        } else {
            self.line[i].1 = Is::Undefined;
        }
    }

    fn stop_all(&mut self, reason: &str) -> Step1 {
        if self.simple() {
            let mut reasons: Vec<(String, usize)> = Vec::new();
            for is in std::mem::take(&mut self.brood) {
                if let Is::Up(pid) = is {
                    let r = self.end(&pid, self.kid(0).shutdown);
                    if !self.fine(0, &r) {
                        match reasons.iter_mut().find(|x| x.0 == r) {
                            Some(x) => x.1 += 1,
                            None => reasons.push((r, 1)),
                        }
                    }
                }
            }
            // Atoms before tuples, each in the order of the alphabet: the reasons here sort so as texts.
            reasons.sort_by_key(|(r, _)| (r.starts_with('{'), r.clone()));
            for (r, n) in reasons {
                self.report("shutdown_error", &r, &format!("{{nb_children,{n}}}"), 0, false);
            }
        } else {
            for i in (0..self.line.len()).rev() {
                self.end_child(i);
            }
        }
        self.say(format!("exit {reason}"));
        Err(Ended)
    }

    fn begin(&mut self) -> Step1 {
        if !self.simple() {
            let mut i = 0;
            while i < self.line.len() {
                let k = self.line[i].0;
                match self.call_start(k) {
                    Ok((None, _)) if self.kid(k).restart == Restart::Temporary => drop(self.line.remove(i)),
                    Ok((pid, _)) => {
                        self.line[i].1 = pid.map_or(Is::Undefined, Is::Up);
                        i += 1;
                    }
                    Err(r) => {
                        self.report("start_error", r, "{pid,undefined}", k, false);
                        let id = self.kid(k).id;
                        return self.stop_all(&format!("{{shutdown,{{failed_to_start_child,{id},{r}}}}}"));
                    }
                }
            }
        }
        self.say("ready".into());
        Ok(())
    }

    fn too_many(&mut self) -> bool {
        let (now, period) = (self.now, self.s.flags.period);
        self.restarts.retain(|t| t + period >= now);
        self.restarts.push(now);
        self.restarts.len() as u64 > self.s.flags.intensity
    }

    fn exit(&mut self, pid: &str, reason: &str) -> Step1 {
        let up = Is::Up(pid.to_owned());
        let (k, at, forgotten) = if self.simple() {
            let Some(i) = self.brood.iter().position(|x| *x == up) else { return Ok(()) };
            (0, i, false)
        } else {
            let Some(i) = self.line.iter().position(|x| x.1 == up) else { return Ok(()) };
            (self.line[i].0, i, self.line[i].2)
        };
        let kid = self.kid(k).clone();
        let again = kid.restart == Restart::Permanent || kid.restart == Restart::Transient && !expected(reason);
        if again || !expected(reason) {
            self.report("child_terminated", reason, &format!("{{pid,{pid}}}"), k, forgotten);
        }
        if again {
            return self.restart(at);
        }
        if self.simple() {
            self.brood.remove(at);
        } else {
            self.del(at);
        }
        if !kid.significant {
            return Ok(());
        }
        let others = self.line.iter().any(|x| self.kid(x.0).significant && x.1 != Is::Undefined);
        match self.s.flags.auto_shutdown {
            AutoShutdown::AnySignificant => self.stop_all("shutdown"),
            AutoShutdown::AllSignificant if !others && self.brood.is_empty() => self.stop_all("shutdown"),
            _ => Ok(()),
        }
    }

    fn restart(&mut self, at: usize) -> Step1 {
        let is = if self.simple() { self.brood[at].clone() } else { self.line[at].1.clone() };
        let k = if self.simple() { 0 } else { self.line[at].0 };
        let forgotten = !self.simple() && self.line[at].2;
        if self.too_many() {
            self.report("shutdown", "reached_max_restart_intensity", &format!("{{pid,{}}}", is.pid()), k, forgotten);
            if self.simple() {
                self.brood.remove(at);
            } else {
                self.del(at);
            }
            return self.stop_all("shutdown");
        }
        let old = match &is {
            Is::Up(p) | Is::Restarting(p) => p.clone(),
            Is::Undefined => "undefined".into(),
        };
        match self.s.flags.strategy {
            Strategy::SimpleOneForOne => match self.call_start(0) {
                Ok((Some(pid), _)) => self.brood[at] = Is::Up(pid),
                Ok((None, _)) => drop(self.brood.remove(at)),
                Err(r) => {
                    self.report("start_error", r, &format!("{{pid,{}}}", is.pid()), k, false);
                    self.brood[at] = Is::Restarting(old.clone());
                    self.mail.push_back(Mail::Retry(old));
                }
            },
            Strategy::OneForOne => match self.call_start(k) {
                Ok((Some(pid), _)) => self.line[at].1 = Is::Up(pid),
                Ok((None, _)) => self.del(at),
                Err(r) => {
                    self.report("start_error", r, &format!("{{pid,{}}}", is.pid()), k, false);
                    self.line[at].1 = Is::Restarting(old);
                    self.mail.push_back(Mail::Retry(self.kid(k).id.into()));
                }
            },
            Strategy::OneForAll => self.several(0, k, &old),
            Strategy::RestForOne => self.several(at, k, &old),
        }
        Ok(())
    }

    fn several(&mut self, first: usize, fallen: usize, old: &str) {
        let at = self.line.iter().position(|x| x.0 == fallen).expect("there");
        self.line[at].1 = Is::Undefined;
        for i in (first..self.line.len()).rev() {
            if self.line[i].0 != fallen {
                self.end_child(i);
            }
        }
        let mut i = first;
        while i < self.line.len() {
            let k = self.line[i].0;
            match self.call_start(k) {
                Ok((None, _)) if self.kid(k).restart == Restart::Temporary => drop(self.line.remove(i)),
                Ok((pid, _)) => {
                    self.line[i].1 = pid.map_or(Is::Undefined, Is::Up);
                    i += 1;
                }
                Err(r) => {
                    let forgotten = self.line[i].2;
                    self.report("start_error", r, "{pid,undefined}", k, forgotten);
                    self.line[i].1 = Is::Restarting(if k == fallen { old.into() } else { "undefined".into() });
                    self.mail.push_back(Mail::Retry(self.kid(k).id.into()));
                    return;
                }
            }
        }
    }

    fn spec_map(&self, k: usize, forgotten: bool) -> String {
        let kid = self.kid(k);
        let args = if forgotten { "undefined".to_owned() } else { format!("[{}]", kid.id) };
        format!(
            "#{{id => {},modules => [m],restart => {},shutdown => {},significant => {},start => {{m,f,{args}}},type => worker}}",
            kid.id,
            kind(kid.restart),
            how_long(kid.shutdown),
            kid.significant,
        )
    }

    fn find(&self, k: usize) -> Option<usize> {
        self.line.iter().position(|x| x.0 == k)
    }

    fn mail(&mut self, m: Mail) -> Step1 {
        match m {
            Mail::Exit(pid, reason) => {
                if let Some(i) = self.dead.iter().position(|(p, _)| *p == pid) {
                    self.dead.remove(i);
                    return self.exit(&pid, &reason);
                }
            }
            Mail::Retry(id) => {
                let at = if self.simple() {
                    self.brood.iter().position(|x| *x == Is::Restarting(id.clone()))
                } else {
                    self.line.iter().position(|x| self.kid(x.0).id == id && matches!(x.1, Is::Restarting(_)))
                };
                if let Some(at) = at {
                    return self.restart(at);
                }
            }
            Mail::Which => {
                let mut all: Vec<String> = if self.simple() {
                    self.brood.iter().map(|x| format!("{{undefined,{},worker,[m]}}", x.shown())).collect()
                } else {
                    self.line
                        .iter()
                        .rev()
                        .map(|x| format!("{{{},{},worker,[m]}}", self.kid(x.0).id, x.1.shown()))
                        .collect()
                };
                if self.simple() {
                    all.sort();
                }
                self.reply(format!("[{}]", all.join(",")));
            }
            Mail::Count => {
                let up = |p: &String| self.alive.iter().any(|(a, _)| a == p);
                let (specs, active, workers) = if self.simple() {
                    (1, self.brood.iter().filter(|x| matches!(x, Is::Up(_))).count(), self.brood.len())
                } else {
                    let active = self.line.iter().filter(|x| matches!(&x.1, Is::Up(p) if up(p))).count();
                    (self.line.len(), active, self.line.len())
                };
                let mut all = [
                    format!("{{specs,{specs}}}"),
                    format!("{{active,{active}}}"),
                    "{supervisors,0}".into(),
                    format!("{{workers,{workers}}}"),
                ];
                if self.simple() {
                    all.sort();
                }
                self.reply(format!("[{}]", all.join(",")));
            }
            Mail::Start(k) if self.simple() => match self.call_start(k) {
                Ok((Some(pid), info)) => {
                    self.brood.push(Is::Up(pid.clone()));
                    self.reply(format!("{{ok,{pid}{}}}", if info { ",info" } else { "" }));
                }
                Ok((None, _)) => self.reply("{ok,undefined}"),
                Err(r) => self.reply(format!("{{error,{r}}}")),
            },
            Mail::Start(k) => match self.find(k).map(|i| self.line[i].1.clone()) {
                Some(Is::Up(pid)) => self.reply(format!("{{error,{{already_started,{pid}}}}}")),
                Some(_) => self.reply("{error,already_present}"),
                None => {
                    let temporary = self.kid(k).restart == Restart::Temporary;
                    match self.call_start(k) {
                        Ok((None, _)) => {
                            if !temporary {
                                self.line.push((k, Is::Undefined, false));
                            }
                            self.reply("{ok,undefined}");
                        }
                        Ok((Some(pid), info)) => {
                            self.line.push((k, Is::Up(pid.clone()), temporary));
                            self.reply(format!("{{ok,{pid}{}}}", if info { ",info" } else { "" }));
                        }
                        Err(r) => {
                            let kid = self.kid(k);
                            let text = format!(
                                "{{error,{{{r},{{child,undefined,{},{{m,f,[{}]}},{},{},{},worker,[m]}}}}}}",
                                kid.id,
                                kid.id,
                                kind(kid.restart),
                                kid.significant,
                                how_long(kid.shutdown),
                            );
                            self.reply(text);
                        }
                    }
                }
            },
            Mail::Terminate(pid) if self.simple() => {
                if pid == "t" {
                    self.reply("{error,simple_one_for_one}");
                } else if let Some(i) = self.brood.iter().position(|x| *x == Is::Up(pid.clone())) {
                    let reason = self.end(&pid, self.kid(0).shutdown);
                    if !self.fine(0, &reason) {
                        self.report("shutdown_error", &reason, &format!("{{pid,{pid}}}"), 0, false);
                    }
                    self.brood.remove(i);
                    self.reply("ok");
                } else {
                    self.reply("ok");
                }
            }
            Mail::Terminate(id) => match self.line.iter().position(|x| self.kid(x.0).id == id) {
                Some(i) => {
                    self.end_child(i);
                    self.reply("ok");
                }
                None => self.reply("{error,not_found}"),
            },
            Mail::Restart(_) | Mail::Delete(_) if self.simple() => self.reply("{error,simple_one_for_one}"),
            Mail::Restart(k) => match self.find(k).map(|i| (i, self.line[i].1.clone())) {
                None => self.reply("{error,not_found}"),
                Some((_, Is::Up(_))) => self.reply("{error,running}"),
                Some((_, Is::Restarting(_))) => self.reply("{error,restarting}"),
                Some((i, Is::Undefined)) => match self.call_start(k) {
                    Ok((Some(pid), info)) => {
                        self.line[i].1 = Is::Up(pid.clone());
                        self.reply(format!("{{ok,{pid}{}}}", if info { ",info" } else { "" }));
                    }
                    Ok((None, _)) => self.reply("{ok,undefined}"),
                    Err(r) => self.reply(format!("{{error,{r}}}")),
                },
            },
            Mail::Delete(k) => match self.find(k).map(|i| (i, self.line[i].1.clone())) {
                None => self.reply("{error,not_found}"),
                Some((_, Is::Up(_))) => self.reply("{error,running}"),
                Some((_, Is::Restarting(_))) => self.reply("{error,restarting}"),
                Some((i, Is::Undefined)) => {
                    self.line.remove(i);
                    self.reply("ok");
                }
            },
            Mail::Spec(k) if self.simple() => self.reply(format!("{{ok,{}}}", self.spec_map(k, false))),
            Mail::Spec(k) => match self.find(k) {
                Some(i) => self.reply(format!("{{ok,{}}}", self.spec_map(k, self.line[i].2))),
                None => self.reply("{error,not_found}"),
            },
            Mail::Parent(reason) => return self.stop_all(&reason),
        }
        Ok(())
    }
}

/// The trace that OTP's rules give.
pub fn play(s: &Scenario) -> Vec<String> {
    let line = if s.is_simple() { Vec::new() } else { (0..s.fixed).map(|k| (k, Is::Undefined, false)).collect() };
    let mut m = Model {
        s,
        now: 100,
        restarts: Vec::new(),
        line,
        brood: Vec::new(),
        mail: VecDeque::new(),
        born: HashMap::new(),
        alive: Vec::new(),
        dead: Vec::new(),
        trace: Vec::new(),
    };
    let ended = go(&mut m).is_err();
    assert!(ended, "the model ends");
    tidy(m.trace)
}

fn go(m: &mut Model<'_>) -> Step1 {
    m.begin()?;
    let steps = m.s.steps.clone();
    for step in &steps {
        while let Some(mail) = m.mail.pop_front() {
            m.mail(mail)?;
        }
        let oldest = m.alive.first().map_or_else(|| "t".to_owned(), |(p, _)| p.clone());
        match step {
            Step::Die(all) => {
                for (i, reason) in all {
                    if !m.alive.is_empty() {
                        let (pid, _) = m.alive.remove(i % m.alive.len());
                        m.say(format!("dies {pid} {reason}"));
                        m.dead.push((pid.clone(), (*reason).to_owned()));
                        m.mail.push_back(Mail::Exit(pid, (*reason).to_owned()));
                    }
                }
            }
            Step::Which => m.mail.push_back(Mail::Which),
            Step::Count => m.mail.push_back(Mail::Count),
            Step::Start(k) => m.mail.push_back(Mail::Start(*k)),
            Step::Terminate(_) if m.simple() => m.mail.push_back(Mail::Terminate(oldest)),
            Step::Terminate(k) => m.mail.push_back(Mail::Terminate(m.kid(*k).id.to_owned())),
            Step::Restart(k) => m.mail.push_back(Mail::Restart(*k)),
            Step::Delete(k) => m.mail.push_back(Mail::Delete(*k)),
            Step::Spec(k) => m.mail.push_back(Mail::Spec(*k)),
            Step::Pass(s) => m.now += s,
            Step::Parent(reason) => m.mail.push_back(Mail::Parent((*reason).to_owned())),
        }
    }
    while let Some(mail) = m.mail.pop_front() {
        m.mail(mail)?;
    }
    Ok(())
}
