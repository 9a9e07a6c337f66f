//! Who a node is: its full name, from what was asked for and this host's name, and its cookie.
//! Imports: dist.
//!
//! Source: OTP `-sname`, `-name`, `-setcookie`, `auth`.

use super::config::{NameFailure, Wanted};
use crate::dist::handshake::Cookie;
use crate::dist::name::{NameKind, NodeName};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// The full name and its kind.
pub(super) fn name(wanted: &Wanted) -> Result<(NodeName, NameKind), NameFailure> {
    let (text, kind) = match wanted {
        Wanted::Short(t) => (t, NameKind::Short),
        Wanted::Long(t) => (t, NameKind::Long),
    };
    let full = if text.contains('@') { text.clone() } else { format!("{text}@{}", host(kind)?) };
    let name = NodeName::new(&full).map_err(NameFailure::Name)?;
    name.check_kind(kind).map_err(NameFailure::Name)?;
    Ok((name, kind))
}

fn host(kind: NameKind) -> Result<String, NameFailure> {
    let read = |path| fs::read_to_string(path).ok();
    let own = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).unwrap_or_default();
    let own = own.trim();
    if own.is_empty() {
        return Err(NameFailure::Host("this host has no name; give the node's host part, as in alive@host".into()));
    }
    if kind == NameKind::Short {
        return Ok(own.split('.').next().unwrap_or(own).to_owned());
    }
    if own.contains('.') {
        return Ok(own.to_owned());
    }
    let resolv = read("/etc/resolv.conf").unwrap_or_default();
    let word = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("domain" | "search")).then(|| words.next().map(str::to_owned)).flatten()
    };
    match resolv.lines().find_map(word) {
        Some(domain) if domain != "." => Ok(format!("{own}.{}", domain.trim_matches('.'))),
        _ => Err(NameFailure::Host(format!(
            "this host calls itself {own:?}, without a domain; give the node's full host part, as in alive@host.domain"
        ))),
    }
}

/// The cookie that was given, or that of `~/.erlang.cookie`.
pub(super) fn cookie(given: Option<&str>) -> Result<Cookie, NameFailure> {
    match given {
        Some(text) => Cookie::new(text).map_err(|e| NameFailure::Cookie(e.to_string())),
        None => of_file(),
    }
}

fn of_file() -> Result<Cookie, NameFailure> {
    let fail = |why: String| NameFailure::Cookie(why);
    let home = std::env::var_os("HOME").filter(|h| !h.is_empty());
    let home = home.ok_or_else(|| fail("no cookie was given and HOME is not set to look for one".into()))?;
    let path = PathBuf::from(home).join(".erlang.cookie");
    let shown = path.display();
    for _ in 0..2 {
        match fs::File::open(&path) {
            Ok(file) => {
                let meta = file.metadata().map_err(|e| fail(format!("{shown}: {e}")))?;
                if meta.mode() & 0o077 != 0 {
                    return Err(fail(format!(
                        "{shown} must be accessible by its owner only; its mode is {:03o}: chmod 400 it",
                        meta.mode() & 0o777
                    )));
                }
                let text = std::io::read_to_string(file).map_err(|e| fail(format!("{shown}: {e}")))?;
                let line = text.lines().next().unwrap_or_default().trim_end();
                return Cookie::new(line).map_err(|e| fail(format!("{shown}: {e}")));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let letters = random_letters()?;
                // Written under another name first, so that nobody reads half a cookie.
                let other = path.with_extension(format!("cookie.{}", random_letters()?));
                let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(&other);
                let linked = made.and_then(|mut file| file.write_all(letters.as_bytes()));
                let linked = linked.and_then(|()| fs::hard_link(&other, &path));
                let _ = fs::remove_file(&other);
                match linked {
                    // Or another node was faster.
                    Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                        return Err(fail(format!("{shown} cannot be created: {e}")));
                    }
                    _ => {}
                }
            }
            Err(e) => return Err(fail(format!("{shown}: {e}"))),
        }
    }
    Err(fail(format!("{shown} vanishes as soon as it is made")))
}

/// Source: OTP `auth`, 20 capital letters.
fn random_letters() -> Result<String, NameFailure> {
    let mut letters = String::new();
    while letters.len() < 20 {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| NameFailure::Cookie(format!("no random numbers for a cookie: {e}")))?;
        // 26 * 9 = 234: larger bytes would favour some letters.
        letters.extend(bytes.iter().filter(|b| **b < 234).map(|b| char::from(b'A' + b % 26)).take(20 - letters.len()));
    }
    Ok(letters)
}
