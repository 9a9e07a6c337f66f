//! Going to sleep and being woken. Each model runs the worker's idle loop reduced to its steps (a paraphrase of
//! `Worker::idle` and `Worker::next`) on the library's `Sleep` and `Handoff`. Loom reports a deadlock when everybody
//! sleeps: a lost wake-up is a failure by itself.

use super::check;
use crate::base::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::base::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use crate::base::sync::{Arc, Mutex, lock, thread};
use crate::sched::handoff::Handoff;
use crate::sched::sleep::{Looked, Sleep};

struct Scheduler {
    sleep: Sleep,
    injector: Handoff<usize>,
    seats: usize,
    /// The seats' threads; the watchdog's is the last.
    threads: Mutex<Vec<Option<thread::Thread>>>,
    ran: AtomicUsize,
    stop: AtomicBool,
}

impl Scheduler {
    fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(seats),
            injector: Handoff::new(),
            seats,
            threads: Mutex::new((0..=seats).map(|_| None).collect()),
            ran: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        })
    }

    fn unpark(&self, seat: usize) {
        if let Some(t) = &lock(&self.threads)[seat] {
            t.unpark();
        }
    }

    fn wake_one(&self) {
        if let Some(seat) = self.sleep.pick() {
            self.unpark(seat);
        }
    }

    fn inject(&self, item: usize) {
        self.injector.push_all([item]);
        self.wake_one();
    }

    /// `Shared::take_injected`.
    fn take(&self) -> Vec<usize> {
        let mut got = Vec::new();
        if self.injector.take(|len| len.div_ceil(self.seats), |n| got.push(n)) > 0 {
            self.wake_one();
        }
        got
    }

    fn has_work(&self) -> bool {
        self.injector.has_some() || self.stop.load(Relaxed)
    }

    /// The life of a seat's thread that runs `items` items and ends.
    fn seat(&self, seat: usize, mut items: usize, spins: bool, mut run: impl FnMut(usize)) {
        lock(&self.threads)[seat] = Some(thread::current());
        while items > 0 {
            for item in self.take() {
                run(item);
                self.ran.fetch_add(1, Relaxed);
                items = items.saturating_sub(1);
            }
            if items == 0 || (spins && self.sleep.spin(|| self.has_work()) == Looked::Found) {
                continue;
            }
            let wake_watchdog = || self.unpark(self.seats);
            if self.injector.has_some() || !self.sleep.prepare(seat, || self.has_work(), wake_watchdog) {
                continue;
            }
            thread::park();
            self.sleep.awake(seat, wake_watchdog);
        }
    }
}

/// The classic hole: the waker sees a spinner, which is about to give up.
#[test]
fn work_that_comes_while_a_spinner_gives_up_is_not_lost() {
    check(None, || {
        let s = Scheduler::new(2);
        let seat = {
            let s = s.clone();
            thread::spawn(move || s.seat(0, 1, true, |_| ()))
        };
        s.inject(1);
        seat.join().unwrap();
        assert_eq!(s.ran.load(Relaxed), 1);
    });
}

#[test]
fn work_from_two_threads_is_not_lost() {
    check(Some(3), || {
        let s = Scheduler::new(1);
        let seat = {
            let s = s.clone();
            thread::spawn(move || s.seat(0, 2, false, |_| ()))
        };
        let other = {
            let s = s.clone();
            thread::spawn(move || s.inject(1))
        };
        s.inject(2);
        other.join().unwrap();
        seat.join().unwrap();
        assert_eq!(s.ran.load(Relaxed), 2);
    });
}

/// Two pieces of work, each of which waits for the other to run: they end only if two seats run them at once. A spinner
/// that both wakers counted on takes one; the other must not wait while the second seat sleeps.
#[test]
fn work_left_behind_by_a_spinner_wakes_another_seat() {
    check(Some(2), || {
        let s = Scheduler::new(2);
        let met = Arc::new(AtomicUsize::new(0));
        // Seat 1 sleeps; seat 0 is about to look around.
        assert!(s.sleep.prepare(1, || false, || ()));
        let seats: Vec<_> = (0..2)
            .map(|seat| {
                let (s, met) = (s.clone(), met.clone());
                thread::spawn(move || {
                    if seat == 1 {
                        thread::park();
                        s.sleep.awake(1, || ());
                    }
                    s.seat(seat, 1, seat == 0, |_| {
                        // A callback that keeps its seat until the other has begun.
                        if met.fetch_add(1, Release) == 0 {
                            while met.load(Acquire) < 2 {
                                thread::yield_now();
                            }
                        }
                    });
                })
            })
            .collect();
        lock(&s.threads)[1] = Some(seats[1].thread().clone());
        s.inject(1);
        s.inject(2);
        for t in seats {
            t.join().unwrap();
        }
        assert_eq!(s.ran.load(Relaxed), 2);
    });
}

/// A timer set by another thread, for a seat that goes to sleep until its next one.
#[test]
fn a_seat_does_not_sleep_past_a_deadline_set_from_outside() {
    check(None, || {
        let s = Scheduler::new(1);
        let next = Arc::new(AtomicU64::new(u64::MAX));
        let seat = {
            let (s, next) = (s.clone(), next.clone());
            thread::spawn(move || {
                lock(&s.threads)[0] = Some(thread::current());
                loop {
                    if next.load(Relaxed) != u64::MAX {
                        return;
                    }
                    assert!(s.sleep.prepare(0, || false, || ()));
                    // `Worker::idle` reads the deadline here and parks until then; at once, if it has come.
                    if next.load(Relaxed) == u64::MAX {
                        thread::park();
                    }
                    s.sleep.awake(0, || ());
                }
            })
        };
        next.store(5, Relaxed);
        if s.sleep.take(0) {
            s.unpark(0);
        }
        seat.join().unwrap();
    });
}

/// The watchdog sleeps only while every seat does: a seat that finds work on its way to sleep has shown its bit, and the
/// watchdog may have believed it.
#[test]
fn the_watchdog_is_awake_while_a_seat_runs() {
    check(Some(3), || {
        let s = Scheduler::new(1);
        let watching = Arc::new(AtomicBool::new(false));
        let watchdog = {
            let (s, watching) = (s.clone(), watching.clone());
            thread::spawn(move || {
                lock(&s.threads)[1] = Some(thread::current());
                // Two ticks: sleeps if it may; awake again it sees the seat.
                for _ in 0..2 {
                    if s.sleep.all_asleep() {
                        s.sleep.watchdog_sleep(|| !s.stop.load(Relaxed), thread::park);
                    }
                }
                watching.store(true, Release);
            })
        };
        let seat = {
            let s = s.clone();
            thread::spawn(move || {
                s.seat(0, 1, false, |_| {
                    // An endless callback: only the watchdog can end it.
                    while !watching.load(Acquire) {
                        thread::yield_now();
                    }
                });
            })
        };
        s.inject(1);
        seat.join().unwrap();
        watchdog.join().unwrap();
    });
}
