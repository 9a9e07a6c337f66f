//! Timers: a cancel and the firing cross; a process's wheel is polled while others insert.

use super::check;
use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, thread};
use crate::timer::locked::LockedWheel;

const MS: u64 = 1 << 20;

#[test]
fn a_timer_fires_or_is_cancelled_but_not_both() {
    check(None, || {
        let wheel = Arc::new(LockedWheel::new(0));
        let (key, sooner) = wheel.insert(MS, 1);
        assert!(sooner);
        let fired = Arc::new(AtomicUsize::new(0));
        let poller = {
            let (wheel, fired) = (wheel.clone(), fired.clone());
            thread::spawn(move || {
                wheel.poll(2 * MS, |k, deadline, value| {
                    assert_eq!((k, deadline, value), (key, MS, 1));
                    fired.fetch_add(1, Relaxed);
                });
            })
        };
        let other = {
            let wheel = wheel.clone();
            thread::spawn(move || wheel.cancel(key).is_some())
        };
        let here = wheel.cancel(key).is_some();
        let there = other.join().unwrap();
        poller.join().unwrap();
        assert_eq!(usize::from(here) + usize::from(there) + fired.load(Relaxed), 1);
        assert!(wheel.is_empty());
        assert_eq!(wheel.deadline(key), None);
    });
}

/// The cancel of a timer that has fired must not hit another that got its place.
#[test]
fn a_stale_key_cancels_nothing() {
    check(None, || {
        let wheel = Arc::new(LockedWheel::new(0));
        let (old, _) = wheel.insert(MS, 1);
        let poller = {
            let wheel = wheel.clone();
            thread::spawn(move || {
                let mut fired = 0;
                wheel.poll(2 * MS, |_, _, value| fired = value);
                let (new, _) = wheel.insert(9 * MS, 2);
                (fired, new)
            })
        };
        let cancelled = wheel.cancel(old);
        let (fired, new) = poller.join().unwrap();
        assert_eq!(cancelled.is_some(), fired == 0);
        assert_eq!(cancelled.map_or(1, |(_, v)| v), 1, "only the old one");
        assert_eq!(wheel.cancel(new), Some((9 * MS, 2)));
    });
}

/// Whoever inserts a sooner timer is told to wake the poller, also while the poller sets `next` anew.
#[test]
fn a_timer_is_never_later_than_next_says() {
    check(None, || {
        let wheel = Arc::new(LockedWheel::new(0));
        let _ = wheel.insert(MS, 1);
        let inserter = {
            let wheel = wheel.clone();
            thread::spawn(move || wheel.insert(5 * MS, 2).1)
        };
        let mut fired = 0;
        wheel.poll(MS, |_, _, _| fired += 1);
        let next = wheel.next_deadline();
        let sooner = inserter.join().unwrap();
        // Either the poll saw the entry, or its inserter was told that it is the next to fire.
        assert!(next == 5 * MS || sooner);
        assert_eq!(fired, 1);
        assert_eq!(wheel.next_deadline(), 5 * MS);
    });
}
