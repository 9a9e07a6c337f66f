//! The second pass: the term itself.
//! Imports: read, scan, atoms, inflate, term.

use super::error::{DecodeError, DecodeErrorKind as Kind};
use super::read::{Reader, Result, Window};
use super::{FLOAT_TEXT, atoms, inflate, scan, tag};
use crate::term::build::{BuildError, Builder, IN_BLOCK, INLINE_BIN, Part};
use crate::term::{Atom, NodeId, Pid, Port, Ref, Term};
use bytes::Bytes;

/// What a distribution header says of its atoms.
pub trait AtomReferences {
    /// The atom of a reference, if the header has it.
    fn atom(&self, reference: u8) -> Option<Atom>;
}

/// How to decode.
#[derive(Clone, Copy)]
pub struct Decoder<'a> {
    home: Option<NodeId>,
    max_inflated: usize,
    references: Option<&'a dyn AtomReferences>,
}

/// The most bytes that a compressed term may inflate to unless a decoder says otherwise.
const MAX_INFLATED: usize = 256 << 20;

impl Default for Decoder<'_> {
    fn default() -> Self {
        Self { home: None, max_inflated: MAX_INFLATED, references: None }
    }
}

/// A term from its external format, with the default [`Decoder`]; bytes behind it are ignored, as by `binary_to_term`.
///
/// # Errors
/// [`DecodeError`] says what is wrong and where.
pub fn decode(bytes: &[u8]) -> std::result::Result<Term, DecodeError> {
    Decoder::default().decode(bytes).map(|(t, _)| t)
}

/// As [`decode`], but binaries of more than 64 bytes share the given bytes instead of being copied.
///
/// # Errors
/// [`DecodeError`] says what is wrong and where.
pub fn decode_shared(bytes: &Bytes) -> std::result::Result<Term, DecodeError> {
    Decoder::default().decode_shared(bytes).map(|(t, _)| t)
}

impl<'a> Decoder<'a> {
    /// The default: no home node, no atom cache, at most 256 MiB after inflation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pids, ports and references of this node's name and creation become its own. Needed for nodes without a name,
    /// which nothing else tells apart.
    #[must_use]
    pub fn home(self, node: NodeId) -> Self {
        Self { home: Some(node), ..self }
    }

    /// The most bytes a compressed term may inflate to.
    #[must_use]
    pub fn max_inflated(self, bytes: usize) -> Self {
        Self { max_inflated: bytes, ..self }
    }

    /// What a distribution header says of its atoms.
    #[must_use]
    pub fn references(self, references: &'a dyn AtomReferences) -> Self {
        Self { references: Some(references), ..self }
    }

    /// A term with its version byte, and how many bytes it took.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong and where.
    pub fn decode(&self, bytes: &[u8]) -> std::result::Result<(Term, usize), DecodeError> {
        self.versioned(bytes, None)
    }

    /// As `decode`, but binaries of more than 64 bytes share the given bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong and where.
    pub fn decode_shared(&self, bytes: &Bytes) -> std::result::Result<(Term, usize), DecodeError> {
        self.versioned(bytes, Some(bytes))
    }

    /// A term without a version byte, from offset `at` on, and where it ends; binaries of more than 64 bytes share the
    /// given bytes. This is how terms lie in distribution messages.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong and where.
    pub fn decode_bare(&self, bytes: &Bytes, at: usize) -> std::result::Result<(Term, usize), DecodeError> {
        if at > bytes.len() {
            return Err(DecodeError { offset: bytes.len(), kind: Kind::Truncated });
        }
        self.bare(bytes, at, Some(bytes))
    }

    fn versioned(&self, bytes: &[u8], shared: Option<&Bytes>) -> Result<(Term, usize)> {
        match bytes {
            [tag::VERSION, tag::COMPRESSED, s0, s1, s2, s3, packed @ ..] => {
                let size = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
                let (plain, used) = inflate::inflate(packed, size, self.max_inflated, 6)?;
                let plain = Bytes::from(plain);
                let (term, _) = self.bare(&plain, 0, Some(&plain))?;
                Ok((term, 6 + used))
            }
            [tag::VERSION, ..] => self.bare(bytes, 1, shared),
            [other, ..] => Err(DecodeError { offset: 0, kind: Kind::Version(*other) }),
            [] => Err(DecodeError { offset: 0, kind: Kind::Truncated }),
        }
    }

