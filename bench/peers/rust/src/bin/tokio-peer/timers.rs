//! Timers that are set and never fire.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use krarup_bench_peers::harness::{self, Job, figure, one, per_second, resident_vec};
use tokio::time::{Sleep, sleep};

use crate::{Figures, figures};

/// A sleep enters the wheel when it is polled for the first time.
async fn register(mut sleep: Pin<&mut Sleep>) {
    poll_fn(|cx| {
        let _ = sleep.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

pub fn start_cancel(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(job, async move {
        let start = Instant::now();
        for _ in 0..n {
            let timer = pin!(sleep(Duration::from_secs(60)));
            register(timer).await;
        }
        Ok(one("pairs/s", per_second(n, start)))
    })
}

/// Due between one and two minutes from now, spread by a step that visits every millisecond.
pub fn timers_1m(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(job, async move {
        let mut timers: Vec<Option<Pin<Box<Sleep>>>> = resident_vec(n, || None);
        let before = harness::rss()?;
        let start = Instant::now();
        for i in 0..n {
            let mut timer = Box::pin(sleep(Duration::from_millis(60_000 + i * 7919 % 60_000)));
            register(timer.as_mut()).await;
            timers.push(Some(timer));
        }
        let set = per_second(n, start);
        let bytes = (harness::rss()? - before) / n as f64;
        let start = Instant::now();
        drop(timers);
        let cancel = per_second(n, start);
        Ok(vec![
            figure(".set", "timers/s", set),
            figure(".cancel", "timers/s", cancel),
            figure(".mem", "bytes/timer", bytes),
        ])
    })
}
