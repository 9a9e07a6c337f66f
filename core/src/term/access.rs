//! Short ways to ask what a term is.
//! Imports: atom, ids, raw, block, view, resource.

use super::atom::Atom;
use super::atoms;
use super::block::kind;
use super::ids::{Pid, Port, Ref};
use super::raw::{Leaf, Term, tag};
use super::resource::Resource;
use super::view::{ListView, MapView, View};

const TUPLE: u8 = tag::BOXED | kind::TUPLE;
const LIST: u8 = tag::BOXED | kind::LIST;
const MAP: u8 = tag::BOXED | kind::MAP;

impl Term {
    /// An integer of 64 bits.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        if self.tag() == tag::INT { Some(self.value() as i64) } else { None }
    }

    /// The same as `as_int`.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_int()
    }

    /// A float.
    #[inline]
    pub fn as_float(&self) -> Option<f64> {
        if self.tag() == tag::FLOAT { Some(f64::from_bits(self.value())) } else { None }
    }

    /// An atom.
    #[inline]
    pub fn as_atom(&self) -> Option<Atom> {
        if self.tag() == tag::ATOM { Some(Atom(self.data() as u32)) } else { None }
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_atom()? {
            atoms::TRUE => Some(true),
            atoms::FALSE => Some(false),
            _ => None,
        }
    }

    /// A pid.
    pub fn as_pid(&self) -> Option<Pid> {
        if let View::Pid(p) = self.view() { Some(p) } else { None }
    }

    /// A port identifier.
    pub fn as_port(&self) -> Option<Port> {
        if let View::Port(p) = self.view() { Some(p) } else { None }
    }

    /// A reference.
    pub fn as_ref(&self) -> Option<Ref> {
        if let View::Ref(r) = self.view() { Some(r) } else { None }
    }

    /// The elements of a tuple.
    #[inline]
    pub fn as_tuple(&self) -> Option<&[Term]> {
        match self.leaf() {
            Leaf::Tuple(elements) => Some(elements),
            _ if self.tag() == tag::EMPTY_TUPLE => Some(&[]),
            _ => None,
        }
    }

    /// A list of at least one element.
    pub fn as_list(&self) -> Option<ListView<'_>> {
        if let View::List(l) = self.view() { Some(l) } else { None }
    }

    /// A map.
    pub fn as_map(&self) -> Option<MapView<'_>> {
        if let View::Map(m) = self.view() { Some(m) } else { None }
    }

    /// The bytes of a binary.
    pub fn as_binary(&self) -> Option<&[u8]> {
        if let View::Binary(b) = self.view() { Some(b) } else { None }
    }

    /// A native value.
    pub fn as_resource(&self) -> Option<&Resource> {
        if let View::Resource(r) = self.view() { Some(r) } else { None }
    }

    /// An integer of any size.
    pub fn is_integer(&self) -> bool {
        matches!(self.view(), View::Int(_) | View::Big(_))
    }

    /// A float.
    #[inline]
    pub fn is_float(&self) -> bool {
        self.tag() == tag::FLOAT
    }

    /// A number.
    pub fn is_number(&self) -> bool {
        self.is_integer() || self.is_float()
    }

    /// An atom.
    #[inline]
    pub fn is_atom(&self) -> bool {
        self.tag() == tag::ATOM
    }

    /// A pid.
    #[inline]
    pub fn is_pid(&self) -> bool {
        self.tag() == tag::PID
    }

    /// A port identifier.
    #[inline]
    pub fn is_port(&self) -> bool {
        self.tag() == tag::PORT
    }

    /// A reference, or a native value, which stands for one.
    pub fn is_reference(&self) -> bool {
        matches!(self.view(), View::Ref(_) | View::Resource(_))
    }

    /// A tuple.
    #[inline]
    pub fn is_tuple(&self) -> bool {
        matches!(self.tag(), TUPLE | tag::EMPTY_TUPLE)
    }

    /// `[]` or a list cell, as `erlang:is_list/1`: an improper list too.
    #[inline]
    pub fn is_list(&self) -> bool {
        matches!(self.tag(), LIST | tag::NIL)
    }

    /// `[]`
    #[inline]
    pub fn is_nil(&self) -> bool {
        self.tag() == tag::NIL
    }

    /// A map.
    #[inline]
    pub fn is_map(&self) -> bool {
        matches!(self.tag(), MAP | tag::EMPTY_MAP)
    }

    /// A bitstring of whole bytes.
    pub fn is_binary(&self) -> bool {
        matches!(self.view(), View::Binary(_))
    }

    /// A binary or another bitstring.
    pub fn is_bitstring(&self) -> bool {
        matches!(self.view(), View::Binary(_) | View::Bits(_))
    }

    /// A fun.
    pub fn is_fun(&self) -> bool {
        matches!(self.view(), View::Fun(_))
    }
}
