//! The inbox: nothing lost, nothing doubled, in order, exactly one owner; its closing; its slot's next life.
//! The second door, a seat's deferred chain, pushes a chain at once (`process/send.rs`); so some pushes here do.

use super::check;
use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, Mutex, UnsafeCell, lock, thread};
use crate::process::inbox::{Inbox, Link, Pushed};

struct Node {
    next: UnsafeCell<*mut Node>,
    serial: u32,
    /// Who sent it, and as which of its messages.
    from: usize,
    number: u32,
}

impl Link for Node {
    unsafe fn set_next(node: *mut Self, next: *mut Self) {
        // SAFETY: by contract.
        unsafe { (*node).next.with_mut(|p| *p = next) }
    }
    unsafe fn next(node: *mut Self) -> *mut Self {
        // SAFETY: by contract.
        unsafe { (*node).next.with(|p| *p) }
    }
}

/// A process slot reduced to its inbox, its serial, and what only its owner may touch.
struct Slot {
    inbox: Inbox<Node>,
    serial: AtomicUsize,
    own: UnsafeCell<Own>,
}

#[derive(Default)]
struct Own {
    /// Numbers received, by sender.
    got: [Vec<u32>; 3],
    /// Nodes for somebody who lived here before.
    strays: usize,
    closed: bool,
    /// Nodes that came too late, from the closing.
    late: usize,
}

// SAFETY: `own` is guarded by the scheduling right; loom sees every access to it.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

impl Slot {
    /// A process that nobody runs: its right was given up.
    fn idle() -> Arc<Self> {
        let slot =
            Self { inbox: Inbox::new_closed(), serial: AtomicUsize::new(1), own: UnsafeCell::new(Own::default()) };
        slot.inbox.open();
        assert!(slot.inbox.go_idle());
        Arc::new(slot)
    }

    /// A chain of `numbers`: its oldest and its newest node.
    fn chain(from: usize, serial: u32, numbers: &[u32]) -> (*mut Node, *mut Node) {
        let mut newest: *mut Node = std::ptr::null_mut();
        let mut oldest = newest;
        for &number in numbers {
            let next = UnsafeCell::new(newest);
            newest = Box::into_raw(Box::new(Node { next, serial, from, number }));
            if oldest.is_null() {
                oldest = newest;
            }
        }
        (oldest, newest)
    }

    fn push(&self, from: usize, serial: u32, numbers: &[u32]) -> Pushed {
        let (oldest, mut newest) = Self::chain(from, serial, numbers);
        // SAFETY: fresh, linked newest to oldest.
        let pushed = unsafe { self.inbox.push(oldest, newest) };
        if pushed == Pushed::Closed {
            loop {
                let node = newest;
                // SAFETY: the chain is still ours; its oldest node links to nothing of ours.
                unsafe {
                    newest = Node::next(node);
                    drop(Box::from_raw(node));
                }
                if node == oldest {
                    break;
                }
            }
        }
        pushed
    }

    /// Sends, and serves the process if that gave us the right. True: it was delivered.
    fn send(&self, from: usize, serial: u32, numbers: &[u32]) -> bool {
        match self.push(from, serial, numbers) {
            Pushed::Queued => true,
            Pushed::Woke => {
                self.serve(false);
                true
            }
            Pushed::Closed => false,
        }
    }

    fn own<R>(&self, f: impl FnOnce(&mut Own) -> R) -> R {
        // SAFETY: callers hold the right; loom checks it.
        self.own.with_mut(|p| f(unsafe { &mut *p }))
    }

    /// Applies a chain. `serial`: whom it must be for.
    fn apply(&self, mut node: *mut Node, serial: u32, mut f: impl FnMut(&mut Own, &Node)) {
        while !node.is_null() {
            // SAFETY: taken from the inbox, so live and ours.
            let n = unsafe { Box::from_raw(node) };
            // SAFETY: ours alone.
            node = n.next.with(|p| unsafe { *p });
            self.own(|own| if n.serial == serial { f(own, &n) } else { own.strays += 1 });
        }
    }

