//! Reading stays within bounds, whatever the text.

#[path = "text_support/terms.rs"]
mod terms;

use krarup::term::{Atom, Term};
use krarup::text::{Options, ParseErrorKind, consult, parse_term};
use terms::Random;

#[test]
fn a_million_levels_are_read() {
    let depth = 1_000_000;
    for (open, close) in [("[", "]"), ("{", "}"), ("#{a=>", "}"), ("(", ")"), ("[x|", "]"), ("#{", "=>1}")] {
        let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let term = parse_term(&text).unwrap_or_else(|e| panic!("{open}: {e}"));
        assert!(open == "(" || !term.is_integer());
        // Unfinished or unbalanced ones fail as cheaply.
        assert!(parse_term(&open.repeat(depth)).is_err());
        assert!(parse_term(&format!("{}{}", open.repeat(depth), ")".repeat(depth + 1))).is_err());
    }
    assert!(parse_term(&"-".repeat(depth)).is_err());
    assert!(parse_term(&"<<".repeat(depth)).is_err());
}

#[test]
fn depth_can_be_limited() {
    let options = Options::new().max_depth(3);
    assert!(options.parse_term("[[[1]]]").is_ok());
    let e = options.parse_term("[[[[1]]]]").unwrap_err();
    assert_eq!((e.kind, e.column), (ParseErrorKind::TooDeep, 5));
}

#[test]
fn long_integers_are_read_and_limited() {
    let digits = "7".repeat(300_000);
    let term = parse_term(&digits).expect("an integer");
    assert_eq!(term.to_string(), digits);
    let hexadecimal = parse_term(&format!("16#{}", "f".repeat(900_000))).expect("an integer");
    assert!(hexadecimal.is_integer());
    let e = Options::new().max_integer_digits(20).parse_term("123456789012345678901").unwrap_err();
    assert_eq!(e.kind, ParseErrorKind::IllegalInteger);
    assert!(parse_term(&"1".repeat(1_000_001)).is_err());
    assert!(parse_term(&format!("1{}", "_1".repeat(400_000))).is_ok());
}

#[test]
fn sizes_do_not_make_much_of_little() {
    for text in
        ["<<0:1000000000000>>", "<<0:999999999/unit:256>>", "<<\"abc\":100000000>>", "<<1:18446744073709551615>>"]
    {
        let e = parse_term(text).unwrap_err();
        assert_eq!(e.kind, ParseErrorKind::TooLarge, "{text}");
    }
    let many = format!("[{}<<>>]", "<<0:8000000>>,".repeat(1000));
    assert_eq!(parse_term(&many).unwrap_err().kind, ParseErrorKind::TooLarge);
    // A sequence has one budget.
    assert_eq!(consult(&"<<0:80000000>>.\n".repeat(3)).unwrap_err().line, 2);
    assert_eq!(parse_term("<<0:80000000>>").unwrap().as_binary().map(<[u8]>::len), Some(10_000_000));
    assert!(Options::new().max_binary_growth(0).parse_term("<<0:64, 1:8, \"text\">>").is_ok());
}

#[test]
fn new_atoms_can_be_forbidden() {
    let options = Options::new().existing_atoms(true);
    let text = "{ok, [certainly_not_known_before]}";
    let e = options.parse_term(text).unwrap_err();
    assert_eq!(e.kind, ParseErrorKind::UnknownAtom("certainly_not_known_before".to_owned()));
    assert_eq!(e.to_string(), "1:7: unknown atom 'certainly_not_known_before'");
    assert!(options.parse_term("fun certainly_not_known_before:x/1").is_err());
    assert!(Atom::existing("certainly_not_known_before").is_none());
    Atom::new("certainly_not_known_before").unwrap();
    assert!(options.parse_term(text).is_ok());
}

#[test]
fn terms_of_a_sequence_are_read_one_by_one() {
    let terms = consult("{a, 1}.\n\"two\".\n% nothing\n<<3>>. four.").unwrap();
    let expected = [
        Term::tuple([Term::from(Atom::new("a").unwrap()), Term::int(1)]),
        Term::string("two"),
        Term::binary([3u8].as_slice()),
        Term::from(Atom::new("four").unwrap()),
    ];
    assert_eq!(terms, expected);
    assert_eq!(consult("").unwrap(), []);
    let e = consult("ok.\n{a,\n  b").unwrap_err();
    assert_eq!((e.line, e.column, e.offset), (3, 4, 11));
    assert_eq!(e.to_string(), "3:4: syntax error at end of text");
}

#[test]
fn one_term_needs_no_dot_but_nothing_may_follow() {
    assert_eq!(parse_term(" ok ").unwrap(), parse_term("ok. % done").unwrap());
    assert_eq!(parse_term("ok. ko").unwrap_err().to_string(), "1:5: syntax error before: ko");
    assert_eq!(parse_term("ok ko").unwrap_err().to_string(), "1:4: syntax error before: ko");
    assert_eq!(parse_term("").unwrap_err().kind, ParseErrorKind::Syntax(String::new()));
    assert_eq!(parse_term("{é, Ж}").unwrap_err().to_string(), "1:5: illegal character");
    assert_eq!(parse_term("{é, X}").unwrap_err().offset, 5);
    assert_eq!(parse_term("'a\nb").unwrap_err().to_string(), "1:1: unterminated atom starting with 'a\\nb'");
}

#[test]
fn no_text_makes_it_panic() {
    let mut r = Random::new("fuzz");
    let alphabet: Vec<char> = "{}[]()<>#,|=:/-+.\"'$\\% \n\taAzZ_09e16x^@;éжﾀ𝄞\u{fffe}\u{a0}\0".chars().collect();
    for _ in 0..60_000 {
        let len = r.below(40);
        let text: String = (0..len).map(|_| r.pick(&alphabet)).collect();
        if let Ok(terms) = consult(&text) {
            assert!(terms.len() <= text.len());
        }
        if let Err(e) = parse_term(&text) {
            assert!(text.is_char_boundary(e.offset) && e.offset <= text.len(), "{text:?}");
            assert_eq!(e.line, text[..e.offset].matches('\n').count() + 1, "{text:?}");
            assert!(!e.to_string().contains('\n'), "{text:?}");
        }
    }
    for _ in 0..5_000 {
        let len = r.below(200);
        let _ = parse_term(&String::from_utf8_lossy(&r.bytes(len)));
    }
}
