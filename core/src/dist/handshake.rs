//! The handshake, version 6, as a state machine of either role.
//! Imports: flags, name.
//!
//! `step(self, event) -> (next, actions)`. The machine asks its owner what it cannot know: whether a peer is welcome
//! (`Ask`), whether an attempt is still wanted (`AskStillWanted`). It draws no random numbers: the challenge is handed
//! in and must come from the operating system's source.
//!
//! Acceptor:
//!  1 read `N`; check name and flags (a refusal is said with the status `not_allowed`); ask for a verdict
//!  2 answer `ok`, `ok_simultaneous`, `nok`, `not_allowed`, `alive` or `named:`
//!  3 after `alive` read `true` or `false`; on `true` the old connection stays until the cookie is proven (step 5)
//!  4 send the challenge
//!  5 read the reply, verify the digest; only now drop the old connection; acknowledge; up
//!
//! Initiator:
//!  1 send `N`
//!  2 read the status; `nok`: the peer's own attempt wins; `alive`: say whether ours is still wanted; `named:`: adopt
//!  3 read the challenge; the name must be the one that was dialled; check flags; reply with our own challenge
//!  4 read the acknowledgement, verify the digest; up
//!
//! Invariant H1: `Up` is given only after the peer has proven the cookie.
//! Invariant H2: no more than `MAX_MESSAGE` bytes are kept beyond the event that brought them.
//!
//! Source: OTP distribution protocol; `dist_util`.

mod acceptor;
pub mod cookie;
mod initiator;
pub mod message;
pub mod refusal;

pub use cookie::{Cookie, CookieError};
pub use refusal::{Refusal, Step};

use super::flags::{Flags, negotiate};
use super::name::{MAX_CHARS, NodeName};
use message::{Malformed, Message};

/// The longest message of a handshake that is read: names have at most 1020 bytes.
pub const MAX_MESSAGE: usize = 4096;

/// How messages of the handshake are delimited. After it lengths always have four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Two bytes of length: TCP.
    Tcp,
    /// Four bytes of length from the start: TLS.
    Tls,
}

impl Framing {
    const fn header(self) -> usize {
        match self {
            Self::Tcp => 2,
            Self::Tls => 4,
        }
    }

    fn wrap(self, message: &Message) -> Vec<u8> {
        let body = message.encode();
        let length = (body.len() as u32).to_be_bytes();
        let mut out = length[4 - self.header()..].to_vec();
        out.extend(body);
        out
    }
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A named node and its creation, which must not be 0.
    Named(NodeName, u32),
    /// A node without a name asks the peer for one and tells its host. Only for dialling. Source: OTP `-sname undefined`.
    Nameless(String),
}

/// What a handshake needs to know beforehand.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our name.
    pub identity: Identity,
    /// Our flags: [`super::flags::Offer::flags`].
    pub flags: Flags,
    /// A peer without one of these is refused: [`Flags::OUR_MANDATORY`].
    pub mandatory: Flags,
    /// TCP or TLS.
    pub framing: Framing,
    /// Our challenge: fresh, from the operating system's random source.
    pub challenge: u32,
}

/// What an acceptor has learned of its peer before it has proven anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its name; `None`: it asks for one.
    pub name: Option<NodeName>,
    /// Its host.
    pub host: String,
    /// Its flags, expanded.
    pub flags: Flags,
    /// Its creation; 0 if it asks for a name.
    pub creation: u32,
}

/// The owner's answer to [`Action::Ask`].
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Welcome; there is neither a connection nor an attempt.
    Accept(Cookie),
    /// Welcome; our own attempt toward the same node has just been given up for it. See [`we_yield`].
    AcceptSimultaneous(Cookie),
    /// Our own attempt toward the same node stands.
    Nok,
    /// Not welcome.
    NotAllowed,
    /// There is a connection to that node already: the peer may replace it.
    Alive(Cookie),
    /// Welcome under this name and creation; only for a peer that asks for a name.
    Named(NodeName, u32, Cookie),
}

/// Whether our own attempt gives way to one that comes from `theirs` at the same time. If not: `Nok`.
pub fn we_yield(ours: &NodeName, theirs: &NodeName) -> bool {
    ours <= theirs
}

/// What happens to a handshake.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Bytes from the peer.
    Bytes(&'a [u8]),
    /// The answer to [`Action::Ask`].
    Verdict(Verdict),
    /// The answer to [`Action::AskStillWanted`].
    StillWanted(bool),
    /// The timer of the last `RestartTimer` has run out.
    Timeout,
    /// The peer has closed the connection.
    Closed,
}

/// What to do, in order. A question is always the last of its step. After `Up` or `Refused` nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write.
    Send(Vec<u8>),
    /// Run the timer anew: OTP's `net_setuptime`, 7 seconds.
    RestartTimer,
    /// Answer with [`Event::Verdict`].
    Ask(Hello),
    /// Answer with [`Event::StillWanted`]: is this attempt still the one that is pending for the peer?
    AskStillWanted,
    /// The peer has proven the cookie and replaces the connection there is: take that down now, before what follows.
    DropOld,
    /// The connection is up.
    Up(Peer),
    /// There will be no connection: write what is to be written, then close.
    Refused(Refusal),
}

