//! Supervisors as processes, on a node with a virtual clock: the scenarios of chapter 8, by their ids.

#[path = "supervisor_support/lab.rs"]
mod lab;

use krarup::supervisor::*;
use krarup::{AsyncContext, Exception, Module, Pid, Term, sys};
use lab::{a, atom, t};

fn flags(strategy: Strategy) -> Flags {
    Flags::of(strategy).intensity(10, 3600)
}

#[track_caller]
fn is(got: &[String], want: &[&str]) {
    assert_eq!(got, want);
}

async fn which(c: &mut AsyncContext, lab: &lab::Lab, sup: Pid) -> String {
    lab.named(&which_children(c, sup).await.expect("it answers"))
}

#[test]
fn s8_4_a_frequency_supervisor_is_used_up_by_its_third_restart() {
    script!(c, lab, {
        let kids = vec![lab.kid("o").shutdown(Shutdown::Ms(2000)), lab.kid("f").shutdown(Shutdown::Ms(2000))];
        let s = lab.start(&mut c, Flags::of(Strategy::RestForOne).intensity(2, 3600), kids).await.unwrap();
        is(&lab.events(&mut c).await, &["up o1", "up f1"]);
        lab.die(&mut c, s, "f", "normal").await;
        is(&lab.events(&mut c).await, &["up f2"]);
        lab.die(&mut c, s, "f", "kill").await;
        is(&lab.events(&mut c).await, &["up f3"]);
        assert_eq!(which(&mut c, &lab, s).await, "[{f,f3,worker,[worker]},{o,o1,worker,[worker]}]");
        let n = count_children(&mut c, s).await.unwrap().to_string();
        assert_eq!(n, "[{specs,2},{active,2},{supervisors,0},{workers,2}]");
        lab.die(&mut c, s, "f", "kill").await;
        is(&lab.events(&mut c).await, &["term o shutdown", "exit shutdown"]);
    });
}

#[test]
fn s8_5_rest_for_one_restarts_what_came_after() {
    script!(c, lab, {
        let kids = ["a", "b", "d"].map(|id| lab.kid(id)).to_vec();
        let s = lab.start(&mut c, flags(Strategy::RestForOne), kids).await.unwrap();
        lab.events(&mut c).await;
        lab.die(&mut c, s, "b", "boom").await;
        is(&lab.events(&mut c).await, &["term d shutdown", "up b2", "up d2"]);
        c.exit(s, a("shutdown"));
        is(&lab.events(&mut c).await, &["term d shutdown", "term b shutdown", "term a shutdown", "exit shutdown"]);
    });
}

#[test]
fn s8_6_one_for_all_restarts_all_but_temporary_children() {
    script!(c, lab, {
        let kids = vec![
            lab.kid("a"),
            lab.kid("b"),
            lab.kid("d").restart(Restart::Temporary),
            lab.kid("e").restart(Restart::Transient),
        ];
        let s = lab.start(&mut c, flags(Strategy::OneForAll), kids.clone()).await.unwrap();
        lab.events(&mut c).await;
        lab.die(&mut c, s, "b", "kill").await;
        let want = ["term e shutdown", "term d shutdown", "term a shutdown", "up a2", "up b2", "up e2"];
        is(&lab.events(&mut c).await, &want);
        let left = "[{e,e2,worker,[worker]},{b,b2,worker,[worker]},{a,a2,worker,[worker]}]";
        assert_eq!(which(&mut c, &lab, s).await, left);
        c.exit(s, a("shutdown"));
        lab.events(&mut c).await;
        let s = lab.start(&mut c, flags(Strategy::OneForOne), kids).await.unwrap();
        lab.events(&mut c).await;
        lab.die(&mut c, s, "b", "kill").await;
        is(&lab.events(&mut c).await, &["up b4"]);
        c.exit(s, a("normal"));
        let want = ["term e shutdown", "term d shutdown", "term b shutdown", "term a shutdown", "exit normal"];
        is(&lab.events(&mut c).await, &want);
    });
}

#[test]
fn s8_7_a_failed_start_is_rolled_back() {
    script!(c, lab, {
        for (plan, reason) in
            [("stops", "nogood"), ("no", "no"), ("crash", "{'EXIT',{boom,[]}}"), ("exit", "{'EXIT',ex}")]
        {
            lab.plan("d", &[plan]);
            let kids = ["a", "b", "d", "e"].map(|id| lab.kid(id)).to_vec();
            let e = lab.start(&mut c, flags(Strategy::OneForOne), kids).await.unwrap_err();
            assert_eq!(e.to_string(), format!("{{error,{{shutdown,{{failed_to_start_child,d,{reason}}}}}}}"));
            let mut events = lab.events(&mut c).await;
            assert_eq!(events.split_off(2), ["term b shutdown", "term a shutdown"]);
        }
        lab.plan("a", &["panic"]);
        let e = lab.start(&mut c, flags(Strategy::OneForOne), vec![lab.kid("a")]).await.unwrap_err();
        assert!(e.to_string().contains("{'EXIT',{{panic,"), "{e}");
        lab.events(&mut c).await;
    });
}

