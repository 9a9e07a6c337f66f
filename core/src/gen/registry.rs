//! Names beyond the local ones. Imports: term, process. Source: OTP `global`, the `via` contract; C4.9.
//! Locks: one for the table of registries, a leaf, not held while a registry runs.

use crate::process::context::Context;
use crate::term::{Atom, Pid, Term};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A registry of names, as the forms `{via, Module, Name}` and `{global, Name}` use it.
///
/// Called in the process that registers or looks up; it must not block, and must free the names of processes that
/// have ended (monitor them).
pub trait Registry: Send + Sync {
    /// Gives `pid` the name; false: somebody has it. Source: `Module:register_name/2`.
    fn register_name(&self, ctx: &mut Context, name: &Term, pid: Pid) -> bool;
    /// Frees the name. Source: `Module:unregister_name/1`.
    fn unregister_name(&self, ctx: &mut Context, name: &Term);
    /// Who has the name. Source: `Module:whereis_name/1`.
    fn whereis_name(&self, ctx: &mut Context, name: &Term) -> Option<Pid>;
}

/// The registries of a node, by the module name that stands in `{via, Module, Name}`; `global` is one of them.
#[derive(Default)]
pub(crate) struct Registries {
    map: RwLock<HashMap<Atom, Arc<dyn Registry>>>,
}

impl Registries {
    /// Adds or replaces a registry.
    pub fn add(&self, module: Atom, registry: Arc<dyn Registry>) {
        self.map.write().unwrap_or_else(PoisonError::into_inner).insert(module, registry);
    }

    fn get(ctx: &Context, module: Atom) -> Option<Arc<dyn Registry>> {
        let all = ctx.find_room::<Self>()?;
        all.map.read().unwrap_or_else(PoisonError::into_inner).get(&module).cloned()
    }

    /// `None` also where there is no such registry.
    pub fn whereis(ctx: &mut Context, module: Atom, name: &Term) -> Option<Pid> {
        Self::get(ctx, module)?.whereis_name(ctx, name)
    }

    pub fn register(ctx: &mut Context, module: Atom, name: &Term) -> bool {
        let me = ctx.self_pid();
        Self::get(ctx, module).is_some_and(|r| r.register_name(ctx, name, me))
    }

    pub fn unregister(ctx: &mut Context, module: Atom, name: &Term) {
        if let Some(r) = Self::get(ctx, module) {
            r.unregister_name(ctx, name);
        }
    }
}