    fn bare(&self, bytes: &[u8], at: usize, shared: Option<&Bytes>) -> Result<(Term, usize)> {
        let extent = scan::scan(Reader::new(bytes, at))?;
        let too_large = DecodeError { offset: at, kind: Kind::TooLarge };
        let builder = Builder::new(extent.words).map_err(|_| too_large)?;
        atoms::with(|known| {
            let r = Reader::new(bytes, at);
            let mut filler = Filler { r, builder, known, decoder: self, shared, last_node: None };
            filler.run()?;
            let term = filler.builder.finish().map_err(|_| too_large)?;
            Ok((term, extent.end))
        })
    }
}

struct Filler<'a, 'd, 'k> {
    r: Reader<'a>,
    builder: Builder,
    known: &'k atoms::Known,
    decoder: &'d Decoder<'d>,
    shared: Option<&'a Bytes>,
    /// Most messages speak of one node.
    last_node: Option<(Atom, u32, NodeId)>,
}

impl<'a> Filler<'a, '_, '_> {
    /// All terms up to the end of the first.
    fn run(&mut self) -> Result<()> {
        while !self.builder.is_complete() {
            let start = self.r.at();
            // Copies that can stay in registers.
            let (mut r, known) = (self.r, self.known);
            let filled = self.builder.put_while(|| part(&mut r, known));
            self.r = r;
            filled.map_err(|e| built(e, start))?;
            if !self.builder.is_complete() {
                self.term()?;
            }
        }
        Ok(())
    }

    /// One term of any kind, or the head of a compound one.
    fn term(&mut self) -> Result<()> {
        let start = self.r.at();
        let tag = self.r.u8()?;
        let done = match tag {
            tag::SMALL_TUPLE => {
                let n = self.r.u8()?;
                self.builder.open_tuple(usize::from(n))
            }
            tag::LIST => {
                let n = self.r.len32()?;
                self.builder.open_list(n)
            }
            tag::MAP => {
                let n = self.r.len32()?;
                self.builder.open_map(n)
            }
            tag::NIL => self.builder.put(Term::nil()),
            tag::SMALL_INTEGER => {
                let n = self.r.u8()?;
                self.builder.put(Term::int(i64::from(n)))
            }
            tag::INTEGER => {
                let n = self.r.u32()? as i32;
                self.builder.put(Term::int(i64::from(n)))
            }
            tag::NEW_FLOAT => {
                let f = f64::from_bits(self.r.u64()?);
                return self.float(start, f);
            }
            tag::BINARY => {
                let n = self.r.len32()?;
                let bytes = self.r.take(n)?;
                match self.shared {
                    Some(all) if n > IN_BLOCK => self.builder.put_shared(all.slice_ref(bytes)),
                    _ => self.builder.put_binary(bytes),
                }
            }
            tag::LARGE_TUPLE => {
                let n = self.r.len32()?;
                self.builder.open_tuple(n)
            }
            tag::STRING => {
                let n = self.r.u16()?;
                let bytes = self.r.take(usize::from(n))?;
                self.builder.put_string(bytes)
            }
            tag::ATOM | tag::SMALL_ATOM_UTF8 | tag::SMALL_ATOM | tag::ATOM_UTF8 | tag::ATOM_CACHE_REF => {
                let atom = self.atom_of(tag, start)?;
                self.builder.put(Term::from(atom))
            }
            tag::FLOAT => {
                let text = self.r.take(FLOAT_TEXT)?;
                let Some(f) = float_text(text) else { return self.r.fail(start, Kind::Float) };
                return self.float(start, f);
            }
            tag::BIT_BINARY => {
                let n = self.r.len32()?;
                let last = self.r.u8()?;
                let bytes = self.r.take(n)?;
                self.builder.put_bits(bytes, (n * 8).saturating_sub(8) + usize::from(last))
            }
            tag::SMALL_BIG | tag::LARGE_BIG => {
                let n = if tag == tag::SMALL_BIG { usize::from(self.r.u8()?) } else { self.r.len32()? };
                let negative = self.r.u8()? != 0;
                let bytes = self.r.take(n)?;
                self.builder.put_integer(negative, bytes)
            }
            tag::PID | tag::NEW_PID => {
                let pid = self.pid(tag, start)?;
                self.builder.put(Term::from(pid))
            }
            tag::PORT | tag::NEW_PORT | tag::V4_PORT => {
                let name = self.atom()?;
                let id = if tag == tag::V4_PORT { self.r.u64()? } else { u64::from(self.r.u32()?) };
                let node = self.node(name, tag == tag::PORT, start)?;
                self.builder.put(Term::from(Port { node, id }))
            }
            tag::REFERENCE => {
                let name = self.atom()?;
                let words = [self.r.u32()?];
                let node = self.node(name, true, start)?;
                return self.reference(tag, node, &words, start);
            }
            tag::NEW_REFERENCE | tag::NEWER_REFERENCE => {
                let n = usize::from(self.r.u16()?);
                let name = self.atom()?;
                let node = self.node(name, tag == tag::NEW_REFERENCE, start)?;
                let mut words = [0; 5];
                for word in words.iter_mut().take(n) {
                    *word = self.r.u32()?;
                }
                return self.reference(tag, node, words.get(..n).unwrap_or(&[]), start);
            }
            tag::EXPORT => {
                let (module, function) = (self.atom()?, self.atom()?);
                let at = self.r.at();
                let arity = self.integer()?;
                let Ok(arity) = u8::try_from(arity) else { return self.r.fail(at, Kind::Arity(arity)) };
                self.builder.put(Term::export_fun(module, function, arity))
            }
            tag::NEW_FUN => return self.local_fun(start),
            other => return self.r.fail(start, Kind::Tag(other)),
        };
        done.map_err(|e| built(e, start))
    }

