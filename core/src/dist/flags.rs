//! Distribution capability flags: which there are, which a peer must have, which we offer.
//! Imports: nothing of this crate.
//!
//! Source: OTP `dist.h`. The manuals print MANDATORY_25_DIGEST as bit 36; nodes use bit 26.

use std::fmt;

/// A set of capability flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u64);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal,)*) => {
        impl Flags {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
        }
        /// Every flag that has a name, by bit.
        const NAMES: &[(u32, &str)] = &[$(($bit, stringify!($name)),)*];
    };
}

flags! {
    /// The node shows itself: it takes part in `nodes()`, global and the like.
    PUBLISHED = 0,
    /// Of old; must not be sent.
    ATOM_CACHE = 1,
    /// References of more than one word.
    EXTENDED_REFERENCES = 2,
    /// Monitors. Tested together with `DIST_MONITOR_NAME` by OTP: one without the other counts as none.
    DIST_MONITOR = 3,
    /// Funs have a tag of their own.
    FUN_TAGS = 4,
    /// Monitors by registered name.
    DIST_MONITOR_NAME = 5,
    /// Of old; must not be sent.
    HIDDEN_ATOM_CACHE = 6,
    /// NEW_FUN_EXT.
    NEW_FUN_TAGS = 7,
    /// Pids and ports with all their bits.
    EXTENDED_PIDS_PORTS = 8,
    /// EXPORT_EXT.
    EXPORT_PTR_TAG = 9,
    /// BIT_BINARY_EXT.
    BIT_BINARIES = 10,
    /// NEW_FLOAT_EXT.
    NEW_FLOATS = 11,
    /// Requests of the io protocol may carry Unicode.
    UNICODE_IO = 12,
    /// Frames begin with a distribution header that has an atom cache.
    DIST_HDR_ATOM_CACHE = 13,
    /// SMALL_ATOM_EXT and its UTF-8 twin.
    SMALL_ATOM_TAGS = 14,
    /// Atoms in UTF-8.
    UTF8_ATOMS = 16,
    /// Maps.
    MAP_TAG = 17,
    /// Creations of 32 bits.
    BIG_CREATION = 18,
    /// A send names its sender.
    SEND_SENDER = 19,
    /// Any term may be a label of sequential tracing.
    BIG_SEQTRACE_LABELS = 20,
    /// Reasons of exits and downs travel as payload.
    EXIT_PAYLOAD = 22,
    /// Big messages are cut into fragments.
    FRAGMENTS = 23,
    /// The handshake with 64 bits of flags.
    HANDSHAKE_23 = 24,
    /// Unlinking with ids and acknowledgements.
    UNLINK_ID = 25,
    /// Stands for all that OTP 25 made mandatory.
    MANDATORY_25_DIGEST = 26,
    /// Spawn requests.
    SPAWN = 32,
    /// A request to be given a name, not a capability.
    NAME_ME = 33,
    /// Pids of 64 bits, ports of 64, references of five words.
    V4_NC = 34,
    /// Process aliases.
    ALIAS = 35,
    /// Signals with bits, OTP 28.
    ALTACT_SIG = 37,
}

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// What OTP 25 and 26 refuse a peer without.
    pub const MANDATORY_25: Self = Self(
        Self::EXTENDED_REFERENCES.0
            | Self::FUN_TAGS.0
            | Self::EXTENDED_PIDS_PORTS.0
            | Self::UTF8_ATOMS.0
            | Self::NEW_FUN_TAGS.0
            | Self::BIG_CREATION.0
            | Self::NEW_FLOATS.0
            | Self::MAP_TAG.0
            | Self::EXPORT_PTR_TAG.0
            | Self::BIT_BINARIES.0
            | Self::HANDSHAKE_23.0,
    );

    /// What OTP 26 asks for beyond that.
    pub const MANDATORY_26: Self = Self(Self::MANDATORY_25.0 | Self::UNLINK_ID.0 | Self::V4_NC.0);

    /// What we refuse a peer without: OTP 25's set, so that every node of OTP 25 and later is welcome.
    pub const OUR_MANDATORY: Self = Self::MANDATORY_25;

    /// Whether all of `other` is in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// All flags of both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without those of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What both have.
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// With MANDATORY_25_DIGEST spelled out: a peer that sends it has all that it stands for.
    #[must_use]
    pub const fn expanded(self) -> Self {
        if self.has(Self::MANDATORY_25_DIGEST) { self.with(Self::MANDATORY_25) } else { self }
    }

    /// What is missing from a peer that offers `self`, after expansion.
    pub const fn missing(self, mandatory: Self) -> Self {
        mandatory.without(self.expanded())
    }

    /// Whether frames begin with a distribution header. Otherwise they are passed through.
    pub const fn dist_header(self) -> bool {
        self.0 & (Self::DIST_HDR_ATOM_CACHE.0 | Self::FRAGMENTS.0) != 0
    }

    /// Whether monitors work: OTP tests the two bits together.
    pub const fn monitors(self) -> bool {
        self.has(Self(Self::DIST_MONITOR.0 | Self::DIST_MONITOR_NAME.0))
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// The names of the flags, separated by commas; bits without a name by number.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for bit in (0..64).filter(|b| self.0 & (1 << b) != 0) {
            if !std::mem::take(&mut first) {
                f.write_str(", ")?;
            }
            match NAMES.iter().find(|(b, _)| *b == bit) {
                Some((_, name)) => f.write_str(name)?,
                None => write!(f, "bit {bit}")?,
            }
        }
        if first {
            f.write_str("none")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} ({self})", self.0)
    }
}

