//! Round trips of a pair, each after 1 ms of sleep, alone or beside hogs.
//!
//! A task that never yields holds its worker for good, so these hogs yield after each millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use krarup_bench_peers::harness::{Failure, HOGS, Job, PACE, Trips, calibrate, compute};
use tokio::sync::mpsc::unbounded_channel;

use crate::{Figures, figures};

pub fn idle(job: &Job) -> Figures {
    paced(job, 0, Duration::ZERO)
}

pub fn load(job: &Job) -> Figures {
    paced(job, HOGS, Duration::ZERO)
}

pub fn load_work(job: &Job) -> Figures {
    paced(job, HOGS, Duration::from_micros(200))
}

/// Tells the hogs to stop however the row ends: a runtime cannot shut down under one.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // Relaxed: the hogs read nothing else.
        self.0.store(true, Ordering::Relaxed);
    }
}

fn paced(job: &Job, hogs: u64, work: Duration) -> Figures {
    let (rounds, slice) = (calibrate(work), calibrate(Duration::from_millis(1)));
    figures(job, async move {
        let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
        for seed in 0..hogs {
            let stop = stop.0.clone();
            tokio::spawn(async move {
                // Relaxed: pairs with the store in `StopOnDrop`, which publishes nothing.
                while !stop.load(Ordering::Relaxed) {
                    compute(slice, seed);
                    tokio::task::yield_now().await;
                }
            });
        }
        let (there, mut from_here) = unbounded_channel();
        let (back, mut from_there) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(seed) = from_here.recv().await {
                compute(rounds, seed);
                if back.send(()).is_err() {
                    return;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut trips = Trips::start();
        while trips.running() {
            let slept = Instant::now();
            tokio::time::sleep(PACE).await;
            let woke = Instant::now();
            compute(rounds, 1);
            there.send(1)?;
            from_there.recv().await.ok_or_else(|| Failure::new("the echo is gone"))?;
            trips.add(slept, woke);
        }
        Ok(trips.figures())
    })
}