    fn float(&mut self, start: usize, f: f64) -> Result<()> {
        match Term::float(f) {
            Some(t) => self.builder.put(t).map_err(|e| built(e, start)),
            None => self.r.fail(start, Kind::Float),
        }
    }

    fn atom_of(&mut self, tag: u8, start: usize) -> Result<Atom> {
        let references = self.decoder.references;
        atoms::read(&mut self.r, self.known, tag, start, |n| references?.atom(n))
    }

    fn atom(&mut self) -> Result<Atom> {
        let start = self.r.at();
        let tag = self.r.u8()?;
        self.atom_of(tag, start)
    }

    /// A node from its name and the creation that comes next.
    fn node(&mut self, name: Atom, old: bool, start: usize) -> Result<NodeId> {
        let creation = if old { u32::from(self.r.u8()?) } else { self.r.u32()? };
        if old && creation > 3 {
            return self.r.fail(start, Kind::Creation(creation as u8));
        }
        if let Some((n, c, id)) = self.last_node
            && (n, c) == (name, creation)
        {
            return Ok(id);
        }
        let id = match self.decoder.home {
            Some(home) if home.load() == (name, creation) => home,
            _ => match NodeId::intern(name, creation) {
                Ok(id) => id,
                Err(_) => return self.r.fail(start, Kind::NodeTableFull),
            },
        };
        self.last_node = Some((name, creation, id));
        Ok(id)
    }

    fn pid(&mut self, tag: u8, start: usize) -> Result<Pid> {
        let name = self.atom()?;
        let (number, serial) = (self.r.u32()?, self.r.u32()?);
        let node = self.node(name, tag == tag::PID, start)?;
        Ok(Pid { node, number, serial })
    }

    fn reference(&mut self, tag: u8, node: NodeId, words: &[u32], start: usize) -> Result<()> {
        if let Some(&first) = words.first()
            && tag != tag::NEWER_REFERENCE
            && first >= 1 << 18
        {
            return self.r.fail(start, Kind::ReferenceWord(first));
        }
        match Ref::from_words(node, words) {
            Some(r) => self.builder.put_ref(r).map_err(|e| built(e, start)),
            None => self.r.fail(start, Kind::ReferenceLength(words.len() as u16)),
        }
    }

    /// An integer where only an integer may stand.
    fn integer(&mut self) -> Result<i64> {
        let start = self.r.at();
        match self.r.u8()? {
            tag::SMALL_INTEGER => self.r.u8().map(i64::from),
            tag::INTEGER => self.r.u32().map(|n| i64::from(n as i32)),
            tag::SMALL_BIG => {
                let n = self.r.u8()?;
                let negative = self.r.u8()? != 0;
                let bytes = self.r.take(usize::from(n))?;
                let size = bytes.iter().rev().try_fold(0i64, |v, &b| v.checked_mul(256)?.checked_add(b.into()));
                match size {
                    Some(size) => Ok(if negative { -size } else { size }),
                    None => self.r.fail(start, Kind::Misplaced(tag::SMALL_BIG)),
                }
            }
            other => self.r.fail(start, Kind::Misplaced(other)),
        }
    }

