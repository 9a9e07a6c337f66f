//! Hashing for Rust's maps: fast, different in each version, consistent with `=:=`.
//! Imports: raw, view.

use super::raw::Term;
use super::view::{FunView, View};
use std::hash::{Hash, Hasher};

/// What is still to be hashed.
enum Todo<'a> {
    Row(&'a [Term]),
    /// Elements of a list and what follows them.
    List(&'a [Term], &'a Term),
}

impl Hash for Term {
    /// Consistent with `=:=`, independent of how a list is cut in pieces.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut todo = Vec::new();
        let mut t = self;
        loop {
            one(t, state, &mut todo);
            t = loop {
                match todo.pop() {
                    None => return,
                    Some(Todo::Row([])) => {}
                    Some(Todo::Row([t])) => break t,
                    Some(Todo::Row([t, more @ ..])) => {
                        todo.push(Todo::Row(more));
                        break t;
                    }
                    Some(Todo::List([t, more @ ..], tail)) => {
                        state.write_u8(1);
                        todo.push(Todo::List(more, tail));
                        break t;
                    }
                    Some(Todo::List([], tail)) => {
                        if let View::List(more) = tail.view() {
                            let (chunk, tail) = more.chunk();
                            todo.push(Todo::List(chunk, tail));
                        } else {
                            state.write_u8(0);
                            break tail;
                        }
                    }
                }
            };
        }
    }
}

fn one<'a, H: Hasher>(t: &'a Term, state: &mut H, todo: &mut Vec<Todo<'a>>) {
    let view = t.view();
    state.write_u8(view.rank());
    match view {
        View::Int(n) => state.write_i64(n),
        View::Big(n) => {
            state.write_u8(u8::from(n.is_negative()));
            n.digits().hash(state);
        }
        // Adding zero makes -0.0 into 0.0, which it equals.
        View::Float(f) => state.write_u64((f + 0.0).to_bits()),
        View::Atom(a) => a.hash(state),
        View::Pid(p) => p.hash(state),
        View::Port(p) => p.hash(state),
        View::Ref(r) => r.hash(state),
        View::Resource(r) => r.reference().hash(state),
        View::Nil => {}
        View::Tuple(e) => {
            state.write_usize(e.len());
            todo.push(Todo::Row(e));
        }
        View::List(l) => {
            let (chunk, tail) = l.chunk();
            todo.push(Todo::List(chunk, tail));
        }
        View::Map(m) => {
            state.write_usize(m.len());
            todo.extend([Todo::Row(m.values()), Todo::Row(m.keys())]);
        }
        View::Binary(b) => {
            b.hash(state);
            state.write_u8(0);
        }
        View::Bits(b) => {
            b.bytes().hash(state);
            state.write_u8(b.last_bits());
        }
        View::Fun(FunView::External { module, function, arity }) => (module, function, arity).hash(state),
        View::Fun(FunView::Local(f)) => {
            (f.module, f.free.len()).hash(state);
            todo.push(Todo::Row(f.free));
        }
    }
}
