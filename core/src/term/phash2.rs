//! `erlang:phash2`: the portable hash that every node computes alike.
//! Imports: raw, view, atom.
//!
//! The construction is Bob Jenkins' mixing function over a running hash, with one constant (a multiple of the golden
//! ratio's bits) for each type. Its oddities are kept, for they are visible: lists of bytes are packed four at a time; an
//! atom or `[]` as the very first thing (or after a hash that happens to be zero) stands for itself; of references
//! only the first word counts, of pids only the number; maps combine their pairs by exclusive or, so that order
//! does not matter. Source: OTP 25, `erlang:phash2/1,2`.

use super::atom::Atom;
use super::raw::{Leaf, Term};
use super::view::{FunView, View};

/// The constant of type `n`.
const fn c(n: u32) -> u32 {
    0x9e37_79b9u32.wrapping_mul(n)
}

/// What `[]` alone hashes to.
const NIL_HASH: u32 = 3_468_870_702;
/// What stands for `[]` when it is mixed into a hash.
const NIL_MARK: u32 = 2;
/// Integers with fewer bits take the short way.
const SHORT_BITS: u32 = 27;
/// Results of `phash2/1` are below this.
const RANGE: u32 = 1 << 27;

/// Bob Jenkins' mix of 96 bits.
fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    for [x, y, z] in [[13, 8, 13], [12, 16, 5], [3, 10, 15]] {
        a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> x);
        b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << y);
        c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> z);
    }
    (a, b, c)
}

/// Mixes two values into the hash.
fn add2(hash: u32, x: u32, y: u32, constant: u32) -> u32 {
    mix(constant.wrapping_add(x), constant.wrapping_add(y), hash).2
}

fn add(hash: u32, x: u32, constant: u32) -> u32 {
    add2(hash, x, 0, constant)
}

/// What is still to be hashed.
enum Todo<'a> {
    Row(&'a [Term]),
    /// Elements of a list and what follows them.
    List(&'a [Term], &'a Term),
    /// Keys and values of the innermost map.
    Pairs(&'a [Term], &'a [Term]),
    /// The value of the pair whose key was hashed just now.
    Value(&'a Term),
    /// The pair is hashed.
    PairDone,
    /// The map is hashed: the hash before it, and the pairs' sum of the map around it.
    MapDone(u32, u32),
}

struct State<'a> {
    hash: u32,
    /// Exclusive or of the pairs of the innermost map.
    pairs: u32,
    todo: Vec<Todo<'a>>,
}

fn phash2(t: &Term) -> u32 {
    let mut s = State { hash: 0, pairs: 0, todo: Vec::new() };
    let mut next = Some(t);
    loop {
        if let Some(t) = next.take() {
            s.term(t);
        }
        match s.todo.pop() {
            None => return s.hash,
            Some(Todo::Row(row)) => next = s.row(row),
            Some(Todo::List(chunk, tail)) => next = Some(s.list(chunk, tail)),
            Some(Todo::Pairs([k, ks @ ..], [v, vs @ ..])) => {
                s.todo.extend([Todo::Pairs(ks, vs), Todo::PairDone, Todo::Value(v)]);
                next = Some(k);
            }
            Some(Todo::Pairs(..)) => {}
            Some(Todo::Value(v)) => next = Some(v),
            Some(Todo::PairDone) => {
                s.pairs ^= s.hash;
                s.hash = 0;
            }
            Some(Todo::MapDone(hash, pairs)) => {
                s.hash = add(hash, s.pairs, c(19));
                s.pairs = pairs;
            }
        }
    }
}

impl<'a> State<'a> {
    fn term(&mut self, t: &'a Term) {
        let hash = self.hash;
        self.hash = match t.view() {
            View::Int(n) => integer(hash, n),
            View::Big(n) => {
                let constant = if n.is_negative() { c(10) } else { c(11) };
                n.digits().iter().fold(hash, |h, &d| add2(h, d as u32, (d >> 32) as u32, constant))
            }
            View::Float(f) => float(hash, f.to_bits()),
            View::Atom(a) if hash == 0 => atom(a),
            View::Atom(a) => add(hash, atom(a), c(3)),
            View::Nil if hash == 0 => NIL_HASH,
            View::Nil => add(hash, NIL_MARK, c(2)),
            View::Pid(p) => add(hash, p.number, c(5)),
            View::Port(p) => add2(hash, p.id as u32, (p.id >> 32) as u32, c(6)),
            View::Ref(r) => add(hash, r.words()[0], c(7)),
            View::Resource(r) => add(hash, r.reference().words()[0], c(7)),
            View::Tuple(e) => {
                self.todo.push(Todo::Row(e));
                add(hash, e.len() as u32, c(9))
            }
            View::List(l) => {
                let (chunk, tail) = l.chunk();
                self.todo.push(Todo::List(chunk, tail));
                hash
            }
            View::Map(m) => {
                let with_size = add(hash, m.len() as u32, c(16));
                if m.is_empty() {
                    with_size
                } else {
                    self.todo.extend([Todo::MapDone(with_size, self.pairs), Todo::Pairs(m.keys(), m.values())]);
                    self.pairs = 0;
                    0
                }
            }
            View::Binary(b) => bytes(hash, b),
            View::Bits(b) => {
                let (last, whole) = b.bytes().split_last().unwrap_or((&0, &[]));
                let used = u32::from(b.last_bits());
                let hash = bytes_even_if_none(hash, whole);
                add2(hash, used, u32::from(*last) >> (8 - used), c(15))
            }
            View::Fun(FunView::External { module, function, arity }) => {
                let hash = add2(hash, u32::from(arity), atom(module), c(1));
                add(hash, atom(function), c(14))
            }
            View::Fun(FunView::Local(f)) => {
                self.todo.push(Todo::Row(f.free));
                let hash = add2(hash, f.free.len() as u32, atom(f.module), c(1));
                add2(hash, small(f.old_index), small(f.old_uniq), c(1))
            }
        };
    }