/// A peer that has proven the cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: NodeName,
    /// Its creation.
    pub creation: u32,
    /// All it offers, expanded.
    pub flags: Flags,
    /// What both offer.
    pub negotiated: Flags,
    /// The name and creation that the peer has given us, if we asked.
    pub adopted: Option<(NodeName, u32)>,
    /// What came after the handshake's last message.
    pub rest: Vec<u8>,
}

impl Peer {
    /// Whether the connection is a visible one: both ends offer it.
    pub fn is_visible(&self) -> bool {
        self.negotiated.has(Flags::PUBLISHED)
    }
}

#[derive(Debug)]
struct Partner {
    name: NodeName,
    creation: u32,
    flags: Flags,
    cookie: Cookie,
}

#[derive(Debug)]
enum State {
    // Acceptor.
    AwaitName,
    AwaitVerdict(Hello),
    AwaitConfirm(Partner),
    AwaitReply { partner: Partner, replaces: bool },
    // Initiator.
    AwaitStatus,
    AwaitStillWanted,
    AwaitChallenge,
    AwaitAck(Partner),
    Done,
}

/// A handshake in progress.
#[derive(Debug)]
pub struct Handshake {
    setup: Setup,
    dialled: Option<(NodeName, Cookie)>,
    adopted: Option<(NodeName, u32)>,
    buffer: Vec<u8>,
    state: State,
}

type Actions = Vec<Action>;

impl Handshake {
    /// Begins as the one who dials `peer`.
    pub fn dial(setup: Setup, peer: NodeName, cookie: Cookie) -> (Self, Actions) {
        let message = match &setup.identity {
            Identity::Named(name, creation) => Message::Name {
                flags: setup.flags.without(Flags::NAME_ME),
                creation: *creation,
                name: name.as_str().as_bytes().to_vec(),
            },
            Identity::Nameless(host) => Message::Name {
                // A node without a name is a hidden one.
                flags: setup.flags.without(Flags::PUBLISHED).with(Flags::NAME_ME),
                creation: 0,
                name: host.as_bytes().to_vec(),
            },
        };
        let actions = vec![Action::RestartTimer, Action::Send(setup.framing.wrap(&message))];
        let dialled = Some((peer, cookie));
        (Self { setup, dialled, adopted: None, buffer: Vec::new(), state: State::AwaitStatus }, actions)
    }

    /// Begins as the one who was dialled.
    pub fn accept(setup: Setup) -> (Self, Actions) {
        let h = Self { setup, dialled: None, adopted: None, buffer: Vec::new(), state: State::AwaitName };
        (h, vec![Action::RestartTimer])
    }

    /// What is awaited.
    pub fn awaits(&self) -> Step {
        match self.state {
            State::AwaitName => Step::Name,
            State::AwaitVerdict(_) => Step::Verdict,
            State::AwaitConfirm(_) => Step::Confirm,
            State::AwaitReply { .. } => Step::Reply,
            State::AwaitStatus => Step::Status,
            State::AwaitStillWanted => Step::StillWanted,
            State::AwaitChallenge => Step::Challenge,
            State::AwaitAck(_) => Step::Ack,
            State::Done => Step::Done,
        }
    }

    /// Takes one event. Events that do not fit are late ones and ignored.
    #[must_use]
    pub fn step(mut self, event: Event<'_>) -> (Self, Actions) {
        let mut out = Vec::new();
        let step = self.awaits();
        match event {
            _ if step == Step::Done => {}
            Event::Bytes(bytes) => {
                self.buffer.extend(bytes);
                self.read(&mut out);
            }
            Event::Verdict(verdict) if step == Step::Verdict => {
                if let State::AwaitVerdict(hello) = std::mem::replace(&mut self.state, State::Done) {
                    let done = self.judge(hello, verdict, &mut out);
                    self.settle(done, &mut out);
                    self.read(&mut out);
                }
            }
            Event::StillWanted(wanted) if step == Step::StillWanted => {
                let word: &[u8] = if wanted { b"true" } else { b"false" };
                self.send(&Message::Status(word.to_vec()), &mut out);
                let done = if wanted { Ok(State::AwaitChallenge) } else { Err(Refusal::NotWanted) };
                self.settle(done, &mut out);
                self.read(&mut out);
            }
            Event::Timeout => self.settle(Err(Refusal::Timeout(step)), &mut out),
            Event::Closed => self.settle(Err(Refusal::Closed(step)), &mut out),
            Event::Verdict(_) | Event::StillWanted(_) => {}
        }
        (self, out)
    }

    fn send(&self, message: &Message, out: &mut Actions) {
        out.push(Action::Send(self.setup.framing.wrap(message)));
    }

