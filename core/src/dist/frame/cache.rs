//! The atom cache of a connection, one for each direction, and the headers that speak of it.
//! Imports: term, frame.
//!
//! A header, after the bytes `131, 68`:
//!  - `Refs:8`; 0: nothing follows
//!  - `Refs / 2 + 1` bytes of nibbles, the low one first. A reference's nibble: 8 = new entry, 7 = segment. The nibble
//!    after the last reference's: 1 = atoms have lengths of two bytes
//!  - per reference the index in its segment, and if new `Length, Text`
//!
//! 2048 entries: eight segments of 256. Terms refer to the header's references by `82, Number`.

use super::FrameError;
use crate::term::{Atom, AtomError};

const ENTRIES: usize = 2048;
const NEW: u8 = 8;
/// At most so many references in one header.
pub const MAX_REFS: usize = 255;

/// The atoms of one message, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtomTable(Vec<Atom>);

impl AtomTable {
    /// The atoms in order.
    pub fn as_slice(&self) -> &[Atom] {
        &self.0
    }
}

/// The receiving side. Its entries are set aside when the first one comes: many connections never use it.
#[derive(Debug, Default)]
pub struct CacheIn {
    entries: Vec<Option<Atom>>,
}

impl CacheIn {
    /// Reads a header, beginning with the count of references. Gives the message's atoms and the header's length.
    ///
    /// # Errors
    /// Headers that end early, refer to nothing, or hold what is not an atom.
    pub fn header(&mut self, bytes: &[u8]) -> Result<(AtomTable, usize), FrameError> {
        let (refs, rest) = bytes.split_first().ok_or(FrameError::Short)?;
        let refs = usize::from(*refs);
        if refs == 0 {
            return Ok((AtomTable::default(), 1));
        }
        let (flags, mut rest) = rest.split_at_checked(refs / 2 + 1).ok_or(FrameError::Short)?;
        let nibble = |i: usize| flags[i / 2] >> (4 * (i % 2)) & 0xf;
        let long = nibble(refs) & 1 == 1;
        let mut atoms = Vec::with_capacity(refs);
        for i in 0..refs {
            let (index, after) = rest.split_first().ok_or(FrameError::Short)?;
            rest = after;
            let slot = usize::from(nibble(i) & 7) << 8 | usize::from(*index);
            if nibble(i) & NEW == 0 {
                let known = self.entries.get(slot).copied().flatten();
                // A slot is below 2048.
                atoms.push(known.ok_or(FrameError::NoEntry(slot as u16))?);
                continue;
            }
            let length = if long {
                let (n, after) = rest.split_first_chunk::<2>().ok_or(FrameError::Short)?;
                rest = after;
                usize::from(u16::from_be_bytes(*n))
            } else {
                let (n, after) = rest.split_first().ok_or(FrameError::Short)?;
                rest = after;
                usize::from(*n)
            };
            let (text, after) = rest.split_at_checked(length).ok_or(FrameError::Short)?;
            rest = after;
            let text = std::str::from_utf8(text).map_err(|_| FrameError::Atom)?;
            let atom = Atom::new(text).map_err(|e| match e {
                AtomError::TableFull => FrameError::AtomTableFull,
                _ => FrameError::Atom,
            })?;
            if self.entries.is_empty() {
                self.entries = vec![None; ENTRIES];
            }
            self.entries[slot] = Some(atom);
            atoms.push(atom);
        }
        Ok((AtomTable(atoms), bytes.len() - rest.len()))
    }
}

/// The entry an atom has in the caches we write. Two atoms of one message must not share an entry; see
/// [`super::writer::Collector`].
pub(super) fn slot_of(atom: Atom) -> u16 {
    (atom.index() as usize % ENTRIES) as u16
}

/// The sending side.
#[derive(Debug, Default)]
pub struct CacheOut {
    entries: Vec<Option<Atom>>,
}

