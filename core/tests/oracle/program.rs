//! Random programs. What proptest draws is raw: numbers that are given a meaning by what was seen last, so that any
//! part of a program can be left out and the rest still means something.

use super::lang::*;
use proptest::prelude::*;

/// Processes of a program, the spawned ones included.
const MAX_PROCESSES: usize = 12;

/// Which kind of process plays a puppet; the meaning of a program does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Async,
    Fiber,
    Handler,
    /// An attached thread; only where there are threads, elsewhere async.
    Thread,
    /// Async on the slow lane from birth, where there is one. (No handler: what its callback holds, to skip it, cannot
    /// be seen, and a callback of the slow lane may be asked meanwhile what lies in its mailbox.)
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Spawn,
    Link,
    Unlink,
    Monitor,
    Demonitor,
    Alias,
    Unalias,
    Send,
    SendName,
    SendAlias,
    Look,
    Register,
    Unregister,
    Whereis,
    IsAlive,
    ExitTo,
    End,
    Trap,
    Drain,
    Receive,
    Yield,
}

/// Weights of the calls.
const OPS: [(u32, Op); 21] = [
    (5, Op::Spawn),
    (14, Op::Link),
    (7, Op::Unlink),
    (12, Op::Monitor),
    (8, Op::Demonitor),
    (3, Op::Alias),
    (3, Op::Unalias),
    (5, Op::Send),
    (5, Op::SendName),
    (8, Op::SendAlias),
    (2, Op::Look),
    (6, Op::Register),
    (3, Op::Unregister),
    (2, Op::Whereis),
    (2, Op::IsAlive),
    (12, Op::ExitTo),
    (5, Op::End),
    (6, Op::Trap),
    (3, Op::Drain),
    (3, Op::Receive),
    (3, Op::Yield),
];

/// A call to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    op: Op,
    a: u8,
    b: u8,
    c: u8,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({},{},{})", self.op, self.a, self.b, self.c)
    }
}

/// A step to be: who does what at the same time.
#[derive(Clone, Debug)]
pub struct RawStep(Vec<(u8, Vec<Raw>)>);

#[derive(Clone, Debug)]
pub struct Program {
    pub bodies: Vec<Body>,
    /// Which of the first processes trap exits from the start.
    traps: u8,
    steps: Vec<RawStep>,
    /// Seed of the node that runs it.
    pub seed: u64,
}

impl Program {
    pub fn len(&self) -> usize {
        self.steps.len() + 1
    }
}

fn raw() -> impl Strategy<Value = Raw> {
    let op = prop::sample::select(OPS.iter().flat_map(|(n, op)| vec![*op; *n as usize]).collect::<Vec<_>>());
    (op, any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(op, a, b, c)| Raw { op, a, b, c })
}

