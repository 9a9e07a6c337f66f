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
pub mod print;
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
