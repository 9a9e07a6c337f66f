//! Rows that make processes and hear of their ends.
//!
//! Imports: the harness, krarup, world.

use crate::world::{Counter, Mayfly, World};
use krarup::{AsyncContext, Atom, Code, Message, Term};
use krarup_bench::harness::{Failure, Figure, Job, Kind, Row, figure, one, per_second, rss};
use std::time::{Duration, Instant};

pub const ROWS: &[Row] = &[
    Row { name: "spawn_exit", kind: Kind::Rate, run: spawn_exit },
    Row { name: "monitor_down", kind: Kind::Rate, run: monitor_down },
    Row { name: "link_exit", kind: Kind::Rate, run: link_exit },
    Row { name: "spawn_live_mem", kind: Kind::Once, run: spawn_live_mem },
];

fn spawn_exit(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let tell = w.pid();
    let start = Instant::now();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        for _ in 0..n {
            c.spawn(Mayfly::normal())?;
            c.checkpoint().await;
        }
        c.send(tell, 0i64);
        Ok(())
    }))?;
    w.wait()?;
    while w.node.counts().processes > 1 {
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(one("procs/s", per_second(n, start)))
}

fn monitor_down(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(300_000);
    let tell = w.pid();
    let start = Instant::now();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        for _ in 0..n {
            let (_, r) = c.spawn_monitor(Mayfly::normal())?;
            let down = |m: &Message| matches!(m, Message::Down(d) if d.reference == r);
            if c.receive_ref(r, Some(5000), down).await.is_err() {
                break;
            }
        }
        c.send(tell, 0i64);
        Ok(())
    }))?;
    w.wait()?;
    Ok(one("procs/s", per_second(n, start)))
}

fn link_exit(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(300_000);
    let tell = w.pid();
    let boom = Term::from(Atom::new("boom")?);
    let start = Instant::now();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        c.trap_exit(true);
        for _ in 0..n {
            let p = c.spawn_link(Mayfly(boom.clone()))?;
            let exit = |m: &Message| matches!(m, Message::Exit(e) if e.from == p);
            if c.receive_match(Some(5000), exit).await.is_err() {
                break;
            }
        }
        c.send(tell, 0i64);
        Ok(())
    }))?;
    w.wait()?;
    Ok(one("procs/s", per_second(n, start)))
}

fn spawn_live_mem(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let tell = w.pid();
    let before = rss()?;
    let start = Instant::now();
    for _ in 0..n {
        w.me.spawn(Counter { left: 1, tell })?;
    }
    // The last has had its first turn when it answers; then all are idle.
    let last = w.me.spawn(Counter { left: 1, tell })?;
    w.me.send(last, 0i64);
    w.wait()?;
    let rate = per_second(n, start);
    Ok(vec![figure("", "bytes/proc", (rss()? - before) / n as f64), figure(".spawn_rate", "procs/s", rate)])
}
