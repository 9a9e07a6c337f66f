//! Random terms, built in every way there is: all ways agree, and nothing is left behind.

#[path = "common/terms.rs"]
mod terms;

use krarup::etf::{EncodeOptions, decode, encode};
use krarup::term::build::Arena;
use krarup::term::{FunView, NodeId, Resource, Term, View, atoms, live_blocks};
use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use terms::{Rng, like, term};

/// Blocks are counted for the whole program, so tests run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn leaves_nothing(f: impl FnOnce()) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = live_blocks();
    f();
    assert_eq!(live_blocks(), before, "blocks left behind");
}

fn again(t: &Term) -> Term {
    decode(&encode(t, &EncodeOptions::default()).expect("no resources here")).expect("our own bytes")
}

/// The same term, each part made by the arena.
fn in_arena(t: &Term, arena: &mut Arena) -> Term {
    match t.view() {
        View::Tuple(e) => {
            let parts: Vec<Term> = e.iter().map(|t| in_arena(t, arena)).collect();
            arena.tuple(parts)
        }
        View::List(l) => {
            let parts: Vec<Term> = l.iter().map(|t| in_arena(t, arena)).collect();
            let tail = in_arena(l.tail(), arena);
            arena.list(parts, tail)
        }
        View::Map(m) => {
            let pairs: Vec<(Term, Term)> =
                m.iter().rev().map(|(k, v)| (in_arena(k, arena), in_arena(v, arena))).collect();
            arena.map(pairs)
        }
        View::Binary(b) => arena.binary(b),
        _ => t.clone(),
    }
}

/// All parts of a term, itself among them.
fn parts(t: &Term, out: &mut Vec<Term>) {
    out.push(t.clone());
    match t.view() {
        View::Tuple(e) => e.iter().for_each(|t| parts(t, out)),
        View::List(l) => {
            l.iter().for_each(|t| parts(t, out));
            parts(l.tail(), out);
        }
        View::Map(m) => m.keys().iter().chain(m.values()).for_each(|t| parts(t, out)),
        View::Fun(FunView::Local(f)) => f.free.iter().for_each(|t| parts(t, out)),
        _ => {}
    }
}

#[test]
fn constructors_decoder_and_arena_agree() {
    leaves_nothing(|| {
        let mut rng = Rng::from_env("constructors_decoder_and_arena_agree");
        for _ in 0..300 {
            let mut arena = Arena::with_words(1 + rng.below(200));
            let all: Vec<Term> = (0..5).map(|_| term(&mut rng, 5)).collect();
            let built: Vec<Term> = all.iter().map(|t| in_arena(t, &mut arena)).collect();
            if rng.below(2) == 0 {
                drop(arena);
            }
            for (t, b) in all.iter().zip(&built) {
                let d = again(t);
                assert!(t.same(b) && t.same(&d) && b.same(&d));
                assert!(t.phash2() == b.phash2() && t.phash2() == d.phash2());
                assert!(t.heap_bytes() >= t.block_bytes());
            }
        }
    });
}

#[test]
fn parts_outlive_the_whole_in_any_order() {
    leaves_nothing(|| {
        let mut rng = Rng::from_env("parts_outlive_the_whole_in_any_order");
        for round in 0..200 {
            let whole = term(&mut rng, 5);
            let whole = if round % 2 == 0 { again(&whole) } else { whole };
            let mut held = Vec::new();
            parts(&whole, &mut held);
            // Independent copies, to compare with once the whole is gone.
            let copies: Vec<Term> = held.iter().map(again).collect();
            drop(whole);
            let mut held: Vec<(Term, Term)> = held.into_iter().zip(copies).collect();
            while !held.is_empty() {
                let at = rng.below(held.len());
                let (part, copy) = held.swap_remove(at);
                assert!(part.same(&copy));
                if rng.below(4) == 0 {
                    let small = part.compact();
                    drop(part);
                    assert!(small.same(&copy));
                }
            }
        }
    });
}

