//! Plays programs on a real Erlang: one long-lived `erl` that runs `puppet.erl`, spoken to over a pipe.

use super::lang::*;
use super::program::Body;
use super::stage::{Known, Raw, RawSeen, Stage};
use krarup::etf::{EncodeOptions, decode, encode};
use krarup::term::View;
use krarup::{Atom, Pid, Term};
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};
use std::time::Duration;

const PUPPET: &str = include_str!("puppet.erl");

fn term(s: &str) -> Term {
    Atom::new(s).expect("a short name").into()
}

fn int(n: impl Into<i64>) -> Term {
    Term::from(n.into())
}

/// A directory that goes away with its owner.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Beam {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    patience: u32,
    _dir: Dir,
}

impl Drop for Beam {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Beam {
    /// `None`, with a reason printed: there is no `erl`.
    pub fn start(schedulers: u32) -> Option<Self> {
        let unique = format!("krarup-oracle-{}-{schedulers}", std::process::id());
        let dir = Dir(std::env::temp_dir().join(unique));
        std::fs::create_dir_all(&dir.0).expect("a directory for the compiled module");
        let source = dir.0.join("puppet.erl");
        std::fs::write(&source, PUPPET).expect("the module is written");
        let compiled = match Program::new("erlc").arg("-o").arg(&dir.0).arg(&source).status() {
            Ok(s) => s,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                eprintln!("skipped: there is no `erlc` on the PATH to judge by");
                return None;
            }
            Err(e) => panic!("erlc did not start: {e}"),
        };
        assert!(compiled.success(), "puppet.erl compiles");
        let mut child = Program::new("erl")
            .args(["-noshell", "-noinput", "+S", &schedulers.to_string(), "-kernel", "logger_level", "none", "-pa"])
            .arg(&dir.0)
            .args(["-s", "puppet", "main"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("erl starts where erlc does");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Some(Self { child, input, output, patience: 0, _dir: dir })
    }

    fn ask(&mut self, question: &Term) -> Term {
        let bytes = encode(question, &EncodeOptions::default()).expect("plain terms");
        let mut message = u32::try_from(bytes.len()).expect("short").to_be_bytes().to_vec();
        message.extend(bytes);
        self.input.write_all(&message).expect("erl reads");
        self.input.flush().expect("erl reads");
        let mut length = [0; 4];
        self.output.read_exact(&mut length).expect("erl answers");
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.output.read_exact(&mut answer).expect("erl answers");
        decode(&answer).expect("erl sends terms")
    }

    fn raw(answer: &Term) -> Raw {
        let Some([results, pids, seen, names]) = answer.as_tuple() else { panic!("erl says {answer}") };
        Raw {
            results: items(results).iter().map(|r| r.as_atom().is_none().then(|| items(r))).collect(),
            pids: self::pids(pids),
            processes: items(seen).iter().map(seen_of).collect(),
            names: items(names).iter().map(Term::as_pid).collect(),
        }
    }
}

fn items(t: &Term) -> Vec<Term> {
    match t.view() {
        View::Nil => Vec::new(),
        View::List(l) => l.iter().cloned().collect(),
        _ => panic!("not a list: {t}"),
    }
}

fn pids(t: &Term) -> Vec<Pid> {
    items(t).iter().map(|p| p.as_pid().unwrap_or_else(|| panic!("not a pid: {p}"))).collect()
}

fn seen_of(t: &Term) -> RawSeen {
    match t.as_tuple() {
        Some([_, reason]) => RawSeen::Dead(reason.clone()),
        Some([_, trap, name, links, monitors, watchers, messages]) => RawSeen::Alive {
            trap: trap.as_bool().expect("a flag"),
            name: name.as_atom().map(|n| n.as_str().to_owned()),
            links: pids(links),
            monitors: items(monitors).iter().map(|m| m.as_tuple().expect("{process, What}")[1].clone()).collect(),
            watchers: pids(watchers),
            messages: items(messages),
        },
        _ => panic!("erl says {t}"),
    }
}

fn names() -> Term {
    Term::list(NAMES.iter().map(|n| term(n)))
}

/// The call as `puppet.erl` reads it.
fn action(a: Action, me: Slot, known: &Known) -> Term {
    let new = |what: &str, n: i64| Term::tuple([term("new"), key(what, n)]);
    let pid = |s: Slot| known.pids.get(usize::from(s)).map_or_else(|| new("slot", i64::from(s)), |p| Term::from(*p));
    let reference = |r: RefId| known.refs.get(&r).map_or_else(|| new("ref", i64::from(r)), |r| Term::from(*r));
    let name = |n: Name| term(NAMES[usize::from(n)]);
    let on_node = |n: Name| Term::tuple([name(n), term("nonode@nohost")]);
    let call = |f: &str, args: Vec<Term>| Term::tuple([term(f)].into_iter().chain(args));
    match a {
        Action::Yield => term("yield"),
        Action::Drain => term("drain"),
        Action::Return => term("return"),
        Action::Spawn { slot, link, monitor } => {
            let monitor =
                monitor.map_or_else(|| term("none"), |m| Term::tuple([key("ref", i64::from(m.reference)), options(m)]));
            call("spawn", vec![int(slot), link.into(), monitor])
        }
        Action::Link { to, caught } => call("link", vec![pid(to), caught.into()]),
        Action::Unlink(to) => call("unlink", vec![pid(to)]),
        Action::Monitor { what, how } => {
            let what = match what {
                What::Pid(p) => pid(p),
                What::Name(n) => name(n),
                What::NameNode(n) => on_node(n),
            };
            call("monitor", vec![what, key("ref", i64::from(how.reference)), options(how)])
        }
        Action::Demonitor { reference: r, flush } => call("demonitor", vec![reference(r), flush.into()]),
        Action::Alias { reference, mode } => {
            call("alias", vec![key("ref", i64::from(reference)), Term::list([mode_term(mode)])])
        }
        Action::Unalias(r) => call("unalias", vec![reference(r)]),
        Action::Send { to, n, caught } => {
            let to = match to {
                To::Pid(p) => pid(p),
                To::Name(n) => name(n),
                To::NameNode(n) => on_node(n),
                To::Alias(r, _) => reference(r),
            };
            call("send", vec![to, Term::tuple([term("m"), int(me), int(n)]), caught.into()])
        }
        Action::Look { to, n, reference: r } => call("look", vec![pid(to), reference(r), int(me), int(n)]),
        Action::Register { name: n, slot, caught } => call("register", vec![name(n), pid(slot), caught.into()]),
        Action::Unregister { name: n, caught } => call("unregister", vec![name(n), caught.into()]),
        Action::Whereis(n) => call("whereis", vec![name(n)]),
        Action::IsAlive(p) => call("is_alive", vec![pid(p)]),
        Action::ExitTo(p, r) => call("exit", vec![pid(p), term(&r.to_string())]),
        Action::Exit(r) => call("exit", vec![term(&r.to_string())]),
        Action::Error(n) => call("error", vec![term(&Reason::Boom(n).to_string())]),
        Action::Throw(n) => call("throw", vec![term(&Reason::Boom(n).to_string())]),
        Action::Trap(on) => call("trap", vec![on.into()]),
        Action::Receive(n) => call("receive", vec![int(n)]),
    }
}

fn key(what: &str, n: i64) -> Term {
    Term::tuple([term(what), int(n)])
}

fn mode_term(m: Mode) -> Term {
    term(match m {
        Mode::Explicit => "explicit_unalias",
        Mode::Demonitor => "demonitor",
        Mode::ReplyDemonitor => "reply_demonitor",
        Mode::Reply => "reply",
    })
}

fn options(m: MonitorOf) -> Term {
    let alias = m.alias.map(|a| Term::tuple([term("alias"), mode_term(a)]));
    let tag = m.tagged.then(|| Term::tuple([term("tag"), term("gone")]));
    Term::list(alias.into_iter().chain(tag))
}

impl Stage for Beam {
    fn start(&mut self, bodies: &[Body], _seed: u64) -> (Pid, Vec<Pid>) {
        let answer = self.ask(&Term::tuple([term("start"), int(bodies.len() as u32)]));
        match answer.as_tuple() {
            Some([coordinator, all]) => (coordinator.as_pid().expect("a pid"), pids(all)),
            _ => panic!("erl says {answer}"),
        }
    }

    fn step(&mut self, commands: &[Command], known: &Known) -> Raw {
        self.patience = 0;
        let commands = commands.iter().map(|c| {
            let actions = Term::list(c.actions.iter().map(|a| action(*a, c.actor, known)));
            Term::tuple([Term::from(known.pids[usize::from(c.actor)]), actions])
        });
        let question = Term::tuple([term("step"), Term::list(commands), names()]);
        Self::raw(&self.ask(&question))
    }

    fn look_again(&mut self) -> Option<Raw> {
        self.patience += 1;
        if self.patience > 20 {
            return None;
        }
        std::thread::sleep(Duration::from_millis(u64::from(self.patience)));
        Some(Self::raw(&self.ask(&Term::tuple([term("look"), names()]))))
    }
}
