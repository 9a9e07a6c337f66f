//! Rows of round-trip times, idle and beside hogs that never yield.
//!
//! Imports: the harness, krarup, world.

use crate::world::World;
use krarup::term::atoms;
use krarup::{AsyncContext, Code, Context, Exception, Handler, Message, Next, Term};
use krarup_bench::harness::{Failure, Figure, HOGS, Job, Kind, Row, Trips, calibrate, compute};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

pub const ROWS: &[Row] = &[
    Row { name: "latency_idle_paced", kind: Kind::Plain, run: idle },
    Row { name: "latency_load_paced", kind: Kind::Plain, run: load },
    Row { name: "latency_load_paced_work200us", kind: Kind::Plain, run: load_work },
    Row { name: "latency_load_paced_wait", kind: Kind::Plain, run: load_wait },
    Row { name: "latency_load_paced_wait_slow", kind: Kind::Plain, run: load_wait_slow },
];

fn idle(job: &Job) -> Result<Vec<Figure>, Failure> {
    pair(job, Load { hogs: 0, work: Duration::ZERO, wait: None })
}

fn load(job: &Job) -> Result<Vec<Figure>, Failure> {
    pair(job, Load { hogs: HOGS, work: Duration::ZERO, wait: None })
}

fn load_work(job: &Job) -> Result<Vec<Figure>, Failure> {
    pair(job, Load { hogs: HOGS, work: Duration::from_micros(200), wait: None })
}

fn load_wait(job: &Job) -> Result<Vec<Figure>, Failure> {
    pair(job, Load { hogs: HOGS, work: Duration::ZERO, wait: Some(false) })
}

fn load_wait_slow(job: &Job) -> Result<Vec<Figure>, Failure> {
    pair(job, Load { hogs: HOGS, work: Duration::ZERO, wait: Some(true) })
}

struct Load {
    hogs: u64,
    /// What each end computes in each round trip.
    work: Duration,
    /// The pinging end is a fiber, parked in a wait on a worker that a hog may come to hold; whether the hogs are
    /// declared slow.
    wait: Option<bool>,
}

/// Computes until it is told to stop; its one callback never returns before.
struct Hog(Arc<AtomicBool>);

impl Handler for Hog {
    fn init(&mut self, _: &mut Context) -> Result<Next, Exception> {
        let mut x = 1;
        while !self.0.load(Relaxed) {
            x = compute(1000, x);
        }
        Ok(Next::Stop(Term::from(atoms::NORMAL)))
    }

    fn handle(&mut self, _: &mut Context, _: Message) -> Result<Next, Exception> {
        Ok(Next::Continue)
    }
}

fn pair(job: &Job, load: Load) -> Result<Vec<Figure>, Failure> {
    let mut w = World::new(job)?;
    let tell = w.pid();
    let rounds = if load.work.is_zero() { 0 } else { calibrate(load.work) };
    let ponger = w.me.spawn(Code::handler(move |ctx: &mut Context, m: Message| {
        compute(rounds, 1);
        if let Some(p) = m.into_term().as_pid() {
            ctx.send(p, atoms::OK);
        }
        Ok(Next::Continue)
    }))?;
    let (tx, rx) = channel();
    let pinger = if load.wait.is_some() {
        // SAFETY: holds nothing over its waits.
        unsafe {
            Code::assume_fiber_safe(move |c: &mut krarup::FiberContext| {
                let me = c.self_pid();
                let mut trips = Trips::start();
                while trips.running() {
                    let slept = Instant::now();
                    c.sleep(1);
                    let woke = Instant::now();
                    c.send(ponger, me);
                    let _ = c.receive(None);
                    trips.add(slept, woke);
                }
                let _ = tx.send(trips);
                c.send(tell, 0i64);
                Ok(())
            })
        }
    } else {
        Code::future(move |mut c: AsyncContext| async move {
            let me = c.self_pid();
            let mut trips = Trips::start();
            while trips.running() {
                let slept = Instant::now();
                c.sleep(1).await;
                let woke = Instant::now();
                compute(rounds, 1);
                c.send(ponger, me);
                c.receive().await;
                trips.add(slept, woke);
            }
            // Whoever waited may be gone.
            let _ = tx.send(trips);
            c.send(tell, 0i64);
            Ok(())
        })
    };
    let stop = Arc::new(AtomicBool::new(false));
    let slow = load.wait == Some(true);
    let o = krarup::SpawnOptions { slow, ..Default::default() };
    w.me.spawn(pinger)?;
    for _ in 0..load.hogs {
        w.me.spawn_opt(Hog(stop.clone()), &o)?;
    }
    // A fiber parked on a thread that an undeclared hog holds waits for it: then the hogs' end is in the figures.
    let _ = w.me.receive(Some(5000));
    stop.store(true, Relaxed);
    Ok(rx.recv()?.figures())
}
