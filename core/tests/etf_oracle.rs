//! A real Erlang judges thousands of random terms: bytes, hashes, order.

#[path = "common/erl.rs"]
mod erl;
#[path = "common/terms.rs"]
mod terms;

use krarup::etf::{AtomText, DecodeErrorKind, Decoder, EncodeOptions, decode, encode};
use krarup::term::{Term, View};
use std::cmp::Ordering;
use terms::{Rng, like, term, text};

fn plain(t: &Term) -> Vec<u8> {
    encode(t, &EncodeOptions::default()).expect("no resources here")
}

fn utf8(t: &Term) -> Vec<u8> {
    encode(t, &EncodeOptions { atoms: AtomText::Utf8, ..EncodeOptions::default() }).expect("no resources here")
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
}

/// Takes parts of an answer.
struct Answer(std::vec::IntoIter<u8>);

impl Answer {
    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes(4).try_into().unwrap())
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let taken: Vec<u8> = self.0.by_ref().take(n).collect();
        assert_eq!(taken.len(), n, "the answer is too short");
        taken
    }

    fn sized(&mut self) -> Vec<u8> {
        let n = self.u32();
        self.bytes(n as usize)
    }
}

fn ask(question: &str, arg: &[u8]) -> Option<Answer> {
    erl::ask(question, arg).map(|v| Answer(v.into_iter()))
}

/// Whether some map in it has more than 32 keys: OTP encodes those in an order of its own.
fn has_large_map(t: &Term) -> bool {
    match t.view() {
        View::Map(m) => m.len() > 32 || m.keys().iter().chain(m.values()).any(has_large_map),
        View::Tuple(e) => e.iter().any(has_large_map),
        View::List(l) => l.iter().any(has_large_map) || has_large_map(l.tail()),
        View::Fun(krarup::term::FunView::Local(f)) => f.free.iter().any(has_large_map),
        _ => false,
    }
}

const AGAIN: &str = "<< <<(begin
        T = binary_to_term(B),
        E1 = term_to_binary(T), E2 = term_to_binary(T, [{minor_version, 2}]), E3 = term_to_binary(T, [compressed]),
        E4 = term_to_binary(T, [{minor_version, 0}]),
        <<(byte_size(E1)):32, E1/binary, (byte_size(E2)):32, E2/binary, (byte_size(E3)):32, E3/binary,
          (byte_size(E4)):32, E4/binary,
          (erlang:phash2(T)):32, (erlang:phash2(T, 1 bsl 32)):32, (erlang:phash2(T, 1009)):32>>
    end)/binary>> || <<N:32, B:N/binary>> <= Arg >>";

#[test]
fn encoding_and_phash2_are_those_of_otp() {
    let mut rng = Rng::from_env("encoding_and_phash2_are_those_of_otp");
    for _ in 0..20 {
        let terms: Vec<Term> = (0..300).map(|_| term(&mut rng, 4)).collect();
        let mut arg = Vec::new();
        terms.iter().for_each(|t| put(&mut arg, &plain(t)));
        let Some(mut answer) = ask(AGAIN, &arg) else { return };
        for t in &terms {
            let (e1, e2, packed, old) = (answer.sized(), answer.sized(), answer.sized(), answer.sized());
            if !has_large_map(t) {
                assert_eq!(plain(t), e1, "{:?}", text(t));
                assert_eq!(utf8(t), e2, "{:?}", text(t));
            }
            for bytes in [&e1, &e2, &packed, &old] {
                let (back, used) = Decoder::new().decode(bytes).unwrap_or_else(|e| panic!("{e}: {bytes:?}"));
                assert_eq!(used, bytes.len());
                assert!(back.same(t) && back.equals(t), "{:?}", text(t));
            }
            assert_eq!(answer.u32(), t.phash2(), "{:?} {:?}", text(t), plain(t));
            assert_eq!(answer.u32(), t.phash2_range(0), "{:?}", text(t));
            assert_eq!(answer.u32(), t.phash2_range(1009), "{:?}", text(t));
        }
    }
}

