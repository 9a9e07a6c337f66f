//! Terms to bytes.
//! Imports: error, term.
//!
//! No recursion: what waits until something nested is written lies on an explicit stack.

use super::error::EncodeError;
use super::{MAX_STRING, tag};
use crate::term::{Atom, FunView, ListView, LocalFunView, NodeId, Pid, Port, Ref, Term, View};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

/// How atoms are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtomText {
    /// In Latin-1 where that is possible: `term_to_binary/1` up to OTP 25.
    #[default]
    Latin1,
    /// Always in UTF-8: `{minor_version, 2}`, the default from OTP 26 on.
    Utf8,
}

/// How to encode; the default is `term_to_binary/1` of OTP 25.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodeOptions {
    /// How atoms are written.
    pub atoms: AtomText,
    /// Compress with this level, 0 to 9, where it makes the result smaller. Source: `term_to_binary(T, [compressed])`.
    pub compressed: Option<u8>,
}

/// The sending side of a distribution connection's atom cache.
pub trait AtomUses {
    /// The reference by which the message's header will name this atom; `None` writes the atom in full.
    fn reference(&mut self, atom: Atom) -> Option<u8>;
}

/// The term in external format, version byte first.
///
/// # Errors
/// [`EncodeError`]: a native value, or a part too long for the format.
pub fn encode(t: &Term, options: &EncodeOptions) -> Result<Vec<u8>, EncodeError> {
    // Two thirds of the block are a common size, and not far off is good enough.
    let mut out = Vec::with_capacity((t.block_bytes() / 2).clamp(32, 1 << 20));
    encode_into(t, options, &mut out)?;
    Ok(out)
}

/// As [`encode`], appended to `out`, which is as before after an error.
///
/// # Errors
/// [`EncodeError`]: a native value, or a part too long for the format.
pub fn encode_into(t: &Term, options: &EncodeOptions, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.push(tag::VERSION);
    encode_bare(t, options.atoms, None, out).inspect_err(|_| out.truncate(start))?;
    if let Some(level) = options.compressed {
        compress(out, start + 1, level)?;
    }
    Ok(())
}

/// Appends a term without version byte, as terms lie in distribution messages.
///
/// # Errors
/// [`EncodeError`]; `out` then ends in a part of the term.
pub fn encode_bare(
    t: &Term,
    atoms: AtomText,
    uses: Option<&mut dyn AtomUses>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    Writer { out, atoms, uses }.run(t)
}

/// Replaces what follows `start` by its compressed form, if that is smaller.
fn compress(out: &mut Vec<u8>, start: usize, level: u8) -> Result<(), EncodeError> {
    let plain = &out[start..];
    let Ok(size) = u32::try_from(plain.len()) else { return Ok(()) };
    let mut zlib = ZlibEncoder::new(Vec::with_capacity(plain.len() / 2), Compression::new(u32::from(level.min(9))));
    // Writing to a vector does not fail.
    let packed = zlib.write_all(plain).and_then(|()| zlib.finish()).map_err(|_| EncodeError::TooLarge)?;
    if packed.len() + 5 < plain.len() {
        out.truncate(start);
        out.push(tag::COMPRESSED);
        out.extend(size.to_be_bytes());
        out.extend(packed);
    }
    Ok(())
}

struct Writer<'o, 'u> {
    out: &'o mut Vec<u8>,
    atoms: AtomText,
    uses: Option<&'u mut dyn AtomUses>,
}

/// Terms that are still to be written.
enum Rows<'a> {
    Even(&'a [Term]),
    /// Elements of a list and what follows them.
    List(&'a [Term], &'a Term),
    /// Keys and values; the flag says that the first key is written and its value comes next.
    Pairs(&'a [Term], &'a [Term], bool),
    /// A local fun that began at this offset is complete but for its size.
    FunSize(usize),
}

impl<'a> Rows<'a> {
    #[inline]
    fn next(&mut self) -> Option<&'a Term> {
        match self {
            Self::Even(row) | Self::List(row @ [_, ..], _) => {
                let (first, more) = row.split_first()?;
                *row = more;
                Some(first)
            }
            Self::List(_, tail) => {
                let after = *tail;
                match after.view() {
                    View::List(piece) => {
                        let (chunk, tail) = piece.chunk();
                        *self = Self::List(chunk, tail);
                        self.next_of_piece()
                    }
                    _ => {
                        *self = Self::Even(&[]);
                        Some(after)
                    }
                }
            }
            Self::Pairs(keys, values, false) => {
                let (first, more) = keys.split_first()?;
                *self = Self::Pairs(more, values, true);
                Some(first)
            }
            Self::Pairs(keys, values, true) => {
                let (first, more) = values.split_first()?;
                *self = Self::Pairs(keys, more, false);
                Some(first)
            }
            Self::FunSize(_) => None,
        }
    }

    fn next_of_piece(&mut self) -> Option<&'a Term> {
        let Self::List(chunk, _) = self else { return None };
        let (first, more) = chunk.split_first()?;
        *chunk = more;
        Some(first)
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Even(row) => row.is_empty(),
            Self::Pairs(keys, _, value_next) => keys.is_empty() && !value_next,
            Self::List(..) | Self::FunSize(_) => false,
        }
    }
}

