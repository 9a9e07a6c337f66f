//! Which nodes this node has, tries to have, and lets in: the table behind `net_kernel`.
//! Imports: flags, name, handshake, connection.
//!
//! One value for all connections of a node. It decides what a [`Connection`](super::connection::Connection) has to ask
//! its owner, and says who appears and disappears. The owner names connections by the numbers that come from here.
//!
//! What each event of a connection is answered with:
//!  - `Ask` by [`Nodes::hello`], and the attempt it may name is disconnected
//!  - `AskStillWanted` by [`Nodes::still_wanted`]
//!  - `DropOld` by [`Nodes::drop_old`], and the connection it may name is disconnected
//!  - `Up` by [`Nodes::up`], `Down` by [`Nodes::down`]; both may give news for those who monitor nodes
//!
//! Invariant T1: at most one connection per name is up, and at most one is on its way.
//! Source: OTP `net_kernel`, `dist_util`.

use super::connection::DownReason;
use super::flags::Flags;
use super::handshake::{Cookie, Hello, Peer, Verdict, we_yield};
use super::name::NodeName;
use std::collections::{HashMap, HashSet};

/// A connection, by a number that is never given twice.
pub type ConnectionId = u64;

/// A node that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub name: NodeName,
    /// Its creation.
    pub creation: u32,
    /// Whether it shows in `nodes()`; else it is hidden.
    pub visible: bool,
    /// What both offer.
    pub negotiated: Flags,
    /// By which connection.
    pub connection: ConnectionId,
}

/// For those who monitor nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// `nodeup`
    Up(NodeInfo),
    /// `nodedown`; the reason has OTP's `nodedown_reason`.
    Down(NodeInfo, DownReason),
}

/// What dialling a node amounts to.
#[derive(Clone, Debug)]
pub enum Dial {
    /// Open a connection under this number, with this cookie.
    Begin(ConnectionId, Cookie),
    /// One is on its way: wait for its end.
    Pending(ConnectionId),
    /// One is up.
    Up(ConnectionId),
    /// That is this node itself.
    Own,
}

/// The answer to a peer that introduces itself.
#[derive(Clone, Debug)]
pub struct Decision {
    /// For [`Connection::answer`](super::connection::Connection::answer).
    pub verdict: Verdict,
    /// An attempt that is to be disconnected.
    pub drop: Option<ConnectionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    id: ConnectionId,
    ours: bool,
}

#[derive(Debug, Default)]
struct Entry {
    up: Option<NodeInfo>,
    pending: Option<Pending>,
}

/// The table. See the module's text.
#[derive(Debug)]
pub struct Nodes {
    own: NodeName,
    cookie: Cookie,
    cookies: HashMap<NodeName, Cookie>,
    allowed: Option<HashSet<NodeName>>,
    entries: HashMap<NodeName, Entry>,
    next: ConnectionId,
    /// Names given to nodes without one, free again, each with its last creation.
    free_names: Vec<(NodeName, u32)>,
    given: HashMap<NodeName, u32>,
    gives_names: bool,
}

/// Names given away at one time.
const MAX_GIVEN: usize = 4096;

impl Nodes {
    /// Of a node with this name and cookie: knows nobody, lets everybody in who has the cookie. A node that has no name
    /// yet is `nonode@nohost`, until [`Nodes::set_own`].
    pub fn new(own: NodeName, cookie: Cookie) -> Self {
        Self {
            own,
            cookie,
            cookies: HashMap::new(),
            allowed: None,
            entries: HashMap::new(),
            next: 1,
            free_names: Vec::new(),
            given: HashMap::new(),
            gives_names: true,
        }
    }

    /// The node has been given its name.
    pub fn set_own(&mut self, own: NodeName) {
        self.own = own;
    }

    /// The cookie for peers that have none of their own. Connections that are up stay. Source: OTP `set_cookie/1`.
    pub fn set_cookie(&mut self, cookie: Cookie) {
        self.cookie = cookie;
    }

    /// The cookie for one peer, in both directions. Source: OTP `set_cookie/2`.
    pub fn set_cookie_of(&mut self, peer: NodeName, cookie: Cookie) {
        self.cookies.insert(peer, cookie);
    }

    /// The cookie for a peer.
    pub fn cookie_of(&self, peer: &NodeName) -> &Cookie {
        self.cookies.get(peer).unwrap_or(&self.cookie)
    }

    /// Only these may connect, and those of further calls. Source: OTP `net_kernel:allow/1`.
    pub fn allow(&mut self, peers: impl IntoIterator<Item = NodeName>) {
        self.allowed.get_or_insert_default().extend(peers);
    }

