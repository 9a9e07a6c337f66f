//! Maps: sorting pairs, and making a changed map from a map.
//! Imports: raw, single, view, order.

use super::block::kind;
use super::raw::Term;
use super::single::NodeWriter;
use super::view::{MapView, View};
use std::cmp::Ordering::Less;

/// Pairs in ascending key order; of several for one key the last is kept.
pub(super) fn sorted(pairs: impl IntoIterator<Item = (Term, Term)>) -> Vec<(Term, Term)> {
    let mut pairs: Vec<(Term, Term)> = pairs.into_iter().collect();
    if !pairs.windows(2).all(|w| w[0].0.compare_exact(&w[1].0) == Less) {
        // Reversed, so that of equal keys the last one comes first and stays.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.compare_exact(&b.0));
        pairs.dedup_by(|later, kept| later.0.same(&kept.0));
    }
    pairs
}

/// A map of pairs that `sorted` gave.
pub(super) fn from_sorted(pairs: Vec<(Term, Term)>) -> Term {
    let n = pairs.len();
    if n == 0 {
        return Term::empty_map();
    }
    let mut node = NodeWriter::new(2 * n);
    let mut values = Vec::with_capacity(n);
    for (key, value) in pairs {
        node.push(key);
        values.push(value);
    }
    values.into_iter().for_each(|v| node.push(v));
    node.finish(kind::MAP, n)
}

/// A map whose keys and values are those of `m` but for what `change` does to both columns.
fn edit<'a>(m: MapView<'a>, n: usize, column: impl Fn(&'a [Term], bool, &mut NodeWriter)) -> Term {
    if n == 0 {
        return Term::empty_map();
    }
    let mut node = NodeWriter::new(2 * n);
    column(m.keys(), false, &mut node);
    column(m.values(), true, &mut node);
    node.finish(kind::MAP, n)
}

fn copy(from: &[Term], to: &mut NodeWriter) {
    from.iter().for_each(|t| to.push(t.clone()));
}

impl Term {
    /// The map with `key` bound to `value`; `None` if this is not a map. Source: OTP `maps:put/3`.
    pub fn map_put(&self, key: Self, value: Self) -> Option<Self> {
        let View::Map(m) = self.view() else { return None };
        Some(match m.find(&key) {
            Ok(at) => replace(m, at, &value),
            Err(at) => edit(m, m.len() + 1, |from, values, to| {
                copy(&from[..at], to);
                to.push(if values { value.clone() } else { key.clone() });
                copy(&from[at..], to);
            }),
        })
    }

    /// The map with the existing `key` bound to `value`; `None` if this is not a map or has no such key.
    /// Source: OTP `maps:update/3`.
    pub fn map_update(&self, key: &Self, value: Self) -> Option<Self> {
        let View::Map(m) = self.view() else { return None };
        m.find(key).ok().map(|at| replace(m, at, &value))
    }

    /// The map without `key`; `None` if this is not a map. Source: OTP `maps:remove/2`.
    pub fn map_remove(&self, key: &Self) -> Option<Self> {
        let View::Map(m) = self.view() else { return None };
        Some(match m.find(key) {
            Ok(at) => edit(m, m.len() - 1, |from, _, to| {
                copy(&from[..at], to);
                copy(&from[at + 1..], to);
            }),
            Err(_) => self.clone(),
        })
    }
}

/// The map with another value at one place; the key that is there stays.
fn replace(m: MapView<'_>, at: usize, value: &Term) -> Term {
    edit(m, m.len(), |from, values, to| {
        if values {
            copy(&from[..at], to);
            to.push(value.clone());
            copy(&from[at + 1..], to);
        } else {
            copy(from, to);
        }
    })
}
