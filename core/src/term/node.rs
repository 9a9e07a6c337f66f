//! Nodes as terms see them: an index into one bounded table of (name, creation).
//! Imports: atom.
//!
//! Invariant N1: an index once handed out stays valid; only a local node's name and creation change (`rename`).
//! Locks: one mutex for interning, a leaf lock; reading by index takes none.

use super::atom::Atom;
use super::atoms;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64};
use std::sync::{Mutex, PoisonError};

/// A node, as an index of 24 bits. Source: OTP external term format, node name and creation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// Why a node could not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeError {
    /// The table holds as many nodes as its limit allows.
    TableFull,
}

impl std::fmt::Display for NodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the node table is full")
    }
}

impl std::error::Error for NodeError {}

/// How many nodes the table holds unless `set_limit` says otherwise.
pub const DEFAULT_LIMIT: u32 = 1 << 18;
/// No limit may exceed this: an index has 24 bits.
pub const MAX_NODES: u32 = 1 << 24;

const CHUNK_LEN: usize = 1024;
const CHUNKS: usize = MAX_NODES as usize / CHUNK_LEN;

#[derive(Default)]
struct Entry {
    /// Creation in the upper half, the name's index in the lower: both change together.
    name_creation: AtomicU64,
    local: AtomicBool,
}

static CHUNK: [AtomicPtr<Entry>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];
static LIMIT: AtomicU32 = AtomicU32::new(DEFAULT_LIMIT);
static TABLE: Mutex<Option<Table>> = Mutex::new(None);

struct Table {
    next: u32,
    known: HashMap<(Atom, u32), NodeId>,
}

fn pack(name: Atom, creation: u32) -> u64 {
    u64::from(creation) << 32 | u64::from(name.index())
}

fn with_table<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    // Nothing panics between the writes under this lock.
    let mut guard = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    f(guard.get_or_insert_with(|| Table { next: 1, known: HashMap::from([((atoms::NONODE, 0), NodeId::LOCAL_NONE)]) }))
}

impl Table {
    fn push(&mut self, name: Atom, creation: u32, local: bool) -> Result<NodeId, NodeError> {
        // Relaxed: a setting.
        if self.next >= LIMIT.load(Relaxed) {
            return Err(NodeError::TableFull);
        }
        let id = NodeId(self.next);
        let slot = &CHUNK[id.0 as usize / CHUNK_LEN];
        if slot.load(Acquire).is_null() {
            let fresh: Box<[Entry]> = (0..CHUNK_LEN).map(|_| Entry::default()).collect();
            // Release pairs with the acquire in `entry`. Only the lock's holder stores here.
            slot.store(Box::into_raw(fresh).cast::<Entry>(), Release);
        }
        self.next += 1;
        if let Some(e) = id.entry() {
            e.local.store(local, Release);
            e.name_creation.store(pack(name, creation), Release);
        }
        Ok(id)
    }
}

impl NodeId {
    /// `nonode@nohost` with creation 0: what a pid names that belongs to no started node.
    pub const LOCAL_NONE: Self = Self(0);

    /// A fresh entry for a node of this OS process, with creation 0.
    ///
    /// Two unnamed nodes get two entries, so their pids differ.
    ///
    /// # Errors
    /// [`NodeError::TableFull`].
    pub fn new_local(name: Atom) -> Result<Self, NodeError> {
        with_table(|t| t.push(name, 0, true))
    }

    /// Gives a local node its name and creation; from then on `intern` of that pair yields this node.
    ///
    /// Without effect on a node that is not local.
    pub fn rename(self, name: Atom, creation: u32) {
        with_table(|t| {
            let Some(e) = self.entry().filter(|_| self.is_local()) else { return };
            let old = (self.name(), self.creation());
            if t.known.get(&old) == Some(&self) {
                t.known.remove(&old);
            }
            // AcqRel pairs with the acquire in `name` and `creation`.
            e.name_creation.swap(pack(name, creation), AcqRel);
            if creation != 0 {
                t.known.insert((name, creation), self);
            }
        });
    }

    /// The entry of a node named on the wire, made if it is new.
    ///
    /// # Errors
    /// [`NodeError::TableFull`].
    pub fn intern(name: Atom, creation: u32) -> Result<Self, NodeError> {
        with_table(|t| match t.known.get(&(name, creation)) {
            Some(&id) => Ok(id),
            None => {
                let id = t.push(name, creation, false)?;
                t.known.insert((name, creation), id);
                Ok(id)
            }
        })
    }

    /// Its name.
    pub fn name(self) -> Atom {
        self.load().0
    }

    /// Its creation: which incarnation of that name.
    pub fn creation(self) -> u32 {
        self.load().1
    }

    /// Name and creation, read together.
    pub fn load(self) -> (Atom, u32) {
        match self.entry() {
            // Pairs with the releases in `push` and `rename`.
            Some(e) => {
                let both = e.name_creation.load(Acquire);
                (Atom(both as u32), (both >> 32) as u32)
            }
            None => (atoms::NONODE, 0),
        }
    }

    /// Whether it is a node of this OS process, made by `new_local`.
    pub fn is_local(self) -> bool {
        // Pairs with the release in `push`.
        self.entry().is_some_and(|e| e.local.load(Acquire))
    }

    /// The index, below 2^24.
    pub const fn index(self) -> u32 {
        self.0
    }

    /// The node of an index that came from `index`.
    pub(super) const fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// How many nodes the table may hold, at most 2^24.
    pub fn set_limit(limit: u32) {
        LIMIT.store(limit.min(MAX_NODES), Relaxed);
    }

    /// OTP's order of nodes: by name, then by creation; two unnamed local nodes by index.
    pub fn order(self, other: Self) -> Ordering {
        if self == other {
            return Ordering::Equal;
        }
        let (a, b) = (self.load(), other.load());
        a.0.as_str().cmp(b.0.as_str()).then(a.1.cmp(&b.1)).then(self.0.cmp(&other.0))
    }

    fn entry(self) -> Option<&'static Entry> {
        if self.0 == 0 {
            return None;
        }
        // Pairs with the release in `push`.
        let base = CHUNK.get(self.0 as usize / CHUNK_LEN)?.load(Acquire);
        // SAFETY: a published chunk has CHUNK_LEN entries and is never freed.
        (!base.is_null()).then(|| unsafe { &*base.add(self.0 as usize % CHUNK_LEN) })
    }
}

impl std::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}#{}", self.name(), self.0)
    }
}