    /// Whether nodes without a name are given one; they are by default.
    pub fn give_names(&mut self, yes: bool) {
        self.gives_names = yes;
    }

    /// A number for a connection that has come in.
    pub fn incoming(&mut self) -> ConnectionId {
        self.next += 1;
        self.next - 1
    }

    /// Somebody wants a connection to a node.
    pub fn dial(&mut self, peer: &NodeName) -> Dial {
        if *peer == self.own {
            return Dial::Own;
        }
        let id = self.next;
        let entry = self.entries.entry(peer.clone()).or_default();
        match (&entry.up, entry.pending) {
            (Some(up), _) => Dial::Up(up.connection),
            (None, Some(p)) => Dial::Pending(p.id),
            (None, None) => {
                entry.pending = Some(Pending { id, ours: true });
                self.next += 1;
                Dial::Begin(id, self.cookie_of(peer).clone())
            }
        }
    }

    /// A peer has introduced itself on connection `id`. `random` is for a name that may have to be made up.
    pub fn hello(&mut self, id: ConnectionId, hello: &Hello, random: u64) -> Decision {
        let plain = |verdict| Decision { verdict, drop: None };
        let Some(name) = &hello.name else { return plain(self.give_name(id, &hello.host, random)) };
        if self.allowed.as_ref().is_some_and(|a| !a.contains(name)) || self.given.contains_key(name) {
            return plain(Verdict::NotAllowed);
        }
        let cookie = self.cookie_of(name).clone();
        let yields = we_yield(&self.own, name);
        let entry = self.entries.entry(name.clone()).or_default();
        match (entry.up.is_some(), entry.pending) {
            (false, None) => {
                entry.pending = Some(Pending { id, ours: false });
                plain(Verdict::Accept(cookie))
            }
            // Both dial at once, or the peer dials anew before its first attempt has ended.
            (false, Some(other)) if yields || !other.ours => {
                entry.pending = Some(Pending { id, ours: false });
                Decision { verdict: Verdict::AcceptSimultaneous(cookie), drop: Some(other.id) }
            }
            (true, None) => {
                entry.pending = Some(Pending { id, ours: false });
                plain(Verdict::Alive(cookie))
            }
            (_, Some(_)) => plain(Verdict::Nok),
        }
    }

    /// 64 random bits in base 36, as OTP makes them; used again later with another creation.
    fn give_name(&mut self, id: ConnectionId, host: &str, random: u64) -> Verdict {
        if !self.gives_names || self.allowed.is_some() || self.given.len() >= MAX_GIVEN {
            return Verdict::NotAllowed;
        }
        let reused = self.free_names.iter().position(|(n, _)| n.host() == host).map(|i| self.free_names.swap_remove(i));
        let (name, creation) = match reused {
            // 0 to 3 are the creations of old.
            Some((name, last)) => (name, last.wrapping_add(1).max(4)),
            None => match NodeName::new(&format!("{}@{host}", base36(random))) {
                Ok(name) => (name, (random as u32).max(4)),
                Err(_) => return Verdict::NotAllowed,
            },
        };
        let entry = self.entries.entry(name.clone()).or_default();
        if entry.up.is_some() || entry.pending.is_some() {
            return Verdict::NotAllowed;
        }
        entry.pending = Some(Pending { id, ours: false });
        self.given.insert(name.clone(), creation);
        Verdict::Named(name.clone(), creation, self.cookie_of(&name).clone())
    }

    /// Whether an attempt is still the one on its way to its peer.
    pub fn still_wanted(&self, id: ConnectionId) -> bool {
        self.entries.values().any(|e| e.pending.is_some_and(|p| p.id == id))
    }

    /// Attempt `id` has proven the cookie: the connection that it replaces, to be disconnected. Its `Down` comes here as
    /// any other.
    pub fn drop_old(&mut self, id: ConnectionId) -> Option<ConnectionId> {
        let entry = self.entries.values().find(|e| e.pending.is_some_and(|p| p.id == id))?;
        entry.up.as_ref().map(|up| up.connection)
    }

    /// Connection `id` is up. `None`: it lost its place meanwhile, disconnect it.
    pub fn up(&mut self, id: ConnectionId, peer: &Peer) -> Option<News> {
        let entry = self.entries.get_mut(&peer.name)?;
        if entry.up.is_some() || entry.pending.is_none_or(|p| p.id != id) {
            return None;
        }
        let info = NodeInfo {
            name: peer.name.clone(),
            creation: peer.creation,
            visible: peer.is_visible(),
            negotiated: peer.negotiated,
            connection: id,
        };
        entry.pending = None;
        entry.up = Some(info.clone());
        Some(News::Up(info))
    }

