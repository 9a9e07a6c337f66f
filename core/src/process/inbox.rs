//! The way in: many senders, one owner, one word.
//! Imports: base. Knows nothing of what a node carries but its link.
//!
//! `head` is one of
//! - `IDLE`: empty, nobody holds the scheduling right;
//! - `EMPTY`: empty, somebody holds the right (queued or running);
//! - `CLOSED`: no process lives here;
//! - a pointer: the newest node of a chain, somebody holds the right.
//!
//! Protocol (models: `inbox`)
//!  1 sender: build a chain; link its oldest node to what `head` shows, CAS the newest in (Release: publishes the
//!    nodes; Acquire: whoever replaced `IDLE` becomes the owner and must see what the last owner wrote)
//!  2 the sender whose CAS replaced `IDLE` has won the scheduling right and must queue the task
//!  3 owner: swap `EMPTY` in and take the chain (Acquire, pairs with 1), newest first; reverse it
//!  4 owner: give the right up by CAS `EMPTY` -> `IDLE` (Release: hands its writes to the next owner in 1);
//!    it fails when a node came in: go to 3
//!  5 owner: at death swap `CLOSED` in; the chain taken is answered by whoever closes; later senders see `CLOSED`
//!  6 reuse: the new process's creator stores `EMPTY` (it holds the right). A sender that looked at the slot
//!    before may still push: every node carries its target's serial, and the owner drops mismatches in 3.
//! There is no ABA: a push only compares `head` with what it linked to, and an equal pointer is the same top.

use crate::base::sync::atomic::AtomicPtr;
use crate::base::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::ptr::null_mut;

/// What the inbox needs of a node: the link to the next older one.
pub trait Link: Sized {
    /// Sets the link.
    ///
    /// # Safety
    /// `node` is live and the caller's.
    unsafe fn set_next(node: *mut Self, next: *mut Self);
    /// Reads the link.
    ///
    /// # Safety
    /// `node` is live and the caller's.
    unsafe fn next(node: *mut Self) -> *mut Self;
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Delivered; the owner is awake.
    Queued,
    /// Delivered, and the caller has won the scheduling right.
    Woke,
    /// Nobody lives here: the chain is still the caller's.
    Closed,
}

/// See the module's text.
pub struct Inbox<N: Link> {
    head: AtomicPtr<N>,
}

#[inline(always)]
fn idle<N>() -> *mut N {
    std::ptr::without_provenance_mut(1)
}

#[inline(always)]
fn closed<N>() -> *mut N {
    std::ptr::without_provenance_mut(2)
}

impl<N: Link> Inbox<N> {
    /// An inbox where nobody lives yet.
    pub fn new_closed() -> Self {
        Self { head: AtomicPtr::new(closed()) }
    }

    /// Step 6: opens the inbox for a new process whose scheduling right the caller gets.
    pub fn open(&self) {
        self.head.store(null_mut(), Release);
    }

    /// Step 1: pushes the chain `oldest ..= newest` (linked newest to oldest).
    ///
    /// # Safety
    /// Both are live, the chain is the caller's, and following links from `newest` ends at `oldest`.
    #[inline]
    pub unsafe fn push(&self, oldest: *mut N, newest: *mut N) -> Pushed {
        let mut seen = self.head.load(Relaxed);
        loop {
            if seen == closed() {
                return Pushed::Closed;
            }
            let below = if seen == idle() { null_mut() } else { seen };
            // SAFETY: ours until the CAS succeeds.
            unsafe { N::set_next(oldest, below) };
            match self.head.compare_exchange_weak(seen, newest, AcqRel, Relaxed) {
                Ok(_) if seen == idle() => return Pushed::Woke,
                Ok(_) => return Pushed::Queued,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether a push now would find the owner awake. A hint.
    #[inline]
    pub fn is_awake(&self) -> bool {
        let head = self.head.load(Relaxed);
        head != idle() && head != closed()
    }

    /// Whether a `claim` now would succeed. A hint.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.head.load(Relaxed) == idle()
    }

    /// Whether anything has come since the last `take`. A false answer may be stale; a true one holds for whoever may
    /// take (the owner, or a guest under its lock), as nobody else takes. Never true once the inbox is closed: the
    /// code of an ending process may still ask, and a `take` would open the inbox again.
    #[inline]
    pub fn has_new(&self) -> bool {
        self.head.load(Relaxed).addr() > closed::<N>().addr()
    }

    /// Step 3: takes what has come, oldest first. Owner only, and not after `close`.
    #[inline]
    pub fn take(&self) -> *mut N {
        let chain = self.head.swap(null_mut(), Acquire);
        debug_assert!(chain != idle() && chain != closed());
        reverse(chain)
    }

    /// Step 4: gives the scheduling right up; false when something has come meanwhile. Owner only.
    #[inline]
    pub fn go_idle(&self) -> bool {
        self.head.compare_exchange(null_mut(), idle(), Release, Relaxed).is_ok()
    }

    /// Whether nobody lives here. A hint.
    pub fn is_closed(&self) -> bool {
        self.head.load(Relaxed) == closed()
    }

    /// Wins the scheduling right of an idle process without sending it anything.
    #[inline]
    pub fn claim(&self) -> bool {
        self.head.compare_exchange(idle(), null_mut(), AcqRel, Relaxed).is_ok()
    }

    /// Step 5: closes the inbox and takes what was left, oldest first. Owner only.
    pub fn close(&self) -> *mut N {
        let chain = self.head.swap(closed(), AcqRel);
        debug_assert!(chain != idle() && chain != closed());
        reverse(chain)
    }
}

#[inline]
fn reverse<N: Link>(mut newest: *mut N) -> *mut N {
    let mut oldest_first = null_mut();
    while !newest.is_null() {
        // SAFETY: the chain was taken with Acquire and is the owner's.
        unsafe {
            let older = N::next(newest);
            N::set_next(newest, oldest_first);
            oldest_first = newest;
            newest = older;
        }
    }
    oldest_first
}
