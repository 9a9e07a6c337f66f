//! Plays programs on our node: seeded, with a fresh node for every program, or on one node with threads.

use super::lang::*;
use super::program::Body;
use super::stage::{Known, Raw, RawSeen, Stage};
use krarup::{
    AliasMode, AsyncContext, Atom, Attached, Code, Context, Dest, Exception, FiberContext, Handler, Message,
    MonitorOptions, Monitored, Next, Node, Pid, ProcessInfo, Ref, SpawnOptions, Target, Term,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

pub fn atom(s: &str) -> Atom {
    Atom::new(s).expect("a short name")
}

fn term(s: &str) -> Term {
    atom(s).into()
}

/// What puppets share: the commands, which are too rich to be terms.
struct Board {
    coordinator: Pid,
    seeded: bool,
    bodies: Vec<Body>,
    commands: Mutex<HashMap<i64, (Command, Arc<Known>)>>,
}

impl Board {
    fn body(&self, slot: Slot) -> Body {
        self.bodies[usize::from(slot) % self.bodies.len()]
    }

    fn options(&self, slot: Slot) -> SpawnOptions {
        SpawnOptions { slow: self.body(slot) == Body::Slow && !self.seeded, ..Default::default() }
    }
}

/// How far a puppet has come with a command.
struct Burst {
    command: Command,
    next: usize,
    known: Arc<Known>,
    pids: HashMap<Slot, Pid>,
    refs: HashMap<RefId, Ref>,
    results: Vec<Term>,
}

/// What a body has to do before its burst can go on.
enum Turn {
    Done(Term),
    Ends(Result<(), Exception>),
    Yield,
    /// Receive everything, and put a list into the results.
    Drain,
    /// Receive the message with this number, if it is there, and put a boolean into the results.
    Receive(u16),
}

fn reason_term(r: Reason) -> Term {
    match r {
        Reason::Boom(n) => term(&format!("boom{n}")),
        other => term(&other.to_string()),
    }
}

fn is_command(m: &Message) -> bool {
    command_number(m).is_some()
}

fn command_number(m: &Message) -> Option<i64> {
    let Message::Term(t) = m else { return None };
    match t.as_tuple()? {
        [tag, n] if tag.as_atom()?.as_str() == "$do" => n.as_i64(),
        _ => None,
    }
}

fn is_plain(m: &Message, number: u16) -> bool {
    let Message::Term(t) = m else { return false };
    matches!(t.as_tuple(), Some([tag, _, n]) if *tag == term("m") && n.as_i64() == Some(i64::from(number)))
}

impl Burst {
    fn new(board: &Board, m: &Message) -> Self {
        let n = command_number(m).expect("a command");
        let (command, known) = board.commands.lock().expect("not poisoned").remove(&n).expect("given once");
        Self { command, next: 0, known, pids: HashMap::new(), refs: HashMap::new(), results: Vec::new() }
    }

    fn pid(&self, s: Slot) -> Pid {
        self.pids.get(&s).or_else(|| self.known.pids.get(usize::from(s))).copied().expect("born")
    }

    /// A reference that its maker did not live to tell of is nobody's.
    fn reference(&self, c: &mut Context, r: RefId) -> Ref {
        self.refs.get(&r).or_else(|| self.known.refs.get(&r)).copied().unwrap_or_else(|| c.make_ref())
    }

    fn made(&mut self, id: RefId, r: Ref) -> Term {
        self.refs.insert(id, r);
        r.into()
    }

    /// Makes calls until the body has something to do.
    fn go(&mut self, c: &mut Context, board: &Arc<Board>) -> Turn {
        while let Some(a) = self.command.actions.get(self.next).copied() {
            self.next += 1;
            let result = match a {
                Action::Yield => {
                    self.results.push(term("ok"));
                    return Turn::Yield;
                }
                Action::Drain => return Turn::Drain,
                Action::Receive(n) => return Turn::Receive(n),
                Action::Return => return Turn::Ends(Ok(())),
                Action::Exit(r) => return Turn::Ends(Err(Exception::exit(reason_term(r)))),
                Action::Error(n) => return Turn::Ends(Err(Exception::error(reason_term(Reason::Boom(n))))),
                Action::Throw(n) => return Turn::Ends(Err(Exception::throw(reason_term(Reason::Boom(n))))),
                _ => self.call(c, a, board),
            };
            match result {
                Ok(t) => self.results.push(t),
                Err(e) => return Turn::Ends(Err(e)),
            }
        }
        let done = [term("$done"), i64::from(self.command.actor).into(), Term::list(self.results.drain(..))];
        Turn::Done(Term::tuple(done))
    }

    fn call(&mut self, c: &mut Context, a: Action, board: &Arc<Board>) -> Result<Term, Exception> {
        let unless = |caught: bool, r: Result<(), Exception>| match r {
            Ok(()) => Ok(term("ok")),
            Err(e) if caught => Ok(Term::tuple([term("error"), e.reason])),
            Err(e) => Err(e),
        };
        let name = |n: Name| atom(NAMES[usize::from(n)]);
        let here = atom("nonode@nohost");
        match a {
            Action::Spawn { slot, link, monitor } => {
                let o = SpawnOptions { link, monitor: monitor.map(options), ..board.options(slot) };
                let (pid, r) = c.spawn_opt(puppet(board, slot), &o)?;
                self.pids.insert(slot, pid);
                c.send(board.coordinator, Term::tuple([term("$born"), pid.into()]));
                return Ok(match (monitor, r) {
                    (Some(m), Some(r)) => self.made(m.reference, r),
                    _ => term("ok"),
                });
            }
            Action::Link { to, caught } => return unless(caught, c.link(self.pid(to))),
            Action::Unlink(to) => c.unlink(self.pid(to)),
            Action::Monitor { what, how } => {
                let target = match what {
                    What::Pid(p) => Target::Pid(self.pid(p)),
                    What::Name(n) => Target::Name(name(n)),
                    What::NameNode(n) => Target::NameNode(name(n), here),
                };
                let r = c.monitor_opt(target, options(how));
                return Ok(self.made(how.reference, r));
            }
            Action::Demonitor { reference, flush } => {
                let r = self.reference(c, reference);
                return Ok(Term::from(if flush { c.demonitor_flush(r) } else { c.demonitor(r) }));
            }
            Action::Alias { reference, mode } => {
                let r = c.alias(alias_mode(mode));
                return Ok(self.made(reference, r));
            }
            Action::Unalias(r) => {
                let r = self.reference(c, r);
                return Ok(Term::from(c.unalias(r)));
            }
            Action::Send { to, n, caught } => {
                let m = Term::tuple([term("m"), i64::from(self.command.actor).into(), i64::from(n).into()]);
                let to = match to {
                    To::Pid(p) => Dest::Pid(self.pid(p)),
                    To::Name(n) => Dest::Name(name(n)),
                    To::NameNode(n) => Dest::NameNode(name(n), here),
                    To::Alias(r, p) => Dest::Alias(self.reference(c, r), self.pid(p)),
                };
                return unless(caught, c.send_to(to, m));
            }
            Action::Look { to, n, reference } => {
                let r = self.reference(c, reference);
                let (from, n) = (i64::from(self.command.actor), i64::from(n));
                c.send(self.pid(to), Term::tuple([term("look"), r.into(), from.into(), n.into(), term("x")]));
            }
            Action::Register { name: n, slot, caught } => return unless(caught, c.register(name(n), self.pid(slot))),
            Action::Unregister { name: n, caught } => return unless(caught, c.unregister(name(n))),
            Action::Whereis(n) => return Ok(c.whereis(name(n)).map_or(term("undefined"), Term::from)),
            Action::IsAlive(p) => return Ok(Term::from(c.is_alive(self.pid(p)))),
            Action::ExitTo(p, r) => c.exit(self.pid(p), reason_term(r)),
            Action::Trap(on) => return Ok(Term::from(c.trap_exit(on))),
            _ => unreachable!("seen to by `go`"),
        }
        Ok(term("ok"))
    }
}

fn alias_mode(m: Mode) -> AliasMode {
    match m {
        Mode::Explicit => AliasMode::ExplicitUnalias,
        Mode::Demonitor => AliasMode::Demonitor,
        Mode::ReplyDemonitor => AliasMode::ReplyDemonitor,
        Mode::Reply => AliasMode::Reply,
    }
}

fn options(m: MonitorOf) -> MonitorOptions {
    MonitorOptions { alias: m.alias.map(alias_mode), tag: m.tagged.then(|| term("gone")) }
}

/// A puppet's code by its slot.
fn puppet(board: &Arc<Board>, slot: Slot) -> Code {
    let b = board.clone();
    match board.body(slot) {
        Body::Async | Body::Thread | Body::Slow => Code::future(move |c| async_puppet(c, b)),
        // SAFETY: holds nothing over its waits; the board's lock is given back before every call.
        Body::Fiber => unsafe { Code::assume_fiber_safe(move |c| fiber_puppet(c, &b)) },
        Body::Handler => Code::handler(Puppet { board: b, burst: None, waits: Waits::Nothing, marks: 0 }),
    }
}

async fn async_puppet(mut c: AsyncContext, board: Arc<Board>) -> Result<(), Exception> {
    loop {
        let Ok(m) = c.receive_match(None, is_command).await else { continue };
        let mut burst = Burst::new(&board, &m);
        loop {
            match burst.go(&mut c, &board) {
                Turn::Done(t) => break c.send(board.coordinator, t),
                Turn::Ends(r) => return r,
                Turn::Yield => c.yield_now().await,
                Turn::Drain => {
                    let mut all = Vec::new();
                    while let Ok(m) = c.receive_timeout(0).await {
                        all.push(m.into_term());
                    }
                    burst.results.push(Term::list(all));
                }
                Turn::Receive(n) => {
                    let got = c.receive_match(Some(0), |m| is_plain(m, n)).await.is_ok();
                    burst.results.push(got.into());
                }
            }
        }
    }
}

fn fiber_puppet(c: &mut FiberContext, board: &Arc<Board>) -> Result<(), Exception> {
    loop {
        let Ok(m) = c.receive_match(None, is_command) else { continue };
        let mut burst = Burst::new(board, &m);
        loop {
            match burst.go(c, board) {
                Turn::Done(t) => break c.send(board.coordinator, t),
                Turn::Ends(r) => return r,
                Turn::Yield => c.yield_now(),
                Turn::Drain => {
                    let mut all = Vec::new();
                    while let Ok(m) = c.receive(Some(0)) {
                        all.push(m.into_term());
                    }
                    burst.results.push(Term::list(all));
                }
                Turn::Receive(n) => {
                    let got = c.receive_match(Some(0), |m| is_plain(m, n)).is_ok();
                    burst.results.push(got.into());
                }
            }
        }
    }
}

fn thread_puppet(mut c: Attached, board: &Arc<Board>) {
    while let Ok(m) = c.receive_match(None, is_command) {
        let mut burst = Burst::new(board, &m);
        loop {
            match burst.go(&mut c, board) {
                Turn::Done(t) => break c.send(board.coordinator, t),
                Turn::Ends(Ok(())) => return,
                Turn::Ends(Err(e)) => return c.finish(e.into_exit_reason()),
                Turn::Yield => std::thread::yield_now(),
                Turn::Drain => {
                    let mut all = Vec::new();
                    while let Ok(m) = c.receive(Some(0)) {
                        all.push(m.into_term());
                    }
                    burst.results.push(Term::list(all));
                }
                Turn::Receive(n) => {
                    let got = c.receive_match(Some(0), |m| is_plain(m, n)).is_ok();
                    burst.results.push(got.into());
                }
            }
        }
    }
}

/// A handler cannot wait: it sends itself a mark, and what comes before it was there when it asked.
struct Puppet {
    board: Arc<Board>,
    burst: Option<Burst>,
    waits: Waits,
    marks: i64,
}

enum Waits {
    Nothing,
    /// Until the mark comes.
    Mark,
    Drain(Vec<Term>),
    Receive(u16),
}

impl Puppet {
    fn go(&mut self, c: &mut Context) -> Result<Next, Exception> {
        let Some(burst) = self.burst.as_mut() else { return Ok(Next::Continue) };
        self.waits = match burst.go(c, &self.board) {
            Turn::Done(t) => {
                self.burst = None;
                self.waits = Waits::Nothing;
                c.send(self.board.coordinator, t);
                return Ok(Next::Continue);
            }
            Turn::Ends(Ok(())) => return Ok(Next::Stop(term("normal"))),
            Turn::Ends(Err(e)) => return Err(e),
            Turn::Yield => Waits::Mark,
            Turn::Drain => Waits::Drain(Vec::new()),
            Turn::Receive(n) => Waits::Receive(n),
        };
        self.marks += 1;
        let me = c.self_pid();
        c.send(me, Term::tuple([term("$mark"), self.marks.into()]));
        Ok(Next::Continue)
    }
}

impl Handler for Puppet {
    fn handle(&mut self, c: &mut Context, m: Message) -> Result<Next, Exception> {
        let Some(burst) = self.burst.as_mut() else {
            if is_command(&m) {
                self.burst = Some(Burst::new(&self.board, &m));
                return self.go(c);
            }
            return Ok(Next::Skip(m));
        };
        if matches!(&m, Message::Term(t) if matches!(t.as_tuple(), Some([tag, _]) if *tag == term("$mark"))) {
            match std::mem::replace(&mut self.waits, Waits::Nothing) {
                Waits::Drain(all) => burst.results.push(Term::list(all)),
                Waits::Receive(_) => burst.results.push(false.into()),
                Waits::Mark | Waits::Nothing => {}
            }
            return self.go(c);
        }
        match &mut self.waits {
            Waits::Drain(all) => all.push(m.into_term()),
            Waits::Receive(n) if is_plain(&m, *n) => {
                burst.results.push(true.into());
                self.waits = Waits::Mark;
            }
            _ => return Ok(Next::Skip(m)),
        }
        Ok(Next::Continue)
    }
}

/// The stage.
pub struct Ours {
    node: Option<Node>,
    me: Option<Attached>,
    seeded: bool,
    board: Option<Arc<Board>>,
    pids: Vec<Pid>,
    monitors: HashMap<Ref, Pid>,
    dead: HashMap<Pid, Term>,
    commands: i64,
    patience: u32,
}

impl Ours {
    pub fn seeded() -> Self {
        Self::new(true)
    }

    pub fn threaded() -> Self {
        let mut s = Self::new(false);
        let node = Node::builder().workers(2).start().expect("a node starts");
        s.me = Some(node.attach().expect("room for one"));
        s.node = Some(node);
        s
    }

    fn new(seeded: bool) -> Self {
        Self {
            node: None,
            me: None,
            seeded,
            board: None,
            pids: Vec::new(),
            monitors: HashMap::new(),
            dead: HashMap::new(),
            commands: 0,
            patience: 0,
        }
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("started")
    }

    fn me(&mut self) -> &mut Attached {
        self.me.as_mut().expect("started")
    }

    fn watch(&mut self, pid: Pid) {
        let r = self.me().monitor(pid);
        self.monitors.insert(r, pid);
        self.pids.push(pid);
    }

    /// The next thing that the coordinator hears; `None`: nothing in time.
    fn hear(&mut self, wait: bool, results: &mut HashMap<Slot, Vec<Term>>) -> Option<()> {
        let ms = if wait && !self.seeded { PATIENCE.as_millis() as u64 } else { 0 };
        match self.me().receive(Some(ms)).ok()? {
            Message::Down(d) => {
                let pid = self.monitors.remove(&d.reference).expect("a monitor of ours");
                self.dead.insert(pid, d.reason);
            }
            m => {
                let t = m.into_term();
                match t.as_tuple() {
                    Some([tag, pid]) if *tag == term("$born") => self.watch(pid.as_pid().expect("a pid")),
                    Some([tag, slot, r]) if *tag == term("$done") => {
                        let r = r.as_list().map(|l| l.iter().cloned().collect()).unwrap_or_default();
                        results.insert(slot.as_i64().expect("a slot") as Slot, r);
                    }
                    _ => panic!("the coordinator was sent {t}"),
                }
            }
        }
        Some(())
    }

    fn look(&mut self) -> Vec<RawSeen> {
        let mut all = Vec::new();
        for pid in self.pids.clone() {
            if !self.dead.contains_key(&pid) {
                match self.node().process_info(pid, true, PATIENCE) {
                    Some(info) => {
                        all.push(seen(info));
                        continue;
                    }
                    None => {
                        while !self.dead.contains_key(&pid) {
                            self.hear(true, &mut HashMap::new()).expect("a process without info has ended");
                        }
                    }
                }
            }
            all.push(RawSeen::Dead(self.dead[&pid].clone()));
        }
        all
    }

    fn settle(&mut self, results: Vec<Option<Vec<Term>>>) -> Raw {
        let mut processes = self.look();
        loop {
            let again = self.look();
            if again == processes {
                break;
            }
            processes = again;
        }
        let names = NAMES.iter().map(|n| self.node().whereis(atom(n))).collect();
        Raw { results, pids: self.pids.clone(), processes, names }
    }
}

fn seen(i: ProcessInfo) -> RawSeen {
    let mut monitors: Vec<Term> = i
        .monitors
        .iter()
        .map(|m| match m {
            Monitored::Pid(p) => Term::from(*p),
            Monitored::Name(n, node) => Term::tuple([(*n).into(), (*node).into()]),
        })
        .collect();
    monitors.sort_by(Term::compare);
    let sorted = |mut pids: Vec<Pid>| {
        pids.sort_by_key(|p| (p.number, p.serial));
        pids
    };
    RawSeen::Alive {
        trap: i.trap_exit,
        name: i.registered_name.map(|n| n.as_str().to_owned()),
        links: sorted(i.links),
        monitors,
        watchers: sorted(i.monitored_by),
        messages: i.messages.unwrap_or_default(),
    }
}

impl Stage for Ours {
    fn start(&mut self, bodies: &[Body], seed: u64) -> (Pid, Vec<Pid>) {
        if self.seeded {
            self.me = None;
            self.node = None;
            let node = Node::builder().seeded(seed).max_processes(64).start().expect("a node starts");
            self.me = Some(node.attach().expect("room for one"));
            self.node = Some(node);
            self.monitors.clear();
        } else {
            for pid in self.monitors.values().copied().collect::<Vec<_>>() {
                self.me().exit(pid, atom("kill"));
            }
            while !self.monitors.is_empty() {
                self.hear(true, &mut HashMap::new()).expect("a killed process ends");
            }
        }
        self.pids.clear();
        self.dead.clear();
        let coordinator = self.me().self_pid();
        let board =
            Arc::new(Board { coordinator, seeded: self.seeded, bodies: bodies.to_vec(), commands: Mutex::default() });
        for (i, b) in bodies.iter().enumerate() {
            let pid = if *b == Body::Thread && !self.seeded {
                let (c, board) = (self.node().attach().expect("room"), board.clone());
                let pid = c.self_pid();
                std::thread::spawn(move || thread_puppet(c, &board));
                pid
            } else {
                let o = board.options(i as Slot);
                self.me().spawn_opt(puppet(&board, i as Slot), &o).expect("room").0
            };
            self.watch(pid);
        }
        self.board = Some(board);
        (coordinator, self.pids.clone())
    }

    fn step(&mut self, commands: &[Command], known: &Known) -> Raw {
        self.patience = 0;
        let board = self.board.clone().expect("started");
        let known = Arc::new(known.clone());
        let mut waiting = Vec::new();
        for c in commands {
            self.commands += 1;
            let n = self.commands;
            board.commands.lock().expect("not poisoned").insert(n, (c.clone(), known.clone()));
            let pid = self.pids[usize::from(c.actor)];
            self.me().send(pid, Term::tuple([term("$do"), n.into()]));
            waiting.push((c.actor, pid));
        }
        let mut results = HashMap::new();
        if self.seeded {
            self.node().run(u64::MAX);
            while self.hear(false, &mut results).is_some() {}
        } else {
            while waiting.iter().any(|(s, p)| !results.contains_key(s) && !self.dead.contains_key(p)) {
                self.hear(true, &mut results).expect("an actor tells or ends");
            }
        }
        let results = commands.iter().map(|c| results.remove(&c.actor)).collect();
        self.settle(results)
    }

    fn look_again(&mut self) -> Option<Raw> {
        self.patience += 1;
        if self.seeded || self.patience > 20 {
            return None;
        }
        std::thread::sleep(Duration::from_millis(u64::from(self.patience)));
        Some(self.settle(Vec::new()))
    }
}
