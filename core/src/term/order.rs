//! Equality and order: `=:=`, `==`, the total order of terms, and the key order of maps.
//! Imports: raw, view, ids.
//!
//! No recursion: rows of terms that wait until something nested is compared lie on an explicit stack, so depth costs
//! heap, not stack. Flat compounds need no stack at all.

use super::atom::Atom;
use super::raw::{Leaf, Term};
use super::view::{BigView, FunView, LocalFunView, View};
use std::cmp::Ordering::{self, Equal, Greater, Less};

/// How numbers of different types compare.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    /// By value: `1 == 1.0`.
    ByValue,
    /// Every integer before every float: key order, and `=:=`.
    Exact,
}

/// Elements side by side, and what follows them.
type Piece<'a> = (&'a [Term], &'a Term);

/// Two rows of terms to be compared pair by pair.
enum Rows<'a> {
    /// Of one length: elements of tuples, keys, values.
    Even(&'a [Term], &'a [Term], Numbers),
    List(Piece<'a>, Piece<'a>, Numbers),
}

/// What comparing one pair came to.
enum Step<'a> {
    Order(Ordering),
    /// Decided by these.
    Rows(Rows<'a>),
    /// Decided by these, the first ones first.
    Both(Rows<'a>, Rows<'a>),
}

const LIST_RANK: u8 = 9;

fn compare(a: &Term, b: &Term, numbers: Numbers) -> Ordering {
    let mut stack = Vec::new();
    let mut step = pair(a, b, numbers);
    let mut rows = Rows::Even(&[], &[], numbers);
    loop {
        match step {
            Step::Order(Equal) => match stack.pop() {
                Some(waiting) => rows = waiting,
                None => return Equal,
            },
            Step::Order(order) => return order,
            Step::Rows(inner) => push(&mut stack, std::mem::replace(&mut rows, inner)),
            Step::Both(first, second) => {
                push(&mut stack, std::mem::replace(&mut rows, first));
                stack.push(second);
            }
        }
        step = rows.scan();
    }
}

fn push<'a>(stack: &mut Vec<Rows<'a>>, rows: Rows<'a>) {
    if !matches!(rows, Rows::Even([], ..)) {
        stack.push(rows);
    }
}

impl<'a> Rows<'a> {
    /// Compares pairs until one differs or is nested, or there are no more.
    fn scan(&mut self) -> Step<'a> {
        loop {
            match self {
                Self::Even(a, b, numbers) => {
                    let (step, done) = run(a, b, *numbers);
                    (*a, *b) = (&a[done..], &b[done..]);
                    return step;
                }
                Self::List(a, b, numbers) => {
                    let (step, done) = run(a.0, b.0, *numbers);
                    (a.0, b.0) = (&a.0[done..], &b.0[done..]);
                    if !matches!(step, Step::Order(Equal)) {
                        return step;
                    }
                    // A piece is used up: go on in what follows it.
                    let numbers = *numbers;
                    match (follow(a), follow(b)) {
                        (Ok(a), Ok(b)) => *self = Self::List(a, b, numbers),
                        (Err(a), Err(b)) => {
                            *self = Self::Even(&[], &[], numbers);
                            return pair(a, b, numbers);
                        }
                        (Ok(_), Err(b)) => return Step::Order(LIST_RANK.cmp(&b.view().rank())),
                        (Err(a), Ok(_)) => return Step::Order(a.view().rank().cmp(&LIST_RANK)),
                    }
                }
            }
        }
    }
}

/// Compares pairs of two rows, as far as the shorter one goes, until one differs or is nested; says how many are done.
fn run<'a>(a: &'a [Term], b: &'a [Term], numbers: Numbers) -> (Step<'a>, usize) {
    let mut done = 0;
    for (x, y) in a.iter().zip(b) {
        done += 1;
        if x.identical(y) {
            continue;
        }
        if let (Leaf::Tuple(p), Leaf::Tuple(q)) = (x.leaf(), y.leaf())
            && p.len() == q.len()
        {
            // Flat tuples are done at once if they are the same, and the others from their first difference on.
            let same = p.iter().zip(q).take_while(|(x, y)| x.identical(y)).count();
            if same < p.len() {
                return (Step::Rows(Rows::Even(&p[same..], &q[same..], numbers)), done);
            }
            continue;
        }
        match differing(x, y, numbers) {
            Step::Order(Equal) => {}
            step => return (step, done),
        }
    }
    (Step::Order(Equal), done)
}

