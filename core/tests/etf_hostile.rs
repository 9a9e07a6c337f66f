//! Input from anybody: errors instead of panics, no stack to overflow, no memory out of proportion.

#[path = "common/terms.rs"]
mod terms;

use krarup::etf::{AtomText, DecodeErrorKind, Decoder, EncodeOptions, decode, encode};
use krarup::term::{Term, atoms};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use terms::{Rng, term};

/// Counts what the current thread has allocated, and the most it had at once.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let now = NOW.get() + change;
    NOW.set(now);
    PEAK.set(PEAK.get().max(now));
}

// SAFETY: all work is done by the system's allocator; counting allocates nothing, for the thread-locals are constants.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `f` had at once, and its result.
fn peak<T>(f: impl FnOnce() -> T) -> (usize, T) {
    let start = NOW.get();
    PEAK.set(start);
    let result = f();
    ((PEAK.get() - start) as usize, result)
}

/// No input costs more than this; inflating takes a window of its own.
fn bound(bytes: &[u8]) -> usize {
    80 * bytes.len() + 4096 + if bytes.get(1) == Some(&80) { 64 << 10 } else { 0 }
}

fn plain(t: &Term) -> Vec<u8> {
    encode(t, &EncodeOptions::default()).expect("no resources here")
}

#[test]
fn every_truncation_is_an_error_that_says_where() {
    let mut rng = Rng::from_env("every_truncation_is_an_error_that_says_where");
    for _ in 0..300 {
        let bytes = plain(&term(&mut rng, 4));
        for n in 0..bytes.len() {
            let (memory, result) = peak(|| decode(&bytes[..n]));
            let e = result.expect_err("a part of a term is no term");
            assert_eq!(e.kind, DecodeErrorKind::Truncated, "{n} of {bytes:?}");
            assert_eq!(e.offset, n);
            assert!(memory <= bound(&bytes[..n]), "{memory} bytes for {n}");
        }
        assert!(decode(&bytes).is_ok());
    }
}

