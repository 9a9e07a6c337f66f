//! Rows of timers.
//!
//! Imports: the harness, krarup, world.

use crate::world::World;
use krarup::{AsyncContext, Code, Ref, Term};
use krarup_bench::harness::{Failure, Figure, Job, Kind, Row, figure, one, per_second, resident_vec, rss};
use std::sync::mpsc::channel;
use std::time::Instant;

pub const ROWS: &[Row] = &[
    Row { name: "timer_start_cancel", kind: Kind::Rate, run: timer_start_cancel },
    Row { name: "timers_1m", kind: Kind::Once, run: timers_1m },
];

fn timer_start_cancel(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let tell = w.pid();
    let start = Instant::now();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        let me = c.self_pid();
        for _ in 0..n {
            let t = c.send_after(60_000, me, 0i64)?;
            c.cancel_timer(t);
            c.checkpoint().await;
        }
        c.send(tell, 0i64);
        Ok(())
    }))?;
    w.wait()?;
    Ok(one("pairs/s", per_second(n, start)))
}

fn timers_1m(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let tell = w.pid();
    let (tx, rx) = channel();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        let me = c.self_pid();
        let none = c.make_ref();
        let mut all: Vec<Ref> = resident_vec(n, || none);
        let before = rss();
        let start = Instant::now();
        for i in 0..n {
            all.push(c.send_after(60_000 + i % 60_000, me, 0i64)?);
            c.checkpoint().await;
        }
        let set = per_second(n, start);
        let after = rss();
        let start = Instant::now();
        for t in all {
            c.cancel_timer(t);
            c.checkpoint().await;
        }
        let cancel = per_second(n, start);
        // Whoever waited may be gone.
        let _ = tx.send((before, after, set, cancel));
        c.send(tell, Term::nil());
        Ok(())
    }))?;
    w.wait()?;
    let (before, after, set, cancel) = rx.recv()?;
    let bytes = (after? - before?) / n as f64;
    Ok(vec![
        figure(".set", "timers/s", set),
        figure(".cancel", "timers/s", cancel),
        figure(".mem", "bytes/timer", bytes),
    ])
}
