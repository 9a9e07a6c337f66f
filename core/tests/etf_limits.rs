//! Full tables are reported, not fatal. In a program of its own, for the tables are everybody's.

use krarup::etf::{DecodeErrorKind, decode};
use krarup::term::{Atom, AtomError, NodeError, NodeId, Term, atoms};

#[test]
fn full_tables_are_errors_and_go_away_with_a_higher_limit() {
    let name = Atom::new("known@host").unwrap();
    NodeId::intern(name, 1).unwrap();
    let bytes = [&[131, 119, 9][..], b"not known"].concat();
    let pid =
        |creation: u8| [&[131, 88, 119, 10][..], b"known@host", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, creation]].concat();

    Atom::set_limit(Atom::count());
    assert_eq!(Atom::new("not known"), Err(AtomError::TableFull));
    assert_eq!(Atom::new("known@host"), Ok(name));
    let e = decode(&bytes).unwrap_err();
    assert_eq!((e.offset, e.kind), (1, DecodeErrorKind::AtomTableFull));
    let nested = [&[131, 104, 2, 97, 1][..], &bytes[1..]].concat();
    assert_eq!(decode(&nested).unwrap_err().offset, 5);
    assert_eq!(decode(&[131, 119, 2, b'o', b'k']).unwrap(), Term::from(atoms::OK));
    Atom::set_limit(Atom::count() + 1);
    assert_eq!(decode(&bytes).unwrap(), Term::from(Atom::new("not known").unwrap()));
    assert_eq!(Atom::new("one more"), Err(AtomError::TableFull));

    NodeId::set_limit(2);
    assert_eq!(NodeId::intern(name, 2), Err(NodeError::TableFull));
    assert_eq!(NodeId::new_local(atoms::NONODE), Err(NodeError::TableFull));
    assert!(decode(&pid(1)).is_ok(), "a node that is known needs no room");
    assert_eq!(decode(&pid(2)).unwrap_err().kind, DecodeErrorKind::NodeTableFull);
    NodeId::set_limit(100);
    assert!(decode(&pid(2)).is_ok());
}
