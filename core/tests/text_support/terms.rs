//! Random terms, and their external form for the judge. Shared by the tests of printing, text, patterns and bits.
#![allow(dead_code)]

use krarup::term::{Atom, BigInt, FunView, LocalFun, NodeId, Pid, Port, Ref, Term, View};

/// A small generator of random numbers, so that a failure can be repeated from its seed.
pub struct Random(u64);

impl Random {
    /// From `KRARUP_SEED`, or the time.
    pub fn new(what: &str) -> Self {
        let seed = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            time.map_or(1, |t| t.as_nanos() as u64 % 1_000_000_007)
        });
        eprintln!("{what}: KRARUP_SEED={seed}");
        Self::seeded(seed)
    }

    pub fn seeded(seed: u64) -> Self {
        let mut this = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        for _ in 0..4 {
            this.next();
        }
        this
    }

    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

pub fn atom(text: &str) -> Atom {
    Atom::new(text).expect("a short atom")
}

/// What the random terms consist of.
#[derive(Clone, Copy)]
pub struct Kinds {
    /// Pids, ports, references, local funs.
    pub opaque: bool,
    /// Funs `fun m:f/1`.
    pub funs: bool,
    /// Characters beyond 255 in atoms and strings.
    pub wide: bool,
}

const ATOMS: &[&str] = &[
    "a",
    "ok",
    "error",
    "undefined",
    "gen_server",
    "noproc",
    "true",
    "",
    "A b",
    "end",
    "xor",
    "maybe",
    "else",
    "a@b",
    "ÿ",
    "÷",
    "ß_9",
    "Öl",
    "it's",
    "back\\slash",
    "new\nline",
    "\u{7f}",
    "\u{80}",
    "é\u{9f}\u{a0}",
    "\u{1}",
    "_x",
    "9",
    "a-b",
    "a_rather_long_atom_of_the_kind_that_breaks_lines",
    "another_long_atom_with_more_than_forty_characters_in_it",
];
const WIDE_ATOMS: &[&str] = &["ж", "aж", "日本", "𝄞"];

pub fn random_atom(r: &mut Random, kinds: Kinds) -> Atom {
    if kinds.wide && r.chance(15) {
        return atom(r.pick(WIDE_ATOMS));
    }
    let count = if r.chance(60) { 7 } else { ATOMS.len() };
    atom(ATOMS[r.below(count)])
}

/// For funs: OTP 25 garbles other characters there.
fn ascii_atom(r: &mut Random) -> Atom {
    let ascii: Vec<&str> = ATOMS.iter().copied().filter(|a| a.is_ascii()).collect();
    atom(r.pick(&ascii))
}

pub fn random_integer(r: &mut Random) -> Term {
    match r.below(6) {
        0..=2 => Term::int(r.below(300) as i64 - 20),
        3 => Term::int(r.next() as i64),
        4 => Term::int(r.pick(&[0, -1, i64::MAX, i64::MIN, 1 << 53, -(1 << 27), 1 << 59, 1 << 60])),
        _ => {
            let digits = 1 + r.below(60);
            let text: String = (0..digits).map(|_| char::from(b'0' + r.below(10) as u8)).collect();
            let n: BigInt = text.parse().expect("digits");
            Term::from(if r.chance(50) { -n } else { n })
        }
    }
}

pub fn random_float(r: &mut Random) -> f64 {
    loop {
        let f = match r.below(7) {
            0 => r.below(2000) as f64 / 8.0 - 100.0,
            1 => r.below(1_000_000) as f64 / 1000.0,
            2 => 10f64.powi(r.below(50) as i32 - 25) * r.below(1000) as f64,
            3 => r.next() as i64 as f64,
            4 => (r.next() >> 8) as f64 / 8.0,
            5 => r.pick(&[
                0.0,
                -0.0,
                1e22,
                1e23,
                5e-324,
                f64::MAX,
                f64::MIN_POSITIVE,
                9007199254740992.0,
                0.1,
                1.0 / 3.0,
            ]),
            _ => f64::from_bits(r.next()),
        };
        if f.is_finite() {
            return f;
        }
    }
}

