//! One source file as the floor plan sees it: the rooms it names, how long it is, how it opens.
//!
//! It reads tokens, not lines, so that comments, strings, nested `use` groups and `super::super::` are told apart.

/// A place where a file names a module at the crate's root.
#[derive(Debug, PartialEq)]
pub struct Edge {
    /// The name; `*` for a glob of the whole crate, `as` for a renaming of it.
    pub to: String,
    /// Counted from one.
    pub line: usize,
}

/// See the module's text.
#[derive(Debug)]
pub struct Source {
    /// Path under `core/src`.
    pub name: String,
    pub edges: Vec<Edge>,
    /// Without `#[cfg(test)]` modules.
    pub lines: usize,
    pub opens_with_docs: bool,
}

#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

impl Source {
    pub fn parse(name: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let own_depth = name.trim_end_matches(".rs").split('/').count();
        let root = if name == "lib.rs" { 0 } else { own_depth };
        let tests_only = name.ends_with("/tests.rs");
        let all = text.lines().count();
        let lines = if tests_only { 0 } else { all - test_lines(&tokens) };
        Self { name: name.to_owned(), edges: edges(&tokens, root), lines, opens_with_docs: text.starts_with("//!") }
    }

    /// The room the file belongs to; `None` for `lib.rs`.
    pub fn room(&self) -> Option<&str> {
        let first = self.name.trim_end_matches(".rs").split('/').next()?;
        (first != "lib").then_some(first)
    }
}

fn edges(tokens: &[Token], file_depth: usize) -> Vec<Edge> {
    let mut found = Vec::new();
    let mut depth = file_depth;
    // For each open brace, whether it opened an inline module.
    let mut braces = Vec::new();
    let is = |i: usize, s: &str| tokens.get(i).is_some_and(|t| t.text == s);
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].text.as_str() {
            "{" => {
                let module = i >= 2 && is(i - 2, "mod");
                depth += usize::from(module);
                braces.push(module);
            }
            "}" => depth -= usize::from(braces.pop() == Some(true)),
            "crate" if is(i + 1, "::") => names_after(tokens, i + 2, &mut found),
            "crate" if is(i + 1, "as") => found.push(Edge { to: "as".to_owned(), line: tokens[i].line }),
            "super" if i == 0 || !is(i - 1, "::") => {
                let mut ups = 1;
                while is(i + 1, "::") && is(i + 2, "super") {
                    ups += 1;
                    i += 2;
                }
                if ups == depth && is(i + 1, "::") {
                    names_after(tokens, i + 2, &mut found);
                }
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// The names that stand at the root of a path: one, or those of a `{…}` group.
fn names_after(tokens: &[Token], at: usize, found: &mut Vec<Edge>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        found.push(Edge { to: first.text.clone(), line: first.line });
        return;
    }
    let mut depth = 1;
    let mut fresh = true;
    for t in &tokens[at + 1..] {
        match t.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => {
                fresh = true;
                continue;
            }
            "self" => {}
            name if fresh && depth == 1 => found.push(Edge { to: name.to_owned(), line: t.line }),
            _ => {}
        }
        fresh = false;
        if depth == 0 {
            return;
        }
    }
}

/// Lines inside `#[cfg(test)] mod … { … }`.
fn test_lines(tokens: &[Token]) -> usize {
    let head = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut lines = 0;
    let mut i = 0;
    while i < tokens.len() {
        let starts = tokens[i..].iter().zip(head).filter(|(t, h)| t.text == *h).count() == head.len();
        if !starts || tokens.get(i + 9).is_none_or(|t| t.text != "{") {
            i += 1;
            continue;
        }
        let from = tokens[i].line;
        let mut depth = 0;
        i += 9;
        while i < tokens.len() {
            match tokens[i].text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                lines += tokens[i].line - from + 1;
                break;
            }
            i += 1;
        }
    }
    lines
}

/// Words, `::`, and single characters; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<Token> {
    let b = text.as_bytes();
    let mut out = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < b.len() {
        let from = i;
        match b[i] {
            b'/' if b.get(i + 1) == Some(&b'/') => i = find(b, i, b"\n"),
            b'/' if b.get(i + 1) == Some(&b'*') => i = after_block_comment(b, i),
            b'"' => i = after_string(b, i),
            b'\'' => i = after_quote(b, i),
            b'r' | b'b' | b'c' if string_prefix(b, i).is_some() => {
                let (raw, hashes, start) = string_prefix(b, i).unwrap_or((false, 0, i));
                i = if raw { after_raw_string(b, start, hashes) } else { after_string(b, start) };
            }
            // A raw identifier is the word behind its prefix.
            b'r' if b.get(i + 1) == Some(&b'#') && b.get(i + 2).is_some_and(u8::is_ascii_alphabetic) => i += 2,
            b':' if b.get(i + 1) == Some(&b':') => {
                out.push(Token { text: "::".to_owned(), line });
                i += 2;
            }
            c if c == b'_' || c.is_ascii_alphanumeric() || c >= 0x80 => {
                while i < b.len() && (b[i] == b'_' || b[i].is_ascii_alphanumeric() || b[i] >= 0x80) {
                    i += 1;
                }
                out.push(Token { text: text[from..i].to_owned(), line });
            }
            c => {
                if !c.is_ascii_whitespace() {
                    out.push(Token { text: char::from(c).to_string(), line });
                }
                i += 1;
            }
        }
        line += b[from..i.min(b.len())].iter().filter(|c| **c == b'\n').count();
    }
    out
}

fn find(b: &[u8], from: usize, what: &[u8]) -> usize {
    b[from..].windows(what.len()).position(|w| w == what).map_or(b.len(), |p| from + p)
}

fn after_block_comment(b: &[u8], from: usize) -> usize {
    let (mut i, mut depth) = (from, 0);
    while i < b.len() {
        if b[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if b[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    i
}

/// For `r"`, `r#"`, `b"`, `br#"`, `c"`, `cr"`: whether raw, how many hashes, where the quote stands.
fn string_prefix(b: &[u8], from: usize) -> Option<(bool, usize, usize)> {
    if from > 0 && (b[from - 1] == b'_' || b[from - 1].is_ascii_alphanumeric()) {
        return None;
    }
    let mut i = from + usize::from(b[from] != b'r');
    let raw = b.get(i) == Some(&b'r');
    i += usize::from(raw);
    let hashes = if raw { b[i..].iter().take_while(|c| **c == b'#').count() } else { 0 };
    i += hashes;
    (b.get(i) == Some(&b'"')).then_some((raw, hashes, i))
}

fn after_string(b: &[u8], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < b.len() && b[i] != b'"' {
        i += if b[i] == b'\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_string(b: &[u8], quote: usize, hashes: usize) -> usize {
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    find(b, quote + 1, &end) + end.len()
}

/// A character literal, or a lifetime's apostrophe.
fn after_quote(b: &[u8], from: usize) -> usize {
    if b.get(from + 1) == Some(&b'\\') {
        // The escaped character itself may be an apostrophe.
        return find(b, from + 3, b"'") + 1;
    }
    let width = match b.get(from + 1) {
        Some(c) if *c >= 0xf0 => 4,
        Some(c) if *c >= 0xe0 => 3,
        Some(c) if *c >= 0xc0 => 2,
        _ => 1,
    };
    if b.get(from + 1 + width) == Some(&b'\'') { from + width + 2 } else { from + 1 }
}
