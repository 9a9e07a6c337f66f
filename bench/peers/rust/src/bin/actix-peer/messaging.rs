//! Rows that only send and receive.

use std::time::Instant;

use actix::{Actor, Addr, Context, Handler, Message};
use krarup_bench_peers::harness::{Failure, Job, one, per_second};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{Figures, Place, figures, gone};

/// Passes a number on, one less each time, and reports when it is used up.
struct Node {
    next: Option<Addr<Node>>,
    arrived: UnboundedSender<()>,
}

struct Next(Addr<Node>);
struct Hop(u64);

impl Actor for Node {
    type Context = Context<Node>;
}

impl Message for Next {
    type Result = ();
}

impl Message for Hop {
    type Result = ();
}

impl Handler<Next> for Node {
    type Result = ();

    fn handle(&mut self, next: Next, _: &mut Context<Node>) {
        self.next = Some(next.0);
    }
}

impl Handler<Hop> for Node {
    type Result = ();

    fn handle(&mut self, hop: Hop, _: &mut Context<Node>) {
        match &self.next {
            Some(next) if hop.0 > 0 => next.do_send(Hop(hop.0 - 1)),
            // The row may be over.
            _ => {
                let _ = self.arrived.send(());
            }
        }
    }
}

/// `hops` hops in a ring of actors; the last one of the ring lives at `place`. Hops a second.
async fn hops_per_second(nodes: u64, hops: u64, place: Place) -> Result<f64, Failure> {
    let (arrived, mut at_end) = unbounded_channel();
    let node = || Node { next: None, arrived: arrived.clone() };
    let first = node().start();
    let mut next = place.start(node());
    next.send(Next(first.clone())).await?;
    for _ in 2..nodes {
        let this = node().start();
        this.send(Next(next)).await?;
        next = this;
    }
    first.send(Next(next)).await?;
    let start = Instant::now();
    first.do_send(Hop(hops));
    at_end.recv().await;
    Ok(per_second(hops, start))
}

/// Two actors pass a number to and fro; two hops are a round trip.
pub fn pingpong(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(async move { Ok(one("rt/s", hops_per_second(2, 2 * n, Place::Here).await? / 2.0)) })
}

pub fn pingpong_cross(job: &Job) -> Figures {
    if job.workers < 2 {
        return Err(Failure::new("pingpong_cross needs two workers"));
    }
    let n = job.n(200_000);
    figures(async move { Ok(one("rt/s", hops_per_second(2, 2 * n, Place::new(job)).await? / 2.0)) })
}

/// A number goes round 1,000 actors, one less at each.
pub fn ring(job: &Job) -> Figures {
    let hops = job.n(1_000_000);
    figures(async move { Ok(one("hops/s", hops_per_second(1000, hops, Place::Here).await?)) })
}

/// Takes so many numbers and reports.
struct Sink {
    left: u64,
    done: UnboundedSender<()>,
}

struct Number(#[expect(dead_code, reason = "a message has a content")] u64);

impl Actor for Sink {
    type Context = Context<Sink>;
}

impl Message for Number {
    type Result = ();
}

impl Handler<Number> for Sink {
    type Result = ();

    fn handle(&mut self, _: Number, _: &mut Context<Sink>) {
        self.left -= 1;
        if self.left == 0 {
            // The row may be over.
            let _ = self.done.send(());
        }
    }
}

/// 16 senders, each 100,000 messages, one receiver.
pub fn many_to_one(job: &Job) -> Figures {
    let each = job.n(100_000);
    figures(async move {
        let place = Place::new(job);
        let (done, mut all_done) = unbounded_channel();
        let sink = place.start(Sink { left: 16 * each, done });
        let start = Instant::now();
        for _ in 0..16 {
            let sink = sink.clone();
            actix::spawn(async move { (0..each).for_each(|i| sink.do_send(Number(i))) });
        }
        all_done.recv().await.ok_or(()).map_err(gone)?;
        Ok(one("msgs/s", per_second(16 * each, start)))
    })
}

/// One sender, 10,000 receivers, 100 rounds over all of them.
pub fn one_to_many(job: &Job) -> Figures {
    const RECEIVERS: u64 = 10_000;
    let rounds = job.n(100);
    figures(async move {
        let place = Place::new(job);
        let (done, mut all_done) = unbounded_channel();
        let sink = || place.start(Sink { left: rounds, done: done.clone() });
        let receivers: Vec<_> = (0..RECEIVERS).map(|_| sink()).collect();
        let start = Instant::now();
        for round in 0..rounds {
            for receiver in &receivers {
                receiver.do_send(Number(round));
            }
        }
        for _ in 0..RECEIVERS {
            all_done.recv().await.ok_or(()).map_err(gone)?;
        }
        Ok(one("msgs/s", per_second(RECEIVERS * rounds, start)))
    })
}
