//! Equality and order: `=:=`, `==`, the total order of terms, and the key order of maps.
//! Imports: repr, view.
//!
//! No recursion: what is still to be compared lies on an explicit stack, so depth costs heap, not stack.

use super::repr::Term;
use super::view::{BigView, FunView, ListView, LocalFun, View, order_bits};
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::cmp::Ordering::{self, Equal, Greater, Less};

/// How numbers of different types compare.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    /// By value: `1 == 1.0`.
    ByValue,
    /// Every integer before every float: key order, and `=:=`.
    Exact,
}

/// What is still to be compared once the present pair is equal.
enum Todo<'a> {
    Slices(&'a [Term], &'a [Term], Numbers),
    Lists((&'a [Term], &'a Term), (&'a [Term], &'a Term), Numbers),
}

fn compare(a: &Term, b: &Term, numbers: Numbers) -> Ordering {
    let mut stack: Vec<Todo<'_>> = Vec::new();
    let mut pair = (a, b, numbers);
    loop {
        let order = one(pair.0, pair.1, pair.2, &mut stack);
        if order != Equal {
            return order;
        }
        // The next pair, or the end.
        pair = loop {
            match stack.pop() {
                None => return Equal,
                Some(Todo::Slices(x, y, n)) => {
                    if let ([p, xs @ ..], [q, ys @ ..]) = (x, y) {
                        if !xs.is_empty() {
                            stack.push(Todo::Slices(xs, ys, n));
                        }
                        break (p, q, n);
                    }
                }
                Some(Todo::Lists(x, y, n)) => {
                    if let ([p, xs @ ..], [q, ys @ ..]) = (x.0, y.0) {
                        stack.push(Todo::Lists((xs, x.1), (ys, y.1), n));
                        break (p, q, n);
                    }
                    // One side's piece is used up: go on in its tail.
                    match (x.0.is_empty(), y.0.is_empty()) {
                        (true, true) => break (x.1, y.1, n),
                        (true, false) => match x.1.view() {
                            View::List(more) => stack.push(Todo::Lists(more.chunk(), y, n)),
                            other => return other.rank().cmp(&LIST_RANK),
                        },
                        (false, _) => match y.1.view() {
                            View::List(more) => stack.push(Todo::Lists(x, more.chunk(), n)),
                            other => return LIST_RANK.cmp(&other.rank()),
                        },
                    }
                }
            }
        };
    }
}

const LIST_RANK: u8 = 9;

/// Compares one level; equal compounds leave their parts on the stack.
fn one<'a>(a: &'a Term, b: &'a Term, numbers: Numbers, stack: &mut Vec<Todo<'a>>) -> Ordering {
    let (x, y) = (a.view(), b.view());
    match (x, y) {
        (View::Int(m), View::Int(n)) => m.cmp(&n),
        (View::Atom(m), View::Atom(n)) => {
            if m == n {
                Equal
            } else {
                m.as_str().cmp(n.as_str())
            }
        }
        (View::Float(m), View::Float(n)) => float_order(m, n),
        (View::Big(m), View::Big(n)) => m.order(&n),
        (View::Int(_), View::Big(n)) => {
            if n.is_negative() {
                Greater
            } else {
                Less
            }
        }
        (View::Big(m), View::Int(_)) => {
            if m.is_negative() {
                Less
            } else {
                Greater
            }
        }
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
        (View::Tuple(m), View::Tuple(n)) => m.len().cmp(&n.len()).then_with(|| {
            stack.push(Todo::Slices(m, n, numbers));
            Equal
        }),
        (View::List(m), View::List(n)) => {
            stack.push(lists(m, n, numbers));
            Equal
        }
        (View::Map(m), View::Map(n)) => m.len().cmp(&n.len()).then_with(|| {
            stack.push(Todo::Slices(m.values(), n.values(), numbers));
            stack.push(Todo::Slices(m.keys(), n.keys(), Numbers::Exact));
            Equal
        }),
        (View::Binary(_) | View::Bits(_), View::Binary(_) | View::Bits(_)) => match (bits(&x), bits(&y)) {
            (Some(m), Some(n)) => order_bits(m, n),
            _ => Equal,
        },
        (View::Fun(m), View::Fun(n)) => funs(m, n, numbers, stack),
        _ => x.rank().cmp(&y.rank()),
    }
}

fn lists<'a>(a: ListView<'a>, b: ListView<'a>, numbers: Numbers) -> Todo<'a> {
    Todo::Lists(a.chunk(), b.chunk(), numbers)
}

fn bits<'a>(v: &View<'a>) -> Option<(&'a [u8], usize)> {
    match v {
        View::Binary(b) => Some((b, b.len() * 8)),
        View::Bits(b) => Some((b.bytes(), b.bit_len())),
        _ => None,
    }
}

fn funs<'a>(a: FunView<'a>, b: FunView<'a>, numbers: Numbers, stack: &mut Vec<Todo<'a>>) -> Ordering {
    match (a, b) {
        (
            FunView::External { module: m1, function: f1, arity: a1 },
            FunView::External { module: m2, function: f2, arity: a2 },
        ) => m1.as_str().cmp(m2.as_str()).then_with(|| f1.as_str().cmp(f2.as_str())).then(a1.cmp(&a2)),
        (FunView::Local(_), FunView::External { .. }) => Less,
        (FunView::External { .. }, FunView::Local(_)) => Greater,
        (FunView::Local(m), FunView::Local(n)) => local_funs(m, n, numbers, stack),
    }
}

fn local_funs<'a>(m: &'a LocalFun, n: &'a LocalFun, numbers: Numbers, stack: &mut Vec<Todo<'a>>) -> Ordering {
    m.module
        .as_str()
        .cmp(n.module.as_str())
        .then_with(|| m.old_index.compare(&n.old_index))
        .then_with(|| m.old_uniq.compare(&n.old_uniq))
        .then_with(|| m.free.len().cmp(&n.free.len()))
        .then_with(|| {
            stack.push(Todo::Slices(&m.free, &n.free, numbers));
            Equal
        })
}

fn float_order(a: f64, b: f64) -> Ordering {
    // Both are finite, so they are always ordered; 0.0 equals -0.0, as in OTP up to 26.
    a.partial_cmp(&b).unwrap_or(Equal)
}

/// Compares exactly, without rounding either side.
fn int_float(n: i64, f: f64) -> Ordering {
    // 2^63 is exact in both.
    if f >= 9_223_372_036_854_775_808.0 {
        Less
    } else if f < -9_223_372_036_854_775_808.0 {
        Greater
    } else {
        let whole = f.trunc();
        n.cmp(&(whole as i64)).then_with(|| float_order(0.0, f - whole))
    }
}

fn big_float(n: BigView<'_>, f: f64) -> Ordering {
    let n: BigInt = n.to_bigint();
    match BigInt::from_f64_trunc(f) {
        Some(whole) => n.cmp(&whole).then_with(|| float_order(0.0, f - f.trunc())),
        None => n.to_f64().map_or(Equal, |x| float_order(x, f)),
    }
}

trait FromF64Trunc: Sized {
    fn from_f64_trunc(f: f64) -> Option<Self>;
}

impl FromF64Trunc for BigInt {
    fn from_f64_trunc(f: f64) -> Option<Self> {
        <Self as num_traits::FromPrimitive>::from_f64(f.trunc())
    }
}

impl BigView<'_> {
    fn order(&self, other: &Self) -> Ordering {
        self.to_bigint().cmp(&other.to_bigint())
    }
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

    /// The total order of terms, by which `1` and `1.0` are equal. Source: OTP `<`, C2.1.
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
