//! Taking a seat away from its thread. The seat is a cell; loom fails if two parties are in it at once.

use super::check;
use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, UnsafeCell, thread};
use crate::sched::lease::Tenure;

struct Seat(UnsafeCell<u32>);
// SAFETY: guarded by the tenure; loom sees every access.
unsafe impl Sync for Seat {}
// SAFETY: as above.
unsafe impl Send for Seat {}

impl Seat {
    fn use_it(&self) {
        // SAFETY: callers own the seat; loom checks it.
        self.0.with_mut(|p| unsafe { *p += 1 });
    }

    fn uses(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|p| unsafe { *p })
    }
}

fn seat() -> Arc<Seat> {
    Arc::new(Seat(UnsafeCell::new(0)))
}

#[test]
fn a_thread_and_the_watchdog_never_both_have_the_seat() {
    check(Some(4), || {
        let (tenure, seat) = (Arc::new(Tenure::new()), seat());
        let thread = {
            let (tenure, seat) = (tenure.clone(), seat.clone());
            thread::spawn(move || {
                assert!(tenure.enter(), "nobody takes a seat whose thread has not come yet");
                seat.use_it();
                tenure.exit();
                // A callback runs. Twice it calls the runtime.
                for n in 0..2 {
                    if !tenure.enter() {
                        assert_eq!(tenure.wait_for_token() as usize, 1);
                        return n;
                    }
                    seat.use_it();
                    tenure.exit();
                }
                2
            })
        };
        let mut taken = false;
        for _ in 0..2 {
            taken = taken || tenure.try_revoke(|| true);
        }
        if taken {
            seat.use_it();
            tenure.leave_token(std::ptr::without_provenance(1));
            assert!(!tenure.try_revoke(|| true), "a seat is taken once");
        }
        let calls = thread.join().unwrap();
        assert!(taken || calls == 2);
        assert_eq!(seat.uses(), 1 + calls + u32::from(taken));
    });
}

#[test]
fn a_refused_revocation_leaves_the_seat_with_its_thread() {
    check(None, || {
        let (tenure, seat) = (Arc::new(Tenure::new()), seat());
        assert!(tenure.enter());
        tenure.exit();
        let thread = {
            let (tenure, seat) = (tenure.clone(), seat.clone());
            thread::spawn(move || {
                assert!(tenure.enter(), "not taken");
                seat.use_it();
                tenure.exit();
                assert!(tenure.enter());
                seat.use_it();
            })
        };
        // Both attempts find that the callback has not overstayed after all.
        assert!(!tenure.try_revoke(|| false));
        assert!(!tenure.try_revoke(|| false));
        thread.join().unwrap();
        assert_eq!(seat.uses(), 2);
    });
}

/// The watchdog asks, while the thread is outside, whether the slice is still the one that overstayed.
#[test]
fn the_watchdog_never_takes_a_seat_over_a_slice_that_has_ended() {
    check(None, || {
        let tenure = Arc::new(Tenure::new());
        let slice = Arc::new(AtomicUsize::new(1));
        assert!(tenure.enter());
        tenure.exit();
        let thread = {
            let (tenure, slice) = (tenure.clone(), slice.clone());
            thread::spawn(move || {
                if !tenure.enter() {
                    return slice.load(Relaxed);
                }
                slice.store(3, Relaxed);
                tenure.exit();
                if tenure.enter() { 3 } else { 0 }
            })
        };
        let taken = tenure.try_revoke(|| slice.load(Relaxed) == 1);
        let saw = thread.join().unwrap();
        assert_eq!(taken, saw == 1, "taken during slice 1, or not at all");
    });
}

/// A thread that has lost its seat notices late, while its successor works and while the watchdog looks at that one.
#[test]
fn a_late_thread_does_not_disturb_its_successor() {
    check(Some(3), || {
        let seat = seat();
        let first = Arc::new(Tenure::new());
        assert!(first.enter());
        first.exit();
        let late = {
            let (first, seat) = (first.clone(), seat.clone());
            thread::spawn(move || {
                if first.enter() {
                    seat.use_it();
                    first.exit();
                    true
                } else {
                    assert_eq!(first.wait_for_token() as usize, 1);
                    false
                }
            })
        };
        if !first.try_revoke(|| true) {
            assert!(late.join().unwrap());
            return;
        }
        seat.use_it();
        let second = Arc::new(Tenure::new());
        first.leave_token(std::ptr::without_provenance(1));
        let successor = {
            let (second, seat) = (second.clone(), seat.clone());
            thread::spawn(move || {
                assert!(second.enter());
                seat.use_it();
                second.exit();
                if second.enter() {
                    seat.use_it();
                    second.exit();
                }
            })
        };
        if second.try_revoke(|| true) {
            seat.use_it();
        }
        // Whether the late thread got in before the revocation or was refused, it never meets the others.
        late.join().unwrap();
        successor.join().unwrap();
    });
}
