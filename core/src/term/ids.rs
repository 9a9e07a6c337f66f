//! Pids, ports and references: names of things that live on a node.
//! Imports: node.
//!
//! All three are plain values. The node part is an index into the node table, so equality covers name and creation.

use super::node::NodeId;
use std::cmp::Ordering;

/// A process identifier.
///
/// Equality includes the node's creation. Source: OTP `pid()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pid {
    /// Where the process lives.
    pub node: NodeId,
    /// The slot of the process on its node.
    pub number: u32,
    /// Tells successive processes of one slot apart.
    pub serial: u32,
}

/// A port identifier. Source: OTP `port()`; 64 bits since OTP 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Where the port lives.
    pub node: NodeId,
    /// Its number.
    pub id: u64,
}

/// A reference: one to five words, unique on its node. Source: OTP `reference()`.
///
/// Equality ignores leading zero words (the last ones), as in OTP, though the wire keeps their number.
#[derive(Clone, Copy)]
pub struct Ref {
    node: NodeId,
    len: u32,
    /// Words beyond `len` are zero.
    words: [u32; 5],
}

impl PartialEq for Ref {
    fn eq(&self, other: &Self) -> bool {
        (self.node, self.words) == (other.node, other.words)
    }
}

impl Eq for Ref {}

impl std::hash::Hash for Ref {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.node, self.words).hash(state);
    }
}

impl Ref {
    /// A reference of three words, as every OTP release makes them.
    pub const fn new(node: NodeId, words: [u32; 3]) -> Self {
        Self { node, len: 3, words: [words[0], words[1], words[2], 0, 0] }
    }

    /// A reference of one to five words; `None` for any other count.
    pub fn from_words(node: NodeId, words: &[u32]) -> Option<Self> {
        if words.is_empty() || words.len() > 5 {
            return None;
        }
        let mut all = [0; 5];
        all[..words.len()].copy_from_slice(words);
        Some(Self { node, len: words.len() as u32, words: all })
    }

    pub(super) const fn short(node: NodeId, len: u8, w: [u32; 3]) -> Self {
        Self { node, len: len as u32, words: [w[0], w[1], w[2], 0, 0] }
    }

    /// Where it was made.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Its words, the least significant first.
    pub fn words(&self) -> &[u32] {
        &self.words[..self.len as usize]
    }
}

impl std::fmt::Debug for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ref").field("node", &self.node).field("words", &self.words()).finish()
    }
}

impl Pid {
    /// OTP's order: serial and number first, then node name, then creation.
    pub fn order(&self, other: &Self) -> Ordering {
        (self.serial, self.number).cmp(&(other.serial, other.number)).then_with(|| self.node.order(other.node))
    }
}

impl Port {
    /// OTP's order: node name, creation, number.
    pub fn order(&self, other: &Self) -> Ordering {
        self.node.order(other.node).then(self.id.cmp(&other.id))
    }
}

impl Ref {
    /// OTP's order: node first, then the words from the most significant one, a missing word counting as zero.
    pub fn order(&self, other: &Self) -> Ordering {
        self.node.order(other.node).then_with(|| self.words.iter().rev().cmp(other.words.iter().rev()))
    }
}
