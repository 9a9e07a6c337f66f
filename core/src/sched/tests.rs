//! Tests of the scheduler's single-owner parts and of the blocking pool. What several threads do to each other is
//! checked by the crate `core/models`.

use super::blocking::Pool;
use super::queue::RunQueue;
use super::seat::Seat;
use super::task::{After, Priority, Task, Vtable};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn never_runs() -> &'static Vtable {
    unsafe fn run(_: *mut Task) -> After {
        unreachable!("nobody runs it")
    }
    unsafe fn overstayed(_: *mut Task) -> *const () {
        unreachable!("nobody runs it")
    }
    unsafe fn deliver(_: *mut Task, _: *mut (), _: *mut (), _: u32) {
        unreachable!("nobody runs it")
    }
    static TABLE: Vtable = Vtable { run, overstayed, deliver };
    &TABLE
}

/// Tasks with numbers: their places in a slice.
struct Tasks(Vec<Task>);

impl Tasks {
    fn new(n: usize) -> Self {
        Self((0..n).map(|_| Task::new(never_runs())).collect())
    }

    fn with(priorities: &[Priority]) -> Self {
        let t = Self::new(priorities.len());
        for (task, p) in t.0.iter().zip(priorities) {
            task.priority.store(*p as u8, Relaxed);
        }
        t
    }

    fn ptr(&self, n: usize) -> *mut Task {
        (&raw const self.0[n]).cast_mut()
    }

    fn number(&self, t: *mut Task) -> usize {
        self.0.iter().position(|x| std::ptr::eq(x, t)).unwrap()
    }

    fn queue(&self) -> RunQueue {
        let mut q = RunQueue::new();
        for n in 0..self.0.len() {
            // SAFETY: fresh tasks that outlive the queue, in no other.
            unsafe { q.push(self.ptr(n)) };
        }
        q
    }

    fn drain(&self, q: &mut RunQueue) -> Vec<usize> {
        std::iter::from_fn(|| q.pop()).map(|t| self.number(t)).collect()
    }
}

use Priority::{High, Low, Max, Normal};

#[test]
fn urgent_priorities_go_first_and_each_list_is_in_order() {
    let t = Tasks::with(&[Normal, High, Max, Normal, High, Max]);
    assert_eq!(t.drain(&mut t.queue()), [2, 5, 1, 4, 0, 3]);
}

#[test]
fn low_is_served_once_for_eight_turns_of_normal() {
    let mut priorities = vec![Normal; 20];
    priorities.extend([Low; 3]);
    let t = Tasks::with(&priorities);
    let order = t.drain(&mut t.queue());
    let low: Vec<usize> = order.iter().enumerate().filter(|(_, n)| **n >= 20).map(|(turn, _)| turn).collect();
    assert_eq!(low, [8, 17, 22]);
}

#[test]
fn low_does_not_wait_longer_when_the_queue_is_shared_meanwhile() {
    let mut priorities = vec![Normal; 40];
    priorities.push(Low);
    let t = Tasks::with(&priorities);
    // Pinned tasks stay, whatever is shared.
    t.0.iter().for_each(|task| task.pin.store(1, Relaxed));
    let mut q = t.queue();
    let mut turns = 0;
    while t.number(q.pop().unwrap()) != 40 {
        q.split_off_half(&mut Vec::new());
        turns += 1;
    }
    assert_eq!(turns, 8);
}