/// What writing one term leaves to do.
enum Left<'a> {
    Nothing,
    Rows(Rows<'a>),
    /// Free variables, then the fun's size at this offset.
    Fun(&'a [Term], usize),
}

impl Writer<'_, '_> {
    fn run(&mut self, t: &Term) -> Result<(), EncodeError> {
        let mut stack: Vec<Rows<'_>> = Vec::new();
        let mut now = Rows::Even(std::slice::from_ref(t));
        loop {
            // Writes until something nested turns up or these rows are done.
            let left = loop {
                match now.next() {
                    None => break Left::Nothing,
                    Some(t) => match self.one(t)? {
                        Left::Nothing => {}
                        left => break left,
                    },
                }
            };
            let inner = match left {
                Left::Nothing => {
                    let Some(waiting) = stack.pop() else { return Ok(()) };
                    now = waiting;
                    if let Rows::FunSize(start) = now {
                        self.patch_size(start)?;
                    }
                    continue;
                }
                Left::Rows(inner) => {
                    if !now.is_empty() {
                        stack.push(now);
                    }
                    inner
                }
                Left::Fun(free, start) => {
                    stack.extend([now, Rows::FunSize(start)]);
                    Rows::Even(free)
                }
            };
            now = inner;
        }
    }

    /// Writes a term, or the head of a compound one.
    #[inline]
    fn one<'a>(&mut self, t: &'a Term) -> Result<Left<'a>, EncodeError> {
        match t.view() {
            View::Int(n) => self.int(n),
            View::Atom(a) => self.atom(a),
            View::Binary(b) => self.sized(tag::BINARY, b)?,
            View::Float(f) => {
                let mut both = [tag::NEW_FLOAT; 9];
                both[1..].copy_from_slice(&f.to_bits().to_be_bytes());
                self.out.extend_from_slice(&both);
            }
            View::Nil => self.out.push(tag::NIL),
            View::Tuple(e) => {
                match u8::try_from(e.len()) {
                    Ok(n) => self.out.extend_from_slice(&[tag::SMALL_TUPLE, n]),
                    Err(_) => self.head(tag::LARGE_TUPLE, e.len())?,
                }
                return Ok(Left::Rows(Rows::Even(e)));
            }
            View::List(l) => return self.list(l),
            View::Map(m) => {
                self.head(tag::MAP, m.len())?;
                return Ok(Left::Rows(Rows::Pairs(m.keys(), m.values(), false)));
            }
            other => return self.rare(other),
        }
        Ok(Left::Nothing)
    }

    #[inline(never)]
    fn rare<'a>(&mut self, view: View<'a>) -> Result<Left<'a>, EncodeError> {
        match view {
            View::Big(n) => {
                let len = n.byte_len();
                match u8::try_from(len) {
                    Ok(short) => self.out.extend_from_slice(&[tag::SMALL_BIG, short]),
                    Err(_) => self.head(tag::LARGE_BIG, len)?,
                }
                self.out.push(u8::from(n.is_negative()));
                self.out.extend(n.bytes_le());
            }
            View::Bits(b) => {
                self.head(tag::BIT_BINARY, b.bytes().len())?;
                self.out.push(b.last_bits());
                self.out.extend_from_slice(b.bytes());
            }
            View::Pid(p) => self.pid(p),
            View::Port(p) => self.port(p),
            View::Ref(r) => self.reference(r),
            View::Fun(FunView::External { module, function, arity }) => {
                self.out.push(tag::EXPORT);
                self.atom(module);
                self.atom(function);
                self.out.extend_from_slice(&[tag::SMALL_INTEGER, arity]);
            }
            View::Fun(FunView::Local(f)) => return self.local_fun(f),
            View::Resource(r) => return Err(EncodeError::Resource(r.type_name())),
            // The others are written by `one`.
            _ => {}
        }
        Ok(Left::Nothing)
    }

    /// A tag and a length of 32 bits.
    #[inline]
    fn head(&mut self, tag: u8, len: usize) -> Result<(), EncodeError> {
        let [a, b, c, d] = u32::try_from(len).map_err(|_| EncodeError::TooLarge)?.to_be_bytes();
        self.out.extend_from_slice(&[tag, a, b, c, d]);
        Ok(())
    }

    #[inline]
    fn sized(&mut self, tag: u8, bytes: &[u8]) -> Result<(), EncodeError> {
        self.head(tag, bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn int(&mut self, n: i64) {
        if let Ok(n) = u8::try_from(n) {
            self.out.extend_from_slice(&[tag::SMALL_INTEGER, n]);
        } else if let Ok(n) = i32::try_from(n) {
            let [a, b, c, d] = n.to_be_bytes();
            self.out.extend_from_slice(&[tag::INTEGER, a, b, c, d]);
        } else {
            let size = n.unsigned_abs();
            let len = 8 - size.leading_zeros() as usize / 8;
            self.out.extend_from_slice(&[tag::SMALL_BIG, len as u8, u8::from(n < 0)]);
            self.out.extend_from_slice(&size.to_le_bytes()[..len]);
        }
    }

    #[inline]
    fn atom(&mut self, a: Atom) {
        if let Some(uses) = &mut self.uses
            && let Some(reference) = uses.reference(a)
        {
            self.out.extend_from_slice(&[tag::ATOM_CACHE_REF, reference]);
            return;
        }
        let text = a.as_str();
        // Texts have at most 255 characters, so at most 1020 bytes.
        let [high, low] = (text.len() as u16).to_be_bytes();
        if self.atoms == AtomText::Latin1 {
            if text.is_ascii() {
                self.out.extend_from_slice(&[tag::ATOM, high, low]);
                self.out.extend_from_slice(text.as_bytes());
                return;
            }
            if text.chars().all(|c| u32::from(c) < 256) {
                self.out.extend_from_slice(&[tag::ATOM, 0, text.chars().count() as u8]);
                self.out.extend(text.chars().map(|c| u32::from(c) as u8));
                return;
            }
        }
        if high == 0 {
            self.out.extend_from_slice(&[tag::SMALL_ATOM_UTF8, low]);
        } else {
            self.out.extend_from_slice(&[tag::ATOM_UTF8, high, low]);
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    fn list<'a>(&mut self, l: ListView<'a>) -> Result<Left<'a>, EncodeError> {
        if let Some(len) = string_len(l) {
            let [high, low] = len.to_be_bytes();
            self.out.extend_from_slice(&[tag::STRING, high, low]);
            self.out.extend(l.iter().map(|t| t.as_int().unwrap_or(0) as u8));
            return Ok(Left::Nothing);
        }
        self.head(tag::LIST, l.len())?;
        let (chunk, tail) = l.chunk();
        Ok(Left::Rows(Rows::List(chunk, tail)))
    }

    fn node_name(&mut self, node: NodeId) -> u32 {
        let (name, creation) = node.load();
        self.atom(name);
        creation
    }

    fn u32(&mut self, n: u32) {
        self.out.extend_from_slice(&n.to_be_bytes());
    }

    fn pid(&mut self, p: Pid) {
        self.out.push(tag::NEW_PID);
        let creation = self.node_name(p.node);
        [p.number, p.serial, creation].into_iter().for_each(|n| self.u32(n));
    }

    fn port(&mut self, p: Port) {
        /// Ports below this have the older form.
        const SMALL: u64 = 1 << 28;
        let small = p.id < SMALL;
        self.out.push(if small { tag::NEW_PORT } else { tag::V4_PORT });
        let creation = self.node_name(p.node);
        if !small {
            self.u32((p.id >> 32) as u32);
        }
        self.u32(p.id as u32);
        self.u32(creation);
    }

    fn reference(&mut self, r: Ref) {
        self.out.extend_from_slice(&[tag::NEWER_REFERENCE, 0, r.words().len() as u8]);
        let creation = self.node_name(r.node());
        self.u32(creation);
        r.words().iter().for_each(|w| self.u32(*w));
    }

    fn local_fun<'a>(&mut self, f: LocalFunView<'a>) -> Result<Left<'a>, EncodeError> {
        self.out.push(tag::NEW_FUN);
        let start = self.out.len();
        self.out.extend_from_slice(&[0, 0, 0, 0, f.arity]);
        self.out.extend_from_slice(&f.uniq);
        self.u32(f.index);
        self.u32(u32::try_from(f.free.len()).map_err(|_| EncodeError::TooLarge)?);
        self.atom(f.module);
        // Both are integers of 64 bits at most.
        self.int(f.old_index.as_int().unwrap_or(0));
        self.int(f.old_uniq.as_int().unwrap_or(0));
        self.pid(f.pid);
        Ok(Left::Fun(f.free, start))
    }

    /// Writes the size of a fun, itself included, at its beginning.
    fn patch_size(&mut self, start: usize) -> Result<(), EncodeError> {
        let size = u32::try_from(self.out.len() - start).map_err(|_| EncodeError::TooLarge)?;
        if let Some(place) = self.out.get_mut(start..start + 4) {
            place.copy_from_slice(&size.to_be_bytes());
        }
        Ok(())
    }
}

/// The length of a list that is sent as a string: proper, of bytes only, and not too long.
fn string_len(l: ListView<'_>) -> Option<u16> {
    let mut len = 0;
    let (mut chunk, mut tail) = l.chunk();
    loop {
        len += chunk.len();
        if len > MAX_STRING || !chunk.iter().all(|t| matches!(t.view(), View::Int(0..=255))) {
            return None;
        }
        match tail.view() {
            View::Nil => return u16::try_from(len).ok(),
            View::List(more) => (chunk, tail) = more.chunk(),
            _ => return None,
        }
    }
}
