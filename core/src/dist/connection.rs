//! One connection: handshake, frames, control messages, ticks and the queue of what goes out, as one object.
//! Imports: term, etf, and all of this room.
//!
//! No socket: bytes are fed, events are pulled, output is taken. The owner's loop, whatever drives it:
//!  1 bytes came: [`Connection::feed`]; the peer closed: [`Connection::closed`]; time passed: [`Connection::on_time`]
//!  2 pull [`Connection::next_event`] until it says `None`; answer `Ask` and `AskStillWanted` in between
//!  3 write [`Connection::output`] as far as the socket takes it and say so with [`Connection::wrote`]
//!  4 sleep until there are bytes, room in the socket, something to send, or [`Connection::deadline`]
//!
//! Frames are decoded when an event is pulled, not when bytes are fed: an owner that has to wait for its consumers
//! stops pulling, and `Up` can be acted upon (a name adopted, an old connection dropped) before anything after it is
//! read. Events must be pulled to the end before output is written, as `DropOld` precedes the acknowledgement.
//!
//! Order: signals of one process go out in the order of `send`. A big message is cut; messages of other processes
//! overtake it, those of its own sender wait behind it.
//!
//! Invariant N1: `Down` comes exactly once and last. Everything received whole before the peer closed comes before it.
//! Times are milliseconds of any monotonic clock, handed in.

mod encode;
mod outgoing;
mod reason;

pub use encode::{SendError, encode};
pub use reason::DownReason;

use super::control::{Control, Ends};
use super::flags::Flags;
use super::frame::{Encoded, Frame, FrameReader, Incoming, Limits, TICK};
use super::handshake::{Action, Cookie, Event as Input, Handshake, Hello, Identity, Peer, Setup, Verdict};
use super::name::NodeName;
use super::ticker::{self, TickTime, Ticker};
use crate::term::{Atom, NodeId, Pid};
use bytes::{Bytes, BytesMut};
use outgoing::Outgoing;
use std::collections::VecDeque;

/// Settings of a connection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the handshake.
    pub setup: Setup,
    /// This node, whose pids the peer may name.
    pub home: NodeId,
    /// What a peer may make us keep.
    pub limits: Limits,
    /// Ticks.
    pub tick: TickTime,
    /// Each step of the handshake has this time. Source: OTP `net_setuptime`, 7 seconds.
    pub setup_ms: u64,
    /// From this many waiting bytes on senders should wait. Source: OTP `+zdbbl`, 1 MiB.
    pub busy_limit: usize,
}

impl Settings {
    /// OTP's defaults.
    pub fn new(setup: Setup, home: NodeId) -> Self {
        Self { setup, home, limits: Limits::default(), tick: TickTime::default(), setup_ms: 7_000, busy_limit: 1 << 20 }
    }
}

/// What happens on a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Is this peer welcome? Answer with [`Connection::answer`].
    Ask(Hello),
    /// Is this attempt still the pending one? Answer with [`Connection::still_wanted`].
    AskStillWanted,
    /// The peer has proven the cookie and replaces the connection there is: take that down now.
    DropOld,
    /// The connection is up.
    Up(Peer),
    /// A control message has come.
    Control(Control),
    /// The connection is no more. Nothing comes after it.
    Down(DownReason),
}

/// Counters of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes fed.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Control messages received.
    pub messages_in: u64,
    /// Control messages sent.
    pub messages_out: u64,
}

#[derive(Debug)]
enum Phase {
    Handshake { machine: Option<Handshake>, deadline: u64 },
    Up(Box<Link>),
    Down,
}

#[derive(Debug)]
struct Link {
    reader: FrameReader,
    incoming: Incoming,
    ends: Ends,
    negotiated: Flags,
    ticker: Ticker,
    /// The peer has closed: what has come whole is still to be read.
    closed: bool,
}

/// One connection. See the module's text for the owner's loop.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    phase: Phase,
    events: VecDeque<Event>,
    out: Outgoing,
    counters: Counters,
}

impl Connection {
    /// Begins to dial: the bytes of [`Connection::output`] go to the peer's socket.
    pub fn dial(settings: Settings, peer: NodeName, cookie: Cookie, now: u64) -> Self {
        let begun = Handshake::dial(settings.setup.clone(), peer, cookie);
        Self::new(settings, begun, now)
    }

    /// Begins as the one who was dialled.
    pub fn accept(settings: Settings, now: u64) -> Self {
        let begun = Handshake::accept(settings.setup.clone());
        Self::new(settings, begun, now)
    }

