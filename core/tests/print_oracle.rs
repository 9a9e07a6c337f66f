//! What we print is what OTP prints, for thousands of random terms.

#[path = "common/erl.rs"]
mod erl;
#[path = "text_support/terms.rs"]
mod terms;

use krarup::term::print::{PrintableRange, Printer};
use krarup::term::{Atom, Term};
use std::process::Command;
use std::sync::LazyLock;
use terms::{Kinds, Random, external, frame, random_term, unframe};

/// `Print(F)` answers with the texts that `F` makes of the terms.
const COMMON: &str = r##"
    Text = fun(Chars) -> case unicode:characters_to_binary(Chars) of B when is_binary(B) -> B end end,
    Print = fun(F) -> << <<(byte_size(S)):32, S/binary>> || <<N:32, B:N/binary>> <= Arg, S <- [Text(F(binary_to_term(B)))] >> end,
"##;

/// Lets both sides show the same number for the other node; whether there is a judge.
static READY: LazyLock<bool> = LazyLock::new(|| {
    // The external form of a pid, written by hand: no atom may be made before its number is known.
    let mut pid = vec![131, 88, 119, 7];
    pid.extend(terms::OTHER_NODE.as_bytes());
    pid.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
    let Some(text) = erl::ask_text("pid_to_list(binary_to_term(Arg))", &pid) else { return false };
    let number = text.trim_start_matches('<').split('.').next().and_then(|n| n.parse().ok()).expect("a pid");
    terms::number_other_node(number);
    assert_eq!(terms::other_pid().to_string(), text);
    true
});

fn compare(what: &str, source: &str, terms: &[Term], print: impl Fn(&Term) -> String) {
    let encoded: Vec<Vec<u8>> = terms.iter().map(external).collect();
    let question = frame(encoded.iter().map(Vec::as_slice));
    let Some(answer) = erl::ask(&format!("{COMMON} {source}"), &question) else { return };
    let answers = unframe(&answer);
    assert_eq!(answers.len(), terms.len());
    for (term, theirs) in terms.iter().zip(answers) {
        let ours = print(term);
        let theirs = std::str::from_utf8(theirs).expect("UTF-8");
        assert!(ours == theirs, "{what}\nterm: {}\nours:\n{ours}\ntheirs:\n{theirs}", Printer::plain().to_string(term));
    }
}

fn terms(r: &mut Random, count: usize, size: usize, kinds: Kinds) -> Vec<Term> {
    let _ = *READY;
    (0..count)
        .map(|_| {
            let size = 1 + r.below(size);
            random_term(r, size, kinds)
        })
        .collect()
}

const ALL: Kinds = Kinds { opaque: true, funs: true, wide: true };
/// With characters of Latin-1 only: lines are measured in characters, where OTP counts clusters if there are others.
const NARROW: Kinds = Kinds { opaque: true, funs: true, wide: false };

#[test]
fn plain_form_equals_otp() {
    let mut r = Random::new("plain");
    let terms = terms(&mut r, 3000, 40, ALL);
    compare("~w", r#"Print(fun(T) -> io_lib:format("~w", [T]) end)"#, &terms, |t| t.to_string());
    compare("~tw", r#"Print(fun(T) -> io_lib:format("~tw", [T]) end)"#, &terms, |t| {
        Printer::plain().unicode(true).to_string(t)
    });
}

#[test]
fn one_line_form_equals_otp() {
    let mut r = Random::new("one line");
    let terms = terms(&mut r, 3000, 40, ALL);
    compare("~0p", r#"Print(fun(T) -> io_lib:format("~0p", [T]) end)"#, &terms, |t| format!("{t:?}"));
    compare("~0tp", r#"Print(fun(T) -> io_lib:format("~0tp", [T]) end)"#, &terms, |t| {
        Printer::line().unicode(true).to_string(t)
    });
}

#[test]
fn pretty_form_equals_otp() {
    let mut r = Random::new("pretty");
    let terms = terms(&mut r, 4000, 120, ALL);
    compare("~p", r#"Print(fun(T) -> io_lib:format("~p", [T]) end)"#, &terms, |t| format!("{t:#}"));
    compare("~tp", r#"Print(fun(T) -> io_lib:format("~tp", [T]) end)"#, &terms, |t| {
        Printer::pretty().unicode(true).to_string(t)
    });
    compare("~lp", r#"Print(fun(T) -> io_lib:format("~lp", [T]) end)"#, &terms, |t| {
        Printer::pretty().strings(false).to_string(t)
    });
}

#[test]
fn widths_and_columns_equal_otp() {
    let mut r = Random::new("widths");
    for _ in 0..20 {
        let (width, column) = (2 + r.below(120), 1 + r.below(60));
        let mut options = terms(&mut r, 200, 60, NARROW);
        // The first two are the options.
        options.splice(0..0, [Term::int(width as i64), Term::int(column as i64)]);
        let source = r#"
            <<N1:32, B1:N1/binary, N2:32, B2:N2/binary, _/binary>> = Arg,
            [Width, Column] = [binary_to_term(B) || B <- [B1, B2]],
            Print(fun(T) -> io_lib:format("~*.*p", [Width, Column, T]) end)
        "#;
        compare(&format!("width {width} column {column}"), source, &options, |t| {
            Printer::pretty().width(width).column(column).to_string(t)
        });
    }
}

