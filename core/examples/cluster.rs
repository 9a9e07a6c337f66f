//! A node in an Erlang cluster, to try from a shell:
//!
//! ```text
//! $ cargo run --example cluster -- rust@localhost secret
//! $ erl -sname shell@localhost -setcookie secret
//! 1> net_adm:ping(rust@localhost).
//! pong
//! 2> gen_server:call({echo, rust@localhost}, {hello, [1, 2.0, <<"three">>]}).
//! {hello,[1,2.0,<<"three">>]}
//! 3> gen_server:cast({echo, rust@localhost}, print_me).
//! 4> monitor(process, {echo, rust@localhost}), gen_server:cast({echo, rust@localhost}, stop), flush().
//! ```
//!
//! The process `echo` speaks what a gen_server speaks. Without a cookie that of `~/.erlang.cookie` is taken. A third
//! argument is a node to connect to. The program ends with its standard input.

use krarup::{Context, Dest, Exception, Message, Next, Node, NodeType, Term};
use std::error::Error;

fn echo(ctx: &mut Context, message: Message) -> Result<Next, Exception> {
    let term = message.into_term();
    let word = |t: &Term| t.as_atom().map(|a| a.as_str());
    match term.as_tuple() {
        Some([kind, from, request]) if word(kind) == Some("$gen_call") => reply(ctx, from, request.clone())?,
        Some([kind, request]) if word(kind) == Some("$gen_cast") => {
            if word(request) == Some("stop") {
                return Ok(Next::Stop(request.clone()));
            }
            println!("cast: {request:?}");
        }
        _ => println!("message: {term:?}"),
    }
    Ok(Next::Continue)
}

/// The answer goes through the caller's alias, if its tag has one, so that one that comes too late is dropped there.
fn reply(ctx: &mut Context, from: &Term, answer: Term) -> Result<(), Exception> {
    let Some([pid, tag]) = from.as_tuple() else { return Ok(()) };
    let Some(pid) = pid.as_pid() else { return Ok(()) };
    let list = tag.as_list().filter(|l| l.head().as_atom().is_some_and(|a| a.as_str() == "alias"));
    let alias = list.and_then(|l| l.rest().as_ref());
    let to = alias.map_or(Dest::Pid(pid), |alias| Dest::Alias(alias, pid));
    ctx.send_to(to, Term::tuple([tag.clone(), answer]))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        return Err("arguments: NAME [COOKIE [NODE]], as in rust@localhost secret shell@localhost".into());
    };
    let mut builder = Node::builder().on_event(|event| println!("{event}"));
    let long = name.split_once('@').is_some_and(|(_, host)| host.contains('.'));
    builder = if long { builder.name(name) } else { builder.sname(name) };
    if let Some(cookie) = arguments.next() {
        builder = builder.cookie(cookie);
    }
    let node = builder.start()?;
    let echo = node.spawn(echo).map_err(|e| format!("{e:?}"))?;
    node.register(krarup::Atom::new("echo")?, echo).map_err(|e| format!("{e:?}"))?;
    println!("{} serves `echo`", node.name().as_str());
    if let Some(other) = arguments.next() {
        node.connect(&other)?;
    }
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line)? != 0 {
        println!("nodes: {:?}", node.nodes(NodeType::All));
        line.clear();
    }
    Ok(())
}