    fn new(settings: Settings, (machine, actions): (Handshake, Vec<Action>), now: u64) -> Self {
        let mut c = Self {
            settings,
            phase: Phase::Handshake { machine: Some(machine), deadline: now },
            events: VecDeque::new(),
            out: Outgoing::default(),
            counters: Counters::default(),
        };
        c.act(actions, now);
        c
    }

    /// Bytes from the peer.
    pub fn feed(&mut self, bytes: &[u8], now: u64) {
        self.counters.bytes_in += bytes.len() as u64;
        match &mut self.phase {
            Phase::Handshake { .. } => self.step(Input::Bytes(bytes), now),
            Phase::Up(link) => {
                link.ticker.read(now);
                link.reader.push(bytes);
            }
            Phase::Down => {}
        }
    }

    /// Once up, the buffer to read a socket into without a copy; say [`Connection::fed`] afterwards.
    pub fn buffer_mut(&mut self) -> Option<&mut BytesMut> {
        match &mut self.phase {
            Phase::Up(link) => Some(link.reader.buffer_mut()),
            _ => None,
        }
    }

    /// `count` bytes were put into [`Connection::buffer_mut`].
    pub fn fed(&mut self, count: usize, now: u64) {
        self.counters.bytes_in += count as u64;
        if let (Phase::Up(link), 1..) = (&mut self.phase, count) {
            link.ticker.read(now);
        }
    }

    /// The peer has closed the connection, or it broke.
    pub fn closed(&mut self, now: u64) {
        match &mut self.phase {
            Phase::Handshake { .. } => self.step(Input::Closed, now),
            Phase::Up(link) => link.closed = true,
            Phase::Down => {}
        }
    }

    /// Ends the connection from our side: `disconnect`. What has not been read is dropped, what waits to be written
    /// may still be written.
    pub fn disconnect(&mut self) {
        self.down(DownReason::Disconnect);
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: u64) {
        match &mut self.phase {
            Phase::Handshake { deadline, .. } => {
                if now >= *deadline {
                    self.step(Input::Timeout, now);
                }
            }
            Phase::Up(link) => match link.ticker.poll(now, !self.out.is_empty()) {
                ticker::Verdict::Wait => {}
                ticker::Verdict::Tick => {
                    link.ticker.wrote(now);
                    self.out.push(&TICK, Bytes::new());
                }
                ticker::Verdict::Down => self.down(DownReason::TickTimeout),
            },
            Phase::Down => {}
        }
    }

    /// When [`Connection::on_time`] has something to do.
    pub fn deadline(&self) -> Option<u64> {
        match &self.phase {
            Phase::Handshake { deadline, .. } => Some(*deadline),
            Phase::Up(link) => link.ticker.deadline(),
            Phase::Down => None,
        }
    }

    /// The answer to [`Event::Ask`].
    pub fn answer(&mut self, verdict: Verdict, now: u64) {
        self.step(Input::Verdict(verdict), now);
    }

    /// The answer to [`Event::AskStillWanted`].
    pub fn still_wanted(&mut self, wanted: bool, now: u64) {
        self.step(Input::StillWanted(wanted), now);
    }

