//! Terms made by the constructors: what they are, what they cost, and that nothing is left behind.

use krarup::term::build::{Arena, BuildError, Builder, measure};
use krarup::term::{Atom, BigInt, FunView, LocalFun, NodeId, Pid, Port, Ref, Resource, Term, View, atoms, live_blocks};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

/// Tests that count blocks run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `f` and checks that every block it made is gone.
fn leaves_nothing(f: impl FnOnce()) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = live_blocks();
    f();
    assert_eq!(live_blocks(), before, "blocks left behind");
}

fn ints(n: i64) -> Term {
    Term::list((0..n).map(Term::int))
}

#[test]
fn a_term_is_two_words_and_so_is_an_option_of_it() {
    assert_eq!((size_of::<Term>(), size_of::<Option<Term>>()), (16, 16));
    fn send_sync<T: Send + Sync>() {}
    send_sync::<Term>();
}

#[test]
fn small_values_need_no_block() {
    leaves_nothing(|| {
        let before = live_blocks();
        let node = NodeId::LOCAL_NONE;
        let kept = [
            Term::nil(),
            Term::int(i64::MIN),
            Term::float(-0.0).unwrap(),
            atoms::OK.into(),
            Pid { node, number: u32::MAX, serial: u32::MAX }.into(),
            Port { node, id: u64::MAX }.into(),
            Ref::new(node, [1, 2, 3]).into(),
            Term::export_fun(atoms::ERROR, atoms::OK, 255),
            Term::tuple([]),
            Term::map([]),
            Term::binary(b"fifteen bytes!!"),
        ];
        assert_eq!(live_blocks(), before);
        assert!(kept.iter().all(|t| t.block_bytes() == 0));
    });
}

#[test]
fn inline_values_come_back_as_they_went_in() {
    leaves_nothing(|| {
        let node = NodeId::intern(Atom::new("far@away").unwrap(), 0x8765_4321).unwrap();
        for n in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Term::int(n).as_int(), Some(n));
        }
        assert!(Term::float(f64::NAN).is_none() && Term::float(f64::INFINITY).is_none());
        assert_eq!(Term::float(1.5).unwrap().as_float(), Some(1.5));
        let pid = Pid { node, number: 0xdead_beef, serial: 0xfeed_f00d };
        assert_eq!(Term::from(pid).as_pid(), Some(pid));
        let port = Port { node, id: 0x1234_5678_9abc_def0 };
        assert_eq!(Term::from(port).as_port(), Some(port));
        for words in [&[1u32][..], &[1, 2], &[1, 2, u32::MAX], &[1, 2, 3, 4], &[u32::MAX; 5]] {
            let r = Ref::from_words(node, words).unwrap();
            let back = Term::from(r).as_ref().unwrap();
            assert_eq!((back.node(), back.words()), (node, words));
        }
        assert!(Ref::from_words(node, &[]).is_none() && Ref::from_words(node, &[0; 6]).is_none());
        let View::Fun(FunView::External { module, function, arity }) =
            Term::export_fun(atoms::OK, atoms::ERROR, 7).view()
        else {
            panic!("an external fun")
        };
        assert_eq!((module, function, arity), (atoms::OK, atoms::ERROR, 7));
        for n in 0..100usize {
            let bytes: Vec<u8> = (0..n as u8).collect();
            let t = Term::binary(&bytes);
            assert_eq!(t.as_binary(), Some(&bytes[..]));
            assert_eq!(t.clone().bytes().as_deref(), Some(&bytes[..]));
        }
    });
}

#[test]
fn integers_beyond_64_bits_are_big_and_only_those() {
    leaves_nothing(|| {
        let limit = BigInt::from(i64::MAX);
        assert_eq!(Term::from(limit.clone()).as_int(), Some(i64::MAX));
        assert_eq!(Term::from(i128::from(i64::MIN)).as_int(), Some(i64::MIN));
        for n in [limit + 1u8, BigInt::from(i64::MIN) - 1u8, BigInt::from(7u8).pow(1000), -BigInt::from(2u8).pow(64)] {
            let t = Term::from(n.clone());
            let View::Big(v) = t.view() else { panic!("{n} is big") };
            assert_eq!(v.to_bigint(), n);
            let bytes: Vec<u8> = v.bytes_le().collect();
            assert_eq!(bytes, n.magnitude().to_bytes_le());
        }
        assert_eq!(Term::from(u64::MAX).compare(&Term::from(BigInt::from(u64::MAX))), std::cmp::Ordering::Equal);
    });
}

