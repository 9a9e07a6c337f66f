//! Random programs of spawns, links, monitors, aliases, names, exits and messages: our node, seeded and with threads,
//! and a real Erlang each show what a model of OTP's rules allows, and in lock-step all three the same.
//! Source: ch02 C2.16-C2.36; OTP reference manual, processes.

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
use check::play;
use ours::Ours;
use program::{Program, in_lock_step, racing};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use stage::Stage;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Seed from `KRARUP_SEED`, or else from the clock; printed.
fn runner(test: &str, cases: u32) -> TestRunner {
    let seed: u64 = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
    });
    println!("{test}: KRARUP_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4000, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[derive(Default)]
struct Sums {
    programs: usize,
    steps: usize,
    open: usize,
    too_wide: usize,
}

/// Plays `cases` programs, or as many as there is time for, and says how many that were.
fn check(test: &str, cases: u32, time: Duration, of: impl Strategy<Value = Program>, stage: &mut dyn Stage) -> Sums {
    let mut runner = runner(test, cases);
    let until = Instant::now() + time;
    let sums = RefCell::new(Sums::default());
    let stage = RefCell::new(stage);
    let outcome = runner.run(&of, |p| {
        if Instant::now() > until {
            return Ok(());
        }
        let played = play(&p, &mut **stage.borrow_mut()).map_err(TestCaseError::fail)?;
        let mut s = sums.borrow_mut();
        s.programs += 1;
        s.steps += played.steps;
        s.open += played.open;
        s.too_wide += usize::from(played.too_wide);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, p)) => panic!("{test} fails for {p:#?}\n{}", why.message()),
        Err(e) => panic!("{test}: {e}"),
    }
    let s = sums.into_inner();
    println!("{test}: {} programs, {} steps, {} of them open, {} cut", s.programs, s.steps, s.open, s.too_wide);
    s
}

#[test]
fn a_seeded_node_in_lock_step_shows_what_the_model_says() {
    let s = check("seeded, lock-step", 3000, Duration::from_secs(15), in_lock_step(), &mut Ours::seeded());
    assert_eq!((s.open, s.too_wide), (0, 0), "a single call leads to one observation");
}

#[test]
fn a_seeded_node_shows_what_the_model_allows() {
    check("seeded, racing", 3000, Duration::from_secs(20), racing(), &mut Ours::seeded());
}

#[test]
fn a_node_with_threads_shows_what_the_model_allows() {
    check("threads, racing", 1000, Duration::from_secs(20), racing(), &mut Ours::threaded());
}

#[test]
fn erlang_in_lock_step_shows_what_the_model_says() {
    let Some(mut erl) = Beam::start(1) else { return };
    check("erl, lock-step", 1000, Duration::from_secs(15), in_lock_step(), &mut erl);
}

#[test]
fn erlang_shows_what_the_model_allows() {
    let Some(mut erl) = Beam::start(2) else { return };
    check("erl, racing", 1000, Duration::from_secs(15), racing(), &mut erl);
}
