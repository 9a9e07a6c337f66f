//! Looking into a server while it runs. Source: S5.1, S5.4-S5.7, S5.9, S5.10, C5.12, C5.20; a process of one's own that
//! answers system messages, C10.21-C10.25.

#[path = "gen_support/fixture.rs"]
mod fixture;

use fixture::*;
use krarup::gen_server::{self, Linkage, Name, Options};
use krarup::report::Text;
use krarup::sys::{self, LogFlag, StatisticsFlag, Sys, Target, Within};
use krarup::{AsyncContext, Atom, Attached, Context, Exception, Node, Pid, Term, proc_lib};
use std::sync::{Arc, Mutex};

fn begun(options: Options) -> (Node, Arc<Kept>, Attached, Pid) {
    let node = node();
    let kept = Kept::on(&node);
    let mut me = trapping(&node);
    let name = Some(Name::Local(atom("frequency")));
    let p = gen_server::start_with::<Freq, _>(&mut me, Linkage::Link, name, (), options).unwrap().pid().unwrap();
    (node, kept, me, p)
}

fn allocate(me: &mut Attached) -> Term {
    let request = tuple([atom("allocate").into(), me.self_pid().into()]);
    gen_server::call(me, atom("frequency"), request).unwrap()
}

/// The four lines of a session.
fn lines(node: &Node, me: &Attached) -> [String; 4] {
    let pid = krarup::term::print::Printer::line().home(node.id()).to_string(&me.self_pid().into());
    [
        format!("*DBG* frequency got call {{allocate,{pid}}} from {pid}\n"),
        // Broken at column 80, as `~tp` does.
        format!("*DBG* frequency sent {{ok,10}} to {pid}, new state {{[11,12,13,14,15],\n{:52}[{{10,{pid}}}]}}\n", ""),
        "*DBG* frequency got cast {deallocate,10}\n".to_owned(),
        "*DBG* frequency new state {[10,11,12,13,14,15],[]}\n".to_owned(),
    ]
}

const D: Within = Within::Default;

fn session(me: &mut Attached) {
    assert_eq!(allocate(me), t("{ok,10}"));
    gen_server::cast(me, atom("frequency"), t("{deallocate,10}"));
    sys::get_state(me, atom("frequency"), D).unwrap();
}

#[test]
fn a_trace_prints_each_event_s5_1() {
    let (node, kept, mut me, p) = begun(Options::default());
    sys::trace(&mut me, atom("frequency"), true, D).unwrap();
    session(&mut me);
    assert_eq!(kept.take(), lines(&node, &me));
    me.send(p, atom("hello"));
    sys::trace(&mut me, p, false, D).unwrap();
    let want = ["*DBG* frequency got hello\n", "*DBG* frequency new state {[10,11,12,13,14,15],[]}\n"];
    assert_eq!(kept.take(), want);
    session(&mut me);
    assert_eq!(kept.len(), 0);
}

#[test]
fn the_log_is_printed_and_written_as_the_trace_is_s5_2_s5_4_s5_13() {
    let path = std::env::temp_dir().join(format!("krarup_sys_{}", std::process::id()));
    let file = path.to_str().unwrap();
    let debug = Term::list([
        atom("log").into(),
        atom("statistics").into(),
        tuple([atom("log_to_file").into(), Term::string(file)]),
        atom("foo").into(),
        t("{log,0}"),
    ]);
    let (node, kept, mut me, p) = begun(Options { debug, ..Default::default() });
    session(&mut me);
    assert_eq!(sys::log(&mut me, p, LogFlag::Print, D), Ok(t("ok")));
    assert_eq!(kept.take(), [lines(&node, &me).concat()]);
    sys::log_to_file(&mut me, p, None, D).unwrap();
    session(&mut me);
    assert_eq!(std::fs::read_to_string(file).unwrap(), lines(&node, &me).concat());
    std::fs::remove_file(file).unwrap();
    let counts = sys::statistics(&mut me, p, StatisticsFlag::Get, D).unwrap().to_string();
    assert!(counts.contains("{messages_in,4},{messages_out,2}"), "{counts}");
    assert!(counts.starts_with("{ok,[{start_time,{{20"), "{counts}");
    sys::statistics(&mut me, p, StatisticsFlag::Off, D).unwrap();
    assert_eq!(sys::statistics(&mut me, p, StatisticsFlag::Get, D), Ok(t("{ok,no_statistics}")));
}

