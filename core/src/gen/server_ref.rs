//! Whom a call, a cast or a system message is for. Imports: term, process, registry. Source: OTP `gen`; C4.8, C4.10.

use super::registry::Registries;
use crate::process::context::Context;
use crate::process::error::Exception;
use crate::term::{Atom, Pid, Term, View, atoms};

/// A server: a process, or a name that is looked up when it is used. Source: OTP `gen_server:server_ref()`.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerRef {
    /// A process of any node.
    Pid(Pid),
    /// A name registered on this node.
    Name(Atom),
    /// A name registered on a node.
    NameNode(Atom, Atom),
    /// `{global, Term}`
    Global(Term),
    /// `{via, Module, Term}`: a name in a registry of the user's. See [`super::Registry`].
    Via(Atom, Term),
}

impl From<Pid> for ServerRef {
    fn from(p: Pid) -> Self {
        Self::Pid(p)
    }
}

impl From<Atom> for ServerRef {
    fn from(a: Atom) -> Self {
        Self::Name(a)
    }
}

impl From<&Self> for ServerRef {
    fn from(r: &Self) -> Self {
        r.clone()
    }
}

/// Where a server is, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Pid(Pid),
    /// A name on another node, which alone knows.
    Elsewhere(Atom, Atom),
    Nowhere,
}

impl ServerRef {
    /// Reads OTP's form of it. `None`: it is no server reference.
    pub fn from_term(t: &Term) -> Option<Self> {
        Some(match t.view() {
            View::Pid(p) => Self::Pid(p),
            View::Atom(a) => Self::Name(a),
            View::Tuple([a, b]) if a.as_atom() == Some(atoms::GLOBAL) => Self::Global(b.clone()),
            View::Tuple([a, b]) => Self::NameNode(a.as_atom()?, b.as_atom()?),
            View::Tuple([via, m, n]) if via.as_atom() == Some(atoms::VIA) => Self::Via(m.as_atom()?, n.clone()),
            _ => return None,
        })
    }

    /// OTP's form.
    pub fn to_term(&self) -> Term {
        match self {
            Self::Pid(p) => (*p).into(),
            Self::Name(a) => (*a).into(),
            Self::NameNode(a, n) => Term::tuple([(*a).into(), (*n).into()]),
            Self::Global(t) => Term::tuple([atoms::GLOBAL.into(), t.clone()]),
            Self::Via(m, t) => Term::tuple([atoms::VIA.into(), (*m).into(), t.clone()]),
        }
    }

    pub(crate) fn place(&self, ctx: &mut Context) -> Place {
        let found = match self {
            Self::Pid(p) => Some(*p),
            Self::Name(a) => ctx.whereis(*a),
            Self::NameNode(a, n) if *n == ctx.node_name() => ctx.whereis(*a),
            Self::NameNode(a, n) => return Place::Elsewhere(*a, *n),
            Self::Global(t) => Registries::whereis(ctx, atoms::GLOBAL, t),
            Self::Via(m, t) => Registries::whereis(ctx, *m, t),
        };
        found.map_or(Place::Nowhere, Place::Pid)
    }
}

/// A name that a server registers itself under before its `init` runs. Source: OTP `gen:emgr_name()`, C4.8.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    /// `{local, Atom}`
    Local(Atom),
    /// `{global, Term}`
    Global(Term),
    /// `{via, Module, Term}`
    Via(Atom, Term),
}

impl From<Atom> for Name {
    fn from(a: Atom) -> Self {
        Self::Local(a)
    }
}

impl Name {
    /// Reads OTP's form of it. `None`: it is no name.
    pub fn from_term(t: &Term) -> Option<Self> {
        Some(match t.view() {
            View::Tuple([k, n]) if k.as_atom() == Some(atoms::LOCAL) => Self::Local(n.as_atom()?),
            View::Tuple([k, n]) if k.as_atom() == Some(atoms::GLOBAL) => Self::Global(n.clone()),
            View::Tuple([k, m, n]) if k.as_atom() == Some(atoms::VIA) => Self::Via(m.as_atom()?, n.clone()),
            _ => return None,
        })
    }

    /// The name alone, as traces and reports show it.
    pub fn bare(&self) -> Term {
        match self {
            Self::Local(a) => (*a).into(),
            Self::Global(t) | Self::Via(_, t) => t.clone(),
        }
    }

    /// Whom a client calls.
    pub fn server_ref(&self) -> ServerRef {
        match self {
            Self::Local(a) => ServerRef::Name(*a),
            Self::Global(t) => ServerRef::Global(t.clone()),
            Self::Via(m, t) => ServerRef::Via(*m, t.clone()),
        }
    }

    pub(crate) fn whereis(&self, ctx: &mut Context) -> Option<Pid> {
        match self {
            Self::Local(a) => ctx.whereis(*a),
            Self::Global(t) => Registries::whereis(ctx, atoms::GLOBAL, t),
            Self::Via(m, t) => Registries::whereis(ctx, *m, t),
        }
    }

    /// Registers the calling process; `Err` with who has the name.
    pub(crate) fn register(&self, ctx: &mut Context) -> Result<(), Option<Pid>> {
        let me = ctx.self_pid();
        let taken = match self {
            Self::Local(a) => ctx.register(*a, me).is_err(),
            Self::Global(t) => !Registries::register(ctx, atoms::GLOBAL, t),
            Self::Via(m, t) => !Registries::register(ctx, *m, t),
        };
        if taken { Err(self.whereis(ctx)) } else { Ok(()) }
    }

    pub(crate) fn unregister(&self, ctx: &mut Context) {
        let gone: Result<(), Exception> = match self {
            Self::Local(a) => ctx.unregister(*a),
            Self::Global(t) => {
                Registries::unregister(ctx, atoms::GLOBAL, t);
                Ok(())
            }
            Self::Via(m, t) => {
                Registries::unregister(ctx, *m, t);
                Ok(())
            }
        };
        // Somebody else may have taken it away already.
        drop(gone);
    }
}
