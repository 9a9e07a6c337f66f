//! Hashes of terms.
//! Imports: repr, view.

use super::repr::Term;
use super::view::{FunView, View};
use std::hash::{Hash, Hasher};

impl Hash for Term {
    /// Consistent with `=:=`, independent of how a list is cut in pieces.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut stack = vec![self];
        while let Some(t) = stack.pop() {
            let view = t.view();
            state.write_u8(view.rank());
            match view {
                View::Int(n) => n.hash(state),
                View::Big(n) => {
                    n.is_negative().hash(state);
                    n.bytes_le().for_each(|b| state.write_u8(b));
                }
                // Adding zero makes -0.0 into 0.0.
                View::Float(f) => (f + 0.0).to_bits().hash(state),
                View::Atom(a) => a.hash(state),
                View::Pid(p) => p.hash(state),
                View::Port(p) => p.hash(state),
                View::Ref(r) => r.hash(state),
                View::Nil => {}
                View::Tuple(e) => {
                    state.write_usize(e.len());
                    stack.extend(e);
                }
                View::List(l) => {
                    state.write_usize(l.len());
                    stack.push(l.tail());
                    stack.extend(l.iter());
                }
                View::Map(m) => {
                    state.write_usize(m.len());
                    stack.extend(m.keys());
                    stack.extend(m.values());
                }
                View::Binary(b) => b.hash(state),
                View::Bits(b) => {
                    b.last_bits().hash(state);
                    b.bytes().hash(state);
                }
                View::Fun(FunView::External { module, function, arity }) => (module, function, arity).hash(state),
                View::Fun(FunView::Local(f)) => {
                    (f.module, f.free.len()).hash(state);
                    stack.extend(&f.free);
                }
                View::Resource(r) => r.reference().hash(state),
            }
        }
    }
}

impl Term {
    /// A hash below 2^27.
    pub fn phash2(&self) -> u32 {
        let mut h = std::hash::DefaultHasher::new();
        self.hash(&mut h);
        h.finish() as u32 & 0x07ff_ffff
    }

    /// A hash below `range` (0 means 2^32).
    pub fn phash2_range(&self, range: u32) -> u32 {
        self.phash2().checked_rem(range).unwrap_or(self.phash2())
    }
}
