//! `rooms.toml`: the few forms of TOML that it uses.

use std::collections::{BTreeMap, BTreeSet};

/// A room: the floor it stands on and the rooms it may import.
#[derive(Debug, Default, PartialEq)]
pub struct Room {
    pub floor: u32,
    pub imports: BTreeSet<String>,
}

/// All rooms by name.
#[derive(Debug, Default)]
pub struct Plan {
    pub rooms: BTreeMap<String, Room>,
}

impl Plan {
    /// Reads `[name]`, `floor = N` and `imports = ["a", "b"]` on one line each; anything else is an error.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut current: Option<String> = None;
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            let bad = |why: &str| format!("line {}: {why}: {line}", n + 1);
            if line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                if plan.rooms.insert(name.to_owned(), Room::default()).is_some() {
                    return Err(bad("a room twice"));
                }
                current = Some(name.to_owned());
                continue;
            }
            let room = current.as_ref().and_then(|c| plan.rooms.get_mut(c)).ok_or_else(|| bad("no room yet"))?;
            match line.split_once('=').map(|(k, v)| (k.trim(), v.trim())) {
                Some(("floor", v)) => room.floor = v.parse().map_err(|_| bad("no number"))?,
                Some(("imports", v)) => {
                    let inner = v
                        .strip_prefix('[')
                        .and_then(|v| v.strip_suffix(']'))
                        .ok_or_else(|| bad("no list on one line"))?;
                    for name in inner.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                        let name =
                            name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).ok_or_else(|| bad("no string"))?;
                        room.imports.insert(name.to_owned());
                    }
                }
                _ => return Err(bad("neither floor nor imports")),
            }
        }
        Ok(plan)
    }

    /// What is wrong with the plan itself.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, room) in &self.rooms {
            for import in &room.imports {
                match self.rooms.get(import) {
                    None => found.push(format!("rooms.toml: `{name}` imports `{import}`, which is no room")),
                    Some(r) if r.floor > room.floor => {
                        found.push(format!("rooms.toml: `{name}` imports up, `{import}`"))
                    }
                    Some(_) => {}
                }
            }
            if self.reach(name).contains(name) {
                found.push(format!("rooms.toml: `{name}` imports itself in a circle"));
            }
        }
        found
    }

    /// Every room that a room imports, directly or by others.
    pub fn reach(&self, name: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![name.to_owned()];
        while let Some(next) = todo.pop() {
            for import in self.rooms.get(&next).into_iter().flat_map(|r| &r.imports) {
                if seen.insert(import.clone()) {
                    todo.push(import.clone());
                }
            }
        }
        seen
    }
}
