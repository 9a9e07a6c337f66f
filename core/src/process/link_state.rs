//! One side's record of a link, and what each event does to it. Pure. Source: OTP distribution protocol, "Link
//! Protocol" (`UNLINK_ID`, `UNLINK_ID_ACK`); C2.28-30.
//! Imports: nothing.
//!
//! The record is absent, active, or being undone (with the id of the unlink that waits for its acknowledgement).
//! An unlink does not remove the record at once: signals that the peer sent before it heard of the unlink are still on
//! their way, and must not be taken for signals about a link that is made anew. Rules (model: `link`)
//!  1 `link`: active -> nothing; else active, send `Link`. (Being undone: the id is forgotten, the acknowledgement that
//!    is on its way will match nothing)
//!  2 `Link` arrives: absent -> active; else nothing (being undone: the peer had not heard of the unlink, which will
//!    undo the link there too)
//!  3 `unlink`: active -> being undone with a fresh id, send `Unlink(id)`; else nothing
//!  4 `Unlink(id)` arrives: active -> absent; being undone: stays until its own acknowledgement. Acknowledge, always
//!  5 `UnlinkAck(id)` arrives: being undone with that id -> absent; else nothing
//!  6 the peer's exit arrives: absent, whatever it was; heard only if it was active
//!  7 death: an exit goes to the peer of every record, active or being undone
//!  8 a process that is no more answers `Link` by an exit with reason `noproc`, `Unlink` by its acknowledgement

/// A record that is there. Absent: `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinkState {
    /// 0: active. Otherwise the id of the unlink that waits for its acknowledgement; the link is dead to us.
    pub unlinking: u64,
}

/// A link that is there for its owner.
pub(crate) const ACTIVE: LinkState = LinkState { unlinking: 0 };

/// Whether the link is there for its owner.
pub(crate) fn is_active(record: Option<LinkState>) -> bool {
    record == Some(ACTIVE)
}

/// Rule 1; true: send `Link`.
#[must_use]
pub(crate) fn link(record: &mut Option<LinkState>) -> bool {
    let was_active = is_active(*record);
    *record = Some(ACTIVE);
    !was_active
}

/// Rule 2.
pub(crate) fn link_arrived(record: &mut Option<LinkState>) {
    record.get_or_insert(ACTIVE);
}

/// Rule 3; true: send `Unlink(fresh)`. `fresh` is not 0 and was never used by this process before.
#[must_use]
pub(crate) fn unlink(record: &mut Option<LinkState>, fresh: u64) -> bool {
    let was_active = is_active(*record);
    if was_active {
        *record = Some(LinkState { unlinking: fresh });
    }
    was_active
}

/// Rule 4. The caller acknowledges, always.
pub(crate) fn unlink_arrived(record: &mut Option<LinkState>) {
    if is_active(*record) {
        *record = None;
    }
}

/// Rule 5.
pub(crate) fn ack_arrived(record: &mut Option<LinkState>, id: u64) {
    if id != 0 && *record == Some(LinkState { unlinking: id }) {
        *record = None;
    }
}

/// Rule 6; true: the exit is heard.
#[must_use]
pub(crate) fn exit_arrived(record: &mut Option<LinkState>) -> bool {
    is_active(record.take())
}