    /// Connection `id` has ended. News only if it was up.
    pub fn down(&mut self, id: ConnectionId, reason: DownReason) -> Option<News> {
        let holds =
            |e: &Entry| e.pending.is_some_and(|p| p.id == id) || e.up.as_ref().is_some_and(|up| up.connection == id);
        let name = self.entries.iter().find(|(_, e)| holds(e)).map(|(n, _)| n.clone())?;
        let entry = self.entries.get_mut(&name)?;
        if entry.pending.is_some_and(|p| p.id == id) {
            entry.pending = None;
        }
        let gone = entry.up.take_if(|up| up.connection == id);
        if entry.up.is_none() && entry.pending.is_none() {
            self.entries.remove(&name);
            if let Some(creation) = self.given.remove(&name) {
                self.free_names.push((name, creation));
            }
        }
        gone.map(|info| News::Down(info, reason))
    }

    /// The connection to a node.
    pub fn connection(&self, peer: &NodeName) -> Option<ConnectionId> {
        self.entries.get(peer)?.up.as_ref().map(|up| up.connection)
    }

    /// Whether a connection to a node is up or on its way.
    pub fn is_known(&self, peer: &NodeName) -> bool {
        self.entries.contains_key(peer)
    }

    /// The connection to a node that is up or on its way; the former, if both are.
    pub fn any_connection(&self, peer: &NodeName) -> Option<ConnectionId> {
        let entry = self.entries.get(peer)?;
        entry.up.as_ref().map(|up| up.connection).or(entry.pending.map(|p| p.id))
    }

    /// The connected nodes, in no order: visible ones are `nodes()`, hidden ones `nodes(hidden)`, all `nodes(connected)`.
    pub fn connected(&self) -> impl Iterator<Item = &NodeInfo> {
        self.entries.values().filter_map(|e| e.up.as_ref())
    }

    /// Attempts that have not ended: to be bounded by who accepts.
    pub fn attempts(&self) -> usize {
        self.entries.values().filter(|e| e.pending.is_some()).count()
    }
}

