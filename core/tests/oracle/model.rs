//! The reference model: OTP's rules for signals, links, monitors, aliases, names and exits, written from the reference
//! manual ("Processes"), `erlang(3)` and the link protocol of the distribution protocol.
//!
//! A world is a value. Signals between two processes wait in a queue of that pair; whoever drives the world says which
//! queue's oldest signal is delivered next, and whose call comes next. That is all the freedom OTP has.

use super::lang::*;
use std::collections::{BTreeMap, VecDeque};

/// Who tells that nobody has a name.
const NOBODY: Slot = Slot::MAX;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    Message(Msg),
    Alias(RefId, Msg),
    /// A linked process has ended, or a link was asked of nobody.
    ExitLink(Reason),
    Exit2(Reason),
    Link,
    Unlink(u16),
    UnlinkAck(u16),
    Monitor(RefId),
    Demonitor(RefId),
    Down(RefId, Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    Alive,
    /// Nobody can reach it any more, but its links and monitors have not been told.
    Going(Reason),
    Dead(Reason),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Monitor {
    object: Object,
    target: Option<Slot>,
    tagged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub life: Life,
    pub trap: bool,
    name: Option<Name>,
    /// 0: active; otherwise the id of the unlink that waits for its acknowledgement.
    links: BTreeMap<Slot, u16>,
    monitors: BTreeMap<RefId, Monitor>,
    watchers: BTreeMap<RefId, Slot>,
    pub aliases: BTreeMap<RefId, Mode>,
    mailbox: Vec<(Step, Msg)>,
    next_unlink: u16,
}

impl Process {
    fn new() -> Self {
        Self {
            life: Life::Alive,
            trap: false,
            name: None,
            links: BTreeMap::new(),
            monitors: BTreeMap::new(),
            watchers: BTreeMap::new(),
            aliases: BTreeMap::new(),
            mailbox: Vec::new(),
            next_unlink: 0,
        }
    }

    pub fn alive(&self) -> bool {
        self.life == Life::Alive
    }
}

/// Who carries out a command, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    pub slot: Slot,
    pub next: usize,
    results: Vec<Res>,
    /// A call has failed and nobody caught it: the end comes next, but others may come before it.
    raised: Option<Reason>,
    /// It makes no more calls.
    pub done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub processes: Vec<Process>,
    names: [Option<Slot>; NAMES.len()],
    pub queues: BTreeMap<(Slot, Slot), VecDeque<Signal>>,
    pub actors: Vec<Actor>,
    step: Step,
}

impl Signal {
    /// The reason, if it tells of an end.
    fn end(&self) -> Option<Reason> {
        match self {
            Self::ExitLink(r) | Self::Down(_, r) | Self::Message(Msg::Exit { reason: r, .. }) => Some(*r),
            _ => None,
        }
    }
}

/// How many signals of a queue may be the next to be delivered: one, or as many as tell of one end. Links and monitors
/// are told of an end in no defined order.
pub fn choices(queue: &VecDeque<Signal>) -> usize {
    of_one_end(queue.iter().map(Signal::end)).max(1)
}

impl World {
    pub fn new(processes: usize) -> Self {
        Self {
            processes: (0..processes).map(|_| Process::new()).collect(),
            names: [None; NAMES.len()],
            queues: BTreeMap::new(),
            actors: Vec::new(),
            step: 0,
        }
    }

    pub fn begin(&mut self, step: Step, commands: &[Command]) {
        self.step = step;
        self.actors = commands
            .iter()
            .map(|c| Actor { slot: c.actor, next: 0, results: Vec::new(), raised: None, done: !self.alive(c.actor) })
            .collect();
    }

    /// What can be seen when nothing moves any more; forgets the commands.
    pub fn end(&mut self) -> Obs {
        let actors = std::mem::take(&mut self.actors);
        let results = actors.into_iter().map(|a| self.alive(a.slot).then_some(a.results)).collect();
        let processes = self
            .processes
            .iter_mut()
            .map(|p| {
                // Ids of unlinks are forgotten with them, so that equal worlds are equal.
                p.next_unlink = 0;
                let Life::Alive = p.life else {
                    let (Life::Going(r) | Life::Dead(r)) = p.life else { unreachable!("not alive") };
                    return Seen::Dead(Some(r));
                };
                let mut monitors: Vec<Object> = p.monitors.values().map(|m| m.object).collect();
                monitors.sort_unstable();
                let mut watchers: Vec<Slot> = p.watchers.values().copied().collect();
                watchers.sort_unstable();
                Seen::Alive {
                    trap: p.trap,
                    name: p.name,
                    links: p.links.iter().filter(|(_, id)| **id == 0).map(|(s, _)| *s).collect(),
                    monitors,
                    watchers,
                    mailbox: p.mailbox.clone(),
                }
            })
            .collect();
        Obs { results, processes, names: self.names.to_vec() }
    }

