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
//! | `print` | text, as OTP prints |
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
pub mod print;
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