    fn drain(&self) {
        let serial = self.serial.load(Relaxed) as u32;
        self.apply(self.inbox.take(), serial, |own, n| own.got[n.from].push(n.number));
    }

    /// A slice of the owner: drains until it may go idle; or, `then_die`, drains once and closes.
    fn serve(&self, then_die: bool) {
        loop {
            if self.inbox.has_new() {
                self.drain();
            }
            if then_die {
                return self.close();
            }
            if self.inbox.go_idle() {
                return;
            }
        }
    }

    fn close(&self) {
        let serial = self.serial.load(Relaxed) as u32;
        self.apply(self.inbox.close(), serial, |own, _| own.late += 1);
        self.own(|own| own.closed = true);
        assert!(!self.inbox.has_new(), "a closed inbox has nothing new");
    }
}

#[test]
fn two_senders_and_an_owner_lose_nothing_double_nothing_and_wake_once() {
    check(Some(4), || {
        let slot = Slot::idle();
        let wakes = Arc::new(AtomicUsize::new(0));
        let sender = |from: usize, batches: &'static [&'static [u32]]| {
            let (slot, wakes) = (slot.clone(), wakes.clone());
            thread::spawn(move || {
                for numbers in batches {
                    match slot.push(from, 1, numbers) {
                        Pushed::Queued => {}
                        Pushed::Woke => {
                            wakes.fetch_add(1, Relaxed);
                            slot.serve(false);
                        }
                        Pushed::Closed => panic!("it is open"),
                    }
                }
            })
        };
        let a = sender(0, &[&[1, 2], &[3]]);
        let b = sender(1, &[&[1]]);
        a.join().unwrap();
        b.join().unwrap();
        // Nobody is left awake, and everything was drained by the time the last owner gave the right up.
        assert!(slot.inbox.claim(), "the right is free in the end");
        assert!(!slot.inbox.has_new());
        slot.own(|own| {
            assert_eq!(own.got, [vec![1, 2, 3], vec![1], vec![]]);
            assert_eq!(own.strays, 0);
        });
        assert!((1..=3).contains(&wakes.load(Relaxed)));
    });
}

#[test]
fn three_senders_keep_their_order() {
    check(Some(3), || {
        let slot = Slot::idle();
        let threads: Vec<_> = (0..2)
            .map(|from| {
                let slot = slot.clone();
                thread::spawn(move || {
                    assert!(slot.send(from, 1, &[1]));
                    assert!(slot.send(from, 1, &[2]));
                })
            })
            .collect();
        assert!(slot.send(2, 1, &[1, 2]));
        for t in threads {
            t.join().unwrap();
        }
        assert!(slot.inbox.claim());
        slot.own(|own| assert_eq!(own.got, [vec![1, 2], vec![1, 2], vec![1, 2]]));
    });
}

#[test]
fn the_right_goes_to_a_claim_or_to_a_sender() {
    check(None, || {
        let slot = Slot::idle();
        let sender = {
            let slot = slot.clone();
            thread::spawn(move || assert!(slot.send(0, 1, &[1])))
        };
        let claimed = slot.inbox.claim();
        if claimed {
            // Whoever claims sees what the last owner wrote.
            slot.own(|own| assert!(own.got[0].len() <= 1));
            slot.serve(false);
        }
        sender.join().unwrap();
        assert!(slot.inbox.claim());
        slot.own(|own| assert_eq!(own.got[0], [1]));
    });
}

