//! Exit signals, links, monitors, exceptions: every cell of OTP's rules. Source: ch02 S2.17-S2.31, C2.28-C2.35.

use krarup::term::{View, atoms};
use krarup::{
    AsyncContext, Atom, Attached, Code, Context, Exception, Handler, Message, Module, Next, Node, Pid, SpawnOptions,
    Term,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn node() -> Node {
    Node::builder().workers(2).start().unwrap()
}

/// Waits for ever.
fn idle() -> Code {
    Code::future(|mut c: AsyncContext| async move {
        loop {
            c.receive().await;
        }
    })
}

fn idle_trapping() -> Code {
    Code::future(|mut c: AsyncContext| async move {
        c.trap_exit(true);
        loop {
            c.receive().await;
        }
    })
}

/// Ends with `reason` once it gets a message.
fn ends_with(reason: Term) -> Code {
    Code::future(move |mut c: AsyncContext| async move {
        c.receive().await;
        Err(Exception::exit(reason))
    })
}

fn reason_of(me: &mut Attached, pid: Pid) -> String {
    let r = me.monitor(pid);
    down_reason(me, r)
}

fn down_reason(me: &mut Attached, r: krarup::Ref) -> String {
    match me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(d) if d.reference == r)) {
        Ok(Message::Down(d)) => d.reason.to_string(),
        other => panic!("no DOWN: {other:?}"),
    }
}

fn next_text(me: &mut Attached) -> String {
    me.receive(Some(5000)).unwrap().into_term().to_string()
}

fn nothing_comes(me: &mut Attached) {
    if let Ok(m) = me.receive(Some(30)) {
        panic!("unexpected: {}", m.into_term());
    }
}

#[test]
fn reasons_of_every_way_to_end() {
    let node = node();
    let mut me = node.attach().unwrap();
    let cases: Vec<(Code, &str)> = vec![
        (Code::future(|_c: AsyncContext| async { Ok(()) }), "normal"),
        (Code::future(|_c: AsyncContext| async { Err(Exception::exit(atoms::SHUTDOWN)) }), "shutdown"),
        (Code::future(|_c: AsyncContext| async { Err(Exception::error(atoms::BADARG)) }), "{badarg,[]}"),
        (Code::future(|_c: AsyncContext| async { Err(Exception::throw(7i64)) }), "{{nocatch,7},[]}"),
        (Code::handler(|_: &mut Context, _: Message| Ok(Next::Stop(Term::from(atoms::KILL)))), "kill"),
    ];
    for (code, want) in cases {
        let (pid, r) = me.spawn_monitor(code).unwrap();
        me.send(pid, 1i64);
        assert_eq!(down_reason(&mut me, r), want);
        assert!(!node.is_alive(pid));
    }
}

#[test]
fn a_panic_is_an_error_with_its_text_and_the_node_lives() {
    let node = node();
    let mut me = node.attach().unwrap();
    let codes = [
        Code::handler(|_: &mut Context, _: Message| -> Result<Next, Exception> { panic!("over {}", "board") }),
        Code::future(|mut c: AsyncContext| async move {
            c.receive().await;
            panic!("over {}", "board")
        }),
        // SAFETY: holds nothing over its waits.
        unsafe {
            Code::assume_fiber_safe(|c| {
                let _ = c.receive(None);
                panic!("over {}", "board")
            })
        },
    ];
    for code in codes {
        let (pid, r) = me.spawn_monitor(code).unwrap();
        me.send(pid, 1i64);
        let reason = down_reason(&mut me, r);
        assert!(reason.starts_with("{{panic,<<111,118,101,114,32,98,111,97,114,100>>},"), "{reason}");
    }
}

