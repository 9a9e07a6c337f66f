//! Restarts. actix's supervisor keeps the actor and its address and calls a hook; there is no new actor.

use std::time::Instant;

use actix::{Actor, ActorContext, Context, Handler, Message, Supervised, Supervisor};
use krarup_bench_peers::harness::{one, per_second};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{Figures, figures, gone};

/// Tells that it is up each time it starts.
struct Child(UnboundedSender<()>);

struct Stop;

impl Actor for Child {
    type Context = Context<Child>;

    fn started(&mut self, _: &mut Context<Child>) {
        // The row may be over.
        let _ = self.0.send(());
    }
}

impl Supervised for Child {}

impl Message for Stop {
    type Result = ();
}

impl Handler<Stop> for Child {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Context<Child>) {
        context.stop();
    }
}

pub fn restart(n: u64) -> Figures {
    figures(async move {
        let (up, mut ups) = unbounded_channel();
        let child = Supervisor::start(move |_| Child(up));
        ups.recv().await.ok_or(()).map_err(gone)?;
        let start = Instant::now();
        for _ in 0..n {
            child.do_send(Stop);
            ups.recv().await.ok_or(()).map_err(gone)?;
        }
        Ok(one("restarts/s", per_second(n, start)))
    })
}