impl CacheOut {
    /// Writes the header for a message that refers to these atoms, and enters them into the cache: the frame must be
    /// the next that goes out. At most 255 atoms, no two with one entry.
    pub fn header(&mut self, atoms: &[Atom], out: &mut Vec<u8>) {
        let atoms = &atoms[..atoms.len().min(MAX_REFS)];
        out.push(atoms.len() as u8);
        if atoms.is_empty() {
            return;
        }
        if self.entries.is_empty() {
            self.entries = vec![None; ENTRIES];
        }
        let flags_at = out.len();
        out.resize(flags_at + atoms.len() / 2 + 1, 0);
        let is_new = |entries: &[Option<Atom>], a: Atom| entries[usize::from(slot_of(a))] != Some(a);
        let long = atoms.iter().any(|a| a.as_str().len() > 255 && is_new(&self.entries, *a));
        let set = |out: &mut Vec<u8>, i: usize, nibble: u8| out[flags_at + i / 2] |= nibble << (4 * (i % 2));
        set(out, atoms.len(), u8::from(long));
        for (i, atom) in atoms.iter().enumerate() {
            let slot = slot_of(*atom);
            let new = is_new(&self.entries, *atom);
            set(out, i, (slot >> 8) as u8 | if new { NEW } else { 0 });
            out.push(slot as u8);
            if new {
                self.entries[usize::from(slot)] = Some(*atom);
                let text = atom.as_str().as_bytes();
                if long {
                    // An atom has at most 1020 bytes.
                    out.extend((text.len() as u16).to_be_bytes());
                } else {
                    out.push(text.len() as u8);
                }
                out.extend(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(text: &str) -> Atom {
        Atom::new(text).expect("an atom")
    }

    /// The header of `Me ! {small,atom1,atom2}` as OTP 25.2.3 sent it the first and the second time.
    const FIRST: &[u8] =
        b"\x05\xcf\xba\x0b\x22\x0cbb@localhost\x69\x0cg2@localhost\xca\x05small\x28\x05atom1\x29\x05atom2";
    const SECOND: &[u8] = &[5, 71, 50, 3, 34, 105, 202, 40, 41];

    #[test]
    fn headers_of_a_real_node_are_read() {
        let mut cache = CacheIn::default();
        let (first, n) = cache.header(&[FIRST, b"h\x03"].concat()).expect("good");
        assert_eq!(n, FIRST.len());
        let names: Vec<&str> = first.as_slice().iter().map(|a| a.as_str()).collect();
        assert_eq!(names, ["bb@localhost", "g2@localhost", "small", "atom1", "atom2"]);
        assert_eq!(cache.header(SECOND), Ok((first, SECOND.len())));
    }

    #[test]
    fn every_cut_of_a_header_is_an_error() {
        for cut in 0..FIRST.len() {
            assert_eq!(CacheIn::default().header(&FIRST[..cut]), Err(FrameError::Short), "{cut}");
        }
    }

    #[test]
    fn references_to_empty_entries_are_errors() {
        // Entry 0x722 first: nibbles 7 and 4, low first.
        assert_eq!(CacheIn::default().header(SECOND), Err(FrameError::NoEntry(0x722)));
    }

    #[test]
    fn atoms_that_are_none_are_errors() {
        assert_eq!(CacheIn::default().header(b"\x01\x08\0\x01\xff"), Err(FrameError::Atom));
        let long = [&b"\x01\x18\0\x01\x00"[..], &[b'x'; 256]].concat();
        assert_eq!(CacheIn::default().header(&long), Err(FrameError::Atom));
        let long = [&b"\x01\x18\0\x00\xff"[..], &[b'x'; 255]].concat();
        let (table, n) = CacheIn::default().header(&long).expect("good");
        assert_eq!((table.as_slice()[0].as_str().len(), n), (255, long.len()));
    }

    #[test]
    fn what_we_write_reads_back_and_grows_shorter() {
        let (mut out, mut cache) = (CacheOut::default(), CacheIn::default());
        // Five atoms with entries of their own, whatever other tests have made.
        let mut five = vec![atom(&"å".repeat(200)), atom("")];
        for i in 0.. {
            let a = atom(&format!("own_entry_{i:03}"));
            if five.len() == 5 {
                break;
            }
            if five.iter().all(|f| slot_of(*f) != slot_of(a)) {
                five.push(a);
            }
        }
        let mut lengths = Vec::new();
        for count in [5, 5, 4, 1, 0] {
            let atoms = &five[..count];
            let mut bytes = Vec::new();
            out.header(atoms, &mut bytes);
            let (table, n) = cache.header(&bytes).expect("good");
            assert_eq!((table.as_slice(), n), (atoms, bytes.len()));
            lengths.push(n);
        }
        // Count, flags, then index, length and text of each; later the index alone.
        let texts = 400 + 3 * "own_entry_000".len();
        assert_eq!(lengths, [1 + 3 + 5 * 3 + texts, 1 + 3 + 5, 1 + 3 + 4, 1 + 1 + 1, 1]);
    }

    #[test]
    fn an_entry_is_taken_over_by_another_atom() {
        // Atoms have successive indices, so that among 2049 two share an entry.
        let atoms: Vec<Atom> = (0..2049).map(|i| atom(&format!("cache_entry_{i}"))).collect();
        let (mut out, mut cache) = (CacheOut::default(), CacheIn::default());
        for _ in 0..3 {
            for a in &atoms {
                let mut bytes = Vec::new();
                out.header(&[*a], &mut bytes);
                assert_eq!(cache.header(&bytes).expect("good").0.as_slice(), [*a]);
            }
        }
    }

    #[test]
    fn a_header_holds_255_references() {
        let atoms: Vec<Atom> = (0..255).map(|i| atom(&format!("many_refs_{i}"))).collect();
        let slots: std::collections::HashSet<u16> = atoms.iter().map(|a| slot_of(*a)).collect();
        assert!(slots.len() > 200, "successive atoms have different entries");
        let mut distinct: Vec<Atom> = Vec::new();
        for a in atoms {
            if distinct.iter().all(|d| slot_of(*d) != slot_of(a)) {
                distinct.push(a);
            }
        }
        let mut bytes = Vec::new();
        CacheOut::default().header(&distinct, &mut bytes);
        assert_eq!(CacheIn::default().header(&bytes).expect("good").0.as_slice(), distinct);
    }
}
