//! Rows that only send and receive.
//!
//! Imports: the harness, krarup, world.

use crate::world::{Counter, World};
use krarup::term::{View, atoms};
use krarup::{AsyncContext, Code, Context, Exception, FiberContext, Handler, Message, Next, Pid, Term};
use krarup_bench::harness::{Failure, Figure, Job, Kind, Row, figure, one, per_second};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

pub const ROWS: &[Row] = &[
    Row { name: "pingpong", kind: Kind::Rate, run: pingpong },
    Row { name: "pingpong_cross", kind: Kind::Rate, run: pingpong_cross },
    Row { name: "ring", kind: Kind::Rate, run: ring },
    Row { name: "many_to_one", kind: Kind::Rate, run: many_to_one },
    Row { name: "one_to_many", kind: Kind::Rate, run: one_to_many },
    Row { name: "send_large_term", kind: Kind::Rate, run: send_large_term },
];

/// Sends every message back to where `{Pid, _}` says.
struct Ponger;

impl Handler for Ponger {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        if let Message::Term(t) = m
            && let Some(to) = t.as_pid()
        {
            ctx.send(to, atoms::OK);
        }
        Ok(Next::Continue)
    }
}

struct Pinger {
    other: Pid,
    left: u64,
    tell: Pid,
}

impl Handler for Pinger {
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        let me = ctx.self_pid();
        ctx.send(self.other, me);
        Ok(Next::Continue)
    }

    fn handle(&mut self, ctx: &mut Context, _: Message) -> Result<Next, Exception> {
        self.left -= 1;
        if self.left == 0 {
            ctx.send(self.tell, 0i64);
            return Ok(Next::Stop(Term::from(atoms::NORMAL)));
        }
        let me = ctx.self_pid();
        ctx.send(self.other, me);
        Ok(Next::Continue)
    }
}

fn pingpong(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let other = w.me.spawn(Ponger)?;
    let tell = w.pid();
    let start = Instant::now();
    w.me.spawn(Pinger { other, left: n, tell })?;
    w.wait()?;
    Ok(one("rt/s", per_second(n, start)))
}

/// Fibers stay on the worker where they began; both ends hold their worker until the other has begun on another.
fn pingpong_cross(job: &Job) -> Result<Vec<Figure>, Failure> {
    if job.workers < 2 {
        return Err(Failure::new("needs two workers"));
    }
    let mut w = World::new(job)?;
    let n = job.n(200_000);
    let tell = w.pid();
    let begun = Arc::new(AtomicUsize::new(0));
    let meet = move |begun: &AtomicUsize| {
        begun.fetch_add(1, SeqCst);
        let start = Instant::now();
        while begun.load(SeqCst) < 2 && start.elapsed().as_micros() < 1500 {
            std::hint::spin_loop();
        }
        begun.load(SeqCst) == 2
    };
    for _ in 0..1000 {
        begun.store(0, SeqCst);
        let (b1, b2) = (begun.clone(), begun.clone());
        // SAFETY: neither closure holds anything over its waits.
        let ponger = unsafe {
            Code::assume_fiber_safe(move |c: &mut FiberContext| {
                let met = meet(&b1);
                c.send(tell, Term::from(met));
                if !met {
                    return Ok(());
                }
                loop {
                    let m = c.receive(None).map_err(|_| Exception::badarg())?.into_term();
                    let Some(to) = m.as_pid() else { return Ok(()) };
                    c.send(to, atoms::OK);
                }
            })
        };
        let other = w.me.spawn(ponger)?;
        // SAFETY: as above.
        let pinger = unsafe {
            Code::assume_fiber_safe(move |c: &mut FiberContext| {
                let met = meet(&b2);
                c.send(tell, Term::from(met));
                if !met {
                    return Ok(());
                }
                let me = c.self_pid();
                let go = c.receive(None).map_err(|_| Exception::badarg())?;
                drop(go);
                for _ in 0..n {
                    c.send(other, me);
                    c.receive(None).map_err(|_| Exception::badarg())?;
                }
                c.send(other, atoms::OK);
                c.send(tell, 0i64);
                Ok(())
            })
        };
        let pinger = w.me.spawn(pinger)?;
        let met = [w.wait()?, w.wait()?];
        if met.iter().all(|m| m.as_atom() == Some(atoms::TRUE)) {
            let start = Instant::now();
            w.me.send(pinger, atoms::OK);
            w.wait()?;
            return Ok(one("rt/s", per_second(n, start)));
        }
    }
    Err(Failure::new("the two ends never began on different workers"))
}

