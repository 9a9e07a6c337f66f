//! Error and crash reports: the terms carry what OTP's carry, and OTP's own formatters make the same text of them.
//! Source: C4.36-C4.38, C10.16; S4.7, S4.8, S4.15, S4.17, S5.9.

#[path = "common/erl.rs"]
#[allow(dead_code)]
mod erl;
#[path = "gen_support/fixture.rs"]
mod fixture;
#[path = "gen_support/puppet.rs"]
mod puppet;

use fixture::*;
use krarup::report::{Report, Sink};
use krarup::{Node, Term, etf, proc_lib};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Reports(Mutex<Vec<Report>>);

impl Sink for Reports {
    fn report(&self, report: &Report) {
        self.0.lock().unwrap().push(report.clone());
    }
}

fn reports(node: &Node) -> Arc<Reports> {
    let r = Arc::new(Reports::default());
    node.set_report_sink(Some(r.clone()));
    r
}

/// Pids of ours are local to `erl` as well, so both print them alike.
const ASK: &str = r#"
    R = binary_to_term(Arg),
    T = case R of
        #{label := {proc_lib, crash}, report := Rep} -> proc_lib:format(Rep, utf8, unlimited);
        _ -> {F, A} = gen_server:format_log(R), io_lib:format(F, A)
    end,
    unicode:characters_to_binary(T)
"#;

fn judge(all: &[Report]) {
    for r in all {
        let arg = etf::encode(&r.term, &Default::default()).unwrap();
        let Some(theirs) = erl::ask_text(ASK, &arg) else { return };
        assert_eq!(theirs, r.text(), "OTP's text is on the left, of {}", r.term);
    }
}

fn play(steps: &str, waiting: bool) -> Vec<Report> {
    let node = node();
    let kept = reports(&node);
    let mut me = node.attach().unwrap();
    puppet::run(&mut me, &t(steps), waiting);
    std::mem::take(&mut *kept.0.lock().unwrap())
}

#[test]
fn crashes_are_reported_in_otps_words_s4_7_s4_8_s4_17() {
    for steps in [
        "[{start,nolink,named,ok},{call,{error,boom}},alive]",
        "[{start,link,none,ok},{call,{exit,boom}},alive]",
        "[{start,link,none,ok},{cast,{ret,{stop,{a,\"text\",[1,2,3]},s1}}},alive]",
        "[{start,nolink,named,ok,[{debug,[log]}]},{call,get},{info,{error,{badmatch,x}}},alive]",
        "[{start,nolink,none,ok},{call,{ret,foo}},alive]",
        "[{start,nolink,none,ok},{cast,{set,#{long => aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, other => \
          [bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,cccccccccccccccccccccccccccc]}}},{call,{error,badarg}},alive]",
        "[{start,nolink,none,{ret,{stop,why}}},{start,nolink,none,{error,why}},alive]",
        "[{start,link,none,trap},{exit,foo},alive]",
        "[{start,nolink,none,ok},{sys,terminate,[weird]},alive]",
        "[{start,nolink,none,ok},{cast,{set,{raise,{error,last}}}},{stop,normal,1000},alive]",
    ] {
        for waiting in [false, true] {
            let all = play(steps, waiting);
            assert!(!all.is_empty(), "{steps}");
            judge(&all);
        }
    }
}

#[test]
fn planned_ends_are_not_reported_c4_36() {
    for why in ["normal", "shutdown", "{shutdown,x}"] {
        for waiting in [false, true] {
            let steps = format!("[{{start,link,none,ok}},{{call,{{ret,{{stop,{why},s}}}}}},alive]");
            assert!(play(&steps, waiting).is_empty(), "{why}");
        }
    }
}

#[test]
fn the_order_is_terminate_error_report_reply_crash_report_s4_15() {
    for waiting in [false, true] {
        let all = play("[{start,nolink,none,ok},{call,{ret,{stop,boom,bye,s1}}},alive]", waiting);
        let labels: Vec<String> =
            all.iter().map(|r| r.term.as_map().unwrap().get(&t("label")).unwrap().to_string()).collect();
        assert_eq!(labels, ["{gen_server,terminate}", "{proc_lib,crash}"]);
    }
}