#[test]
fn bitstrings_clear_what_lies_behind_their_end() {
    leaves_nothing(|| {
        let t = Term::bitstring(vec![0xff, 0xff], 11);
        let View::Bits(b) = t.view() else { panic!("not whole bytes") };
        assert_eq!((b.bytes(), b.bit_len(), b.last_bits()), (&[0xff, 0xe0][..], 11, 3));
        assert_eq!(Term::bitstring(vec![1, 2, 3], 16), Term::binary([1, 2]));
        assert_eq!(Term::bitstring(vec![1], 999), Term::binary([1]));
        let long = Term::bitstring(vec![0xaa; 100], 799);
        let View::Bits(b) = long.view() else { panic!("not whole bytes") };
        assert_eq!((b.bit_len(), b.bytes().len(), b.last_bits()), (799, 100, 7));
    });
}

#[test]
fn lists_are_the_same_however_they_are_cut() {
    leaves_nothing(|| {
        let whole = ints(10);
        let mut consed = Term::nil();
        for i in (0..10).rev() {
            consed = Term::cons(Term::int(i), consed);
        }
        let pieces = Term::improper_list(
            (0..4).map(Term::int),
            Term::improper_list((4..6).map(Term::int), Term::list((6..10).map(Term::int))),
        );
        let hasher = RandomState::new();
        for other in [&consed, &pieces] {
            assert_eq!(&whole, other);
            assert!(whole.equals(other) && whole.compare_exact(other).is_eq());
            assert_eq!(hasher.hash_one(&whole), hasher.hash_one(other));
            assert_eq!(whole.phash2(), other.phash2());
            let list = other.as_list().unwrap();
            assert_eq!((list.len(), list.is_proper()), (10, true));
            assert!(list.iter().cloned().eq((0..10).map(Term::int)));
        }
        assert!(pieces.compare(&ints(11)).is_lt() && ints(9).compare(&pieces).is_lt());
        let improper = Term::improper_list((0..10).map(Term::int), Term::int(10));
        assert!(improper.compare(&ints(11)).is_lt(), "an integer is less than a list");
        assert_eq!(improper.as_list().unwrap().tail(), &Term::int(10));
    });
}

#[test]
fn the_rest_of_a_list_shares_its_block() {
    leaves_nothing(|| {
        let mut list = Term::improper_list((0..1000).map(Term::int), ints(3));
        let blocks = live_blocks();
        for i in 0..1000 {
            let view = list.as_list().unwrap();
            assert_eq!(view.head(), &Term::int(i));
            assert_eq!(view.len(), 1003 - i as usize);
            let rest = view.rest();
            list = rest;
            assert!(live_blocks() <= blocks);
        }
        assert_eq!(list, ints(3));
    });
}

#[test]
fn maps_keep_integers_and_floats_apart_and_the_last_of_a_key() {
    leaves_nothing(|| {
        let m = Term::map([
            (Term::float(1.0).unwrap(), atoms::ERROR.into()),
            (Term::int(1), atoms::FALSE.into()),
            (Term::int(1), atoms::OK.into()),
        ]);
        let view = m.as_map().unwrap();
        assert_eq!(view.len(), 2);
        assert_eq!(view.get(&Term::int(1)), Some(&atoms::OK.into()));
        assert_eq!(view.get(&Term::float(1.0).unwrap()), Some(&atoms::ERROR.into()));
        assert_eq!(view.keys()[0], Term::int(1), "integers come first");
        let more = m.map_put(ints(3), ints(4)).unwrap();
        assert_eq!(more.as_map().unwrap().get(&ints(3)), Some(&ints(4)));
        assert_eq!(m.as_map().unwrap().len(), 2, "the old map is as it was");
        assert_eq!(more.map_remove(&ints(3)).unwrap(), m);
        assert_eq!(more.map_put(ints(3), Term::nil()).unwrap(), more.map_update(&ints(3), Term::nil()).unwrap());
        assert!(m.map_update(&ints(3), Term::nil()).is_none());
        assert!(Term::nil().map_put(Term::nil(), Term::nil()).is_none());
        assert_eq!(m.map_remove(&ints(9)).unwrap(), m);
        let empty = m.map_remove(&Term::int(1)).unwrap().map_remove(&Term::float(1.0).unwrap()).unwrap();
        assert_eq!(empty, Term::map([]));
    });
}

