//! What distribution and files rely on: atom references, shared bytes, nodes, refusal of native values.

use bytes::Bytes;
use krarup::etf::{
    AtomReferences, AtomText, AtomUses, DecodeErrorKind, Decoder, EncodeError, EncodeOptions, decode, decode_shared,
    encode, encode_bare, encode_into,
};
use krarup::term::{Atom, FunView, NodeId, Pid, Port, Ref, Resource, Term, View, atoms};
use std::sync::Arc;

fn atom(text: &str) -> Atom {
    Atom::new(text).unwrap()
}

struct Header(Vec<Atom>);

impl AtomReferences for Header {
    fn atom(&self, reference: u8) -> Option<Atom> {
        self.0.get(usize::from(reference)).copied()
    }
}

impl AtomUses for Header {
    fn reference(&mut self, atom: Atom) -> Option<u8> {
        // The two booleans stand for what does not fit the header.
        if atom == atoms::TRUE || atom == atoms::FALSE {
            return None;
        }
        let at = self.0.iter().position(|a| *a == atom).unwrap_or_else(|| {
            self.0.push(atom);
            self.0.len() - 1
        });
        u8::try_from(at).ok()
    }
}

/// Bytes that a BEAM of OTP 25 sent: control message and payload of `Me ! {small,atom1,atom2}`.
#[test]
fn a_message_with_atom_references_is_read_and_written() {
    let header = Header(["bb@localhost", "g2@localhost", "small", "atom1", "atom2"].map(atom).to_vec());
    let bytes = Bytes::from_static(&[
        104, 4, 97, 22, 88, 82, 0, 0, 0, 0, 85, 0, 0, 0, 0, 107, 3, 219, 2, 88, 82, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        30, 97, 9, 104, 3, 82, 2, 82, 3, 82, 4,
    ]);
    let decoder = Decoder::new().references(&header);
    let (control, end) = decoder.decode_bare(&bytes, 0).unwrap();
    let (message, end) = decoder.decode_bare(&bytes, end).unwrap();
    assert_eq!(end, bytes.len());
    let sender = NodeId::intern(atom("bb@localhost"), 0x6b03_db02).unwrap();
    let receiver = NodeId::intern(atom("g2@localhost"), 30).unwrap();
    let expected = Term::tuple([
        Term::int(22),
        Pid { node: sender, number: 85, serial: 0 }.into(),
        Pid { node: receiver, number: 1, serial: 0 }.into(),
        Term::int(9),
    ]);
    assert_eq!(control, expected);
    assert_eq!(message, Term::tuple(["small", "atom1", "atom2"].map(|a| atom(a).into())));

    let mut uses = Header(Vec::new());
    let mut out = Vec::new();
    encode_bare(&control, AtomText::Utf8, Some(&mut uses), &mut out).unwrap();
    encode_bare(&message, AtomText::Utf8, Some(&mut uses), &mut out).unwrap();
    assert_eq!(out, bytes);
    assert_eq!(uses.0, header.0);
}

#[test]
fn atoms_without_a_reference_are_written_in_full() {
    let t = Term::list([atoms::TRUE.into(), atoms::OK.into(), atoms::FALSE.into(), atoms::OK.into()]);
    let (mut uses, mut out) = (Header(Vec::new()), Vec::new());
    encode_bare(&t, AtomText::Utf8, Some(&mut uses), &mut out).unwrap();
    assert_eq!(uses.0, [atoms::OK]);
    let bytes = Bytes::from(out);
    assert_eq!(Decoder::new().references(&uses).decode_bare(&bytes, 0).unwrap(), (t, bytes.len()));
    let e = Decoder::new().references(&Header(Vec::new())).decode_bare(&bytes, 0).unwrap_err();
    assert_eq!(e.kind, DecodeErrorKind::AtomReference(0));
    assert!(Decoder::new().decode_bare(&bytes, bytes.len() + 1).is_err());
}

#[test]
fn binaries_of_more_than_64_bytes_share_the_input() {
    let t = Term::tuple([Term::binary(vec![1; 64]), Term::binary(vec![2; 65]), Term::binary(vec![3; 10_000])]);
    let bytes = Bytes::from(encode(&t, &EncodeOptions::default()).unwrap());
    let inside = |b: &[u8]| bytes.as_ptr_range().contains(&b.as_ptr());
    let shared = decode_shared(&bytes).unwrap();
    assert_eq!(shared, t);
    let [a, b, c] = shared.as_tuple().unwrap() else { panic!("three binaries") };
    assert!(!inside(a.as_binary().unwrap()) && inside(b.as_binary().unwrap()) && inside(c.as_binary().unwrap()));
    assert_eq!(c.bytes().unwrap().as_ptr(), c.as_binary().unwrap().as_ptr(), "and so does `bytes`");
    let copied = decode(&bytes).unwrap();
    assert!(copied.as_tuple().unwrap().iter().all(|b| !inside(b.as_binary().unwrap())));
}