/// S2.22: what each exit signal does to a process that traps exits and to one that does not.
#[test]
fn the_table_of_exit_signals() {
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    for reason in ["normal", "kill", "other"] {
        for traps in [false, true] {
            // By exit/2.
            let code = if traps { idle_trapping() } else { idle() };
            let (pid, r) = me.spawn_monitor(code).unwrap();
            while traps && !node.process_info(pid, false, std::time::Duration::from_secs(5)).unwrap().trap_exit {}
            me.exit(pid, atom(reason));
            let dies_of = match (reason, traps) {
                ("kill", _) => Some("killed"),
                ("normal", false) => None,
                (r, false) => Some(r),
                (_, true) => None,
            };
            match dies_of {
                Some(want) => assert_eq!(down_reason(&mut me, r), want, "exit/2 {reason}, traps: {traps}"),
                None => {
                    // It has applied the signal when it answers.
                    node.process_info(pid, false, std::time::Duration::from_secs(5)).unwrap();
                    assert!(node.is_alive(pid));
                    me.exit(pid, atoms::KILL);
                    assert_eq!(down_reason(&mut me, r), "killed");
                }
            }
            // By the death of a linked process.
            let peer = me.spawn(ends_with(Term::from(atom(reason)))).unwrap();
            let receiver = Code::future(move |mut c: AsyncContext| async move {
                c.trap_exit(traps);
                c.link(peer)?;
                c.send(peer, 1i64);
                let m = c.receive_timeout(300).await;
                Err(Exception::exit(match m {
                    Ok(Message::Exit(e)) => Term::tuple([Term::from(atom("got")), e.reason]),
                    _ => Term::from(atom("nothing")),
                }))
            });
            let (_, r) = me.spawn_monitor(receiver).unwrap();
            let want = match (reason, traps) {
                (r, true) => format!("{{got,{r}}}"),
                ("normal", false) => "nothing".into(),
                // The link carries `kill` as any other reason: it can be trapped, and is no kill.
                (r, false) => r.to_owned(),
            };
            assert_eq!(down_reason(&mut me, r), want, "link {reason}, traps: {traps}");
        }
    }
}

#[test]
fn exit_with_normal_to_oneself_ends_a_process_that_does_not_trap() {
    let node = node();
    let mut me = node.attach().unwrap();
    let code = Code::future(|mut c: AsyncContext| async move {
        let myself = c.self_pid();
        c.exit(myself, atoms::NORMAL);
        c.sleep(5000).await;
        Err(Exception::exit(atom("lived")))
    });
    let (_, r) = me.spawn_monitor(code).unwrap();
    assert_eq!(down_reason(&mut me, r), "normal");
}

/// S2.19, S2.24: a chain of links passes a death on; a process that traps stops it.
#[test]
fn a_death_runs_along_links_until_somebody_traps() {
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    let z = me.spawn(idle()).unwrap();
    let trapper = me
        .spawn_link(Code::future(move |mut c: AsyncContext| async move {
            c.trap_exit(true);
            c.link(z)?;
            let a = c.spawn_link(Code::future(|mut c: AsyncContext| async move {
                let b = c.spawn_link(ends_with(Term::from(atom("boom"))))?;
                c.send(b, 1i64);
                c.receive().await;
                Ok(())
            }))?;
            let m = c.receive().await;
            let Message::Exit(e) = m else { return Err(Exception::exit(atom("no_exit"))) };
            assert_eq!(e.from, a);
            Err(Exception::exit(Term::tuple([Term::from(atom("saw")), e.reason])))
        }))
        .unwrap();
    assert_eq!(next_text(&mut me), format!("{{'EXIT',{},{{saw,boom}}}}", Term::from(trapper)));
    // z was linked with the trapper, whose end is abnormal; it may have gone before the monitor came.
    let reason = reason_of(&mut me, z);
    assert!(reason == "noproc" || reason == "{saw,boom}", "{reason}");
}

/// S2.23
#[test]
fn a_kill_is_heard_as_killed_by_linked_processes() {
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    let b = me.spawn_link(idle()).unwrap();
    me.exit(b, atoms::KILL);
    assert_eq!(next_text(&mut me), format!("{{'EXIT',{},killed}}", Term::from(b)));
}

/// S2.21
#[test]
fn spawn_link_never_misses_an_early_death() {
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    for _ in 0..10_000 {
        let p = me.spawn_link(Code::future(|_c: AsyncContext| async { Err(Exception::exit(atom("early"))) })).unwrap();
        match me.receive(Some(5000)).unwrap() {
            Message::Exit(e) => assert_eq!((e.from, e.reason.to_string().as_str()), (p, "early")),
            other => panic!("{other:?}"),
        }
    }
    nothing_comes(&mut me);
}

