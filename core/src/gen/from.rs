//! Who asked. Imports: term, process. Source: OTP `gen_server:from()`, `gen:reply/2`; C4.20-24.

use crate::process::call::From as NativeFrom;
use crate::process::context::Context;
use crate::process::send::Dest;
use crate::term::{Pid, Term, View, atoms};

/// Who waits for a reply: opaque, can be kept, sent on as a term, and answered by any process at any time.
#[derive(Clone)]
pub struct From(Kind);

#[derive(Clone)]
enum Kind {
    Native(NativeFrom),
    Term { pid: Pid, tag: Term },
}

impl std::convert::From<NativeFrom> for From {
    #[inline]
    fn from(f: NativeFrom) -> Self {
        Self(Kind::Native(f))
    }
}

impl From {
    /// The client's process.
    pub fn pid(&self) -> Pid {
        match &self.0 {
            Kind::Native(f) => f.pid(),
            Kind::Term { pid, .. } => *pid,
        }
    }

    /// `{Pid, Tag}`, as OTP has it.
    pub fn to_term(&self) -> Term {
        match &self.0 {
            Kind::Native(f) => f.to_term(),
            Kind::Term { pid, tag } => Term::tuple([(*pid).into(), tag.clone()]),
        }
    }

    /// Reads `{Pid, Tag}`; the tag may be any term. `None`: it is something else.
    pub fn from_term(t: &Term) -> Option<Self> {
        match t.view() {
            View::Tuple([pid, tag]) => Some(Self(Kind::Term { pid: pid.as_pid()?, tag: tag.clone() })),
            _ => None,
        }
    }
}

impl std::fmt::Debug for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "From({:?})", self.to_term())
    }
}

/// Replies. Never fails: if the client is gone, has its reply, or has given up, the reply is dropped.
///
/// A tag `[alias | Ref]`, alone or as the head of a list, is replied to through the alias; any other tag to the pid;
/// the tag is echoed as it came. Source: OTP `gen_server:reply/2`.
#[inline]
pub fn reply(ctx: &mut Context, from: &From, reply: impl Into<Term>) {
    match &from.0 {
        Kind::Native(f) => ctx.reply(f.clone(), reply),
        Kind::Term { pid, tag } => {
            let to = alias_of(tag).map_or(Dest::Pid(*pid), |r| Dest::Alias(r, *pid));
            // Only a local name can be refused.
            let _ = ctx.send_to(to, Term::tuple([tag.clone(), reply.into()]));
        }
    }
}

/// As [`reply`], by who will not need `from` any more.
#[inline]
pub(crate) fn reply_last(ctx: &mut Context, from: From, term: Term) {
    match from.0 {
        Kind::Native(f) => ctx.reply(f, term),
        Kind::Term { .. } => reply(ctx, &from, term),
    }
}

/// The alias in `[alias | Ref]` or `[[alias | Ref] | _]`.
fn alias_of(tag: &Term) -> Option<crate::term::Ref> {
    let outer = tag.as_list()?;
    if outer.head().as_atom() == Some(atoms::ALIAS) {
        return outer.rest().as_ref();
    }
    let inner = outer.head().as_list()?;
    if inner.head().as_atom() == Some(atoms::ALIAS) { inner.rest().as_ref() } else { None }
}