#[test]
fn dropping_from_another_thread_frees_what_was_shared() {
    leaves_nothing(|| {
        let t = Term::tuple([ints(5), Term::binary(vec![7; 1000]), Term::map([(ints(1), ints(2))])]);
        let threads: Vec<_> = t
            .clone_n(8)
            .map(|copy| {
                std::thread::spawn(move || {
                    for _ in 0..1000 {
                        let inner = copy.as_tuple().unwrap()[0].clone();
                        assert_eq!(inner.as_list().unwrap().len(), 5);
                    }
                })
            })
            .collect();
        drop(t);
        threads.into_iter().for_each(|h| h.join().unwrap());
    });
}

#[test]
fn clones_not_taken_are_given_back() {
    leaves_nothing(|| {
        let t = ints(3);
        let mut many = t.clone_n(1_000_000);
        assert_eq!(many.next().as_ref(), Some(&t));
        assert_eq!(many.len(), 999_999);
        drop(t);
        assert_eq!(many.next(), Some(ints(3)));
        drop(many);
        drop(Term::int(1).clone_n(5));
    });
}

struct Counted(Arc<AtomicUsize>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_resource_is_destroyed_once_with_its_last_term() {
    leaves_nothing(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let r = Resource::new(atoms::OK, Arc::new(Counted(drops.clone())), NodeId::LOCAL_NONE);
        let t = Term::tuple([Term::resource(r.clone()), Term::resource(r.clone())]);
        assert_eq!(t.as_tuple().unwrap()[0], t.as_tuple().unwrap()[1]);
        assert!(t.as_tuple().unwrap()[0].as_resource().unwrap().get::<Counted>().is_some());
        let other = Resource::new(atoms::OK, Arc::new(0u8), NodeId::LOCAL_NONE);
        assert_ne!(Term::resource(other), Term::resource(r.clone()));
        drop(r);
        assert_eq!(drops.load(SeqCst), 0);
        drop(t);
        assert_eq!(drops.load(SeqCst), 1);
    });
}

/// A resource whose destructor drops a term with a resource whose destructor ... must not recurse either.
#[test]
fn resources_that_hold_terms_nest_without_limit() {
    leaves_nothing(|| {
        let mut t = Term::nil();
        for _ in 0..200_000 {
            let r = Resource::new(atoms::OK, Arc::new(t), NodeId::LOCAL_NONE);
            t = Term::tuple([Term::resource(r)]);
        }
        drop(t);
    });
}

#[test]
fn a_million_levels_are_no_trouble() {
    leaves_nothing(|| {
        let deep = |bottom: i64| {
            let mut t = Term::int(bottom);
            for i in 0..1_000_000 {
                t = match i % 4 {
                    0 => Term::tuple([t]),
                    1 => Term::list([t]),
                    2 => Term::map([(t, Term::nil())]),
                    _ => Term::tuple([Term::int(i), t, Term::int(i)]),
                };
            }
            t
        };
        let (a, b, c) = (deep(1), deep(1), deep(2));
        assert!(a == b && a.equals(&b));
        assert!(a.compare(&c).is_lt() && a.compare_exact(&c).is_lt());
        assert_eq!(a.phash2(), b.phash2());
        let hasher = RandomState::new();
        assert_eq!(hasher.hash_one(&a), hasher.hash_one(&b));
        assert!(a.heap_bytes() > 1_000_000 * 40);
        assert_eq!(a.compact(), a);
        std::thread::spawn(move || drop(a)).join().unwrap();
    });
}

