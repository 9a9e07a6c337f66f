//! Random trees of supervisors on a seeded node, under random kills, slow beginnings and children that hang when told
//! to end. After each storm a tree is whole, or it has given up for the right reason; and when it is gone nothing is
//! left of it. Source: S8.28, C8.17, C8.22, C8.39.

#[path = "supervisor_support/lab.rs"]
mod lab;
#[path = "supervisor_support/scenario.rs"]
mod scenario;

use krarup::supervisor::*;
use krarup::{AsyncContext, Exception, Message, Pid, Term, proc_lib};
use lab::{a, atom};
use scenario::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[derive(Clone, Debug)]
enum Member {
    Worker { slow: u64, hangs: bool, name: Option<usize>, brutal: bool },
    Sup(Arc<Family>),
}

#[derive(Debug)]
struct Family {
    strategy: Strategy,
    intensity: u64,
    members: Vec<Member>,
}

struct Kinds {
    /// Supervisors are killed as well: then no worker has a name, since a name is taken until its owner is gone, and
    /// nobody waits for the children of a killed supervisor.
    named: bool,
    /// Every supervisor allows so many restarts that none gives up.
    tough: bool,
}

fn family(r: &mut Rng, depth: usize, k: &Kinds, names: &mut usize) -> Family {
    let strategy = r.pick(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]);
    let n = 1 + r.below(4);
    let members = (0..n)
        .map(|_| {
            if depth > 0 && r.one_in(2) {
                return Member::Sup(Arc::new(family(r, depth - 1, k, names)));
            }
            *names += 1;
            Member::Worker {
                slow: if r.one_in(6) { r.next() % 300 } else { 0 },
                hangs: r.one_in(6),
                name: (k.named && r.one_in(2)).then_some(*names),
                brutal: r.one_in(5),
            }
        })
        .collect();
    Family { strategy, intensity: if k.tough { 100_000 } else { r.pick(&[0, 1, 2, 5]) }, members }
}

async fn worker(mut c: AsyncContext, slow: u64, hangs: bool, name: Option<usize>) -> Result<(), Exception> {
    let me = c.self_pid();
    let parent = c.ancestors().first().and_then(Term::as_pid).ok_or_else(Exception::badarg)?;
    c.trap_exit(true);
    if let Some(n) = name {
        c.register(atom(&format!("name{n}")), me)?;
    }
    if slow > 0 {
        c.sleep(slow).await;
    }
    proc_lib::init_ack(&mut c, parent, Term::tuple([a("ok"), me.into()]));
    loop {
        match c.receive().await {
            Message::Exit(e) if e.from == parent && (!hangs || e.reason == a("killed")) => {
                return Err(Exception::exit(e.reason));
            }
            Message::Term(reason) => return Err(Exception::exit(reason)),
            _ => {}
        }
    }
}

fn specs(f: &Family) -> Vec<ChildSpec> {
    let spec = |(i, m): (usize, &Member)| match m.clone() {
        Member::Worker { slow, hangs, name, brutal } => {
            let start = Start::wait((atom("w"), atom("start_link")), move |c, _| {
                Box::pin(async move {
                    let code = proc_lib::future(move |c| worker(c, slow, hangs, name));
                    let r = proc_lib::start_link(c, (atom("w"), atom("init"), 1), code, Default::default()).await?;
                    Started::from_term(r).map_err(Exception::throw)
                })
            });
            let shutdown = if brutal { Shutdown::BrutalKill } else { Shutdown::Ms(30) };
            ChildSpec::new(i, start).shutdown(shutdown)
        }
        Member::Sup(f) => {
            let start = Start::wait((atom("s"), atom("start_link")), move |c, _| {
                let f = f.clone();
                Box::pin(async move { Started::of(start_link(c, None, setup(&f)).await?) })
            });
            ChildSpec::new(i, start).supervisor()
        }
    };
    f.members.iter().enumerate().map(spec).collect()
}

fn setup(f: &Family) -> Setup {
    let flags = Flags::of(f.strategy).intensity(f.intensity, 5);
    Setup::fixed(atom("tree"), Init { flags, children: specs(f) })
}

type Found<'a> = std::pin::Pin<Box<dyn Future<Output = (Vec<Pid>, Vec<Pid>)> + Send + 'a>>;