/// S2.26
#[test]
fn after_unlink_the_peers_death_is_not_heard() {
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    for _ in 0..200 {
        let p = me.spawn_link(idle()).unwrap();
        me.unlink(p);
        me.exit(p, atoms::KILL);
        let r = me.monitor(p);
        down_reason(&mut me, r);
    }
    nothing_comes(&mut me);
}

#[test]
fn a_link_made_again_after_unlink_is_a_link() {
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    for _ in 0..200 {
        let p = me.spawn_link(idle()).unwrap();
        me.unlink(p);
        me.link(p).unwrap();
        me.exit(p, atom("again"));
        assert_eq!(next_text(&mut me), format!("{{'EXIT',{},again}}", Term::from(p)));
    }
    nothing_comes(&mut me);
}

/// S2.28
#[test]
fn links_and_monitors_of_nobody() {
    let node = node();
    let mut me = node.attach().unwrap();
    let (dead, r) = me.spawn_monitor(Code::future(|_c: AsyncContext| async { Ok(()) })).unwrap();
    down_reason(&mut me, r);
    assert_eq!(reason_of(&mut me, dead), "noproc");
    assert_eq!(me.link(dead).unwrap_err(), Exception::error(atoms::NOPROC));
    me.trap_exit(true);
    me.link(dead).unwrap();
    assert_eq!(next_text(&mut me), format!("{{'EXIT',{},noproc}}", Term::from(dead)));
    assert!(me.info().unwrap().links.is_empty());
}

/// S2.29-S2.31
#[test]
fn monitors_fire_once_each_and_can_be_flushed() {
    let node = node();
    let mut me = node.attach().unwrap();
    let p = me.spawn(idle()).unwrap();
    let (r1, r2, r3) = (me.monitor(p), me.monitor(p), me.monitor(p));
    assert!(me.demonitor(r3));
    assert!(!me.demonitor(r3));
    me.exit(p, atoms::KILL);
    for r in [r1, r2] {
        assert_eq!(down_reason(&mut me, r), "killed");
    }
    nothing_comes(&mut me);
    let p = me.spawn(idle()).unwrap();
    let (left, flushed) = (me.monitor(p), me.monitor(p));
    me.exit(p, atom("bye"));
    while node.is_alive(p) {}
    while me.info().unwrap().message_queue_len < 2 {}
    assert!(!me.demonitor_flush(flushed));
    assert!(!me.demonitor(left));
    assert_eq!(next_text(&mut me), format!("{{'DOWN',{},process,{},bye}}", Term::from(left), Term::from(p)));
    nothing_comes(&mut me);
}

#[test]
fn a_monitor_by_name_names_the_name_and_the_node() {
    let node = node();
    let mut me = node.attach().unwrap();
    let p = me.spawn(idle()).unwrap();
    let name = atom("monitored_by_name");
    node.register(name, p).unwrap();
    let r = me.monitor(name);
    me.exit(p, atom("bye"));
    let text = next_text(&mut me);
    assert_eq!(text, format!("{{'DOWN',{},process,{{monitored_by_name,nonode@nohost}},bye}}", Term::from(r)));
    assert_eq!(node.whereis(name), None);
    let r = me.monitor(name);
    let text = next_text(&mut me);
    assert_eq!(text, format!("{{'DOWN',{},process,{{monitored_by_name,nonode@nohost}},noproc}}", Term::from(r)));
}

/// Whoever hears of the death may take the name at once.
#[test]
fn a_name_is_free_before_the_death_is_told() {
    let node = node();
    let mut me = node.attach().unwrap();
    let name = atom("taken_again");
    for _ in 0..2000 {
        let (p, r) = me.spawn_monitor(idle()).unwrap();
        me.register(name, p).unwrap();
        me.exit(p, atom("next"));
        down_reason(&mut me, r);
        assert_eq!(node.whereis(name), None);
    }
}

