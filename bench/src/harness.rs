//! What every benchmark program of this folder shares: arguments, repetition, the printed line, memory and work.
//!
//! Imports: `std` only. The Rust peers are a workspace of their own and include this very file, so that they are
//! timed and counted by the same code as krarup.
//!
//! A program is called `PROGRAM ROW [--workers N] [--reps R] [--ops N]` or `PROGRAM list`. It prints one line a figure:
//! row, median, unit, min, max, number of repetitions, separated by tabs.
//!
//! Locks: none.

use std::fmt;
use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What the command line and `QUICK=1` say about one run of a row.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub workers: usize,
    pub reps: usize,
    ops: Option<u64>,
    scale: u64,
}

impl Job {
    /// How many operations a row does: what `--ops` says, else `full`, a fifth of it in quick mode, less in the warm-up.
    pub fn n(&self, full: u64) -> u64 {
        let quick = if quick() { 5 } else { 1 };
        self.ops.unwrap_or((full / quick / self.scale).max(1))
    }
}

/// One figure of one repetition. The printed name is the row's name and the suffix (`""` or `".p50"`).
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub suffix: &'static str,
    pub unit: &'static str,
    pub value: f64,
}

pub fn figure(suffix: &'static str, unit: &'static str, value: f64) -> Figure {
    Figure { suffix, unit, value }
}

pub fn one(unit: &'static str, value: f64) -> Vec<Figure> {
    vec![figure("", unit, value)]
}

/// How a row is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tenth of the work as a warm-up (none when `--ops` says how much to do), then the repetitions.
    Rate,
    /// The repetitions alone.
    Plain,
    /// One repetition whatever is asked: only a fresh program gives a true figure (memory).
    Once,
}

#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    pub run: fn(&Job) -> Result<Vec<Figure>, Failure>,
}