#[test]
fn half_is_shared_urgent_first_and_pinned_tasks_stay() {
    let t = Tasks::with(&[Normal, Normal, High, Normal, Low, Normal]);
    t.0[1].pin.store(3, Relaxed);
    let mut q = t.queue();
    let mut out = Vec::new();
    q.split_off_half(&mut out);
    assert_eq!(out.iter().map(|x| t.number(*x)).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(q.len(), 3);
    assert!(!q.has_urgent());
    assert_eq!(t.drain(&mut q), [0, 1, 5]);
}

#[test]
fn the_nth_task_is_taken_and_the_others_keep_their_order() {
    let t = Tasks::new(5);
    let mut q = t.queue();
    assert_eq!(q.pop_nth(3).map(|x| t.number(x)), Some(3));
    assert_eq!(q.pop_nth(9), None);
    assert_eq!(t.drain(&mut q), [0, 1, 2, 4]);
    assert!(q.is_empty());
}

proptest! {
    /// The queue against four plain lists.
    #[test]
    fn the_run_queue_serves_as_four_lists_would(ops in prop::collection::vec((0u8..6, 0usize..32), 1..300)) {
        let t = Tasks::new(32);
        let mut q = RunQueue::new();
        let mut lists: [VecDeque<usize>; 4] = Default::default();
        let mut since_low = 0;
        for (op, n) in ops {
            let waiting: usize = lists.iter().map(VecDeque::len).sum();
            match op {
                p @ 0..4 if !lists.iter().any(|l| l.contains(&n)) => {
                    t.0[n].priority.store(p, Relaxed);
                    lists[p as usize].push_back(n);
                    // SAFETY: it is in no queue, as the lists say.
                    unsafe { q.push(t.ptr(n)) };
                }
                4 | 5 => {
                    let urgent = lists[0].pop_front().or_else(|| lists[1].pop_front());
                    let expected = urgent.or_else(|| {
                        if waiting == 0 {
                            return None;
                        }
                        if since_low >= 8 {
                            since_low = 0;
                            if let Some(n) = lists[3].pop_front() {
                                return Some(n);
                            }
                        }
                        since_low += 1;
                        lists[2].pop_front().or_else(|| lists[3].pop_front())
                    });
                    prop_assert_eq!(q.pop().map(|x| t.number(x)), expected);
                }
                _ => {}
            }
            prop_assert_eq!(q.len(), lists.iter().map(VecDeque::len).sum::<usize>());
            prop_assert_eq!(q.has_urgent(), !lists[0].is_empty() || !lists[1].is_empty());
        }
    }
}

fn pop(t: &Tasks, seat: &mut Seat) -> Option<usize> {
    seat.pop().map(|x| t.number(x))
}

#[test]
fn a_woken_task_runs_next_and_pushes_the_one_before_it_back() {
    let t = Tasks::new(3);
    let mut seat = Seat::new();
    // SAFETY: fresh tasks, in no queue.
    unsafe {
        seat.push_back(t.ptr(0));
        seat.push_woken(t.ptr(1));
        seat.push_woken(t.ptr(2));
    }
    assert_eq!(seat.len(), 3);
    assert_eq!([pop(&t, &mut seat), pop(&t, &mut seat), pop(&t, &mut seat)], [Some(2), Some(0), Some(1)]);
    assert_eq!(pop(&t, &mut seat), None);
}

#[test]
fn two_tasks_that_wake_each_other_do_not_keep_a_third_waiting_for_ever() {
    let t = Tasks::new(3);
    let mut seat = Seat::new();
    // SAFETY: fresh tasks; each is pushed when it is in no queue.
    unsafe {
        seat.push_back(t.ptr(2));
        seat.push_woken(t.ptr(0));
        for turn in 0..1000 {
            match pop(&t, &mut seat) {
                Some(2) => {
                    assert!((100..200).contains(&turn), "after {turn} turns");
                    return;
                }
                Some(n) => seat.push_woken(t.ptr(1 - n)),
                None => panic!("somebody waits"),
            }
        }
    }
    panic!("starved");
}

#[test]
fn a_tick_ends_the_privilege_of_woken_tasks() {
    let t = Tasks::new(2);
    let mut seat = Seat::new();
    // SAFETY: fresh tasks, in no queue.
    unsafe {
        seat.push_back(t.ptr(0));
        seat.push_woken(t.ptr(1));
    }
    seat.end_lifo_turns();
    assert_eq!([pop(&t, &mut seat), pop(&t, &mut seat)], [Some(0), Some(1)]);
}

#[test]
fn a_woken_task_does_not_go_before_an_urgent_one_nor_a_low_one_before_others() {
    let t = Tasks::with(&[High, Normal, Normal, Low]);
    let mut seat = Seat::new();
    // SAFETY: fresh tasks, in no queue.
    unsafe {
        seat.push_back(t.ptr(0));
        seat.push_woken(t.ptr(1));
    }
    assert_eq!([pop(&t, &mut seat), pop(&t, &mut seat)], [Some(0), Some(1)]);
    // SAFETY: as above.
    unsafe {
        seat.push_back(t.ptr(2));
        seat.push_woken(t.ptr(3));
    }
    assert_eq!([pop(&t, &mut seat), pop(&t, &mut seat)], [Some(2), Some(3)]);
}

#[test]
fn pinned_tasks_leave_a_seat_whose_thread_has_lost_it() {
    let t = Tasks::new(4);
    t.0[1].pin.store(7, Relaxed);
    t.0[3].pin.store(7, Relaxed);
    let mut seat = Seat::new();
    // SAFETY: fresh tasks, in no queue.
    unsafe {
        (0..3).for_each(|n| seat.push_back(t.ptr(n)));
        seat.push_woken(t.ptr(3));
    }
    let mut out = Vec::new();
    seat.take_pinned(|pin, x| out.push((pin, t.number(x))));
    assert_eq!(out, [(7, 1), (7, 3)]);
    assert_eq!([pop(&t, &mut seat), pop(&t, &mut seat), pop(&t, &mut seat)], [Some(0), Some(2), None]);
}

#[test]
fn work_that_comes_as_threads_grow_tired_is_done() {
    // Keep-alive and pause are about equal, so that submissions and departures cross again and again.
    let pool = Arc::new(Pool::with_keep_alive(4, Duration::from_micros(300)));
    let submitter = |n: u64| {
        let pool = pool.clone();
        std::thread::spawn(move || {
            for round in 0..300 {
                let (tell, told) = mpsc::channel();
                pool.submit(Box::new(move || tell.send(()).unwrap())).unwrap();
                told.recv_timeout(Duration::from_secs(10)).expect("accepted work is done");
                std::thread::sleep(Duration::from_micros(200 + (round * 37 + n * 91) % 200));
            }
        })
    };
    let submitters = [submitter(0), submitter(1)];
    for s in submitters {
        s.join().unwrap();
    }
    let gone = Instant::now() + Duration::from_secs(10);
    while pool.threads() > 0 {
        assert!(Instant::now() < gone, "idle threads end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_pool_keeps_to_its_limit_and_survives_panics() {
    let pool = Pool::new(2);
    let (running, most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), mpsc::channel());
    for n in 0..20 {
        let (running, most, tell) = (running.clone(), most.clone(), done.0.clone());
        let work = move || {
            let now = running.fetch_add(1, SeqCst) + 1;
            most.fetch_max(now, SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, SeqCst);
            tell.send(()).unwrap();
            assert!(n % 5 != 0, "this panic is part of the test");
        };
        pool.submit(Box::new(work)).unwrap();
    }
    for _ in 0..20 {
        done.1.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    assert_eq!(most.load(SeqCst), 2);
    let until = Instant::now() + Duration::from_secs(10);
    while pool.panics() < 4 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    assert_eq!(pool.threads(), 2);
}
