//! Rows about births and deaths. An end is told by the actor's own `stopped` hook.

use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Context, Handler, Message, System};
use krarup_bench_peers::harness::{self, Failure, Job, figure, one, per_second, resident_vec};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{Figures, figures, gone};

/// Stops as soon as it has started.
struct Brief(UnboundedSender<()>);

impl Actor for Brief {
    type Context = Context<Brief>;

    fn started(&mut self, context: &mut Context<Brief>) {
        context.stop();
    }

    fn stopped(&mut self, _: &mut Context<Brief>) {
        // The row may be over.
        let _ = self.0.send(());
    }
}

pub fn spawn_exit(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(async move {
        let (ended, mut ends) = unbounded_channel();
        let start = Instant::now();
        for _ in 0..n {
            Brief(ended.clone()).start();
        }
        for _ in 0..n {
            ends.recv().await;
        }
        Ok(one("procs/s", per_second(n, start)))
    })
}

pub fn monitor_down(job: &Job) -> Figures {
    let n = job.n(300_000);
    figures(async move {
        let (ended, mut ends) = unbounded_channel();
        let start = Instant::now();
        for _ in 0..n {
            Brief(ended.clone()).start();
            ends.recv().await;
        }
        Ok(one("procs/s", per_second(n, start)))
    })
}

/// Waits for a number.
struct Idle;

struct Number;

impl Actor for Idle {
    type Context = Context<Idle>;
}

impl Message for Number {
    type Result = ();
}

impl Handler<Number> for Idle {
    type Result = ();

    fn handle(&mut self, _: Number, _: &mut Context<Idle>) {}
}

pub fn spawn_live_mem(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(async move {
        let filler = Idle.start();
        let mut actors = resident_vec(n, || filler.clone());
        let before = harness::rss()?;
        let start = Instant::now();
        for _ in 0..n {
            actors.push(Idle.start());
        }
        let rate = per_second(n, start);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let bytes = (harness::rss()? - before) / n as f64;
        Ok(vec![figure("", "bytes/proc", bytes), figure(".spawn_rate", "procs/s", rate)])
    })
}

/// The startup row: a system whose first actor has run.
pub fn first() -> Result<(), Failure> {
    System::new().block_on(async { Idle.start().send(Number).await.map_err(gone) })
}
