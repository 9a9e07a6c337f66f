//! What the rooms above keep for each node: one value a type, made on first use.
//! Imports: nothing of this crate. Locks: one, a leaf, held only to look up.
//!
//! A floor above must not be named here; so its values (registries, report sinks, group tables) are found by their
//! type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// See the module's text.
#[derive(Default)]
pub(crate) struct Rooms {
    map: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Rooms {
    /// The node's value of this type, if anybody has asked for one.
    pub fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }

    /// The node's value of this type.
    pub fn get<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        if let Some(found) = self.find() {
            return found;
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let fresh: Arc<dyn Any + Send + Sync> = Arc::new(T::default());
        let value = map.entry(TypeId::of::<T>()).or_insert(fresh).clone();
        drop(map);
        value.downcast().unwrap_or_else(|_| unreachable!("kept by its type"))
    }
}