/// A piece with elements: this one, or else the one that follows; or what ends the list.
fn follow<'a>(piece: &Piece<'a>) -> Result<Piece<'a>, &'a Term> {
    match (piece.0, piece.1.view()) {
        ([], View::List(more)) => Ok(more.chunk()),
        ([], _) => Err(piece.1),
        _ => Ok(*piece),
    }
}

/// Compares one level.
#[inline]
fn pair<'a>(a: &'a Term, b: &'a Term, numbers: Numbers) -> Step<'a> {
    if a.identical(b) { Step::Order(Equal) } else { differing(a, b, numbers) }
}

fn differing<'a>(a: &'a Term, b: &'a Term, numbers: Numbers) -> Step<'a> {
    let (x, y) = (a.view(), b.view());
    Step::Order(match (x, y) {
        (View::Int(m), View::Int(n)) => m.cmp(&n),
        (View::Atom(m), View::Atom(n)) => atoms(m, n),
        (View::Float(m), View::Float(n)) => floats(m, n),
        (View::Big(m), View::Big(n)) => bigs(m, n),
        (View::Int(_), View::Big(n)) => sign(n).reverse(),
        (View::Big(m), View::Int(_)) => sign(m),
        (View::Int(_) | View::Big(_), View::Float(_)) if numbers == Numbers::Exact => Less,
        (View::Float(_), View::Int(_) | View::Big(_)) if numbers == Numbers::Exact => Greater,
        (View::Int(m), View::Float(n)) => int_float(m, n),
        (View::Float(m), View::Int(n)) => int_float(n, m).reverse(),
        (View::Big(m), View::Float(n)) => big_float(m, n),
        (View::Float(m), View::Big(n)) => big_float(n, m).reverse(),
        (View::Pid(m), View::Pid(n)) => m.order(&n),
        (View::Port(m), View::Port(n)) => m.order(&n),
        (View::Ref(m), View::Ref(n)) => m.order(&n),
        (View::Ref(m), View::Resource(n)) => m.order(&n.reference()).then(Less),
        (View::Resource(m), View::Ref(n)) => m.reference().order(&n).then(Greater),
        (View::Resource(m), View::Resource(n)) => m.reference().order(&n.reference()),
        (View::Nil, View::Nil) => Equal,
        (View::Tuple(m), View::Tuple(n)) => match m.len().cmp(&n.len()) {
            Equal => return Step::Rows(Rows::Even(m, n, numbers)),
            order => order,
        },
        (View::List(m), View::List(n)) => return Step::Rows(Rows::List(m.chunk(), n.chunk(), numbers)),
        (View::Map(m), View::Map(n)) => match m.len().cmp(&n.len()) {
            Equal => {
                let keys = Rows::Even(m.keys(), n.keys(), Numbers::Exact);
                return Step::Both(keys, Rows::Even(m.values(), n.values(), numbers));
            }
            order => order,
        },
        (View::Binary(m), View::Binary(n)) => m.cmp(n),
        (View::Binary(_) | View::Bits(_), View::Binary(_) | View::Bits(_)) => bits(bits_of(&x), bits_of(&y)),
        (View::Fun(m), View::Fun(n)) => match funs(m, n) {
            Ok(order) => order,
            Err((m, n)) => return Step::Rows(Rows::Even(m, n, numbers)),
        },
        _ => x.rank().cmp(&y.rank()),
    })
}

fn atoms(a: Atom, b: Atom) -> Ordering {
    if a == b { Equal } else { a.as_str().cmp(b.as_str()) }
}

fn bits_of<'a>(v: &View<'a>) -> (&'a [u8], usize) {
    match v {
        View::Binary(b) => (b, b.len() * 8),
        View::Bits(b) => (b.bytes(), b.bit_len()),
        _ => (&[], 0),
    }
}

/// The common bits first, then the length. Unused bits of the last byte are zero on both sides.
fn bits(a: (&[u8], usize), b: (&[u8], usize)) -> Ordering {
    let common = a.1.min(b.1);
    let (whole, rest) = (common / 8, common % 8);
    let mut order = a.0[..whole].cmp(&b.0[..whole]);
    if order == Equal && rest != 0 {
        let mask = 0xffu8 << (8 - rest);
        order = (a.0[whole] & mask).cmp(&(b.0[whole] & mask));
    }
    order.then(a.1.cmp(&b.1))
}

