//! A seeded node with a virtual clock, a script that runs in it as a process, and workers that tell the script what
//! happens to them.
#![allow(dead_code)] // Each test binary uses a part of it.

use krarup::supervisor::{ChildSpec, Flags, Init, Setup, Start, Started, start_link};
use krarup::term::View;
use krarup::{AsyncContext, Atom, Code, Exception, Message, Node, Pid, Term, proc_lib};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub fn atom(s: &str) -> Atom {
    Atom::new(s).expect("a short name")
}

pub fn a(s: &str) -> Term {
    atom(s).into()
}

pub fn t(text: &str) -> Term {
    krarup::text::parse_term(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// What the next starts of a child do, by id; `ok` when the list is used up.
pub type Plan = Arc<Mutex<HashMap<&'static str, Vec<&'static str>>>>;

/// The script's side.
pub struct Lab {
    pub plan: Plan,
    me: Pid,
    names: HashMap<Pid, String>,
    born: HashMap<String, usize>,
}

type Script = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a script to its end on a fresh node. Panics if it does not end, or if it leaves anything behind.
pub fn play(seed: u64, script: impl FnOnce(AsyncContext, Lab) -> Script + Send + 'static) {
    let node = Node::builder().seeded(seed).start().expect("a node starts");
    play_on(&node, script);
}

pub fn play_on(node: &Node, script: impl FnOnce(AsyncContext, Lab) -> Script + Send + 'static) {
    let before = node.counts().processes;
    let done = Arc::new(Mutex::new(false));
    let flag = done.clone();
    let code = Code::future(move |mut c: AsyncContext| async move {
        c.trap_exit(true);
        let me = c.self_pid();
        let lab = Lab { plan: Plan::default(), me, names: HashMap::new(), born: HashMap::new() };
        script(c, lab).await;
        *flag.lock().expect("no panic holds it") = true;
        Ok(())
    });
    let pid = node.spawn(code).expect("a process starts");
    for _ in 0..20_000 {
        node.advance(Duration::from_millis(100));
        if !node.is_alive(pid) {
            break;
        }
    }
    assert!(*done.lock().expect("no panic holds it"), "the script has not come to its end");
    node.advance(Duration::from_secs(10));
    assert_eq!(node.counts().processes, before, "processes are left: {:?}", node.processes());
    assert!(node.registered().is_empty(), "names are left: {:?}", node.registered());
}

/// A worker: `{up, Id, Pid}` when it starts, `{term, Id, Reason}` when it is told to end. It knows `{die, Reason}`,
/// `unlink`, and `hang`: from then on it does not hear.
async fn worker(
    mut c: AsyncContext,
    id: &'static str,
    [script, parent]: [Pid; 2],
    plan: &'static str,
) -> Result<(), Exception> {
    let me = c.self_pid();
    c.trap_exit(true);
    if plan == "slow" {
        c.sleep(3000).await;
    }
    if plan == "stops" {
        let e = Exception::exit(a("nogood"));
        return Err(proc_lib::init_fail(&mut c, parent, t("{error,nogood}"), e));
    }
    c.send(script, Term::tuple([a("up"), a(id), me.into()]));
    proc_lib::init_ack(&mut c, parent, Term::tuple([a("ok"), me.into()]));
    loop {
        match c.receive().await {
            Message::Exit(e) if e.from == parent => {
                c.send(script, Term::tuple([a("term"), a(id), e.reason.clone()]));
                if plan == "lingers" {
                    c.sleep(500).await;
                    c.send(script, Term::tuple([a("cleaned"), a(id)]));
                }
                return Err(Exception::exit(e.reason));
            }
            Message::Term(m) => match m.view() {
                View::Tuple([what, reason]) if *what == a("die") => return Err(Exception::exit(reason.clone())),
                View::Atom(x) if x == atom("unlink") => c.unlink(parent),
                View::Atom(x) if x == atom("hang") => {
                    c.receive_match(None, |m| matches!(m, Message::Term(t) if *t == a("never"))).await.ok();
                }
                _ => {}
            },
            _ => {}
        }
    }
}

impl Lab {
    /// A permanent worker with 5 s to shut down.
    pub fn kid(&self, id: &'static str) -> ChildSpec {
        let (script, plan) = (self.me, self.plan.clone());
        let start = Start::wait((atom("worker"), atom("start_link")), move |c, _args| {
            let what = {
                let mut plan = plan.lock().expect("no panic holds it");
                let list = plan.entry(id).or_default();
                if list.is_empty() { "ok" } else { list.remove(0) }
            };
            Box::pin(async move {
                match what {
                    "ignore" => return Ok(Started::Ignore),
                    "no" => return Err(Exception::throw(a("no"))),
                    "crash" => return Err(Exception::error(a("boom"))),
                    "exit" => return Err(Exception::exit(a("ex"))),
                    "panic" => panic!("a start function panics"),
                    _ => {}
                }
                let parent = c.self_pid();
                let code = proc_lib::future(move |c| worker(c, id, [script, parent], what));
                let call = (atom("worker"), atom("init"), 1);
                let r = proc_lib::start_link(c, call, code, Default::default()).await?;
                let started = Started::from_term(r).map_err(Exception::throw)?;
                Ok(match (what, started) {
                    ("info", Started::Pid(p)) => Started::WithInfo(p, a("info")),
                    (_, s) => s,
                })
            })
        });
        ChildSpec::new(a(id), start).modules([atom("worker")])
    }

    pub fn plan(&self, id: &'static str, what: &[&'static str]) {
        self.plan.lock().expect("no panic holds it").insert(id, what.to_vec());
    }

    /// Starts a supervisor without a name; the reason if it does not come up.
    pub async fn start(&self, c: &mut AsyncContext, flags: Flags, children: Vec<ChildSpec>) -> Result<Pid, Term> {
        let setup = Setup::fixed(atom("test_sup"), Init { flags, children });
        match start_link(c, None, setup).await.expect("room for a process") {
            krarup::r#gen::Started::Ok(pid) => Ok(pid),
            other => Err(other.to_term()),
        }
    }

    /// The pid of a child, by `which_children`.
    pub async fn child(&self, c: &mut AsyncContext, sup: Pid, id: &str) -> Pid {
        let all = krarup::supervisor::which_children(c, sup).await.expect("it answers");
        let found = all.as_list().into_iter().flatten().find(|e| e.as_tuple().is_some_and(|e| e[0] == a(id)));
        found.and_then(|e| e.as_tuple()?[1].as_pid()).unwrap_or_else(|| panic!("no child {id} in {all}"))
    }

    /// Tells a child to end.
    pub async fn die(&self, c: &mut AsyncContext, sup: Pid, id: &str, reason: &str) {
        let pid = self.child(c, sup, id).await;
        if reason == "kill" {
            c.exit(pid, a("kill"));
        } else {
            c.send(pid, Term::tuple([a("die"), t(reason)]));
        }
    }

    /// Pids become names: `a1` is the first `a`. A pid that is not a worker's is `?`.
    pub fn named(&self, term: &Term) -> String {
        fn go(lab: &Lab, t: &Term) -> Term {
            match t.view() {
                View::Pid(p) => a(lab.names.get(&p).map_or("pid", |n| n)),
                View::Tuple(e) => Term::tuple(e.iter().map(|t| go(lab, t))),
                View::List(l) => Term::improper_list(l.iter().map(|t| go(lab, t)), go(lab, l.tail())),
                View::Map(m) => Term::map(m.iter().map(|(k, v)| (k.clone(), go(lab, v)))),
                _ => t.clone(),
            }
        }
        go(self, term).to_string()
    }

    /// What has happened, after some (virtual) time for it to happen in: `up a1`, `term a1 shutdown`, `exit Reason`.
    pub async fn events(&mut self, c: &mut AsyncContext) -> Vec<String> {
        c.sleep(20).await;
        let mut all = Vec::new();
        while let Ok(m) = c.receive_timeout(0).await {
            let m = m.into_term();
            let text = match m.as_tuple() {
                Some([what, id, pid]) if *what == a("up") => {
                    let n = self.born.entry(id.to_string()).or_insert(0);
                    *n += 1;
                    let name = format!("{id}{n}");
                    self.names.insert(pid.as_pid().expect("a pid"), name.clone());
                    format!("up {name}")
                }
                Some([what, _, reason]) if *what == a("EXIT") => format!("exit {reason}"),
                Some(parts) => parts.iter().map(|p| self.named(p)).collect::<Vec<_>>().join(" "),
                None => self.named(&m),
            };
            all.push(text);
        }
        all
    }
}

#[macro_export]
macro_rules! script {
    ($c:ident, $lab:ident, $body:block) => {
        lab::play(1, |mut $c, mut $lab| {
            Box::pin(async move {
                let _ = &mut $lab;
                $body
            })
        })
    };
}
