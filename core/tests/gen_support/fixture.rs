//! What the tests of behaviours share: terms from text, a sink that keeps reports, the frequency server.
#![allow(dead_code)]

use krarup::gen_server::{CallReturn, FormatStatus, From, GenServer, Init, Return};
use krarup::report::{Report, Sink};
use krarup::term::View;
use krarup::{Atom, Attached, Context, Exception, Message, Node, Pid, Term};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub fn atom(s: &str) -> Atom {
    Atom::new(s).expect("few atoms")
}

/// A term from its text.
pub fn t(s: &str) -> Term {
    krarup::text::parse_term(s).unwrap_or_else(|e| panic!("{s}: {e}"))
}

pub fn tuple<const N: usize>(of: [Term; N]) -> Term {
    Term::tuple(of)
}

pub fn node() -> Node {
    Node::builder().workers(2).start().expect("a node")
}

/// An attached thread that traps exits.
pub fn trapping(node: &Node) -> Attached {
    let mut me = node.attach().expect("room for a process");
    me.trap_exit(true);
    me
}

/// Everything in the mailbox once nothing has come for a while.
pub fn flush(me: &mut Attached) -> Vec<Term> {
    let mut all = Vec::new();
    while let Ok(m) = me.receive(Some(30)) {
        all.push(m.into_term());
    }
    all
}

pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Keeps the texts of reports and the trace lines, in one order.
#[derive(Default)]
pub struct Kept {
    all: Mutex<Vec<(String, Term)>>,
}

impl Sink for Kept {
    fn report(&self, report: &Report) {
        self.all.lock().unwrap().push((report.text(), report.term.clone()));
    }
    fn trace(&self, _: Pid, line: &str) {
        self.all.lock().unwrap().push((line.to_owned(), Term::nil()));
    }
}

impl Kept {
    pub fn on(node: &Node) -> Arc<Self> {
        let kept = Arc::new(Self::default());
        node.set_report_sink(Some(kept.clone()));
        kept
    }
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.all.lock().unwrap()).into_iter().map(|r| r.0).collect()
    }
    pub fn take_terms(&self) -> Vec<Term> {
        std::mem::take(&mut *self.all.lock().unwrap()).into_iter().map(|r| r.1).collect()
    }
    pub fn len(&self) -> usize {
        self.all.lock().unwrap().len()
    }
}

/// FREQ of chapters 3 to 12, its state a term: `{Free, Allocated}`.
pub struct Freq {
    pub free: Vec<i64>,
    pub allocated: Vec<(i64, Pid)>,
}

pub fn freq_ref() -> krarup::ServerRef {
    atom("frequency").into()
}

impl GenServer for Freq {
    type Args = ();

    fn module(_: &()) -> Atom {
        atom("frequency")
    }

    fn init(_: &mut Context, (): ()) -> Result<Init<Self>, Exception> {
        let free = (10..=15).rev().collect();
        Ok(Init::Ok(Self { free, allocated: Vec::new() }, krarup::gen_server::After::Wait))
    }

    fn handle_call(&mut self, _: &mut Context, request: &Term, _: &From) -> Result<CallReturn, Exception> {
        let View::Tuple([what, pid]) = request.view() else { return Err(no_clause(request)) };
        let (Some("allocate"), Some(pid)) = (what.as_atom().map(Atom::as_str), pid.as_pid()) else {
            return Err(no_clause(request));
        };
        Ok(CallReturn::reply(match self.free.pop() {
            None => t("{error,no_frequency}"),
            Some(f) => {
                self.allocated.push((f, pid));
                tuple([atom("ok").into(), f.into()])
            }
        }))
    }

    fn handle_cast(&mut self, _: &mut Context, request: &Term) -> Result<Return, Exception> {
        match request.view() {
            View::Atom(a) if a.as_str() == "stop" => Ok(Return::stop(atom("normal"))),
            View::Tuple([what, f]) if what.as_atom() == Some(atom("deallocate")) => {
                let f = f.as_int().ok_or_else(Exception::badarg)?;
                if let Some(i) = self.allocated.iter().rposition(|(g, _)| *g == f) {
                    self.allocated.remove(i);
                }
                self.free.push(f);
                Ok(Return::noreply())
            }
            _ => Err(no_clause(request)),
        }
    }

    fn handle_info(&mut self, _: &mut Context, _: &Message) -> Result<Return, Exception> {
        Ok(Return::noreply())
    }

    fn state(&self) -> Term {
        let free = Term::list(self.free.iter().rev().map(|f| Term::from(*f)));
        let taken = self.allocated.iter().rev().map(|(f, p)| tuple([(*f).into(), (*p).into()]));
        tuple([free, Term::list(taken)])
    }

    fn set_state(&mut self, state: Term) -> Result<(), Exception> {
        let View::Tuple([free, taken]) = state.view() else { return Err(Exception::badarg()) };
        let list = |t: &Term| t.as_list().map(|l| l.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        self.free = list(free).iter().rev().filter_map(Term::as_int).collect();
        self.allocated = list(taken)
            .iter()
            .rev()
            .filter_map(|t| Some((t.as_tuple()?[0].as_int()?, t.as_tuple()?[1].as_pid()?)))
            .collect();
        Ok(())
    }

    fn format_status(&self, mut s: FormatStatus) -> FormatStatus {
        if let View::Tuple([free, taken]) = s.state.view() {
            let free = tuple([atom("available").into(), free.clone()]);
            let taken = tuple([atom("allocated").into(), taken.clone()]);
            s.state = tuple([free, taken]);
        }
        s
    }
}

fn no_clause(request: &Term) -> Exception {
    let call =
        tuple([atom("frequency").into(), atom("handle_call").into(), Term::list([request.clone()]), Term::nil()]);
    Exception { stack: Term::list([call]), ..Exception::error(atom("function_clause")) }
}