    pub fn p(&mut self, slot: Slot) -> &mut Process {
        &mut self.processes[usize::from(slot)]
    }

    pub fn alive(&self, slot: Slot) -> bool {
        self.processes[usize::from(slot)].alive()
    }

    fn push(&mut self, from: Slot, to: Slot, signal: Signal) {
        self.queues.entry((from, to)).or_default().push_back(signal);
    }

    fn put(&mut self, to: Slot, m: Msg) {
        let step = self.step;
        let mailbox = &mut self.p(to).mailbox;
        mailbox.push((step, m));
        canonical(mailbox);
    }

    /// The process can be reached no more; its commands end with it.
    fn die(&mut self, slot: Slot, reason: Reason) {
        self.p(slot).life = Life::Going(reason);
        for a in &mut self.actors {
            if a.slot == slot {
                a.done = true;
            }
        }
    }

    /// The name of a process that is going is free.
    pub fn free_name(&mut self, slot: Slot) {
        if let Some(n) = self.p(slot).name.take() {
            self.names[usize::from(n)] = None;
        }
    }

    pub fn has_name(&self, slot: Slot) -> bool {
        self.processes[usize::from(slot)].name.is_some()
    }

    /// Links and monitors are told of the end, after the name is free.
    pub fn announce(&mut self, slot: Slot) {
        self.free_name(slot);
        let Life::Going(reason) = self.p(slot).life else { return };
        let gone = std::mem::replace(self.p(slot), Process { life: Life::Dead(reason), ..Process::new() });
        // A link that is being undone is told of, too: the peer may not have heard of the undoing.
        for peer in gone.links.into_keys() {
            self.push(slot, peer, Signal::ExitLink(reason));
        }
        for (reference, watcher) in gone.watchers {
            self.push(slot, watcher, Signal::Down(reference, reason));
        }
        for (reference, m) in gone.monitors {
            if let Some(t) = m.target {
                self.push(slot, t, Signal::Demonitor(reference));
            }
        }
    }

    /// Delivers a signal of a pair: the oldest, or one that `choices` allows.
    pub fn deliver(&mut self, from: Slot, to: Slot, at: usize) {
        let Some(queue) = self.queues.get_mut(&(from, to)) else { return };
        let Some(signal) = queue.remove(at) else { return };
        if queue.is_empty() {
            self.queues.remove(&(from, to));
        }
        if !self.alive(to) {
            match signal {
                Signal::Link => self.push(to, from, Signal::ExitLink(Reason::NoProc)),
                Signal::Monitor(r) => self.push(to, from, Signal::Down(r, Reason::NoProc)),
                Signal::Unlink(id) => self.push(to, from, Signal::UnlinkAck(id)),
                _ => {}
            }
            return;
        }
        match signal {
            Signal::Message(m) => self.put(to, m),
            Signal::Alias(r, m) => {
                let Some(mode) = self.p(to).aliases.get(&r).copied() else { return };
                if matches!(mode, Mode::Reply | Mode::ReplyDemonitor) {
                    self.p(to).aliases.remove(&r);
                }
                if mode == Mode::ReplyDemonitor {
                    self.drop_monitor(to, r);
                }
                self.put(to, m);
            }
            Signal::ExitLink(reason) => {
                // A link being undone: its end is not heard.
                if self.p(to).links.remove(&from) == Some(0) {
                    self.exit_signal(from, to, reason);
                }
            }
            Signal::Exit2(Reason::Kill) => self.die(to, Reason::Killed),
            Signal::Exit2(reason) => self.exit_signal(from, to, reason),
            Signal::Link => {
                self.p(to).links.entry(from).or_insert(0);
            }
            Signal::Unlink(id) => {
                if self.p(to).links.get(&from) == Some(&0) {
                    self.p(to).links.remove(&from);
                }
                self.push(to, from, Signal::UnlinkAck(id));
            }
            Signal::UnlinkAck(id) => {
                if self.p(to).links.get(&from) == Some(&id) {
                    self.p(to).links.remove(&from);
                }
            }
            Signal::Monitor(r) => {
                self.p(to).watchers.insert(r, from);
            }
            Signal::Demonitor(r) => {
                self.p(to).watchers.remove(&r);
            }
            Signal::Down(reference, reason) => {
                let Some(m) = self.p(to).monitors.remove(&reference) else { return };
                self.monitor_ended(to, reference);
                self.put(to, Msg::Down { reference, object: m.object, reason, tagged: m.tagged });
            }
        }
    }

