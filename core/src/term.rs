//! F1 terms: Erlang's values. Immutable, counted, 16 bytes; safe to share between threads.
//! Imports: nothing of this crate but base.
//!
//! Everything here is total: no input panics, recurses without bound, or costs memory out of proportion.

pub mod atom;
pub mod atoms;
pub mod ids;
pub mod node;
mod order;
mod phash;
mod repr;
mod resource;
mod view;

pub use atom::{Atom, AtomError};
pub use ids::{Pid, Port, Ref};
pub use node::{NodeError, NodeId};
pub use num_bigint::BigInt;
pub use repr::{IntoBinary, Term};
pub use resource::Resource;
pub use view::{BigView, BitsView, FunView, ListIter, ListView, LocalFun, MapIter, MapView, View};

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.view() {
            View::Int(n) => write!(f, "{n}"),
            View::Float(x) => write!(f, "{x:?}"),
            View::Atom(a) => write!(f, "{a:?}"),
            View::Nil => f.write_str("[]"),
            View::Tuple(e) => write!(f, "{{…{}}}", e.len()),
            View::Binary(b) => write!(f, "<<…{}>>", b.len()),
            other => write!(f, "Term(rank {})", other.rank()),
        }
    }
}