/// Passes a number on, one less, and tells when it is zero.
struct Hop {
    next: Option<Pid>,
    tell: Pid,
}

impl Handler for Hop {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        let Message::Term(t) = m else { return Ok(Next::Continue) };
        match t.view() {
            View::Pid(p) => self.next = Some(p),
            View::Int(0) => ctx.send(self.tell, 0i64),
            View::Int(n) => ctx.send(self.next.unwrap_or(self.tell), n - 1),
            _ => {}
        }
        Ok(Next::Continue)
    }
}

fn ring(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let tell = w.pid();
    let first = w.me.spawn(Hop { next: None, tell })?;
    let mut next = first;
    for _ in 1..1000 {
        next = w.me.spawn(Hop { next: Some(next), tell })?;
    }
    w.me.send(first, next);
    let start = Instant::now();
    w.me.send(first, n as i64);
    w.wait()?;
    Ok(one("hops/s", per_second(n, start)))
}

fn many_to_one(job: &Job) -> Result<Vec<Figure>, Failure> {
    const SENDERS: u64 = 16;
    let mut w = World::new(job)?;
    let each = job.n(100_000);
    let tell = w.pid();
    let receiver = w.me.spawn(Counter { left: SENDERS * each, tell })?;
    let start = Instant::now();
    for _ in 0..SENDERS {
        w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
            for n in 0..each {
                c.send(receiver, n as i64);
                c.checkpoint().await;
            }
            Ok(())
        }))?;
    }
    w.wait()?;
    Ok(one("msgs/s", per_second(SENDERS * each, start)))
}

fn one_to_many(job: &Job) -> Result<Vec<Figure>, Failure> {
    const RECEIVERS: u64 = 10_000;
    let mut w = World::new(job)?;
    let rounds = job.n(100);
    let tell = w.pid();
    let mut receivers = Vec::new();
    for _ in 0..RECEIVERS {
        receivers.push(w.me.spawn(Counter { left: rounds, tell })?);
    }
    let start = Instant::now();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        for n in 0..rounds {
            for r in &receivers {
                c.send(*r, n as i64);
                c.checkpoint().await;
            }
        }
        Ok(())
    }))?;
    for _ in 0..RECEIVERS {
        w.wait()?;
    }
    Ok(one("msgs/s", per_second(RECEIVERS * rounds, start)))
}

fn send_large_term(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    for (suffix, tuples, n) in [(".1k", 10i64, job.n(200_000)), (".1m", 10_000, job.n(200))] {
        let mut w = World::new(job)?;
        let tell = w.pid();
        let receiver = w.me.spawn(Code::handler(|ctx: &mut Context, m: Message| {
            let t = m.into_term();
            if let Some([from, list]) = t.as_tuple() {
                debug_assert!(list.is_list());
                if let Some(p) = from.as_pid() {
                    ctx.send(p, atoms::OK);
                }
            }
            Ok(Next::Continue)
        }))?;
        let start = Instant::now();
        w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
            let me = c.self_pid();
            for _ in 0..n {
                let tuple = |i: i64| Term::tuple((0..10).map(|k| Term::from(i + k)));
                c.send(receiver, Term::tuple([Term::from(me), Term::list((0..tuples).map(tuple))]));
                c.receive().await;
            }
            c.send(tell, 0i64);
            Ok(())
        }))?;
        w.wait()?;
        figures.push(figure(suffix, "msgs/s", per_second(n, start)));
    }
    Ok(figures)
}
