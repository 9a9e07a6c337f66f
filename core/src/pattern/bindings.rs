//! What the holes of a pattern hold.
//! Imports: pattern::holes, term.

use super::holes::Holes;
use crate::term::Term;
use std::fmt;

/// So many holes need no memory of their own.
const INLINE: usize = 8;

#[derive(Clone, Default)]
enum Slot<'t> {
    #[default]
    Empty,
    Borrowed(&'t Term),
    Owned(Term),
}

impl Slot<'_> {
    fn get(&self) -> Option<&Term> {
        match self {
            Self::Empty => None,
            Self::Borrowed(t) => Some(t),
            Self::Owned(t) => Some(t),
        }
    }
}

/// The values of holes by number; empty ones are free to be set.
#[derive(Clone, Default)]
pub(super) struct Slots<'t> {
    inline: [Slot<'t>; INLINE],
    more: Vec<Slot<'t>>,
}

impl<'t> Slots<'t> {
    pub(super) fn new(count: usize) -> Self {
        Self { inline: Default::default(), more: vec![Slot::Empty; count.saturating_sub(INLINE)] }
    }

    fn slot_mut(&mut self, slot: usize) -> Option<&mut Slot<'t>> {
        if slot < INLINE { self.inline.get_mut(slot) } else { self.more.get_mut(slot - INLINE) }
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Term> {
        let slot = if slot < INLINE { self.inline.get(slot) } else { self.more.get(slot - INLINE) };
        slot.and_then(Slot::get)
    }

    /// Fills a hole, or compares with what it holds.
    pub(super) fn unify(&mut self, slot: usize, term: &'t Term) -> bool {
        self.unify_as(slot, term, Slot::Borrowed(term))
    }

    /// The same for a term that nothing else keeps.
    pub(super) fn unify_owned(&mut self, slot: usize, term: &Term) -> bool {
        self.unify_as(slot, term, Slot::Owned(term.clone()))
    }

    fn unify_as(&mut self, slot: usize, term: &Term, value: Slot<'t>) -> bool {
        let Some(slot) = self.slot_mut(slot) else { return false };
        match slot.get() {
            Some(held) => held.same(term),
            None => {
                *slot = value;
                true
            }
        }
    }

    /// Fills a hole whatever it holds.
    pub(super) fn set(&mut self, slot: usize, term: Term) {
        if let Some(slot) = self.slot_mut(slot) {
            *slot = Slot::Owned(term);
        }
    }

    /// The same values, borrowed from here.
    pub(super) fn borrow(&self) -> Slots<'_> {
        fn lend<'b>(slot: &'b Slot<'_>) -> Slot<'b> {
            slot.get().map_or(Slot::Empty, Slot::Borrowed)
        }
        Slots { inline: self.inline.each_ref().map(lend), more: self.more.iter().map(lend).collect() }
    }
}

/// The values that a match found, by hole. They borrow from the term and the pattern where they can.
#[derive(Clone)]
pub struct Bindings<'t> {
    holes: &'t Holes,
    slots: Slots<'t>,
}

impl<'t> Bindings<'t> {
    pub(super) fn new(holes: &'t Holes, slots: Slots<'t>) -> Self {
        Self { holes, slots }
    }

    pub(super) fn slots_mut(&mut self) -> &mut Slots<'t> {
        &mut self.slots
    }

    /// The value of a hole by its name.
    pub fn get(&self, name: &str) -> Option<&Term> {
        self.slots.get(self.holes.find(name)?)
    }

    /// The value of a hole by its number.
    pub fn slot(&self, slot: usize) -> Option<&Term> {
        self.slots.get(slot)
    }

    /// How many holes there are.
    pub fn len(&self) -> usize {
        self.holes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.holes.len() == 0
    }

    /// Names and values, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Term)> {
        self.holes.names().enumerate().filter_map(|(i, name)| Some((name, self.slots.get(i)?)))
    }

    /// The values alone, to keep.
    pub fn to_terms(&self) -> Vec<Term> {
        self.iter().map(|(_, term)| term.clone()).collect()
    }
}

impl fmt::Debug for Bindings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
