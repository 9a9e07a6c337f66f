//! A private cluster for one test: an epmd of its own, a home of its own, nodes of ours and of Erlang.
#![allow(dead_code)]

use crate::beam::{Beam, Home, RealEpmd, have_erl, unique};
use krarup::{Context, Exception, Message, Next, Node, NodeBuilder, Term};
use std::time::{Duration, Instant};

pub const COOKIE: &str = "net_tests";
pub const SOON: Option<u64> = Some(15_000);

pub struct Cluster {
    pub home: Home,
    pub epmd: RealEpmd,
}

impl Cluster {
    /// `None`: there is no Erlang.
    pub fn start() -> Option<Self> {
        if !have_erl() {
            return None;
        }
        let home = Home::new();
        let epmd = RealEpmd::start(&home);
        Some(Self { home, epmd })
    }

    /// Settings of a node of ours, on loopback, with a name nobody else has.
    pub fn builder(&self, prefix: &str) -> NodeBuilder {
        builder(prefix, self.epmd.port)
    }

    pub fn node(&self, prefix: &str) -> Node {
        self.builder(prefix).start().expect("the node starts")
    }

    /// An Erlang node; it is visible, as `erl` is.
    pub fn beam(&self, prefix: &str, more: &[&str]) -> Beam {
        Beam::start(&self.home, self.epmd.port, &format!("{}@localhost", unique(prefix)), COOKIE, more)
    }
}

pub fn builder(prefix: &str, epmd_port: u16) -> NodeBuilder {
    let name = format!("{}@localhost", unique(prefix));
    let b = Node::builder().workers(2).sname(name).cookie(COOKIE).epmd_port(epmd_port);
    b.listen_address("127.0.0.1".parse().expect("an address"))
}

/// A handler that sends `{Self, Message}` back for `{From, Message}`.
pub fn echo(ctx: &mut Context, message: Message) -> Result<Next, Exception> {
    let term = message.into_term();
    if let Some([from, message]) = term.as_tuple() {
        if let Some(from) = from.as_pid() {
            ctx.send(from, Term::tuple([ctx.self_pid().into(), message.clone()]));
        }
    }
    Ok(Next::Continue)
}

/// As Erlang writes it.
pub fn text(term: &Term) -> String {
    format!("{term:?}")
}

pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
