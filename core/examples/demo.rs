//! What the library does, on one machine in a few seconds: a million processes, links, monitors, kills, selective
//! receive, calls. Prints a table; every line was checked, and the program ends with status 1 if one does not hold.

use krarup::{AsyncContext, Atom, Attached, Code, Context, Exception, Handler, Message, Next, Node, Pid, Term};
use std::error::Error;
use std::time::{Duration, Instant};

/// A process that waits; it knows its neighbour and the one who counts, and passes a number on.
struct Link {
    next: Option<Pid>,
    home: Pid,
}

impl Handler for Link {
    fn handle(&mut self, ctx: &mut Context, message: Message) -> Result<Next, Exception> {
        let n = message.into_term().as_i64().ok_or_else(Exception::badarg)?;
        ctx.send(self.next.unwrap_or(self.home), n + 1);
        Ok(Next::Continue)
    }
}

struct Table {
    held: bool,
}

impl Table {
    fn line(&mut self, what: &str, holds: bool, figure: String) {
        self.held &= holds;
        println!("{:<4} {what:<58} {figure}", if holds { "ok" } else { "FAIL" });
    }
}

fn per_second(n: usize, since: Instant) -> String {
    format!("{:>10.0} a second", n as f64 / since.elapsed().as_secs_f64())
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn next_text(me: &mut Attached) -> Result<String, Box<dyn Error>> {
    let message = me.receive(Some(60_000)).map_err(|e| format!("nothing came: {e:?}"))?;
    Ok(message.into_term().to_string())
}

fn a_million(node: &Node, me: &mut Attached, table: &mut Table) -> Result<Vec<Pid>, Box<dyn Error>> {
    const MILLION: usize = 1_000_000;
    let home = me.self_pid();
    let before = resident_kib();
    let start = Instant::now();
    let mut pids = Vec::with_capacity(MILLION);
    let mut next = None;
    for _ in 0..MILLION {
        let pid = me.spawn(Link { next, home })?;
        next = Some(pid);
        pids.push(pid);
    }
    let figure = per_second(MILLION, start);
    table.line("1,000,000 processes, each knows the one before", node.counts().processes == MILLION + 1, figure);
    let kib = resident_kib().saturating_sub(before);
    table.line(
        "memory of each, its mailbox and state included",
        kib > 0,
        format!("{:>10} bytes", kib * 1024 / MILLION),
    );
    let start = Instant::now();
    me.send(next.unwrap_or(home), 0i64);
    let hops = next_text(me)?;
    table.line("a number goes through all of them", hops == MILLION.to_string(), per_second(MILLION, start));
    Ok(pids)
}

fn kills(node: &Node, me: &mut Attached, pids: Vec<Pid>, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let n = pids.len();
    let start = Instant::now();
    let watched: Vec<_> = pids.iter().step_by(10).map(|p| me.monitor(*p)).collect();
    for p in pids {
        me.exit(p, krarup::term::atoms::KILL);
    }
    let mut told = 0;
    for _ in &watched {
        told += usize::from(next_text(me)?.ends_with(",killed}"));
    }
    let holds = told == watched.len();
    table.line("all are killed; who watched every tenth is told why", holds, per_second(n, start));
    let until = Instant::now() + Duration::from_secs(30);
    while node.counts().processes > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    table.line("nobody is left but the one who asked", node.counts().processes == 1, String::new());
    Ok(())
}

/// A chain of linked processes, its end crashes: the death runs along the links to the one who traps exits.
fn links(me: &mut Attached, table: &mut Table) -> Result<(), Box<dyn Error>> {
    const LENGTH: i64 = 10_000;
    fn chain(left: i64) -> Code {
        Code::future(move |mut c: AsyncContext| async move {
            if left == 0 {
                return Err(Exception::exit(Atom::new("boom").map_err(|_| Exception::system_limit())?));
            }
            c.spawn_link(chain(left - 1))?;
            c.receive().await;
            Ok(())
        })
    }
    me.trap_exit(true);
    let start = Instant::now();
    let first = me.spawn_link(chain(LENGTH))?;
    let heard = next_text(me)?;
    let holds = heard == format!("{{'EXIT',{},boom}}", Term::from(first));
    table.line("a crash runs through 10,000 links to whoever traps exits", holds, per_second(LENGTH as usize, start));
    me.trap_exit(false);
    Ok(())
}

/// The one message that is wanted is taken from behind 100,000 others, which stay in order.
fn selective(me: &mut Attached, table: &mut Table) -> Result<(), Box<dyn Error>> {
    const BACKLOG: i64 = 100_000;
    let home = me.self_pid();
    for n in 0..BACKLOG {
        me.send(home, n);
    }
    let server = me.spawn(Code::handler(|ctx: &mut Context, message: Message| {
        if let Message::Call(call) = message {
            let (from, request) = call.into_parts();
            ctx.reply(from, request);
        }
        Ok(Next::Continue)
    }))?;
    let start = Instant::now();
    let mut right = true;
    for n in 0..10_000i64 {
        right &= me.call(server, n, Some(5000)) == Ok(Term::from(n));
    }
    let figure = per_second(10_000, start);
    table.line("calls from a thread with 100,000 messages waiting", right, figure);
    let mut in_order = true;
    for n in 0..BACKLOG {
        in_order &= next_text(me)? == n.to_string();
    }
    table.line("and they are all still there, in order", in_order, String::new());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::builder().max_processes(1_100_000).start()?;
    let mut me = node.attach()?;
    let mut table = Table { held: true };
    let pids = a_million(&node, &mut me, &mut table)?;
    kills(&node, &mut me, pids, &mut table)?;
    links(&mut me, &mut table)?;
    selective(&mut me, &mut table)?;
    drop(me);
    node.stop(Duration::from_secs(5))?;
    if table.held { Ok(()) } else { Err("a line does not hold".into()) }
}
