//! Finding the depth at which a term takes about so many characters.
//! Imports: print::tree, term. Source: `chars_limit` of OTP `io_lib:format/3`.

use super::tree::{NodeIndex, Tree};
use crate::term::Term;

impl<'a> Tree<'a> {
    /// Measures a term at the depth, up to `depth` (below 0: any), where it first takes more than `limit` characters.
    ///
    /// The depth is doubled until it is too deep, then bisected; each step grows the tree of the one before.
    pub(super) fn limited(&mut self, term: &'a Term, depth: i64, limit: usize) -> NodeIndex {
        let mut lower = self.measure(term, 1, Some(limit));
        let mut low = 1;
        if self.nodes[lower].dots == 0 || self.nodes[lower].len > limit || depth == 1 {
            return lower;
        }
        let mut step = 2;
        let (mut upper, mut high);
        loop {
            step *= 2;
            high = if depth < 0 { low + step } else { depth.min(low + step) };
            upper = self.grow(lower, high - low, Some(limit));
            let (len, dots, last) = (self.nodes[upper].len, self.nodes[upper].dots, self.nodes[lower].len);
            if dots == 0 || len == last {
                return upper;
            }
            if len > limit || (depth >= 0 && high >= depth) {
                break;
            }
            (lower, low) = (upper, high);
        }
        while high - low > 1 {
            let middle = (low + high) / 2;
            let node = self.grow(lower, middle - low, Some(limit));
            if self.nodes[node].len > limit {
                (upper, high) = (node, middle);
            } else {
                (lower, low) = (node, middle);
            }
        }
        if self.nodes[lower].len == limit { lower } else { upper }
    }
}
