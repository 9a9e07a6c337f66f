//! What we read is what OTP reads, and what it refuses we refuse, at the same place.

#[path = "common/erl.rs"]
mod erl;
#[path = "text_support/terms.rs"]
mod terms;

use krarup::term::Term;
use krarup::term::print::{PrintableRange, Printer};
use krarup::text::{ParseError, ParseErrorKind, consult, parse_term};
use terms::{Kinds, Random, external, frame, random_term, unframe};

/// What can be written as text.
const READABLE: Kinds = Kinds { opaque: false, funs: false, wide: true };

#[test]
fn what_we_print_we_read() {
    let mut r = Random::new("print and read");
    for _ in 0..3000 {
        let size = 1 + r.below(60);
        let term = random_term(&mut r, size, READABLE);
        for printer in [
            Printer::plain(),
            Printer::plain().unicode(true),
            Printer::line(),
            Printer::pretty(),
            Printer::pretty().unicode(true).printable(PrintableRange::Unicode),
            Printer::pretty().width(30),
        ] {
            let text = printer.to_string(&term);
            match parse_term(&text) {
                Ok(read) => assert!(read.same(&term), "{text}\nread as {read}"),
                Err(e) => panic!("{e}\n{text}"),
            }
        }
    }
}

#[test]
fn what_otp_prints_we_read() {
    let mut r = Random::new("otp prints");
    let terms: Vec<Term> = (0..2000)
        .map(|_| {
            let size = 1 + r.below(60);
            random_term(&mut r, size, READABLE)
        })
        .collect();
    let encoded: Vec<Vec<u8>> = terms.iter().map(external).collect();
    let source = r#"
        Print = fun(B) ->
            T = binary_to_term(B),
            unicode:characters_to_binary([io_lib:format(F, [T]) || F <- ["~w.\n", "~tw.\n", "~p.\n", "~0tp.\n"]])
        end,
        << <<(byte_size(S)):32, S/binary>> || <<N:32, B:N/binary>> <= Arg, S <- [Print(B)] >>
    "#;
    let Some(answer) = erl::ask(source, &frame(encoded.iter().map(Vec::as_slice))) else { return };
    for (term, text) in terms.iter().zip(unframe(&answer)) {
        let text = std::str::from_utf8(text).expect("UTF-8");
        let read = consult(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(read.len(), 4);
        assert!(read.iter().all(|t| t.same(term)), "{text}");
    }
}

/// What `erl` says of each text: `ok` and all terms, or the place and the message of the error.
const CONSULT: &str = r#"
    Read = fun Read(Chars, Location, Acc) ->
        Done = case erl_scan:tokens([], Chars, Location) of
            {done, _, _} = D -> D;
            {more, C} -> erl_scan:tokens(C, eof, Location)
        end,
        case Done of
            {done, {ok, Tokens, End}, Rest} ->
                case erl_parse:parse_term(Tokens) of
                    {ok, T} when Rest =:= eof -> {ok, lists:reverse([T | Acc])};
                    {ok, T} -> Read(Rest, End, [T | Acc]);
                    {error, {At, Module, What}} -> {error, At, lists:flatten(Module:format_error(What))}
                end;
            {done, {eof, _}, _} -> {ok, lists:reverse(Acc)};
            {done, {error, {At, Module, What}, _}, _} -> {error, At, lists:flatten(Module:format_error(What))}
        end
    end,
    Text = fun(B) ->
        R = case catch Read(unicode:characters_to_list(B), {1, 1}, []) of
            {ok, Ts} -> ["ok", [[$\n, io_lib:format("~w", [T])] || T <- Ts]];
            {error, {L, C}, What} -> io_lib:format("error\n~w\n~w\n~ts", [L, C, What]);
            {error, Odd, What} -> io_lib:format("error\n0\n0\n~w ~ts", [Odd, What]);
            {'EXIT', Why} -> io_lib:format("error\n0\n0\ncrash ~0tP", [Why, 12])
        end,
        unicode:characters_to_binary(R)
    end,
    << <<(byte_size(S)):32, S/binary>> || <<N:32, B:N/binary>> <= Arg, S <- [Text(B)] >>
"#;

#[derive(Debug)]
enum Verdict {
    Terms(String),
    Error { line: usize, column: usize, message: String },
}

fn judge(texts: &[String]) -> Option<Vec<Verdict>> {
    let answer = erl::ask(CONSULT, &frame(texts.iter().map(|t| t.as_bytes())))?;
    let verdicts = unframe(&answer)
        .into_iter()
        .map(|text| {
            let text = std::str::from_utf8(text).expect("UTF-8");
            if let Some(terms) = text.strip_prefix("ok") {
                return Verdict::Terms(terms.trim_start_matches('\n').to_owned());
            }
            let mut parts = text.splitn(4, '\n').skip(1);
            let mut number = || parts.next().and_then(|n| n.parse().ok()).expect("a number");
            let (line, column) = (number(), number());
            Verdict::Error { line, column, message: parts.next().unwrap_or_default().to_owned() }
        })
        .collect();
    Some(verdicts)
}

fn ours(text: &str) -> Result<String, ParseError> {
    consult(text).map(|terms| terms.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Both read the same, or both refuse; where both see a wrong token, it is the same one.
fn compare(texts: &[String]) -> (usize, usize) {
    let Some(verdicts) = judge(texts) else { return (0, 0) };
    assert_eq!(verdicts.len(), texts.len());
    let (mut read, mut placed) = (0, 0);
    for (text, verdict) in texts.iter().zip(verdicts) {
        match (verdict, ours(text)) {
            (Verdict::Terms(theirs), Ok(ours)) => {
                assert_eq!(ours, theirs, "{text:?}");
                read += 1;
            }
            (Verdict::Error { line, column, message }, Err(e)) => {
                // Where OTP goes on reading an expression, we stop at the token that makes it more than a term.
                let place = |l, c| (l, c);
                let exact = match &e.kind {
                    // OTP gives the place of the last token instead of that behind it.
                    ParseErrorKind::Syntax(before) if before.is_empty() => {
                        assert!(message.starts_with("syntax error before: "), "{text:?}\n{e}\n{message}");
                        false
                    }
                    ParseErrorKind::Syntax(_) | ParseErrorKind::BadTerm(_) | ParseErrorKind::TooLarge => {
                        let earlier = place(e.line, e.column) <= place(line, column);
                        let same =
                            message.starts_with("syntax error") && place(e.line, e.column) == place(line, column);
                        assert!(
                            same || earlier || message.starts_with("bad term"),
                            "{text:?}\nours: {e}\ntheirs: {line}:{column}: {message}"
                        );
                        same
                    }
                    _ => {
                        assert_eq!(
                            place(e.line, e.column),
                            place(line, column),
                            "{text:?}\nours: {e}\ntheirs: {message}"
                        );
                        let theirs = message.split(" starting").next().unwrap_or_default();
                        assert_eq!(
                            e.kind.to_string().split(" starting").next().unwrap_or_default(),
                            theirs,
                            "{text:?}"
                        );
                        true
                    }
                };
                placed += usize::from(exact);
            }
            (verdict, ours) => panic!("{text:?}\nours: {ours:?}\ntheirs: {verdict:?}"),
        }
    }
    (read, placed)
}

#[test]
fn chosen_texts_are_judged_as_otp_does() {
    let texts: Vec<String> = [
        // Numbers.
        "1.",
        "-1.",
        "+1.",
        "- 1.",
        "-(1).",
        "-((1)).",
        "(-(1)).",
        "- -1.",
        "-(-1).",
        "1_000.",
        "1__0.",
        "1_.",
        "_1.",
        "16#ff.",
        "16#FF.",
        "2#101.",
        "36#zZ.",
        "37#1.",
        "1#0.",
        "0#0.",
        "16#.",
        "16#g.",
        "16#f_f.",
        "16#_f.",
        "1_6#f.",
        "2#12.",
        "2#1_2.",
        "16#ffffffffffffffffffffffff.",
        "-16#10.",
        "123456789012345678901234567890.",
        "1.0.",
        "1.5e3.",
        "1.5E3.",
        "1.5e+3.",
        "1.5e-3.",
        "1.e3.",
        "1e3.",
        "1.0e.",
        "1.0e+.",
        "1.0e999.",
        "1.0e-999.",
        "1.0e-320.",
        "1_0.2_5e1_0.",
        "1.0_.",
        "1.0e1_.",
        "1._5.",
        "-0.0.",
        "00012.",
        "0012.500.",
        "- 1.5.",
        "1a.",
        "9223372036854775808.",
        "-9223372036854775808.",
        // Characters.
        "$a.",
        "$\\n.",
        "$\\s.",
        "$ .",
        "$\\x41.",
        "$\\x{1F600}.",
        "$\\x{110000}.",
        "$\\x{D800}.",
        "$\\xg.",
        "$\\x.",
        "$\\101.",
        "$\\1.",
        "$\\777.",
        "$\\^a.",
        "$\\^\n.",
        "$\n.",
        "$",
        "$\\",
        "$\\x",
        "$\\x{41",
        "$\\^",
        "$\\8.",
        "$\\q.",
        "-$a.",
        "$%.",
        "$'.",
        "$\u{fffe}.",
        "$ж.",
        "$\\x{0}.",
        "$\\x{}.",
        "$\\x{00000000041}.",
        "$..",
        "$\\..",
        // Atoms.
        "a.",
        "'A b'.",
        "''.",
        "'a\\'b'.",
        "'a\\x{436}b'.",
        "a@b.",
        "a_B9.",
        "é.",
        "éa.",
        "÷.",
        "×.",
        "Éa.",
        "'new\nline'.",
        "'open.",
        "'open\\'.",
        "end.",
        "maybe.",
        "else.",
        "xor.",
        "'end'.",
        "fun.",
        "ж.",
        "'ж'.",
        "a'b'.",
        "_.",
        "A.",
        "_a.",
        // Strings.
        "\"\".",
        "\"abc\".",
        "\"a\" \"b\".",
        "\"a\"\"b\".",
        "\"a\" %c\n \"b\".",
        "\"\\\"\".",
        "\"open.",
        "\"open\\\".",
        "\"a\nb\".",
        "\"\\x{436}\".",
        "\"ж\".",
        "\"\\x{}\".",
        "\"\\xzz\".",
        "[\"a\" | \"b\"].",
        "\"a\" b.",
        "\"\u{ffff}\".",
        "\"\\x4",
        "\"\\\u{fffe}\".",
        // Lists, tuples, maps.
        "[].",
        "[ ].",
        "[1].",
        "[1,2|3].",
        "[1|[2]].",
        "[|1].",
        "[1|].",
        "[1|2,3].",
        "[1,].",
        "[1 2].",
        "[,].",
        "{}.",
        "{1}.",
        "{1,}.",
        "{,1}.",
        "{1;2}.",
        "#{}.",
        "# {}.",
        "#{a=>1}.",
        "#{a=>1,a=>2}.",
        "#{1=>a,1.0=>b}.",
        "#{a:=1}.",
        "#{a}.",
        "#{a=>}.",
        "#{=>1}.",
        "#{a=>1,}.",
        "#{#{}=>[]}.",
        "#r{}.",
        "#r{a=1}.",
        "#.",
        "((1)).",
        "().",
        "(1.",
        "1).",
        "(a,b).",
        "({1}).",
        "{(1),[(2)]}.",
        "{1}{2}.",
        "[1]}.",
        "{1].",
        "#{1=>2].",
        "{A}.",
        "{_}.",
        "[A|B].",
        "{a b}.",
        "{1,\n2,\n}.",
        "{[1,2},\n3].",
        // Binaries.
        "<<>>.",
        "<< >>.",
        "<<1>>.",
        "<<1,2,3>>.",
        "<<256>>.",
        "<<-1>>.",
        "<<1:4>>.",
        "<<1:1,0:2>>.",
        "<<5:3>>.",
        "<<\"abc\">>.",
        "<<\"a\" \"b\">>.",
        "<<\"abc\":16>>.",
        "<<\"ab\":4>>.",
        "<<\"ж\"/utf8>>.",
        "<<\"ж\">>.",
        "<<\"ж\":16>>.",
        "<<\"a\"/utf16>>.",
        "<<\"a\"/utf16-little>>.",
        "<<\"a\"/utf32>>.",
        "<<$a>>.",
        "<<$a/utf8>>.",
        "<<1078/utf8>>.",
        "<<55296/utf8>>.",
        "<<a>>.",
        "<<1.5>>.",
        "<<1.5/float>>.",
        "<<1.5:32/float>>.",
        "<<1.5:16/float>>.",
        "<<1.5:8/float>>.",
        "<<1/float>>.",
        "<<-1/float>>.",
        "<<1:16/little>>.",
        "<<1:16/big>>.",
        "<<1:16/native>>.",
        "<<1:12/little>>.",
        "<<1:16/little-signed-integer-unit:1>>.",
        "<<1:2/unit:8>>.",
        "<<1/unit:8>>.",
        "<<1:1/unit:0>>.",
        "<<1:1/unit:256>>.",
        "<<1:1/unit:257>>.",
        "<<<<1>>/binary>>.",
        "<<<<1>>>>.",
        "<< <<1>> >>.",
        "<< <<1,2>>:1/binary >>.",
        "<< <<1>>:2/binary >>.",
        "<< <<1:3>>/binary >>.",
        "<< <<1:3>>/bits >>.",
        "<< <<1:3>>/bitstring, 1:5 >>.",
        "<< <<1,2>>:12/bits >>.",
        "<< <<1,2>>/binary-unit:16 >>.",
        "<< <<1,2,3>>/binary-unit:16 >>.",
        "<< <<1,2>>:1/binary-unit:16 >>.",
        "<<\"abc\"/binary>>.",
        "<<\"abc\"/float>>.",
        "<<\"abc\"/integer>>.",
        "<<\"abc\":8/integer>>.",
        "<<1/utf8-signed>>.",
        "<<1/utf8-unit:8>>.",
        "<<1:8/utf8>>.",
        "<<1/utf8-little>>.",
        "<<1/big-little>>.",
        "<<1/signed-unsigned>>.",
        "<<1/signed-signed>>.",
        "<<1/integer-float>>.",
        "<<1/foo>>.",
        "<<1/>>.",
        "<<1:>>.",
        "<<1:a>>.",
        "<<1:-1>>.",
        "<<1:(8)>>.",
        "<<1:((8))>>.",
        "<<1:(-8)>>.",
        "<<1:$a>>.",
        "<<1:0>>.",
        "<<(1):8>>.",
        "<<-1:8>>.",
        "<<-(1)>>.",
        "<<+1>>.",
        "<<-a>>.",
        "<<- -1>>.",
        "<<{1}>>.",
        "<<[1]>>.",
        "<<\"\">>.",
        "<<\"\":16>>.",
        "<<,>>.",
        "<<1,>>.",
        "<<1;2>>.",
        "<<1",
        "<<A>>.",
        "<<1:A>>.",
        "<<X/binary>>.",
        "<<1/bits-binary>>.",
        "<< <<1>>/bits-bitstring >>.",
        "<< <<1>>/binary-bytes >>.",
        "<< <<1>>/binary-signed >>.",
        "<< <<1>>/binary-little >>.",
        "<< <<1>>/bits-unit:8 >>.",
        "<< <<1>>/bits-unit:1 >>.",
        "<< <<1>>/binary-unit:8 >>.",
        "<<1:8/integer-integer>>.",
        "<<1:8.0>>.",
        "<<16#ffffffffffffffffffffff:70>>.",
        "<<-1:70>>.",
        "<<1:70/little>>.",
        "<<()>>.",
        "<<1:99999999999999999999>>.",
        "<<\"abc\",0>>.",
        "<<\"abc\"/utf8-big>>.",
        "<<$\\x{1F600}/utf16>>.",
        "<<1:8/ integer>>.",
        "<<1 : 8>>.",
        "<<1/unit:8-integer>>.",
        "<<1:8/unit:1-unit:1>>.",
        "<<1:8/unit:1-unit:2>>.",
        "<<1.5:64/little-float>>.",
        // Funs.
        "fun a:b/1.",
        "fun 'A':'B'/255.",
        "fun a:b/256.",
        "fun a:b.",
        "fun a/1.",
        "fun a:b/-1.",
        "fun (a):b/1.",
        "fun A:b/1.",
        "fun a:b/c.",
        "fun() -> ok end.",
        "fun a:b/1_0.",
        "[fun a:b/0, fun c:d/0].",
        "fun a : b / 1.",
        // Expressions that are no terms.
        "1+2.",
        "a:b.",
        "a().",
        "not true.",
        "bnot 1.",
        "a ! b.",
        "A = 1.",
        "begin 1 end.",
        "if true -> 1 end.",
        "[a || b <- c].",
        "{1+2}.",
        "-a.",
        "-{}.",
        "-\"a\".",
        "+[].",
        "1 - 2.",
        "a, b.",
        "catch a.",
        "#{a=>1}#{b=>2}.",
        "?X.",
        "a:b:c.",
        "1;2.",
        // Dots, comments, space.
        "",
        " \n\t",
        "%\n",
        "a",
        "a.b.",
        "a. b.",
        "a.%c\nb.",
        "a.\nb.",
        "a . b .",
        "..",
        "...",
        ".",
        " . ",
        "a..",
        "a...",
        "1.2.3.",
        "1..2.",
        "%% x\na. %y\n",
        "a.\u{a0}b.",
        "a\u{85}.",
        "\u{feff}a.",
        "a.\u{2028}b.",
        "%\u{ffff}\na.",
        "a.\r\nb.\r\n",
        "a.\0",
        "{a,\r\n b}.",
        "{a,%}\nb}.",
        "^.",
        "@.",
        "`.",
        "~.",
        "&.",
        "\\.",
        "\u{7f}.",
        "|.",
        "||.",
        "::.",
        ":=.",
        "=>.",
        "->.",
        "<-.",
        "<=.",
        "=<.",
        "?=.",
        "¡.",
        "¿a.",
        "{¬}.",
        "a.\n{b,\n c d}.\ne.",
        "{a,\n\"x\ny\",\n}.",
        "{a, \"x\n",
        "[$\n,a b].",
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    let (read, placed) = compare(&texts);
    assert!(read == 0 || (read > 150 && placed > 100), "{read} {placed}");
}

#[test]
fn long_names_are_refused_as_otp_does() {
    let long = |n: usize| "a".repeat(n);
    let texts: Vec<String> = [255, 256, 300]
        .iter()
        .flat_map(|n| {
            [
                format!("{}.", long(*n)),
                format!("'{}'.", long(*n)),
                format!("'{}'.", "ж".repeat(*n)),
                format!("{{A{}}}.", long(*n - 1)),
                format!("x.\n  {}.", long(*n)),
            ]
        })
        .collect();
    compare(&texts);
}

/// Words that random texts are made of.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<<",
    ">>",
    "#{",
    "#",
    ",",
    ",",
    ",",
    "|",
    "=>",
    ":=",
    ":",
    "/",
    "-",
    "+",
    ".",
    ". ",
    ".\n",
    "a",
    "ok",
    "'A'",
    "A",
    "_",
    "1",
    "42",
    "16#f",
    "1.5",
    "2.0e3",
    "$a",
    "$\\n",
    "\"s\"",
    "\"\"",
    "fun",
    "fun a:b/1",
    "unit",
    "8",
    "binary",
    "integer",
    "utf8",
    "little",
    "%c\n",
    " ",
    "\n",
    "=",
    ";",
    "end",
    "'",
    "\"",
    "$",
    "\\",
    "é",
    "ж",
    "1_0",
    "<<1,2>>",
    "<<1:4>>",
    "<<\"x\">>",
];

#[test]
fn random_words_are_judged_as_otp_does() {
    let mut r = Random::new("words");
    let texts: Vec<String> = (0..20_000)
        .map(|_| {
            let count = 1 + r.below(12);
            let mut text: String = (0..count).map(|_| r.pick(WORDS)).collect();
            if r.chance(80) {
                text.push('.');
            }
            text
        })
        .collect();
    compare(&texts);
}

#[test]
fn damaged_terms_are_judged_as_otp_does() {
    let mut r = Random::new("damaged");
    let texts: Vec<String> = (0..6000)
        .map(|_| {
            let size = 1 + r.below(12);
            let term = random_term(&mut r, size, READABLE);
            let printer = if r.chance(50) { Printer::pretty().width(20) } else { Printer::plain() };
            let mut text: Vec<char> = printer.to_string(&term).chars().collect();
            text.push('.');
            for _ in 0..r.below(3) {
                let at = r.below(text.len());
                match r.below(4) {
                    0 => drop(text.remove(at)),
                    1 => text.truncate(at + 1),
                    2 => text.splice(at..at, r.pick(WORDS).chars()).for_each(drop),
                    _ => {
                        let with = r.below(text.len());
                        text.swap(at, with);
                    }
                }
                if text.is_empty() {
                    break;
                }
            }
            text.into_iter().collect()
        })
        .collect();
    let (read, placed) = compare(&texts);
    assert!(read == 0 || (read > 1500 && placed > 500), "{read} {placed}");
}
