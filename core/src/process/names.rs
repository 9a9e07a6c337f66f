//! Registered names of one node. Source: OTP `register/2`, C2.22.
//! Imports: term, slot. Lock order: the map's lock is a leaf.

use crate::term::{Atom, Pid};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Name to process. The owner's cold block holds the name as well, so that an exit finds it.
#[derive(Default)]
pub(crate) struct Names {
    map: RwLock<HashMap<Atom, Pid>>,
}

impl Names {
    /// Takes a name; false: it is taken.
    pub fn insert(&self, name: Atom, pid: Pid) -> bool {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if map.contains_key(&name) {
            return false;
        }
        map.insert(name, pid);
        true
    }

    pub fn whereis(&self, name: Atom) -> Option<Pid> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).get(&name).copied()
    }

    /// Frees a name; true if `pid` had it.
    pub fn remove(&self, name: Atom, pid: Pid) -> bool {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if map.get(&name) == Some(&pid) {
            map.remove(&name);
            return true;
        }
        false
    }

    /// The name of a process, if it has one. Linear: for `process_info` of somebody else's process.
    pub fn all(&self) -> Vec<Atom> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Whose name it is.
    pub fn name_of(&self, pid: Pid) -> Option<Atom> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.iter().find(|(_, p)| **p == pid).map(|(n, _)| *n)
    }
}