    /// The next thing that has happened.
    pub fn next_event(&mut self, now: u64) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let Phase::Up(link) = &mut self.phase else { return None };
            match link.next(self.settings.home) {
                Ok(Some(Received::Control(control))) => {
                    self.counters.messages_in += 1;
                    return Some(Event::Control(control));
                }
                Ok(Some(Received::Tick)) => {
                    if link.ticker.tick_received(now) {
                        link.ticker.wrote(now);
                        self.out.push(&TICK, Bytes::new());
                    }
                }
                Ok(None) if link.closed => self.down(DownReason::Closed),
                Ok(None) => return None,
                Err(reason) => self.down(reason),
            }
        }
    }

    /// Encodes and queues a message. `sender`: the process on whose behalf, which fixes its order; more than the
    /// message itself may say (a monitor by name does not name its process).
    ///
    /// # Errors
    /// The connection is not up, or the peer cannot be told this, or a term cannot leave this OS process.
    pub fn send(&mut self, sender: Option<Pid>, control: Control) -> Result<(), SendError> {
        let Phase::Up(link) = &self.phase else { return Err(SendError::NotUp) };
        let encoded = encode(control, link.negotiated)?;
        self.send_encoded(sender, encoded)
    }

    /// Queues a message that [`encode`] has made for the flags of [`Connection::negotiated`].
    ///
    /// # Errors
    /// The connection is not up.
    pub fn send_encoded(&mut self, sender: Option<Pid>, message: Encoded) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Up(_)) {
            return Err(SendError::NotUp);
        }
        self.counters.messages_out += 1;
        self.out.message(sender, message);
        Ok(())
    }

    /// What both ends offer, once the connection is up.
    pub fn negotiated(&self) -> Option<Flags> {
        match &self.phase {
            Phase::Up(link) => Some(link.negotiated),
            _ => None,
        }
    }

    /// What is to be written, in pieces, in order.
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        self.out.pieces()
    }

    /// The socket has taken so many bytes of [`Connection::output`].
    pub fn wrote(&mut self, count: usize, now: u64) {
        self.out.consume(count);
        self.counters.bytes_out += count as u64;
        if let (Phase::Up(link), 1..) = (&mut self.phase, count) {
            link.ticker.wrote(now);
        }
    }

    /// All bytes that wait to be written.
    pub fn pending_bytes(&self) -> usize {
        self.out.bytes()
    }

    /// Whether senders should wait: the back-pressure mark.
    pub fn is_busy(&self) -> bool {
        self.out.bytes() >= self.settings.busy_limit
    }

    /// Whether the connection has ended. Its output may still be written before the socket is closed.
    pub fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Down)
    }

    /// Counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn step(&mut self, input: Input<'_>, now: u64) {
        let Phase::Handshake { machine, .. } = &mut self.phase else { return };
        let Some(taken) = machine.take() else { return };
        let (next, actions) = taken.step(input);
        *machine = Some(next);
        self.act(actions, now);
    }

    fn act(&mut self, actions: Vec<Action>, now: u64) {
        for action in actions {
            match action {
                Action::Send(bytes) => self.out.push(&bytes, Bytes::new()),
                Action::RestartTimer => {
                    let until = now.saturating_add(self.settings.setup_ms);
                    if let Phase::Handshake { deadline, .. } = &mut self.phase {
                        *deadline = until;
                    }
                }
                Action::Ask(hello) => self.events.push_back(Event::Ask(hello)),
                Action::AskStillWanted => self.events.push_back(Event::AskStillWanted),
                Action::DropOld => self.events.push_back(Event::DropOld),
                Action::Up(peer) => self.up(peer, now),
                Action::Refused(refusal) => self.down(DownReason::Setup(refusal)),
            }
        }
    }

    fn up(&mut self, mut peer: Peer, now: u64) {
        let own = match (&peer.adopted, &self.settings.setup.identity) {
            (Some((name, _)), _) | (None, Identity::Named(name, _)) => name.as_str(),
            (None, Identity::Nameless(_)) => "",
        };
        let (Ok(local), Ok(remote)) = (Atom::new(own), Atom::new(peer.name.as_str())) else {
            return self.down(DownReason::AtomTableFull);
        };
        let mut reader = FrameReader::new(self.settings.limits.frame);
        reader.push(&std::mem::take(&mut peer.rest));
        self.phase = Phase::Up(Box::new(Link {
            reader,
            incoming: Incoming::new(peer.negotiated, self.settings.limits),
            ends: Ends { local, peer: remote },
            negotiated: peer.negotiated,
            ticker: Ticker::new(self.settings.tick, !peer.is_visible(), now),
            closed: false,
        }));
        self.out.established(peer.negotiated);
        self.events.push_back(Event::Up(peer));
    }

    fn down(&mut self, reason: DownReason) {
        if !self.is_down() {
            self.phase = Phase::Down;
            self.out.stop();
            self.events.push_back(Event::Down(reason));
        }
    }
}

enum Received {
    Tick,
    Control(Control),
}

impl Link {
    /// The next tick or control message that has come whole.
    fn next(&mut self, home: NodeId) -> Result<Option<Received>, DownReason> {
        loop {
            let frame = match self.reader.next_frame()? {
                None => return Ok(None),
                Some(Frame::Tick) => return Ok(Some(Received::Tick)),
                Some(Frame::Body(body)) => body,
            };
            let Some(whole) = self.incoming.frame(frame)? else { continue };
            let (control, payload) = encode::terms(&whole, home)?;
            return Ok(Some(Received::Control(Control::decode(&control, payload, self.ends)?)));
        }
    }
}
