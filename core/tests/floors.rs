//! The floor plan, checked: who imports whom (`rooms.toml`), how long files are, how they open, and whether the
//! documents name what exists.

#[path = "floors/plan.rs"]
mod plan;
#[path = "floors/source.rs"]
mod source;

use plan::{Plan, Room};
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file beyond this is listed; the commit that takes it there says why.
const SOFT_LINES: usize = 500;
/// A file beyond this fails.
const HARD_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn the_plan() -> Plan {
    Plan::parse(&read(&root().join("rooms.toml"))).unwrap_or_else(|e| panic!("rooms.toml: {e}"))
}

/// Every source file of the crate, by its path under `core/src`.
fn sources() -> BTreeMap<String, Source> {
    fn walk(dir: &Path, under: &str, all: &mut BTreeMap<String, Source>) {
        for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
            let name = format!("{under}{}", entry.file_name().to_string_lossy());
            let path = entry.path();
            if path.is_dir() {
                walk(&path, &format!("{name}/"), all);
            } else if name.ends_with(".rs") {
                let source = Source::parse(&name, &read(&path));
                all.insert(name, source);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(&root().join("core/src"), "", &mut all);
    assert!(all.contains_key("lib.rs"), "no sources found");
    all
}

/// The text of a failure: one line a finding.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// What is wrong with the edges of one file.
fn wrong_edges(plan: &Plan, source: &Source) -> Vec<String> {
    // lib.rs is the roof: it shows rooms to the outside and may name them all.
    let Some(room) = source.room() else { return Vec::new() };
    let at = |line: usize| format!("core/src/{}:{line}", source.name);
    let Some(own) = plan.rooms.get(room) else {
        return vec![format!("{}: `{room}` is no room of rooms.toml", at(1))];
    };
    let mut found = Vec::new();
    for edge in &source.edges {
        let line = at(edge.line);
        if edge.to == room {
            continue;
        }
        match plan.rooms.get(&edge.to) {
            None => found.push(format!("{line}: `{}` is no room; name the room a thing lives in", edge.to)),
            Some(r) if r.floor > own.floor => {
                found.push(format!(
                    "{line}: `{room}` (floor {}) imports up, `{}` (floor {})",
                    own.floor, edge.to, r.floor
                ));
            }
            Some(_) if !own.imports.contains(&edge.to) => {
                found.push(format!("{line}: rooms.toml does not let `{room}` import `{}`", edge.to));
            }
            Some(_) => {}
        }
    }
    found
}

#[test]
fn rooms_import_only_what_the_plan_allows() {
    let plan = the_plan();
    let found: Vec<String> = sources().values().flat_map(|s| wrong_edges(&plan, s)).collect();
    none(&found);
}

#[test]
fn the_plan_goes_down_and_never_in_a_circle() {
    none(&the_plan().faults());
}

#[test]
fn sched_knows_no_terms_and_term_knows_no_threads() {
    let plan = the_plan();
    for (from, to) in [("sched", "term"), ("timer", "term"), ("term", "sched"), ("term", "timer")] {
        assert!(!plan.reach(from).contains(to), "{from} must not reach {to}, by whatever way");
    }
    let meeting = |room: &str| {
        let r = plan.reach(room);
        r.contains("sched") && r.contains("term")
    };
    let lowest = plan.rooms.iter().filter(|(n, _)| meeting(n)).map(|(n, r)| (r.floor, n.as_str())).min();
    assert_eq!(lowest.map(|l| l.1), Some("process"), "the staircases first meet in process");
}

#[test]
fn no_file_passes_the_hard_ceiling() {
    let mut too_long = Vec::new();
    for s in sources().values() {
        let line = format!("core/src/{}: {} lines without tests", s.name, s.lines);
        if s.lines > HARD_LINES {
            too_long.push(format!("{line}, more than {HARD_LINES}"));
        } else if s.lines > SOFT_LINES {
            println!("soft ceiling: {line}, more than {SOFT_LINES}");
        }
    }
    none(&too_long);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let silent: Vec<String> = sources()
        .values()
        .filter(|s| !s.opens_with_docs)
        .map(|s| format!("core/src/{}:1: opens without `//!`", s.name))
        .collect();
    none(&silent);
}

/// Room names and states in the table of docs/architecture.md whose rows begin with `| F`.
fn documented_rooms() -> BTreeMap<String, bool> {
    let mut rooms = BTreeMap::new();
    for row in read(&root().join("docs/architecture.md")).lines().filter(|l| l.starts_with("| F")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "a row of the room map has four cells: {row}");
        let here = match cells[3] {
            "here" => true,
            "planned" => false,
            other => panic!("the state of a room is `here` or `planned`, not `{other}`: {row}"),
        };
        for name in cells[1].split(' ') {
            rooms.insert(name.trim_matches('`').to_owned(), here);
        }
    }
    assert!(!rooms.is_empty(), "docs/architecture.md has no room map");
    rooms
}

#[test]
fn the_architecture_page_tells_which_rooms_exist() {
    let documented = documented_rooms();
    let built: BTreeSet<String> = sources().values().filter_map(|s| s.room().map(str::to_owned)).collect();
    let plan = the_plan();
    let mut found = Vec::new();
    for (room, here) in &documented {
        match (here, built.contains(room)) {
            (true, false) => found.push(format!("`{room}` is said to be here; there is no core/src/{room}.rs")),
            (false, true) => found.push(format!("`{room}` is said to be planned; core/src/{room}.rs is here")),
            _ => {}
        }
        if *here && !plan.rooms.contains_key(room) {
            found.push(format!("`{room}` is said to be here; rooms.toml does not know it"));
        }
    }
    for room in built.iter().chain(plan.rooms.keys()) {
        if !documented.contains_key(room) {
            found.push(format!("`{room}` is missing in the room map"));
        }
    }
    found.dedup();
    let found: Vec<String> = found.into_iter().map(|f| format!("docs/architecture.md: {f}")).collect();
    none(&found);
}

/// The documents a reader may open, with their text.
fn documents() -> Vec<(String, String)> {
    let mut all: Vec<PathBuf> = vec!["README.md".into(), "CHANGELOG.md".into()];
    for entry in fs::read_dir(root().join("docs")).expect("docs/ is there") {
        let name = entry.expect("docs/ can be read").file_name();
        if Path::new(&name).extension().is_some_and(|e| e == "md") {
            all.push(Path::new("docs").join(name));
        }
    }
    all.sort();
    all.into_iter().map(|p| (p.display().to_string(), read(&root().join(&p)))).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for (name, text) in documents() {
        let dir = Path::new(&name).parent().unwrap_or(Path::new("")).to_path_buf();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(t, _)| t) {
            let path = target.split('#').next().unwrap_or("");
            if path.is_empty() || target.contains("://") {
                continue;
            }
            if !root().join(&dir).join(path).exists() {
                dead.push(format!("{name}: no {path}"));
            }
        }
    }
    none(&dead);
}