/// The other way round from a text that owes nothing to our encoder.
#[test]
fn terms_are_what_their_text_says() {
    const PARSE: &str = "<< <<(begin
            {ok, Ts, _} = erl_scan:string(unicode:characters_to_list(B) ++ \".\"),
            {ok, T} = erl_parse:parse_term(Ts),
            E = term_to_binary(T), <<(byte_size(E)):32, E/binary>>
        end)/binary>> || <<N:32, B:N/binary>> <= Arg >>";
    let mut rng = Rng::from_env("terms_are_what_their_text_says");
    let mut terms = Vec::new();
    let mut arg = Vec::new();
    while terms.len() < 2000 {
        let t = term(&mut rng, 3);
        if let Some(text) = text(&t)
            && !has_large_map(&t)
        {
            put(&mut arg, text.as_bytes());
            terms.push(t);
        }
    }
    let Some(mut answer) = ask(PARSE, &arg) else { return };
    for t in &terms {
        // The parser reads -0.0 as an operator on 0.0, and gets 0.0 in some releases.
        let bytes = answer.sized();
        if text(t).is_some_and(|s| !s.contains("-0.0")) {
            assert_eq!(plain(t), bytes, "{:?}", text(t));
        }
        assert_eq!(&decode(&bytes).unwrap(), t);
    }
}

