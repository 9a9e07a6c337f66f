//! Patterns: a term's own text matches it, what a match has bound matches again, and a template builds it back.

use super::text::options;
use krarup::pattern::{Pattern, Template};
use krarup::term::Term;

/// A pattern and a term as text, with a zero byte between them.
pub fn pattern(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let (written, subject) = source.split_once('\0').unwrap_or((source, source));
    let options = options();
    let subject = options.parse_term(subject).ok();
    if let Some(term) = &subject {
        matches_its_own_text(term);
    }
    let Ok(pattern) = Pattern::compile_with(&options, written) else { return };
    assert_eq!(pattern.source(), written);
    if let Ok(ground) = options.parse_term(written) {
        assert!(pattern.is_match(&ground), "{written} is a term and does not match itself");
    }
    if let Some(term) = &subject {
        matches_again(&pattern, term);
    }
}

fn matches_its_own_text(term: &Term) {
    let text = term.to_string();
    // Maps are written otherwise in patterns, and there is a limit of depth.
    if let Ok(own) = Pattern::compile(&text) {
        assert!(own.is_match(term), "{text} does not match itself");
        assert_eq!(own.holes().len(), 0, "{text} has no holes");
    }
}

fn matches_again(pattern: &Pattern, term: &Term) {
    let Some(bindings) = pattern.matches(term) else { return };
    assert_eq!(bindings.len(), pattern.holes().len());
    let names: Vec<&str> = pattern.holes().collect();
    for (slot, name) in names.iter().enumerate() {
        assert_eq!(pattern.slot(name), Some(slot));
        let value = bindings.slot(slot).expect("a hole of a pattern that matched is filled");
        assert_eq!(bindings.get(name), Some(value));
        let bound = pattern.bind(name, value.clone()).expect("the hole is there");
        assert!(bound.is_match(term), "{pattern} with {name} = {value} does not match {term}");
    }
    // In a map or a binary a pattern says less than a template.
    let source = pattern.source();
    if source.contains(['#', '<']) {
        return;
    }
    if let Ok(template) = Template::compile(source) {
        match template.build(&bindings.to_terms()) {
            Ok(built) => assert_eq!(&built, term, "{source} matches one term and builds another"),
            Err(e) => panic!("{source} matches {term} and does not build it: {e}"),
        }
    }
}