#[test]
fn a_send_and_the_end_of_its_receiver_cross() {
    check(None, || {
        let slot = Slot::idle();
        let sender = {
            let slot = slot.clone();
            thread::spawn(move || {
                let first = slot.send(0, 1, &[1]);
                let second = slot.send(0, 1, &[2, 3]);
                (first, second)
            })
        };
        let claimed = slot.inbox.claim();
        if claimed {
            slot.serve(true);
        }
        let (first, second) = sender.join().unwrap();
        if claimed {
            slot.own(|own| {
                assert!(own.closed);
                // Each message was drained, answered at the closing, or refused: never two of them, never none.
                let kept = own.got[0].len() + own.late;
                assert_eq!(kept, usize::from(first) + 2 * usize::from(second));
            });
            assert!(first || !second, "a closed inbox stays closed");
            assert!(slot.inbox.is_closed());
        } else {
            // The sender had the right at that moment; it drained all.
            slot.own(|own| assert_eq!(own.got[0], [1, 2, 3]));
        }
    });
}

#[test]
fn a_late_send_to_the_former_life_of_a_slot_reaches_nobody() {
    check(Some(4), || {
        let slot = Slot::idle();
        let late = {
            let slot = slot.clone();
            thread::spawn(move || {
                // Both are meant for the process with serial 1, whatever lives there by then.
                slot.send(0, 1, &[1]);
                slot.send(0, 1, &[2]);
            })
        };
        // The process dies; another is born in its slot and runs its first slice.
        if slot.inbox.claim() {
            slot.serve(true);
            slot.own(|own| *own = Own { got: Default::default(), ..std::mem::take(own) });
            slot.serial.store(2, Relaxed);
            slot.inbox.open();
            slot.serve(false);
            assert!(slot.send(1, 2, &[9]));
            late.join().unwrap();
            assert!(slot.inbox.claim(), "a stray wake leaves the right free");
            slot.own(|own| {
                assert_eq!(own.got, [vec![], vec![9], vec![]], "nothing for serial 1 reaches serial 2");
                assert!(own.strays + own.late <= 2);
            });
        } else {
            late.join().unwrap();
        }
    });
}

/// A process whose code runs outside: its code takes what has come under the guest's lock, while whoever has the right
/// does the same. (`Core::drain` and `locked`, paraphrased.)
#[test]
fn a_guest_and_the_owner_take_from_one_inbox() {
    check(Some(3), || {
        let slot = Slot::idle();
        let guest = Arc::new(Mutex::new(()));
        let slice = |slot: &Slot, guest: &Mutex<()>| {
            let _lock = lock(guest);
            slot.serve(false);
        };
        let sender = {
            let (slot, guest) = (slot.clone(), guest.clone());
            thread::spawn(move || {
                for number in [1, 2] {
                    if slot.push(0, 1, &[number]) == Pushed::Woke {
                        slice(&slot, &guest);
                    }
                }
            })
        };
        let code = {
            let (slot, guest) = (slot.clone(), guest.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let _lock = lock(&guest);
                    if slot.inbox.has_new() {
                        slot.drain();
                    }
                }
            })
        };
        sender.join().unwrap();
        code.join().unwrap();
        assert!(slot.inbox.claim(), "the right is free in the end");
        slot.own(|own| assert_eq!(own.got[0], [1, 2]));
    });
}

/// `Slot::give`: a sender that finds the process idle takes the right and applies its signal itself.
#[test]
fn a_sender_that_applies_its_own_signal_keeps_the_order() {
    check(Some(3), || {
        let slot = Slot::idle();
        let give = |slot: &Slot, from: usize, number: u32| {
            if slot.inbox.is_idle() && slot.inbox.claim() {
                slot.own(|own| own.got[from].push(number));
                slot.serve(false);
            } else {
                assert!(slot.send(from, 1, &[number]));
            }
        };
        let senders: Vec<_> = (0..2)
            .map(|from| {
                let slot = slot.clone();
                thread::spawn(move || {
                    give(&slot, from, 1);
                    give(&slot, from, 2);
                })
            })
            .collect();
        for s in senders {
            s.join().unwrap();
        }
        assert!(slot.inbox.claim());
        slot.own(|own| assert_eq!(own.got, [vec![1, 2], vec![1, 2], vec![]]));
    });
}
