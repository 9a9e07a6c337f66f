//! Rows that only send and receive.

use std::time::Instant;

use krarup_bench_peers::harness::{Failure, Job, one, per_second};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{Figures, figures};

pub fn pingpong(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(job, async move {
        let (there, from_here) = unbounded_channel();
        let (back, from_there) = unbounded_channel();
        tokio::spawn(echo(from_here, back));
        round_trips(n, there, from_there).await
    })
}

/// Two threads with a single-threaded runtime each, so that each message crosses cores.
pub fn pingpong_cross(job: &Job) -> Figures {
    if job.workers < 2 {
        return Err(Failure::new("pingpong_cross needs two workers"));
    }
    let n = job.n(200_000);
    let (there, from_here) = unbounded_channel();
    let (back, from_there) = unbounded_channel();
    let (near, far) = (Builder::new_current_thread().build()?, Builder::new_current_thread().build()?);
    let other = std::thread::spawn(move || far.block_on(echo(from_here, back)));
    let result = near.block_on(round_trips(n, there, from_there));
    other.join().map_err(|_| Failure::new("the other thread panicked"))?;
    result
}

async fn round_trips(n: u64, there: UnboundedSender<u64>, mut from_there: UnboundedReceiver<u64>) -> Figures {
    let start = Instant::now();
    for i in 0..n {
        there.send(i)?;
        from_there.recv().await.ok_or_else(|| Failure::new("the echo is gone"))?;
    }
    Ok(one("rt/s", per_second(n, start)))
}

async fn echo(mut inbox: UnboundedReceiver<u64>, back: UnboundedSender<u64>) {
    while let Some(x) = inbox.recv().await {
        if back.send(x).is_err() {
            return;
        }
    }
}

/// A number goes round 1,000 tasks, one less at each.
pub fn ring(job: &Job) -> Figures {
    let hops = job.n(1_000_000);
    figures(job, async move {
        let (first, inbox_of_first) = unbounded_channel();
        let (arrived, mut at_end) = unbounded_channel();
        let mut next = first.clone();
        for _ in 1..1000 {
            let (to_this, inbox) = unbounded_channel();
            tokio::spawn(ring_node(inbox, next, arrived.clone()));
            next = to_this;
        }
        tokio::spawn(ring_node(inbox_of_first, next, arrived));
        let start = Instant::now();
        first.send(hops)?;
        at_end.recv().await;
        Ok(one("hops/s", per_second(hops, start)))
    })
}

async fn ring_node(mut inbox: UnboundedReceiver<u64>, next: UnboundedSender<u64>, arrived: UnboundedSender<()>) {
    while let Some(left) = inbox.recv().await {
        let alive = if left == 0 { arrived.send(()).is_ok() } else { next.send(left - 1).is_ok() };
        if !alive {
            return;
        }
    }
}

/// 16 senders, each 100,000 messages, one receiver.
pub fn many_to_one(job: &Job) -> Figures {
    let each = job.n(100_000);
    figures(job, async move {
        let (to_sink, inbox) = unbounded_channel();
        let sink = tokio::spawn(drain(inbox, 16 * each));
        let start = Instant::now();
        for _ in 0..16 {
            let to_sink = to_sink.clone();
            tokio::spawn(async move { (0..each).try_for_each(|i| to_sink.send(i)) });
        }
        sink.await?;
        Ok(one("msgs/s", per_second(16 * each, start)))
    })
}

async fn drain(mut inbox: UnboundedReceiver<u64>, n: u64) {
    for _ in 0..n {
        inbox.recv().await;
    }
}

/// One sender, 10,000 receivers, 100 rounds over all of them.
pub fn one_to_many(job: &Job) -> Figures {
    const RECEIVERS: u64 = 10_000;
    let rounds = job.n(100);
    figures(job, async move {
        let (done, mut all_done) = unbounded_channel();
        let mut receivers = Vec::new();
        for _ in 0..RECEIVERS {
            let (to_this, inbox) = unbounded_channel();
            let done = done.clone();
            tokio::spawn(async move {
                drain(inbox, rounds).await;
                done.send(())
            });
            receivers.push(to_this);
        }
        let start = Instant::now();
        for round in 0..rounds {
            for receiver in &receivers {
                receiver.send(round)?;
            }
        }
        for _ in 0..RECEIVERS {
            all_done.recv().await;
        }
        Ok(one("msgs/s", per_second(RECEIVERS * rounds, start)))
    })
}
