//! The message queue of a process: what has arrived and not been received, in order of arrival.
//! Imports: signal, message. Single owner.
//!
//! Invariant Q1: every node in the list carries `Signal::Message`.
//! Invariant Q2: `scan` is null or the last node that the current receive has looked at and left; messages up to
//! and including it need no second look. Taking a message resets it, as the next receive starts at the oldest.
//! Invariant Q3: `mark` is null or the newest node that was in the queue when the reference `mark_ref` was made:
//! nothing up to it can contain that reference.

use super::message::Message;
use super::signal::{self, Node, Signal};
use crate::term::Ref;
use std::ptr::null_mut;

/// Tells the references apart that one OS process makes: 60 bits that are never all zero.
fn number(r: &Ref) -> u64 {
    match *r.words() {
        // Those of aliases have two more words, which name their owner.
        [low, middle, high, ..] => u64::from(low) | u64::from(middle) << 18 | u64::from(high) << 50,
        _ => u64::MAX,
    }
}

pub(crate) struct Queue {
    first: *mut Node,
    last: *mut Node,
    pub len: usize,
    scan: *mut Node,
    mark: *mut Node,
    /// Number of the reference made then, 0 if none.
    mark_ref: u64,
}

impl Queue {
    pub const fn new() -> Self {
        Self { first: null_mut(), last: null_mut(), len: 0, scan: null_mut(), mark: null_mut(), mark_ref: 0 }
    }

    /// Appends a node.
    ///
    /// # Safety
    /// `node` is live, the caller's, and carries a message.
    #[inline]
    pub unsafe fn push(&mut self, node: *mut Node) {
        // SAFETY: by contract; nodes in the list are ours.
        unsafe {
            (*node).next = null_mut();
            if self.first.is_null() {
                self.first = node;
            } else {
                (*self.last).next = node;
            }
        }
        self.last = node;
        self.len += 1;
    }

    /// Takes the oldest message. Only for bodies that never leave any behind a scan.
    #[inline]
    pub fn pop_first(&mut self) -> Option<Message> {
        if self.first.is_null() { None } else { Some(self.remove_after(null_mut())) }
    }

    /// Takes the next message after the scan point, for a body that may give it back with `put_back`.
    #[inline(always)]
    pub fn take_unseen(&mut self) -> Option<Message> {
        let before = self.scan;
        let next = self.after(before);
        if next.is_null() { None } else { Some(self.remove_after(before)) }
    }

    /// Gives a message back that the body did not want, where it was, and moves the scan point over it.
    pub fn put_back(&mut self, message: Message) {
        let before = self.scan;
        let node = signal::make(0, Signal::Message(message));
        // SAFETY: the scan point is null or in the list (Q2); whoever removes it moves it.
        unsafe {
            let next = self.after(before);
            (*node).next = next;
            if before.is_null() {
                self.first = node;
            } else {
                (*before).next = node;
            }
            if next.is_null() {
                self.last = node;
            }
        }
        self.len += 1;
        self.scan = node;
    }

    /// A message was accepted: the next receive starts at the oldest again.
    #[inline]
    pub fn restart(&mut self) {
        self.scan = null_mut();
    }

    /// Looks at messages that the current receive has not seen, oldest first, and takes the first that `want`
    /// accepts. `None`: all are seen.
    pub fn receive(&mut self, mut want: impl FnMut(&Message) -> bool) -> Option<Message> {
        let mut before = self.scan;
        loop {
            let node = self.after(before);
            if node.is_null() {
                self.scan = before;
                return None;
            }
            // SAFETY: in the list, ours; Q1.
            let message = unsafe {
                match &(*node).signal {
                    Signal::Message(m) => m,
                    _ => unreachable!("only messages are queued"),
                }
            };
            if want(message) {
                let m = self.remove_after(before);
                self.scan = null_mut();
                return Some(m);
            }
            before = node;
        }
    }

    /// Remembers that `reference` was made now: no message in the queue can contain it.
    #[inline]
    pub fn set_mark(&mut self, reference: Ref) {
        self.mark = self.last;
        self.mark_ref = number(&reference);
    }

    /// Begins a receive of messages that contain `reference`: skips what is older than the reference, if known.
    #[inline]
    pub fn skip_to_mark(&mut self, reference: Ref) {
        if self.mark_ref == number(&reference) {
            self.scan = self.mark;
        }
    }

    #[inline]
    fn after(&self, node: *mut Node) -> *mut Node {
        // SAFETY: a non-null node is in the list, ours.
        if node.is_null() { self.first } else { unsafe { (*node).next } }
    }

    #[inline(always)]
    fn remove_after(&mut self, before: *mut Node) -> Message {
        let node = self.after(before);
        // SAFETY: the caller has checked that there is one; nodes in the list are ours.
        unsafe {
            let next = (*node).next;
            if before.is_null() {
                self.first = next;
            } else {
                (*before).next = next;
            }
            if self.last == node {
                self.last = before;
            }
            if self.mark == node {
                self.mark = before;
            }
            self.len -= 1;
            match signal::open(node) {
                Signal::Message(m) => m,
                _ => unreachable!("only messages are queued"),
            }
        }
    }

    /// Removes the oldest message of which `drop_it` says so; for demonitor with flush.
    pub fn remove_first(&mut self, mut drop_it: impl FnMut(&Message) -> bool) -> bool {
        let mut before = null_mut();
        loop {
            let node = self.after(before);
            if node.is_null() {
                return false;
            }
            // SAFETY: in the list, ours; Q1.
            let hit = unsafe {
                match &(*node).signal {
                    Signal::Message(m) => drop_it(m),
                    _ => unreachable!("only messages are queued"),
                }
            };
            if hit {
                if self.scan == node {
                    self.scan = before;
                }
                drop(self.remove_after(before));
                return true;
            }
            before = node;
        }
    }

    /// Runs `f` on every message, oldest first.
    pub fn for_each(&self, mut f: impl FnMut(&Message)) {
        let mut node = self.first;
        while !node.is_null() {
            // SAFETY: in the list, ours; Q1.
            unsafe {
                if let Signal::Message(m) = &(*node).signal {
                    f(m);
                }
                node = (*node).next;
            }
        }
    }

    /// Takes everything out.
    pub fn clear(&mut self, mut f: impl FnMut(Message)) {
        while let Some(m) = self.pop_first() {
            f(m);
        }
        self.scan = null_mut();
        self.mark = null_mut();
        self.mark_ref = 0;
    }
}