/// What a node offers. Only what is switched on here and done below is offered: a flag that is offered and not
/// honoured loses messages at the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Visible on request only: a hidden node keeps out of `nodes()`, global and pg of the others.
    pub visible: bool,
    /// Atom cache in both directions.
    pub atom_cache: bool,
    /// Fragments in both directions.
    pub fragments: bool,
    /// Spawn requests are served. Off unless the rooms above serve them; the peer then says `notsup`.
    pub spawn: bool,
    /// Operation 37 of OTP 28. Off: it replaces 33 and 34 and no such peer has been tried.
    pub altact_sig: bool,
}

impl Default for Offer {
    fn default() -> Self {
        Self { visible: false, atom_cache: true, fragments: true, spawn: false, altact_sig: false }
    }
}

impl Offer {
    /// The flags to send.
    pub const fn flags(self) -> Flags {
        let mut f = Flags::MANDATORY_26
            .with(Flags::DIST_MONITOR)
            .with(Flags::DIST_MONITOR_NAME)
            .with(Flags::UNICODE_IO)
            .with(Flags::SMALL_ATOM_TAGS)
            .with(Flags::SEND_SENDER)
            .with(Flags::BIG_SEQTRACE_LABELS)
            .with(Flags::EXIT_PAYLOAD)
            .with(Flags::MANDATORY_25_DIGEST)
            .with(Flags::ALIAS);
        if self.visible {
            f = f.with(Flags::PUBLISHED);
        }
        if self.atom_cache {
            f = f.with(Flags::DIST_HDR_ATOM_CACHE);
        }
        if self.fragments {
            f = f.with(Flags::FRAGMENTS);
        }
        if self.spawn {
            f = f.with(Flags::SPAWN);
        }
        if self.altact_sig {
            f = f.with(Flags::ALTACT_SIG);
        }
        f
    }
}

/// What two nodes share. Source: OTP `dist_util:adjust_flags`: the connection is visible only if both are.
pub const fn negotiate(ours: Flags, theirs: Flags) -> Flags {
    ours.expanded().common(theirs.expanded()).without(Flags::NAME_ME)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stock visible node of OTP 25.2.3 sends.
    const OTP_25_VISIBLE: Flags = Flags(0xD_07DF_7FBD);

    #[test]
    fn a_full_visible_offer_equals_that_of_a_stock_node() {
        let full = Offer { visible: true, spawn: true, ..Offer::default() };
        assert_eq!(full.flags(), OTP_25_VISIBLE);
    }

    #[test]
    fn hidden_and_without_spawn_by_default() {
        let f = Offer::default().flags();
        assert!(!f.has(Flags::PUBLISHED) && !f.has(Flags::SPAWN) && !f.has(Flags::ALTACT_SIG));
        assert!(f.monitors());
        assert_eq!(f.missing(Flags::MANDATORY_26), Flags::NONE);
    }

    #[test]
    fn the_digest_bit_stands_for_the_whole_mandatory_set() {
        let f = Flags::PUBLISHED.with(Flags::MANDATORY_25_DIGEST);
        assert_eq!(f.missing(Flags::MANDATORY_25), Flags::NONE);
        assert_eq!(f.missing(Flags::MANDATORY_26), Flags::UNLINK_ID.with(Flags::V4_NC));
        assert_eq!(Flags::MANDATORY_25_DIGEST.0, 0x400_0000);
        // The bit that the manual names means nothing.
        assert_ne!(Flags(1 << 36).missing(Flags::MANDATORY_25), Flags::NONE);
    }

    #[test]
    fn missing_flags_are_named() {
        let f = OTP_25_VISIBLE.without(Flags::MANDATORY_25_DIGEST).without(Flags::BIG_CREATION).without(Flags::MAP_TAG);
        assert_eq!(f.missing(Flags::MANDATORY_25).to_string(), "MAP_TAG, BIG_CREATION");
        assert_eq!(Flags(1 << 60).to_string(), "bit 60");
        assert_eq!(Flags::NONE.to_string(), "none");
    }

    #[test]
    fn a_connection_is_visible_only_if_both_ends_are() {
        let hidden = Offer::default().flags();
        assert!(!negotiate(hidden, OTP_25_VISIBLE).has(Flags::PUBLISHED));
        let visible = Offer { visible: true, ..Offer::default() }.flags();
        assert!(negotiate(visible, OTP_25_VISIBLE).has(Flags::PUBLISHED));
    }

    #[test]
    fn every_bit_has_one_name() {
        let mut bits: Vec<u32> = NAMES.iter().map(|(b, _)| *b).collect();
        bits.sort_unstable();
        bits.dedup();
        assert_eq!(bits.len(), NAMES.len());
    }
}
