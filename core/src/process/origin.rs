//! Who started a process, and with what: OTP's `$ancestors` and `$initial_call`.
//! Imports: term, core, context, flags.
//!
//! In OTP these are two entries of the process dictionary. Here the children of one parent share one record, so that
//! an idle server pays a word for both; reading the dictionary shows them as OTP does, and writing one of the two
//! keys moves both into the real dictionary.

use super::context::Context;
use super::core::Core;
use super::slot::Own;
use crate::term::{Atom, Term, View, atoms};
use std::sync::Arc;

/// See the module's text. Source: OTP `proc_lib`, C10.5.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The parent and its ancestors, nearest first: a registered name where there was one, else a pid.
    pub ancestors: Term,
    /// `{Module, Function, Arity}`
    pub initial_call: Term,
}

impl Origin {
    /// What `get(Key)` gives.
    pub fn get(&self, key: &Term) -> Option<&Term> {
        match key.as_atom()? {
            atoms::ANCESTORS => Some(&self.ancestors),
            atoms::INITIAL_CALL => Some(&self.initial_call),
            _ => None,
        }
    }

    /// Both entries.
    pub fn entries(&self) -> [(Term, Term); 2] {
        [(atoms::INITIAL_CALL.into(), self.initial_call.clone()), (atoms::ANCESTORS.into(), self.ancestors.clone())]
    }

    /// Moves both into the dictionary, where they can be changed.
    pub fn settle(own: &mut Own) {
        if let Some(origin) = own.origin.take() {
            own.cold().dictionary.extend(origin.entries());
        }
    }
}

impl Context {
    /// The record for a child of this process that begins with `initial_call`; children of one kind share it.
    pub(crate) fn origin_of_child(&mut self, initial_call: (Atom, Atom, u8)) -> Option<Arc<Origin>> {
        let mut core = Core::enter(self).ok()?;
        let me = core.pid;
        let own = core.own();
        let (m, f, a) = initial_call;
        let initial_call = Term::tuple([m.into(), f.into(), a.into()]);
        let cold = own.cold.as_deref();
        let parent = cold.and_then(|c| c.name).map_or(Term::from(me), Term::from);
        let inherited = match (&own.origin, cold.and_then(|c| c.dictionary.get(&atoms::ANCESTORS.into()))) {
            (_, Some(list)) => list.clone(),
            (Some(o), None) => o.ancestors.clone(),
            (None, None) => Term::nil(),
        };
        if let Some(last) = cold.and_then(|c| c.child_origin.as_ref()) {
            let same_parent = matches!(last.ancestors.view(), View::List(l) if l.head().same(&parent));
            if same_parent && last.initial_call.same(&initial_call) {
                return Some(last.clone());
            }
        }
        let above = inherited.as_list().map(|l| l.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let ancestors = Term::list(std::iter::once(parent).chain(above));
        let origin = Arc::new(Origin { ancestors, initial_call });
        own.cold().child_origin = Some(origin.clone());
        Some(origin)
    }

    /// Who started this process, nearest first: names or pids. Empty if it was not started by `proc_lib` or one of
    /// the behaviours. Source: OTP `get('$ancestors')`.
    pub fn ancestors(&mut self) -> Vec<Term> {
        let list = self.get(&atoms::ANCESTORS.into()).unwrap_or_default();
        list.as_list().map(|l| l.iter().cloned().collect()).unwrap_or_default()
    }
}
