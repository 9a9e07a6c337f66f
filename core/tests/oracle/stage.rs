//! Where programs are played: what a stage must do, and how what it shows is read.

use super::lang::*;
use super::program::Body;
use krarup::term::View;
use krarup::{Pid, Ref, Term};
use std::collections::HashMap;

/// Something that can play programs.
pub trait Stage {
    /// Makes the first processes; gives the coordinator's pid and theirs.
    fn start(&mut self, bodies: &[Body], seed: u64) -> (Pid, Vec<Pid>);
    /// Carries the commands out and waits until nothing moves any more.
    fn step(&mut self, commands: &[Command], known: &Known) -> Raw;
    /// Looks again, a little later; `None`: there is nothing to wait for.
    fn look_again(&mut self) -> Option<Raw>;
}

/// What a stage shows.
pub struct Raw {
    pub results: Vec<Option<Vec<Term>>>,
    /// All processes so far, by birth.
    pub pids: Vec<Pid>,
    pub processes: Vec<RawSeen>,
    pub names: Vec<Option<Pid>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RawSeen {
    Dead(Term),
    Alive {
        trap: bool,
        name: Option<String>,
        links: Vec<Pid>,
        /// Pids and `{Name, Node}`.
        monitors: Vec<Term>,
        watchers: Vec<Pid>,
        messages: Vec<Term>,
    },
}

/// Which pid and which reference is which.
#[derive(Clone, Default)]
pub struct Known {
    pub pids: Vec<Pid>,
    pub refs: HashMap<RefId, Ref>,
    coordinator: Option<Pid>,
    slots: HashMap<Pid, Slot>,
    ids: HashMap<Ref, RefId>,
}

impl Known {
    fn pid(&mut self, pid: Pid) {
        self.slots.insert(pid, self.pids.len() as Slot);
        self.pids.push(pid);
    }

    fn reference(&mut self, id: RefId, r: Ref) {
        self.refs.insert(id, r);
        self.ids.insert(r, id);
    }

    fn slot(&self, t: &Term) -> Option<Slot> {
        self.slots.get(&t.as_pid()?).copied()
    }

    fn id(&self, t: &Term) -> Option<RefId> {
        self.ids.get(&t.as_ref()?).copied()
    }

    fn msg(&self, t: &Term) -> Msg {
        self.known_msg(t).unwrap_or_else(|| Msg::Strange(t.to_string()))
    }

    fn known_msg(&self, t: &Term) -> Option<Msg> {
        let small = |t: &Term| u16::try_from(t.as_i64()?).ok();
        Some(match t.as_tuple()? {
            [tag, from, n] if text(tag)? == "m" => Msg::Plain { from: small(from)? as Slot, n: small(n)? },
            [tag, r, from, n, _] if text(tag)? == "look" => {
                Msg::Look { from: small(from)? as Slot, n: small(n)?, reference: self.id(r)? }
            }
            [tag, from, r] if text(tag)? == "EXIT" => Msg::Exit { from: self.slot(from)?, reason: reason(r)? },
            [tag, r, process, object, why] if text(process)? == "process" => {
                let tagged = match text(tag)? {
                    "DOWN" => false,
                    "gone" => true,
                    _ => return None,
                };
                Msg::Down { reference: self.id(r)?, object: self.object(object)?, reason: reason(why)?, tagged }
            }
            _ => return None,
        })
    }

    fn object(&self, t: &Term) -> Option<Object> {
        match t.view() {
            View::Pid(_) => Some(Object::Pid(self.slot(t)?)),
            View::Tuple([name, node]) if text(node)? == "nonode@nohost" => Some(Object::Name(name_of(text(name)?)?)),
            _ => None,
        }
    }
}

fn text(t: &Term) -> Option<&'static str> {
    t.as_atom().map(|a| a.as_str())
}

fn name_of(s: &str) -> Option<Name> {
    NAMES.iter().position(|n| *n == s).map(|n| n as Name)
}

/// An exit reason. The stack of an error may be anything that is a list.
fn reason(t: &Term) -> Option<Reason> {
    if let Some(a) = text(t) {
        return Some(match a {
            "normal" => Reason::Normal,
            "kill" => Reason::Kill,
            "killed" => Reason::Killed,
            "noproc" => Reason::NoProc,
            "shutdown" => Reason::Shutdown,
            _ => Reason::Boom(a.strip_prefix("boom")?.parse().ok()?),
        });
    }
    let [what, stack] = t.as_tuple()? else { return None };
    if !stack.is_list() {
        return None;
    }
    if let Some([nocatch, value]) = what.as_tuple() {
        let (Reason::Boom(n), "nocatch") = (reason(value)?, text(nocatch)?) else { return None };
        return Some(Reason::NoCatch(n));
    }
    match text(what)? {
        "badarg" => Some(Reason::ErrorBadArg),
        "noproc" => Some(Reason::ErrorNoProc),
        _ => match reason(what)? {
            Reason::Boom(n) => Some(Reason::ErrorBoom(n)),
            _ => None,
        },
    }
}

/// Reads what one stage shows of one program.
pub struct Reader {
    pub known: Known,
    /// What lay in each mailbox after the last step, in true order.
    before: Vec<Vec<(Step, Msg)>>,
}

impl Reader {
    pub fn new(coordinator: Pid, pids: Vec<Pid>) -> Self {
        let mut known = Known { coordinator: Some(coordinator), ..Default::default() };
        pids.into_iter().for_each(|p| known.pid(p));
        Self { known, before: Vec::new() }
    }

