//! epmd's client: single questions, and keeping a node registered for its life.
//! Imports: epmd codec.
//!
//! Times are milliseconds of any monotonic clock, handed in.
//!
//! The registrar's protocol:
//!  1 connect; if nobody answers, ask once for a server of our own, then connect again
//!  2 send ALIVE2, wait for the answer; a refusal at the first time is final (the name is taken)
//!  3 keep the connection: closing it is the unregistration
//!  4 if it breaks, connect again every two seconds, starting a server again if none is there; the creation that the
//!    new registration brings is ignored, as the node's pids carry the first one
//!
//! Source: OTP `erl_epmd`.

use super::codec::{self, AliveResponse, CodecError, PortResponse, Registration, Request};
use std::fmt;

/// How long to wait for an answer, and for a connection.
pub const ANSWER_MS: u64 = 10_000;
/// How long to wait before connecting again.
pub const RETRY_MS: u64 = 2_000;
/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Why a question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// What came is not an answer.
    Codec(CodecError),
    /// The connection closed before the answer was complete.
    Closed,
    /// The answer is longer than we read.
    TooLong,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(e) => write!(f, "epmd gave no valid answer: {e}"),
            Self::Closed => f.write_str("epmd closed the connection before its answer was complete"),
            Self::TooLong => f.write_str("the answer of epmd is too long"),
        }
    }
}

impl std::error::Error for QueryError {}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `PortPlease2`; `None`: there is no such node.
    Port(Option<Registration>),
    /// To `Names`.
    Names {
        /// Where epmd itself listens.
        epmd_port: u32,
        /// Name and port of each node.
        nodes: Vec<(String, u16)>,
    },
    /// To `Dump`, `Kill`, `Stop`: as it came.
    Text(Vec<u8>),
}

/// One question over one connection.
#[derive(Debug)]
pub struct Query {
    request: Request,
    buffer: Vec<u8>,
}

impl Query {
    /// The query, and the bytes to write once connected. Not for `Alive2`: see [`Registrar`].
    pub fn new(request: Request) -> Result<(Self, Vec<u8>), CodecError> {
        let bytes = request.encode()?;
        Ok((Self { request, buffer: Vec::new() }, bytes))
    }

    /// Bytes have come. An answer as soon as it is complete; those without an end of their own end with the connection.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, QueryError> {
        if self.buffer.len() + bytes.len() > MAX_ANSWER {
            return Err(QueryError::TooLong);
        }
        self.buffer.extend(bytes);
        if !matches!(self.request, Request::PortPlease2(_)) {
            return Ok(None);
        }
        match codec::decode_port(&self.buffer).map_err(QueryError::Codec)? {
            PortResponse::More => Ok(None),
            PortResponse::NotFound => Ok(Some(Answer::Port(None))),
            PortResponse::Found(r) => Ok(Some(Answer::Port(Some(r)))),
        }
    }

    /// The connection has closed.
    pub fn closed(self) -> Result<Answer, QueryError> {
        match self.request {
            Request::PortPlease2(_) | Request::Alive2(_) => Err(QueryError::Closed),
            Request::Names => {
                let (epmd_port, nodes) = codec::decode_names(&self.buffer).map_err(|_| QueryError::Closed)?;
                Ok(Answer::Names { epmd_port, nodes })
            }
            // epmd closes without a word when it refuses.
            _ if self.buffer.is_empty() => Err(QueryError::Closed),
            _ => Ok(Answer::Text(self.buffer)),
        }
    }
}

/// What happens to a registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection asked for is there.
    Connected,
    /// Nobody listens.
    ConnectFailed,
    /// A server of our own listens now.
    ServerStarted,
    /// It could not be started; another may have been faster.
    ServerFailed,
    /// Bytes from epmd.
    Bytes(Vec<u8>),
    /// epmd has closed the connection.
    Closed,
    /// The time asked for has come.
    Timer,
}

/// What a registrar wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection to epmd; answer `Connected` or `ConnectFailed`.
    Connect,
    /// Start an epmd server on this host's epmd port; answer `ServerStarted` or `ServerFailed`.
    StartServer,
    /// Write.
    Send(Vec<u8>),
    /// Close the connection; no `Closed` is awaited.
    Close,
    /// Send `Timer` at that time; replaces the time before.
    Wake(u64),
    /// No timer any more.
    Sleep,
    /// The node is registered for the first time, with this creation.
    Registered(u32),
    /// The connection to epmd is lost; the registration is being renewed.
    Lost,
    /// The registration has been renewed after a loss.
    Renewed,
    /// It cannot be registered.
    Failed(RegisterError),
}