#[test]
fn order_and_equality_are_those_of_otp() {
    const COMPARE: &str = "<< <<(begin
            A = binary_to_term(X), B = binary_to_term(Y),
            C = fun(P, Q) -> if P < Q -> 0; P > Q -> 2; true -> 1 end end,
            S = fun(P, Q) -> if P =:= Q -> 1; true -> 0 end end,
            << (C(A, B)), (S(A, B)), (C(#{A => 1}, #{B => 1})), (C({x, [A]}, {x, [B]})) >>
        end)/binary>> || <<N:32, X:N/binary, M:32, Y:M/binary>> <= Arg >>";
    let mut rng = Rng::from_env("order_and_equality_are_those_of_otp");
    for _ in 0..20 {
        let pairs: Vec<(Term, Term)> = (0..500)
            .map(|i| {
                let a = term(&mut rng, 3);
                let b = if i % 4 == 0 { term(&mut rng, 3) } else { like(&mut rng, &a) };
                (a, b)
            })
            .collect();
        let mut arg = Vec::new();
        for (a, b) in &pairs {
            put(&mut arg, &plain(a));
            put(&mut arg, &plain(b));
        }
        let Some(mut answer) = ask(COMPARE, &arg) else { return };
        for (a, b) in &pairs {
            let order = |n: u8| [Ordering::Less, Ordering::Equal, Ordering::Greater][usize::from(n)];
            let said = answer.bytes(4);
            let shown = || format!("{:?} {:?}\n{:?}\n{:?}", text(a), text(b), plain(a), plain(b));
            assert_eq!(a.compare(b), order(said[0]), "{}", shown());
            assert_eq!(b.compare(a), order(said[0]).reverse(), "{}", shown());
            assert_eq!(a.equals(b), said[0] == 1, "{}", shown());
            assert_eq!(a.same(b), said[1] == 1, "{}", shown());
            assert_eq!(a.compare_exact(b), order(said[2]), "{}", shown());
            assert_eq!(
                Term::tuple([Term::list([a.clone()])]).compare(&Term::tuple([Term::list([b.clone()])])),
                order(said[3])
            );
            if a.same(b) {
                let hasher = std::hash::RandomState::new();
                use std::hash::BuildHasher;
                assert_eq!(hasher.hash_one(a), hasher.hash_one(b), "{}", shown());
                assert_eq!(a.phash2(), b.phash2(), "{}", shown());
            }
        }
    }
}

/// Where OTP is no judge: it takes tags that are meant for inside a node only, does not look what stands in the place of
/// a fun's pid (both can crash it), and takes references without words and external funs of any arity.
fn no_judge<T>(refused: &Result<T, DecodeErrorKind>) -> bool {
    use DecodeErrorKind::{Arity, Misplaced, ReferenceLength, Tag};
    matches!(refused, Err(Tag(66..=76) | Misplaced(_) | ReferenceLength(0) | Arity(_)))
}

/// Tags that OTP no longer writes.
fn old_forms(rng: &mut Rng) -> Vec<u8> {
    let id = [[0, 0, 0, 1], [0, 3, 0xff, 0xff], [0, 4, 0, 0], [0x0f, 0xff, 0xff, 0xff], [0xff; 4]];
    let (id, id2) = (*rng.pick(&id), *rng.pick(&id));
    let node = [&[100u8, 0, 3][..], b"a@b"].concat();
    let small = [&[115u8, 3][..], b"a@b"].concat();
    let creation = [rng.below(5) as u8];
    let body: Vec<&[u8]> = match rng.below(6) {
        0 => vec![&[101], &node, &id, &creation],
        1 => vec![&[102], &small, &id, &creation],
        2 => vec![&[103], &node, &id, &id2, &creation],
        3 => vec![&[114, 0, 2], &small, &creation, &id, &id2],
        4 => vec![&[99], b"1.50000000000000000000e+00", &[0; 5]],
        _ => vec![&small],
    };
    [&[131], &body.concat()[..]].concat()
}

/// Bytes at random and bytes with an error: OTP takes what we take, and refuses what we refuse.
#[test]
fn damaged_bytes_are_taken_or_refused_as_by_otp() {
    const TAKE: &str = "<< <<(begin
            try binary_to_term(B, [used]) of
                {T, U} -> E = term_to_binary(T), <<1, U:32, (byte_size(E)):32, E/binary>>
            catch error:badarg -> <<0>> end
        end)/binary>> || <<N:32, B:N/binary>> <= Arg >>";
    let mut rng = Rng::from_env("damaged_bytes_are_taken_or_refused_as_by_otp");
    let mut taken = 0;
    for round in 0..10 {
        let cases: Vec<Vec<u8>> = (0..1000)
            .filter_map(|_| {
                let mut bytes = if rng.below(8) == 0 { old_forms(&mut rng) } else { plain(&term(&mut rng, 3)) };
                for _ in 0..1 + rng.below(2) {
                    let at = 1 + rng.below(bytes.len().max(2) - 1);
                    match rng.below(5) {
                        0 => bytes.truncate(at),
                        1 => bytes.insert(at.min(bytes.len()), rng.next() as u8),
                        2 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
                        3 if at < bytes.len() => {
                            bytes[at] = *rng.pick(&[
                                0, 1, 70, 77, 82, 88, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109,
                                110, 111, 112, 113, 114, 115, 116, 118, 119, 120, 121, 255,
                            ])
                        }
                        _ if at < bytes.len() => bytes[at] = rng.next() as u8,
                        _ => {}
                    }
                }
                let refused = Decoder::new().decode(&bytes).map_err(|e| e.kind);
                (!no_judge(&refused)).then_some(bytes)
            })
            .collect();
        let mut arg = Vec::new();
        cases.iter().for_each(|b| put(&mut arg, b));
        let Some(mut answer) = ask(TAKE, &arg) else { return };
        for bytes in &cases {
            let ours = Decoder::new().decode(bytes);
            // Creation 0 of the nameless node is OTP's own, whose ids have fewer bits and whose references three words.
            let own = bytes.windows(13).any(|w| w == b"nonode@nohost");
            if answer.bytes(1) == [0] {
                if own {
                    continue;
                }
                assert!(ours.is_err(), "OTP refuses {bytes:?}, we read {:?}", ours.map(|(t, n)| (text(&t), n)));
                continue;
            }
            let (used, again) = (answer.u32() as usize, answer.sized());
            match ours {
                Ok((t, n)) => {
                    taken += 1;
                    assert_eq!(n, used, "{bytes:?}");
                    if !has_large_map(&t) && !own {
                        assert_eq!(plain(&t), again, "{bytes:?}");
                    }
                }
                Err(e) => panic!("round {round}: OTP reads {bytes:?}\nas {again:?}, we say {e}"),
            }
        }
    }
    assert!(taken > 500, "only {taken} damaged terms were still terms");
}
