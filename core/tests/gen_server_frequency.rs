//! The frequency server of the book, as a gen_server. Source: S3.2-S3.7, S3.13, S3.18, S4.1-S4.2, S4.7-S4.9, S4.14.

#[path = "gen_support/fixture.rs"]
mod fixture;

use fixture::*;
use krarup::gen_server::{self, Linkage, Name, Options, Started};
use krarup::{Attached, Node, Pid, Term};

fn start(me: &mut Attached) -> Started {
    let name = Some(Name::Local(atom("frequency")));
    gen_server::start_with::<Freq, _>(me, Linkage::Link, name, (), Options::default()).unwrap()
}

fn allocate(me: &mut Attached) -> Term {
    let request = tuple([atom("allocate").into(), me.self_pid().into()]);
    gen_server::call(me, atom("frequency"), request).unwrap()
}

fn deallocate(me: &mut Attached, f: i64) {
    gen_server::cast(me, atom("frequency"), tuple([atom("deallocate").into(), f.into()]));
}

fn begun() -> (Node, Attached, Pid) {
    let node = node();
    let mut me = trapping(&node);
    let pid = start(&mut me).pid().unwrap();
    (node, me, pid)
}

#[test]
fn a_second_start_under_the_name_gives_the_first_pid_s4_1() {
    let (node, mut me, pid) = begun();
    assert_eq!(node.whereis(atom("frequency")), Some(pid));
    let again = start(&mut me);
    assert_eq!(again.to_term(), tuple([atom("error").into(), tuple([atom("already_started").into(), pid.into()])]));
    for linkage in [Linkage::None, Linkage::Monitor] {
        let name = Some(Name::Local(atom("frequency")));
        let again = gen_server::start_with::<Freq, _>(&mut me, linkage, name, (), Options::default()).unwrap();
        assert!(matches!(again, Started::Error(_)));
    }
    assert!(node.is_alive(pid));
    assert!(flush(&mut me).is_empty());
}

#[test]
fn frequencies_go_out_in_order_and_come_back_last_first_s3_2_s3_3_s4_2() {
    let (_node, mut me, _) = begun();
    for f in 10..=15i64 {
        assert_eq!(allocate(&mut me), tuple([atom("ok").into(), f.into()]));
    }
    assert_eq!(allocate(&mut me), t("{error,no_frequency}"));
    deallocate(&mut me, 12);
    deallocate(&mut me, 10);
    assert_eq!(allocate(&mut me), t("{ok,10}"));
    assert_eq!(allocate(&mut me), t("{ok,12}"));
    // As-is behaviour: nothing is validated. S3.4
    deallocate(&mut me, 99);
    assert_eq!(allocate(&mut me), t("{ok,99}"));
}

#[test]
fn an_unknown_call_crashes_the_server_with_reports_s4_7() {
    let (node, mut me, pid) = begun();
    let kept = Kept::on(&node);
    let e = gen_server::call(&mut me, atom("frequency"), atom("foobar")).unwrap_err();
    let Some([why, call]) = e.reason.as_tuple() else { panic!("{e}") };
    assert_eq!(*call, t("{gen_server,call,[frequency,foobar]}"));
    assert_eq!(why.as_tuple().unwrap()[0], t("function_clause"));
    let exit = flush(&mut me);
    assert_eq!(exit, [tuple([atom("EXIT").into(), pid.into(), why.clone()])]);
    assert_eq!(node.whereis(atom("frequency")), None);
    let texts = kept.take();
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(
        texts[0].starts_with("** Generic server frequency terminating \n** Last message in was foobar\n"),
        "{}",
        texts[0]
    );
    assert!(texts[0].contains("{{available,[10,11,12,13,14,15]},{allocated,[]}}"), "{}", texts[0]);
    assert!(texts[1].starts_with("  crasher:\n    initial call: frequency:init/1\n"), "{}", texts[1]);
}

#[test]
fn an_unknown_cast_crashes_the_server_s4_8() {
    let (node, mut me, pid) = begun();
    let kept = Kept::on(&node);
    gen_server::cast(&mut me, atom("frequency"), atom("nosuch"));
    eventually("the end", || !node.is_alive(pid));
    let texts = kept.take();
    assert!(texts[0].contains("** Last message in was {'$gen_cast',nosuch}\n"), "{}", texts[0]);
}

#[test]
fn a_stray_message_is_ignored_s4_9() {
    let (node, mut me, pid) = begun();
    let kept = Kept::on(&node);
    me.send(pid, atom("hello"));
    assert_eq!(allocate(&mut me), t("{ok,10}"));
    assert_eq!(kept.len(), 0);
}

#[test]
fn a_normal_stop_is_quiet_and_the_name_is_free_s4_14() {
    let (node, mut me, pid) = begun();
    let kept = Kept::on(&node);
    let r = me.monitor(pid);
    gen_server::cast(&mut me, atom("frequency"), atom("stop"));
    let all = flush(&mut me);
    assert!(all.contains(&tuple([atom("DOWN").into(), r.into(), atom("process").into(), pid.into(), t("normal")])));
    assert_eq!(kept.len(), 0);
    let me_term = Term::from(me.self_pid());
    let request = tuple([atom("allocate").into(), me_term]);
    let e = gen_server::call(&mut me, atom("frequency"), request.clone()).unwrap_err();
    let call = tuple([t("gen_server"), t("call"), Term::list([t("frequency"), request])]);
    assert_eq!(e.reason, tuple([t("noproc"), call]));
    // A cast does not mind.
    gen_server::cast(&mut me, atom("frequency"), atom("stop"));
    assert!(matches!(start(&mut me), Started::Ok(_)));
}
