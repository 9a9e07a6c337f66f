//! What others may ask of a supervisor, in OTP's words. Source: C8.24-C8.31, C8.35. Imports: term, children, work.

use super::children::{Child, Life};
use super::spec::{ChildSpec, ChildType};
use super::work::{AfterStop, Starting};
use super::{Action, Family, Key, Policy, World};
use crate::term::{Atom, Pid, Term, View, atoms};
use std::sync::Arc;

/// A request.
#[derive(Clone, Debug)]
pub enum Request {
    /// `[{Id, Child, Type, Modules}]`, the last started first.
    WhichChildren,
    /// `[{specs, N}, {active, N}, {supervisors, N}, {workers, N}]`
    CountChildren,
    /// A specification, or a list of further arguments for a simple_one_for_one supervisor.
    StartChild(Term),
    /// The same from a native specification.
    StartBuilt(Arc<ChildSpec>),
    /// By id; of a simple_one_for_one supervisor by pid.
    TerminateChild(Term),
    /// By id.
    RestartChild(Term),
    /// By id.
    DeleteChild(Term),
    /// By id; of a simple_one_for_one supervisor by pid as well.
    GetChildspec(Term),
    /// By id; of a simple_one_for_one supervisor by pid. Source: OTP 28.
    WhichChild(Term),
    /// Anything else; OTP's supervisor crashes over it.
    Unknown(Term),
}

impl Request {
    /// From the term in `{'$gen_call', From, Request}`.
    pub fn from_term(t: Term) -> Self {
        match t.view() {
            View::Atom(atoms::WHICH_CHILDREN) => Self::WhichChildren,
            View::Atom(atoms::COUNT_CHILDREN) => Self::CountChildren,
            View::Tuple([tag, x]) => match tag.as_atom() {
                Some(atoms::START_CHILD) => Self::StartChild(x.clone()),
                Some(atoms::TERMINATE_CHILD) => Self::TerminateChild(x.clone()),
                Some(atoms::RESTART_CHILD) => Self::RestartChild(x.clone()),
                Some(atoms::DELETE_CHILD) => Self::DeleteChild(x.clone()),
                Some(atoms::GET_CHILDSPEC) => Self::GetChildspec(x.clone()),
                Some(atoms::WHICH_CHILD) => Self::WhichChild(x.clone()),
                _ => Self::Unknown(t),
            },
            _ => Self::Unknown(t),
        }
    }
}

fn pair(a: Atom, b: impl Into<Term>) -> Term {
    Term::tuple([a.into(), b.into()])
}

fn error(reason: impl Into<Term>) -> Term {
    pair(atoms::ERROR, reason)
}

fn ok(what: Term) -> Term {
    pair(atoms::OK, what)
}

impl<R> Policy<R> {
    pub(super) fn request(&mut self, request: Request, from: R, world: &dyn World, out: &mut Vec<Action<R>>) {
        let reply = match request {
            Request::WhichChildren => self.which_children(),
            Request::CountChildren => self.count_children(world),
            Request::StartChild(what) => return self.start_child(what, from, out),
            Request::StartBuilt(spec) => return self.start_built(spec, from, out),
            Request::TerminateChild(id) => return self.terminate_child(&id, from, world, out),
            Request::RestartChild(id) => return self.restart_child(&id, from, out),
            Request::DeleteChild(id) => self.delete_child(&id),
            Request::GetChildspec(id) => self.get_childspec(&id, world),
            Request::WhichChild(id) => self.which_child(&id),
            Request::Unknown(what) => error(pair(atoms::UNKNOWN_REQUEST, what)),
        };
        out.push(Action::Reply(from, reply));
    }

    fn which_children(&self) -> Term {
        match &self.family {
            Family::Ordered(c) => Term::list(c.newest_first().map(shown)),
            Family::Brood(b) => {
                Term::list(b.iter().map(|(pid, one)| entry(atoms::UNDEFINED.into(), one.life(pid), &b.spec)))
            }
        }
    }

