//! The timer wheel against a sorted map: random inserts, cancels and jumps of the clock.

use krarup::timer::wheel::{TimerKey, Wheel};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Insert(u64),
    Cancel(usize),
    Advance(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let far = prop_oneof![0u64..10_000_000, 0u64..10_000_000_000, 0u64..(1 << 55)];
    prop_oneof![
        4 => far.clone().prop_map(Op::Insert),
        2 => any::<usize>().prop_map(Op::Cancel),
        3 => far.prop_map(Op::Advance),
    ]
}

proptest! {
    #[test]
    fn fires_what_the_model_fires_and_never_early(start in 0u64..(1 << 50), ops in prop::collection::vec(op(), 1..200)) {
        let mut now = start;
        let mut wheel = Wheel::new(now);
        let mut model: BTreeMap<u64, (u64, TimerKey)> = BTreeMap::new();
        for (id, op) in ops.into_iter().enumerate() {
            match op {
                Op::Insert(after) => {
                    let deadline = now + after;
                    let key = wheel.insert(deadline, id as u64);
                    model.insert(id as u64, (deadline, key));
                }
                Op::Cancel(n) => {
                    let Some((&id, &(deadline, key))) = model.iter().nth(n % model.len().max(1)) else { continue };
                    prop_assert_eq!(wheel.read(key), Some((deadline, &id)));
                    prop_assert_eq!(wheel.cancel(key), Some((deadline, id)));
                    prop_assert_eq!(wheel.cancel(key), None);
                    model.remove(&id);
                }
                Op::Advance(by) => {
                    now += by;
                    let mut fired = Vec::new();
                    wheel.advance(now, |_, deadline, id| fired.push((deadline, id)));
                    for (deadline, id) in &fired {
                        prop_assert!(*deadline <= now, "early by {}", deadline - now);
                        prop_assert!(model.remove(id).is_some());
                    }
                    let ticks: Vec<u64> = fired.iter().map(|f| f.0.div_ceil(1 << 20)).collect();
                    prop_assert!(ticks.is_sorted());
                    // Nothing that is due by a whole tick is left.
                    prop_assert!(model.values().all(|(d, _)| d.div_ceil(1 << 20) << 20 > now));
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            if let Some(next) = wheel.next_deadline() {
                let earliest = model.values().map(|m| m.0).min().unwrap();
                prop_assert!(next <= earliest.div_ceil(1 << 20) << 20);
            } else {
                prop_assert!(model.is_empty());
            }
        }
    }
}

#[test]
fn sleeping_to_the_next_deadline_always_makes_progress() {
    let mut wheel = Wheel::new(5);
    wheel.insert(1 << 50, ());
    let mut steps = 0;
    while let Some(next) = wheel.next_deadline() {
        wheel.advance(next, |_, _, ()| {});
        steps += 1;
        assert!(steps < 20, "the wheel turns on the spot");
    }
}