#[test]
fn damaged_input_costs_memory_in_proportion() {
    let mut rng = Rng::from_env("damaged_input_costs_memory_in_proportion");
    for _ in 0..20_000 {
        let mut bytes = plain(&term(&mut rng, 3));
        for _ in 0..=rng.below(3) {
            let at = 1 + rng.below(bytes.len() - 1);
            bytes[at] = rng.next() as u8;
        }
        let (memory, result) = peak(|| decode(&bytes));
        // A new atom or node may make its table grow.
        assert!(memory <= bound(&bytes) + (256 << 10), "{memory} bytes for {bytes:?}");
        if let Err(e) = result {
            assert!(e.offset <= bytes.len(), "{e}: {bytes:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes that have nothing to do with terms, but for many tags among them.
    #[test]
    fn any_bytes_give_a_term_or_an_error(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 70u8..=121, 0u8..4], 0..60)
    ) {
        let bytes = [&[131], &bytes[..]].concat();
        let (memory, result) = peak(|| Decoder::new().max_inflated(1 << 16).decode(&bytes));
        prop_assert!(memory <= bound(&bytes) + (256 << 10));
        match result {
            Ok((t, used)) => {
                prop_assert!(used <= bytes.len());
                prop_assert!(decode(&plain(&t)).unwrap().same(&t));
            }
            Err(e) => prop_assert!(!e.to_string().is_empty()),
        }
    }
}

/// A local fun's module, old index, old uniq and pid.
const FUN_REST: &[u8] = &[119, 1, b'm', 97, 1, 97, 2, 88, 119, 1, b'n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn counts_that_promise_too_much_cost_nothing() {
    for head in [
        &[108, 255, 255, 255, 255][..],
        &[105, 0, 255, 255, 255],
        &[116, 255, 255, 255, 255],
        &[116, 0x80, 0, 0, 0],
        &[109, 255, 255, 255, 255],
        &[111, 255, 255, 255, 255, 0],
        &[77, 255, 255, 255, 255, 1],
        &[107, 255, 255],
        &[104, 255],
        &[100, 255, 255],
        &[118, 255, 255],
        &[&[112, 0, 0, 0, 0, 1], &[1; 16][..], &[0, 0, 0, 0, 255, 255, 255, 255], FUN_REST].concat(),
    ] {
        // Alone, and nested as deep as 60 bytes go.
        for depth in [0, 20] {
            let mut bytes = vec![131];
            bytes.extend([104, 1].repeat(depth));
            bytes.extend(head);
            bytes.extend([106; 10]);
            let (memory, result) = peak(|| decode(&bytes));
            assert_eq!(result.unwrap_err().kind, DecodeErrorKind::Truncated, "{bytes:?}");
            assert!(memory <= bound(&bytes), "{memory} bytes for {bytes:?}");
        }
    }
    let wide = [131, 105, 1, 0, 0, 0, 106];
    assert_eq!(decode(&wide).unwrap_err().kind, DecodeErrorKind::TooLarge);
}

/// A million levels of each compound, alone and mixed.
#[test]
fn depth_costs_no_stack() {
    const DEPTH: usize = 1_000_000;
    let (tuple, tuple_end) = (&[104u8, 1][..], &[][..]);
    let (list, list_end) = (&[108u8, 0, 0, 0, 1][..], &[106u8][..]);
    let (tail, tail_end) = (&[108u8, 0, 0, 0, 1, 97, 1][..], &[][..]);
    let (key, key_end) = (&[116u8, 0, 0, 0, 1][..], &[97u8, 1][..]);
    let (value, value_end) = (&[116u8, 0, 0, 0, 1, 97, 1][..], &[][..]);
    let pair = (&[104u8, 2][..], &[97u8, 1][..]);
    for (open, close) in
        [(tuple, tuple_end), (list, list_end), (tail, tail_end), (key, key_end), (value, value_end), pair]
    {
        let bytes = [&[131], &open.repeat(DEPTH)[..], &[106], &close.repeat(DEPTH)].concat();
        let (memory, t) = peak(|| decode(&bytes).unwrap());
        assert!(memory <= bound(&bytes), "{memory} bytes for {}", bytes.len());
        let again = plain(&t);
        // Pieces of one list are written as one list.
        if open != tail {
            assert!(again == bytes);
        }
        let copy = decode(&again).unwrap();
        assert!(t == copy && t.phash2() == copy.phash2() && t.compare(&copy).is_eq());
        drop(t);
        drop(copy);
    }
}

#[test]
fn a_million_elements_are_no_trouble() {
    let list = Term::list((0..1_000_000).map(Term::int));
    let bytes = plain(&list);
    assert_eq!(decode(&bytes).unwrap(), list);
    let mut consed = Term::nil();
    for i in (0..1_000_000).rev() {
        consed = Term::cons(Term::int(i), consed);
    }
    assert!(plain(&consed) == bytes, "a list of pieces is written like any other");
    assert_eq!(consed.phash2(), list.phash2());
}

fn packed(size: u32, plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(plain).unwrap();
    [&[131, 80], &size.to_be_bytes()[..], &zlib.finish().unwrap()].concat()
}

#[test]
fn a_zip_bomb_meets_the_limit() {
    let mut plain = vec![109, 0x04, 0, 0, 0];
    plain.resize(5 + (64 << 20), 0);
    let bomb = packed(plain.len() as u32, &plain);
    assert!(bomb.len() < 100_000);
    let (memory, result) = peak(|| Decoder::new().max_inflated(1 << 20).decode(&bomb));
    assert_eq!(result.unwrap_err().kind, DecodeErrorKind::InflatedSize(plain.len() as u32));
    assert!(memory < 1 << 16);
    assert!(Decoder::new().decode(&bomb).is_ok(), "within the default limit");
    // A size that lies low stops there.
    let liar = packed(1000, &plain);
    let (memory, result) = peak(|| decode(&liar));
    assert_eq!(result.unwrap_err().kind, DecodeErrorKind::Compression);
    assert!(memory < 1 << 17, "{memory}");
    // One that lies high allocates only what is really there.
    let liar = packed(200 << 20, &[97, 1]);
    let (memory, result) = peak(|| decode(&liar));
    assert_eq!(result.unwrap_err().kind, DecodeErrorKind::Compression);
    assert!(memory < 1 << 17, "{memory}");
}

#[test]
fn damaged_compression_is_an_error() {
    let plain = plain(&Term::list((0..500).map(Term::int)));
    let whole = packed(plain.len() as u32 - 1, &plain[1..]);
    assert_eq!(Decoder::new().decode(&whole).unwrap().1, whole.len());
    for n in 6..whole.len() {
        assert_eq!(decode(&whole[..n]).unwrap_err().kind, DecodeErrorKind::Compression, "{n}");
    }
    let mut rng = Rng::from_env("damaged_compression_is_an_error");
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        let at = 6 + rng.below(bytes.len() - 6);
        bytes[at] ^= 1 << rng.below(8);
        // The checksum finds what does not break the format; a few bits of the stream mean nothing.
        if let Ok(t) = decode(&bytes) {
            assert_eq!(t, decode(&whole).unwrap(), "byte {at}");
        }
    }
    assert!(decode(&packed(0, &[])).is_err());
}