fn calls(n: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = (u8, Vec<Raw>)> {
    (any::<u8>(), prop::collection::vec(raw(), n))
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![3 => Just(Body::Async), 2 => Just(Body::Fiber), 3 => Just(Body::Handler), 1 => Just(Body::Thread), 2 => Just(Body::Slow)]
}

fn with_steps(step: impl Strategy<Value = RawStep>) -> impl Strategy<Value = Program> {
    let bodies = prop::collection::vec(body(), 2..=6);
    (bodies, any::<u8>(), prop::collection::vec(step, 4..28), any::<u64>())
        .prop_map(|(bodies, traps, steps, seed)| Program { bodies, traps, steps, seed })
}

fn one_call() -> impl Strategy<Value = RawStep> {
    calls(1..=1).prop_map(|c| RawStep(vec![c]))
}

/// Programs of which every step is one call: there is one thing that can be seen after it.
pub fn in_lock_step() -> impl Strategy<Value = Program> {
    with_steps(one_call())
}

/// Programs in which processes make several calls in one go, and two of them at the same time.
pub fn racing() -> impl Strategy<Value = Program> {
    with_steps(prop_oneof![
        5 => one_call(),
        3 => calls(2..=5).prop_map(|c| RawStep(vec![c])),
        6 => prop::collection::vec(calls(1..=4), 2).prop_map(RawStep),
        2 => prop::collection::vec(calls(1..=2), 3).prop_map(RawStep),
    ])
}

/// Gives raw steps their meaning, with what is known of the world.
pub struct Resolver {
    processes: usize,
    /// Owner of every reference of the program.
    references: Vec<Slot>,
    next_message: u16,
    /// Messages sent, for selective receives: number and receiver.
    sent: Vec<(u16, Slot)>,
}

impl Resolver {
    pub fn new(p: &Program) -> Self {
        Self { processes: p.bodies.len(), references: Vec::new(), next_message: 0, sent: Vec::new() }
    }

    /// The commands of step `number`; empty when nobody is left to do anything.
    pub fn step(&mut self, p: &Program, number: usize, obs: Option<&Obs>) -> Vec<Command> {
        let Some(obs) = obs else {
            // The first step: flags.
            let trapping = (0..p.bodies.len()).filter(|i| p.traps >> i & 1 == 1);
            return trapping.map(|i| Command { actor: i as Slot, actions: vec![Action::Trap(true)] }).collect();
        };
        let living: Vec<Slot> = (0..self.processes as Slot).filter(|s| obs.alive(*s)).collect();
        if living.is_empty() {
            return Vec::new();
        }
        let RawStep(raw) = &p.steps[number - 1];
        let known = self.references.len();
        let mut commands: Vec<Command> = Vec::new();
        let alone = raw.len() == 1;
        for (who, calls) in raw {
            let actor = living[usize::from(*who) % living.len()];
            if commands.iter().any(|c| c.actor == actor) {
                continue;
            }
            // References made by another actor in this step are not known to this one.
            let mut refs: Vec<RefId> = (0..known as RefId).collect();
            let solo = alone && calls.len() == 1;
            let mut actions = Vec::new();
            for (i, r) in calls.iter().enumerate() {
                let birth = alone && i == 0;
                actions.push(self.action(*r, actor, obs, &living, &mut refs, birth, solo));
            }
            commands.push(Command { actor, actions });
        }
        commands
    }

    #[allow(clippy::too_many_arguments)]
    fn action(
        &mut self,
        raw: Raw,
        me: Slot,
        obs: &Obs,
        living: &[Slot],
        refs: &mut Vec<RefId>,
        birth: bool,
        solo: bool,
    ) -> Action {
        let Raw { op, a, b, c } = raw;
        let anybody = |a: u8| {
            let others: Vec<Slot> = living.iter().copied().filter(|s| *s != me).collect();
            if a < 56 || others.is_empty() {
                a % obs.processes.len() as u8
            } else {
                others[usize::from(a) % others.len()]
            }
        };
        let name = c % NAMES.len() as u8;
        let caught = b % 4 != 0;
        let mine = |this: &Self, a: u8, refs: &[RefId]| -> Option<RefId> {
            let own: Vec<RefId> =
                refs.iter().copied().filter(|r| this.references[usize::from(*r)] == me || a < 40).collect();
            // The newest are the most likely to be alive.
            let recent = &own[own.len().saturating_sub(6)..];
            (!recent.is_empty()).then(|| recent[usize::from(a) % recent.len()])
        };
        match op {
            // A world of two is soon a dead one.
            _ if birth && self.processes < MAX_PROCESSES && (op == Op::Spawn || (living.len() < 3 && a % 2 == 0)) => {
                let slot = self.processes as Slot;
                self.processes += 1;
                let monitor = (b % 2 == 0).then(|| self.monitor_of(me, b, c, refs));
                Action::Spawn { slot, link: c % 2 == 0, monitor }
            }
            Op::Link | Op::Spawn => Action::Link { to: anybody(a), caught },
            Op::Unlink => {
                let linked = match &obs.processes[usize::from(me)] {
                    Seen::Alive { links, .. } if b >= 50 => links.as_slice(),
                    _ => &[],
                };
                let to = if linked.is_empty() { anybody(a) } else { linked[usize::from(a) % linked.len()] };
                Action::Unlink(to)
            }
            Op::Monitor => {
                let what = match b % 4 {
                    0 => What::Name(name),
                    1 => What::NameNode(name),
                    _ => What::Pid(anybody(a)),
                };
                Action::Monitor { what, how: self.monitor_of(me, b / 4, c, refs) }
            }
            Op::Demonitor => match mine(self, a, refs) {
                Some(reference) => Action::Demonitor { reference, flush: b % 2 == 0 },
                None => Action::Yield,
            },
            Op::Alias => {
                let reference = self.reference(me, refs);
                Action::Alias { reference, mode: if b % 2 == 0 { Mode::Explicit } else { Mode::Reply } }
            }
            Op::Unalias => mine(self, a, refs).map_or(Action::Yield, Action::Unalias),
            Op::Send => self.send(To::Pid(anybody(a)), caught, Some(anybody(a))),
            Op::SendName if a % 3 == 0 => self.send(To::NameNode(name), caught, None),
            Op::SendName => self.send(To::Name(name), caught, None),
            Op::SendAlias | Op::Look => {
                let recent = &refs[refs.len().saturating_sub(8)..];
                if recent.is_empty() {
                    return Action::Yield;
                }
                let reference = recent[usize::from(a) % recent.len()];
                let owner = self.references[usize::from(reference)];
                if op == Op::SendAlias || !solo {
                    return self.send(To::Alias(reference, owner), caught, Some(owner));
                }
                self.next_message += 1;
                Action::Look { to: owner, n: self.next_message, reference }
            }
            Op::Register => Action::Register { name, slot: if a < 80 { me } else { anybody(a) }, caught },
            Op::Unregister => Action::Unregister { name, caught },
            Op::Whereis => Action::Whereis(name),
            Op::IsAlive if solo => Action::IsAlive(anybody(a)),
            Op::IsAlive | Op::Yield => Action::Yield,
            Op::ExitTo => Action::ExitTo(anybody(a), reason(b)),
            Op::End => match b % 6 {
                0 => Action::Return,
                1 => Action::Error(c % 4),
                2 => Action::Throw(c % 4),
                _ => Action::Exit(reason(c)),
            },
            Op::Trap => Action::Trap(b % 3 != 0),
            Op::Drain => Action::Drain,
            Op::Receive => {
                let mine: Vec<u16> = self.sent.iter().filter(|(_, to)| *to == me).map(|(n, _)| *n).collect();
                let recent = &mine[mine.len().saturating_sub(6)..];
                if recent.is_empty() { Action::Drain } else { Action::Receive(recent[usize::from(a) % recent.len()]) }
            }
        }
    }

    fn send(&mut self, to: To, caught: bool, receiver: Option<Slot>) -> Action {
        self.next_message += 1;
        let n = self.next_message;
        if let Some(r) = receiver {
            self.sent.push((n, r));
        }
        Action::Send { to, n, caught }
    }

    fn reference(&mut self, me: Slot, refs: &mut Vec<RefId>) -> RefId {
        let r = self.references.len() as RefId;
        self.references.push(me);
        refs.push(r);
        r
    }

    fn monitor_of(&mut self, me: Slot, b: u8, c: u8, refs: &mut Vec<RefId>) -> MonitorOf {
        let alias = match b % 6 {
            0 => Some(Mode::Explicit),
            1 => Some(Mode::Demonitor),
            2 => Some(Mode::ReplyDemonitor),
            _ => None,
        };
        MonitorOf { reference: self.reference(me, refs), alias, tagged: c.is_multiple_of(5) }
    }
}

fn reason(c: u8) -> Reason {
    match c % 12 {
        0 | 1 => Reason::Normal,
        2 | 3 => Reason::Kill,
        4 => Reason::Killed,
        5 => Reason::NoProc,
        6 => Reason::Shutdown,
        _ => Reason::Boom(c / 12 % 8),
    }
}
