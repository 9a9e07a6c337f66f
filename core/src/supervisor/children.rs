//! The children of a supervisor that keeps an order: by place, by id, by pid. Source: C8.23.
//! Imports: term, spec.
//!
//! Invariant: `by_id` has every child; `by_pid` has exactly those that run.

use super::spec::{ChildSpec, Restart};
use crate::term::{Pid, Term, atoms};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a child stands in the order of starting. Never used again.
pub(super) type Place = u64;

/// What has become of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Terminated, ended for good, or never started.
    Undefined,
    Running(Pid),
    /// Its restart has failed and will be tried again; the pid it had last, if that is known.
    Restarting(Option<Pid>),
}

impl Life {
    /// As OTP's record has it.
    pub fn to_term(self) -> Term {
        match self {
            Self::Undefined => atoms::UNDEFINED.into(),
            Self::Running(pid) => pid.into(),
            Self::Restarting(pid) => {
                Term::tuple([atoms::RESTARTING.into(), pid.map_or(atoms::UNDEFINED.into(), Term::from)])
            }
        }
    }

    /// As `which_children` shows it.
    pub fn to_shown(self) -> Term {
        match self {
            Self::Restarting(_) => atoms::RESTARTING.into(),
            other => other.to_term(),
        }
    }

    /// The pid it has or had last.
    pub fn last_pid(self) -> Option<Pid> {
        match self {
            Self::Undefined => None,
            Self::Running(pid) => Some(pid),
            Self::Restarting(pid) => pid,
        }
    }
}

pub(super) struct Child {
    pub spec: Arc<ChildSpec>,
    pub life: Life,
}

#[derive(Default)]
pub(super) struct Children {
    order: BTreeMap<Place, Child>,
    by_id: std::collections::HashMap<Term, Place>,
    by_pid: std::collections::HashMap<Pid, Place>,
    next: Place,
}

impl Children {
    /// Appends a child; its id is new.
    pub fn append(&mut self, spec: Arc<ChildSpec>, life: Life) -> Place {
        let place = self.next;
        self.next += 1;
        self.by_id.insert(spec.id.clone(), place);
        if let Life::Running(pid) = life {
            self.by_pid.insert(pid, place);
        }
        self.order.insert(place, Child { spec, life });
        place
    }

    pub fn remove(&mut self, place: Place) -> Option<Child> {
        let child = self.order.remove(&place)?;
        self.by_id.remove(&child.spec.id);
        if let Life::Running(pid) = child.life {
            self.by_pid.remove(&pid);
        }
        Some(child)
    }

    pub fn get(&self, place: Place) -> Option<&Child> {
        self.order.get(&place)
    }

    pub fn set(&mut self, place: Place, life: Life) {
        let Some(child) = self.order.get_mut(&place) else { return };
        if let Life::Running(old) = std::mem::replace(&mut child.life, life) {
            self.by_pid.remove(&old);
        }
        if let Life::Running(new) = life {
            self.by_pid.insert(new, place);
        }
    }

    /// It has ended and is not to be restarted: a temporary child is forgotten, of the others the specification stays.
    pub fn let_go(&mut self, place: Place) {
        if self.get(place).is_some_and(|c| c.spec.restart == Restart::Temporary) {
            self.remove(place);
        } else {
            self.set(place, Life::Undefined);
        }
    }

    pub fn by_id(&self, id: &Term) -> Option<Place> {
        self.by_id.get(id).copied()
    }

    pub fn by_pid(&self, pid: Pid) -> Option<Place> {
        self.by_pid.get(&pid).copied()
    }

    /// The first child at `place` or after it.
    pub fn at_or_after(&self, place: Place) -> Option<Place> {
        self.order.range(place..).next().map(|(p, _)| *p)
    }

    /// Places in start order, from `place` on.
    pub fn places_from(&self, place: Place) -> Vec<Place> {
        self.order.range(place..).map(|(p, _)| *p).collect()
    }

    /// All, the last started first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Child> {
        self.order.values().rev()
    }

    /// Takes all out, in start order.
    pub fn take(&mut self) -> Vec<Child> {
        self.by_id.clear();
        self.by_pid.clear();
        std::mem::take(&mut self.order).into_values().collect()
    }
}
