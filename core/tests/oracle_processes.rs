//! Random programs of spawns, links, monitors, aliases, names, exits and messages: our node, seeded and with threads,
//! and a real Erlang each show what a model of OTP's rules allows, and in lock-step all three the same.
//! Source: ch02 C2.16-C2.36; OTP reference manual, processes.
//!
//! `KRARUP_SEED` repeats a run; `KRARUP_ORACLE_FACTOR` plays so many times as many programs.

#[path = "oracle/beam.rs"]
mod beam;
#[path = "oracle/check.rs"]
mod check;
#[path = "oracle/explore.rs"]
mod explore;
#[path = "oracle/lang.rs"]
mod lang;
#[path = "oracle/model.rs"]
mod model;
#[path = "oracle/ours.rs"]
mod ours;
#[path = "oracle/program.rs"]
mod program;
#[path = "oracle/stage.rs"]
mod stage;

use beam::Beam;
use check::{Played, play};
use ours::Ours;
use program::{Program, in_lock_step, racing};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::RefCell;
use std::time::{Duration, Instant};

const SECONDS: Duration = Duration::from_secs(1);

/// Seed from `KRARUP_SEED`, or else from the clock; printed.
fn runner(test: &str, cases: u32) -> TestRunner {
    let seed: u64 = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
    });
    println!("{test}: KRARUP_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4000,
        max_shrink_time: 20_000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[derive(Default)]
struct Sums {
    programs: u32,
    steps: usize,
    open: usize,
    too_wide: u32,
}

/// Plays `most` programs, or what there is time for but at least `least`, and says how many that were.
fn check(
    test: &str,
    (least, most): (u32, u32),
    time: Duration,
    of: impl Strategy<Value = Program>,
    mut play: impl FnMut(&Program) -> Result<Played, String>,
) -> Sums {
    let factor: u32 = std::env::var("KRARUP_ORACLE_FACTOR").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut runner = runner(test, most * factor);
    let until = Instant::now() + time * factor;
    let sums = RefCell::new(Sums::default());
    let play = RefCell::new(&mut play);
    let outcome = runner.run(&of, |p| {
        if Instant::now() > until && sums.borrow().programs >= least {
            return Ok(());
        }
        let played = (*play.borrow_mut())(&p).map_err(TestCaseError::fail)?;
        let mut s = sums.borrow_mut();
        s.programs += 1;
        s.steps += played.steps;
        s.open += played.open;
        s.too_wide += u32::from(played.too_wide);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, p)) => panic!("{test} fails for {p:#?}\n{}", why.message()),
        Err(e) => panic!("{test}: {e}"),
    }
    let s = sums.into_inner();
    println!("{test}: {} programs, {} steps, {} of them open, {} cut short", s.programs, s.steps, s.open, s.too_wide);
    assert!(s.programs >= least, "played only {} programs", s.programs);
    assert!(s.too_wide * 50 <= s.programs, "the model gave {} programs up", s.too_wide);
    s
}

/// In lock-step the model knows what will be seen, down to the order of everything whose order is defined.
fn is_closed(s: &Sums) {
    assert_eq!((s.open, s.too_wide), (0, 0), "a single call leads to one observation");
}

#[test]
fn a_seeded_node_in_lock_step_shows_what_the_model_says() {
    let mut ours = Ours::seeded();
    let s = check("seeded, lock-step", (500, 3000), SECONDS * 15, in_lock_step(), |p| play(p, &mut ours));
    is_closed(&s);
}

#[test]
fn a_seeded_node_shows_what_the_model_allows() {
    let mut ours = Ours::seeded();
    let s = check("seeded, racing", (500, 3000), SECONDS * 20, racing(), |p| play(p, &mut ours));
    assert!(s.open > 0, "no step was a race");
}

#[test]
fn a_node_with_threads_shows_what_the_model_allows() {
    let mut ours = Ours::threaded();
    let s = check("threads, racing", (300, 1500), SECONDS * 20, racing(), |p| play(p, &mut ours));
    assert!(s.open > 0, "no step was a race");
}

#[test]
fn in_lock_step_erlang_and_our_nodes_write_one_transcript() {
    let Some(mut erl) = Beam::start(1) else { return };
    let (mut seeded, mut threaded) = (Ours::seeded(), Ours::threaded());
    let s = check("three stages, lock-step", (300, 1000), SECONDS * 25, in_lock_step(), |p| {
        let theirs = play(p, &mut erl).map_err(|e| format!("on erl\n{e}"))?;
        let ours = play(p, &mut seeded).map_err(|e| format!("on the seeded node\n{e}"))?;
        let real = play(p, &mut threaded).map_err(|e| format!("on the node with threads\n{e}"))?;
        for (who, other) in [("the seeded node", ours), ("the node with threads", real)] {
            if other.transcript != theirs.transcript {
                return Err(format!("erl\n{}\n{who}\n{}", theirs.transcript, other.transcript));
            }
        }
        Ok(theirs)
    });
    is_closed(&s);
}

#[test]
fn erlang_shows_what_the_model_allows() {
    let Some(mut erl) = Beam::start(2) else { return };
    let s = check("erl, racing", (300, 1000), SECONDS * 25, racing(), |p| play(p, &mut erl));
    assert!(s.open > 0, "no step was a race");
}
