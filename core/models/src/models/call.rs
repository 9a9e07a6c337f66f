//! A native call: reply, second reply, death of the server, timeout, death of the caller. Exactly one outcome; every
//! value dropped once; the caller is told exactly when there is something to take.

use super::check;
use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, thread};
use crate::process::call_state::{CallState, Outcome};

/// A term: counts its drops.
struct Value {
    what: &'static str,
    drops: Arc<AtomicUsize>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Relaxed);
    }
}

struct Call {
    state: CallState<Value>,
    /// `Reply` signals in the caller's inbox.
    signals: AtomicUsize,
    drops: Arc<AtomicUsize>,
}

impl Call {
    fn new() -> Arc<Self> {
        let drops = Arc::new(AtomicUsize::new(0));
        Arc::new(Self { state: CallState::new(), signals: AtomicUsize::new(0), drops })
    }

    /// What `call::finish` does: true if it was in time.
    fn finish(&self, reply: bool, what: &'static str) -> bool {
        let value = Value { what, drops: self.drops.clone() };
        let outcome = if reply { Outcome::Replied(value) } else { Outcome::Failed(value) };
        let in_time = self.state.finish(outcome).is_ok();
        if in_time {
            self.signals.fetch_add(1, Relaxed);
        }
        in_time
    }

    fn finisher(this: &Arc<Self>, reply: bool, what: &'static str) -> thread::JoinHandle<bool> {
        let call = this.clone();
        thread::spawn(move || call.finish(reply, what))
    }
}

fn name(outcome: Option<Outcome<Value>>) -> &'static str {
    match outcome {
        Some(Outcome::Replied(v) | Outcome::Failed(v)) => v.what,
        None => "nothing",
    }
}

#[test]
fn a_reply_the_servers_end_and_the_timeout_have_one_outcome() {
    check(Some(4), || {
        let call = Call::new();
        let reply = Call::finisher(&call, true, "reply");
        let end = Call::finisher(&call, false, "end");
        // The caller looks once, then its time is over.
        let mut got = name(call.state.take());
        if got == "nothing" {
            got = if call.state.give_up() { "timeout" } else { name(call.state.take()) };
        }
        let (replied, ended) = (reply.join().unwrap(), end.join().unwrap());
        let expected = match (replied, ended) {
            (true, false) => "reply",
            (false, true) => "end",
            (false, false) => "timeout",
            (true, true) => panic!("two outcomes"),
        };
        assert_eq!(got, expected);
        assert_eq!(call.signals.load(Relaxed), usize::from(got != "timeout"));
        assert_eq!(name(call.state.take()), "nothing", "taken once");
        assert!(!call.state.is_done());
        assert_eq!(call.drops.load(Relaxed), 2, "each value is dropped once");
        // Late ones find it closed.
        assert!(!call.finish(true, "late"));
        assert!(!call.state.give_up());
    });
}

#[test]
fn of_two_replies_one_counts() {
    check(None, || {
        let call = Call::new();
        let a = Call::finisher(&call, true, "a");
        let b = Call::finisher(&call, true, "b");
        let (a, b) = (a.join().unwrap(), b.join().unwrap());
        assert!(a != b);
        assert!(call.state.is_done());
        assert_eq!(name(call.state.take()), if a { "a" } else { "b" });
    });
}

/// A caller that dies while the reply is on its way: nobody takes it, and it is dropped with the record.
#[test]
fn an_outcome_nobody_takes_is_dropped_once() {
    check(None, || {
        let call = Call::new();
        let drops = call.drops.clone();
        let reply = Call::finisher(&call, true, "reply");
        let closed = call.state.give_up();
        let replied = reply.join().unwrap();
        assert!(closed != replied);
        drop(call);
        assert_eq!(drops.load(Relaxed), 1);
    });
}

/// A caller that is woken by the signal finds the outcome.
#[test]
fn the_signal_comes_after_the_outcome() {
    check(None, || {
        let call = Call::new();
        let reply = {
            let call = call.clone();
            thread::spawn(move || {
                let value = Value { what: "reply", drops: call.drops.clone() };
                assert!(call.state.finish(Outcome::Replied(value)).is_ok());
                // The inbox's Release.
                call.signals.store(1, crate::base::sync::atomic::Ordering::Release);
            })
        };
        if call.signals.load(crate::base::sync::atomic::Ordering::Acquire) == 1 {
            assert!(call.state.is_done());
            assert_eq!(name(call.state.take()), "reply");
        }
        reply.join().unwrap();
    });
}
