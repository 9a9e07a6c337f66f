//! F1 terms: Erlang's values. Immutable, counted, 16 bytes; safe to share between threads.
//! Imports: nothing of this crate but base.
//!
//! Everything here is total: no input panics, recurses without bound, or costs memory out of proportion.
//!
//! | file | what |
//! |---|---|
//! | `raw` | the 16 bytes of a term, clone and drop |
//! | `block`, `single`, `build` | counted memory, and the makers of nodes: one node, many nodes |
//! | `construct`, `map` | terms from Rust values |
//! | `view`, `access` | taking terms apart |
//! | `order`, `hash`, `phash2` | equality, order, hashes |
//! | `memory` | accounting, copying small parts out |
//! | `atom`, `atoms`, `node`, `ids`, `resource` | the values that are not structure |

mod access;
pub mod atom;
pub mod atoms;
mod block;
pub mod build;
mod construct;
mod hash;
pub mod ids;
mod map;
mod memory;
pub mod node;
mod order;
mod phash2;
mod raw;
mod resource;
mod single;
mod view;

pub use atom::{Atom, AtomError};
pub use construct::IntoBinary;
pub use ids::{Pid, Port, Ref};
#[doc(hidden)]
pub use memory::live_blocks;
pub use node::{NodeError, NodeId};
pub use num_bigint::BigInt;
pub(crate) use raw::Leaf;
pub use raw::{Clones, Term};
pub use resource::Resource;
pub use view::{BigView, BitsView, FunView, ListIter, ListView, LocalFun, LocalFunView, MapIter, MapView, View};

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
