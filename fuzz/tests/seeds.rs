//! Every fuzz body on its seeds, and on random changes of them, without a fuzzer.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Changed inputs per target.
const CHANGED: usize = 4000;

/// xorshift64*: the same inputs from the same seed, on any machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// One to four small changes.
    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            match self.below(6) {
                0 => input.insert(at, self.next() as u8),
                1 => input.truncate(at),
                2 if at < input.len() => input[at] ^= 1 << self.below(8),
                3 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                4 if at < input.len() => drop(input.remove(at)),
                _ => {
                    let from = self.below(other.len() + 1);
                    let to = from + self.below(other.len() - from + 1);
                    input.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        input.truncate(1 << 12);
    }
}

fn run(target: &str, body: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut names: Vec<_> = fs::read_dir(&dir).expect("seeds").map(|e| e.expect("a seed").path()).collect();
    names.sort();
    assert!(!names.is_empty(), "no seeds in {}", dir.display());
    let seeds: Vec<Vec<u8>> = names.iter().map(|n| fs::read(n).expect("a seed")).collect();
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x6b72_6172_7570);
    println!("{target}: {} seeds, {CHANGED} changes, FUZZ_SEED={seed}", seeds.len());

    let check = |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
            println!("{target} fails on {} bytes: {}", input.len(), input.escape_ascii());
            resume_unwind(panic);
        }
    };
    seeds.iter().for_each(|s| check(s));
    let mut random = Random(seed | 1);
    for _ in 0..CHANGED {
        let mut input = seeds[random.below(seeds.len())].clone();
        let other = &seeds[random.below(seeds.len())];
        random.change(&mut input, other);
        check(&input);
    }
}

#[test]
fn etf_holds_on_its_seeds_and_near_them() {
    run("etf", krarup_fuzz::etf);
}

#[test]
fn text_holds_on_its_seeds_and_near_them() {
    run("text", krarup_fuzz::text);
}

#[test]
fn pattern_holds_on_its_seeds_and_near_them() {
    run("pattern", krarup_fuzz::pattern);
}

#[test]
fn bits_holds_on_its_seeds_and_near_them() {
    run("bits", krarup_fuzz::bits);
}
