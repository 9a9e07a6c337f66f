//! Terms to bytes.
//! Imports: error, term.
//!
//! No recursion: what waits until something nested is written lies on an explicit stack.

use super::error::EncodeError;
use super::sink::Sink;
use super::{MAX_STRING, tag, wire};
use crate::term::{Atom, BigView, FunView, Leaf, ListView, LocalFunView, NodeId, Pid, Port, Ref, Term, View};
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
    // Half of the block is a common size; if it is too little the vector grows.
    let mut out = Vec::with_capacity((t.block_bytes() / 2).clamp(128, 1 << 20));
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
    wire::with(|wires| {
        let mut writer =
            Writer { out: Sink::new(out), text: Text { atoms, wires, uses }, nested: Rows::Even(&[]), fun: None };
        let done = writer.run(t);
        writer.out.settle();
        done
    })
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

struct Writer<'a, 'o, 'w, 'u> {
    out: Sink<'o>,
    text: Text<'w, 'u>,
    /// What `Step::Nested` speaks of.
    nested: Rows<'a>,
    /// The offset of the local fun whose free variables `nested` is.
    fun: Option<usize>,
}

/// How atoms are written.
struct Text<'w, 'u> {
    atoms: AtomText,
    wires: &'w wire::Wires,
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

impl Rows<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Even(row) => row.is_empty(),
            Self::Pairs(keys, _, value_next) => keys.is_empty() && !value_next,
            Self::List(..) | Self::FunSize(_) => false,
        }
    }
}

