//! What waits to be written.
//! Imports: term, flags, frame.
//!
//! A big message is cut into fragments. Its first goes out at once, the others stay in the sender's lane and are
//! taken in turn with other lanes as the socket drains. Whatever the same sender says meanwhile waits in the lane.
//! Small pieces are gathered, so that a flood of small messages is a few writes.

use crate::dist::flags::Flags;
use crate::dist::frame::Encoded;
use crate::dist::frame::writer::{Fragments, Writer};
use crate::term::Pid;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::{HashMap, VecDeque};

/// Fragments are taken out of their lanes while less than this waits for the socket.
const LOW: usize = 128 << 10;
/// Pieces below this size are gathered.
const SMALL: usize = 4 << 10;
/// Gathered pieces are closed at this size.
const GATHERED: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    Process(Pid),
    /// A message that keeps no order with any other.
    Alone(u64),
}

#[derive(Debug)]
struct Lane {
    cut: Fragments,
    held: VecDeque<Encoded>,
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    writer: Option<Writer>,
    pieces: VecDeque<Bytes>,
    gathered: BytesMut,
    /// Bytes in `pieces` and `gathered`.
    ready: usize,
    /// Bytes in lanes.
    waiting: usize,
    lanes: HashMap<Key, Lane>,
    turns: VecDeque<Key>,
    alone: u64,
}

impl Outgoing {
    /// The handshake is over.
    pub fn established(&mut self, negotiated: Flags) {
        self.writer = Some(Writer::new(negotiated));
    }

    /// The connection is over: what is cut stays cut.
    pub fn stop(&mut self) {
        self.writer = None;
        self.lanes = HashMap::new();
        self.turns = VecDeque::new();
        self.waiting = 0;
    }

    /// Nothing waits for the socket.
    pub fn is_empty(&self) -> bool {
        self.ready == 0
    }

    /// All that waits.
    pub fn bytes(&self) -> usize {
        self.ready + self.waiting
    }

    /// Bytes as they are.
    pub fn push(&mut self, head: &[u8], body: Bytes) {
        self.ready += head.len() + body.len();
        self.gathered.extend_from_slice(head);
        if body.len() < SMALL {
            self.gathered.extend_from_slice(&body);
            if self.gathered.len() >= GATHERED {
                self.close_gathered();
            }
        } else {
            self.close_gathered();
            self.pieces.push_back(body);
        }
    }

    fn close_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.pieces.push_back(self.gathered.split().freeze());
        }
    }

    /// A message; behind what its sender has in a lane.
    pub fn message(&mut self, sender: Option<Pid>, message: Encoded) {
        if let Some(lane) = sender.and_then(|p| self.lanes.get_mut(&Key::Process(p))) {
            self.waiting += message.terms.len();
            lane.held.push_back(message);
            return;
        }
        if let Some(cut) = self.frame(message) {
            let key = sender.map_or_else(
                || {
                    self.alone += 1;
                    Key::Alone(self.alone)
                },
                Key::Process,
            );
            self.waiting += cut.bytes();
            self.lanes.insert(key, Lane { cut, held: VecDeque::new() });
            self.turns.push_back(key);
            self.refill();
        }
    }

    /// Frames a message, or its first fragment.
    fn frame(&mut self, message: Encoded) -> Option<Fragments> {
        let ([head, body], cut) = self.writer.as_mut()?.first(message);
        self.push(&head, body);
        cut
    }

    /// Takes fragments out of the lanes in turn.
    fn refill(&mut self) {
        while self.ready < LOW {
            let Some(key) = self.turns.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            let before = lane.cut.bytes();
            let ([head, body], last) = lane.cut.next_frame();
            self.waiting -= before - lane.cut.bytes();
            self.push(&head, body);
            if !last || self.held_of(key) {
                self.turns.push_back(key);
            }
        }
    }

    /// A lane's big message is out: what was held behind it follows, up to the next big one. False: the lane is empty
    /// and gone.
    fn held_of(&mut self, key: Key) -> bool {
        while let Some(message) = self.lanes.get_mut(&key).and_then(|l| l.held.pop_front()) {
            self.waiting -= message.terms.len();
            let Some(cut) = self.frame(message) else { continue };
            self.waiting += cut.bytes();
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.cut = cut;
            }
            return true;
        }
        self.lanes.remove(&key);
        false
    }

    /// What waits for the socket, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|b| &b[..]).chain((!self.gathered.is_empty()).then_some(&self.gathered[..]))
    }

    /// The socket has taken so many bytes.
    pub fn consume(&mut self, count: usize) {
        let mut left = count.min(self.ready);
        self.ready -= left;
        while let Some(first) = self.pieces.front_mut().filter(|_| left > 0) {
            let n = left.min(first.len());
            first.advance(n);
            left -= n;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.gathered.advance(left);
        self.refill();
    }
}
