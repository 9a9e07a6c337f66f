//! A pattern some of whose holes are filled beforehand.
//! Imports: pattern, term.

use super::bindings::Slots;
use super::{Bindings, Pattern, UnknownHole, matcher};
use crate::term::Term;

/// A pattern with values in some of its holes, which then match only these values. Source: C2.21.
///
/// ```
/// use krarup::pattern::Pattern;
/// use krarup::text::parse_term;
/// let reply = Pattern::compile("{Ref, Answer}")?;
/// let mine = reply.bind("Ref", 17).expect("there is such a hole");
/// assert!(!mine.is_match(&parse_term("{16, late}")?));
/// let message = parse_term("{17, on_time}")?;
/// assert_eq!(mine.matches(&message).expect("mine").get("Answer"), Some(&parse_term("on_time")?));
/// # Ok::<(), krarup::text::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Bound {
    pattern: Pattern,
    slots: Slots<'static>,
}

impl Bound {
    pub(super) fn new(pattern: Pattern) -> Self {
        let slots = Slots::new(pattern.0.holes.len());
        Self { pattern, slots }
    }

    /// Fills one more hole; a second value for the same hole replaces the first.
    pub fn bind(mut self, name: &str, value: impl Into<Term>) -> Result<Self, UnknownHole> {
        let slot = self.pattern.slot(name).ok_or_else(|| UnknownHole(name.to_owned()))?;
        self.slots.set(slot, value.into());
        Ok(self)
    }

    /// What all holes hold if the term matches.
    pub fn matches<'t>(&'t self, term: &'t Term) -> Option<Bindings<'t>> {
        let inner = &*self.pattern.0;
        if !inner.root.may_match(term) {
            return None;
        }
        let mut found = Bindings::new(&inner.holes, self.slots.borrow());
        matcher::run(&inner.root, term, found.slots_mut()).then_some(found)
    }

    /// Whether the term matches.
    pub fn is_match(&self, term: &Term) -> bool {
        let root = &self.pattern.0.root;
        root.may_match(term) && matcher::run(root, term, &mut self.slots.borrow())
    }

    /// The pattern without the values.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bound({})", self.pattern.source())
    }
}