/// Where a run of simple terms ended.
enum Stop<'a> {
    End,
    /// At this term.
    At(&'a Term),
    /// In a tuple, all but these elements of which are written.
    Within(&'a [Term]),
}

/// What writing came to.
enum Step {
    Done,
    /// Something nested comes before the rest.
    Nested,
}

type Written = Result<Step, EncodeError>;

impl<'a> Writer<'a, '_, '_, '_> {
    fn run(&mut self, t: &'a Term) -> Result<(), EncodeError> {
        let mut stack: Vec<Rows<'a>> = Vec::new();
        let mut now = Rows::Even(std::slice::from_ref(t));
        loop {
            match self.rows(&mut now)? {
                Step::Done => match stack.pop() {
                    Some(waiting) => now = waiting,
                    None => return Ok(()),
                },
                Step::Nested => {
                    if !now.is_empty() {
                        stack.push(now);
                    }
                    stack.extend(self.fun.take().map(Rows::FunSize));
                    now = std::mem::replace(&mut self.nested, Rows::Even(&[]));
                }
            }
        }
    }

    /// Writes terms of these rows until something nested turns up or there are no more.
    fn rows(&mut self, rows: &mut Rows<'a>) -> Written {
        loop {
            match rows {
                Rows::Even(row) => return self.row(row),
                Rows::List(chunk, tail) => {
                    if let Step::Nested = self.row(chunk)? {
                        return Ok(Step::Nested);
                    }
                    let after = *tail;
                    *rows = match after.view() {
                        View::List(piece) => {
                            let (chunk, tail) = piece.chunk();
                            Rows::List(chunk, tail)
                        }
                        _ => Rows::Even(std::slice::from_ref(after)),
                    };
                }
                Rows::Pairs(keys, values, value_next) => {
                    let Some(t) = self.pairs(keys, values, value_next) else { return Ok(Step::Done) };
                    if let Step::Nested = self.other(t)? {
                        return Ok(Step::Nested);
                    }
                }
                Rows::FunSize(start) => {
                    self.patch_size(*start)?;
                    return Ok(Step::Done);
                }
            }
        }
    }

    /// Notes what comes before the rest.
    fn nest(&mut self, rows: Rows<'a>) -> Written {
        self.nested = rows;
        Ok(Step::Nested)
    }

    /// Writes the terms of a row up to something nested, and leaves the rest of the row.
    fn row(&mut self, row: &mut &'a [Term]) -> Written {
        loop {
            let step = match self.simple(row) {
                Stop::End => return Ok(Step::Done),
                Stop::Within(inner) => self.nest(Rows::Even(inner)),
                Stop::At(t) => self.other(t),
            };
            if let Step::Nested = step? {
                return Ok(Step::Nested);
            }
        }
    }

    /// Writes simple pairs, up to a term that is not.
    fn pairs(&mut self, keys: &mut &'a [Term], values: &mut &'a [Term], value_next: &mut bool) -> Option<&'a Term> {
        let Self { out, text, .. } = self;
        out.loan(|out| {
            loop {
                if !*value_next {
                    let (key, more) = keys.split_first()?;
                    (*keys, *value_next) = (more, true);
                    if !leaf(key, out, text) {
                        return Some(key);
                    }
                }
                let (value, more) = values.split_first()?;
                (*values, *value_next) = (more, false);
                if !leaf(value, out, text) {
                    return Some(value);
                }
            }
        })
    }

    /// Writes simple terms, and tuples of such, as far as the row has only these.
    fn simple(&mut self, row: &mut &'a [Term]) -> Stop<'a> {
        let Self { out, text, .. } = self;
        out.loan(|out| {
            let mut terms = row.iter();
            while let Some(t) = terms.next() {
                if leaf(t, out, text) {
                    continue;
                }
                if let Leaf::Tuple(e) = t.leaf()
                    && e.len() < 256
                {
                    out.few(u64::from(tag::SMALL_TUPLE) | (e.len() as u64) << 8, 2);
                    let simple = e.iter().take_while(|t| leaf(t, out, text)).count();
                    if simple == e.len() {
                        continue;
                    }
                    *row = terms.as_slice();
                    return Stop::Within(&e[simple..]);
                }
                *row = terms.as_slice();
                return Stop::At(t);
            }
            *row = &[];
            Stop::End
        })
    }

    /// Writes simple terms as far as the row has them, and says how many.
    fn leaves(&mut self, row: &[Term]) -> usize {
        let Self { out, text, .. } = self;
        out.loan(|out| row.iter().take_while(|t| leaf(t, out, text)).count())
    }

    /// Writes a term that is not simple, or its head.
    fn other(&mut self, t: &'a Term) -> Written {
        match t.view() {
            View::Tuple(e) => {
                match u8::try_from(e.len()) {
                    Ok(n) => self.out.few(u64::from(tag::SMALL_TUPLE) | u64::from(n) << 8, 2),
                    Err(_) => self.head(tag::LARGE_TUPLE, e.len())?,
                }
                let simple = self.leaves(e);
                return if simple == e.len() { Ok(Step::Done) } else { self.nest(Rows::Even(&e[simple..])) };
            }
            View::List(l) => return self.list(l),
            View::Map(m) => {
                self.head(tag::MAP, m.len())?;
                return self.nest(Rows::Pairs(m.keys(), m.values(), false));
            }
            View::Binary(b) => {
                self.head(tag::BINARY, b.len())?;
                self.out.slice(b);
            }
            View::Big(n) => self.big(n)?,
            View::Bits(b) => {
                self.head(tag::BIT_BINARY, b.bytes().len())?;
                self.out.few(b.last_bits().into(), 1);
                self.out.slice(b.bytes());
            }
            View::Pid(p) => self.pid(p),
            View::Port(p) => self.port(p),
            View::Ref(r) => self.reference(r),
            View::Fun(FunView::External { module, function, arity }) => {
                self.out.few(tag::EXPORT.into(), 1);
                self.atom(module);
                self.atom(function);
                int(arity.into(), &mut self.out);
            }
            View::Fun(FunView::Local(f)) => return self.local_fun(f),
            View::Resource(r) => return Err(EncodeError::Resource(r.type_name())),
            // Unless it was simple after all.
            View::Int(_) | View::Float(_) | View::Atom(_) | View::Nil => _ = self.leaves(std::slice::from_ref(t)),
        }
        Ok(Step::Done)
    }

    fn big(&mut self, n: BigView<'_>) -> Result<(), EncodeError> {
        let len = n.byte_len();
        match u8::try_from(len) {
            Ok(short) => self.out.all([tag::SMALL_BIG, short]),
            Err(_) => self.head(tag::LARGE_BIG, len)?,
        }
        self.out.few(n.is_negative().into(), 1);
        let (last, whole) = n.digits().split_last().unwrap_or((&0, &[]));
        whole.iter().for_each(|d| self.out.few(*d, 8));
        self.out.few(*last, len - 8 * whole.len());
        Ok(())
    }

    /// A tag and a length of 32 bits.
    #[inline]
    fn head(&mut self, tag: u8, len: usize) -> Result<(), EncodeError> {
        let len = u32::try_from(len).map_err(|_| EncodeError::TooLarge)?;
        self.out.few(u64::from(tag) | u64::from(len.swap_bytes()) << 8, 5);
        Ok(())
    }

    fn atom(&mut self, a: Atom) {
        atom(a, &mut self.out, &mut self.text);
    }

    fn list(&mut self, l: ListView<'a>) -> Written {
        if let Some(len) = string_len(l) {
            let [high, low] = len.to_be_bytes();
            self.out.all([tag::STRING, high, low]);
            let (mut chunk, mut tail) = l.chunk();
            loop {
                self.out.loan(|out| chunk.iter().for_each(|t| out.few(t.as_byte().into(), 1)));
                let View::List(more) = tail.view() else { break };
                (chunk, tail) = more.chunk();
            }
            return Ok(Step::Done);
        }
        self.head(tag::LIST, l.len())?;
        let (chunk, tail) = l.chunk();
        let simple = self.leaves(chunk);
        if simple == chunk.len() && self.leaves(std::slice::from_ref(tail)) == 1 {
            return Ok(Step::Done);
        }
        self.nest(Rows::List(&chunk[simple..], tail))
    }

    fn node_name(&mut self, node: NodeId) -> u32 {
        let (name, creation) = node.load();
        self.atom(name);
        creation
    }

    fn u32(&mut self, n: u32) {
        self.out.few(n.swap_bytes().into(), 4);
    }

    fn pid(&mut self, p: Pid) {
        self.out.all([tag::NEW_PID]);
        let creation = self.node_name(p.node);
        [p.number, p.serial, creation].into_iter().for_each(|n| self.u32(n));
    }

    fn port(&mut self, p: Port) {
        /// Ports below this have the older form.
        const SMALL: u64 = 1 << 28;
        let small = p.id < SMALL;
        self.out.all([if small { tag::NEW_PORT } else { tag::V4_PORT }]);
        let creation = self.node_name(p.node);
        if !small {
            self.u32((p.id >> 32) as u32);
        }
        self.u32(p.id as u32);
        self.u32(creation);
    }

    fn reference(&mut self, r: Ref) {
        self.out.all([tag::NEWER_REFERENCE, 0, r.words().len() as u8]);
        let creation = self.node_name(r.node());
        self.u32(creation);
        r.words().iter().for_each(|w| self.u32(*w));
    }

    fn local_fun(&mut self, f: LocalFunView<'a>) -> Written {
        self.out.all([tag::NEW_FUN]);
        let start = self.out.len();
        self.out.all([0, 0, 0, 0, f.arity]);
        self.out.all(f.uniq);
        self.u32(f.index);
        self.u32(u32::try_from(f.free.len()).map_err(|_| EncodeError::TooLarge)?);
        self.atom(f.module);
        // Both are integers of 64 bits at most.
        int(f.old_index.as_int().unwrap_or(0), &mut self.out);
        int(f.old_uniq.as_int().unwrap_or(0), &mut self.out);
        self.pid(f.pid);
        self.fun = Some(start);
        self.nest(Rows::Even(f.free))
    }

    /// Writes the size of a fun, itself included, at its beginning.
    fn patch_size(&mut self, start: usize) -> Result<(), EncodeError> {
        let size = u32::try_from(self.out.len() - start).map_err(|_| EncodeError::TooLarge)?;
        self.out.patch(start, size.to_be_bytes());
        Ok(())
    }
}

