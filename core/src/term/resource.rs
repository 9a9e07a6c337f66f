//! Resources: native values that travel inside terms between processes of one OS process.
//! Imports: atom, node, ids.

use super::atom::Atom;
use super::ids::Ref;
use super::node::NodeId;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A counted native value inside a term.
///
/// It is equal only to itself, is ordered and printed as its own reference, and cannot leave the OS process: the
/// encoder refuses it. Its destructor runs when the last term (or handle) that holds it is dropped, on that thread.
#[derive(Clone)]
pub struct Resource(Arc<Inner>);

struct Inner {
    type_name: Atom,
    reference: Ref,
    value: Arc<dyn Any + Send + Sync>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Resource {
    /// Wraps a value; `node` is the node whose reference names it.
    pub fn new(type_name: Atom, value: Arc<dyn Any + Send + Sync>, node: NodeId) -> Self {
        // Relaxed: only uniqueness matters. The first word has 18 bits, as in OTP; bit 30 of the last word tells these
        // references apart from those that processes and timers make (which count below it, or set bit 31).
        let n = NEXT.fetch_add(1, Relaxed);
        let words = [(n & 0x3_ffff) as u32, (n >> 18) as u32, (n >> 50) as u32 | 1 << 30];
        Self(Arc::new(Inner { type_name, reference: Ref::new(node, words), value }))
    }

    /// The name of its type.
    pub fn type_name(&self) -> Atom {
        self.0.type_name
    }

    /// The reference that stands for it in order and print.
    pub fn reference(&self) -> Ref {
        self.0.reference
    }

    /// Where it was made.
    pub fn node(&self) -> NodeId {
        self.0.reference.node()
    }

    /// The value.
    pub fn value(&self) -> &Arc<dyn Any + Send + Sync> {
        &self.0.value
    }

    /// The value if it has type `T`.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.value.downcast_ref()
    }

    /// Whether both are the same resource.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

impl Eq for Resource {}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resource").field("type", &self.type_name()).field("reference", &self.reference()).finish()
    }
}
