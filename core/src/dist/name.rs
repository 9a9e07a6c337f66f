//! Names of nodes as text: `alive@host`. They become atoms only when a connection is up.
//! Imports: nothing of this crate.

use std::fmt;
use std::sync::Arc;

/// The longest name of a node, in characters: it must fit an atom. Source: OTP, 255 characters.
pub const MAX_CHARS: usize = 255;

/// A full node name, `alive@host`, both parts not empty.
///
/// Ordered as text, which is the order that decides between simultaneous connection attempts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// Why a text is not a node name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// Not of the shape `alive@host` with exactly one `@`.
    Shape,
    /// More than 255 characters.
    TooLong,
    /// Not UTF-8, or holds a NUL or another control character.
    Text,
    /// With long names the host needs a dot.
    NotLong,
    /// With short names the host must not have a dot.
    NotShort,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "a node name is alive@host, with one @ and both parts not empty",
            Self::TooLong => "a node name has at most 255 characters",
            Self::Text => "a node name is UTF-8 text without control characters",
            Self::NotLong => "this node uses long names: the host part must be fully qualified",
            Self::NotShort => "this node uses short names: the host part must not contain a dot",
        })
    }
}

impl std::error::Error for NameError {}

/// Whether a node calls hosts by their short or by their fully qualified names. Nodes of different kinds do not
/// connect. Source: OTP `-sname` and `-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// `-sname`: no dot in the host.
    Short,
    /// `-name`: at least one dot in the host.
    Long,
}

impl NodeName {
    /// Checks a full name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.chars().count() > MAX_CHARS {
            return Err(NameError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Text);
        }
        match text.split_once('@') {
            Some((alive, host)) if !alive.is_empty() && !host.is_empty() && !host.contains('@') => {
                Ok(Self(Arc::from(text)))
            }
            _ => Err(NameError::Shape),
        }
    }

    /// As `new`, of bytes from the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        Self::new(std::str::from_utf8(bytes).map_err(|_| NameError::Text)?)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`: what epmd knows the node by.
    pub fn alive(&self) -> &str {
        self.0.split_once('@').map_or("", |(alive, _)| alive)
    }

    /// The part after the `@`: where to look the node up.
    pub fn host(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, host)| host)
    }

    /// Whether a node that uses names of this kind may dial this name.
    pub fn check_kind(&self, kind: NameKind) -> Result<(), NameError> {
        match (kind, self.host().contains(['.', ':'])) {
            (NameKind::Long, false) => Err(NameError::NotLong),
            (NameKind::Short, true) => Err(NameError::NotShort),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_one_at_sign_between_two_texts() {
        let n = NodeName::new("a@b.c").expect("good");
        assert_eq!((n.alive(), n.host()), ("a", "b.c"));
        for bad in ["", "@", "a@", "@b", "a", "a@b@c", "a@@b"] {
            assert_eq!(NodeName::new(bad), Err(NameError::Shape), "{bad:?}");
        }
        assert_eq!(NodeName::new("a\0@b"), Err(NameError::Text));
        assert_eq!(NodeName::from_bytes(b"\xe5@b"), Err(NameError::Text));
    }

    #[test]
    fn the_limit_counts_characters_not_bytes() {
        let text = format!("{}@h", "å".repeat(253));
        assert!(NodeName::new(&text).is_ok());
        assert_eq!(NodeName::new(&format!("å{text}")), Err(NameError::TooLong));
    }

    #[test]
    fn short_and_long_names_do_not_mix() {
        let (short, long) = (NodeName::new("a@b").unwrap(), NodeName::new("a@b.c").unwrap());
        assert_eq!(short.check_kind(NameKind::Short), Ok(()));
        assert_eq!(long.check_kind(NameKind::Long), Ok(()));
        assert_eq!(short.check_kind(NameKind::Long), Err(NameError::NotLong));
        assert_eq!(long.check_kind(NameKind::Short), Err(NameError::NotShort));
        assert_eq!(NodeName::new("a@::1").unwrap().check_kind(NameKind::Long), Ok(()));
    }
}
