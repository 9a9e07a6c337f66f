//! The holes of a pattern or a template: names, numbers, types.
//! Imports: term.

use crate::term::{Term, View};
use std::fmt;

/// The names, in the order of the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Holes {
    names: Vec<Box<str>>,
}

impl Holes {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| **n == *name)
    }

    /// The number of a name, a new one if there is none yet.
    pub(super) fn number(&mut self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        })
    }

    pub(super) fn name(&self, slot: usize) -> Option<&str> {
        self.names.get(slot).map(|n| &**n)
    }

    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|n| &**n)
    }
}

/// What a hole may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HoleType {
    /// An integer of any size.
    Integer,
    /// A float.
    Float,
    /// An integer or a float.
    Number,
    /// An atom.
    Atom,
    /// `true` or `false`.
    Boolean,
    /// A process identifier.
    Pid,
    /// A port identifier.
    Port,
    /// A reference, or a native value, which stands for one.
    Reference,
    /// A fun.
    Function,
    /// A bitstring of whole bytes.
    Binary,
    /// Any bitstring.
    Bitstring,
    /// `[]` or a list cell.
    List,
    /// A tuple.
    Tuple,
    /// A map.
    Map,
}

impl HoleType {
    /// The type of that name, as written behind a colon.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int" | "integer" => Self::Integer,
            "float" => Self::Float,
            "num" | "number" => Self::Number,
            "atom" => Self::Atom,
            "bool" | "boolean" => Self::Boolean,
            "pid" => Self::Pid,
            "port" => Self::Port,
            "ref" | "reference" => Self::Reference,
            "fun" | "function" => Self::Function,
            "bin" | "binary" => Self::Binary,
            "bits" | "bitstring" => Self::Bitstring,
            "list" => Self::List,
            "tuple" => Self::Tuple,
            "map" => Self::Map,
            _ => return None,
        })
    }

    /// Whether a term is of this type.
    pub fn admits(self, term: &Term) -> bool {
        match self {
            Self::Integer => term.is_integer(),
            Self::Float => term.is_float(),
            Self::Number => term.is_number(),
            Self::Atom => term.is_atom(),
            Self::Boolean => term.as_bool().is_some(),
            Self::Pid => term.is_pid(),
            Self::Port => term.is_port(),
            Self::Reference => matches!(term.view(), View::Ref(_) | View::Resource(_)),
            Self::Function => term.is_fun(),
            Self::Binary => term.is_binary(),
            Self::Bitstring => term.is_bitstring(),
            Self::List => term.is_list(),
            Self::Tuple => term.is_tuple(),
            Self::Map => term.is_map(),
        }
    }
}

/// There is no hole of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHole(pub String);

impl fmt::Display for UnknownHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no hole named {}", self.0.escape_debug())
    }
}

impl std::error::Error for UnknownHole {}