/// Why a node cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// epmd knows a living node of that name.
    NameTaken,
    /// No epmd answers and none could be started.
    NoEpmd,
    /// What answers is not an epmd.
    NotEpmd,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken => "epmd refused the name: a node of that name is registered already",
            Self::NoEpmd => "no epmd answers on this host and none could be started",
            Self::NotEpmd => "what answers on the epmd port is not an epmd",
        })
    }
}

impl std::error::Error for RegisterError {}

#[derive(Debug)]
enum State {
    Connecting,
    Starting,
    Asking(Vec<u8>),
    Registered,
    Waiting,
    /// Refused for good, or not begun.
    Idle,
}

/// Keeps one node registered.
#[derive(Debug)]
pub struct Registrar {
    request: Vec<u8>,
    own_server: bool,
    /// A server of our own has been asked for since the last registration.
    asked: bool,
    creation: Option<u32>,
    state: State,
}

impl Registrar {
    /// `own_server`: whether to ask for a server of our own when none runs.
    pub fn new(node: Registration, own_server: bool) -> Result<Self, CodecError> {
        let request = Request::Alive2(node).encode()?;
        Ok(Self { request, own_server, asked: false, creation: None, state: State::Idle })
    }

    /// The creation epmd gave first.
    pub fn creation(&self) -> Option<u32> {
        self.creation
    }

