//! What an idle server costs, and what a call through a server costs beside the raw call. Figures are printed.

#[path = "gen_support/fixture.rs"]
mod fixture;

use fixture::*;
use krarup::gen_server::{self, CallReturn, From, GenServer, Init, Options, Return};
use krarup::{AsyncContext, Code, Context, Exception, Handler, Message, Next, Pid, Term};
use std::time::Instant;

/// A server without a state.
struct Idle;

impl GenServer for Idle {
    type Args = ();
    fn init(_: &mut Context, (): ()) -> Result<Init<Self>, Exception> {
        Ok(Init::Ok(Self, gen_server::After::Wait))
    }
    fn handle_call(&mut self, _: &mut Context, request: &Term, _: &From) -> Result<CallReturn, Exception> {
        Ok(CallReturn::reply(request.clone()))
    }
    fn handle_cast(&mut self, _: &mut Context, _: &Term) -> Result<Return, Exception> {
        Ok(Return::noreply())
    }
}

struct Raw;

impl Handler for Raw {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        if let Message::Call(c) = m {
            let (from, request) = c.into_parts();
            ctx.reply(from, request);
        }
        Ok(Next::Continue)
    }
}

fn rss() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() * 1024.0
}

#[test]
fn an_idle_server_costs_less_than_500_bytes_and_calls_stay_near_the_raw_call() {
    const N: usize = 100_000;
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    // A parent inside, as a supervisor would be.
    let parent = |n: usize| {
        Code::future(move |mut c: AsyncContext| async move {
            for _ in 0..n {
                gen_server::start_link::<Idle, _>(&mut c, (), Options::default()).await?.ok()?;
            }
            c.send(to, atom("started"));
            c.receive().await;
            Ok(())
        })
    };
    let wait = |me: &mut krarup::Attached| {
        me.receive_match(Some(60_000), |m| *m.as_term() == atom("started").into()).unwrap();
    };
    node.spawn(parent(1000)).unwrap();
    wait(&mut me);
    let before = rss();
    let start = Instant::now();
    node.spawn(parent(N)).unwrap();
    wait(&mut me);
    let took = start.elapsed();
    let each = (rss() - before) / N as f64;
    println!("idle server: {each:.0} bytes; {:.0} starts/s", N as f64 / took.as_secs_f64());
    assert!(each < 500.0, "an idle server costs {each:.0} bytes");

    let rate = |me: &mut krarup::Attached, server: Pid, raw: bool| {
        const CALLS: usize = 200_000;
        let code = Code::future(move |mut c: AsyncContext| async move {
            let start = Instant::now();
            for _ in 0..CALLS {
                if raw {
                    c.call(server, atom("x"), Some(5000)).await.unwrap();
                } else {
                    gen_server::call(&mut c, server, atom("x")).await?;
                }
                c.checkpoint().await;
            }
            c.send(to, Term::from(start.elapsed().as_nanos() as u64 / CALLS as u64));
            Ok(())
        });
        me.spawn(code).unwrap();
        let ns = me.receive_match(Some(60_000), |m| m.as_term().as_int().is_some()).unwrap().into_term();
        ns.as_int().unwrap()
    };
    let raw = me.spawn(Raw).unwrap();
    let served = gen_server::start::<Idle, _>(&mut me, (), Options::default()).unwrap().pid().unwrap();
    let mut figures = Vec::new();
    for _ in 0..5 {
        figures.push((rate(&mut me, raw, true), rate(&mut me, served, false)));
    }
    let best = |f: fn(&(i64, i64)) -> i64| figures.iter().map(f).min().unwrap();
    let (r, s) = (best(|f| f.0), best(|f| f.1));
    println!("raw call {r} ns, gen_server call {s} ns");
    assert!(s < 3 * r + 200, "raw call {r} ns, through a server {s} ns");
}
