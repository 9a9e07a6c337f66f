//! An epmd of our own: the registry of a host's nodes.
//! Imports: epmd codec.
//!
//! One object for all connections; the owner names each by a number of its choosing and carries out the outputs in
//! order. Times are milliseconds of any monotonic clock, handed in.
//!
//! Rules, as epmd of OTP 25 has them:
//!  1 one request per connection, then it is closed; but for a registration, which lives as long as its connection
//!  2 anything after the first request closes the connection, and so ends a registration
//!  3 only local peers may register, dump, kill and stop
//!  4 `kill` is refused while nodes live, and `stop` always, unless the checks are relaxed
//!  5 a connection that has not asked within a minute is closed
//!  6 no two registrations of this server have the same long creation
//!
//! One difference: a refused registration closes the connection, where epmd leaves that to the client.

use super::codec::{self, AliveResponse, CodecError, Registration, Request};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;

/// A connection without a request is closed after this time.
pub const IDLE_MS: u64 = 60_000;
/// The longest request body.
const MAX_REQUEST: usize = 4096;
/// How many gone names are remembered, for the creations of old nodes and for `dump`.
const MAX_OLD: usize = 1000;
/// The creation in a refusal.
const NO_CREATION: u32 = 99;

/// Settings.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Where it listens: part of the answer to `names`.
    pub port: u16,
    /// Lets `kill` and `stop` do what they say. Source: OTP `epmd -relaxed_command_check`.
    pub relaxed: bool,
    /// First creation to hand out: something that differs from one start to the next, as the time in seconds.
    pub seed: u32,
    /// Connections at one time.
    pub max_connections: usize,
}

impl Config {
    /// The usual rules and 4096 connections.
    pub fn new(port: u16, seed: u32) -> Self {
        Self { port, relaxed: false, seed, max_connections: 4096 }
    }
}

/// What to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write to a connection.
    Send(u64, Vec<u8>),
    /// Close a connection after what was written; the server has forgotten it.
    Close(u64),
    /// The server was told to end: stop listening, close what is left.
    Shutdown,
}

#[derive(Debug)]
struct Connection {
    local: bool,
    buffer: Vec<u8>,
    deadline: u64,
    /// Its entry in `nodes`.
    node: Option<u64>,
}

#[derive(Debug)]
struct Old {
    name: Vec<u8>,
    port: u16,
    short_creation: u32,
}

/// The registry and its connections.
#[derive(Debug)]
pub struct Server {
    config: Config,
    connections: HashMap<u64, Connection>,
    /// By order of registration; `names` finds them by name.
    nodes: BTreeMap<u64, (u64, Registration, u32)>,
    names: HashMap<Vec<u8>, u64>,
    old: VecDeque<Old>,
    next_node: u64,
    next_creation: u32,
}