pub fn random_text(r: &mut Random, kinds: Kinds, max: usize) -> String {
    let len = r.below(max + 1);
    (0..len)
        .map(|_| match r.below(20) {
            0 => r.pick(&['\n', '\t', '"', '\\', '\'', '\u{1b}', '\u{b}', '\r', '\u{8}', '\u{c}']),
            1 => char::from(160 + r.below(96) as u8),
            2 if kinds.wide => r.pick(&['ж', 'я', '漢', '€', '𝄞']),
            3 if r.chance(5) => r.pick(&['\u{7f}', '\0', '\u{80}', '\u{9f}']),
            _ => char::from(32 + r.below(95) as u8),
        })
        .collect()
}

/// The one other node that identifiers of random terms belong to.
pub const OTHER_NODE: &str = "foo@bar";

fn other_node() -> NodeId {
    NodeId::intern(atom(OTHER_NODE), 5).expect("few nodes")
}

/// A pid of that node, for the judge to show the node's number in its world.
pub fn other_pid() -> Term {
    Term::from(Pid { node: other_node(), number: 1, serial: 0 })
}

/// Gives that node the number that it has in the judge's world: numbers come from the table of atoms. To be called
/// before anything else makes that atom.
pub fn number_other_node(wanted: u32) {
    assert!(Atom::existing(OTHER_NODE).is_none(), "the node has a number already");
    while Atom::count() < wanted {
        atom(&format!("filler {}", Atom::count()));
    }
    assert_eq!(atom(OTHER_NODE).index(), wanted);
}

fn random_leaf(r: &mut Random, kinds: Kinds) -> Term {
    match r.below(20) {
        0..=4 => random_integer(r),
        5..=7 => Term::from(random_atom(r, kinds)),
        8 => Term::float(random_float(r)).expect("finite"),
        9 => Term::nil(),
        10..=11 => Term::string(&random_text(r, kinds, 30)),
        12 => Term::binary(random_text(r, kinds, 40)),
        13 => {
            let len = r.below(40);
            Term::binary(r.bytes(len))
        }
        14 => {
            let bits = r.below(90);
            Term::bitstring(r.bytes(bits.div_ceil(8)), bits)
        }
        15 => {
            // Text in the one-byte characters of Latin-1.
            let text: Vec<u8> =
                (0..r.below(60)).map(|_| if r.chance(10) { 228 } else { 97 + r.below(26) as u8 }).collect();
            Term::binary(text)
        }
        16 if kinds.funs => Term::export_fun(ascii_atom(r), ascii_atom(r), r.below(6) as u8),
        17..=19 if kinds.opaque => {
            let node = other_node();
            match r.below(4) {
                0 => Term::from(Pid { node, number: r.below(1 << 15) as u32, serial: r.below(8) as u32 }),
                1 => Term::from(Port { node, id: r.next() >> r.below(60) }),
                2 => {
                    let words: Vec<u32> = (0..1 + r.below(5)).map(|_| r.next() as u32 >> 14).collect();
                    Term::from(Ref::from_words(node, &words).expect("1 to 5 words"))
                }
                _ => {
                    let index = r.below(100) as u32;
                    Term::local_fun(LocalFun {
                        arity: 1,
                        uniq: [7; 16],
                        index,
                        module: ascii_atom(r),
                        old_index: Term::from(index),
                        old_uniq: Term::int(r.below(1 << 27) as i64 - (1 << 26)),
                        pid: Pid { node, number: 1, serial: 0 },
                        free: vec![],
                    })
                }
            }
        }
        _ => random_integer(r),
    }
}

/// A term of about `size` parts.
pub fn random_term(r: &mut Random, size: usize, kinds: Kinds) -> Term {
    if size <= 1 || r.chance(10) {
        return random_leaf(r, kinds);
    }
    let parts = 1 + r.below(size.min(12));
    let part = |r: &mut Random| {
        let share = size / parts;
        let share = if share > 1 && r.chance(50) { r.below(share * 2) } else { share };
        random_term(r, share.min(size - 1), kinds)
    };
    match r.below(10) {
        0..=2 => Term::list((0..parts).map(|_| part(r)).collect::<Vec<_>>()),
        3 if r.chance(40) => {
            let elements: Vec<_> = (0..parts).map(|_| part(r)).collect();
            Term::improper_list(elements, part(r))
        }
        3..=6 => {
            let mut elements: Vec<_> = (0..parts).map(|_| part(r)).collect();
            if r.chance(60) {
                elements[0] = Term::from(random_atom(r, kinds));
            }
            Term::tuple(elements)
        }
        7 => Term::tuple((0..parts).map(|_| part(r)).collect::<Vec<_>>()),
        // OTP's order of more than 32 keys is private.
        _ => Term::map((0..parts.min(30)).map(|_| (part(r), part(r))).collect::<Vec<_>>()),
    }
}

