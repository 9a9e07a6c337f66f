//! Puts the fragments of big messages together.
//! Imports: frame, frame cache.
//!
//! Fragments of different sequences may mix; those of one come in order. The number of fragments that a first one
//! announces sets nothing aside: memory grows with what has come.

use super::{AtomTable, FrameError, Limits, Whole};
use bytes::Bytes;
use std::collections::HashMap;

#[derive(Debug)]
struct Open {
    due: u64,
    atoms: AtomTable,
    data: Vec<u8>,
}

/// The unfinished sequences of one connection.
#[derive(Debug)]
pub struct Assembler {
    open: HashMap<u64, Open>,
    bytes: usize,
    limits: Limits,
}

/// What a sequence costs beyond its bytes.
const OVERHEAD: usize = 128;

impl Assembler {
    /// None open.
    pub fn new(limits: Limits) -> Self {
        Self { open: HashMap::new(), bytes: 0, limits }
    }

    /// The first fragment: its atoms and its bytes after the header. `fragment` is the number of all fragments.
    ///
    /// # Errors
    /// A sequence that is open already, or fragment 0, or a limit.
    pub fn first(
        &mut self,
        sequence: u64,
        fragment: u64,
        atoms: AtomTable,
        terms: Bytes,
    ) -> Result<Option<Whole>, FrameError> {
        if self.open.contains_key(&sequence) {
            return Err(FrameError::Duplicate(sequence));
        }
        match fragment {
            0 => Err(FrameError::Order { sequence, due: 1, came: 0 }),
            1 => Ok(Some(Whole { atoms, terms, versioned: false })),
            _ => {
                if self.open.len() >= self.limits.sequences {
                    return Err(FrameError::TooManySequences(self.limits.sequences));
                }
                self.grow(terms.len() + OVERHEAD)?;
                self.open.insert(sequence, Open { due: fragment - 1, atoms, data: terms.to_vec() });
                Ok(None)
            }
        }
    }

    /// A later fragment.
    ///
    /// # Errors
    /// A sequence that is not open, a fragment that is not the next, or a limit.
    pub fn next(&mut self, sequence: u64, fragment: u64, bytes: &[u8]) -> Result<Option<Whole>, FrameError> {
        let due = self.open.get(&sequence).ok_or(FrameError::NoSequence(sequence))?.due;
        if due != fragment {
            return Err(FrameError::Order { sequence, due, came: fragment });
        }
        self.grow(bytes.len())?;
        let open = self.open.get_mut(&sequence).ok_or(FrameError::NoSequence(sequence))?;
        open.data.extend_from_slice(bytes);
        open.due -= 1;
        if open.due > 0 {
            return Ok(None);
        }
        Ok(self.open.remove(&sequence).map(|done| {
            self.bytes -= done.data.len() + OVERHEAD;
            Whole { atoms: done.atoms, terms: done.data.into(), versioned: false }
        }))
    }

    /// Bytes of all open sequences.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn grow(&mut self, by: usize) -> Result<(), FrameError> {
        if by > self.limits.assembly - self.bytes {
            return Err(FrameError::TooMuchAssembly(self.limits.assembly));
        }
        self.bytes += by;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembler(assembly: usize, sequences: usize) -> Assembler {
        Assembler::new(Limits { frame: 1, assembly, sequences })
    }

    fn first(a: &mut Assembler, sequence: u64, fragment: u64, bytes: &[u8]) -> Result<Option<Bytes>, FrameError> {
        let done = a.first(sequence, fragment, AtomTable::default(), Bytes::copy_from_slice(bytes))?;
        Ok(done.map(|w| w.terms))
    }

    fn next(a: &mut Assembler, sequence: u64, fragment: u64, bytes: &[u8]) -> Result<Option<Bytes>, FrameError> {
        Ok(a.next(sequence, fragment, bytes)?.map(|w| w.terms))
    }

    #[test]
    fn interleaved_sequences_come_out_whole() {
        let mut a = assembler(10_000, 10);
        assert_eq!(first(&mut a, 1, 3, b"a"), Ok(None));
        assert_eq!(first(&mut a, 2, 2, b"x"), Ok(None));
        assert_eq!(first(&mut a, 3, 1, b"alone"), Ok(Some(Bytes::from_static(b"alone"))));
        assert_eq!(next(&mut a, 1, 2, b"b"), Ok(None));
        assert_eq!(next(&mut a, 2, 1, b"y"), Ok(Some(Bytes::from_static(b"xy"))));
        assert_eq!(next(&mut a, 1, 1, b"c"), Ok(Some(Bytes::from_static(b"abc"))));
        assert_eq!(a.bytes(), 0);
        // A finished number may be used again.
        assert_eq!(first(&mut a, 1, 2, b"a"), Ok(None));
    }

    #[test]
    fn missing_repeated_and_unknown_fragments_are_errors() {
        let mut a = assembler(10_000, 10);
        assert_eq!(next(&mut a, 1, 1, b""), Err(FrameError::NoSequence(1)));
        assert_eq!(first(&mut a, 1, 0, b""), Err(FrameError::Order { sequence: 1, due: 1, came: 0 }));
        assert_eq!(first(&mut a, 1, 3, b""), Ok(None));
        assert_eq!(first(&mut a, 1, 3, b""), Err(FrameError::Duplicate(1)));
        assert_eq!(next(&mut a, 1, 3, b""), Err(FrameError::Order { sequence: 1, due: 2, came: 3 }));
        assert_eq!(next(&mut a, 1, 1, b""), Err(FrameError::Order { sequence: 1, due: 2, came: 1 }));
        assert_eq!(next(&mut a, 1, 0, b""), Err(FrameError::Order { sequence: 1, due: 2, came: 0 }));
    }

    #[test]
    fn memory_and_sequences_are_bounded() {
        let mut a = assembler(1000, 2);
        assert_eq!(first(&mut a, 1, u64::MAX, &[0; 100]), Ok(None));
        assert_eq!(first(&mut a, 2, 2, &[0; 100]), Ok(None));
        assert_eq!(first(&mut a, 3, 2, b""), Err(FrameError::TooManySequences(2)));
        assert_eq!(first(&mut a, 4, 1, b"whole"), Ok(Some(Bytes::from_static(b"whole"))));
        assert_eq!(next(&mut a, 1, u64::MAX - 1, &[0; 400]), Ok(None));
        assert_eq!(next(&mut a, 1, u64::MAX - 2, &[0; 400]), Err(FrameError::TooMuchAssembly(1000)));
    }
}