    fn which_child(&self, id: &Term) -> Term {
        let found = match &self.family {
            Family::Ordered(c) => c.by_id(id).and_then(|place| c.get(place)).map(shown),
            Family::Brood(b) => {
                id.as_pid().and_then(|pid| Some(entry(atoms::UNDEFINED.into(), b.get(pid)?.life(pid), &b.spec)))
            }
        };
        found.map_or_else(|| error(atoms::NOT_FOUND), ok)
    }

    fn count_children(&self, world: &dyn World) -> Term {
        let (mut specs, mut active, mut supervisors) = (0, 0, 0);
        let all = match &self.family {
            Family::Ordered(c) => {
                for child in c.newest_first() {
                    specs += 1;
                    active += usize::from(matches!(child.life, Life::Running(pid) if world.is_alive(pid)));
                    supervisors += usize::from(child.spec.child_type == ChildType::Supervisor);
                }
                specs
            }
            Family::Brood(b) => {
                specs = 1;
                active = b.len() - b.restarting();
                supervisors = if b.spec.child_type == ChildType::Supervisor { b.len() } else { 0 };
                b.len()
            }
        };
        Term::list([
            pair(atoms::SPECS, specs),
            pair(atoms::ACTIVE, active),
            pair(atoms::SUPERVISORS, supervisors),
            pair(atoms::WORKERS, all - supervisors),
        ])
    }

    fn start_child(&mut self, what: Term, from: R, out: &mut Vec<Action<R>>) {
        if let Family::Brood(b) = &self.family {
            let args = append(&b.spec.start.args, &what);
            return self.start(Starting::NewOne(args, from), out);
        }
        match ChildSpec::from_term(&what, Some(self.flags.auto_shutdown)) {
            Ok(spec) => self.start_new(Arc::new(spec), from, out),
            Err(reason) => out.push(Action::Reply(from, error(reason))),
        }
    }

    fn start_built(&mut self, spec: Arc<ChildSpec>, from: R, out: &mut Vec<Action<R>>) {
        let checked = match &self.family {
            // What OTP's supervisor would find: a map is no list of arguments.
            Family::Brood(_) => Err(pair(atoms::BADARG, spec.to_term())),
            Family::Ordered(_) => spec.check(Some(self.flags.auto_shutdown)),
        };
        match checked {
            Ok(()) => self.start_new(spec, from, out),
            Err(reason) => out.push(Action::Reply(from, error(reason))),
        }
    }

    fn start_new(&mut self, spec: Arc<ChildSpec>, from: R, out: &mut Vec<Action<R>>) {
        let Family::Ordered(c) = &self.family else { return };
        let refusal = match c.by_id(&spec.id).and_then(|place| c.get(place)).map(|c| c.life) {
            None => return self.start(Starting::New(spec, from), out),
            Some(Life::Running(pid)) => pair(atoms::ALREADY_STARTED, pid),
            Some(_) => atoms::ALREADY_PRESENT.into(),
        };
        out.push(Action::Reply(from, error(refusal)));
    }

    fn terminate_child(&mut self, id: &Term, from: R, world: &dyn World, out: &mut Vec<Action<R>>) {
        let reply = match (&mut self.family, id.as_pid()) {
            (Family::Ordered(c), _) => match c.by_id(id) {
                Some(place) => return self.stop(vec![place], AfterStop::Reply(from), out),
                None => error(atoms::NOT_FOUND),
            },
            (Family::Brood(_), None) => error(atoms::SIMPLE_ONE_FOR_ONE),
            (Family::Brood(b), Some(pid)) => match b.get(pid).map(|one| one.restarting) {
                Some(false) => return self.stop_one_of_brood(pid, from, out),
                Some(true) => {
                    b.remove(pid);
                    atoms::OK.into()
                }
                None if world.is_alive(pid) => error(atoms::NOT_FOUND),
                None => atoms::OK.into(),
            },
        };
        out.push(Action::Reply(from, reply));
    }

