//! Registered names of one node. Source: OTP `register/2`, C2.22.
//! Imports: term. Lock order: the maps' lock is a leaf.

use crate::term::{Atom, Pid};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Both directions. The owner's cold block holds the name as well, so that an exit of a nameless process takes no
/// lock.
#[derive(Default)]
struct Maps {
    pids: HashMap<Atom, Pid>,
    names: HashMap<Pid, Atom>,
}

/// Name to process, one name a process at most.
#[derive(Default)]
pub(crate) struct Names {
    maps: RwLock<Maps>,
}

impl Names {
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name; false: it is taken, or the process has one.
    pub fn insert(&self, name: Atom, pid: Pid) -> bool {
        self.insert_if(name, pid, || true)
    }

    /// Takes a name if `confirm`, asked last and under the lock, says so too.
    pub fn insert_if(&self, name: Atom, pid: Pid, confirm: impl FnOnce() -> bool) -> bool {
        let mut maps = self.write();
        if maps.pids.contains_key(&name) || maps.names.contains_key(&pid) || !confirm() {
            return false;
        }
        maps.pids.insert(name, pid);
        maps.names.insert(pid, name);
        true
    }

    pub fn whereis(&self, name: Atom) -> Option<Pid> {
        self.read().pids.get(&name).copied()
    }

    /// Frees a name; true if `pid` had it.
    pub fn remove(&self, name: Atom, pid: Pid) -> bool {
        let mut maps = self.write();
        if maps.pids.get(&name) != Some(&pid) {
            return false;
        }
        maps.pids.remove(&name);
        maps.names.remove(&pid);
        true
    }

    /// Every name.
    pub fn all(&self) -> Vec<Atom> {
        self.read().pids.keys().copied().collect()
    }
}