#[test]
fn s8_8_what_init_may_return() {
    let node = krarup::Node::builder().seeded(8).start().unwrap();
    node.add_module(atom("m"), Module::new(1).export(atom("init"), 1, |_, args| Ok(args[0].clone())));
    lab::play_on(&node, |mut c, mut lab| {
        Box::pin(async move {
            let returns = [
                ("ignore", "ignore", true),
                ("x", "{error,{bad_return,{m,init,x}}}", false),
                ("{ok,{x,[]}}", "{error,{supervisor_data,{invalid_type,x}}}", false),
                ("{ok,{#{strategy => u},[]}}", "{error,{supervisor_data,{invalid_strategy,u}}}", false),
                ("{ok,{#{},[x]}}", "{error,{start_spec,{invalid_child_spec,x}}}", false),
                ("{ok,{#{strategy => simple_one_for_one},[]}}", "{error,{bad_start_spec,[]}}", false),
                ("{ok,{#{},[#{id => a,start => {no,way,[]}}]}}", "{error,{shutdown,{failed_to_start_child,a,", false),
            ];
            for (what, want, _) in returns {
                // The module's init returns its argument.
                let setup = Setup::module(atom("m"), t(what));
                let started = start_link(&mut c, None, setup).await.unwrap();
                let got = started.to_term().to_string();
                assert!(got.starts_with(want), "{what}: {got}");
            }
            // Crashes and throws.
            for (what, want) in
                [("error", "{error,{boom,[]}}"), ("exit", "{error,boom}"), ("throw", "{error,{bad_return_value,boom}}")]
            {
                let setup = Setup::callback(atom("m"), Term::nil(), move |_, _| {
                    Err(match what {
                        "error" => Exception::error(a("boom")),
                        "exit" => Exception::exit(a("boom")),
                        _ => Exception::throw(a("boom")),
                    })
                });
                let got = start_link(&mut c, None, setup).await.unwrap().to_term().to_string();
                assert_eq!(got, want);
            }
            // A taken name.
            let empty = || Setup::fixed(atom("m"), Init::default());
            let name = || Some(krarup::r#gen::Name::Local(atom("taken")));
            let s = start_link(&mut c, name(), empty()).await.unwrap().pid().unwrap();
            let again = start_link(&mut c, name(), empty()).await.unwrap().to_term();
            assert_eq!(again, Term::tuple([a("error"), Term::tuple([a("already_started"), s.into()])]));
            assert_eq!(which_children(&mut c, atom("taken")).await.unwrap(), Term::nil());
            c.exit(s, a("shutdown"));
            is(&lab.events(&mut c).await, &["exit shutdown"]);
            let gone = which_children(&mut c, atom("taken")).await.unwrap_err();
            assert_eq!(gone.reason.to_string(), "{noproc,{gen_server,call,[taken,which_children,infinity]}}");
        })
    });
}

#[test]
fn s8_9_only_the_parent_ends_a_supervisor() {
    script!(c, lab, {
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![lab.kid("a"), lab.kid("b")]).await.unwrap();
        lab.events(&mut c).await;
        let stranger = krarup::Code::future(move |mut c: AsyncContext| async move {
            c.exit(s, a("shutdown"));
            Ok(())
        });
        c.spawn(stranger).unwrap();
        is(&lab.events(&mut c).await, &[]);
        assert!(c.is_alive(s));
        c.exit(s, a("kill"));
        let mut events = lab.events(&mut c).await;
        events.sort();
        is(&events, &["exit killed", "term a killed", "term b killed"]);
    });
}

#[test]
fn s8_10_what_each_restart_type_makes_of_each_reason() {
    script!(c, lab, {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            for reason in ["normal", "shutdown", "{shutdown,x}", "boom", "kill"] {
                let kids = vec![lab.kid("a").restart(restart)];
                let s = lab.start(&mut c, flags(Strategy::OneForOne), kids).await.unwrap();
                let first = lab.events(&mut c).await;
                lab.die(&mut c, s, "a", reason).await;
                let restarted = !lab.events(&mut c).await.is_empty();
                let bad = reason == "boom" || reason == "kill";
                let want = restart == Restart::Permanent || restart == Restart::Transient && bad;
                assert_eq!(restarted, want, "{restart:?} {reason} {first:?}");
                let left = which(&mut c, &lab, s).await;
                match (restarted, restart) {
                    (true, _) => assert!(left.starts_with("[{a,a"), "{left}"),
                    (false, Restart::Temporary) => assert_eq!(left, "[]"),
                    (false, _) => assert_eq!(left, "[{a,undefined,worker,[worker]}]"),
                }
                c.exit(s, a("shutdown"));
                lab.events(&mut c).await;
            }
        }
    });
}

