//! The end of a process: a kill that comes while its code runs outside, while the watchdog takes the seat over, while
//! the code comes back, and after the wait for the code is over. The reason is announced once, hooks and destructors
//! run once, an orphan is counted off as often as on, and code of an ending process has no effect.
//!
//! The states (`process/exit_state`), the inbox, the lease and the timer are the library's. Around them, `slice` and
//! `code_is_back` paraphrase `process/run.rs` (`seated`, `locked`, `settle_with`) and `process/exit.rs`; whoever wakes
//! the process runs its slice at once.

use super::check;
use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::{AcqRel, Acquire};
use crate::base::sync::{Arc, Mutex, UnsafeCell, lock, thread};
use crate::process::exit_state::{CameBack, ExitState, MustEnd};
use crate::process::inbox::{Inbox, Link, Pushed};
use crate::sched::lease::Tenure;
use crate::timer::locked::LockedWheel;
use crate::timer::wheel::TimerKey;

const MS: u64 = 1 << 20;
const GRACE: u64 = 4 * MS;

/// A kill signal.
struct Kill {
    next: UnsafeCell<*mut Kill>,
}

impl Link for Kill {
    unsafe fn set_next(node: *mut Self, next: *mut Self) {
        // SAFETY: by contract.
        unsafe { (*node).next.with_mut(|p| *p = next) }
    }
    unsafe fn next(node: *mut Self) -> *mut Self {
        // SAFETY: by contract.
        unsafe { (*node).next.with(|p| *p) }
    }
}

/// Hooks, body and state of the process: finished by being taken.
struct Body;

/// What belongs to the holder of the right, and once there is a guest to the holder of its lock.
struct Own {
    pending: bool,
    body: Option<Body>,
    /// The inbox is closed, name and tables are free.
    given_back: bool,
    clean: bool,
}

struct Process {
    inbox: Inbox<Kill>,
    guest: Mutex<ExitState<Body, TimerKey>>,
    own: UnsafeCell<Own>,
    /// Whether there is a guest; guarded by the right alone.
    has_guest: UnsafeCell<bool>,
    wheel: LockedWheel<()>,
    announced: AtomicUsize,
    finished: AtomicUsize,
    orphans: AtomicUsize,
    orphans_ever: AtomicUsize,
}

// SAFETY: `own` is guarded as its type says; loom sees every access to it.
unsafe impl Sync for Process {}
// SAFETY: as above.
unsafe impl Send for Process {}

impl Process {
    /// A process in a slice: its right is held by whoever runs its code.
    fn running() -> Arc<Self> {
        let inbox = Inbox::new_closed();
        inbox.open();
        Arc::new(Self {
            inbox,
            guest: Mutex::new(ExitState::new(true)),
            own: UnsafeCell::new(Own { pending: false, body: Some(Body), given_back: false, clean: false }),
            has_guest: UnsafeCell::new(false),
            wheel: LockedWheel::new(0),
            announced: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            orphans: AtomicUsize::new(0),
            orphans_ever: AtomicUsize::new(0),
        })
    }

    /// A process whose code runs outside, as the watchdog or the slow lane leaves it: nobody has the right.
    fn outside() -> Arc<Self> {
        let p = Self::running();
        p.get_guest();
        assert!(p.inbox.go_idle());
        p
    }

    fn own<R>(&self, f: impl FnOnce(&mut Own) -> R) -> R {
        // SAFETY: callers own it; loom checks it.
        self.own.with_mut(|p| f(unsafe { &mut *p }))
    }

    fn kill(&self) {
        let node = Box::into_raw(Box::new(Kill { next: UnsafeCell::new(std::ptr::null_mut()) }));
        // SAFETY: a fresh chain of one.
        match unsafe { self.inbox.push(node, node) } {
            Pushed::Queued => {}
            Pushed::Woke => self.slice(MS),
            // SAFETY: still ours.
            Pushed::Closed => drop(unsafe { Box::from_raw(node) }),
        }
    }

    fn drop_chain(mut node: *mut Kill) -> bool {
        let any = !node.is_null();
        while !node.is_null() {
            // SAFETY: taken from the inbox, so ours.
            let n = unsafe { Box::from_raw(node) };
            // SAFETY: ours alone.
            node = n.next.with(|p| unsafe { *p });
        }
        any
    }

    fn drain(&self) {
        if self.inbox.has_new() && Self::drop_chain(self.inbox.take()) {
            self.own(|own| own.pending = true);
        }
    }

    /// Steps 1 to 3 of the exit protocol.
    fn first_half(&self) {
        Self::drop_chain(self.inbox.close());
        self.own(|own| assert!(!std::mem::replace(&mut own.given_back, true), "given back once"));
    }

    fn finish(&self, body: Body) {
        let Body = body;
        self.finished.fetch_add(1, AcqRel);
    }

    fn announce_and_clean(&self) {
        self.announced.fetch_add(1, AcqRel);
        self.own(|own| {
            assert!(own.given_back, "names and tables are free before anybody hears");
            assert!(!std::mem::replace(&mut own.clean, true), "clean once");
        });
    }

    fn terminate(&self, begun: bool) {
        if !begun {
            self.first_half();
        }
        let body = self.own(|own| own.body.take());
        self.finish(body.expect("the body is still there"));
        self.announce_and_clean();
    }