    /// Hashes a term if it is simple.
    #[inline(always)]
    fn leaf(&mut self, t: &Term) -> bool {
        self.hash = match t.leaf() {
            Leaf::Int(n) => integer(self.hash, n),
            Leaf::Atom(a) if self.hash != 0 => add(self.hash, atom(a), c(3)),
            Leaf::Float(bits) => float(self.hash, bits),
            Leaf::Binary(_, 1..) => bytes_even_if_none(self.hash, t.inline_bytes()),
            _ => return false,
        };
        true
    }

    /// Hashes what is simple, and gives the first that is not.
    fn row(&mut self, row: &'a [Term]) -> Option<&'a Term> {
        let simple = row.iter().take_while(|t| self.leaf(t)).count();
        let (t, more) = row[simple..].split_first()?;
        if !more.is_empty() {
            self.todo.push(Todo::Row(more));
        }
        Some(t)
    }

    /// Hashes a list up to what is not simple, bytes four at a time, and gives what is to be hashed next.
    fn list(&mut self, mut chunk: &'a [Term], mut tail: &'a Term) -> &'a Term {
        let (mut packed, mut count) = (0u32, 0);
        let next = loop {
            let [head, more @ ..] = chunk else {
                match tail.view() {
                    View::List(l) => (chunk, tail) = l.chunk(),
                    _ => break tail,
                }
                continue;
            };
            if !head.is_byte() {
                if count > 0 {
                    self.hash = add(self.hash, packed, c(4));
                    (packed, count) = (0, 0);
                }
                if self.leaf(head) {
                    chunk = more;
                    continue;
                }
                self.todo.push(Todo::List(more, tail));
                break head;
            }
            packed = packed << 8 | u32::from(head.as_byte());
            count += 1;
            if count == 4 {
                self.hash = add(self.hash, packed, c(4));
                (packed, count) = (0, 0);
            }
            chunk = more;
        };
        if count > 0 {
            self.hash = add(self.hash, packed, c(4));
        }
        next
    }
}

fn integer(hash: u32, n: i64) -> u32 {
    if (-(1 << SHORT_BITS)..1 << SHORT_BITS).contains(&n) {
        let n = n as i32;
        let hash = if n < 0 { add(hash, n.unsigned_abs(), c(1)) } else { hash };
        add(hash, n as u32, c(1))
    } else {
        let size = n.unsigned_abs();
        add2(hash, size as u32, (size >> 32) as u32, if n < 0 { c(10) } else { c(11) })
    }
}

fn float(hash: u32, bits: u64) -> u32 {
    // Adding zero makes -0.0 into 0.0, which it equals.
    let bits = (f64::from_bits(bits) + 0.0).to_bits();
    add2(hash, (bits >> 32) as u32, bits as u32, c(12))
}

fn small(t: &Term) -> u32 {
    t.as_int().unwrap_or(0) as u32
}

/// The atom table's own hash: PJW over the text's characters, each cut to a byte if it is below 256 and else over its
/// bytes in UTF-8.
fn atom(a: Atom) -> u32 {
    let mut hash: u32 = 0;
    let mut bytes = a.as_str().bytes().peekable();
    while let Some(mut v) = bytes.next() {
        if v & 0xfe == 0xc2
            && let Some(low) = bytes.next()
        {
            v = v << 6 | low & 0x3f;
        }
        hash = (hash << 4).wrapping_add(u32::from(v));
        let high = hash & 0xf000_0000;
        if high != 0 {
            hash ^= high >> 24;
            hash ^= high;
        }
    }
    hash
}

fn bytes(hash: u32, bytes: &[u8]) -> u32 {
    if bytes.is_empty() { c(13).wrapping_add(hash) } else { bytes_even_if_none(hash, bytes) }
}

/// Jenkins' hash of a block of bytes.
fn bytes_even_if_none(hash: u32, bytes: &[u8]) -> u32 {
    fn word(b: &[u8]) -> u32 {
        b.iter().rev().fold(0, |w, &b| w << 8 | u32::from(b))
    }
    // Beyond 4 GiB OTP takes the length modulo 2^32, and hashes only that many bytes.
    let bytes = &bytes[..bytes.len() & u32::MAX as usize];
    let (mut a, mut b, mut c) = (c(1), c(1), c(13).wrapping_add(hash));
    let mut blocks = bytes.chunks_exact(12);
    for k in blocks.by_ref() {
        a = a.wrapping_add(word(&k[..4]));
        b = b.wrapping_add(word(&k[4..8]));
        c = c.wrapping_add(word(&k[8..]));
        (a, b, c) = mix(a, b, c);
    }
    // The lowest byte of the last word makes room for the length.
    let rest = blocks.remainder();
    c = c.wrapping_add(bytes.len() as u32);
    a = a.wrapping_add(word(&rest[..rest.len().min(4)]));
    b = b.wrapping_add(word(&rest[rest.len().min(4)..rest.len().min(8)]));
    c = c.wrapping_add(word(&rest[rest.len().min(8)..]) << 8);
    mix(a, b, c).2
}

impl Term {
    /// `erlang:phash2(T)`: below 2^27, the same on every node for ever.
    pub fn phash2(&self) -> u32 {
        phash2(self) & (RANGE - 1)
    }

    /// `erlang:phash2(T, Range)`: below `range`; 0 stands for 2^32.
    pub fn phash2_range(&self, range: u32) -> u32 {
        let hash = phash2(self);
        hash.checked_rem(range).unwrap_or(hash)
    }
}
