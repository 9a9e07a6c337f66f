//! Scenarios: a family, what its members will do, and what happens to it. Everything is decided by the seed, so that
//! a model, our policy and OTP's supervisor can play the same one.
#![allow(dead_code)] // Each test binary uses a part of it.

use krarup::supervisor::{AutoShutdown, ChildSpec, Flags, Restart, Shutdown, Start, Strategy};
use krarup::{Atom, Term};

pub fn atom(s: &str) -> Atom {
    Atom::new(s).expect("a short name")
}

pub fn a(s: &str) -> Term {
    atom(s).into()
}

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What a start function does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Out {
    Ok,
    Info,
    Ignore,
    Error,
    Odd,
}

/// What a child does when it is told to shut down.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    Obey,
    /// Ends with another reason.
    Other(&'static str),
    /// Never ends.
    Hang,
}

#[derive(Clone, Debug)]
pub struct Kid {
    pub id: &'static str,
    pub restart: Restart,
    pub significant: bool,
    pub shutdown: Shutdown,
    /// By instance, the first first; `Ok` and `Obey` when they are used up.
    pub outs: Vec<Out>,
    pub hows: Vec<How>,
}

impl Kid {
    pub fn out(&self, n: usize) -> Out {
        self.outs.get(n).copied().unwrap_or(Out::Ok)
    }

    pub fn how(&self, n: usize) -> How {
        self.hows.get(n).cloned().unwrap_or(How::Obey)
    }

    pub fn spec(&self) -> ChildSpec {
        ChildSpec::new(atom(self.id), Start::mfa(atom("m"), atom("f"), [a(self.id)]))
            .restart(self.restart)
            .significant(self.significant)
            .shutdown(self.shutdown)
    }
}

/// A thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Children end, all before the supervisor looks: the index among those that live, and the reason.
    Die(Vec<(usize, &'static str)>),
    Which,
    Count,
    Start(usize),
    Terminate(usize),
    Restart(usize),
    Delete(usize),
    Spec(usize),
    /// So many seconds pass.
    Pass(u64),
    /// The parent ends it.
    Parent(&'static str),
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub flags: Flags,
    pub kids: Vec<Kid>,
    /// So many of the kids are there from the start; the others may be started later.
    pub fixed: usize,
    pub steps: Vec<Step>,
}

pub const REASONS: [&str; 6] = ["normal", "shutdown", "{shutdown,x}", "boom", "boom", "{a,b}"];
const IDS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
/// The only id of a brood.
const SIMPLE: [&str; 1] = ["t"];

impl Scenario {
    pub fn is_simple(&self) -> bool {
        self.flags.strategy == Strategy::SimpleOneForOne
    }

    /// `timed`: seconds pass; a BEAM's clock cannot be moved.
    pub fn random(seed: u64, timed: bool) -> Self {
        let r = &mut Rng(seed);
        let strategy = r.pick(&[
            Strategy::OneForOne,
            Strategy::OneForAll,
            Strategy::OneForAll,
            Strategy::RestForOne,
            Strategy::RestForOne,
            Strategy::SimpleOneForOne,
        ]);
        let auto = r.pick(&[
            AutoShutdown::Never,
            AutoShutdown::Never,
            AutoShutdown::AnySignificant,
            AutoShutdown::AllSignificant,
        ]);
        let period = if timed { 1 + r.below(5) as u64 } else { 3600 };
        let flags = Flags::of(strategy).intensity(r.pick(&[0, 1, 3, 8, 40, 1000]), period).auto_shutdown(auto);
        let simple = strategy == Strategy::SimpleOneForOne;
        let n = if simple { 1 } else { 1 + r.below(IDS.len()) };
        let ids = if simple { &SIMPLE[..] } else { &IDS[..n] };
        let kids: Vec<Kid> = ids.iter().map(|id| Self::kid(id, auto, r)).collect();
        let fixed = if simple { 1 } else { r.below(n + 1) };
        let mut kids = kids;
        for k in &mut kids[..fixed] {
            // A family should come up more often than not.
            if !simple && !r.one_in(8) {
                k.outs[0] = r.pick(&[Out::Ok, Out::Ok, Out::Info, Out::Ignore]);
            }
        }
        let mut steps: Vec<Step> = Vec::new();
        if simple {
            steps.extend((0..r.below(6)).map(|_| Step::Start(0)));
        }
        for _ in 0..3 + r.below(14) {
            let id = r.below(n);
            steps.push(match r.below(if timed { 16 } else { 14 }) {
                0..6 => {
                    let mut dead = vec![(r.below(8), r.pick(&REASONS))];
                    if r.one_in(4) {
                        dead.push((r.below(8), r.pick(&REASONS)));
                    }
                    Step::Die(dead)
                }
                6 => Step::Which,
                7 => Step::Count,
                8 | 9 => Step::Start(id),
                10 => Step::Terminate(id),
                11 => Step::Restart(id),
                12 => Step::Delete(id),
                13 => Step::Spec(id),
                _ => Step::Pass(r.below(3) as u64),
            });
        }
        steps.push(Step::Which);
        steps.push(Step::Parent(r.pick(&["shutdown", "normal", "killed", "{shutdown,x}"])));
        Self { flags, kids, fixed, steps }
    }

    fn kid(id: &'static str, auto: AutoShutdown, r: &mut Rng) -> Kid {
        let restart = r.pick(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary]);
        let significant = auto != AutoShutdown::Never && restart != Restart::Permanent && r.one_in(2);
        let shutdown = r.pick(&[Shutdown::Ms(5000), Shutdown::Ms(1), Shutdown::BrutalKill, Shutdown::Infinity]);
        let outs = (0..12).map(|_| r.pick(&[Out::Ok, Out::Ok, Out::Ok, Out::Info, Out::Ignore, Out::Error, Out::Odd]));
        let outs = outs.collect();
        let hows = (0..12)
            .map(|_| match r.below(8) {
                0 => How::Other(r.pick(&REASONS)),
                1 if shutdown == Shutdown::Ms(1) => How::Hang,
                _ => How::Obey,
            })
            .collect();
        Kid { id, restart, significant, shutdown, outs, hows }
    }
}