fn base36(mut n: u64) -> String {
    let mut digits = Vec::new();
    while n > 0 || digits.is_empty() {
        digits.push(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(n % 36) as usize]);
        n /= 36;
    }
    digits.iter().rev().map(|b| char::from(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).expect("a name")
    }

    fn nodes(own: &str) -> Nodes {
        Nodes::new(name(own), Cookie::new("default").expect("a cookie"))
    }

    fn hello(text: &str) -> Hello {
        Hello { name: Some(name(text)), host: name(text).host().to_owned(), flags: Flags::NONE, creation: 4 }
    }

    fn peer(text: &str) -> Peer {
        let (flags, negotiated) = (Flags::NONE, Flags::PUBLISHED);
        Peer { name: name(text), creation: 4, flags, negotiated, adopted: None, rest: Vec::new() }
    }

    fn begin(n: &mut Nodes, text: &str) -> ConnectionId {
        match n.dial(&name(text)) {
            Dial::Begin(id, _) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_attempt_serves_all_who_dial() {
        let mut n = nodes("m@h");
        let id = begin(&mut n, "x@h");
        assert!(matches!(n.dial(&name("x@h")), Dial::Pending(i) if i == id));
        assert!(n.still_wanted(id));
        assert!(matches!(n.up(id, &peer("x@h")), Some(News::Up(i)) if i.connection == id && i.visible));
        assert!(matches!(n.dial(&name("x@h")), Dial::Up(i) if i == id));
        assert_eq!(n.connection(&name("x@h")), Some(id));
        assert_eq!(n.connected().count(), 1);
        assert!(matches!(n.down(id, DownReason::TickTimeout), Some(News::Down(_, DownReason::TickTimeout))));
        assert_eq!(n.down(id, DownReason::Closed), None);
        assert!(matches!(n.dial(&name("m@h")), Dial::Own));
    }

    #[test]
    fn of_two_attempts_that_of_the_greater_name_stands() {
        let mut n = nodes("m@h");
        let ours = begin(&mut n, "z@h");
        let id = n.incoming();
        let d = n.hello(id, &hello("z@h"), 0);
        assert!(matches!(d.verdict, Verdict::AcceptSimultaneous(_)));
        assert_eq!(d.drop, Some(ours));
        // Its end changes nothing.
        assert_eq!(n.down(ours, DownReason::Disconnect), None);
        assert!(n.up(id, &peer("z@h")).is_some());
        let ours = begin(&mut n, "a@h");
        let id = n.incoming();
        let d = n.hello(id, &hello("a@h"), 0);
        assert!(matches!((d.verdict, d.drop), (Verdict::Nok, None)));
        assert_eq!(n.down(id, DownReason::Disconnect), None);
        assert!(n.up(ours, &peer("a@h")).is_some());
    }

    #[test]
    fn a_new_connection_replaces_a_living_one_in_order() {
        let mut n = nodes("m@h");
        let first = begin(&mut n, "x@h");
        n.up(first, &peer("x@h"));
        let second = n.incoming();
        assert!(matches!(n.hello(second, &hello("x@h"), 0).verdict, Verdict::Alive(_)));
        let third = n.incoming();
        assert!(matches!(n.hello(third, &hello("x@h"), 0).verdict, Verdict::Nok), "one at a time");
        assert_eq!(n.drop_old(third), None);
        assert_eq!(n.up(second, &peer("x@h")), None, "not while the old one is up");
        assert_eq!(n.drop_old(second), Some(first));
        assert!(matches!(n.down(first, DownReason::Disconnect), Some(News::Down(i, _)) if i.connection == first));
        assert!(matches!(n.up(second, &peer("x@h")), Some(News::Up(i)) if i.connection == second));
    }

    #[test]
    fn a_failed_replacement_leaves_the_living_connection() {
        let mut n = nodes("m@h");
        let first = begin(&mut n, "x@h");
        n.up(first, &peer("x@h"));
        let second = n.incoming();
        n.hello(second, &hello("x@h"), 0);
        assert_eq!(n.down(second, DownReason::Closed), None);
        assert_eq!(n.connection(&name("x@h")), Some(first));
        let third = n.incoming();
        assert!(matches!(n.hello(third, &hello("x@h"), 0).verdict, Verdict::Alive(_)));
    }

    #[test]
    fn failed_attempts_leave_nothing_behind() {
        let mut n = nodes("m@h");
        for i in 0..300 {
            let id = begin(&mut n, &format!("x{i}@h"));
            assert_eq!(n.down(id, DownReason::Closed), None);
            let id = n.incoming();
            n.hello(id, &hello(&format!("y{i}@h")), 0);
            assert_eq!(n.down(id, DownReason::Closed), None);
        }
        assert_eq!((n.entries.len(), n.attempts()), (0, 0));
    }

    #[test]
    fn cookies_are_the_peers_own_or_the_default() {
        let mut n = nodes("m@h");
        let special = Cookie::new("special").expect("a cookie");
        n.set_cookie_of(name("x@h"), special.clone());
        assert!(matches!(n.dial(&name("x@h")), Dial::Begin(_, c) if c == special));
        assert!(matches!(n.dial(&name("y@h")), Dial::Begin(_, c) if c != special));
        n.set_cookie(special.clone());
        assert_eq!(n.cookie_of(&name("y@h")), &special);
    }

    #[test]
    fn an_allow_list_keeps_others_out() {
        let mut n = nodes("m@h");
        n.allow([name("x@h")]);
        n.allow([name("y@h")]);
        let mut ask = |text: &str| {
            let id = n.incoming();
            n.hello(id, &hello(text), 0).verdict
        };
        assert!(matches!(ask("x@h"), Verdict::Accept(_)));
        assert!(matches!(ask("y@h"), Verdict::Accept(_)));
        assert!(matches!(ask("z@h"), Verdict::NotAllowed));
    }

    #[test]
    fn given_names_are_used_again_with_another_creation() {
        let mut n = nodes("m@h");
        let nameless = Hello { name: None, host: "there".into(), flags: Flags::NONE, creation: 0 };
        let first = n.incoming();
        let Verdict::Named(given, creation, _) = n.hello(first, &nameless, u64::MAX).verdict else { panic!() };
        assert_eq!(given.as_str(), "3W5E11264SGSF@there");
        // Nobody may bear it by claim.
        let thief = n.incoming();
        assert!(matches!(n.hello(thief, &hello(given.as_str()), 0).verdict, Verdict::NotAllowed));
        n.up(first, &peer(given.as_str()));
        n.down(first, DownReason::Closed);
        let second = n.incoming();
        let Verdict::Named(again, other, _) = n.hello(second, &nameless, 5).verdict else { panic!() };
        assert_eq!(again, given);
        assert_ne!(other, creation);
        let third = n.incoming();
        let Verdict::Named(new, _, _) = n.hello(third, &nameless, 5).verdict else { panic!() };
        assert_eq!(new.as_str(), "5@there");
        n.give_names(false);
        let fourth = n.incoming();
        assert!(matches!(n.hello(fourth, &nameless, 6).verdict, Verdict::NotAllowed));
    }
}
