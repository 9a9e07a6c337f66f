//! The injector: several push, several take their share, nothing lost or doubled; and the halves that busy seats give.

use super::check;
use crate::base::sync::{Arc, Mutex, lock, thread};
use crate::sched::handoff::Handoff;
use crate::sched::queue::RunQueue;
use crate::sched::task::{After, Task, Vtable};

#[test]
fn two_push_and_two_take() {
    check(Some(3), || {
        let queue = Arc::new(Handoff::new());
        let pusher = |items: &'static [u32]| {
            let queue = queue.clone();
            thread::spawn(move || queue.push_all(items.iter().copied()))
        };
        let pushers = [pusher(&[1, 2]), pusher(&[3])];
        let mut got = Vec::new();
        // The share of one of two seats, then what one is woken for.
        let left = queue.take(|len| len.div_ceil(2), |n| got.push(n));
        assert!(left < 3);
        got.extend(queue.pop());
        for p in pushers {
            p.join().unwrap();
        }
        assert_eq!(queue.take(|len| len, |n| got.push(n)), 0);
        assert!(!queue.has_some());
        assert!(got.iter().position(|n| *n == 1) < got.iter().position(|n| *n == 2), "in order");
        got.sort_unstable();
        assert_eq!(got, [1, 2, 3]);
    });
}

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

/// A thread that serves no more: what was pushed is taken by it, left for it to hand on, or refused.
#[test]
fn a_push_and_the_closing_cross() {
    check(None, || {
        let queue = Arc::new(Handoff::new());
        let pusher = {
            let queue = queue.clone();
            thread::spawn(move || [1, 2].map(|n| queue.push(n).is_ok()))
        };
        let mut got: Vec<u32> = queue.pop().into_iter().collect();
        got.extend(queue.close());
        let accepted = pusher.join().unwrap();
        assert_eq!(got.len(), accepted.iter().filter(|a| **a).count());
        assert!(accepted[0] || !accepted[1], "closed is closed");
        assert!(!queue.has_some());
    });
}

struct Tasks(Vec<Task>);
// SAFETY: each task's plain fields belong to whoever has it in a queue.
unsafe impl Sync for Tasks {}
// SAFETY: as above.
unsafe impl Send for Tasks {}

#[derive(Clone, Copy)]
struct Ptr(*mut Task);
// SAFETY: the right travels with it.
unsafe impl Send for Ptr {}

/// A busy seat gives half of its queue away while another takes from the injector; a pinned task stays.
#[test]
fn a_shared_half_reaches_one_seat_each() {
    check(Some(3), || {
        let tasks = Arc::new(Tasks((0..4).map(|_| Task::new(never_runs())).collect()));
        tasks.0[1].pin.store(7, crate::base::sync::atomic::Ordering::Relaxed);
        let injector: Arc<Handoff<Ptr>> = Arc::new(Handoff::new());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let other = {
            let (tasks, injector, taken) = (tasks.clone(), injector.clone(), taken.clone());
            thread::spawn(move || {
                let mut queue = RunQueue::new();
                // SAFETY: the injector held the right.
                injector.take(|len| len.div_ceil(2), |Ptr(t)| unsafe { queue.push(t) });
                while let Some(t) = queue.pop() {
                    lock(&taken).push(number(&tasks, t));
                }
            })
        };
        let mut queue = RunQueue::new();
        for t in &tasks.0 {
            // SAFETY: fresh tasks, ours.
            unsafe { queue.push((&raw const *t).cast_mut()) };
        }
        let mut out = Vec::new();
        queue.split_off_half(&mut out);
        assert_eq!(out.iter().map(|t| number(&tasks, *t)).collect::<Vec<_>>(), [0, 3]);
        injector.push_all(out.into_iter().map(Ptr));
        // SAFETY: the injector held the right.
        injector.take(|len| len, |Ptr(t)| unsafe { queue.push(t) });
        while let Some(t) = queue.pop() {
            lock(&taken).push(number(&tasks, t));
        }
        other.join().unwrap();
        // SAFETY: as above.
        injector.take(|len| len, |Ptr(t)| unsafe { queue.push(t) });
        let mut all = std::mem::take(&mut *lock(&taken));
        while let Some(t) = queue.pop() {
            all.push(number(&tasks, t));
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    });
}

fn number(tasks: &Tasks, t: *mut Task) -> usize {
    tasks.0.iter().position(|x| std::ptr::eq(x, t)).unwrap()
}