#[test]
fn errors_point_at_the_byte() {
    let at = |bytes: &[u8]| {
        let e = decode(bytes).unwrap_err();
        (e.offset, e.kind)
    };
    assert_eq!(at(&[]), (0, DecodeErrorKind::Truncated));
    assert_eq!(at(&[130, 97, 1]), (0, DecodeErrorKind::Version(130)));
    assert_eq!(at(&[131, 104, 2, 97, 1, 5]), (5, DecodeErrorKind::Tag(5)));
    assert_eq!(at(&[131, 104, 1, 70, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]), (3, DecodeErrorKind::Float));
    assert_eq!(at(&[131, 104, 1, 119, 2, 0xc3, 0x28]), (3, DecodeErrorKind::AtomText));
    assert_eq!(at(&[131, 82, 7]), (1, DecodeErrorKind::AtomReference(7)));
    assert_eq!(at(&[131, 121, 1, 2]), (1, DecodeErrorKind::Local));
    assert_eq!(at(&[131, 88, 97, 1, 0, 0, 0]), (2, DecodeErrorKind::Misplaced(97)));
    let (offset, kind) = at(&[131, 104, 2, 97, 0, 116, 0, 0, 0, 2, 97, 1, 97, 2, 97, 1, 97, 3]);
    assert_eq!(kind, DecodeErrorKind::DuplicateKey);
    assert!((5..18).contains(&offset));
    let long: Vec<u8> = [&[131, 118, 1, 0][..], &[b'a'; 256]].concat();
    assert_eq!(at(&long), (1, DecodeErrorKind::AtomLength));
    let text = decode(&[131, 104, 2, 97, 1, 5]).unwrap_err().to_string();
    assert_eq!(text, "external term format, byte 5: no term has the tag 5");
}

/// Keys that differ only deep inside, in any order, many of them.
#[test]
fn maps_from_the_wire_are_sorted_whatever_their_order() {
    let mut rng = Rng::from_env("maps_from_the_wire_are_sorted_whatever_their_order");
    for n in [1usize, 2, 31, 32, 33, 100, 1000] {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, rng.below(i + 1));
        }
        let key = |i: usize| Term::tuple([Term::list([Term::int(i as i64)]), atoms::OK.into()]);
        let mut bytes = vec![131, 116];
        bytes.extend((n as u32).to_be_bytes());
        for &i in &order {
            krarup::etf::encode_bare(&key(i), AtomText::Utf8, None, &mut bytes).unwrap();
            krarup::etf::encode_bare(
                &Term::binary(format!("value {i} of some length")),
                AtomText::Utf8,
                None,
                &mut bytes,
            )
            .unwrap();
        }
        let map = decode(&bytes).unwrap();
        let expected = Term::map((0..n).map(|i| (key(i), Term::binary(format!("value {i} of some length")))));
        assert_eq!(map, expected);
        for i in 0..n {
            let found = map.as_map().unwrap().get(&key(i)).unwrap();
            assert_eq!(found.as_binary().unwrap(), format!("value {i} of some length").as_bytes());
        }
        assert!(map.as_map().unwrap().get(&key(n)).is_none());
    }
}