    /// Whether epmd knows the node now.
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered)
    }

    /// Begins.
    pub fn start(&mut self, now: u64) -> Vec<Action> {
        self.state = State::Connecting;
        vec![Action::Connect, Action::Wake(now.saturating_add(ANSWER_MS))]
    }

    /// What an event leads to. Events that do not fit the state are late ones, and ignored.
    pub fn on(&mut self, event: Event, now: u64) -> Vec<Action> {
        let soon = now.saturating_add(ANSWER_MS);
        match (std::mem::replace(&mut self.state, State::Idle), event) {
            (State::Connecting, Event::Connected) => {
                self.state = State::Asking(Vec::new());
                vec![Action::Send(self.request.clone()), Action::Wake(soon)]
            }
            (State::Connecting, Event::ConnectFailed) if self.own_server && !self.asked => {
                self.asked = true;
                self.state = State::Starting;
                vec![Action::StartServer, Action::Wake(soon)]
            }
            (State::Connecting, Event::ConnectFailed) => self.again(RegisterError::NoEpmd, now),
            (State::Connecting | State::Asking(_), Event::Timer) => {
                let mut actions = vec![Action::Close];
                actions.extend(self.again(RegisterError::NoEpmd, now));
                actions
            }
            // Either ours runs or another's: who cannot bind connects to whoever did.
            (State::Starting, Event::ServerStarted | Event::ServerFailed) => self.start(now),
            (State::Starting, Event::Timer) => self.again(RegisterError::NoEpmd, now),
            (State::Asking(mut buffer), Event::Bytes(bytes)) => {
                buffer.extend(bytes);
                self.answered(buffer, now)
            }
            (State::Asking(_), Event::Closed) => self.again(RegisterError::NotEpmd, now),
            (State::Registered, Event::Closed) => {
                self.asked = false;
                self.state = State::Waiting;
                vec![Action::Lost, Action::Wake(now.saturating_add(RETRY_MS))]
            }
            (State::Waiting, Event::Timer) => self.start(now),
            (state, _) => {
                self.state = state;
                Vec::new()
            }
        }
    }

    fn answered(&mut self, buffer: Vec<u8>, now: u64) -> Vec<Action> {
        match AliveResponse::decode(&buffer) {
            Ok(None) => {
                self.state = State::Asking(buffer);
                Vec::new()
            }
            Ok(Some(AliveResponse { result: 0, creation, .. })) => {
                self.state = State::Registered;
                if self.creation.is_some() {
                    return vec![Action::Sleep, Action::Renewed];
                }
                // 0 and the values below 4 are what nodes of old had; an epmd of old may still give them.
                self.creation = Some(creation);
                vec![Action::Sleep, Action::Registered(creation)]
            }
            refused => {
                let error = if refused.is_ok() { RegisterError::NameTaken } else { RegisterError::NotEpmd };
                let mut actions = vec![Action::Close];
                actions.extend(self.again(error, now));
                actions
            }
        }
    }

    /// The first registration fails for good; later ones are tried until they succeed.
    fn again(&mut self, error: RegisterError, now: u64) -> Vec<Action> {
        if self.creation.is_none() {
            self.state = State::Idle;
            return vec![Action::Sleep, Action::Failed(error)];
        }
        self.asked = false;
        self.state = State::Waiting;
        vec![Action::Wake(now.saturating_add(RETRY_MS))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::NodeType;
    use super::*;

    fn registrar(own_server: bool) -> Registrar {
        Registrar::new(Registration::new("foo", 1, NodeType::Hidden), own_server).expect("good")
    }

    const YES: &[u8] = b"v\0\0\0\x01\x02";

    #[test]
    fn a_registration_survives_the_loss_of_epmd_and_keeps_its_creation() {
        let mut r = registrar(false);
        assert_eq!(r.start(0)[0], Action::Connect);
        assert!(matches!(r.on(Event::Connected, 0)[0], Action::Send(_)));
        assert_eq!(r.on(Event::Bytes(YES[..3].to_vec()), 1), []);
        assert_eq!(r.on(Event::Bytes(YES[3..].to_vec()), 1), [Action::Sleep, Action::Registered(258)]);
        assert_eq!(r.on(Event::Closed, 100), [Action::Lost, Action::Wake(2100)]);
        assert!(!r.is_registered());
        assert_eq!(r.on(Event::Timer, 2100)[0], Action::Connect);
        assert_eq!(r.on(Event::ConnectFailed, 2100), [Action::Wake(4100)]);
        assert_eq!(r.on(Event::Timer, 4100)[0], Action::Connect);
        let _ = r.on(Event::Connected, 4100);
        assert_eq!(r.on(Event::Bytes(b"v\0\0\0\x09\x09".to_vec()), 4101), [Action::Sleep, Action::Renewed]);
        assert_eq!(r.creation(), Some(258));
    }

    #[test]
    fn without_an_epmd_one_of_our_own_is_started_once() {
        let mut r = registrar(true);
        r.start(0);
        assert_eq!(r.on(Event::ConnectFailed, 0)[0], Action::StartServer);
        assert_eq!(r.on(Event::ServerFailed, 0)[0], Action::Connect);
        assert_eq!(r.on(Event::ConnectFailed, 0), [Action::Sleep, Action::Failed(RegisterError::NoEpmd)]);
    }

    #[test]
    fn a_taken_name_is_final_at_first_and_retried_later() {
        let mut r = registrar(false);
        r.start(0);
        let _ = r.on(Event::Connected, 0);
        let refused = r.on(Event::Bytes(b"v\x01\0\0\0c".to_vec()), 0);
        assert_eq!(refused, [Action::Close, Action::Sleep, Action::Failed(RegisterError::NameTaken)]);
        r.creation = Some(7);
        r.start(0);
        let _ = r.on(Event::Connected, 0);
        assert_eq!(r.on(Event::Bytes(b"v\x01\0\0\0c".to_vec()), 5), [Action::Close, Action::Wake(2005)]);
    }

    #[test]
    fn silence_and_nonsense_end_an_attempt() {
        let mut r = registrar(false);
        r.start(0);
        let _ = r.on(Event::Connected, 0);
        let out = r.on(Event::Timer, 10_000);
        assert_eq!(out, [Action::Close, Action::Sleep, Action::Failed(RegisterError::NoEpmd)]);
        let mut r = registrar(false);
        r.start(0);
        let _ = r.on(Event::Connected, 0);
        let out = r.on(Event::Bytes(b"HTTP/1.1".to_vec()), 0);
        assert_eq!(out, [Action::Close, Action::Sleep, Action::Failed(RegisterError::NotEpmd)]);
        assert_eq!(r.on(Event::Closed, 1), [], "late events change nothing");
    }

    #[test]
    fn questions_end_with_their_answer_or_with_the_connection() {
        let (mut q, bytes) = Query::new(Request::PortPlease2(b"foo".to_vec())).expect("good");
        assert_eq!(bytes, b"\0\x04zfoo");
        assert_eq!(q.feed(b"w"), Ok(None));
        assert_eq!(q.feed(b"\x01"), Ok(Some(Answer::Port(None))));
        let (mut q, _) = Query::new(Request::Names).expect("good");
        assert_eq!(q.feed(b"\0\0\x11\x11name a at port 9\n"), Ok(None));
        assert_eq!(q.closed(), Ok(Answer::Names { epmd_port: 4369, nodes: vec![("a".into(), 9)] }));
        let (q, _) = Query::new(Request::Stop(b"a".to_vec())).expect("good");
        assert_eq!(q.closed(), Err(QueryError::Closed));
        let (mut q, _) = Query::new(Request::Names).expect("good");
        assert_eq!(q.feed(&vec![b'x'; MAX_ANSWER + 1]), Err(QueryError::TooLong));
    }
}
