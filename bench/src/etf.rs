//! The external term format.
//!
//! Imports: the harness, krarup.

use krarup::etf::{EncodeOptions, decode, encode};
use krarup::{Atom, Term};
use krarup_bench::harness::{Failure, Figure, Job, Kind, Row, one};
use std::hint::black_box;
use std::time::Instant;

pub const ROWS: &[Row] = &[
    Row { name: "etf_encode", kind: Kind::Rate, run: etf_encode },
    Row { name: "etf_decode_drop", kind: Kind::Rate, run: etf_decode_drop },
];

/// 2,000 tuples `{N, foo_atom, <<"twelve bytes">>, 1.5}`.
fn sample() -> Result<Term, Failure> {
    let atom = Atom::new("foo_atom")?;
    let float = Term::float(1.5).ok_or_else(|| Failure::new("1.5 is no float"))?;
    let tuple = |n: i64| Term::tuple([Term::from(n), Term::from(atom), Term::binary("twelve bytes"), float.clone()]);
    Ok(Term::list((1..=2000).map(tuple)))
}

fn megabytes(bytes: usize, n: u64, since: Instant) -> f64 {
    bytes as f64 * n as f64 / 1e6 / since.elapsed().as_secs_f64()
}

fn etf_encode(job: &Job) -> Result<Vec<Figure>, Failure> {
    let term = sample()?;
    let n = job.n(5_000);
    let options = EncodeOptions::default();
    let bytes = encode(&term, &options)?.len();
    let start = Instant::now();
    for _ in 0..n {
        black_box(encode(black_box(&term), &options)?);
    }
    Ok(one("MB/s", megabytes(bytes, n, start)))
}

fn etf_decode_drop(job: &Job) -> Result<Vec<Figure>, Failure> {
    let bytes = encode(&sample()?, &EncodeOptions::default())?;
    let n = job.n(5_000);
    let start = Instant::now();
    for _ in 0..n {
        drop(black_box(decode(black_box(&bytes))?));
    }
    Ok(one("MB/s", megabytes(bytes.len(), n, start)))
}