/// Why a row gave no figure.
#[derive(Debug)]
pub struct Failure(pub String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Failure {
        Failure(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

pub fn quick() -> bool {
    std::env::var("QUICK").is_ok_and(|v| v == "1")
}

pub fn per_second(n: u64, since: Instant) -> f64 {
    n as f64 / since.elapsed().as_secs_f64()
}

/// Resident memory of this OS process in bytes.
pub fn rss() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0).ok_or_else(|| Failure::new("no VmRSS in /proc/self/status"))
}

/// An empty vector whose pages are resident already, so that a memory row does not count the driver's own handles.
pub fn resident_vec<T>(n: u64, filler: impl Fn() -> T) -> Vec<T> {
    let mut v: Vec<T> = (0..n).map(|_| filler()).collect();
    v.clear();
    v
}

/// The median and the 99th percentile by nearest rank, in microseconds. Zero when there is no sample.
pub fn percentiles(names: [&'static str; 2], mut samples: Vec<Duration>) -> [Figure; 2] {
    samples.sort_unstable();
    let at = |p: f64| {
        let rank = (samples.len() as f64 * p).ceil() as usize;
        samples.get(rank.saturating_sub(1)).map_or(0.0, |d| d.as_secs_f64() * 1e6)
    };
    [figure(names[0], "us", at(0.5)), figure(names[1], "us", at(0.99))]
}

/// The samples of a latency row, and how it stops.
///
/// `due` counts from the moment the sleep was due to end until the reply, so the wait to be scheduled is in it; the
/// plain percentiles count from waking up until the reply.
#[derive(Debug)]
pub struct Trips {
    end: Instant,
    trips: Vec<Duration>,
    dues: Vec<Duration>,
}

/// How long a latency row sleeps before each round trip.
pub const PACE: Duration = Duration::from_millis(1);
/// How many hogs a loaded latency row has.
pub const HOGS: u64 = 4;

impl Trips {
    /// Starts now and lasts two seconds, in quick mode one.
    pub fn start() -> Trips {
        let length = Duration::from_secs(if quick() { 1 } else { 2 });
        Trips { end: Instant::now() + length, trips: Vec::with_capacity(4096), dues: Vec::with_capacity(4096) }
    }

    pub fn running(&self) -> bool {
        Instant::now() < self.end
    }

    /// A round trip: the sleep began at `slept`, ended at `woke`, and the reply is here now.
    pub fn add(&mut self, slept: Instant, woke: Instant) {
        let done = Instant::now();
        self.trips.push(done - woke);
        self.dues.push((done - slept).saturating_sub(PACE));
    }

    pub fn figures(self) -> Vec<Figure> {
        let dues = percentiles([".due_p50", ".due_p99"], self.dues);
        let trips = percentiles([".p50", ".p99"], self.trips);
        [dues, trips].concat()
    }
}

/// Rounds of work for the processor, which no compiler can shorten.
pub fn compute(rounds: u64, seed: u64) -> u64 {
    let mut x = seed;
    for _ in 0..rounds {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
    }
    black_box(x)
}

/// How many rounds of [`compute`] take `wanted` on an idle core: the fastest of five tries.
pub fn calibrate(wanted: Duration) -> u64 {
    const ROUNDS: u64 = 500_000;
    let tries = (0..5).map(|seed| {
        let start = Instant::now();
        compute(ROUNDS, seed);
        start.elapsed()
    });
    let fastest = tries.min().unwrap_or(PACE).as_nanos().max(1);
    u64::try_from(wanted.as_nanos() * u128::from(ROUNDS) / fastest).unwrap_or(ROUNDS)
}

/// The hidden row that a startup row starts this program with.
const STARTUP_ONCE: &str = "startup-once";

/// The wall time of this whole program, started anew, until it has run its first process and stopped (`""`), and the
/// part of it from the start of the runtime until that process ran (`".in_process"`). Medians of five starts.
pub fn startup(job: &Job) -> Result<Vec<Figure>, Failure> {
    let program = std::env::current_exe()?;
    let (mut whole, mut inside) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let start = Instant::now();
        let mut command = Command::new(&program);
        command.args([STARTUP_ONCE, "--workers", &job.workers.to_string()]);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        whole.push(start.elapsed().as_secs_f64() * 1e3);
        if !output.status.success() {
            return Err(Failure::new("the started program failed"));
        }
        inside.push(String::from_utf8(output.stdout)?.trim().parse::<f64>()?);
    }
    Ok(vec![figure("", "ms", median(&mut whole)), figure(".in_process", "ms", median(&mut inside))])
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { 0.0 } else { (values[(n - 1) / 2] + values[n / 2]) / 2.0 }
}

/// The program: `first` starts a runtime with that many workers and returns when a first process has run in it.
pub fn main(rows: &[Row], first: fn(usize) -> Result<(), Failure>) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(rows, first, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(rows: &[Row], first: fn(usize) -> Result<(), Failure>, args: &[String]) -> Result<(), Failure> {
    let Some((name, options)) = args.split_first() else {
        return Err(Failure::new("usage: PROGRAM ROW [--workers N] [--reps R] [--ops N] | list"));
    };
    let job = arguments(options)?;
    match name.as_str() {
        "list" => rows.iter().for_each(|row| println!("{}", row.name)),
        STARTUP_ONCE => {
            let start = Instant::now();
            first(job.workers)?;
            println!("{}", start.elapsed().as_secs_f64() * 1e3);
        }
        _ => {
            let row = rows.iter().find(|row| row.name == name);
            run(row.ok_or_else(|| Failure(format!("no row {name}")))?, job)?;
        }
    }
    Ok(())
}

fn arguments(options: &[String]) -> Result<Job, Failure> {
    let mut job = Job { workers: 2, reps: 3, ops: None, scale: 1 };
    for pair in options.chunks(2) {
        let [option, value] = pair else {
            return Err(Failure(format!("{} needs a value", pair[0])));
        };
        let number = value.parse::<u32>().ok().filter(|n| *n > 0);
        let number = number.ok_or_else(|| Failure(format!("{option}: not a positive number: {value}")))?;
        match option.as_str() {
            "--workers" => job.workers = number as usize,
            "--reps" => job.reps = number as usize,
            "--ops" => job.ops = Some(u64::from(number)),
            _ => return Err(Failure(format!("unknown option {option}"))),
        }
    }
    Ok(job)
}

fn run(row: &Row, job: Job) -> Result<(), Failure> {
    if row.kind == Kind::Rate && job.ops.is_none() {
        (row.run)(&Job { scale: 10, ..job })?;
    }
    let reps = if row.kind == Kind::Once { 1 } else { job.reps };
    let results = (0..reps).map(|_| (row.run)(&job)).collect::<Result<Vec<_>, _>>()?;
    for figure in results.first().into_iter().flatten() {
        let same = results.iter().flatten().filter(|f| f.suffix == figure.suffix);
        let mut values: Vec<f64> = same.map(|f| f.value).collect();
        let middle = number(median(&mut values));
        let (min, max) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
        let (name, suffix, unit) = (row.name, figure.suffix, figure.unit);
        println!("{name}{suffix}\t{middle}\t{unit}\t{}\t{}\t{}", number(min), number(max), values.len());
    }
    Ok(())
}

fn number(v: f64) -> String {
    if v.abs() >= 1000.0 { format!("{v:.0}") } else { format!("{v:.3}") }
}
