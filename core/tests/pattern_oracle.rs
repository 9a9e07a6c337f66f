//! Patterns match what Erlang's patterns match, and a plain recursive matcher agrees.

#[path = "common/erl.rs"]
mod erl;
#[path = "text_support/terms.rs"]
mod terms;

use krarup::pattern::Pattern;
use krarup::term::print::Printer;
use krarup::term::{Term, View};
use std::collections::HashMap;
use terms::{Kinds, Random, frame, random_term, unframe};

const KINDS: Kinds = Kinds { opaque: false, funs: false, wide: true };

/// A pattern as a tree, to be written and to be matched the plain way.
#[derive(Clone, Debug)]
enum Tree {
    Any,
    Hole(String),
    Literal(Term),
    Tuple(Vec<Tree>),
    List(Vec<Tree>, Box<Tree>),
    Map(Vec<(Term, Tree)>),
}

/// A pattern made from a term: some parts became holes, some were changed.
fn pattern_of(r: &mut Random, term: &Term, holes: usize) -> Tree {
    if r.chance(18) {
        return match r.below(4) {
            0 => Tree::Any,
            _ => Tree::Hole(format!("V{}", r.below(holes))),
        };
    }
    if r.chance(1) {
        return literal(&random_term(r, 2, KINDS));
    }
    match term.view() {
        View::Tuple(elements) if r.chance(97) => {
            Tree::Tuple(elements.iter().map(|e| pattern_of(r, e, holes)).collect())
        }
        View::List(list) if r.chance(97) => {
            let len = list.len();
            let keep = if r.chance(40) { 1 + r.below(len) } else { len };
            let elements: Vec<Tree> = list.iter().take(keep).map(|e| pattern_of(r, e, holes)).collect();
            let tail = if keep < len {
                if r.chance(80) { Tree::Hole(format!("V{}", r.below(holes))) } else { Tree::Any }
            } else if list.is_proper() && r.chance(90) {
                Tree::Literal(Term::nil())
            } else {
                pattern_of(r, list.tail(), holes)
            };
            Tree::List(elements, Box::new(tail))
        }
        View::Map(map) => {
            let pairs = map.iter().filter(|_| r.chance(67)).collect::<Vec<_>>();
            Tree::Map(pairs.into_iter().map(|(k, v)| (k.clone(), pattern_of(r, v, holes))).collect())
        }
        _ => literal(term),
    }
}

/// A map as a value has no place in a pattern.
fn literal(term: &Term) -> Tree {
    fn has_map(term: &Term) -> bool {
        match term.view() {
            View::Map(_) => true,
            View::Tuple(elements) => elements.iter().any(has_map),
            View::List(list) => list.iter().any(has_map) || has_map(list.tail()),
            _ => false,
        }
    }
    if has_map(term) { Tree::Any } else { Tree::Literal(term.clone()) }
}

fn write(tree: &Tree) -> String {
    let join = |trees: &[Tree]| trees.iter().map(write).collect::<Vec<_>>().join(",");
    match tree {
        Tree::Any => "_".to_owned(),
        Tree::Hole(name) => name.clone(),
        Tree::Literal(t) => Printer::plain().unicode(true).to_string(t),
        Tree::Tuple(trees) => format!("{{{}}}", join(trees)),
        Tree::List(trees, tail) => match &**tail {
            Tree::Literal(t) if t.is_nil() => format!("[{}]", join(trees)),
            tail => format!("[{}|{}]", join(trees), write(tail)),
        },
        Tree::Map(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(k, v)| format!("{} := {}", Printer::plain().unicode(true).to_string(k), write(v)))
                .collect();
            format!("#{{{}}}", pairs.join(","))
        }
    }
}

fn naive(tree: &Tree, term: &Term, found: &mut HashMap<String, Term>) -> bool {
    match tree {
        Tree::Any => true,
        Tree::Hole(name) => match found.get(name) {
            Some(held) => held == term,
            None => {
                found.insert(name.clone(), term.clone());
                true
            }
        },
        Tree::Literal(t) => t == term,
        Tree::Tuple(trees) => term
            .as_tuple()
            .is_some_and(|e| e.len() == trees.len() && trees.iter().zip(e).all(|(tree, e)| naive(tree, e, found))),
        Tree::List(trees, tail) => {
            let mut rest = term.clone();
            for tree in trees {
                let Some(list) = rest.as_list() else { return false };
                if !naive(tree, list.head(), found) {
                    return false;
                }
                rest = list.rest();
            }
            naive(tail, &rest, found)
        }
        Tree::Map(pairs) => term
            .as_map()
            .is_some_and(|map| pairs.iter().all(|(k, v)| map.get(k).is_some_and(|term| naive(v, term, found)))),
    }
}

/// Each question is `case Term of Pattern -> {yes, [Holes]}; _ -> no end.`
const CASES: &str = r#"
    Text = fun(B) ->
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(B)),
        {ok, Exprs} = erl_parse:parse_exprs(Tokens),
        {value, V, _} = erl_eval:exprs(Exprs, []),
        unicode:characters_to_binary(io_lib:format("~tw", [V]))
    end,
    << <<(byte_size(S)):32, S/binary>> || <<N:32, B:N/binary>> <= Arg, S <- [Text(B)] >>
"#;