struct Counting(Arc<AtomicUsize>, Arc<AtomicUsize>);

impl Handler for Counting {
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        let hooks = self.1.clone();
        ctx.on_exit(move |_| {
            hooks.fetch_add(1, SeqCst);
        });
        Ok(Next::Continue)
    }
    fn handle(&mut self, _: &mut Context, _: Message) -> Result<Next, Exception> {
        Ok(Next::Continue)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn destructors_and_hooks_run_once_before_watchers_are_told() {
    let node = node();
    let mut me = node.attach().unwrap();
    let (drops, hooks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for n in 1..=500 {
        let (p, r) = me.spawn_monitor(Counting(drops.clone(), hooks.clone())).unwrap();
        me.send(p, 1i64);
        // Half of them may die before `init`: then there is no hook.
        if n % 2 == 0 {
            while node.process_info(p, false, std::time::Duration::from_secs(5)).unwrap().reductions == 0 {}
        }
        let before = hooks.load(SeqCst);
        me.exit(p, atoms::KILL);
        down_reason(&mut me, r);
        assert_eq!(drops.load(SeqCst), n);
        if n % 2 == 0 {
            assert_eq!(hooks.load(SeqCst), before + 1);
        }
    }
}

/// C2.2
#[test]
fn spawning_a_function_that_is_not_exported_gives_undef() {
    let node = node();
    let mut me = node.attach().unwrap();
    let (m, f) = (atom("mathx"), atom("double"));
    let to = me.self_pid();
    node.add_module(
        m,
        Module::new(1).export(f, 1, move |ctx, args| {
            ctx.send(to, args[0].as_i64().unwrap_or(0) * 2);
            Ok(Term::nil())
        }),
    );
    let o = SpawnOptions { monitor: Some(Default::default()), ..Default::default() };
    let (_, r) = me.spawn_mfa(m, f, vec![Term::from(21i64)], &o).unwrap();
    assert_eq!(down_reason(&mut me, r.unwrap()), "normal");
    assert_eq!(next_text(&mut me), "42");
    for (f, args, text) in
        [("triple", 1usize, "{undef,[{mathx,triple,[1],[]}]}"), ("double", 0, "{undef,[{mathx,double,[],[]}]}")]
    {
        let args = (0..args).map(|_| Term::from(1i64)).collect();
        let (_, r) = me.spawn_mfa(m, atom(f), args, &o).unwrap();
        assert_eq!(down_reason(&mut me, r.unwrap()), text);
    }
}

/// S2.17
#[test]
fn a_crash_leaves_the_other_processes_alone() {
    let node = node();
    let mut me = node.attach().unwrap();
    let mut refs = Vec::new();
    for n in 0..1000i64 {
        let code = Code::future(move |mut c: AsyncContext| async move {
            c.receive().await;
            if n % 10 == 0 { Err(Exception::error(atom("oops"))) } else { Ok(()) }
        });
        let (p, r) = me.spawn_monitor(code).unwrap();
        me.send(p, n);
        refs.push(r);
    }
    let mut crashed = 0;
    for r in refs {
        match down_reason(&mut me, r).as_str() {
            "normal" => {}
            "{oops,[]}" => crashed += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(crashed, 100);
    assert_eq!(node.counts().processes, 1);
}

#[test]
fn an_attached_thread_that_is_killed_hears_it_and_has_no_effect_any_more() {
    let node = node();
    let mut me = node.attach().unwrap();
    let mut victim = node.attach().unwrap();
    let pid = victim.self_pid();
    let r = me.monitor(pid);
    me.exit(pid, atoms::KILL);
    assert_eq!(down_reason(&mut me, r), "killed");
    assert!(matches!(victim.receive(None), Err(krarup::ReceiveError::Killed)));
    victim.send(me.self_pid(), 1i64);
    assert!(victim.spawn(idle()).is_err());
    nothing_comes(&mut me);
    let t = me.info().unwrap();
    assert!(t.monitors.is_empty());
    assert!(matches!(Term::from(pid).view(), View::Pid(_)));
}