#[test]
fn a_builder_makes_one_block_and_refuses_what_does_not_fit() {
    leaves_nothing(|| {
        let before = live_blocks().unwrap_or(0);
        let words = measure::tuple(3) + measure::map(2) + measure::list(2) + measure::binary(20) + measure::binary(200);
        let mut b = Builder::new(words).unwrap();
        b.open_tuple(3).unwrap();
        b.open_map(2).unwrap();
        b.put(Term::int(2)).unwrap();
        b.open_list(2).unwrap();
        b.put(atoms::OK.into()).unwrap();
        b.put_binary(&[1; 20]).unwrap();
        b.put(Term::nil()).unwrap();
        b.put(Term::int(1)).unwrap();
        b.put_binary(&[2; 200]).unwrap();
        assert!(!b.is_complete());
        b.put(Term::tuple([Term::int(9)])).unwrap();
        b.put(Term::int(0)).unwrap();
        assert!(b.is_complete());
        assert_eq!(b.put(Term::nil()), Err(BuildError::Complete));
        let t = b.finish().unwrap();
        assert_eq!(live_blocks().unwrap_or(0).saturating_sub(before), if live_blocks().is_some() { 2 } else { 0 });
        let expected = Term::tuple([
            Term::map([
                (Term::int(1), Term::binary([2; 200])),
                (Term::int(2), Term::list([atoms::OK.into(), Term::binary([1; 20])])),
            ]),
            Term::tuple([Term::int(9)]),
            Term::int(0),
        ]);
        assert_eq!(t, expected);
        assert!(t.heap_bytes() > t.block_bytes() + 200);
        let inner = t.as_tuple().unwrap()[0].as_map().unwrap().get(&Term::int(2)).unwrap().clone();
        drop(t);
        assert_eq!(inner.as_list().unwrap().len(), 2);

        let mut small = Builder::new(measure::tuple(2)).unwrap();
        small.open_tuple(2).unwrap();
        small.put(ints(2)).unwrap();
        assert_eq!(small.open_tuple(1), Err(BuildError::Capacity));
        drop(small);

        let mut double = Builder::new(measure::map(2)).unwrap();
        double.open_map(2).unwrap();
        for _ in 0..3 {
            double.put(Term::nil()).unwrap();
        }
        assert_eq!(double.put(ints(4)), Err(BuildError::DuplicateKey));
        drop(double);
        assert_eq!(Builder::new(0).unwrap().finish().err(), Some(BuildError::Incomplete));
        assert!(Builder::new(usize::MAX).is_err());
        let mut root = Builder::new(5).unwrap();
        root.put(ints(3)).unwrap();
        assert_eq!(root.put(ints(4)), Err(BuildError::Complete));
        assert_eq!(root.finish().unwrap(), ints(3));
    });
}

type Part = Box<dyn Fn(&mut Builder)>;

/// What is left of a builder that was given up is freed at every stage.
#[test]
fn an_unfinished_builder_frees_its_parts() {
    leaves_nothing(|| {
        let parts: [Part; 10] = [
            Box::new(|b| b.open_tuple(3).unwrap()),
            Box::new(|b| b.put_binary(&[1; 100]).unwrap()),
            Box::new(|b| b.open_map(2).unwrap()),
            Box::new(|b| b.put(ints(3)).unwrap()),
            Box::new(|b| b.open_list(2).unwrap()),
            Box::new(|b| b.put_binary(&[1; 30]).unwrap()),
            Box::new(|b| b.put_bits(&[255; 90], 713).unwrap()),
            Box::new(|b| b.open_tuple(1).unwrap()),
            Box::new(|b| b.put(ints(1)).unwrap()),
            Box::new(|b| b.put_integer(true, &[255; 40]).unwrap()),
        ];
        for stage in 0..=parts.len() {
            let mut b = Builder::new(1000).unwrap();
            parts[..stage].iter().for_each(|p| p(&mut b));
            drop(b);
        }
    });
}

#[test]
fn an_arena_makes_terms_that_outlive_it() {
    leaves_nothing(|| {
        let mut arena = Arena::new();
        let outside = ints(7);
        let mut kept = Vec::new();
        let mut list = arena.list([], Term::nil());
        for i in 0..5000u32 {
            let key = arena.binary(format!("a key of more than fifteen bytes {i}").as_bytes());
            let map = arena.map([(key, outside.clone()), (Term::int(1), Term::from(i))]);
            let big = arena.binary(&[3; 100]);
            let t = arena.tuple([map, Term::from(i), big]);
            if i % 1000 == 0 {
                kept.push(t.clone());
            }
            list = arena.list([t], list);
        }
        let raw = arena.keep(list.clone());
        let raw_outside = arena.keep(outside.clone());
        // SAFETY: the arena is alive.
        unsafe {
            assert_eq!(raw.get().as_list().unwrap().len(), 5000);
            assert_eq!(raw_outside.get(), &outside);
        }
        assert!(arena.bytes() > 5000 * 100);
        drop(list);
        drop(arena);
        for (i, t) in kept.iter().enumerate() {
            let [map, n, big] = t.as_tuple().unwrap() else { panic!("three elements") };
            assert_eq!(n, &Term::int(i as i64 * 1000));
            assert_eq!(map.as_map().unwrap().len(), 2);
            assert_eq!(big.as_binary().unwrap().len(), 100);
            assert_eq!(map.as_map().unwrap().values()[1], outside);
        }
    });
}