#[test]
fn every_make_target_named_in_the_documents_exists() {
    let makefile = read(&root().join("Makefile"));
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|l| !l.starts_with(['\t', '#', ' ']))
        .filter_map(|l| l.split_once(':'))
        .map(|l| l.0)
        .collect();
    let mut unknown = Vec::new();
    let mut named = 0;
    for (name, text) in documents() {
        let commands = text.split('`').skip(1).step_by(2).chain(text.lines());
        for target in
            commands.filter_map(|c| c.trim().strip_prefix("make ")).filter_map(|c| c.split_whitespace().next())
        {
            // A sentence of a paragraph may begin with the verb.
            let target = target.trim_end_matches('`');
            if !target.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
                continue;
            }
            named += 1;
            if !targets.contains(target) {
                unknown.push(format!("{name}: make {target}"));
            }
        }
    }
    assert!(named > 0, "no document says how to build");
    none(&unknown);
}

#[test]
fn the_readme_is_compiled_as_soon_as_there_is_a_node() {
    if !root().join("core/src/node.rs").exists() {
        println!("no node room yet: the README's program has nothing to run on");
        return;
    }
    let lib = read(&root().join("core/src/lib.rs"));
    assert!(lib.contains("include_str!(\"../../README.md\")"), "core/src/lib.rs must doc-test the README");
    let readme = read(&root().join("README.md"));
    assert!(readme.contains("\n```rust\n"), "the README has no Rust program that the doc-test would run");
    assert!(!readme.contains("```rust,"), "the README's programs are compiled and run, none is exempt");
}