impl Server {
    /// An empty registry.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            connections: HashMap::new(),
            nodes: BTreeMap::new(),
            names: HashMap::new(),
            old: VecDeque::new(),
            next_node: 0,
            next_creation: config.seed,
        }
    }

    /// A connection has come; `local` as [`super::is_local_peer`] says. False: there are too many, close it.
    #[must_use]
    pub fn accept(&mut self, id: u64, local: bool, now: u64) -> bool {
        if self.connections.len() >= self.config.max_connections || self.connections.contains_key(&id) {
            return false;
        }
        let deadline = now.saturating_add(IDLE_MS);
        self.connections.insert(id, Connection { local, buffer: Vec::new(), deadline, node: None });
        true
    }

    /// Bytes have come.
    pub fn feed(&mut self, id: u64, bytes: &[u8]) -> Vec<Output> {
        let Some(c) = self.connections.get_mut(&id) else { return Vec::new() };
        if bytes.is_empty() {
            return Vec::new();
        }
        let room = 2 + MAX_REQUEST;
        c.buffer.extend(&bytes[..bytes.len().min(room.saturating_sub(c.buffer.len()) + 1)]);
        let [high, low, body @ ..] = c.buffer.as_slice() else { return Vec::new() };
        let want = usize::from(u16::from_be_bytes([*high, *low]));
        if c.node.is_some() || want == 0 || want > MAX_REQUEST || body.len() > want {
            return self.close(id);
        }
        if body.len() < want {
            return Vec::new();
        }
        let request = Request::decode(body);
        let local = c.local;
        c.buffer = Vec::new();
        self.request(id, request, local)
    }

    /// The peer has closed the connection: its registration ends.
    pub fn closed(&mut self, id: u64) {
        self.forget(id);
    }

    /// Closes connections that asked nothing for a minute.
    pub fn expire(&mut self, now: u64) -> Vec<Output> {
        let late = |c: &Connection| c.node.is_none() && c.deadline <= now;
        let mut ids: Vec<u64> = self.connections.iter().filter(|(_, c)| late(c)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.into_iter().flat_map(|id| self.close(id)).collect()
    }

    /// When `expire` has something to do.
    pub fn deadline(&self) -> Option<u64> {
        self.connections.values().filter(|c| c.node.is_none()).map(|c| c.deadline).min()
    }

    /// The living nodes, the newest first.
    pub fn nodes(&self) -> impl Iterator<Item = &Registration> {
        self.nodes.values().rev().map(|(_, r, _)| r)
    }

    fn request(&mut self, id: u64, request: Result<Request, CodecError>, local: bool) -> Vec<Output> {
        let answer = match request {
            Ok(Request::Alive2(r)) if local => return self.register(id, r),
            Ok(Request::PortPlease2(name)) => {
                let found = self.names.get(&name).and_then(|n| self.nodes.get(n));
                codec::encode_port(found.map(|(_, r, _)| r))
            }
            Ok(Request::Names) => self.list(|text, _, r| {
                let _ = writeln!(text, "name {} at port {}", String::from_utf8_lossy(&r.name), r.port);
            }),
            Ok(Request::Dump) if local => self.dump(),
            Ok(Request::Kill) if local => {
                if !self.config.relaxed && !self.nodes.is_empty() {
                    b"NO".to_vec()
                } else {
                    let mut out = vec![Output::Send(id, b"OK".to_vec())];
                    out.extend(self.close(id));
                    out.push(Output::Shutdown);
                    return out;
                }
            }
            Ok(Request::Stop(name)) if local && self.config.relaxed => {
                return match self.names.get(&name).and_then(|n| self.nodes.get(n)) {
                    Some(&(owner, ..)) => {
                        let mut out = vec![Output::Send(id, b"STOPPED".to_vec())];
                        out.extend(self.close(id));
                        out.extend(self.close(owner));
                        out
                    }
                    None => self.answer(id, b"NOEXIST".to_vec()),
                };
            }
            _ => return self.close(id),
        };
        self.answer(id, answer)
    }

    fn answer(&mut self, id: u64, bytes: Vec<u8>) -> Vec<Output> {
        let mut out = vec![Output::Send(id, bytes)];
        out.extend(self.close(id));
        out
    }

    fn register(&mut self, id: u64, r: Registration) -> Vec<Output> {
        let long = r.highest >= 6;
        if r.check().is_err() || self.names.contains_key(&r.name) {
            let refusal = AliveResponse { result: 1, creation: NO_CREATION, long };
            return self.answer(id, refusal.encode());
        }
        let Some(c) = self.connections.get_mut(&id) else { return Vec::new() };
        let key = self.next_node;
        self.next_node += 1;
        c.node = Some(key);
        // 1, 2, 3 in turn, per name.
        let last_short = self.old.iter().rposition(|o| o.name == r.name).and_then(|i| self.old.remove(i));
        let short = last_short.map_or(1, |o| o.short_creation % 3 + 1);
        let creation = if long { self.long_creation() } else { short };
        self.names.insert(r.name.clone(), key);
        self.nodes.insert(key, (id, r, short));
        vec![Output::Send(id, AliveResponse { result: 0, creation, long }.encode())]
    }

    /// Nodes take creations below 4 for those of old ones, and 0 for none.
    fn long_creation(&mut self) -> u32 {
        let creation = self.next_creation.max(4);
        self.next_creation = creation.wrapping_add(1);
        creation
    }

    fn list(&self, line: impl Fn(&mut String, u64, &Registration)) -> Vec<u8> {
        let mut text = String::new();
        for (id, r, _) in self.nodes.values().rev() {
            line(&mut text, *id, r);
        }
        let mut out = u32::from(self.config.port).to_be_bytes().to_vec();
        out.extend(text.as_bytes());
        out
    }

    fn dump(&self) -> Vec<u8> {
        let mut out = self.list(|text, id, r| {
            let name = String::from_utf8_lossy(&r.name);
            let _ = writeln!(text, "active name     <{name}> at port {}, fd = {id}", r.port);
        });
        for o in self.old.iter().rev() {
            let name = String::from_utf8_lossy(&o.name);
            out.extend(format!("old/unused name <{name}>, port = {}, fd = -1 \n", o.port).into_bytes());
        }
        out
    }

    fn close(&mut self, id: u64) -> Vec<Output> {
        self.forget(id);
        vec![Output::Close(id)]
    }

    fn forget(&mut self, id: u64) {
        let Some(key) = self.connections.remove(&id).and_then(|c| c.node) else { return };
        let Some((_, r, short_creation)) = self.nodes.remove(&key) else { return };
        self.names.remove(&r.name);
        if self.old.len() >= MAX_OLD {
            self.old.pop_front();
        }
        self.old.push_back(Old { name: r.name, port: r.port, short_creation });
    }
}