#[test]
fn s8_11_dynamic_children_come_and_go() {
    script!(c, lab, {
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![]).await.unwrap();
        let phone = |lab: &lab::Lab, id| lab.kid(id).restart(Restart::Transient).shutdown(Shutdown::Ms(2000));
        for id in ["p", "q"] {
            let r = start_child(&mut c, s, phone(&lab, id)).await.unwrap();
            lab.events(&mut c).await;
            assert_eq!(lab.named(&r), format!("{{ok,{id}1}}"));
        }
        let again = start_child(&mut c, s, phone(&lab, "q")).await.unwrap();
        assert_eq!(lab.named(&again), "{error,{already_started,q1}}");
        assert_eq!(restart_child(&mut c, s, a("q")).await.unwrap().to_string(), "{error,running}");
        assert_eq!(delete_child(&mut c, s, a("q")).await.unwrap().to_string(), "{error,running}");
        assert_eq!(terminate_child(&mut c, s, a("q")).await.unwrap(), a("ok"));
        assert_eq!(terminate_child(&mut c, s, a("q")).await.unwrap(), a("ok"));
        is(&lab.events(&mut c).await, &["term q shutdown"]);
        assert_eq!(which(&mut c, &lab, s).await, "[{q,undefined,worker,[worker]},{p,p1,worker,[worker]}]");
        let r = start_child(&mut c, s, phone(&lab, "q")).await.unwrap();
        assert_eq!(r.to_string(), "{error,already_present}");
        let r = restart_child(&mut c, s, a("q")).await.unwrap();
        lab.events(&mut c).await;
        assert_eq!(lab.named(&r), "{ok,q2}");
        terminate_child(&mut c, s, a("q")).await.unwrap();
        assert_eq!(delete_child(&mut c, s, a("q")).await.unwrap(), a("ok"));
        for r in [
            delete_child(&mut c, s, a("q")).await.unwrap(),
            restart_child(&mut c, s, a("q")).await.unwrap(),
            terminate_child(&mut c, s, a("q")).await.unwrap(),
            get_childspec(&mut c, s, a("q")).await.unwrap(),
            which_child(&mut c, s, a("q")).await.unwrap(),
        ] {
            assert_eq!(r.to_string(), "{error,not_found}");
        }
        let r = which_child(&mut c, s, a("p")).await.unwrap();
        assert_eq!(lab.named(&r), "{ok,{p,p1,worker,[worker]}}");
        let spec = get_childspec(&mut c, s, a("p")).await.unwrap().to_string();
        let want = "{ok,#{id => p,modules => [worker],restart => transient,shutdown => 2000,significant => false,\
                    start => {worker,start_link,[]},type => worker}}";
        assert_eq!(spec.replace("=>", " => ").replace("  ", " "), want.replace("  ", " "));
        // Switched off, then attached again: the pitfall of C8.21.
        lab.die(&mut c, s, "p", "normal").await;
        lab.events(&mut c).await;
        let r = start_child(&mut c, s, phone(&lab, "p")).await.unwrap();
        assert_eq!(r.to_string(), "{error,already_present}");
        c.exit(s, a("shutdown"));
        is(&lab.events(&mut c).await, &["exit shutdown"]);
    });
}