#[test]
fn the_scanner_sees_every_way_to_name_a_room() {
    let text = r##"//! A room.
        use crate::low::Thing; // use crate::comment::No;
        use crate::{mid::{self, deep}, top::X};
        /* use crate::comment::No; /* nested */ */
        const S: &str = "use crate::string::No;";
        const R: &str = r#"crate::raw::No "quoted" "#;
        const C: char = '"'; fn f<'a>(x: &'a u8) -> u8 { crate::path::g(*x) }
        macro_rules! m { () => { $crate::mac::h() } }
        use super::beside::Y;
        use super::super::up::Z;
        pub(in crate::scope) fn v() {}
        mod inner { use super::super::super::far::W; use super::super::not_a_room::V; }
        #[cfg(test)]
        mod tests {
            use super::*;
        }
    "##;
    let s = Source::parse("own/part.rs", text);
    let to: BTreeSet<&str> = s.edges.iter().map(|e| e.to.as_str()).collect();
    assert_eq!(to, BTreeSet::from(["low", "mid", "top", "path", "mac", "up", "scope", "far"]));
    assert_eq!(s.room(), Some("own"));
    assert!(s.opens_with_docs);
    assert_eq!(s.lines, text.lines().count() - 4, "tests are not counted");
    assert_eq!(s.edges.iter().find(|e| e.to == "top").map(|e| e.line), Some(3));
    let whole = Source::parse("own.rs", "use crate::*;\nuse crate as k;\nuse super::side::T;");
    assert_eq!(whole.edges.iter().map(|e| e.to.as_str()).collect::<Vec<_>>(), ["*", "as", "side"]);
}

#[test]
fn an_edge_that_goes_up_or_is_not_listed_is_found() {
    let plan = Plan::parse(
        "[low]\nfloor = 0\nimports = []\n[side]\nfloor = 0\nimports = []\n[top]\nfloor = 1\nimports = [\"low\"]\n",
    )
    .expect("a good plan");
    let faults = |file: &str, text: &str| wrong_edges(&plan, &Source::parse(file, text));
    assert_eq!(faults("top.rs", "use crate::low::A;"), Vec::<String>::new());
    assert!(faults("low.rs", "use crate::top::A;")[0].contains("imports up"));
    assert!(faults("top/part.rs", "use super::super::side::A;")[0].contains("does not let"));
    assert!(faults("low.rs", "use crate::Reexport;")[0].contains("is no room"));
    assert!(faults("cellar.rs", "")[0].contains("is no room of rooms.toml"));
    let circle = "[a]\nfloor = 1\nimports = [\"b\"]\n[b]\nfloor = 1\nimports = [\"a\"]\n";
    assert!(!Plan::parse(circle).expect("well formed").faults().is_empty());
    let up = "[a]\nfloor = 0\nimports = [\"b\"]\n[b]\nfloor = 1\nimports = []\n";
    assert!(!Plan::parse(up).expect("well formed").faults().is_empty());
    assert!(Plan::parse("[a]\nflor = 0\n").is_err());
    let _: &Room = &plan.rooms["low"];
}
