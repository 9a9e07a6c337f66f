//! The children of a simple_one_for_one supervisor: all alike, in no order, known by their pids. Source: C8.31.
//! Imports: term, spec, children.

use super::children::Life;
use super::spec::ChildSpec;
use crate::term::{Pid, Term};
use std::sync::Arc;

/// One of many: what it was started with, and whether its restart has failed and will be tried again. Then it is
/// known by the pid it had last.
pub(super) struct One {
    pub args: Term,
    pub restarting: bool,
}

impl One {
    pub fn life(&self, pid: Pid) -> Life {
        if self.restarting { Life::Restarting(Some(pid)) } else { Life::Running(pid) }
    }
}

pub(super) struct Brood {
    pub spec: Arc<ChildSpec>,
    ones: std::collections::HashMap<Pid, One>,
    restarting: usize,
}

impl Brood {
    pub fn new(spec: Arc<ChildSpec>) -> Self {
        Self { spec, ones: std::collections::HashMap::new(), restarting: 0 }
    }

    pub fn insert(&mut self, pid: Pid, args: Term) {
        self.remove(pid);
        self.ones.insert(pid, One { args, restarting: false });
    }

    pub fn remove(&mut self, pid: Pid) -> Option<One> {
        let one = self.ones.remove(&pid)?;
        self.restarting -= usize::from(one.restarting);
        Some(one)
    }

    pub fn set_restarting(&mut self, pid: Pid) {
        if let Some(one) = self.ones.get_mut(&pid) {
            self.restarting += usize::from(!std::mem::replace(&mut one.restarting, true));
        }
    }

    pub fn get(&self, pid: Pid) -> Option<&One> {
        self.ones.get(&pid)
    }

    pub fn len(&self) -> usize {
        self.ones.len()
    }

    pub fn restarting(&self) -> usize {
        self.restarting
    }

    pub fn iter(&self) -> impl Iterator<Item = (Pid, &One)> {
        self.ones.iter().map(|(pid, one)| (*pid, one))
    }
}