#[test]
fn s8_12_simple_one_for_one() {
    script!(c, lab, {
        let kid = lab.kid("t").restart(Restart::Transient);
        let s = lab.start(&mut c, flags(Strategy::SimpleOneForOne), vec![kid]).await.unwrap();
        let mut pids = Vec::new();
        for i in 0..3 {
            let r = start_child_term(&mut c, s, Term::list([Term::int(i)])).await.unwrap();
            pids.push(r.as_tuple().unwrap()[1].as_pid().unwrap());
        }
        lab.events(&mut c).await;
        assert_eq!(terminate_child(&mut c, s, pids[2]).await.unwrap(), a("ok"));
        assert_eq!(terminate_child(&mut c, s, pids[2]).await.unwrap(), a("ok"), "dead by now");
        is(&lab.events(&mut c).await, &["term t shutdown"]);
        let me = c.self_pid();
        assert_eq!(terminate_child(&mut c, s, me).await.unwrap().to_string(), "{error,not_found}");
        for r in [
            terminate_child(&mut c, s, a("t")).await.unwrap(),
            restart_child(&mut c, s, a("t")).await.unwrap(),
            delete_child(&mut c, s, pids[0]).await.unwrap(),
        ] {
            assert_eq!(r.to_string(), "{error,simple_one_for_one}");
        }
        let n = count_children(&mut c, s).await.unwrap().to_string();
        assert_eq!(n, "[{specs,1},{active,2},{supervisors,0},{workers,2}]");
        c.exit(pids[0], a("kill"));
        is(&lab.events(&mut c).await, &["up t4"]);
        c.send(pids[1], t("{die,normal}"));
        is(&lab.events(&mut c).await, &[]);
        let all = which(&mut c, &lab, s).await;
        assert_eq!(all, "[{undefined,t4,worker,[worker]}]");
        for plan in ["no", "ignore", "info"] {
            lab.plan("t", &[plan]);
            let r = start_child_term(&mut c, s, Term::nil()).await.unwrap();
            lab.events(&mut c).await;
            let want = match plan {
                "no" => "{error,no}",
                "ignore" => "{ok,undefined}",
                _ => "{ok,t5,info}",
            };
            assert_eq!(lab.named(&r), want);
        }
        c.exit(s, a("shutdown"));
        is(&lab.events(&mut c).await, &["term t shutdown", "term t shutdown", "exit shutdown"]);
    });
}

#[test]
fn s8_16_intensity_counts_whole_seconds() {
    script!(c, lab, {
        // Phases of the clock from one second boundary: gaps of 0.5 and 1.8 s escalate, 2.0 s does not.
        for (gap, escalates) in [(500, true), (1800, true), (2000, false)] {
            let flags = Flags::default().intensity(1, 1);
            let s = lab.start(&mut c, flags, vec![lab.kid("a"), lab.kid("b")]).await.unwrap();
            lab.events(&mut c).await;
            c.sleep(1000 - c.monotonic_ms() % 1000).await;
            lab.die(&mut c, s, "a", "boom").await;
            let began = c.monotonic_ms();
            lab.events(&mut c).await;
            let gone = c.monotonic_ms() - began;
            c.sleep(gap - gone).await;
            lab.die(&mut c, s, "b", "boom").await;
            let events = lab.events(&mut c).await;
            assert_eq!(events.last().unwrap() == "exit shutdown", escalates, "{gap} ms: {events:?}");
            if !escalates {
                c.exit(s, a("shutdown"));
                lab.events(&mut c).await;
            }
        }
        // Nothing is allowed.
        let s = lab.start(&mut c, Flags::default().intensity(0, 1), vec![lab.kid("a")]).await.unwrap();
        lab.events(&mut c).await;
        lab.die(&mut c, s, "a", "normal").await;
        is(&lab.events(&mut c).await, &["exit shutdown"]);
        // Three failing attempts are three restarts.
        lab.plan("a", &["ok", "no", "no", "no", "ok"]);
        let s = lab.start(&mut c, Flags::default().intensity(3, 5), vec![lab.kid("a")]).await.unwrap();
        lab.events(&mut c).await;
        lab.die(&mut c, s, "a", "boom").await;
        is(&lab.events(&mut c).await, &["exit shutdown"]);
        assert_eq!(lab.plan.lock().unwrap()["a"], ["ok"]);
        lab.plan("a", &[]);
    });
}

