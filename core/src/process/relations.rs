//! A map that is mostly empty or holds one entry: the links, monitors and aliases of a process.
//! Imports: nothing of this crate.

use std::collections::HashMap;
use std::hash::Hash;

/// No entry and one entry need no allocation.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "a process without relations must be small")]
pub(crate) enum SmallMap<K, V> {
    #[default]
    Empty,
    One(K, V),
    Many(Box<HashMap<K, V>>),
}

impl<K: Eq + Hash, V> SmallMap<K, V> {
    pub const fn new() -> Self {
        Self::Empty
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::One(..) => false,
            Self::Many(m) => m.is_empty(),
        }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        match self {
            Self::One(k, v) if k == key => Some(v),
            Self::Many(m) => m.get(key),
            _ => None,
        }
    }

    /// Lets `f` change the entry of a key, or the want of one.
    pub fn update<R>(&mut self, key: K, f: impl FnOnce(&mut Option<V>) -> R) -> R {
        let mut entry = self.remove(&key);
        let r = f(&mut entry);
        if let Some(v) = entry {
            self.insert(key, v);
        }
        r
    }

    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::Empty => {
                *self = Self::One(key, value);
                None
            }
            Self::One(k, v) if *k == key => Some(std::mem::replace(v, value)),
            Self::One(..) => {
                let mut m = HashMap::with_capacity(4);
                if let Self::One(k, v) = std::mem::replace(self, Self::Empty) {
                    m.insert(k, v);
                }
                m.insert(key, value);
                *self = Self::Many(Box::new(m));
                None
            }
            Self::Many(m) => m.insert(key, value),
        }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Self::One(k, _) if k == key => match std::mem::replace(self, Self::Empty) {
                Self::One(_, v) => Some(v),
                _ => None,
            },
            Self::Many(m) => {
                let v = m.remove(key);
                if m.len() * 8 < m.capacity() && m.capacity() > 64 {
                    m.shrink_to_fit();
                }
                v
            }
            _ => None,
        }
    }

    pub fn entries(&self) -> Vec<(&K, &V)> {
        match self {
            Self::Empty => Vec::new(),
            Self::One(k, v) => vec![(k, v)],
            Self::Many(m) => m.iter().collect(),
        }
    }

    /// Takes all entries out.
    pub fn drain(&mut self, mut f: impl FnMut(K, V)) {
        match std::mem::replace(self, Self::Empty) {
            Self::Empty => {}
            Self::One(k, v) => f(k, v),
            Self::Many(m) => m.into_iter().for_each(|(k, v)| f(k, v)),
        }
    }
}