    fn local_fun(&mut self, start: usize) -> Result<()> {
        self.r.skip(4)?;
        let arity = self.r.u8()?;
        let uniq = self.r.array16()?;
        let index = self.r.u32()?;
        let free = self.r.len32()?;
        let module = self.atom()?;
        // OTP keeps both as 32 bits with sign.
        let old_index = self.integer()? as i32;
        let old_uniq = self.integer()? as i32;
        let at = self.r.at();
        let tag = self.r.u8()?;
        let pid = self.pid(tag, at)?;
        self.builder
            .open_local_fun(module, arity, (uniq, index), free)
            .and_then(|()| self.builder.put(Term::from(old_index)))
            .and_then(|()| self.builder.put(Term::from(old_uniq)))
            .and_then(|()| self.builder.put(Term::from(pid)))
            .map_err(|e| built(e, start))
    }
}

/// The next term if it is one of the frequent ones without a node, short, and not near the end of the bytes; or a tuple's
/// head.
#[inline(always)]
fn part(r: &mut Reader<'_>, known: &atoms::Known) -> Part {
    let Some(w): Option<Window<'_, 24>> = r.full_window() else { return Part::Stop };
    let (size, t) = match w.u8(0) {
        tag::SMALL_INTEGER => (2, Term::int(i64::from(w.u8(1)))),
        tag::INTEGER => (5, Term::int(i64::from(w.u32(1) as i32))),
        tag::NIL => (1, Term::nil()),
        tag::NEW_FLOAT => match Term::float(f64::from_bits(w.u64(1))) {
            Some(t) => (9, t),
            None => return Part::Stop,
        },
        tag::BINARY => {
            let n = w.u32(1) as usize;
            if n > INLINE_BIN {
                return Part::Stop;
            }
            (5 + n, Term::short_binary(w.number(5, n), n))
        }
        tag::ATOM => {
            let n = usize::from(w.u16(1));
            if n > atoms::SHORT {
                return Part::Stop;
            }
            let number = w.number(3, n);
            if number & atoms::HIGH_BITS != 0 {
                return Part::Stop;
            }
            let Some(atom) = known.find(number, n) else { return Part::Stop };
            (3 + n, Term::from(atom))
        }
        tag::SMALL_ATOM_UTF8 => {
            let n = usize::from(w.u8(1));
            if n > atoms::SHORT {
                return Part::Stop;
            }
            let Some(atom) = known.find(w.number(2, n), n) else { return Part::Stop };
            (2 + n, Term::from(atom))
        }
        tag::SMALL_TUPLE => {
            let n = w.u8(1);
            // There are 24 bytes, so this does not fail.
            return if r.advance(2).is_ok() { Part::Tuple(n) } else { Part::Stop };
        }
        _ => return Part::Stop,
    };
    if r.advance(size).is_ok() { Part::Simple(t) } else { Part::Stop }
}

#[cold]
fn built(e: BuildError, offset: usize) -> DecodeError {
    let kind = match e {
        BuildError::DuplicateKey => Kind::DuplicateKey,
        _ => Kind::TooLarge,
    };
    DecodeError { offset, kind }
}

/// The old text form: `%.20e`, padded with zero bytes. Some locales wrote a comma for the point.
fn float_text(text: &[u8]) -> Option<f64> {
    let text = text.split(|&b| b == 0).next()?;
    let text: Vec<u8> = text.iter().map(|&b| if b == b',' { b'.' } else { b }).collect();
    let text = text.as_slice();
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let unsigned = |b: &[u8]| !b.is_empty() && b.iter().all(u8::is_ascii_digit);
    let strip = |b: &'_ [u8]| matches!(b.first(), Some(b'+' | b'-'));
    let digits = if strip(mantissa) { &mantissa[1..] } else { mantissa };
    let point = digits.iter().position(|&b| b == b'.')?;
    let exponent_fits = exponent.is_none_or(|e| unsigned(if strip(e) { &e[1..] } else { e }));
    if !unsigned(&digits[..point]) || !unsigned(&digits[point + 1..]) || !exponent_fits {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
