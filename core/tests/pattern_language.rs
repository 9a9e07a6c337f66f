//! The pattern language: holes and their types, bound patterns, templates, errors, limits.

#[path = "text_support/terms.rs"]
mod terms;

use krarup::pattern::{BuildError, HoleType, MAX_DEPTH, Pattern, Template, UnknownHole};
use krarup::term::{Atom, BigInt, NodeId, Pid, Port, Ref, Resource, Term, View};
use krarup::text::{Options, ParseErrorKind, parse_term};
use terms::{Kinds, Random, random_term};

fn term(text: &str) -> Term {
    parse_term(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn pattern(text: &str) -> Pattern {
    Pattern::compile(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[track_caller]
fn check(text: &str, matching: &[&str], others: &[&str]) {
    let pattern = pattern(text);
    for t in matching {
        assert!(pattern.is_match(&term(t)), "{text} does not match {t}");
    }
    for t in others {
        assert!(!pattern.is_match(&term(t)), "{text} matches {t}");
    }
}

#[test]
fn literals_are_compared_exactly() {
    check("1", &["1"], &["1.0", "a", "[1]"]);
    check("{ok, \"ab\", <<1,2:4>>}", &["{ok,[97,98],<<1,2:4>>}"], &["{ok,[97,98],<<1,2>>}", "{ok,[97,98]}"]);
    check("fun a:b/1", &["fun a:b/1"], &["fun a:b/2"]);
    check("-0.0", &["0.0"], &["0"]);
    check("'Ok'", &["'Ok'"], &["ok"]);
}

#[test]
fn holes_keep_and_repeat() {
    check("_", &["1", "{}", "#{}"], &[]);
    check("{X, X}", &["{1,1}", "{[a],[a]}"], &["{1,1.0}", "{1,2}"]);
    check("{_X, _X, _}", &["{1,1,2}"], &["{1,2,2}"]);
    check("[X, {X, _} | X]", &["[[], {[], 3}]", "[a,{a,b}|a]"], &["[[], {[], 3}, []]"]);
    let p = pattern("{A, [B, _ | C], #{k := A, j := D}, _E}");
    assert_eq!(p.holes().collect::<Vec<_>>(), ["A", "B", "C", "D", "_E"]);
    let t = term("{1, [2,3,4,5], #{k => 1, j => x, l => y}, z}");
    let b = p.matches(&t).expect("a match");
    assert_eq!(b.len(), 5);
    assert_eq!(format!("{b:?}"), r#"{"A": 1, "B": 2, "C": [4,5], "D": x, "_E": z}"#);
    assert_eq!(b.get("C"), Some(&term("[4,5]")));
    assert_eq!((b.get("_"), b.get("F"), b.slot(9)), (None, None, None));
    assert_eq!(b.slot(3), Some(&term("x")));
    assert!(!b.is_empty() && pattern("x").matches(&term("x")).expect("a match").is_empty());
}

#[test]
fn lists_match_however_they_are_made() {
    check("[]", &["[]"], &["[1]", "{}"]);
    check("[A]", &["[1]"], &["[]", "[1,2]", "[1|2]"]);
    check("[A|B]", &["[1]", "[1,2]", "[1|2]"], &["[]", "a"]);
    check("[A,B|c]", &["[1,2|c]"], &["[1,2]", "[1|c]", "[1,2,3|c]"]);
    check("[A|{x, B}]", &["[1|{x,2}]"], &["[1,{x,2}]"]);
    check("[A|[B|[C]]]", &["[1,2,3]"], &["[1,2]"]);
    check("[A|\"bc\"]", &["\"abc\""], &["\"abd\""]);
    // In pieces, as cons makes them.
    let pieces = (1..=6).rev().fold(Term::nil(), |tail, n| Term::cons(Term::int(n), tail));
    let flat = Term::list((1..=6).map(Term::int));
    let two = Term::improper_list([Term::int(1), Term::int(2)], Term::list((3..=6).map(Term::int)));
    for list in [pieces, flat, two] {
        for n in 1..=6 {
            let names: Vec<String> = (1..=n).map(|i| format!("A{i}")).collect();
            let p = pattern(&format!("[{}|Rest]", names.join(",")));
            let b = p.matches(&list).expect("a match");
            assert_eq!(b.get("Rest"), Some(&Term::list((n + 1..=6).map(Term::int))));
            assert!(pattern(&format!("[{}|_]", names.join(","))).is_match(&list));
            assert!(pattern(&format!("[{}|R:list]", names.join(","))).is_match(&list));
            assert!(!pattern(&format!("[{}|R:tuple]", names.join(","))).is_match(&list));
            assert_eq!(pattern(&format!("[{}]", names.join(","))).is_match(&list), n == 6);
            assert_eq!(pattern(&format!("[{}|[_]]", names.join(","))).is_match(&list), n == 5);
        }
        assert!(pattern("[_,_,_|[4,5,6]]").is_match(&list));
        assert!(!pattern("[_,_,_|[4,5,7]]").is_match(&list));
    }
}

#[test]
fn map_patterns_match_a_part() {
    check("#{}", &["#{}", "#{a=>1}"], &["[]", "{}"]);
    check("#{a := X, \"b\" := 2}", &["#{a=>1,\"b\"=>2}", "#{a=>1,\"b\"=>2,c=>3}"], &["#{a=>1}", "#{a=>1,\"b\"=>2.0}"]);
    check("#{1 := X}", &["#{1=>a}"], &["#{1.0=>a}"]);
    check(
        "#{{a, #{x => 1}, [#{}]} := #{y := V}}",
        &["#{{a,#{x=>1},[#{}]} => #{y=>1}}"],
        &["#{{a,#{},[#{}]} => #{y=>1}}"],
    );
}

#[test]
fn types_admit_what_the_guards_admit() {
    let node = NodeId::LOCAL_NONE;
    let name = Atom::new("thing").unwrap();
    let values = [
        ("int", Term::int(1)),
        ("int", Term::from(BigInt::from(1) << 100_u32)),
        ("float", term("1.0")),
        ("atom", term("a")),
        ("bool", term("true")),
        ("pid", Term::from(Pid { node, number: 1, serial: 0 })),
        ("port", Term::from(Port { node, id: 1 })),
        ("ref", Term::from(Ref::new(node, [1, 2, 3]))),
        ("ref", Term::resource(Resource::new(name, std::sync::Arc::new(1), node))),
        ("fun", term("fun a:b/1")),
        ("binary", term("<<1>>")),
        ("bits", term("<<1:3>>")),
        ("list", term("[]")),
        ("list", term("[1|2]")),
        ("tuple", term("{}")),
        ("map", term("#{}")),
    ];
    let implied = |kind: &str, of: &str| {
        kind == of || matches!((kind, of), ("num", "int" | "float") | ("atom", "bool") | ("bits", "binary"))
    };
    for (short, long, kind) in [
        ("int", "integer", HoleType::Integer),
        ("float", "float", HoleType::Float),
        ("num", "number", HoleType::Number),
        ("atom", "atom", HoleType::Atom),
        ("bool", "boolean", HoleType::Boolean),
        ("pid", "pid", HoleType::Pid),
        ("port", "port", HoleType::Port),
        ("ref", "reference", HoleType::Reference),
        ("fun", "function", HoleType::Function),
        ("bin", "binary", HoleType::Binary),
        ("bits", "bitstring", HoleType::Bitstring),
        ("list", "list", HoleType::List),
        ("tuple", "tuple", HoleType::Tuple),
        ("map", "map", HoleType::Map),
    ] {
        let short_or_binary = if short == "bin" { "binary" } else { short };
        for (of, value) in &values {
            let expected = implied(short_or_binary, of);
            assert_eq!(kind.admits(value), expected, "{short} {value}");
            for text in [format!("X:{short}"), format!("_:{long}"), format!("X : {short}")] {
                assert_eq!(pattern(&text).is_match(value), expected, "{text} {value}");
            }
        }
    }
    check("{N:int, N}", &["{1,1}"], &["{1,2}", "{a,a}"]);
    check("{N, N:int}", &["{1,1}"], &["{a,a}"]);
    let e = Pattern::compile("{ok, X:thing}").unwrap_err();
    assert_eq!((e.kind, e.column), (ParseErrorKind::BadTerm("unknown type of hole"), 6));
}

#[test]
fn binaries_are_taken_apart() {
    let p = pattern("<<\"HELO\", Version:4, Kind:4, Len:16/little, Body:Len/binary, Rest/bits>>");
    let t = Term::bitstring(b"HELO\x35\x03\x00abcde".to_vec(), 8 * 11 + 4);
    let b = p.matches(&t).expect("a match");
    assert_eq!(b.get("Version"), Some(&Term::int(3)));
    assert_eq!(b.get("Body"), Some(&Term::binary("abc")));
    assert_eq!(b.get("Rest"), Some(&term("<<100, 6:4>>")));
    assert!(!p.is_match(&Term::binary("HELO\x35\x0a\x00abcde")));
    // A size may come from elsewhere in the pattern, or be bound.
    check("{N, <<_:N/binary, X>>}", &["{2,<<1,2,3>>}"], &["{2,<<1,2>>}", "{a,<<1>>}", "{-1,<<1>>}"]);
    let sized = pattern("<<X:Size/bits>>");
    assert!(!sized.is_match(&term("<<1:3>>")));
    assert!(sized.bind("Size", 3).unwrap().is_match(&term("<<1:3>>")));
    // Long ones share their memory.
    let long = Term::binary(vec![5u8; 1000]);
    let p = pattern("<<_, X:500/binary, _/binary>>");
    let b = p.matches(&long).expect("a match");
    assert_eq!(b.get("X").and_then(Term::as_binary).unwrap().as_ptr(), long.as_binary().unwrap()[1..].as_ptr());
}

#[test]
fn bound_holes_match_their_value_only() {
    let p = pattern("{reply, Ref, Answer}");
    let bound = p.bind("Ref", 5).unwrap();
    let (mine, other) = (term("{reply, 5, yes}"), term("{reply, 6, no}"));
    assert!(bound.is_match(&mine) && !bound.is_match(&other) && p.is_match(&other));
    let b = bound.matches(&mine).expect("a match");
    assert_eq!((b.get("Ref"), b.get("Answer")), (Some(&Term::int(5)), Some(&term("yes"))));
    let both = bound.clone().bind("Answer", term("yes")).unwrap();
    assert!(both.is_match(&mine) && !both.is_match(&term("{reply, 5, no}")));
    assert!(bound.bind("Ref", 6).unwrap().is_match(&other));
    assert_eq!(p.bind("Nothing", 1).unwrap_err(), UnknownHole("Nothing".to_owned()));
    assert_eq!(both.pattern().source(), "{reply, Ref, Answer}");
    // Many holes, beyond those kept in place.
    let names: Vec<String> = (0..40).map(|i| format!("V{i}")).collect();
    let wide = pattern(&format!("{{{},{}}}", names.join(","), names.join(",")));
    let numbers: Vec<Term> = (0..40).map(Term::int).collect();
    let t = Term::tuple([numbers.clone(), numbers.clone()].concat());
    assert_eq!(wide.matches(&t).expect("a match").to_terms(), numbers);
    assert!(wide.bind("V39", 39).unwrap().is_match(&t) && !wide.bind("V39", 38).unwrap().is_match(&t));
}

#[test]
fn errors_say_where_and_why() {
    for (text, column, why) in [
        ("{a, #{k => 1}}", 5, "`=>` in a pattern, where `:=` belongs"),
        ("#{k => X}", 1, "`=>` in a pattern, where `:=` belongs"),
        ("#{k := 1, j => X}", 13, "`=>` and `:=` in one map"),
        ("#{K := 1}", 1, "hole in the key of a map pattern"),
        ("#{{a, [_]} := 1}", 1, "hole in the key of a map pattern"),
        ("<<X/binary, Y>>", 3, "binary without a size before the end"),
        ("<<X:_>>", 5, "`_` as a size"),
        ("<<{X}>>", 3, "pattern of several parts in a binary"),
        ("<<X/utf8-unit:3>>", 3, "a character has neither size nor unit"),
        ("-X", 2, "sign before something else than a number"),
    ] {
        let e = Pattern::compile(text).unwrap_err();
        assert_eq!((e.kind, e.column), (ParseErrorKind::BadTerm(why), column), "{text}");
    }
    assert_eq!(Pattern::compile("{a, }").unwrap_err().to_string(), "1:5: syntax error before: '}'");
    assert_eq!(Pattern::compile("{a} b").unwrap_err().to_string(), "1:5: syntax error before: b");
    assert_eq!("{Ok".parse::<Pattern>().unwrap_err().to_string(), "1:4: syntax error at end of text");
    let known = Options::new().existing_atoms(true);
    let e = Pattern::compile_with(&known, "{never_seen_in_a_pattern, X}").unwrap_err();
    assert_eq!(e.kind, ParseErrorKind::UnknownAtom("never_seen_in_a_pattern".to_owned()));
    assert_eq!(Template::compile("{X, _}").unwrap_err().kind, ParseErrorKind::BadTerm("`_` in a template"));
    assert!(Template::compile("#{k := X}").is_err());
    assert_eq!(format!("{:?} {0}", pattern("{X}")), "Pattern({X}) {X}");
}

#[test]
fn depth_is_limited_and_matching_a_deep_term_is_not() {
    let nest = |depth: usize| format!("{}X{}", "{".repeat(depth), "}".repeat(depth));
    assert!(Pattern::compile(&nest(MAX_DEPTH)).is_ok());
    assert_eq!(Pattern::compile(&nest(MAX_DEPTH + 1)).unwrap_err().kind, ParseErrorKind::TooDeep);
    assert_eq!(Template::compile(&nest(MAX_DEPTH + 1)).unwrap_err().kind, ParseErrorKind::TooDeep);
    // Compiling, matching, building and dropping the deepest fit on a small stack, such as a fiber's.
    let deepest = nest(MAX_DEPTH);
    let small = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
        let template = Template::compile(&deepest).unwrap();
        let pattern = Pattern::compile(&deepest).unwrap();
        let term = template.build(&[Term::int(7)]).unwrap();
        pattern.matches(&term).expect("a match").get("X").cloned()
    });
    assert_eq!(small.unwrap().join().unwrap(), Some(Term::int(7)));
    let strict = Options::new().max_depth(3);
    assert!(Pattern::compile_with(&strict, &nest(3)).is_ok() && Pattern::compile_with(&strict, &nest(4)).is_err());
    let deep = (0..1_000_000).fold(Term::nil(), |t, _| Term::tuple([t]));
    assert!(pattern(&nest(50)).is_match(&deep));
    assert!(pattern("{X}").matches(&deep).is_some());
}

#[test]
fn templates_put_values_into_holes() {
    let t = Template::compile("{ok, V, [V, W | T], #{K => V, fixed => [1,2]}, <<N:16, B/binary, \"x\">>}").unwrap();
    assert_eq!(t.holes().collect::<Vec<_>>(), ["V", "W", "T", "K", "N", "B"]);
    assert_eq!(t.slot("K"), Some(3));
    let values = [term("1"), term("2"), term("[3]"), term("key"), term("258"), term("<<\"ab\">>")];
    let built = t.build(&values).unwrap();
    assert_eq!(built, term("{ok, 1, [1,2,3], #{key => 1, fixed => [1,2]}, <<1,2,\"abx\">>}"));
    let names = ["V", "W", "T", "K", "N", "B"];
    let named: Vec<(&str, Term)> = names.iter().copied().zip(values.iter().cloned()).rev().collect();
    assert_eq!(t.build_named(&named).unwrap(), built);
    assert_eq!(t.build(&values[..5]).unwrap_err(), BuildError::Count { holes: 6, values: 5 });
    assert_eq!(t.build_named(&named[..5]).unwrap_err(), BuildError::Hole("V".to_owned()));
    assert_eq!(t.build_named(&[("Z", Term::nil())]).unwrap_err(), BuildError::Hole("Z".to_owned()));
    let mut wrong = values.clone();
    wrong[4] = term("a");
    assert_eq!(t.build(&wrong).unwrap_err(), BuildError::Segment);
    let typed = Template::compile("{N:int, F:fun}").unwrap();
    assert_eq!(typed.build(&[term("a"), term("fun a:b/0")]).unwrap_err(), BuildError::Type("N".to_owned()));
    assert_eq!(Template::compile("[a, {b}]").unwrap().build(&[]).unwrap(), term("[a,{b}]"));
    assert_eq!(Template::compile("X").unwrap().build(&[term("7")]).unwrap(), term("7"));
    assert_eq!(Template::compile("#{K => a, K => b}").unwrap().build(&[term("k")]).unwrap(), term("#{k => b}"));
}

#[test]
fn sizes_from_values_do_not_make_much_of_little() {
    let t = Template::compile("<<0:N, 1>>").unwrap();
    assert_eq!(t.build(&[term("8")]).unwrap(), term("<<0,1>>"));
    for n in ["100000000000", "9223372036854775807"] {
        assert_eq!(t.build(&[term(n)]).unwrap_err(), BuildError::TooLarge, "{n}");
    }
    assert_eq!(t.build(&[term("-1")]).unwrap_err(), BuildError::Segment);
    assert_eq!(Pattern::compile("<<0:1000000000000, X>>").unwrap_err().kind, ParseErrorKind::TooLarge);
    assert_eq!(Template::compile("<<0:1000000000000, X>>").unwrap_err().kind, ParseErrorKind::TooLarge);
    assert!(!pattern("<<0:N, X>>").bind("N", i64::MAX).unwrap().is_match(&term("<<1>>")));
    assert!(!pattern("<<_:N/unit:256>>").bind("N", i64::MAX).unwrap().is_match(&term("<<1>>")));
}

/// The term as a template: some parts are holes, whose values are collected.
fn template_of(r: &mut Random, t: &Term, values: &mut Vec<Term>) -> String {
    if r.chance(25) {
        let slot = values.iter().position(|v| v.same(t)).unwrap_or_else(|| {
            values.push(t.clone());
            values.len() - 1
        });
        return format!("V{slot}");
    }
    let mut join = |r: &mut Random, parts: &mut dyn Iterator<Item = &Term>| {
        parts.map(|e| template_of(r, e, values)).collect::<Vec<_>>().join(",")
    };
    match t.view() {
        View::Tuple(elements) => format!("{{{}}}", join(r, &mut elements.iter())),
        View::List(list) => {
            let elements = join(r, &mut list.iter());
            if list.is_proper() {
                format!("[{elements}]")
            } else {
                format!("[{elements}|{}]", join(r, &mut [list.tail()].into_iter()))
            }
        }
        View::Map(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{} => {}", join(r, &mut [k].into_iter()), join(r, &mut [v].into_iter())))
                .collect();
            format!("#{{{}}}", pairs.join(","))
        }
        _ => t.to_string(),
    }
}

#[test]
fn a_template_made_of_a_term_builds_the_term() {
    let mut r = Random::new("templates");
    for _ in 0..3000 {
        let size = 1 + r.below(40);
        let whole = random_term(&mut r, size, Kinds { opaque: false, funs: false, wide: true });
        let mut values = Vec::new();
        let text = template_of(&mut r, &whole, &mut values);
        let template = Template::compile(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        // Holes are numbered as they appear, which may not be the order of their names.
        let named: Vec<(String, Term)> = values.into_iter().enumerate().map(|(i, v)| (format!("V{i}"), v)).collect();
        let named: Vec<(&str, Term)> = named.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
        assert_eq!(template.build_named(&named).unwrap(), whole, "{text}");
        // Written with `:=`, it would be a pattern that finds the values.
        if !text.contains("=>") {
            let pattern = Pattern::compile(&text).unwrap();
            let found = pattern.matches(&whole).unwrap_or_else(|| panic!("{text} does not match {whole}"));
            for (name, value) in &named {
                assert_eq!(found.get(name), Some(value));
            }
        }
    }
}

#[test]
fn no_text_makes_the_compilers_panic() {
    let mut r = Random::new("fuzz");
    let words = [
        "{", "}", "[", "]", "(", "<<", ">>", "#{", ",", "|", "=>", ":=", ":", "/", "-", ".", "a", "X", "Y", "_", "1",
        "8", "\"s\"", "1.5", "int", "fun", "unit", "binary", "bits", "utf8", "little", "signed", " ",
    ];
    let subjects = [term("{a,1,[x|y]}"), term("#{a=>1}"), term("<<1,2,3:4>>"), term("\"ss\"")];
    let mut compiled = 0;
    for _ in 0..100_000 {
        let count = 1 + r.below(14);
        let text: String = (0..count).map(|_| r.pick(&words)).collect();
        if let Ok(pattern) = Pattern::compile(&text) {
            compiled += 1;
            for subject in &subjects {
                if let Some(found) = pattern.matches(subject) {
                    assert!(found.to_terms().len() <= pattern.holes().len());
                }
            }
        }
        if let Ok(template) = Template::compile(&text) {
            let values = vec![Term::int(3); template.holes().len()];
            let _ = template.build(&values);
        }
    }
    assert!(compiled > 1000, "{compiled}");
}