#[test]
fn compressed_terms_come_back() {
    let t = Term::list((0..1000).map(|i| Term::tuple([Term::int(i % 7), atoms::OK.into(), Term::binary([7; 100])])));
    for level in [0, 1, 6, 9, 200] {
        let options = EncodeOptions { compressed: Some(level), ..EncodeOptions::default() };
        let bytes = encode(&t, &options).unwrap();
        let plain = encode(&t, &EncodeOptions::default()).unwrap();
        assert_eq!(bytes[1] == 80, level > 0, "what does not get smaller is left as it is");
        assert!(bytes.len() <= plain.len());
        assert_eq!(Decoder::new().decode(&bytes).unwrap(), (t.clone(), bytes.len()));
    }
}

#[test]
fn a_native_value_cannot_leave() {
    let name = atom("some type");
    let r = Term::resource(Resource::new(name, Arc::new(1), NodeId::LOCAL_NONE));
    let t = Term::list([Term::int(1), Term::tuple([r])]);
    let mut out = vec![1, 2, 3];
    assert_eq!(encode_into(&t, &EncodeOptions::default(), &mut out), Err(EncodeError::Resource(name)));
    assert_eq!(out, [1, 2, 3], "nothing is left behind");
    let text = encode(&t, &EncodeOptions::default()).unwrap_err().to_string();
    assert_eq!(text, "a native value (type some type) cannot leave this OS process");
}

#[test]
fn what_follows_a_term_is_left_alone() {
    assert_eq!(decode(&[131, 97, 1, 2, 3]).unwrap(), Term::int(1));
    assert_eq!(Decoder::new().decode(&[131, 97, 1, 2, 3]).unwrap(), (Term::int(1), 3));
}

#[test]
fn pids_of_a_nameless_node_find_home() {
    let home = NodeId::new_local(atoms::NONODE).unwrap();
    let other = NodeId::new_local(atoms::NONODE).unwrap();
    let t = Term::tuple([
        Pid { node: home, number: 7, serial: 8 }.into(),
        Port { node: home, id: 9 }.into(),
        Ref::new(home, [1, 2, 3]).into(),
    ]);
    let bytes = encode(&t, &EncodeOptions::default()).unwrap();
    assert_eq!(Decoder::new().home(home).decode(&bytes).unwrap().0, t);
    assert_ne!(Decoder::new().home(other).decode(&bytes).unwrap().0, t);
    let lost = decode(&bytes).unwrap();
    assert_eq!(lost.as_tuple().unwrap()[0].as_pid().unwrap().node, NodeId::LOCAL_NONE);

    home.rename(atom("home@host"), 99);
    let bytes = encode(&t, &EncodeOptions::default()).unwrap();
    assert_eq!(decode(&bytes).unwrap(), t, "a node with a name needs no help");
}

#[test]
fn a_local_fun_is_sent_back_as_it_came() {
    // `fun(X) -> X + A + B end` of some module, with A = 5 and B = [a].
    let bytes: &[u8] = &[
        131, 112, 0, 0, 0, 74, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 0, 2, 0, 0, 0, 2, 100,
        0, 1, 109, 97, 2, 98, 255, 255, 255, 254, 88, 100, 0, 3, 97, 64, 98, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 97, 5,
        108, 0, 0, 0, 1, 100, 0, 1, 97, 106,
    ];
    let mut bytes = bytes.to_vec();
    let size = bytes.len() as u32 - 2;
    bytes[2..6].copy_from_slice(&size.to_be_bytes());
    let t = decode(&bytes).unwrap();
    let View::Fun(FunView::Local(f)) = t.view() else { panic!("a local fun") };
    assert_eq!((f.arity, f.index, f.module.as_str()), (1, 2, "m"));
    assert_eq!((f.old_index, f.old_uniq), (&Term::int(2), &Term::int(-2)));
    assert_eq!(f.free, [Term::int(5), Term::list([atom("a").into()])]);
    assert_eq!(f.uniq[15], 16);
    assert_eq!(encode(&t, &EncodeOptions::default()).unwrap(), bytes);
    let copy = t.clone();
    drop(t);
    assert_eq!(copy, decode(&bytes).unwrap());
}