    fn exit_signal(&mut self, from: Slot, to: Slot, reason: Reason) {
        if self.p(to).trap {
            self.put(to, Msg::Exit { from, reason });
        } else if reason != Reason::Normal {
            self.die(to, reason);
        }
    }

    fn monitor_ended(&mut self, slot: Slot, r: RefId) {
        if matches!(self.p(slot).aliases.get(&r), Some(Mode::Demonitor | Mode::ReplyDemonitor)) {
            self.p(slot).aliases.remove(&r);
        }
    }

    /// Undoes a monitor; true: it was there.
    fn drop_monitor(&mut self, slot: Slot, r: RefId) -> bool {
        let Some(m) = self.p(slot).monitors.remove(&r) else { return false };
        self.monitor_ended(slot, r);
        if let Some(t) = m.target {
            self.push(slot, t, Signal::Demonitor(r));
        }
        true
    }

    /// What a process has sent itself is there when it looks.
    fn hear_oneself(&mut self, me: Slot) {
        while self.queues.contains_key(&(me, me)) {
            self.deliver(me, me, 0);
        }
    }

    /// Takes the oldest message that is wanted. What the process has sent itself is there before it gives up.
    fn receive(&mut self, me: Slot, wanted: impl Fn(&Msg) -> bool) -> bool {
        for last in [false, true] {
            let mailbox = &mut self.p(me).mailbox;
            if let Some(at) = mailbox.iter().position(|(_, m)| wanted(m)) {
                mailbox.remove(at);
                canonical(mailbox);
                return true;
            }
            if !last {
                self.hear_oneself(me);
            }
        }
        false
    }

    pub fn linked(&self, me: Slot, to: Slot) -> bool {
        self.processes[usize::from(me)].links.get(&to) == Some(&0)
    }

    /// Whether the next call links what is linked already, but dead. A link that is there makes `link/1` do nothing, by
    /// the manual; OTP 25 looks first whether there is such a process.
    pub fn links_the_linked_dead(&self, actor: usize, command: &Command) -> bool {
        let next = command.actions.get(self.actors[actor].next);
        matches!(next, Some(Action::Link { to, .. }) if self.linked(command.actor, *to) && !self.alive(*to))
    }

    /// The next call of an actor. `heedless`: a link is taken to be there if it is noted.
    pub fn act(&mut self, actor: usize, command: &Command, heedless: bool) {
        let me = command.actor;
        if let Some(reason) = self.actors[actor].raised {
            return self.die(me, reason);
        }
        let action = command.actions[self.actors[actor].next];
        let result = self.call(me, action, heedless);
        let a = &mut self.actors[actor];
        a.next += 1;
        match result {
            Ok(r) => {
                a.results.push(r);
                a.done |= a.next == command.actions.len();
            }
            Err(reason @ (Reason::ErrorNoProc | Reason::ErrorBadArg)) => a.raised = Some(reason),
            Err(reason) => self.die(me, reason),
        }
    }

