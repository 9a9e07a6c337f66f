//! Rows about births and deaths.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use krarup_bench_peers::harness::{self, Failure, Job, figure, one, per_second, resident_vec};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use crate::{Figures, figures};

pub fn spawn_exit(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(job, async move {
        let ended = Arc::new((AtomicU64::new(0), Notify::new()));
        let start = Instant::now();
        for _ in 0..n {
            let ended = ended.clone();
            // Relaxed: a count; the notification carries the order.
            tokio::spawn(async move {
                if ended.0.fetch_add(1, Ordering::Relaxed) + 1 == n {
                    ended.1.notify_one();
                }
            });
        }
        ended.1.notified().await;
        Ok(one("procs/s", per_second(n, start)))
    })
}

/// The join handle is what a task has for a monitor.
pub fn monitor_down(job: &Job) -> Figures {
    let n = job.n(300_000);
    figures(job, async move {
        let start = Instant::now();
        for _ in 0..n {
            tokio::spawn(async {}).await?;
        }
        Ok(one("procs/s", per_second(n, start)))
    })
}

/// The abnormal exit is a panic, raised without the panic hook, that the parent sees in the join handle.
pub fn link_exit(job: &Job) -> Figures {
    let n = job.n(100_000);
    figures(job, async move {
        let start = Instant::now();
        for _ in 0..n {
            let exit = tokio::spawn(async { std::panic::resume_unwind(Box::new("boom")) }).await;
            let Err(error) = exit;
            if !error.is_panic() {
                return Err(Failure::new("link_exit: not a panic"));
            }
        }
        Ok(one("procs/s", per_second(n, start)))
    })
}

pub fn spawn_live_mem(job: &Job) -> Figures {
    let n = job.n(1_000_000);
    figures(job, async move {
        let (filler, _inbox) = unbounded_channel::<u64>();
        let mut mailboxes = resident_vec(n, || filler.clone());
        let before = harness::rss()?;
        let start = Instant::now();
        for _ in 0..n {
            let (to_this, mut inbox) = unbounded_channel::<u64>();
            tokio::spawn(async move { while inbox.recv().await.is_some() {} });
            mailboxes.push(to_this);
        }
        let rate = per_second(n, start);
        tokio::time::sleep(Duration::from_millis(1000)).await;
        let bytes = (harness::rss()? - before) / n as f64;
        Ok(vec![figure("", "bytes/proc", bytes), figure(".spawn_rate", "procs/s", rate)])
    })
}