#[test]
fn s8_18_the_shutdown_protocol_cannot_be_ignored() {
    script!(c, lab, {
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![]).await.unwrap();
        // (a) too slow: killed after 100 ms.
        lab.plan("a", &["lingers"]);
        start_child(&mut c, s, lab.kid("a").shutdown(Shutdown::Ms(100))).await.unwrap();
        let began = c.monotonic_ms();
        assert_eq!(terminate_child(&mut c, s, a("a")).await.unwrap(), a("ok"));
        assert!((100..=101).contains(&(c.monotonic_ms() - began)));
        is(&lab.events(&mut c).await, &["up a1", "term a shutdown"]);
        // (b) killed outright.
        start_child(&mut c, s, lab.kid("b").shutdown(Shutdown::BrutalKill)).await.unwrap();
        terminate_child(&mut c, s, a("b")).await.unwrap();
        is(&lab.events(&mut c).await, &["up b1"]);
        // (d) waited for.
        lab.plan("d", &["lingers"]);
        start_child(&mut c, s, lab.kid("d").shutdown(Shutdown::Infinity)).await.unwrap();
        let began = c.monotonic_ms();
        terminate_child(&mut c, s, a("d")).await.unwrap();
        assert!((500..=501).contains(&(c.monotonic_ms() - began)));
        is(&lab.events(&mut c).await, &["up d1", "term d shutdown", "cleaned d"]);
        // (e) it unlinks itself and dies: nobody notices, nothing hangs. S8.33
        start_child(&mut c, s, lab.kid("e")).await.unwrap();
        let e = lab.child(&mut c, s, "e").await;
        c.send(e, a("unlink"));
        c.send(e, t("{die,foo}"));
        is(&lab.events(&mut c).await, &["up e1"]);
        assert!(which(&mut c, &lab, s).await.contains("{e,e1,worker"), "a stale child is still shown");
        let n = count_children(&mut c, s).await.unwrap().to_string();
        assert_eq!(n, "[{specs,4},{active,0},{supervisors,0},{workers,4}]");
        assert_eq!(terminate_child(&mut c, s, a("e")).await.unwrap(), a("ok"));
        // It unlinks itself and lives: still ended.
        start_child(&mut c, s, lab.kid("u").shutdown(Shutdown::Ms(50))).await.unwrap();
        let u = lab.child(&mut c, s, "u").await;
        c.send(u, a("unlink"));
        terminate_child(&mut c, s, a("u")).await.unwrap();
        assert!(!c.is_alive(u));
        // (f) it does not listen: killed, in the end of all too.
        start_child(&mut c, s, lab.kid("f").shutdown(Shutdown::Ms(100))).await.unwrap();
        let f = lab.child(&mut c, s, "f").await;
        c.send(f, a("hang"));
        lab.events(&mut c).await;
        c.exit(s, a("shutdown"));
        let began = c.monotonic_ms();
        while c.is_alive(s) {
            c.sleep(1).await;
        }
        assert!((99..103).contains(&(c.monotonic_ms() - began)), "{}", c.monotonic_ms() - began);
        is(&lab.events(&mut c).await, &["exit shutdown"]);
    });
}

#[test]
fn s8_19_a_brood_shares_one_time_to_shut_down() {
    script!(c, lab, {
        for (ms, took) in [(5000, 500), (200, 200)] {
            let kid = lab.kid("t").shutdown(Shutdown::Ms(ms));
            let s = lab.start(&mut c, flags(Strategy::SimpleOneForOne), vec![kid]).await.unwrap();
            lab.plan("t", &["lingers"; 10]);
            for _ in 0..10 {
                start_child_term(&mut c, s, Term::nil()).await.unwrap();
            }
            lab.events(&mut c).await;
            let began = c.monotonic_ms();
            c.exit(s, a("shutdown"));
            while c.is_alive(s) {
                c.sleep(1).await;
            }
            let time = c.monotonic_ms() - began;
            assert!((took..took + 3).contains(&time), "{time} ms");
            let events = lab.events(&mut c).await;
            assert_eq!(events.iter().filter(|e| e.starts_with("cleaned")).count(), if ms == 5000 { 10 } else { 0 });
        }
    });
}

#[test]
fn s8_20_significant_children_end_the_supervisor() {
    script!(c, lab, {
        let any = flags(Strategy::OneForOne).auto_shutdown(AutoShutdown::AnySignificant);
        let kids = |lab: &lab::Lab| {
            vec![lab.kid("a"), lab.kid("b").restart(Restart::Transient).significant(true), lab.kid("d")]
        };
        let s = lab.start(&mut c, any, kids(&lab)).await.unwrap();
        lab.events(&mut c).await;
        lab.die(&mut c, s, "b", "boom").await;
        is(&lab.events(&mut c).await, &["up b2"]);
        terminate_child(&mut c, s, a("b")).await.unwrap();
        restart_child(&mut c, s, a("b")).await.unwrap();
        is(&lab.events(&mut c).await, &["term b shutdown", "up b3"]);
        lab.die(&mut c, s, "b", "normal").await;
        is(&lab.events(&mut c).await, &["term d shutdown", "term a shutdown", "exit shutdown"]);
        let e = lab.start(&mut c, flags(Strategy::OneForOne), kids(&lab)).await.unwrap_err();
        assert_eq!(e.to_string(), "{error,{start_spec,{bad_combination,[{auto_shutdown,never},{significant,true}]}}}");
        lab.events(&mut c).await;
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![]).await.unwrap();
        let r = start_child(&mut c, s, lab.kid("x").restart(Restart::Transient).significant(true)).await.unwrap();
        assert_eq!(r.to_string(), "{error,{bad_combination,[{auto_shutdown,never},{significant,true}]}}");
        c.exit(s, a("shutdown"));
        lab.events(&mut c).await;
    });
}

#[test]
fn s8_26_a_slow_child_holds_everything_up() {
    script!(c, lab, {
        lab.plan("a", &["slow"]);
        let began = c.monotonic_ms();
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![lab.kid("a"), lab.kid("b")]).await.unwrap();
        assert!((3000..=3001).contains(&(c.monotonic_ms() - began)));
        is(&lab.events(&mut c).await, &["up a1", "up b1"]);
        c.exit(s, a("shutdown"));
        lab.events(&mut c).await;
    });
}

