//! A private cluster for one test: an epmd of its own, a home of its own, nodes of ours and of Erlang.
#![allow(dead_code)]

use crate::beam::{Beam, Home, RealEpmd, have_erl, unique};
use krarup::{Attached, Context, Exception, Message, Next, Node, NodeBuilder, Term};
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
    if let Some([from, message]) = term.as_tuple()
        && let Some(from) = from.as_pid()
    {
        ctx.send(from, Term::tuple([ctx.self_pid().into(), message.clone()]));
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

/// The next message, as a term.
pub fn got(me: &mut Attached) -> Term {
    me.receive(SOON).expect("a message").into_term()
}

/// An evaluation whose variables are its own.
pub fn local(erl: &mut Beam, body: &str) -> String {
    erl.eval(&format!("(fun() -> {body} end)()."))
}

/// A handler that answers calls that come as terms, as a gen_server of another node makes them, and native ones:
/// `{echo, X}`, `pid`, `ignore`, `{die, Reason}`.
pub fn server(ctx: &mut Context, message: Message) -> Result<Next, Exception> {
    let term = message.into_term();
    let Some([kind, from, request]) = term.as_tuple() else { return Ok(Next::Continue) };
    if kind.as_atom().map(|a| a.as_str()) != Some("$gen_call") {
        return Ok(Next::Continue);
    }
    let own = ctx.self_pid();
    let word = |t: &Term| t.as_atom().map(|a| a.as_str().to_owned()).unwrap_or_default();
    match request.as_tuple() {
        Some([op, x]) if word(op) == "echo" => reply(ctx, from, x.clone()),
        Some([op, reason]) if word(op) == "die" => return Ok(Next::Stop(reason.clone())),
        _ if word(request) == "pid" => reply(ctx, from, own.into()),
        _ => {}
    }
    Ok(Next::Continue)
}

/// As `gen:reply/2`.
pub fn reply(ctx: &mut Context, from: &Term, answer: Term) {
    let Some([pid, tag]) = from.as_tuple() else { return };
    let Some(pid) = pid.as_pid() else { return };
    let alias = tag.as_list().filter(|l| l.head().as_atom().is_some_and(|a| a.as_str() == "alias"));
    let to = match alias.and_then(|l| l.rest().as_ref()) {
        Some(alias) => krarup::Dest::Alias(alias, pid),
        None => krarup::Dest::Pid(pid),
    };
    ctx.send_to(to, Term::tuple([tag.clone(), answer])).expect("never a local name");
}
