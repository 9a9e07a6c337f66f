//! Atoms: interned texts, compared by index.
//! Imports: atoms.
//!
//! One table for the whole OS process, because atoms are names, not things. Reading by index takes no lock; making an
//! atom takes the lock of one of sixteen shards. Atoms are never removed, so the table has a limit, and reaching it is
//! an error of the call that asked, never fatal.
//!
//! Invariant A1: an entry is written before its index leaves the shard lock, and never changes.
//! Locks: one mutex per shard, leaf locks.

use super::atoms;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicU32};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An interned name of at most 255 characters. Equal texts are the same atom. Source: OTP `atom()`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Atom(pub(super) u32);

/// Why an atom could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomError {
    /// More than 255 characters.
    TooLong,
    /// The table holds as many atoms as its limit allows.
    TableFull,
}

impl std::fmt::Display for AtomError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "an atom has at most 255 characters",
            Self::TableFull => "the atom table is full",
        })
    }
}

impl std::error::Error for AtomError {}

/// The limit unless `set_limit` says otherwise; OTP's default too.
pub const DEFAULT_LIMIT: u32 = 1_048_576;
/// The longest text of an atom, in characters.
pub const MAX_CHARS: usize = 255;

const SHARDS: usize = 16;
const STATIC: u32 = atoms::TEXTS.len() as u32;
/// Entries in the first chunk; each further chunk doubles.
const FIRST: u32 = 1024;
const CHUNKS: usize = 22;

static LIMIT: AtomicU32 = AtomicU32::new(DEFAULT_LIMIT);
static NEXT: AtomicU32 = AtomicU32::new(STATIC);
static CHUNK: [AtomicPtr<&'static str>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];
static INDEX: OnceLock<Index> = OnceLock::new();

struct Index {
    hasher: RandomState,
    shards: [Mutex<hashbrown::HashTable<u32>>; SHARDS],
}

/// The chunk that holds an index, and the place in it.
fn place(index: u32) -> (usize, usize) {
    let n = index / FIRST + 1;
    let chunk = n.ilog2();
    let start = FIRST * ((1 << chunk) - 1);
    (chunk as usize, (index - start) as usize)
}

fn chunk_len(chunk: usize) -> usize {
    (FIRST as usize) << chunk
}

impl Index {
    fn get() -> &'static Self {
        INDEX.get_or_init(|| {
            let index = Self { hasher: RandomState::new(), shards: Default::default() };
            for (i, text) in atoms::TEXTS.iter().enumerate() {
                let hash = index.hasher.hash_one(text);
                let mut shard = index.shard(hash);
                shard.insert_unique(hash, i as u32, |&i| index.hasher.hash_one(Atom(i).as_str()));
            }
            index
        })
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, hashbrown::HashTable<u32>> {
        // A panic cannot leave a shard half changed: nothing between its writes can panic.
        self.shards[(hash >> 32) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Atom {
    /// The atom of a text, made if it is new.
    ///
    /// # Errors
    /// [`AtomError::TooLong`] above 255 characters, [`AtomError::TableFull`] when a new one would exceed the limit.
    pub fn new(text: &str) -> Result<Self, AtomError> {
        if text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS {
            return Err(AtomError::TooLong);
        }
        let table = Index::get();
        let hash = table.hasher.hash_one(text);
        let mut shard = table.shard(hash);
        if let Some(&found) = shard.find(hash, |&i| Atom(i).as_str() == text) {
            return Ok(Self(found));
        }
        let index = claim()?;
        let kept: &'static str = Box::leak(Box::from(text));
        let (chunk, offset) = place(index);
        let base = ensure_chunk(chunk);
        // SAFETY: `place` yields an offset within the chunk, and `claim` gave this index to nobody else.
        unsafe { base.add(offset).write(kept) };
        shard.insert_unique(hash, index, |&i| table.hasher.hash_one(Atom(i).as_str()));
        Ok(Self(index))
    }

    /// The atom of a text if somebody has made it already.
    pub fn existing(text: &str) -> Option<Self> {
        let table = Index::get();
        let hash = table.hasher.hash_one(text);
        table.shard(hash).find(hash, |&i| Atom(i).as_str() == text).map(|&i| Self(i))
    }

    /// Its text.
    #[inline]
    pub fn as_str(self) -> &'static str {
        if self.0 < STATIC {
            return atoms::TEXTS[self.0 as usize];
        }
        let (chunk, offset) = place(self.0);
        // Pairs with the release in `ensure_chunk`. The entry itself was written before the index was handed out,
        // and whoever passes an atom between threads orders those two.
        let base = CHUNK[chunk].load(Acquire);
        // SAFETY: an `Atom` beyond the static ones exists only after its entry was written (A1).
        unsafe { *base.add(offset) }
    }

    /// Its index: small, dense, different in each run except for the static atoms.
    pub const fn index(self) -> u32 {
        self.0
    }

    /// Sets how many atoms may exist, at most 2^32 - 1024. Atoms that exist stay.
    pub fn set_limit(limit: u32) {
        LIMIT.store(limit.min(u32::MAX - FIRST), Relaxed);
    }

    /// How many atoms exist.
    pub fn count() -> u32 {
        // Relaxed: a statistic.
        NEXT.load(Relaxed)
    }
}

/// A fresh index, or the limit.
fn claim() -> Result<u32, AtomError> {
    // Relaxed: the index alone publishes nothing; the shard lock does.
    NEXT.fetch_update(Relaxed, Relaxed, |n| (n < LIMIT.load(Relaxed)).then_some(n + 1))
        .map_err(|_| AtomError::TableFull)
}

fn ensure_chunk(chunk: usize) -> *mut &'static str {
    // Pairs with the release below.
    let have = CHUNK[chunk].load(Acquire);
    if !have.is_null() {
        return have;
    }
    let fresh: Box<[&'static str]> = vec![""; chunk_len(chunk)].into_boxed_slice();
    let fresh = Box::into_raw(fresh);
    let base = fresh.cast::<&'static str>();
    // Release publishes the empty entries; acquire on failure reads the winner's.
    match CHUNK[chunk].compare_exchange(std::ptr::null_mut(), base, AcqRel, Acquire) {
        Ok(_) => base,
        Err(winner) => {
            // SAFETY: `fresh` came from `Box::into_raw` above and was not published.
            drop(unsafe { Box::from_raw(fresh) });
            winner
        }
    }
}

impl std::fmt::Debug for Atom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}'", self.as_str())
    }
}
