//! How an alias ends, and what ends with it. Pure. Source: OTP `erlang:alias/1`, `monitor/3`.
//! Imports: nothing.
//!
//! Rules (model: `alias`)
//!  1 a message through an alias counts while the alias is there
//!  2 a message that counts ends an alias of mode `Reply` or `ReplyDemonitor`; the monitor of the latter goes with it, so
//!    that its `'DOWN'` can no more come
//!  3 the end of a monitor (undone, or fired) ends its alias, if the mode is `Demonitor` or `ReplyDemonitor`
//! By 2 and 3 the owner of a `ReplyDemonitor` gets the reply or the `'DOWN'`, never both.

/// How an alias ends. Source: OTP `erlang:alias/1`, `monitor/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AliasMode {
    /// Until `unalias`.
    ExplicitUnalias,
    /// Also when the monitor made with it ends (by demonitor or by firing).
    Demonitor,
    /// Also when the first message through it has arrived; the monitor goes with it.
    ReplyDemonitor,
    /// A plain alias that ends when the first message through it has arrived.
    Reply,
}

impl AliasMode {
    /// The mode of an alias that was made without a monitor: it has none to end with.
    pub fn without_monitor(self) -> Self {
        match self {
            Self::Demonitor => Self::ExplicitUnalias,
            Self::ReplyDemonitor => Self::Reply,
            m => m,
        }
    }

    /// Rule 2: whether the alias ends with a message through it.
    pub fn ends_with_message(self) -> bool {
        matches!(self, Self::Reply | Self::ReplyDemonitor)
    }

    /// Rule 2: whether the monitor is undone, too.
    pub fn message_undoes_monitor(self) -> bool {
        self == Self::ReplyDemonitor
    }

    /// Rule 3.
    pub fn ends_with_monitor(self) -> bool {
        matches!(self, Self::Demonitor | Self::ReplyDemonitor)
    }
}