    fn restart_child(&mut self, id: &Term, from: R, out: &mut Vec<Action<R>>) {
        match self.at_rest(id) {
            Ok(place) => self.start(Starting::Asked(place, from), out),
            Err(why) => out.push(Action::Reply(from, error(why))),
        }
    }

    fn delete_child(&mut self, id: &Term) -> Term {
        match (self.at_rest(id), &mut self.family) {
            (Ok(place), Family::Ordered(c)) => {
                c.remove(place);
                atoms::OK.into()
            }
            (Err(why), _) => error(why),
            (Ok(_), Family::Brood(_)) => error(atoms::SIMPLE_ONE_FOR_ONE),
        }
    }

    /// The child of that id, if it neither runs nor is about to.
    fn at_rest(&self, id: &Term) -> Result<u64, Atom> {
        let Family::Ordered(c) = &self.family else { return Err(atoms::SIMPLE_ONE_FOR_ONE) };
        let place = c.by_id(id).ok_or(atoms::NOT_FOUND)?;
        match c.get(place).map(|c| c.life) {
            Some(Life::Undefined) => Ok(place),
            Some(Life::Restarting(_)) => Err(atoms::RESTARTING),
            Some(Life::Running(_)) => Err(atoms::RUNNING),
            None => Err(atoms::NOT_FOUND),
        }
    }

    fn get_childspec(&self, id: &Term, world: &dyn World) -> Term {
        let spec = match &self.family {
            Family::Ordered(c) => c.by_id(id).and_then(|place| c.get(place)).map(|c| &c.spec),
            // OTP takes a dead pid for a child that has been.
            Family::Brood(b) => match id.as_pid() {
                Some(pid) => (b.get(pid).is_some() || !world.is_alive(pid)).then_some(&b.spec),
                None => (b.spec.id == *id).then_some(&b.spec),
            },
        };
        spec.map_or_else(|| error(atoms::NOT_FOUND), |s| ok(s.to_term()))
    }

    // The children by what others know them by.

    pub(super) fn child_of(&self, pid: Pid) -> Option<Key> {
        match &self.family {
            Family::Ordered(c) => c.by_pid(pid).map(Key::Place),
            Family::Brood(b) => b.get(pid).filter(|one| !one.restarting).map(|_| Key::Pid(pid)),
        }
    }

    pub(super) fn restarting_child(&self, id: &Term) -> Option<Key> {
        match &self.family {
            Family::Ordered(c) => {
                let place = c.by_id(id)?;
                matches!(c.get(place)?.life, Life::Restarting(_)).then_some(Key::Place(place))
            }
            Family::Brood(b) => {
                let Some([tag, pid]) = id.as_tuple() else { return None };
                let pid = pid.as_pid().filter(|_| tag.as_atom() == Some(atoms::RESTARTING))?;
                b.get(pid).filter(|one| one.restarting).map(|_| Key::Pid(pid))
            }
        }
    }

    pub(super) fn life(&self, child: Key) -> Life {
        match (&self.family, child) {
            (Family::Ordered(c), Key::Place(place)) => c.get(place).map_or(Life::Undefined, |c| c.life),
            (Family::Brood(b), Key::Pid(pid)) => b.get(pid).map_or(Life::Undefined, |one| one.life(pid)),
            _ => Life::Undefined,
        }
    }
}

fn shown(child: &Child) -> Term {
    entry(child.spec.id.clone(), child.life, &child.spec)
}

fn entry(id: Term, life: Life, spec: &ChildSpec) -> Term {
    Term::tuple([id, life.to_shown(), spec.child_type.into(), spec.modules_term()])
}

/// `A ++ B`
fn append(a: &Term, b: &Term) -> Term {
    match a.view() {
        View::List(l) if !b.is_nil() => Term::improper_list(l.iter().cloned(), b.clone()),
        View::List(_) => a.clone(),
        _ => b.clone(),
    }
}