    /// Notes what was made in a step; once, before `read`.
    pub fn learn(&mut self, commands: &[Command], raw: &Raw) {
        for pid in &raw.pids[self.known.pids.len()..] {
            self.known.pid(*pid);
        }
        for (c, results) in commands.iter().zip(&raw.results) {
            for (a, t) in c.actions.iter().zip(results.iter().flatten()) {
                let made = match a {
                    Action::Spawn { monitor, .. } => monitor.map(|m| m.reference),
                    Action::Monitor { how, .. } => Some(how.reference),
                    Action::Alias { reference, .. } => Some(*reference),
                    _ => None,
                };
                if let (Some(id), Some(r)) = (made, t.as_ref()) {
                    self.known.reference(id, r);
                }
            }
        }
    }

    /// What was seen. With `keep` it is what the next step starts from.
    pub fn read(
        &mut self,
        step: Step,
        commands: &[Command],
        results: &[Option<Vec<Term>>],
        raw: &Raw,
        keep: bool,
    ) -> Obs {
        self.before.resize(raw.processes.len(), Vec::new());
        // What was received in this step is not what lies in the mailbox now, though it may look the same.
        let mut old = self.before.clone();
        let results = commands
            .iter()
            .zip(results)
            .map(|(c, r)| {
                if let RawSeen::Dead(_) = raw.processes[usize::from(c.actor)] {
                    return None;
                }
                let old = &mut old[usize::from(c.actor)];
                r.as_ref().map(|r| c.actions.iter().zip(r).map(|(a, t)| self.result(step, old, a, t)).collect())
            })
            .collect();
        let mut after: Vec<Vec<(Step, Msg)>> = Vec::new();
        let mut processes = Vec::new();
        for (p, old) in raw.processes.iter().zip(&mut old) {
            let (seen, mailbox) = self.seen(step, p, old);
            processes.push(seen);
            after.push(mailbox);
        }
        if keep {
            self.before = after;
        }
        let names =
            raw.names.iter().map(|n| n.map(|p| self.known.slots.get(&p).copied().unwrap_or(Slot::MAX))).collect();
        Obs { results, processes, names }
    }

    /// With the mailbox in its true order.
    fn seen(&self, step: Step, p: &RawSeen, old: &mut Vec<(Step, Msg)>) -> (Seen, Vec<(Step, Msg)>) {
        match p {
            RawSeen::Dead(r) => {
                // Nobody of ours could have seen the reason, if there was nobody when we asked.
                let unknown = text(r) == Some("noproc");
                let reason = if unknown { None } else { Some(reason(r).unwrap_or(Reason::Boom(u8::MAX))) };
                (Seen::Dead(reason), Vec::new())
            }
            RawSeen::Alive { trap, name, links, monitors, watchers, messages } => {
                let slot = |p: &Pid| self.known.slots.get(p).copied().unwrap_or(Slot::MAX);
                let mut links: Vec<Slot> = links.iter().map(slot).collect();
                links.sort_unstable();
                let mut monitors: Vec<Object> =
                    monitors.iter().map(|t| self.known.object(t).unwrap_or(Object::Pid(Slot::MAX))).collect();
                monitors.sort_unstable();
                let ours = watchers.iter().position(|w| Some(*w) == self.known.coordinator);
                let mut watchers: Vec<Slot> =
                    watchers.iter().enumerate().filter(|(i, _)| Some(*i) != ours).map(|(_, p)| slot(p)).collect();
                watchers.sort_unstable();
                let true_order = self.dated(step, old, messages);
                let mut mailbox = true_order.clone();
                canonical(&mut mailbox);
                let name = name.as_ref().map(|n| name_of(n).unwrap_or(Name::MAX));
                (Seen::Alive { trap: *trap, name, links, monitors, watchers, mailbox }, true_order)
            }
        }
    }

    /// Messages with the steps they came in: those that are not among the old are new. Takes out what is found.
    fn dated(&self, step: Step, old: &mut Vec<(Step, Msg)>, messages: &[Term]) -> Vec<(Step, Msg)> {
        let dated = messages.iter().map(|t| {
            let m = self.known.msg(t);
            match old.iter().position(|(_, o)| *o == m) {
                Some(at) => old.remove(at),
                None => (step, m),
            }
        });
        dated.collect()
    }

    fn result(&self, step: Step, old: &mut Vec<(Step, Msg)>, a: &Action, t: &Term) -> Res {
        let strange = || Res::Strange(t.to_string());
        if let Some([error, what]) = t.as_tuple() {
            return match (text(error), text(what)) {
                (Some("error"), Some("noproc")) => Res::NoProc,
                (Some("error"), Some("badarg")) => Res::BadArg,
                _ => strange(),
            };
        }
        match (a, t.view()) {
            (Action::Drain, View::Nil) => Res::Msgs(Vec::new()),
            (Action::Drain, View::List(l)) => {
                let all: Vec<Term> = l.iter().cloned().collect();
                let mut all = self.dated(step, old, &all);
                canonical(&mut all);
                Res::Msgs(all)
            }
            (Action::Whereis(_), View::Pid(p)) => {
                Res::Found(Some(self.known.slots.get(&p).copied().unwrap_or(Slot::MAX)))
            }
            (Action::Whereis(_), View::Atom(a)) if a.as_str() == "undefined" => Res::Found(None),
            (Action::Spawn { .. } | Action::Monitor { .. } | Action::Alias { .. }, View::Ref(_)) => Res::Ok,
            (_, View::Atom(a)) if a.as_str() == "ok" => Res::Ok,
            _ => t.as_bool().map_or_else(strange, Res::Bool),
        }
    }
}