#[test]
fn s8_32_an_upgrade_merges_specifications() {
    script!(c, lab, {
        let (old, new) = (lab.kid("a"), lab.kid("b"));
        let (n, b2) = (lab.kid("n"), lab.kid("b").shutdown(Shutdown::Ms(1)));
        let upgraded = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = upgraded.clone();
        let setup = Setup::callback(atom("m"), Term::nil(), move |_, _| {
            let new_one = flag.load(std::sync::atomic::Ordering::SeqCst);
            Ok(Some(if new_one {
                Init { flags: Flags::default().intensity(7, 5), children: vec![b2.clone(), n.clone()] }
            } else {
                Init { flags: Flags::default(), children: vec![old.clone(), new.clone()] }
            }))
        });
        let s = start_link(&mut c, None, setup).await.unwrap().pid().unwrap();
        lab.events(&mut c).await;
        upgraded.store(true, std::sync::atomic::Ordering::SeqCst);
        sys::suspend(&mut c, s, krarup::sys::Within::Default).await.unwrap();
        sys::change_code(&mut c, s, atom("m"), a("undefined"), Term::nil(), krarup::sys::Within::Default)
            .await
            .unwrap();
        sys::resume(&mut c, s, krarup::sys::Within::Default).await.unwrap();
        let want = "[{a,a1,worker,[worker]},{n,undefined,worker,[worker]},{b,b1,worker,[worker]}]";
        assert_eq!(which(&mut c, &lab, s).await, want);
        for _ in 0..7 {
            lab.die(&mut c, s, "a", "boom").await;
            assert_eq!(lab.events(&mut c).await.len(), 1);
        }
        lab.die(&mut c, s, "a", "boom").await;
        is(&lab.events(&mut c).await, &["term b shutdown", "exit shutdown"]);
    });
}

#[test]
fn s8_34_unknown_requests_do_no_harm() {
    script!(c, lab, {
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![lab.kid("a")]).await.unwrap();
        lab.events(&mut c).await;
        let r = c.call(s, t("{foo,1}"), None).await.unwrap();
        assert_eq!(r.to_string(), "{error,{unknown_request,{foo,1}}}");
        for m in ["hello", "{'$gen_cast',foo}", "{'$gen_call',foo,bar}", "{'EXIT',1}", "{system,x,y}", "[]"] {
            c.send(s, t(m));
        }
        c.exit(s, a("shutdow"));
        is(&lab.events(&mut c).await, &["term a shutdown", "exit shutdow"]);
    });
}

#[test]
fn s8_36_the_results_of_start_child() {
    script!(c, lab, {
        let s = lab.start(&mut c, flags(Strategy::OneForOne), vec![]).await.unwrap();
        let record = "{child,undefined,z,{worker,start_link,[]},permanent,false,5000,worker,[worker]}";
        for (plan, want) in [
            ("no", format!("{{error,{{no,{record}}}}}")),
            ("stops", format!("{{error,{{nogood,{record}}}}}")),
            ("exit", format!("{{error,{{{{'EXIT',ex}},{record}}}}}")),
            ("info", "{ok,z1,info}".to_owned()),
        ] {
            lab.plan("z", &[plan]);
            let r = start_child(&mut c, s, lab.kid("z")).await.unwrap();
            lab.events(&mut c).await;
            assert_eq!(lab.named(&r), want);
        }
        for (restart, left) in [(Restart::Permanent, true), (Restart::Temporary, false)] {
            lab.plan("y", &["ignore"]);
            let r = start_child(&mut c, s, lab.kid("y").restart(restart)).await.unwrap();
            assert_eq!(r.to_string(), "{ok,undefined}");
            assert_eq!(which(&mut c, &lab, s).await.contains("{y,undefined,worker,[worker]}"), left);
            delete_child(&mut c, s, a("y")).await.unwrap();
        }
        let r = start_child_term(&mut c, s, t("#{id => q}")).await.unwrap();
        assert_eq!(r.to_string(), "{error,missing_start}");
        let r = start_child_term(&mut c, s, t("#{id => q,start => {no,way,[1]}}")).await.unwrap().to_string();
        assert!(r.starts_with("{error,{{'EXIT',{undef,[{no,way,[1],[]}]}},{child,undefined,q,{no,way,[1]},"), "{r}");
        c.exit(s, a("shutdown"));
        lab.events(&mut c).await;
    });
}