fn judge(texts: &[String]) -> Option<Vec<String>> {
    let answer = erl::ask(CASES, &frame(texts.iter().map(|t| t.as_bytes())))?;
    Some(unframe(&answer).into_iter().map(|b| String::from_utf8(b.to_vec()).expect("UTF-8")).collect())
}

fn question(term: &str, pattern: &Pattern) -> String {
    let holes: Vec<&str> = pattern.holes().collect();
    format!("case {term} of {} -> {{yes,[{}]}}; _ -> no end.", pattern.source(), holes.join(","))
}

fn answer(pattern: &Pattern, term: &Term) -> String {
    match pattern.matches(term) {
        Some(found) => {
            assert_eq!(found.to_terms().len(), pattern.holes().len());
            format!("{{yes,{}}}", Printer::plain().unicode(true).to_string(&Term::list(found.to_terms())))
        }
        None => "no".to_owned(),
    }
}

#[test]
fn random_patterns_match_as_erlang_and_a_plain_matcher_do() {
    let mut r = Random::new("patterns");
    let mut cases = Vec::new();
    let mut matched = 0;
    for _ in 0..5000 {
        let size = 1 + r.below(30);
        let term = random_term(&mut r, size, KINDS);
        let holes = if r.chance(50) { 30 } else { 1 + r.below(5) };
        let tree = pattern_of(&mut r, &term, holes);
        let text = write(&tree);
        let pattern = Pattern::compile(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let mut found = HashMap::new();
        let expected = naive(&tree, &term, &mut found);
        assert_eq!(pattern.is_match(&term), expected, "{text}\n{term}");
        if let Some(bindings) = pattern.matches(&term) {
            for (name, value) in bindings.iter() {
                assert_eq!(found.get(name), Some(value), "{name} in {text}\n{term}");
            }
            matched += 1;
        }
        let source = Printer::plain().unicode(true).to_string(&term);
        cases.push((question(&source, &pattern), answer(&pattern, &term)));
        // A pattern bound to what it found matches still, and to something else it does not.
        if let Some(hole) = pattern.holes().next()
            && let Some(value) = pattern.matches(&term).and_then(|b| b.get(hole).cloned())
        {
            assert!(pattern.bind(hole, value.clone()).expect("a hole").is_match(&term));
            assert!(!pattern.bind(hole, Term::tuple([value])).expect("a hole").is_match(&term));
        }
    }
    assert!(matched > 1000, "{matched}");
    let Some(answers) = judge(&cases.iter().map(|c| c.0.clone()).collect::<Vec<_>>()) else { return };
    for ((text, ours), theirs) in cases.iter().zip(&answers) {
        assert_eq!(ours, theirs, "{text}");
    }
}

#[test]
fn random_binary_patterns_match_as_erlang_does() {
    let mut r = Random::new("binary patterns");
    let segments = [
        "_",
        "A",
        "B:4",
        "C:16",
        "D:16/little-signed",
        "E:1/binary",
        "F/utf8",
        "1",
        "255",
        "256",
        "-1",
        "-1/signed",
        "255/signed",
        "3:4",
        "3:16/little",
        "\"ab\"",
        "\"ab\"/utf8",
        "\"é\"/utf8",
        "\"é\"",
        "_:3",
        "_:2/binary",
        "0.5/float",
        "1/float",
        "X:32/float",
        "A:A",
        "C:A/binary",
        "D:B/bits",
        "1:A",
        "0:0",
        "Y:8/unit:2",
        "$a",
        "_/utf8",
        "_:A/binary",
        "97/utf8",
        "5:3/signed",
        "-3:3/signed",
        "A",
    ];
    let mut cases = Vec::new();
    for _ in 0..20_000 {
        let mut parts: Vec<&str> = (0..1 + r.below(4)).map(|_| r.pick(&segments)).collect();
        if r.chance(50) {
            parts.push(r.pick(&["_/binary", "R/binary", "_/bits", "R/bits", "R/binary-unit:3"]));
        }
        let text = format!("<<{}>>", parts.join(", "));
        // Erlang wants sizes bound before.
        let known = |name: &str, upto: usize| parts[..upto].iter().any(|p| p.starts_with(name));
        let sizes_known = parts
            .iter()
            .enumerate()
            .all(|(i, p)| (!p.contains(":A") || known("A", i)) && (!p.contains(":B") || known("B", i)));
        if !sizes_known {
            continue;
        }
        let bits = if r.chance(60) { 8 * r.below(9) } else { r.below(70) };
        let mut bytes = r.bytes(bits.div_ceil(8));
        for byte in &mut bytes {
            if r.chance(50) {
                *byte = r.pick(&[1, 3, 255, b'a', b'b', 0, 4, 8]);
            }
        }
        let term = Term::bitstring(bytes, bits);
        let pattern = Pattern::compile(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        cases.push((question(&term.to_string(), &pattern), answer(&pattern, &term)));
    }
    let Some(answers) = judge(&cases.iter().map(|c| c.0.clone()).collect::<Vec<_>>()) else { return };
    let mut matched = 0;
    for ((text, ours), theirs) in cases.iter().zip(&answers) {
        assert_eq!(ours, theirs, "{text}");
        matched += usize::from(ours != "no");
    }
    assert!(matched > 500, "{matched}");
}
