//! Random terms for tests: small, with many values that lie on an edge. The seed is printed when a test fails.

use krarup::term::{Atom, BigInt, FunView, LocalFun, NodeId, Pid, Port, Ref, Term, View};

/// A small random generator (SplitMix64), so that a run can be repeated from its seed.
pub struct Rng(u64);

impl Rng {
    /// From `KRARUP_SEED`, or else from the clock; printed, so that a failing test shows it.
    #[allow(dead_code)]
    pub fn from_env(test: &str) -> Self {
        let seed = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
        });
        println!("{test}: KRARUP_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

const ATOMS: [&str; 14] = [
    "",
    "a",
    "b",
    "abc",
    "ok",
    "hello world",
    "Upper",
    "é",
    "ÿäö",
    "ω",
    "日本",
    "a@b",
    "x_y_z_1234567890_longer_than_16",
    "\n'\\",
];

fn atom(rng: &mut Rng) -> Atom {
    match rng.below(30) {
        0 => Atom::new(&"ä".repeat(255)).unwrap(),
        1 => Atom::new(&"ω".repeat(200)).unwrap(),
        2 => Atom::new(&"x".repeat(255)).unwrap(),
        _ => Atom::new(rng.pick::<&str>(&ATOMS)).unwrap(),
    }
}

fn node(rng: &mut Rng) -> NodeId {
    let name = *rng.pick::<&str>(&["a@b", "b@b", "ä@b", "nonode@nohost", "ω@host"]);
    let creation = *rng.pick(&[1, 2, 3, 0x1234_5678, u32::MAX]);
    NodeId::intern(Atom::new(name).unwrap(), creation).unwrap()
}

fn word(rng: &mut Rng) -> u32 {
    match rng.below(4) {
        0 => rng.below(3) as u32,
        1 => 0x7fff + rng.below(3) as u32,
        2 => (1 << 28) - 1 + rng.below(3) as u32,
        _ => rng.next() as u32,
    }
}

fn pid(rng: &mut Rng) -> Pid {
    Pid { node: node(rng), number: word(rng), serial: word(rng) }
}

fn integer(rng: &mut Rng) -> Term {
    let near = |rng: &mut Rng, n: i128| Term::from(n + rng.below(3) as i128 - 1);
    match rng.below(6) {
        0 => Term::int(rng.below(300) as i64 - 20),
        1 | 2 => {
            let edge = 1i128 << *rng.pick(&[8, 15, 16, 27, 28, 31, 32, 52, 53, 54, 59, 60, 63, 64, 65, 100]);
            let sign = if rng.below(2) == 0 { 1 } else { -1 };
            near(rng, sign * edge)
        }
        3 => Term::int((rng.next() >> rng.below(64)) as i64),
        4 => Term::int(-((rng.next() >> rng.below(63)) as i64 >> 1)),
        _ => {
            let n = *rng.pick(&[9usize, 16, 17, 63, 128, 255, 256, 300]);
            let sign = if rng.below(2) == 0 { num_bigint::Sign::Plus } else { num_bigint::Sign::Minus };
            let bytes = rng.bytes(n);
            Term::from(BigInt::from_bytes_le(sign, &bytes))
        }
    }
}

fn float(rng: &mut Rng) -> Term {
    let f = match rng.below(6) {
        0 => *rng.pick(&[0.0, -0.0, 1.0, -1.0, 1.5, 1e300, -1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324]),
        1 => rng.below(300) as f64 - 20.0,
        2 => {
            let edge = 2f64.powi(*rng.pick(&[27, 28, 52, 53, 54, 59, 60, 63, 64, 65, 100, 500]));
            let f = if rng.below(2) == 0 { edge } else { -edge };
            f64::from_bits(f.to_bits() + rng.below(3) as u64 - 1)
        }
        3 => rng.next() as i64 as f64,
        _ => f64::from_bits(rng.next()),
    };
    Term::float(f).unwrap_or(Term::int(0))
}

fn binary(rng: &mut Rng) -> Term {
    let n = match rng.below(8) {
        0 => rng.below(300),
        1 => 62 + rng.below(5),
        2 => 13 + rng.below(5),
        _ => rng.below(30),
    };
    Term::binary(rng.bytes(n))
}

fn bits(rng: &mut Rng) -> Term {
    let n = if rng.below(5) == 0 { 500 + rng.below(40) } else { rng.below(100) };
    let bytes = rng.bytes(n / 8 + 1);
    Term::bitstring(bytes, n)
}

/// A list of the given terms, cut in pieces at random.
pub fn cut(rng: &mut Rng, elements: Vec<Term>, tail: Term) -> Term {
    match rng.below(3) {
        0 => elements.into_iter().rev().fold(tail, |tail, t| Term::cons(t, tail)),
        1 if !elements.is_empty() => {
            let at = rng.below(elements.len());
            let mut elements = elements;
            let end = elements.split_off(at);
            Term::improper_list(elements, Term::improper_list(end, tail))
        }
        _ => Term::improper_list(elements, tail),
    }
}

fn list(rng: &mut Rng, depth: usize) -> Term {
    let n = rng.below(6);
    let elements: Vec<Term> = match rng.below(4) {
        0 => (0..rng.below(40)).map(|_| Term::int(rng.below(256) as i64)).collect(),
        1 => (0..rng.below(12)).map(|_| Term::int(rng.below(260) as i64)).collect(),
        _ => (0..n).map(|_| term(rng, depth)).collect(),
    };
    let tail = if rng.below(5) == 0 { term(rng, depth) } else { Term::nil() };
    cut(rng, elements, tail)
}

fn map(rng: &mut Rng, depth: usize) -> Term {
    let n = if rng.below(12) == 0 { 28 + rng.below(12) } else { rng.below(6) };
    let simple = rng.below(2) == 0;
    Term::map((0..n).map(|i| {
        let key = if simple || n > 6 { if i % 2 == 0 { integer(rng) } else { float(rng) } } else { term(rng, depth) };
        (key, term(rng, depth.min(1)))
    }))
}

fn fun(rng: &mut Rng, depth: usize) -> Term {
    if rng.below(2) == 0 {
        return Term::export_fun(atom(rng), atom(rng), rng.next() as u8);
    }
    // OTP knows a local fun by module, index and uniq, and the rest must always be the same for these.
    let index = rng.below(3) as u32;
    Term::local_fun(LocalFun {
        arity: 1,
        uniq: [index as u8; 16],
        index,
        module: Atom::new(rng.pick::<&str>(&["m", "n"])).unwrap(),
        old_index: Term::from(index),
        // OTP subtracts these in 32 bits to compare them, which overflows beyond 2^30.
        old_uniq: Term::int(*rng.pick(&[-1, 1, 0x3fff_ffff, -0x4000_0000])),
        pid: pid(rng),
        free: (0..rng.below(4)).map(|_| term(rng, depth)).collect(),
    })
}

/// Any term, up to `depth` levels deep.
pub fn term(rng: &mut Rng, depth: usize) -> Term {
    let kinds = if depth == 0 { 9 } else { 14 };
    let depth = depth.saturating_sub(1);
    match rng.below(kinds) {
        0 | 1 => integer(rng),
        2 => float(rng),
        3 => atom(rng).into(),
        4 => binary(rng),
        5 => bits(rng),
        6 => pid(rng).into(),
        7 => match rng.below(2) {
            0 => Port { node: node(rng), id: if rng.below(2) == 0 { word(rng).into() } else { rng.next() } }.into(),
            _ => {
                let words: Vec<u32> = (0..1 + rng.below(5)).map(|_| word(rng)).collect();
                Ref::from_words(node(rng), &words).unwrap().into()
            }
        },
        8 => Term::nil(),
        9 | 10 => Term::tuple((0..rng.below(6)).map(|_| term(rng, depth)).collect::<Vec<_>>()),
        11 => list(rng, depth),
        12 => map(rng, depth),
        _ => fun(rng, depth),
    }
}

/// A term like `t`, but for one place at most.
#[allow(dead_code)]
pub fn like(rng: &mut Rng, t: &Term) -> Term {
    let one = |rng: &mut Rng, row: &[Term]| {
        let mut row = row.to_vec();
        if !row.is_empty() {
            let at = rng.below(row.len());
            row[at] = like(rng, &row[at]);
        }
        row
    };
    if rng.below(12) == 0 {
        return term(rng, 1);
    }
    match t.view() {
        View::Int(n) => match rng.below(3) {
            0 => Term::float(n as f64).unwrap(),
            1 => Term::int(n.wrapping_add(1)),
            _ => t.clone(),
        },
        View::Big(n) => Term::from(n.to_bigint() + 1),
        View::Float(f) => match rng.below(3) {
            0 if f.abs() < 1e30 => Term::from(f as i128),
            1 => Term::float(-f).unwrap(),
            _ => t.clone(),
        },
        View::Tuple(e) => Term::tuple(one(rng, e)),
        View::List(l) => {
            let elements: Vec<Term> = l.iter().cloned().collect();
            let elements = one(rng, &elements);
            let tail = if rng.below(4) == 0 { term(rng, 1) } else { l.tail().clone() };
            cut(rng, elements, tail)
        }
        View::Map(m) => {
            let (keys, values) = (m.keys().to_vec(), m.values().to_vec());
            let (keys, values) = if rng.below(2) == 0 { (one(rng, &keys), values) } else { (keys, one(rng, &values)) };
            Term::map(keys.into_iter().zip(values))
        }
        View::Binary(b) if !b.is_empty() => {
            let keep = rng.below(b.len() * 8 + 1);
            Term::bitstring(b.to_vec(), keep)
        }
        View::Bits(b) => Term::bitstring(b.bytes().to_vec(), b.bit_len() - 1),
        View::Ref(r) => {
            let mut words = r.words().to_vec();
            let n = words.len();
            match rng.below(3) {
                0 if n < 5 => words.push(0),
                1 => words[rng.below(n)] ^= 1,
                _ => {}
            }
            Ref::from_words(r.node(), &words).unwrap().into()
        }
        View::Pid(p) => Pid { number: p.number ^ rng.below(2) as u32, node: node(rng), ..p }.into(),
        View::Port(p) => Port { id: p.id ^ rng.below(2) as u64, node: node(rng) }.into(),
        View::Fun(FunView::External { module, function, arity }) => {
            Term::export_fun(module, function, arity ^ rng.below(2) as u8)
        }
        _ => t.clone(),
    }
}

/// Erlang's text of a term that has one: no pids, ports, references, funs.
#[allow(dead_code)]
pub fn text(t: &Term) -> Option<String> {
    let row = |row: &[Term]| row.iter().map(text).collect::<Option<Vec<_>>>().map(|v| v.join(","));
    Some(match t.view() {
        View::Int(n) => n.to_string(),
        View::Big(n) => n.to_bigint().to_string(),
        View::Float(f) => format!("{:.20e}", f).replace('e', "e+").replace("e+-", "e-"),
        View::Atom(a) => {
            let escaped: String = a.as_str().chars().map(|c| format!("\\x{{{:x}}}", u32::from(c))).collect();
            format!("'{escaped}'")
        }
        View::Nil => "[]".into(),
        View::Tuple(e) => format!("{{{}}}", row(e)?),
        View::List(l) => {
            let elements: Vec<Term> = l.iter().cloned().collect();
            format!("[{}|{}]", row(&elements)?, text(l.tail())?)
        }
        View::Map(m) => {
            let pairs = m.iter().map(|(k, v)| Some(format!("{}=>{}", text(k)?, text(v)?)));
            format!("#{{{}}}", pairs.collect::<Option<Vec<_>>>()?.join(","))
        }
        View::Binary(b) => format!("<<{}>>", b.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
        View::Bits(b) => {
            let (last, whole) = b.bytes().split_last()?;
            let mut parts: Vec<String> = whole.iter().map(u8::to_string).collect();
            parts.push(format!("{}:{}", last >> (8 - b.last_bits()), b.last_bits()));
            format!("<<{}>>", parts.join(","))
        }
        _ => return None,
    })
}