#[cfg(test)]
mod tests {
    use super::super::NodeType;
    use super::*;

    fn server() -> Server {
        Server::new(Config::new(4369, 1000))
    }

    fn ask(s: &mut Server, id: u64, local: bool, bytes: &[u8]) -> Vec<Output> {
        assert!(s.accept(id, local, 0));
        s.feed(id, bytes)
    }

    fn alive(name: &str, highest: u16) -> Vec<u8> {
        let r = Registration { highest, ..Registration::new(name, 5555, NodeType::Visible) };
        Request::Alive2(r).encode().expect("good")
    }

    fn sent(out: &[Output]) -> &[u8] {
        match out.first() {
            Some(Output::Send(_, bytes)) => bytes,
            _ => b"",
        }
    }

    #[test]
    fn a_name_lives_as_long_as_its_connection_and_no_other_closes_it() {
        let mut s = server();
        assert_eq!(ask(&mut s, 1, true, &alive("foo", 6)), [Output::Send(1, b"v\0\0\0\x03\xe8".to_vec())]);
        let taken = ask(&mut s, 2, true, &alive("foo", 6));
        assert_eq!(taken, [Output::Send(2, b"v\x01\0\0\0c".to_vec()), Output::Close(2)]);
        s.closed(2);
        let found = ask(&mut s, 3, false, b"\0\x04zfoo");
        assert_eq!(found, [Output::Send(3, b"w\0\x15\xb3M\0\0\x06\0\x06\0\x03foo\0\0".to_vec()), Output::Close(3)]);
        s.closed(1);
        assert_eq!(sent(&ask(&mut s, 4, false, b"\0\x04zfoo")), b"w\x01");
        assert_eq!(sent(&ask(&mut s, 5, true, &alive("foo", 6))), b"v\0\0\0\x03\xe9", "a new creation");
    }

    #[test]
    fn old_nodes_get_creations_one_to_three_in_turn() {
        let mut s = server();
        let mut seen = Vec::new();
        for id in 0..5 {
            seen.push(sent(&ask(&mut s, id, true, &alive("five", 5)))[3]);
            s.closed(id);
        }
        assert_eq!(seen, [1, 2, 3, 1, 2]);
    }

    #[test]
    fn names_are_listed_newest_first() {
        let mut s = server();
        ask(&mut s, 1, true, &alive("a", 6));
        ask(&mut s, 2, true, &alive("b", 6));
        let names = b"\0\0\x11\x11name b at port 5555\nname a at port 5555\n";
        assert_eq!(sent(&ask(&mut s, 3, false, b"\0\x01n")), names);
        s.closed(2);
        let dump = String::from_utf8_lossy(&sent(&ask(&mut s, 4, true, b"\0\x01d"))[4..]).into_owned();
        assert_eq!(dump, "active name     <a> at port 5555, fd = 1\nold/unused name <b>, port = 5555, fd = -1 \n");
    }

    #[test]
    fn only_local_peers_register_dump_kill_and_stop() {
        let mut s = Server::new(Config { relaxed: true, ..Config::new(1, 1) });
        for (id, request) in
            [alive("x", 6), b"\0\x01d".to_vec(), b"\0\x01k".to_vec(), b"\0\x02sx".to_vec()].into_iter().enumerate()
        {
            assert_eq!(ask(&mut s, id as u64, false, &request), [Output::Close(id as u64)]);
        }
    }