    /// A slice by the holder of the right.
    fn slice(&self, now: u64) {
        // SAFETY: the caller holds the right; loom checks it.
        if !self.has_guest.with(|p| unsafe { *p }) {
            return self.seated_slice();
        }
        let mut g = lock(&self.guest);
        loop {
            self.drain();
            if self.own(|own| own.pending) {
                match g.must_end(now, GRACE) {
                    MustEnd::Finish { begun } => {
                        drop(g);
                        return self.terminate(begun);
                    }
                    MustEnd::Begin { until } => {
                        self.first_half();
                        let (key, _) = self.wheel.insert(until, ());
                        return g.armed(key);
                    }
                    MustEnd::Wait { until } => {
                        let (key, _) = self.wheel.insert(until, ());
                        return g.armed(key);
                    }
                    MustEnd::Abandon => {
                        let body = self.own(|own| own.body.take());
                        self.orphans.fetch_add(1, AcqRel);
                        self.orphans_ever.fetch_add(1, AcqRel);
                        g.orphaned(body.expect("the body is still there"));
                        drop(g);
                        return self.announce_and_clean();
                    }
                }
            }
            if self.inbox.go_idle() {
                return;
            }
        }
    }

    fn get_guest(&self) {
        // SAFETY: callers hold the right; loom checks it.
        self.has_guest.with_mut(|p| unsafe { *p = true });
    }

    fn seated_slice(&self) {
        loop {
            self.drain();
            if self.own(|own| own.pending) {
                return self.terminate(false);
            }
            if self.inbox.go_idle() {
                return;
            }
        }
    }

    /// The code calls the runtime.
    fn acts(&self) -> bool {
        let g = lock(&self.guest);
        let may = g.may_act();
        if may {
            self.own(|own| assert!(!own.given_back, "no effect once the end has begun"));
        }
        may
    }

    /// The code has come back to a process that has a guest.
    fn code_is_back(&self) {
        let mut g = lock(&self.guest);
        let claimed = match g.came_back() {
            CameBack::Alive => self.inbox.claim(),
            CameBack::Ending(key) => self.wheel.cancel(key.expect("armed under the same lock")).is_some(),
            CameBack::Orphan(body) => {
                drop(g);
                self.finish(body);
                self.orphans.fetch_sub(1, AcqRel);
                return;
            }
            CameBack::Gone => panic!("code that is out is waited for, or its body is left to it"),
        };
        drop(g);
        if claimed {
            self.slice(2 * MS);
        }
    }

    fn timer(&self, now: u64) {
        self.wheel.poll(now, |_, _, ()| self.slice(now));
    }

    fn check(&self) {
        assert_eq!(self.announced.load(Acquire), 1, "announced once");
        assert_eq!(self.finished.load(Acquire), 1, "hooks and destructors once");
        assert_eq!(self.orphans.load(Acquire), 0, "no orphan is left");
        assert!(self.inbox.is_closed());
        assert!(self.wheel.is_empty(), "no timer is left");
        self.own(|own| assert!(own.clean && own.body.is_none()));
    }
}

#[test]
fn a_kill_while_code_runs_outside_and_its_return_and_the_end_of_the_wait() {
    check(Some(3), || {
        let p = Process::outside();
        let killer = {
            let p = p.clone();
            thread::spawn(move || p.kill())
        };
        let code = {
            let p = p.clone();
            thread::spawn(move || {
                p.acts();
                p.code_is_back();
            })
        };
        // The wait is over, if it had begun.
        p.timer(100 * MS);
        killer.join().unwrap();
        code.join().unwrap();
        p.timer(200 * MS);
        p.check();
    });
}

#[test]
fn code_that_never_came_back_in_time_is_an_orphan_and_finishes_itself() {
    check(None, || {
        let p = Process::outside();
        p.kill();
        let code = {
            let p = p.clone();
            thread::spawn(move || {
                assert!(!p.acts(), "the end has begun");
                p.code_is_back();
            })
        };
        p.timer(100 * MS);
        let early = p.orphans_ever.load(Acquire) == 0;
        if !early {
            assert_eq!(p.announced.load(Acquire), 1, "announced though the code may still run");
        }
        code.join().unwrap();
        p.check();
    });
}

#[test]
fn two_kills_and_a_return() {
    check(Some(3), || {
        let p = Process::outside();
        let killers: Vec<_> = (0..2)
            .map(|_| {
                let p = p.clone();
                thread::spawn(move || p.kill())
            })
            .collect();
        p.code_is_back();
        for k in killers {
            k.join().unwrap();
        }
        assert_eq!(p.announced.load(Acquire), 1, "the end does not wait longer than the code takes");
        p.check();
    });
}

/// The thread's callback returns while the watchdog takes its seat, and a kill comes.
#[test]
fn a_kill_while_the_watchdog_takes_over_and_the_callback_returns() {
    check(Some(3), || {
        let p = Process::running();
        let tenure = Arc::new(Tenure::new());
        assert!(tenure.enter());
        tenure.exit();
        let callback = {
            let (p, tenure) = (p.clone(), tenure.clone());
            thread::spawn(move || {
                if tenure.enter() {
                    // `Hold::Seat`: the slice goes on.
                    p.seated_slice();
                } else {
                    assert_eq!(tenure.wait_for_token() as usize, 1);
                    p.code_is_back();
                }
            })
        };
        let killer = {
            let p = p.clone();
            thread::spawn(move || p.kill())
        };
        if tenure.try_revoke(|| true) {
            // `overstayed`: the fields go under the lock, the process is queued for a seat.
            p.get_guest();
            tenure.leave_token(std::ptr::without_provenance(1));
            p.slice(MS);
        }
        callback.join().unwrap();
        killer.join().unwrap();
        assert_eq!(p.announced.load(Acquire), 1, "the end does not wait longer than the code takes");
        p.check();
    });
}