#[test]
fn compact_copies_parts_of_large_blocks_faithfully() {
    leaves_nothing(|| {
        let mut rng = Rng::from_env("compact_copies_parts_of_large_blocks_faithfully");
        for _ in 0..60 {
            let whole = again(&Term::list((0..60).map(|_| term(&mut rng, 4)).collect::<Vec<_>>()));
            let mut held = Vec::new();
            parts(&whole, &mut held);
            let mut smaller = 0;
            for t in held {
                let small = t.compact();
                assert!(small.same(&t));
                if small.block_bytes() < t.block_bytes() {
                    assert!(small.block_bytes() <= t.block_bytes() / 2 + 24);
                    smaller += 1;
                }
            }
            assert!(smaller > 10 || whole.block_bytes() < 5000);
        }
    });
}

#[test]
fn maps_do_what_a_list_of_pairs_does() {
    leaves_nothing(|| {
        let mut rng = Rng::from_env("maps_do_what_a_list_of_pairs_does");
        for _ in 0..30 {
            let keys: Vec<Term> = (0..40).map(|_| term(&mut rng, 2)).collect();
            let mut map = Term::map([]);
            let mut model: Vec<(Term, Term)> = Vec::new();
            for step in 0..150 {
                let base = rng.pick(&keys).clone();
                let key = if rng.below(3) == 0 { like(&mut rng, &base) } else { base };
                let value = Term::int(step);
                match rng.below(4) {
                    0 => {
                        model.retain(|(k, _)| !k.same(&key));
                        map = map.map_remove(&key).unwrap();
                    }
                    1 => {
                        let known = model.iter_mut().find(|(k, _)| k.same(&key));
                        let updated = map.map_update(&key, value.clone());
                        assert_eq!(known.is_some(), updated.is_some());
                        if let (Some(pair), Some(m)) = (known, updated) {
                            pair.1 = value;
                            map = m;
                        }
                    }
                    _ => {
                        model.retain(|(k, _)| !k.same(&key));
                        model.push((key.clone(), value.clone()));
                        map = map.map_put(key, value).unwrap();
                    }
                }
                let view = map.as_map().unwrap();
                assert_eq!(view.len(), model.len());
                assert!(model.iter().all(|(k, v)| view.get(k) == Some(v)));
                assert!(view.keys().windows(2).all(|w| w[0].compare_exact(&w[1]) == Ordering::Less));
            }
            assert!(map.same(&Term::map(model)));
        }
    });
}

#[test]
fn the_order_is_total_and_transitive() {
    leaves_nothing(|| {
        let mut rng = Rng::from_env("the_order_is_total_and_transitive");
        for exact in [false, true] {
            let compare = |a: &Term, b: &Term| if exact { a.compare_exact(b) } else { a.compare(b) };
            let mut all = Vec::new();
            for _ in 0..120 {
                let t = term(&mut rng, 3);
                all.push(like(&mut rng, &t));
                all.push(like(&mut rng, &t));
                all.push(t);
            }
            all.sort_by(&compare);
            for (i, a) in all.iter().enumerate() {
                assert!(all[i..].iter().all(|b| compare(a, b) != Ordering::Greater));
                assert!(all[..i].iter().all(|b| compare(a, b) != Ordering::Less));
            }
        }
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor that panics");
    }
}

/// A panic in somebody's destructor reaches whoever dropped the term; its block is freed, and later deaths are seen to
/// as before.
#[test]
fn a_destructor_that_panics_does_not_stop_others() {
    leaves_nothing(|| {
        let inner = Term::list((0..3).map(Term::int));
        let resource = Term::resource(Resource::new(atoms::OK, Arc::new(Bomb), NodeId::LOCAL_NONE));
        let bomb = Term::tuple([resource, inner]);
        assert!(std::panic::catch_unwind(move || drop(bomb)).is_err());
        let quiet = Arc::new(0);
        let r = Term::resource(Resource::new(atoms::OK, quiet.clone(), NodeId::LOCAL_NONE));
        drop(Term::tuple([Term::list([r.clone()]), r]));
        assert_eq!(Arc::strong_count(&quiet), 1);
    });
}
