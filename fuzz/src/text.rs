//! Text: what was read is printed, in every style, as text that reads as the same term.

use krarup::term::Term;
use krarup::term::print::Printer;
use krarup::text::Options;

/// The first byte chooses a line's length; the rest is the text.
pub fn text(data: &[u8]) {
    let Some((&width, rest)) = data.split_first() else { return };
    let Ok(source) = std::str::from_utf8(rest) else { return };
    let options = options();
    if let Ok(term) = options.parse_term(source) {
        round_trips(&options, &term, usize::from(width));
    }
    // A sequence of terms goes through the same parser by another door.
    if let Ok(terms) = options.consult(source) {
        let again: String = terms.iter().map(|t| format!("{t}.\n")).collect();
        assert_eq!(options.consult(&again).as_ref(), Ok(&terms), "from {again}");
    }
}

/// Limits that keep a fuzzer's machine alive; what reaches them is an error like any other.
pub(crate) fn options() -> Options {
    Options::new().max_integer_digits(20_000).max_binary_growth(1 << 20)
}

fn round_trips(options: &Options, term: &Term, width: usize) {
    let styles = [
        Printer::plain(),
        Printer::line(),
        Printer::line().unicode(true),
        Printer::pretty().width(width),
        Printer::pretty().width(width).unicode(true),
    ];
    for style in styles {
        let printed = style.to_string(term);
        match options.parse_term(&printed) {
            Ok(again) => same(term, &again, &printed),
            Err(e) => panic!("{e} in {printed}"),
        }
    }
    let short = Printer::pretty().max_chars(width).to_string(term);
    assert!(short.chars().count() <= width.max(3), "more than {width} characters: {short}");
}

/// The same by every way there is to ask.
pub(crate) fn same(a: &Term, b: &Term, by: &str) {
    assert!(a.same(b), "another term came back by {by}");
    assert!(a.compare(b).is_eq() && a.compare_exact(b).is_eq(), "same, but ordered, by {by}");
    assert_eq!(a.phash2(), b.phash2(), "same, but hashed apart, by {by}");
    assert!(a.compact().same(a), "compact is another term than {by}");
}
