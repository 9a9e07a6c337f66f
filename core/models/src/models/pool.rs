//! The two pools' threads: work that a pool has accepted is done, though threads leave when nothing comes for a while
//! and cannot always be started. The roster is the library's; the queue, and who starts a thread, paraphrase
//! `sched/blocking.rs` and `sched/slow.rs`. "Nothing came for a while" is: the queue was found empty.
//! A thread that must stay waits until something happens, so that forgotten work is a deadlock, which loom reports.

use super::check;
use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, Condvar, Mutex, even_if_poisoned, lock, thread};
use crate::sched::roster::Roster;
use std::collections::VecDeque;

struct Pool {
    roster: Mutex<Roster>,
    /// The channel: a lock of its own, as in `blocking.rs`.
    queue: Mutex<VecDeque<u32>>,
    sent: Condvar,
    done: AtomicUsize,
    /// Threads that may be started before the kernel has none left.
    startable: AtomicUsize,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Pool {
    fn new(max: usize, startable: usize) -> Arc<Self> {
        Arc::new(Self {
            roster: Mutex::new(Roster::new(max)),
            queue: Mutex::new(VecDeque::new()),
            sent: Condvar::new(),
            done: AtomicUsize::new(0),
            startable: AtomicUsize::new(startable),
            threads: Mutex::new(Vec::new()),
        })
    }

    /// `Pool::submit`; false: refused.
    fn submit(this: &Arc<Self>, work: u32) -> bool {
        let start = lock(&this.roster).work_came();
        if start && !Self::start(this) {
            let mut r = lock(&this.roster);
            if !r.not_started() {
                r.withdrawn();
                drop(r);
                this.time_passes();
                return false;
            }
        }
        lock(&this.queue).push_back(work);
        this.sent.notify_one();
        true
    }

    fn start(this: &Arc<Self>) -> bool {
        let left = this.startable.load(Relaxed);
        if left == 0 {
            return false;
        }
        this.startable.store(left - 1, Relaxed);
        let pool = this.clone();
        let thread = thread::spawn(move || pool.serve());
        lock(&this.threads).push(thread);
        true
    }

    fn serve(&self) {
        lock(&self.roster).arrived();
        loop {
            let at_once = lock(&self.queue).pop_front().is_some();
            if !at_once && (lock(&self.roster).may_leave() || !self.wait()) {
                return;
            }
            lock(&self.roster).took();
            self.done.fetch_add(1, Relaxed);
            lock(&self.roster).done();
            self.time_passes();
        }
    }

    /// Waits for work; false: the time was over again, and the thread was let go.
    fn wait(&self) -> bool {
        let mut queue = lock(&self.queue);
        while queue.pop_front().is_none() {
            if lock(&self.roster).may_leave() {
                return false;
            }
            queue = even_if_poisoned(self.sent.wait(queue));
        }
        true
    }

    /// Something has happened after which a thread whose time is over again may be let go.
    fn time_passes(&self) {
        let _queue = lock(&self.queue);
        self.sent.notify_all();
    }

    fn join_all(&self) {
        loop {
            let Some(t) = lock(&self.threads).pop() else { return };
            t.join().unwrap();
        }
    }
}

#[test]
fn accepted_work_is_done_though_threads_leave() {
    check(Some(2), || {
        let pool = Pool::new(2, 2);
        let mut accepted = 0;
        for work in 0..2 {
            accepted += usize::from(Pool::submit(&pool, work));
        }
        pool.join_all();
        assert_eq!(pool.done.load(Relaxed), accepted);
        assert_eq!(lock(&pool.roster).threads(), 0);
    });
}

#[test]
fn one_thread_at_most_does_it_all() {
    check(Some(2), || {
        let pool = Pool::new(1, 3);
        for work in 0..2 {
            assert!(Pool::submit(&pool, work));
        }
        pool.join_all();
        assert_eq!(pool.done.load(Relaxed), 2);
    });
}

/// Two submitters, and the kernel gives one thread only, or none: what was accepted is done, what was refused is not
/// counted on.
#[test]
fn work_is_refused_rather_than_forgotten_when_no_thread_can_be_started() {
    for startable in [0, 1] {
        check(Some(2), move || {
            let pool = Pool::new(4, startable);
            let other = {
                let pool = pool.clone();
                thread::spawn(move || usize::from(Pool::submit(&pool, 1)))
            };
            let mut accepted = usize::from(Pool::submit(&pool, 2));
            accepted += other.join().unwrap();
            pool.join_all();
            assert_eq!(pool.done.load(Relaxed), accepted);
            assert!(!lock(&pool.roster).is_short(), "nothing waits");
        });
    }
}