#[test]
fn a_function_sees_each_event_until_it_is_done_s5_5_s5_6() {
    let (_node, _kept, mut me, p) = begun(Options::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let s = seen.clone();
    let f = move |state: &Term, event: &Term, name: &Term| {
        assert_eq!(*name, t("frequency"));
        if event.as_tuple().is_some_and(|e| e[0] == t("out") && e[1] == t("{error,no_frequency}")) {
            let n = state.as_int().unwrap_or(0);
            s.lock().unwrap().push(n);
            return Ok(Term::from(n + 1));
        }
        Ok(state.clone())
    };
    sys::install(&mut me, p, t("refused"), f, t("1"), D).unwrap();
    for _ in 0..8 {
        allocate(&mut me);
    }
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    let status = sys::get_status(&mut me, p, D).unwrap();
    assert!(status.to_string().contains("[{refused,{"), "{status}");
    sys::remove(&mut me, p, t("refused"), D).unwrap();
    sys::remove(&mut me, p, t("refused"), D).unwrap();
    allocate(&mut me);
    assert_eq!(seen.lock().unwrap().len(), 2);
    // `done`, an error and a panic take it away; a throw is a value.
    for (n, how) in ["done", "error", "panic", "throw"].into_iter().enumerate() {
        let count = Arc::new(Mutex::new(0));
        let c = count.clone();
        let f = move |_: &Term, _: &Term, _: &Term| {
            *c.lock().unwrap() += 1;
            match how {
                "done" => Ok(t("done")),
                "error" => Err(Exception::error(t("x"))),
                "throw" => Err(Exception::throw(t("x"))),
                _ => panic!("on purpose"),
            }
        };
        sys::install(&mut me, p, (n as i64).into(), f, Term::nil(), D).unwrap();
        allocate(&mut me);
        allocate(&mut me);
        assert_eq!(*count.lock().unwrap(), if how == "throw" { 4 } else { 1 }, "{how}");
    }
}

#[test]
fn the_state_is_replaced_inside_the_server_s5_10() {
    let (_node, _kept, mut me, p) = begun(Options::default());
    for _ in 0..6 {
        allocate(&mut me);
    }
    let new =
        sys::replace_state(&mut me, p, |s| Ok(tuple([t("[16,17]"), s.as_tuple().unwrap()[1].clone()])), D).unwrap();
    assert_eq!(sys::get_state(&mut me, p, D), Ok(new.clone()));
    assert_eq!(allocate(&mut me), t("{ok,16}"));
    let before = sys::get_state(&mut me, p, D);
    let e = sys::replace_state(&mut me, p, |_| Err(Exception::exit(t("oops"))), D).unwrap_err();
    assert_eq!(e.reason, t("{callback_failed,{gen_server,system_replace_state},{exit,oops}}"));
    assert_eq!(e.class, krarup::Class::Error);
    assert_eq!(sys::get_state(&mut me, p, D), before);
    // A fun that only another node could run is refused the same way.
    let raw = tuple([t("system"), tuple([me.self_pid().into(), t("tag")]), t("{replace_state,fun lists:map/2}")]);
    me.send(p, raw);
    let got = me.receive(Some(1000)).unwrap().into_term().to_string();
    assert_eq!(
        got,
        "{tag,{error,{callback_failed,{gen_server,system_replace_state},{error,{badfun,fun lists:map/2}}}}}"
    );
}

/// A process of one's own: counts its messages.
struct Counter(i64);

impl Target for Counter {
    fn module(&self) -> Atom {
        atom("counter")
    }
    fn name(&self, _: &Context) -> Term {
        t("counter")
    }
    fn event_format(&self) -> sys::EventFormat {
        |event, name, out: &mut Text| {
            out.term(name).str(" event = ").term(event).str("\n");
        }
    }
    fn get_state(&mut self) -> Result<Term, Exception> {
        Ok(self.0.into())
    }
    fn replace_state(&mut self, f: &mut dyn FnMut(&Term) -> Result<Term, Exception>) -> Result<Term, Exception> {
        let new = f(&self.0.into())?;
        self.0 = new.as_int().ok_or_else(Exception::badarg)?;
        Ok(new)
    }
    fn change_code(&mut self, _: &mut Context, _: &Term, _: &Term, _: &Term) -> Result<(), Term> {
        Err(t("no"))
    }
    fn status(&mut self, _: &mut Context, _: &Sys) -> Term {
        self.0.into()
    }
}

#[test]
fn a_process_of_ones_own_answers_system_messages_c10_21() {
    let node = node();
    let kept = Kept::on(&node);
    let mut me = trapping(&node);
    let to = me.self_pid();
    let code = proc_lib::future(move |mut c: AsyncContext| async move {
        let mut target = Counter(0);
        let mut sys = Sys::new(to, sys::Debug::default());
        let ok = tuple([t("ok"), c.self_pid().into()]);
        proc_lib::init_ack(&mut c, to, ok);
        while let Some(m) = sys.receive(&mut c).await {
            if let Some((from, request)) = sys::system_request(&m) {
                if let Some(reason) = sys.handle(&mut c, &from, &request, &mut target) {
                    return Err(Exception::exit(reason));
                }
            } else if sys.is_parent_exit(&m) {
                return Err(Exception::exit(t("parent")));
            } else {
                target.0 += 1;
                if sys.debug.is_on() {
                    let format = target.event_format();
                    sys.debug.event(&mut c, &t("counter"), format, m.into_term());
                }
            }
        }
        Ok(())
    });
    let started = proc_lib::start_link(&mut me, (atom("counter"), atom("init"), 0), code, Default::default()).unwrap();
    let p = started.as_tuple().unwrap()[1].as_pid().unwrap();
    me.send(p, t("a"));
    assert_eq!(sys::get_state(&mut me, p, D), Ok(t("1")));
    sys::suspend(&mut me, p, D).unwrap();
    me.send(p, t("b"));
    assert_eq!(sys::get_state(&mut me, p, D), Ok(t("1")));
    assert_eq!(sys::change_code(&mut me, p, atom("m"), t("1"), t("x"), D).unwrap_err().reason, t("{error,no}"));
    sys::trace(&mut me, p, true, D).unwrap();
    sys::resume(&mut me, p, D).unwrap();
    assert_eq!(sys::get_state(&mut me, p, D), Ok(t("2")));
    assert_eq!(kept.take(), ["counter event = b\n"]);
    let status = sys::get_status(&mut me, p, D).unwrap();
    assert_eq!(status.as_tuple().unwrap()[2], t("{module,counter}"));
    sys::terminate(&mut me, p, t("shutdown"), D).unwrap();
    assert_eq!(flush(&mut me), [tuple([t("'EXIT'"), p.into(), t("shutdown")])]);
}
