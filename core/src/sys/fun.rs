//! Functions in messages: for `replace_state` and `install`. Imports: term, process.
//!
//! A closure of this program travels as a native value to a process of this node. A fun of a BEAM stays opaque: only
//! its maker can run it, so calling it is `{badfun, Fun}`.

use crate::proc_lib;
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::term::{Resource, Term, atoms};
use std::sync::Arc;

/// A function from terms to a term that can be put into a message. It runs in the process that applies it.
pub struct Fun(Box<Call>);

type Call = dyn Fn(&[&Term]) -> Result<Term, Exception> + Send + Sync;

impl Fun {
    /// Wraps a closure into a term; it is equal only to itself.
    pub fn term(ctx: &Context, f: impl Fn(&[&Term]) -> Result<Term, Exception> + Send + Sync + 'static) -> Term {
        let value = Arc::new(Self(Box::new(f)));
        Term::resource(Resource::new(atoms::FUN, value, ctx.self_pid().node))
    }

    pub(crate) fn is(t: &Term) -> bool {
        t.as_resource().is_some_and(|r| r.get::<Self>().is_some())
    }
}

/// Applies a function that came in a message. Errors: what it raises; a panic as `error:{panic, Text}`;
/// `error:{badfun, F}` for what cannot be called here.
pub fn apply(f: &Term, args: &[&Term]) -> Result<Term, Exception> {
    match f.as_resource().and_then(|r| r.get::<Fun>()) {
        Some(Fun(call)) => proc_lib::caught_now(|| call(args)),
        None => Err(Exception::error(Term::tuple([atoms::BADFUN.into(), f.clone()]))),
    }
}
