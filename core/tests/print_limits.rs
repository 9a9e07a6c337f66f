//! Printing stays within bounds, whatever the term.

#[path = "text_support/terms.rs"]
mod terms;

use krarup::term::print::Printer;
use krarup::term::{BigInt, Term};
use terms::{Kinds, Random, random_term};

fn nested(depth: usize, wrap: impl Fn(Term) -> Term) -> Term {
    (0..depth).fold(Term::nil(), |inner, _| wrap(inner))
}

#[test]
fn a_million_levels_print_and_are_cut_off() {
    let lists = nested(1_000_000, |t| Term::list([t]));
    let text = lists.to_string();
    assert_eq!(text.len(), 2_000_002);
    assert!(text.starts_with("[[[[") && text.ends_with("]]]]"));
    assert_eq!(format!("{lists:?}"), text);
    // Nothing but brackets: no line is broken.
    assert_eq!(format!("{lists:#}"), text);
    assert_eq!(Printer::pretty().depth(3).to_string(&lists), "[[[...]]]");
    assert_eq!(Printer::pretty().chars_limit(10).to_string(&lists).len(), 11);

    let tuples = nested(1_000_000, |t| Term::tuple([Term::int(7), t]));
    let text = tuples.to_string();
    assert_eq!(text.len(), 4_000_002);
    let pretty = format!("{tuples:#}");
    assert_eq!(pretty.replace(['\n', ' '], ""), text);
    assert!(pretty.len() < 8_000_000, "{}", pretty.len());

    let maps = nested(1_000_000, |t| Term::map([(t, Term::int(1))]));
    assert_eq!(maps.to_string().len(), 8_000_002);
    assert_eq!(format!("{maps:#}").replace(['\n', ' '], "").len(), 6_000_002);
}

#[test]
fn nothing_exceeds_the_greatest_number_of_characters() {
    let mut r = Random::new("max_chars");
    for _ in 0..2000 {
        let size = 1 + r.below(200);
        let term = random_term(&mut r, size, Kinds { opaque: true, funs: true, wide: true });
        let max = r.below(200);
        for printer in [Printer::plain(), Printer::line(), Printer::pretty(), Printer::pretty().unicode(true)] {
            let whole = printer.to_string(&term);
            let cut = printer.clone().max_chars(max).to_string(&term);
            assert!(cut.chars().count() <= max.max(3), "{max}: {cut}");
            if whole.chars().count() <= max / 3 {
                assert_eq!(whole, cut);
            }
        }
    }
}

#[test]
fn a_huge_number_does_not_cost_more_than_its_place() {
    let huge = Term::from(BigInt::from(7) << 40_000_000_u64);
    assert_eq!(Printer::plain().max_chars(50).to_string(&huge), "...");
    assert_eq!(Printer::pretty().max_chars(50).to_string(&Term::tuple([huge, Term::int(1)])), "{...,1}");
}

#[test]
fn a_long_list_is_cut_without_walking_it() {
    let long = Term::list((0..3_000_000).map(|n| Term::int(1000 + n)));
    let text = Printer::pretty().max_chars(40).to_string(&long);
    assert!(text.starts_with("[1000,1001") && text.ends_with("|...]") && text.len() <= 40, "{text}");
    let binary = Term::binary(vec![b'x'; 10_000_000]);
    assert_eq!(Printer::pretty().max_chars(20).to_string(&binary), "<<\"xxxxxxxx\"...>>");
}

#[test]
fn errors_of_the_writer_come_through() {
    struct Full;
    impl std::fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let term = Term::tuple([Term::int(1), Term::string("x")]);
    assert!(Printer::plain().write_to(&mut Full, &term).is_err());
    assert!(Printer::pretty().max_chars(100).write_to(&mut Full, &term).is_err());
}

#[test]
fn own_pids_begin_with_zero_and_others_do_not() {
    use krarup::term::{Atom, NodeId, Pid};
    let name = Atom::new("somewhere@host").unwrap();
    let (ours, theirs) = (NodeId::new_local(name).unwrap(), NodeId::intern(name, 77).unwrap());
    let pid = |node| Term::from(Pid { node, number: 80, serial: 2 });
    assert_eq!(pid(NodeId::LOCAL_NONE).to_string(), "<0.80.2>");
    assert_eq!(pid(ours).to_string(), "<0.80.2>");
    assert_eq!(pid(theirs).to_string(), format!("<{}.80.2>", name.index()));
    // Among several nodes of one OS process, one can be home.
    let printer = Printer::plain().home(ours);
    assert_eq!(printer.to_string(&pid(ours)), "<0.80.2>");
    assert!(!printer.to_string(&pid(NodeId::LOCAL_NONE)).starts_with("<0."));
}