#[test]
fn children_named_by_module_function_and_arguments_are_started_through_the_registry() {
    let node = krarup::Node::builder().seeded(7).start().unwrap();
    let module = Module::new(1)
        .export(atom("start_link"), 1, |c, args| {
            let name = args[0].as_atom().ok_or_else(Exception::badarg)?;
            let pid = c.spawn_link(krarup::Code::future(|mut c: AsyncContext| async move {
                loop {
                    c.receive().await;
                }
            }))?;
            c.register(name, pid)?;
            Ok(Term::tuple([a("ok"), pid.into()]))
        })
        .export_wait(atom("slowly"), 0, |c, _| {
            Box::pin(async move {
                c.sleep(1000).await;
                Ok(a("ignore"))
            })
        })
        .export(atom("init"), 1, |_, args| Ok(args[0].clone()));
    node.add_module(atom("m"), module);
    lab::play_on(&node, |mut c, mut lab| {
        Box::pin(async move {
            let init = t("{ok,{#{},[#{id => x,start => {m,start_link,[x_name]}}]}}");
            let s = start_link(&mut c, None, Setup::module(atom("m"), init)).await.unwrap().pid().unwrap();
            let first = c.whereis(atom("x_name")).unwrap();
            let r = start_child_term(&mut c, s, t("{y,{m,slowly,[]},permanent,1,worker,[]}")).await.unwrap();
            assert_eq!(r.to_string(), "{ok,undefined}");
            c.exit(first, a("kill"));
            lab.events(&mut c).await;
            let second = c.whereis(atom("x_name")).expect("restarted under the same name");
            assert_ne!(first, second);
            c.exit(s, a("shutdown"));
            is(&lab.events(&mut c).await, &["exit shutdown"]);
        })
    });
}

/// Keeps reports as texts.
struct Kept(std::sync::Mutex<Vec<String>>);

impl krarup::report::Sink for Kept {
    fn report(&self, r: &krarup::report::Report) {
        if r.kind != "crash_report" {
            self.0.lock().unwrap().push(format!("{:?} {}\n{}", r.level, r.kind, r.text()));
        }
    }
}