/// The order of two funs, or the free variables that decide it.
fn funs<'a>(a: FunView<'a>, b: FunView<'a>) -> Result<Ordering, (&'a [Term], &'a [Term])> {
    match (a, b) {
        (
            FunView::External { module: m1, function: f1, arity: a1 },
            FunView::External { module: m2, function: f2, arity: a2 },
        ) => Ok(atoms(m1, m2).then_with(|| atoms(f1, f2)).then(a1.cmp(&a2))),
        (FunView::Local(_), FunView::External { .. }) => Ok(Less),
        (FunView::External { .. }, FunView::Local(_)) => Ok(Greater),
        (FunView::Local(m), FunView::Local(n)) => match local_funs(&m, &n) {
            Equal => Err((m.free, n.free)),
            order => Ok(order),
        },
    }
}

/// Old index and old uniq are integers, so this does not nest. (OTP 25 subtracts them in 32 bits, so that values more
/// than 2^31 apart come out the wrong way round there; an order that is none would be of no use to us.)
fn local_funs(m: &LocalFunView<'_>, n: &LocalFunView<'_>) -> Ordering {
    atoms(m.module, n.module)
        .then_with(|| m.old_index.compare(n.old_index))
        .then_with(|| m.old_uniq.compare(n.old_uniq))
        .then_with(|| m.free.len().cmp(&n.free.len()))
}

fn floats(a: f64, b: f64) -> Ordering {
    // Both are finite, so they are always ordered; 0.0 equals -0.0, as in OTP up to 26.
    a.partial_cmp(&b).unwrap_or(Equal)
}

fn sign(n: BigView<'_>) -> Ordering {
    if n.is_negative() { Less } else { Greater }
}

fn bigs(a: BigView<'_>, b: BigView<'_>) -> Ordering {
    sign(a).cmp(&sign(b)).then_with(|| {
        let (x, y) = (a.digits(), b.digits());
        let order = x.len().cmp(&y.len()).then_with(|| x.iter().rev().cmp(y.iter().rev()));
        if a.is_negative() { order.reverse() } else { order }
    })
}

/// 2^63, exact as a float.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Compares exactly, without rounding either side.
fn int_float(n: i64, f: f64) -> Ordering {
    if f >= TWO_63 {
        Less
    } else if f < -TWO_63 {
        Greater
    } else {
        let whole = f.trunc();
        n.cmp(&(whole as i64)).then_with(|| floats(0.0, f - whole))
    }
}

/// Compares exactly; a big integer is at least 2^63 in size.
fn big_float(n: BigView<'_>, f: f64) -> Ordering {
    let size = f.abs();
    if size < TWO_63 || n.is_negative() != (f < 0.0) {
        return sign(n);
    }
    // A float of this size is a whole number: a significand of 53 bits, the topmost set, shifted left.
    let shift = (size.to_bits() >> 52) as usize - 1075;
    let significand = size.to_bits() & ((1 << 52) - 1) | 1 << 52;
    let digits = n.digits();
    let unused = digits.last().map_or(0, |d| d.leading_zeros() as usize);
    let order = (digits.len() * 64 - unused).cmp(&(53 + shift)).then_with(|| {
        // Same length: the upper 64 bits decide, then any bit below them.
        let (last, before) = (digits.len() - 1, digits.len().checked_sub(2).map_or(0, |i| digits[i]));
        let top = if unused == 0 { digits[last] } else { digits[last] << unused | before >> (64 - unused) };
        top.cmp(&(significand << 11)).then_with(|| {
            let below = last > 0 && (before << unused != 0 || digits[..last - 1].iter().any(|&d| d != 0));
            if below { Greater } else { Equal }
        })
    });
    if n.is_negative() { order.reverse() } else { order }
}

impl Term {
    /// Erlang's `=:=`: the same value and the same type, so that `1` and `1.0` differ.
    pub fn same(&self, other: &Self) -> bool {
        compare(self, other, Numbers::Exact) == Equal
    }

    /// Erlang's `==`: like `same`, but numbers compare by value, so that `1 == 1.0`.
    pub fn equals(&self, other: &Self) -> bool {
        self.compare(other) == Equal
    }

    /// The total order of terms, by which `1` and `1.0` are equal. Source: OTP 25 `<`, C2.1.
    ///
    /// number < atom < reference < fun < port < pid < tuple < map < `[]` < list < bitstring
    pub fn compare(&self, other: &Self) -> Ordering {
        compare(self, other, Numbers::ByValue)
    }

    /// The order of map keys: every integer before every float. Equal means `same`.
    pub fn compare_exact(&self, other: &Self) -> Ordering {
        compare(self, other, Numbers::Exact)
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

impl Eq for Term {}
