//! The supervisor's policy against a model written from OTP's rules: thousands of random families, each with its own
//! slow learners, failing starts, hanging shutdowns and requests. Source: S8.28; C8.9-C8.32.

#[path = "supervisor_support/model.rs"]
mod model;
#[path = "supervisor_support/scenario.rs"]
mod scenario;
#[path = "supervisor_support/sim.rs"]
mod sim;

use scenario::{Rng, Scenario};

fn seed() -> u64 {
    std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
    })
}

fn compare(seed: u64, timed: bool) -> Vec<String> {
    let s = Scenario::random(seed, timed);
    let (ours, theirs) = (sim::play(&s), model::play(&s));
    if ours != theirs {
        let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        panic!(
            "seed {seed} (timed {timed}): the traces part at line {at}\nours:  {:#?}\nmodel: {:#?}\nbefore: {:#?}\n{s:#?}",
            &ours[at..],
            &theirs[at..],
            &ours[..at],
        );
    }
    ours
}

#[test]
fn random_families_behave_as_the_rules_say() {
    let first = seed();
    println!("KRARUP_SEED={first}");
    let mut r = Rng(first);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..30_000 {
        let trace = compare(r.next(), true);
        for line in trace {
            let what = line.split([' ', ',']).take(3).collect::<Vec<_>>().join(" ");
            if line.starts_with("report") || line.starts_with("exit") {
                *seen
                    .entry(if line.starts_with("report") {
                        line.split("Context,").nth(1).unwrap_or("")[..9].to_owned()
                    } else {
                        what
                    })
                    .or_insert(0) += 1;
            }
        }
    }
    println!("{seen:?}");
    for what in ["child_ter", "start_err", "shutdown}", "shutdown_"] {
        assert!(seen.get(what).is_some_and(|n| *n > 500), "the runs hardly ever reach {what}: {seen:?}");
    }
}