    fn settle(&mut self, next: Result<State, Refusal>, out: &mut Actions) {
        match next {
            Ok(state) => {
                if !matches!(state, State::Done) {
                    // A question comes last, so that its answer may be given while the actions are carried out.
                    let asks = matches!(out.last(), Some(Action::Ask(_) | Action::AskStillWanted));
                    out.insert(out.len() - usize::from(asks), Action::RestartTimer);
                }
                self.state = state;
            }
            Err(refusal) => {
                self.state = State::Done;
                self.buffer = Vec::new();
                out.push(Action::Refused(refusal));
            }
        }
    }

    /// Takes complete messages out of the buffer as long as one is awaited.
    fn read(&mut self, out: &mut Actions) {
        loop {
            match self.awaits() {
                Step::Done => return,
                Step::Verdict | Step::StillWanted => break,
                _ => {}
            }
            let Some(header) = self.buffer.get(..self.setup.framing.header()) else { break };
            let length = header.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            if length > MAX_MESSAGE {
                return self.settle(Err(Refusal::TooLong(self.awaits())), out);
            }
            let end = header.len() + length;
            if self.buffer.len() < end {
                break;
            }
            let rest = self.buffer.split_off(end);
            let whole = std::mem::replace(&mut self.buffer, rest);
            let next = self.message(&whole[self.setup.framing.header()..], out);
            self.settle(next, out);
        }
        if self.buffer.len() > MAX_MESSAGE + 4 {
            self.settle(Err(Refusal::TooLong(self.awaits())), out);
        }
    }

    fn message(&mut self, body: &[u8], out: &mut Actions) -> Result<State, Refusal> {
        let step = self.awaits();
        let malformed = |m| match m {
            Malformed::Tag(tag) => Refusal::Message { step, tag },
            Malformed::Short => Refusal::Short(step),
        };
        match std::mem::replace(&mut self.state, State::Done) {
            State::AwaitName => match Message::decode_name(body).map_err(malformed)? {
                Message::Name { flags, creation, name } => self.hello(flags, creation, &name, out),
                Message::OldName { name } => {
                    self.send(&Message::Status(b"not_allowed".to_vec()), out);
                    let name = &name[..name.len().min(4 * MAX_CHARS)];
                    Err(Refusal::OldHandshake { name: String::from_utf8_lossy(name).into_owned() })
                }
                _ => Err(Refusal::Short(step)),
            },
            State::AwaitConfirm(partner) => match Message::decode_status(body).map_err(malformed)? {
                Message::Status(s) if s == b"true" => Ok(self.challenge(partner, true, out)),
                Message::Status(s) if s == b"false" => Err(Refusal::NotWantedByPeer),
                other => Err(unknown_status(other)),
            },
            State::AwaitReply { partner, replaces } => match Message::decode_reply(body).map_err(malformed)? {
                Message::Reply { challenge, digest } => {
                    if !partner.cookie.verify(self.setup.challenge, &digest) {
                        return Err(Refusal::Digest { peer: partner.name.to_string() });
                    }
                    if replaces {
                        out.push(Action::DropOld);
                    }
                    self.send(&Message::Ack { digest: partner.cookie.digest(challenge) }, out);
                    self.up(partner, out);
                    Ok(State::Done)
                }
                _ => Err(Refusal::Short(step)),
            },
            State::AwaitStatus => {
                let status = Message::decode_status(body).map_err(malformed)?;
                self.status(status, out)
            }
            State::AwaitChallenge => {
                let challenge = Message::decode_challenge(body).map_err(malformed)?;
                self.challenged(challenge, out)
            }
            State::AwaitAck(partner) => match Message::decode_ack(body).map_err(malformed)? {
                Message::Ack { digest } => {
                    if !partner.cookie.verify(self.setup.challenge, &digest) {
                        return Err(Refusal::Digest { peer: partner.name.to_string() });
                    }
                    self.up(partner, out);
                    Ok(State::Done)
                }
                _ => Err(Refusal::Short(step)),
            },
            // Not awaiting a message.
            other => Ok(other),
        }
    }

    fn identity(&self) -> (&str, u32) {
        match &self.setup.identity {
            Identity::Named(name, creation) => (name.as_str(), *creation),
            Identity::Nameless(host) => (host, 0),
        }
    }

    fn up(&mut self, partner: Partner, out: &mut Actions) {
        let ours = match self.setup.identity {
            Identity::Named(..) => self.setup.flags,
            Identity::Nameless(_) => self.setup.flags.without(Flags::PUBLISHED),
        };
        out.push(Action::Up(Peer {
            name: partner.name,
            creation: partner.creation,
            flags: partner.flags,
            negotiated: negotiate(ours, partner.flags),
            adopted: self.adopted.take(),
            rest: std::mem::take(&mut self.buffer),
        }));
    }
}

fn unknown_status(status: Message) -> Refusal {
    match status {
        Message::Status(s) => Refusal::Status(String::from_utf8_lossy(&s[..s.len().min(64)]).into_owned()),
        _ => Refusal::GivenName,
    }
}