/// The pids below a supervisor: workers and supervisors. Panics if a child is missing.
fn whole<'a>(c: &'a mut AsyncContext, f: &'a Family, sup: Pid, seed: u64) -> Found<'a> {
    Box::pin(async move {
        let (mut workers, mut sups) = (Vec::new(), Vec::new());
        let all = which_children(c, sup).await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let mut all: Vec<Term> = all.as_list().into_iter().flatten().cloned().collect();
        all.reverse();
        assert_eq!(all.len(), f.members.len(), "seed {seed}");
        for (i, (entry, member)) in all.iter().zip(&f.members).enumerate() {
            let entry = entry.as_tuple().expect("four elements");
            assert_eq!(entry[0], Term::from(i), "seed {seed}: in start order");
            let pid = entry[1].as_pid().unwrap_or_else(|| panic!("seed {seed}: child {i} is {}", entry[1]));
            assert!(c.is_alive(pid), "seed {seed}: child {i} is dead");
            match member {
                Member::Worker { name, .. } => {
                    workers.push(pid);
                    if let Some(n) = name {
                        assert_eq!(c.whereis(atom(&format!("name{n}"))), Some(pid), "seed {seed}");
                    }
                }
                Member::Sup(below) => {
                    sups.push(pid);
                    let (w, s) = whole(c, below, pid, seed).await;
                    workers.extend(w);
                    sups.extend(s);
                }
            }
        }
        (workers, sups)
    })
}

fn storm(seed: u64, k: Kinds, outcomes: Arc<[AtomicUsize; 2]>) {
    let r = &mut Rng(seed);
    let mut names = 0;
    let tree = Arc::new(family(r, 3, &k, &mut names));
    let mut r = Rng(r.next());
    lab::play(seed, move |mut c, _| {
        Box::pin(async move {
            let root = start_link(&mut c, None, setup(&tree)).await.expect("room").pid().expect("it comes up");
            let (mut workers, mut sups) = whole(&mut c, &tree, root, seed).await;
            let kills = 1 + r.below(8);
            for _ in 0..kills {
                if !k.named && !sups.is_empty() && r.one_in(4) {
                    c.exit(r.pick(&sups), a("kill"));
                } else if r.one_in(2) {
                    c.exit(r.pick(&workers), a("kill"));
                } else {
                    let reason = r.pick(&["normal", "shutdown", "boom"]);
                    c.send(r.pick(&workers), a(reason));
                }
                if r.one_in(2) {
                    c.sleep(r.next() % 400).await;
                }
                if r.one_in(3) && c.is_alive(root) && k.tough {
                    c.sleep(20_000).await;
                    (workers, sups) = whole(&mut c, &tree, root, seed).await;
                }
            }
            c.sleep(60_000).await;
            if c.is_alive(root) {
                outcomes[0].fetch_add(1, Relaxed);
                whole(&mut c, &tree, root, seed).await;
                c.exit(root, a("shutdown"));
            } else {
                outcomes[1].fetch_add(1, Relaxed);
                assert!(!k.tough, "seed {seed}: nobody may give up");
            }
            let m = c.receive().await.into_term();
            let end = Term::tuple([a("EXIT"), root.into(), a("shutdown")]);
            assert_eq!(m, end, "seed {seed}: the root ends with shutdown, and nobody else is heard of");
            let info = c.info().expect("alive");
            assert!(info.links.is_empty() && info.monitors.is_empty(), "seed {seed}: {info:?}");
            assert_eq!(info.message_queue_len, 0, "seed {seed}: {info:?}");
        })
    });
}

#[test]
fn trees_are_whole_after_a_storm_or_have_given_up() {
    let first = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
    });
    println!("KRARUP_SEED={first}");
    let mut r = Rng(first);
    let outcomes = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    for i in 0..5000 {
        let seed = if std::env::var("KRARUP_ONE").is_ok() { first } else { r.next() };
        storm(seed, Kinds { named: i % 2 == 0, tough: i % 4 < 2 }, outcomes.clone());
    }
    let [whole, ended] = [outcomes[0].load(Relaxed), outcomes[1].load(Relaxed)];
    println!("{whole} stood, {ended} gave up");
    assert!(whole > 500 && ended > 100, "{whole} stood, {ended} gave up");
}