#[test]
fn compact_lets_go_of_a_large_block() {
    leaves_nothing(|| {
        let node = NodeId::LOCAL_NONE;
        let fun = LocalFun {
            arity: 1,
            uniq: [7; 16],
            index: 3,
            module: atoms::OK,
            old_index: Term::int(3),
            old_uniq: Term::int(-5),
            pid: Pid { node, number: 1, serial: 2 },
            free: vec![ints(2), Term::int(2)],
        };
        let mut arena = Arena::with_words(4000);
        let outside = ints(3);
        let big = arena.binary(&[9; 50]);
        let shared = arena.binary(&[9; 5000]);
        let map = arena.map([(Term::int(2), Term::int(3)), (big.clone(), outside.clone())]);
        let list = arena.list([map, shared, Term::local_fun(fun)], Term::from(u64::MAX));
        let small = arena.tuple([list, big, Term::binary(b"inline"), Term::bitstring(vec![1, 2], 15)]);
        let long = Ref::from_words(node, &[1, 2, 3, 4, 5]).unwrap();
        let resource = Term::resource(Resource::new(atoms::OK, Arc::new(1), node));
        let small = arena.tuple([small, long.into(), resource]);
        let large = arena.list((0..1000).map(Term::int), small.clone());
        drop(arena);
        assert!(small.block_bytes() > 4096);
        let copy = small.compact();
        assert_eq!(copy, small);
        assert!(copy.block_bytes() < 4096);
        assert_eq!(large.compact().block_bytes(), large.block_bytes(), "most of the block is worth its keep");
        drop((large, small));
        assert_eq!(copy.as_tuple().unwrap().len(), 3);
        assert_eq!(Term::int(1).compact(), Term::int(1));
    });
}

#[test]
fn atoms_are_unique_bounded_and_readable() {
    assert_eq!(Atom::new("ok"), Ok(atoms::OK));
    assert_eq!(atoms::GEN_CALL.as_str(), "$gen_call");
    assert!(Atom::existing("never made by anybody").is_none());
    let made: Vec<Atom> = (0..5000).map(|i| Atom::new(&format!("atom number {i}")).unwrap()).collect();
    for (i, a) in made.iter().enumerate() {
        assert_eq!(a.as_str(), format!("atom number {i}"));
        assert_eq!(Atom::existing(a.as_str()), Some(*a));
    }
    assert!(Atom::new(&"é".repeat(255)).is_ok(), "the limit counts characters, not bytes");
    assert!(Atom::new(&"é".repeat(256)).is_err());
    let threads: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..2000).map(|i| Atom::new(&format!("race {i}")).unwrap()).collect::<Vec<_>>()))
        .collect();
    let all: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(all.windows(2).all(|w| w[0] == w[1]));
    assert!(Atom::count() > 7000);
}

#[test]
fn nodes_are_interned_and_local_ones_are_told_apart() {
    let name = Atom::new("a@host").unwrap();
    assert_eq!(NodeId::intern(name, 5), NodeId::intern(name, 5));
    assert_ne!(NodeId::intern(name, 5), NodeId::intern(name, 6));
    assert_eq!(NodeId::intern(atoms::NONODE, 0), Ok(NodeId::LOCAL_NONE));
    let (a, b) = (NodeId::new_local(atoms::NONODE).unwrap(), NodeId::new_local(atoms::NONODE).unwrap());
    assert_ne!(a, b);
    assert!(a.is_local() && !NodeId::LOCAL_NONE.is_local());
    let pid = |node| Term::from(Pid { node, number: 1, serial: 1 });
    assert_ne!(pid(a), pid(b));
    assert_ne!(pid(a).compare(&pid(b)), std::cmp::Ordering::Equal);
    let named = Atom::new("named@host").unwrap();
    a.rename(named, 77);
    assert_eq!((a.name(), a.creation()), (named, 77));
    assert_eq!(NodeId::intern(named, 77), Ok(a));
}