#[test]
fn s8_37_reports_are_otps_in_order_and_in_words() {
    let node = krarup::Node::builder().seeded(9).start().unwrap();
    let kept = std::sync::Arc::new(Kept(std::sync::Mutex::default()));
    node.set_report_sink(Some(kept.clone()));
    lab::play_on(&node, |mut c, mut lab| {
        Box::pin(async move {
            let name = Some(krarup::r#gen::Name::Local(atom("sup")));
            let init = Init { flags: Flags::default().intensity(1, 5), children: vec![lab.kid("a")] };
            let s = start_link(&mut c, name, Setup::fixed(atom("m"), init)).await.unwrap().pid().unwrap();
            c.send(s, t("{hello,\"x\"}"));
            lab.events(&mut c).await;
            lab.plan("a", &["no"]);
            lab.die(&mut c, s, "a", "boom").await;
            is(&lab.events(&mut c).await, &["exit shutdown"]);
        })
    });
    let all = kept.0.lock().unwrap();
    let heads: Vec<&str> = all.iter().map(|r| r.lines().next().unwrap()).collect();
    let report = "Error supervisor_report";
    assert_eq!(heads, ["Info progress", "Error std_error", report, report, report]);
    assert_eq!(all[1], "Error std_error\nSupervisor received unexpected message: {hello,\"x\"}\n");
    let whole = |text: &str| {
        let mut text = text.to_owned();
        while let Some(i) = text.find('<') {
            let end = text[i..].find('>').unwrap() + i;
            text.replace_range(i..=end, "P");
        }
        text
    };
    // The layout of `supervisor:format_log/1` in OTP 25.
    let offender = "[{pid,P},\n               {id,a},\n               {mfargs,{worker,start_link,[]}},\n               \
                    {restart_type,permanent},\n               {significant,false},\n               {shutdown,5000},\n               \
                    {child_type,worker}]\n";
    let want = format!(
        "{report}\n    supervisor: {{local,sup}}\n    errorContext: child_terminated\n    reason: boom\n    offender: {offender}"
    );
    assert_eq!(whole(&all[2]), want);
    for (i, context, reason) in [(3, "start_error", "no"), (4, "shutdown", "reached_max_restart_intensity")] {
        let lines: Vec<&str> = all[i].lines().collect();
        assert_eq!(lines[2..4], [format!("    errorContext: {context}"), format!("    reason: {reason}")]);
    }
    assert!(all[4].contains("{pid,{restarting,<"), "{}", all[4]);
}

#[test]
fn s8_17_a_child_that_cannot_be_restarted_is_shown_as_restarting() {
    script!(c, lab, {
        let failing = lab.kid("a");
        let s = lab.start(&mut c, Flags::default().intensity(1_000_000, 5), vec![failing]).await.unwrap();
        lab.events(&mut c).await;
        // More attempts than there will be before the child is terminated.
        lab.plan("a", &vec!["no"; 20_000]);
        let old = lab.child(&mut c, s, "a").await;
        c.exit(old, a("kill"));
        while c.is_alive(old) {
            c.yield_now().await;
        }
        // The retries go on for ever, each behind what has come. The supervisor may not have heard of the death yet.
        let r = loop {
            let r = which_children(&mut c, s).await.unwrap().to_string();
            if r.contains("restarting") {
                break r;
            }
        };
        assert_eq!(restart_child(&mut c, s, a("a")).await.unwrap().to_string(), "{error,restarting}");
        assert_eq!(delete_child(&mut c, s, a("a")).await.unwrap().to_string(), "{error,restarting}");
        let again = start_child(&mut c, s, lab.kid("a")).await.unwrap();
        assert_eq!(again.to_string(), "{error,already_present}");
        assert_eq!(terminate_child(&mut c, s, a("a")).await.unwrap(), a("ok"));
        lab.events(&mut c).await;
        let left = lab.plan.lock().unwrap()["a"].len();
        assert!(r.contains("restarting") && left > 0, "{r}, {left} attempts were left");
        assert_eq!(which(&mut c, &lab, s).await, "[{a,undefined,worker,[worker]}]");
        c.exit(s, a("shutdown"));
        lab.events(&mut c).await;
    });
}

#[test]
fn threads_and_fibers_ask_supervisors_as_well() {
    let node = krarup::Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    let idle = || {
        Start::spawn((atom("w"), atom("start")), |c, _| {
            let code = krarup::Code::future(|mut c: AsyncContext| async move {
                loop {
                    c.receive().await;
                }
            });
            Ok(c.spawn_link(code)?.into())
        })
    };
    let init = Init { flags: Flags::default(), children: vec![ChildSpec::new(a("a"), idle())] };
    let s = start_link(&mut me, None, Setup::fixed(atom("m"), init)).unwrap().pid().unwrap();
    let r = start_child(&mut me, s, ChildSpec::new(a("b"), idle())).unwrap();
    assert!(r.to_string().starts_with("{ok,<"), "{r}");
    assert_eq!(count_children(&mut me, s).unwrap().as_list().unwrap().len(), 4);
    let asked = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let answer = asked.clone();
    // SAFETY: the closure holds no lock and no thread-local over a wait.
    let fiber = unsafe {
        krarup::Code::assume_fiber_safe(move |c| {
            let text = terminate_child(c, s, a("b"))?.to_string();
            *answer.lock().unwrap() = text;
            Ok(())
        })
    };
    let (fiber, monitor) = me.spawn_monitor(fiber).unwrap();
    me.receive_ref(monitor, Some(5000), |m| matches!(m, krarup::Message::Down(d) if d.reference == monitor)).unwrap();
    assert!(!me.is_alive(fiber));
    assert_eq!(*asked.lock().unwrap(), "ok");
    assert_eq!(which_child(&mut me, s, a("b")).unwrap().to_string(), "{ok,{b,undefined,worker,[w]}}");
    me.exit(s, a("shutdown"));
    let end = me.receive(Some(5000)).unwrap().into_term();
    assert_eq!(end, Term::tuple([a("EXIT"), s.into(), a("shutdown")]));
}

#[test]
fn s8_31_a_name_is_free_when_its_owner_is_restarted() {
    let node = krarup::Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    let parent = me.self_pid();
    let start = Start::spawn((atom("w"), atom("start")), move |c, _| {
        let code = krarup::Code::future(move |mut c: AsyncContext| async move {
            let own = c.self_pid();
            c.register(atom("the_name"), own)?;
            c.send(parent, own);
            loop {
                c.receive().await;
            }
        });
        Ok(c.spawn_link(code)?.into())
    });
    let flags = Flags::default().intensity(1_000_000, 1);
    let init = Init { flags, children: vec![ChildSpec::new(a("a"), start)] };
    let s = start_link(&mut me, None, Setup::fixed(atom("m"), init)).unwrap().pid().unwrap();
    let mut pid = me.receive(Some(5000)).unwrap().into_term().as_pid().unwrap();
    for _ in 0..5_000 {
        me.exit(pid, a("kill"));
        let next = me.receive(Some(5000)).unwrap().into_term();
        pid = next.as_pid().unwrap_or_else(|| panic!("{next}"));
    }
    // Not one restart was refused by a name that was still taken: each child registers once and tells once.
    me.exit(s, a("shutdown"));
    me.receive(Some(5000)).unwrap();
    assert!(me.receive(Some(0)).is_err());
}
