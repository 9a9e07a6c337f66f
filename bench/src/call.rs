//! Rows that ask a server. A call has its monitor, alias, reference mark and a timeout of five seconds.
//!
//! Imports: the harness, krarup, world.

use crate::world::{Server, World};
use krarup::term::atoms;
use krarup::{AsyncContext, Code, Pid};
use krarup_bench::harness::{Failure, Figure, Job, Kind, Row, one, per_second};
use std::time::Instant;

pub const ROWS: &[Row] = &[
    Row { name: "call", kind: Kind::Rate, run: call },
    Row { name: "call_backlog10k", kind: Kind::Rate, run: call_backlog },
    Row { name: "call_par_64x1", kind: Kind::Rate, run: call_par_64x1 },
    Row { name: "call_par_64x64", kind: Kind::Rate, run: call_par_64x64 },
    Row { name: "cast", kind: Kind::Rate, run: cast },
];

const TIMEOUT_MS: Option<u64> = Some(5000);

/// Lets `callers[i]` callers put `each` questions to `servers[i]`.
fn ask(w: &mut World, servers: &[Pid], each: u64, backlog: i64) -> Result<Instant, Failure> {
    let tell = w.pid();
    let mut callers = Vec::new();
    for &server in servers {
        callers.push(w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
            let me = c.self_pid();
            for n in 0..backlog {
                c.send(me, n);
            }
            // Selective: the backlog stays.
            let _ = c.receive_match(None, |m| m.as_term().as_atom() == Some(atoms::OK)).await;
            for _ in 0..each {
                if c.call(server, atoms::OK, TIMEOUT_MS).await.is_err() {
                    return Ok(());
                }
                c.checkpoint().await;
            }
            c.send(tell, 0i64);
            Ok(())
        }))?);
    }
    let start = Instant::now();
    for c in &callers {
        w.me.send(*c, atoms::OK);
    }
    for _ in callers {
        w.wait()?;
    }
    Ok(start)
}

fn call(job: &Job) -> Result<Vec<Figure>, Failure> {
    one_caller(job, 0)
}

fn call_backlog(job: &Job) -> Result<Vec<Figure>, Failure> {
    one_caller(job, 10_000)
}

fn one_caller(job: &Job, backlog: i64) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(500_000);
    let server = w.me.spawn(Server::default())?;
    let start = ask(&mut w, &[server], n, backlog)?;
    Ok(one("calls/s", per_second(n, start)))
}

fn call_par_64x1(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let each = job.n(10_000);
    let server = w.me.spawn(Server::default())?;
    let start = ask(&mut w, &[server; 64], each, 0)?;
    Ok(one("calls/s", per_second(64 * each, start)))
}

fn call_par_64x64(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let each = job.n(10_000);
    let mut servers = Vec::new();
    for _ in 0..64 {
        servers.push(w.me.spawn(Server::default())?);
    }
    let start = ask(&mut w, &servers, each, 0)?;
    Ok(one("calls/s", per_second(64 * each, start)))
}

fn cast(job: &Job) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let n = job.n(1_000_000);
    let tell = w.pid();
    let server = w.me.spawn(Server::default())?;
    let start = Instant::now();
    w.me.spawn(Code::future(move |mut c: AsyncContext| async move {
        for i in 0..n {
            c.send(server, i as i64);
            c.checkpoint().await;
        }
        let _ = c.call(server, atoms::OK, None).await;
        c.send(tell, 0i64);
        Ok(())
    }))?;
    w.wait()?;
    Ok(one("casts/s", per_second(n, start)))
}