#[test]
fn a_missing_handle_info_is_a_warning_s4_11_s3_19() {
    struct Silent;
    impl krarup::GenServer for Silent {
        type Args = ();
        fn init(_: &mut krarup::Context, (): ()) -> Result<krarup::gen_server::Init<Self>, krarup::Exception> {
            Ok(krarup::gen_server::Init::Ok(Self, krarup::gen_server::After::Wait))
        }
        fn handle_call(
            &mut self,
            _: &mut krarup::Context,
            _: &Term,
            _: &krarup::gen_server::From,
        ) -> Result<krarup::gen_server::CallReturn, krarup::Exception> {
            Ok(krarup::gen_server::CallReturn::reply(atom("ok")))
        }
        fn handle_cast(
            &mut self,
            _: &mut krarup::Context,
            _: &Term,
        ) -> Result<krarup::gen_server::Return, krarup::Exception> {
            panic!("no such thing")
        }
    }
    let node = node();
    let kept = reports(&node);
    let mut me = node.attach().unwrap();
    let p = krarup::gen_server::start::<Silent, _>(&mut me, (), Default::default()).unwrap().pid().unwrap();
    for n in 0..100i64 {
        me.send(p, n);
    }
    assert_eq!(krarup::gen_server::call(&mut me, p, atom("x")), Ok(t("ok")));
    let all = std::mem::take(&mut *kept.0.lock().unwrap());
    assert_eq!(all.len(), 100, "junk is taken out of the mailbox");
    assert_eq!(all[7].text(), "** Undefined handle_info in 'Silent'\n** Unhandled message: 7\n");
    judge(&all[..2]);
    // A panic is an error with its text.
    krarup::gen_server::cast(&mut me, p, atom("x"));
    eventually("the end", || !node.is_alive(p));
    let all = std::mem::take(&mut *kept.0.lock().unwrap());
    assert!(
        all[0].text().contains("{{panic,<<\"no such thing\">>},[{'Silent',handle_cast,2,[]}]}"),
        "{}",
        all[0].text()
    );
    judge(&all);
}

#[test]
fn neighbours_that_do_not_trap_exits_are_in_the_crash_report_c4_38() {
    let node = node();
    let kept = reports(&node);
    let mut me = trapping(&node);
    let name = Some(krarup::Name::Local(atom("crasher")));
    let puppet = |me: &krarup::Attached| Box::new(puppet::Puppet::new(me.self_pid(), t("ok")));
    let p = krarup::gen_server::start_with::<krarup::gen_server::Dynamic, _>(
        &mut me,
        krarup::gen_server::Linkage::Link,
        name,
        puppet(&node.attach().unwrap()),
        Default::default(),
    );
    let p = p.unwrap().pid().unwrap();
    let friend = proc_lib::future(move |mut c: krarup::AsyncContext| async move {
        c.link(p)?;
        c.put(atom("k"), 1i64);
        c.set_label(atom("friend"));
        c.receive().await;
        Ok(())
    });
    let friend = proc_lib::spawn(&mut me, (atom("m"), atom("f"), 0), friend).unwrap();
    eventually("the link", || {
        node.process_info(p, false, std::time::Duration::from_secs(1)).unwrap().links.contains(&friend)
    });
    krarup::gen_server::cast(&mut me, p, t("{exit,boom}"));
    eventually("both ends", || !node.is_alive(p) && !node.is_alive(friend));
    let all = std::mem::take(&mut *kept.0.lock().unwrap());
    judge(&all);
    let text = all[1].text();
    let friend = krarup::term::print::Printer::line().home(node.id()).to_string(&friend.into());
    assert!(text.contains(&format!("    neighbour:\n      pid: {friend}\n")), "{text}");
    assert_eq!(text.matches("neighbour:").count(), 1, "the trapping parent is not drawn in: {text}");
}

#[test]
fn every_kind_of_exception_is_put_into_otps_words() {
    for (class, reason, stack) in [
        ("exit", "boom", "[]"),
        ("error", "badarg", "[{m,f,2,[]}]"),
        ("error", "function_clause", "[{m,f,[1,{a}],[]},{m,g,1,[]}]"),
        ("error", "{badmatch,{a,b}}", "[{m,f,2,[{file,\"m.erl\"},{line,3}]},{proc_lib,x,1,[]}]"),
        ("error", "{nocatch,zz}", "[{m,f,1,[]}]"),
        ("exit", "{a,b}", "[{m,f,1,[]}]"),
        ("error", "undef", "[{m,f,[1],[]}]"),
        ("error", "undef", "[{m,f,1,[]}]"),
        ("error", "{case_clause,x}", "[]"),
        ("error", "if_clause", "[]"),
        ("error", "badarith", "[]"),
        ("error", "system_limit", "[]"),
        ("error", "noproc", "[]"),
        ("error", "timeout_value", "[]"),
        ("error", "{badfun,x}", "[]"),
        ("error", "{try_clause,x}", "[]"),
        ("error", "{badkey,x}", "[]"),
        ("error", "{badmap,x}", "[]"),
        ("error", "function_clause", "[{m,f,2,[]}]"),
        ("exit", "normal", "[{gen_server,x,1,[]},{m,g,1,[]}]"),
        ("error", "{bad_return_value,x}", "[{lists,map,2,[]},{m,g,1,[]}]"),
        ("error", "{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,ccccccccccccccccccccc}", "[]"),
    ] {
        let neighbour = "{neighbour,[{pid,x},{registered_name,[]}]}";
        let text = format!(
            "#{{label => {{proc_lib,crash}}, report => \
             [[{{initial_call,{{m,init,['Argument__1']}}}},{{error_info,{{{class},{reason},{stack}}}}},{{links,[]}}],\
              [{neighbour},{neighbour}]]}}"
        );
        let report = t(&text);
        let arg = etf::encode(&report, &Default::default()).unwrap();
        let Some(theirs) = erl::ask_text(ASK, &arg) else { return };
        let node = node();
        let mut ours = krarup::report::Text::new(node.id());
        proc_lib::format_crash(&report, &mut ours);
        assert_eq!(theirs, ours.as_str(), "{report}");
    }
}
