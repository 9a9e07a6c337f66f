//! Calls: a request in the server's mailbox with a oneshot channel for the reply. No timeout, no monitor.

use std::time::Instant;

use krarup_bench_peers::harness::{Failure, Job, one, per_second};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::{Figures, figures};

enum Request {
    Call(oneshot::Sender<u64>),
    Cast,
}

/// A server that counts what it gets.
fn server() -> UnboundedSender<Request> {
    let (to_server, mut inbox) = unbounded_channel();
    tokio::spawn(async move {
        let mut count = 0;
        while let Some(request) = inbox.recv().await {
            count += 1;
            if let Request::Call(reply) = request {
                // A caller that is gone wants no reply.
                let _ = reply.send(count);
            }
        }
    });
    to_server
}

async fn call_once(server: &UnboundedSender<Request>) -> Result<u64, Failure> {
    let (reply, answer) = oneshot::channel();
    server.send(Request::Call(reply)).map_err(|_| Failure::new("the server is gone"))?;
    Ok(answer.await?)
}

pub fn call(job: &Job) -> Figures {
    let n = job.n(500_000);
    figures(job, async move {
        let server = server();
        let start = Instant::now();
        for _ in 0..n {
            call_once(&server).await?;
        }
        Ok(one("calls/s", per_second(n, start)))
    })
}

pub fn call_par(job: &Job, clients: u64, servers: usize) -> Figures {
    let each = (job.n(640_000) / clients).max(1);
    figures(job, async move {
        let servers: Vec<_> = (0..servers).map(|_| server()).collect();
        let start = Instant::now();
        let clients: Vec<_> = (0..clients as usize)
            .map(|i| {
                let server = servers[i % servers.len()].clone();
                tokio::spawn(async move {
                    for _ in 0..each {
                        call_once(&server).await?;
                    }
                    Ok::<u64, Failure>(each)
                })
            })
            .collect();
        let mut calls = 0;
        for client in clients {
            calls += client.await??;
        }
        Ok(one("calls/s", per_second(calls, start)))
    })
}

/// A call at the end waits until every cast is handled.
pub fn cast(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(job, async move {
        let server = server();
        let start = Instant::now();
        for _ in 0..n {
            server.send(Request::Cast).map_err(|_| Failure::new("the server is gone"))?;
        }
        if call_once(&server).await? != n + 1 {
            return Err(Failure::new("cast: a request was lost"));
        }
        Ok(one("casts/s", per_second(n, start)))
    })
}