/// The external form of a term, without the version byte's caller having to know how.
pub fn external(term: &Term) -> Vec<u8> {
    let mut out = vec![131];
    encode(&mut out, term);
    out
}

fn encode_atom(out: &mut Vec<u8>, a: Atom) {
    let text = a.as_str().as_bytes();
    out.push(118);
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text);
}

fn encode_len(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    out.extend((len as u32).to_be_bytes());
}

fn encode(out: &mut Vec<u8>, term: &Term) {
    match term.view() {
        View::Int(n) => match i32::try_from(n) {
            Ok(n) => {
                out.push(98);
                out.extend(n.to_be_bytes());
            }
            Err(_) => {
                out.extend([110, 8, u8::from(n < 0)]);
                out.extend(n.unsigned_abs().to_le_bytes());
            }
        },
        View::Big(n) => {
            let bytes: Vec<u8> = n.bytes_le().collect();
            encode_len(out, 111, bytes.len());
            out.push(u8::from(n.is_negative()));
            out.extend(bytes);
        }
        View::Float(f) => {
            out.push(70);
            out.extend(f.to_bits().to_be_bytes());
        }
        View::Atom(a) => encode_atom(out, a),
        View::Pid(p) => encode_pid(out, p),
        View::Port(p) => {
            out.push(120);
            encode_atom(out, p.node.name());
            out.extend(p.id.to_be_bytes());
            out.extend(p.node.creation().to_be_bytes());
        }
        View::Ref(r) => {
            out.push(90);
            out.extend((r.words().len() as u16).to_be_bytes());
            encode_atom(out, r.node().name());
            out.extend(r.node().creation().to_be_bytes());
            for word in r.words() {
                out.extend(word.to_be_bytes());
            }
        }
        View::Nil => out.push(106),
        View::Tuple(elements) => {
            encode_len(out, 105, elements.len());
            elements.iter().for_each(|e| encode(out, e));
        }
        View::List(list) => {
            encode_len(out, 108, list.len());
            list.iter().for_each(|e| encode(out, e));
            encode(out, list.tail());
        }
        View::Map(map) => {
            encode_len(out, 116, map.len());
            for (k, v) in map.iter() {
                encode(out, k);
                encode(out, v);
            }
        }
        View::Binary(b) => {
            encode_len(out, 109, b.len());
            out.extend(b);
        }
        View::Bits(b) => {
            encode_len(out, 77, b.bytes().len());
            out.push(b.last_bits());
            out.extend(b.bytes());
        }
        View::Fun(FunView::External { module, function, arity }) => {
            out.push(113);
            encode_atom(out, module);
            encode_atom(out, function);
            out.extend([97, arity]);
        }
        View::Fun(FunView::Local(f)) => {
            let mut body = vec![f.arity];
            body.extend(f.uniq);
            body.extend(f.index.to_be_bytes());
            body.extend((f.free.len() as u32).to_be_bytes());
            encode_atom(&mut body, f.module);
            encode(&mut body, f.old_index);
            encode(&mut body, f.old_uniq);
            encode_pid(&mut body, f.pid);
            f.free.iter().for_each(|t| encode(&mut body, t));
            encode_len(out, 112, body.len() + 4);
            out.extend(body);
        }
        View::Resource(_) => panic!("a native value has no external form"),
    }
}

fn encode_pid(out: &mut Vec<u8>, p: Pid) {
    out.push(88);
    encode_atom(out, p.node.name());
    for word in [p.number, p.serial, p.node.creation()] {
        out.extend(word.to_be_bytes());
    }
}

/// Pieces with their lengths before them, as the judge reads them.
pub fn frame<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend((piece.len() as u32).to_be_bytes());
        out.extend(piece);
    }
    out
}

/// The pieces of such a sequence.
pub fn unframe(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let (piece, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        out.push(piece);
        bytes = rest;
    }
    out
}
