//! Calls (`Addr::send`, awaited) and casts (`do_send`). No timeout.

use std::time::Instant;

use actix::{Actor, Addr, Context, Handler, Message};
use krarup_bench_peers::harness::{Failure, Job, one, per_second};

use crate::{Figures, Place, figures};

/// Counts what it gets.
struct Server(u64);

struct Call;
struct Cast;

impl Actor for Server {
    type Context = Context<Server>;
}

impl Message for Call {
    type Result = u64;
}

impl Message for Cast {
    type Result = ();
}

impl Handler<Call> for Server {
    type Result = u64;

    fn handle(&mut self, _: Call, _: &mut Context<Server>) -> u64 {
        self.0 += 1;
        self.0
    }
}

impl Handler<Cast> for Server {
    type Result = ();

    fn handle(&mut self, _: Cast, _: &mut Context<Server>) {
        self.0 += 1;
    }
}

pub fn call(job: &Job) -> Figures {
    let n = job.n(500_000);
    figures(async move {
        let place = Place::new(job);
        let server = place.start(Server(0));
        let start = Instant::now();
        calls(n, &server).await?;
        Ok(one("calls/s", per_second(n, start)))
    })
}

async fn calls(n: u64, server: &Addr<Server>) -> Result<u64, Failure> {
    for _ in 0..n {
        server.send(Call).await?;
    }
    Ok(n)
}

pub fn call_par(job: &Job, clients: u64, servers: usize) -> Figures {
    let each = (job.n(640_000) / clients).max(1);
    figures(async move {
        let place = Place::new(job);
        let servers: Vec<_> = (0..servers).map(|_| place.start(Server(0))).collect();
        let start = Instant::now();
        let clients: Vec<_> = (0..clients as usize)
            .map(|i| {
                let server = servers[i % servers.len()].clone();
                actix::spawn(async move { calls(each, &server).await })
            })
            .collect();
        let mut total = 0;
        for client in clients {
            total += client.await??;
        }
        Ok(one("calls/s", per_second(total, start)))
    })
}

/// A call at the end waits until every cast is handled.
pub fn cast(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(async move {
        let place = Place::new(job);
        let server = place.start(Server(0));
        let start = Instant::now();
        for _ in 0..n {
            server.do_send(Cast);
        }
        if server.send(Call).await? != n + 1 {
            return Err(Failure::new("cast: a message was lost"));
        }
        Ok(one("casts/s", per_second(n, start)))
    })
}