    /// An exception that nobody catches ends the process; so does the end of its function.
    fn call(&mut self, me: Slot, action: Action, heedless: bool) -> Result<Res, Reason> {
        let failed = |caught: bool, res: Res, reason: Reason| if caught { Ok(res) } else { Err(reason) };
        match action {
            Action::Yield => {}
            Action::Spawn { slot, link, monitor } => {
                assert_eq!(usize::from(slot), self.processes.len(), "slots are numbered by birth");
                let mut child = Process::new();
                if link {
                    child.links.insert(me, 0);
                    self.p(me).links.insert(slot, 0);
                }
                if let Some(m) = monitor {
                    child.watchers.insert(m.reference, me);
                    self.note_monitor(me, m, Object::Pid(slot), Some(slot));
                }
                self.processes.push(child);
            }
            Action::Link { to, caught } => {
                if to == me || (self.linked(me, to) && (self.alive(to) || heedless)) {
                } else if self.alive(to) {
                    self.p(me).links.insert(to, 0);
                    self.push(me, to, Signal::Link);
                } else {
                    if !self.p(me).trap {
                        return failed(caught, Res::NoProc, Reason::ErrorNoProc);
                    }
                    // What the other has sent before it ended is here already.
                    self.push(to, me, Signal::Message(Msg::Exit { from: to, reason: Reason::NoProc }));
                }
            }
            Action::Unlink(to) => {
                if self.p(me).links.get(&to) == Some(&0) {
                    self.p(me).next_unlink += 1;
                    let id = self.p(me).next_unlink;
                    self.p(me).links.insert(to, id);
                    self.push(me, to, Signal::Unlink(id));
                }
            }
            Action::Monitor { what, how } => {
                let (object, target) = match what {
                    What::Pid(p) => (Object::Pid(p), Some(p)),
                    What::Name(n) | What::NameNode(n) => (Object::Name(n), self.names[usize::from(n)]),
                };
                if target == Some(me) {
                    // Nothing: neither a monitor nor an alias.
                    return Ok(Res::Ok);
                }
                self.note_monitor(me, how, object, target);
                match target {
                    Some(t) if self.alive(t) => self.push(me, t, Signal::Monitor(how.reference)),
                    Some(t) => self.push(t, me, Signal::Down(how.reference, Reason::NoProc)),
                    None => self.push(NOBODY, me, Signal::Down(how.reference, Reason::NoProc)),
                }
            }
            Action::Demonitor { reference, flush } => {
                if self.drop_monitor(me, reference) {
                    return Ok(Res::Bool(true));
                }
                if flush {
                    self.receive(me, |m| {
                        matches!(m, Msg::Down { reference: r, .. } | Msg::Look { reference: r, .. } if *r == reference)
                    });
                }
                return Ok(Res::Bool(false));
            }
            Action::Alias { reference, mode } => {
                self.p(me).aliases.insert(reference, mode);
            }
            Action::Unalias(r) => return Ok(Res::Bool(self.p(me).aliases.remove(&r).is_some())),
            Action::Send { to, n, caught } => {
                let m = Msg::Plain { from: me, n };
                match to {
                    To::Pid(p) => self.push(me, p, Signal::Message(m)),
                    To::Alias(r, p) => self.push(me, p, Signal::Alias(r, m)),
                    To::Name(name) | To::NameNode(name) => match self.names[usize::from(name)] {
                        Some(p) => self.push(me, p, Signal::Message(m)),
                        None if matches!(to, To::Name(_)) => return failed(caught, Res::BadArg, Reason::ErrorBadArg),
                        None => {}
                    },
                }
            }
            Action::Look { to, n, reference } => {
                self.push(me, to, Signal::Message(Msg::Look { from: me, n, reference }));
            }
            Action::Register { name, slot, caught } => {
                if self.names[usize::from(name)].is_some() || !self.alive(slot) || self.has_name(slot) {
                    return failed(caught, Res::BadArg, Reason::ErrorBadArg);
                }
                self.names[usize::from(name)] = Some(slot);
                self.p(slot).name = Some(name);
            }
            Action::Unregister { name, caught } => match self.names[usize::from(name)].take() {
                Some(p) => self.p(p).name = None,
                None => return failed(caught, Res::BadArg, Reason::ErrorBadArg),
            },
            Action::Whereis(name) => return Ok(Res::Found(self.names[usize::from(name)])),
            Action::IsAlive(p) => return Ok(Res::Bool(self.alive(p))),
            // To oneself it is an end at once, even if the reason is normal, unless exits are trapped: then it is a
            // signal like any other, which may find the flag changed.
            Action::ExitTo(to, Reason::Kill) if to == me => return Err(Reason::Killed),
            Action::ExitTo(to, reason) if to == me && !self.p(me).trap => return Err(reason),
            Action::ExitTo(to, reason) => self.push(me, to, Signal::Exit2(reason)),
            Action::Exit(reason) => return Err(reason),
            Action::Error(n) => return Err(Reason::ErrorBoom(n)),
            Action::Throw(n) => return Err(Reason::NoCatch(n)),
            Action::Return => return Err(Reason::Normal),
            Action::Trap(on) => return Ok(Res::Bool(std::mem::replace(&mut self.p(me).trap, on))),
            Action::Drain => {
                self.hear_oneself(me);
                return Ok(Res::Msgs(std::mem::take(&mut self.p(me).mailbox)));
            }
            Action::Receive(n) => {
                return Ok(Res::Bool(self.receive(me, |m| matches!(m, Msg::Plain { n: x, .. } if *x == n))));
            }
        }
        Ok(Res::Ok)
    }

    fn note_monitor(&mut self, me: Slot, m: MonitorOf, object: Object, target: Option<Slot>) {
        self.p(me).monitors.insert(m.reference, Monitor { object, target, tagged: m.tagged });
        if let Some(mode) = m.alias {
            self.p(me).aliases.insert(m.reference, mode);
        }
    }
}
