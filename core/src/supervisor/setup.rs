//! Where a supervisor's flags and children come from: given as they are, made by a callback, or by `Mod:init/1` of the
//! node's module registry. Source: C8.3, C8.6. Imports: term, process, proc_lib.

use super::Init;
use crate::proc_lib;
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::term::{Atom, Term, View, atoms};
use std::fmt;
use std::sync::Arc;

type Callback = Arc<dyn Fn(&mut Context, &Term) -> Result<Option<Init>, Exception> + Send + Sync>;

#[derive(Clone)]
enum From {
    Fixed(Init),
    Callback(Callback),
    Module,
}

/// What a supervisor is started with.
#[derive(Clone)]
pub struct Setup {
    /// The callback module, as reports and `get_status` name it.
    pub(super) module: Atom,
    /// The argument of its `init`.
    pub(super) args: Term,
    from: From,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setup({}:init({}))", self.module.as_str(), self.args)
    }
}

/// Why there are no flags and children.
pub(super) enum Refusal {
    /// `ignore`
    Ignore,
    /// `init` has crashed.
    Crash(Exception),
    /// `init` has returned something else.
    Odd(Term),
    /// What it has returned is not right: the reason that the supervisor ends with.
    Wrong(Term),
}

impl Setup {
    /// These flags and children, without a callback. `module` is what reports name.
    pub fn fixed(module: Atom, init: Init) -> Self {
        Self { module, args: Term::nil(), from: From::Fixed(init) }
    }

    /// A callback; `None` from it is `ignore`. It runs again at each upgrade, so it should have no side effects.
    pub fn callback(
        module: Atom,
        args: impl Into<Term>,
        f: impl Fn(&mut Context, &Term) -> Result<Option<Init>, Exception> + Send + Sync + 'static,
    ) -> Self {
        Self { module, args: args.into().compact(), from: From::Callback(Arc::new(f)) }
    }

    /// `Module:init(Args)` of the node's module registry, which returns `{ok, {Flags, Specs}}` or `ignore`.
    pub fn module(module: Atom, args: impl Into<Term>) -> Self {
        Self { module, args: args.into().compact(), from: From::Module }
    }

    pub(super) fn init(&self, ctx: &mut Context) -> Result<Init, Refusal> {
        match &self.from {
            From::Fixed(init) => Ok(init.clone()),
            From::Callback(f) => match proc_lib::caught_now(|| f(ctx, &self.args)) {
                Ok(init) => init.ok_or(Refusal::Ignore),
                Err(e) => Err(thrown(e)),
            },
            From::Module => {
                let args = [self.args.clone()];
                match proc_lib::caught_now(|| ctx.apply(self.module, atoms::INIT, &args)) {
                    Ok(t) => read(&t),
                    Err(e) => Err(thrown(e)),
                }
            }
        }
    }
}

/// What is thrown counts as what OTP's `supervisor:init/1` returns.
fn thrown(e: Exception) -> Refusal {
    match e.class {
        Class::Throw if e.reason.as_atom() == Some(atoms::IGNORE) => Refusal::Ignore,
        Class::Throw => Refusal::Wrong(Term::tuple([atoms::BAD_RETURN_VALUE.into(), e.reason])),
        _ => Refusal::Crash(e),
    }
}

fn read(t: &Term) -> Result<Init, Refusal> {
    match t.view() {
        View::Atom(atoms::IGNORE) => Err(Refusal::Ignore),
        View::Tuple([ok, both]) if ok.as_atom() == Some(atoms::OK) => match both.as_tuple() {
            Some([flags, specs]) => Init::from_term(flags, specs).map_err(Refusal::Wrong),
            _ => Err(Refusal::Odd(t.clone())),
        },
        _ => Err(Refusal::Odd(t.clone())),
    }
}