/// Writes a term if it is one of the frequent simple ones.
#[inline(always)]
fn leaf(t: &Term, out: &mut Sink<'_>, text: &mut Text<'_, '_>) -> bool {
    match t.leaf() {
        Leaf::Int(n) => int(n, out),
        Leaf::Atom(a) => atom(a, out, text),
        Leaf::Binary(bytes, len) => out.put(u64::from(tag::BINARY) | (len as u64) << 32, 5, bytes, len),
        Leaf::Float(bits) => out.put(tag::NEW_FLOAT.into(), 1, bits.swap_bytes().into(), 8),
        Leaf::Nil => out.few(tag::NIL.into(), 1),
        Leaf::Tuple(_) | Leaf::Other => return false,
    }
    true
}

#[inline(always)]
fn int(n: i64, out: &mut Sink<'_>) {
    if let Ok(n) = u8::try_from(n) {
        out.few(u64::from(tag::SMALL_INTEGER) | u64::from(n) << 8, 2);
    } else if let Ok(n) = i32::try_from(n) {
        out.few(u64::from(tag::INTEGER) | u64::from((n as u32).swap_bytes()) << 8, 5);
    } else {
        let size = n.unsigned_abs();
        let len = 8 - u64::from(size.leading_zeros()) / 8;
        let head = u64::from(tag::SMALL_BIG) | len << 8 | u64::from(n < 0) << 16;
        out.put(head, 3, size.into(), len as usize);
    }
}

#[inline(always)]
fn atom(a: Atom, out: &mut Sink<'_>, text: &mut Text<'_, '_>) {
    match text.uses.as_mut().and_then(|uses| uses.reference(a)) {
        Some(n) => out.few(u64::from(tag::ATOM_CACHE_REF) | u64::from(n) << 8, 2),
        None => text.wires.atom(a, text.atoms, out),
    }
}

/// The length of a list that is sent as a string: proper, of bytes only, and not too long.
fn string_len(l: ListView<'_>) -> Option<u16> {
    let mut len = 0;
    let (mut chunk, mut tail) = l.chunk();
    loop {
        len += chunk.len();
        if len > MAX_STRING || !chunk.iter().all(Term::is_byte) {
            return None;
        }
        match tail.view() {
            View::Nil => return u16::try_from(len).ok(),
            View::List(more) => (chunk, tail) = more.chunk(),
            _ => return None,
        }
    }
}
