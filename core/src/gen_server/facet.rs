//! What the loop asks of a server beside its callbacks, the same for both kinds. Imports: term, process, callbacks.

use super::callbacks::{AsyncGenServer, FormatStatus, GenServer};
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::term::Term;

pub(super) trait Facet {
    fn state(&self) -> Term;
    fn set_state(&mut self, state: Term) -> Result<(), Exception>;
    fn code_change(&mut self, ctx: &mut Context, old: &Term, extra: &Term) -> Result<Result<(), Term>, Exception>;
    fn format_status(&self, status: FormatStatus) -> FormatStatus;
    fn hibernate(&mut self);
}

pub(super) struct Plain<'a, S>(pub &'a mut S);
pub(super) struct Waiting<'a, S>(pub &'a mut S);

macro_rules! facet {
    ($wrapper:ident, $bound:ident) => {
        impl<S: $bound> Facet for $wrapper<'_, S> {
            fn state(&self) -> Term {
                self.0.state()
            }
            fn set_state(&mut self, state: Term) -> Result<(), Exception> {
                self.0.set_state(state)
            }
            fn code_change(
                &mut self,
                ctx: &mut Context,
                old: &Term,
                extra: &Term,
            ) -> Result<Result<(), Term>, Exception> {
                self.0.code_change(ctx, old, extra)
            }
            fn format_status(&self, status: FormatStatus) -> FormatStatus {
                self.0.format_status(status)
            }
            fn hibernate(&mut self) {
                self.0.hibernate();
            }
        }
    };
}
facet!(Plain, GenServer);
facet!(Waiting, AsyncGenServer);