#[test]
fn depth_limits_equal_otp() {
    let mut r = Random::new("depth");
    for depth in 0..24 {
        let mut options = terms(&mut r, 150, 80, NARROW);
        options.insert(0, Term::int(depth as i64));
        for (format, printer) in [
            ("~W", Printer::plain()),
            ("~tW", Printer::plain().unicode(true)),
            ("~P", Printer::pretty()),
            ("~tP", Printer::pretty().unicode(true)),
            ("~0P", Printer::line()),
        ] {
            let source = format!(
                r#"<<N1:32, B1:N1/binary, _/binary>> = Arg,
                Print(fun(T) -> io_lib:format("{format}", [T, binary_to_term(B1)]) end)"#
            );
            compare(&format!("{format} {depth}"), &source, &options, |t| printer.clone().depth(depth).to_string(t));
        }
    }
}

#[test]
fn character_limits_equal_otp() {
    let mut r = Random::new("chars");
    for round in 0..30 {
        let limit = if round < 12 { round } else { r.below(300) };
        let mut options = terms(&mut r, 150, 150, NARROW);
        options.insert(0, Term::int(limit as i64));
        for (format, printer) in [
            ("~w", Printer::plain()),
            ("~p", Printer::pretty()),
            ("~tp", Printer::pretty().unicode(true)),
            ("~0p", Printer::line()),
        ] {
            let source = format!(
                r#"<<N1:32, B1:N1/binary, _/binary>> = Arg,
                Print(fun(T) -> io_lib:format("{format}", [T], [{{chars_limit, binary_to_term(B1)}}]) end)"#
            );
            compare(&format!("{format} {limit}"), &source, &options, |t| {
                printer.clone().chars_limit(limit).to_string(t)
            });
        }
    }
}

#[test]
fn text_beyond_latin1_equals_an_otp_that_is_told_to_show_it() {
    if !*READY {
        return;
    }
    let mut r = Random::new("unicode");
    let terms = terms(&mut r, 2000, 40, Kinds { opaque: false, funs: false, wide: true });
    let encoded: Vec<Vec<u8>> = terms.iter().map(external).collect();
    let dir = std::env::temp_dir().join(format!("krarup-print-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let (question, answer) = (dir.join("question"), dir.join("answer"));
    std::fs::write(&question, frame(encoded.iter().map(Vec::as_slice))).expect("written");
    // Width 0, because lines are measured in characters, where OTP counts grapheme clusters.
    let script = format!(
        r#"{{ok, Arg}} = file:read_file("{}"),
        Text = fun(T) -> unicode:characters_to_binary(io_lib:format("~0tp", [T])) end,
        Out = [[<<(byte_size(S)):32>>, S] || <<N:32, B:N/binary>> <= Arg, S <- [Text(binary_to_term(B))]],
        ok = file:write_file("{}", Out), halt()."#,
        question.display(),
        answer.display(),
    );
    let status = Command::new("erl").args(["+pc", "unicode", "-noshell", "-eval", &script]).status().expect("erl runs");
    assert!(status.success());
    let answer = std::fs::read(&answer).expect("an answer");
    let answers = unframe(&answer);
    assert_eq!(answers.len(), terms.len());
    let printer = Printer::line().unicode(true).printable(PrintableRange::Unicode);
    for (term, theirs) in terms.iter().zip(answers) {
        assert_eq!(printer.to_string(term), std::str::from_utf8(theirs).expect("UTF-8"), "{term}");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[test]
fn floats_equal_otp() {
    let mut r = Random::new("floats");
    let terms: Vec<Term> = (0..50_000).filter_map(|_| Term::float(terms::random_float(&mut r))).collect();
    compare("float", r#"Print(fun(T) -> io_lib:format("~w", [T]) end)"#, &terms, |t| t.to_string());
}

#[test]
fn every_character_is_quoted_as_otp_does() {
    let mut terms = Vec::new();
    for c in (0..0x300).chain([0x2028, 0xfffd, 0xfffe, 0x1f600, 0x10ffff]) {
        let Some(c) = char::from_u32(c) else { continue };
        for text in [c.to_string(), format!("a{c}"), format!("A{c}"), format!("é{c}b"), format!("b{c}C9")] {
            let atom = Atom::new(&text).expect("short");
            terms.push(Term::from(atom));
            terms.push(Term::string(&text));
            terms.push(Term::binary(&text));
            if text.is_ascii() {
                terms.push(Term::export_fun(atom, atom, 1));
            }
        }
    }
    for (format, printer) in [
        ("~w", Printer::plain()),
        ("~tw", Printer::plain().unicode(true)),
        ("~p", Printer::pretty()),
        ("~tp", Printer::pretty().unicode(true)),
    ] {
        let source = format!(r#"Print(fun(T) -> io_lib:format("{format}", [T]) end)"#);
        compare(format, &source, &terms, |t| printer.to_string(t));
    }
}