    #[test]
    fn kill_and_stop_obey_the_command_check() {
        let mut s = server();
        ask(&mut s, 1, true, &alive("a", 6));
        assert_eq!(ask(&mut s, 2, true, b"\0\x01k"), [Output::Send(2, b"NO".to_vec()), Output::Close(2)]);
        assert_eq!(ask(&mut s, 3, true, b"\0\x02sa"), [Output::Close(3)]);
        s.closed(1);
        assert_eq!(ask(&mut s, 4, true, b"\0\x01k")[2], Output::Shutdown);
        let mut s = Server::new(Config { relaxed: true, ..Config::new(1, 1) });
        ask(&mut s, 1, true, &alive("a", 6));
        assert_eq!(sent(&ask(&mut s, 2, true, b"\0\x02sb")), b"NOEXIST");
        let out = ask(&mut s, 3, true, b"\0\x02sa");
        assert_eq!(out, [Output::Send(3, b"STOPPED".to_vec()), Output::Close(3), Output::Close(1)]);
        assert_eq!(s.nodes().count(), 0);
    }

    #[test]
    fn malformed_requests_cost_their_own_connection_only() {
        let mut s = server();
        ask(&mut s, 1, true, &alive("a", 6));
        let long = [&[0xff, 0xff][..], &[b'z'; 70_000]].concat();
        let bad: [&[u8]; 7] = [b"\0\0", b"\0\x01q", b"\0\x01z", b"\0\x01x", b"\0\x01n\0\x01n", &long, b"\0\x04zf\0o"];
        for (i, bytes) in bad.into_iter().enumerate() {
            let id = 10 + i as u64;
            assert_eq!(ask(&mut s, id, true, bytes), [Output::Close(id)], "{i}");
        }
        assert_eq!(s.nodes().count(), 1);
        // Talking on the connection of a registration ends it.
        assert_eq!(s.feed(1, b"\0\x01n"), [Output::Close(1)]);
        assert_eq!(s.nodes().count(), 0);
    }

    #[test]
    fn a_request_may_come_byte_by_byte() {
        let mut s = server();
        assert!(s.accept(1, true, 0));
        let bytes = alive("slow", 6);
        for b in &bytes[..bytes.len() - 1] {
            assert_eq!(s.feed(1, &[*b]), []);
        }
        assert_eq!(sent(&s.feed(1, &bytes[bytes.len() - 1..])), b"v\0\0\0\x03\xe8");
    }

    #[test]
    fn idle_connections_are_closed_and_registrations_are_not() {
        let mut s = server();
        ask(&mut s, 1, true, &alive("a", 6));
        assert!(s.accept(2, true, 500));
        assert_eq!(s.deadline(), Some(60_500));
        assert_eq!(s.expire(60_499), []);
        assert_eq!(s.expire(60_500), [Output::Close(2)]);
        assert_eq!(s.deadline(), None);
        assert_eq!(s.nodes().count(), 1);
    }

    #[test]
    fn connections_are_capped() {
        let mut s = Server::new(Config { max_connections: 2, ..Config::new(1, 1) });
        assert!(s.accept(1, true, 0) && s.accept(2, true, 0));
        assert!(!s.accept(3, true, 0));
        s.closed(1);
        assert!(s.accept(3, true, 0));
    }

    #[test]
    fn extras_come_back_byte_for_byte() {
        let mut s = server();
        let r = Registration { extra: b"a\0b\0".to_vec(), ..Registration::new("e", 1, NodeType::Hidden) };
        ask(&mut s, 1, true, &Request::Alive2(r.clone()).encode().expect("good"));
        let found = ask(&mut s, 2, true, b"\0\x02ze");
        assert_eq!(codec::decode_port(sent(&found)), Ok(codec::PortResponse::Found(r)));
    }

    #[test]
    fn creations_never_repeat_and_skip_the_old_ones() {
        let mut s = Server::new(Config::new(1, u32::MAX));
        let first = sent(&ask(&mut s, 1, true, &alive("a", 6)))[2..].to_vec();
        s.closed(1);
        let second = sent(&ask(&mut s, 2, true, &alive("a", 6)))[2..].to_vec();
        assert_eq!((first, second), (vec![255; 4], vec![0, 0, 0, 4]));
    }
}
