//! Scenarios of ch02 that need nothing but processes, and races that a scenario names. Source: ch02 S2.8-S2.32.

use krarup::term::{View, atoms};
use krarup::{AsyncContext, Atom, Attached, Code, Context, Exception, Handler, Message, Next, Node, Pid, Ref, Term};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Tests that measure the OS process's memory run alone.
static MEMORY: RwLock<()> = RwLock::new(());

fn beside_others() -> RwLockReadGuard<'static, ()> {
    MEMORY.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    MEMORY.write().unwrap_or_else(PoisonError::into_inner)
}

/// Resident memory of the OS process in KiB; `None` where the kernel does not say.
fn resident_kib() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

const PATIENCE: Duration = Duration::from_secs(10);

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn node() -> Node {
    Node::builder().workers(2).start().unwrap()
}

fn idle() -> Code {
    Code::handler(|_: &mut Context, _: Message| Ok(Next::Continue))
}

fn down(me: &mut Attached, r: Ref) -> Term {
    match me.receive_ref(r, Some(10_000), |m| matches!(m, Message::Down(d) if d.reference == r)) {
        Ok(Message::Down(d)) => d.reason,
        other => panic!("no 'DOWN': {other:?}"),
    }
}

fn end_of(me: &mut Attached, pid: Pid) -> Term {
    let r = me.monitor(pid);
    down(me, r)
}

fn next(me: &mut Attached) -> String {
    me.receive(Some(10_000)).unwrap().into_term().to_string()
}

fn nothing_is_left(me: &mut Attached) {
    if let Ok(m) = me.receive(Some(20)) {
        panic!("unexpected: {}", m.into_term());
    }
}

/// C2.19: what B has sent is before what the runtime says of B's end, also when the link comes too late.
#[test]
fn a_message_of_the_dead_comes_before_the_news_that_there_is_nobody_to_link_to() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    for _ in 0..30 {
        let b = me
            .spawn(Code::future(|mut c: AsyncContext| async move {
                let to = c.receive().await.into_term().as_pid().unwrap();
                c.send(to, atom("last_words"));
                Ok(())
            }))
            .unwrap();
        let code = Code::future(move |mut c: AsyncContext| async move {
            c.trap_exit(true);
            let myself = c.self_pid();
            c.send(b, Term::from(myself));
            while c.is_alive(b) {}
            c.link(b)?;
            let first = c.receive().await.into_term();
            let second = c.receive().await.into_term();
            Err(Exception::exit(Term::tuple([first, second])))
        });
        let (_, r) = me.spawn_monitor(code).unwrap();
        assert_eq!(down(&mut me, r).to_string(), format!("{{last_words,{{'EXIT',{},noproc}}}}", Term::from(b)));
    }
}

/// The echo server of S2.8 as a handler: `{From, Msg}` is answered by `{self, Msg}`, `stop` ends it, the rest stays.
struct Echo;

impl Handler for Echo {
    fn handle(&mut self, c: &mut Context, m: Message) -> Result<Next, Exception> {
        let Message::Term(t) = &m else { return Ok(Next::Skip(m)) };
        if let View::Tuple([from, msg]) = t.view() {
            let Some(from) = from.as_pid() else { return Ok(Next::Skip(m)) };
            let reply = Term::tuple([c.self_pid().into(), msg.clone()]);
            c.send(from, reply);
            return Ok(Next::Continue);
        }
        if *t == Term::from(atom("stop")) { Ok(Next::Stop(Term::from(atoms::NORMAL))) } else { Ok(Next::Skip(m)) }
    }
}

/// What the echo server takes.
fn wanted(m: &Message) -> bool {
    let t = m.as_term();
    *t == Term::from(atom("stop")) || matches!(t.as_tuple(), Some([from, _]) if from.is_pid())
}

/// The same as a loop with a selective receive.
fn echo_loop() -> Code {
    Code::future(|mut c: AsyncContext| async move {
        loop {
            let Ok(m) = c.receive_match(None, wanted).await else { continue };
            let t = m.into_term();
            let Some([from, msg]) = t.as_tuple() else { return Ok(()) };
            let reply = Term::tuple([c.self_pid().into(), msg.clone()]);
            c.send(from.as_pid().unwrap(), reply);
        }
    })
}

/// And on a stack of its own.
fn echo_fiber() -> Code {
    // SAFETY: holds nothing over its waits.
    unsafe {
        Code::assume_fiber_safe(|c| {
            loop {
                let Ok(m) = c.receive_match(None, wanted) else { continue };
                let t = m.into_term();
                let Some([from, msg]) = t.as_tuple() else { return Ok(()) };
                let reply = Term::tuple([c.self_pid().into(), msg.clone()]);
                c.send(from.as_pid().unwrap(), reply);
            }
        })
    }
}

fn echoes() -> [Code; 3] {
    [Code::handler(Echo), echo_loop(), echo_fiber()]
}

fn pair(a: impl Into<Term>, b: impl Into<Term>) -> Term {
    Term::tuple([a.into(), b.into()])
}

/// S2.8, S2.9
#[test]
fn an_echo_answers_and_a_bound_pid_waits_for_it() {
    let _beside = beside_others();
    let node = node();
    for code in echoes() {
        let mut me = node.attach().unwrap();
        let myself = me.self_pid();
        let l = me.spawn(code).unwrap();
        let other = me.spawn(idle()).unwrap();
        me.send(myself, pair(other, atom("hello")));
        me.send(l, pair(myself, atom("hello")));
        let got = me
            .receive_match(Some(10_000), |m| matches!(m.as_term().as_tuple(), Some([p, _]) if p.as_pid() == Some(l)))
            .unwrap();
        assert_eq!(got.into_term(), pair(l, atom("hello")));
        // The message of the other is still there.
        assert_eq!(me.receive(Some(0)).unwrap().into_term(), pair(other, atom("hello")));
        let r = me.monitor(l);
        me.send(l, atom("stop"));
        assert_eq!(down(&mut me, r), Term::from(atoms::NORMAL));
        nothing_is_left(&mut me);
    }
}

/// S2.10
#[test]
fn what_matches_first_in_the_mailbox_is_taken_whatever_came_with_it() {
    let _beside = beside_others();
    for (seed, code) in echoes().into_iter().enumerate() {
        let node = Node::builder().seeded(seed as u64).start().unwrap();
        let mut me = node.attach().unwrap();
        let myself = me.self_pid();
        let (l, r) = me.spawn_monitor(code).unwrap();
        for m in [Term::from(atom("foo")), Term::from(atom("stop")), pair(myself, atom("hello"))] {
            me.send(l, m);
        }
        node.run(u64::MAX);
        let text = me.receive(Some(0)).unwrap().into_term().to_string();
        assert_eq!(text, format!("{{'DOWN',{},process,{},normal}}", Term::from(r), Term::from(l)));
        assert!(me.receive(Some(0)).is_err(), "no reply is ever sent");
    }
}

/// S2.11
#[test]
fn two_receives_take_their_messages_in_either_order_of_arrival_and_leave_junk_as_it_was() {
    let _beside = beside_others();
    let node = Node::builder().seeded(1).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let receiver = me
        .spawn(Code::future(move |mut c: AsyncContext| async move {
            let mut order = Vec::new();
            for name in ["message1", "message2"] {
                let want = Term::from(atom(name));
                let m = c.receive_match(None, |m| *m.as_term() == want).await.unwrap();
                order.push(m.into_term());
            }
            while let Ok(m) = c.receive_timeout(0).await {
                order.push(m.into_term());
            }
            c.send(to, Term::list(order));
            Ok(())
        }))
        .unwrap();
    for m in ["junk1", "message2", "junk2", "message1", "junk3"] {
        me.send(receiver, atom(m));
    }
    node.run(u64::MAX);
    assert_eq!(next(&mut me), "[message1,message2,junk1,junk2,junk3]");
}

/// S2.13
#[test]
fn a_hundred_thousand_messages_of_each_of_two_senders_arrive_in_their_order() {
    let _beside = beside_others();
    const N: i64 = 100_000;
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for sender in 0..2i64 {
        me.spawn(Code::future(move |mut c: AsyncContext| async move {
            for n in 0..N {
                c.send(to, pair(sender, n));
                c.checkpoint().await;
            }
            Ok(())
        }))
        .unwrap();
    }
    let mut expected = [0i64; 2];
    for _ in 0..2 * N {
        let t = me.receive(Some(10_000)).unwrap().into_term();
        let Some([sender, n]) = t.as_tuple() else { panic!("{t}") };
        let sender = sender.as_i64().unwrap() as usize;
        assert_eq!(n.as_i64(), Some(expected[sender]), "sender {sender}");
        expected[sender] += 1;
    }
    assert_eq!(expected, [N; 2]);
}

/// S2.14
#[test]
fn a_buffer_that_is_changed_after_sending_does_not_change_the_message() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let l = me.spawn(Echo).unwrap();
    let mut buffer = b"before".to_vec();
    let myself = me.self_pid();
    me.send(l, pair(myself, Term::binary(buffer.clone())));
    buffer.copy_from_slice(b"after!");
    assert_eq!(me.receive(Some(10_000)).unwrap().into_term(), pair(l, Term::binary(&b"before"[..])));
}

/// S2.15, with a fifth of the million so that it fits beside other tests; the million is in the demo.
#[test]
fn many_processes_answer_and_go_and_their_memory_serves_the_next() {
    const N: usize = 200_000;
    let _alone = alone();
    let node = node();
    let mut me = node.attach().unwrap();
    let mut after = Vec::new();
    for round in 0..3 {
        let all: Vec<Pid> = (0..N).map(|_| me.spawn(Echo).unwrap()).collect();
        assert_eq!(node.counts().processes, N + 1);
        let myself = me.self_pid();
        for (n, p) in all.iter().enumerate() {
            me.send(*p, pair(myself, n as i64));
        }
        let mut sum = 0;
        for _ in 0..N {
            let t = me.receive(Some(30_000)).unwrap().into_term();
            sum += t.as_tuple().unwrap()[1].as_i64().unwrap();
        }
        assert_eq!(sum, (N * (N - 1) / 2) as i64);
        for p in &all {
            me.send(*p, atom("stop"));
        }
        let until = Instant::now() + PATIENCE;
        while node.counts().processes > 1 {
            assert!(Instant::now() < until, "round {round}: {} live", node.counts().processes);
            std::thread::sleep(Duration::from_millis(1));
        }
        after.extend(resident_kib());
    }
    if let [_, second, third] = after[..] {
        assert!(third - second < 16 << 10, "resident after each round, KiB: {after:?}");
    }
}

/// S2.16 (a) and (e): neither work that never ends nor blocking calls keep a ticker from its turns.
#[test]
fn a_ticker_is_not_starved_by_busy_processes_or_blocking_calls() {
    let _beside = beside_others();
    let node = Node::builder().workers(2).blocking_threads(4).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let work: Vec<Arc<AtomicU64>> = (0..8).map(|_| Arc::default()).collect();
    for w in &work {
        let w = w.clone();
        me.spawn_link(Code::future(move |mut c: AsyncContext| async move {
            loop {
                // A little work, charged as a message to nobody in particular would be.
                let myself = c.self_pid();
                c.send(myself, 0i64);
                c.receive().await;
                w.fetch_add(1, SeqCst);
                c.checkpoint().await;
            }
        }))
        .unwrap();
    }
    me.spawn_link(Code::future(|mut c: AsyncContext| async move {
        for _ in 0..16 {
            let sleep = || {
                std::thread::sleep(Duration::from_millis(100));
                Term::nil()
            };
            c.blocking(sleep)?;
        }
        loop {
            c.receive().await;
        }
    }))
    .unwrap();
    me.spawn_link(Code::future(move |mut c: AsyncContext| async move {
        for n in 0..50i64 {
            c.sleep(10).await;
            c.send(to, n);
        }
        Ok(())
    }))
    .unwrap();
    let start = Instant::now();
    for n in 0..50i64 {
        assert_eq!(me.receive(Some(10_000)).unwrap().into_term(), Term::from(n));
    }
    // 500 ms if every tick is in time; starved it would wait for work that has no end.
    assert!(start.elapsed() < Duration::from_secs(8), "fifty ticks took {:?}", start.elapsed());
    let done: Vec<u64> = work.iter().map(|w| w.load(SeqCst)).collect();
    assert!(done.iter().all(|n| *n > 0), "nobody starves: {done:?}");
}

/// S2.18: a million messages through one process, in every kind of body.
#[test]
fn an_endless_loop_runs_in_constant_memory() {
    const WINDOW: i64 = 1000;
    let _alone = alone();
    let node = node();
    let mut me = node.attach().unwrap();
    let myself = me.self_pid();
    for (kind, code) in echoes().into_iter().enumerate() {
        let l = me.spawn(code).unwrap();
        let mut after_a_tenth = None;
        for window in 0..1000 {
            for n in 0..WINDOW {
                me.send(l, pair(myself, n));
            }
            for n in 0..WINDOW {
                let t = me.receive(Some(30_000)).unwrap().into_term();
                assert_eq!(t.as_tuple().unwrap()[1].as_i64(), Some(n));
            }
            if window == 100 {
                after_a_tenth = resident_kib();
            }
        }
        if let (Some(before), Some(after)) = (after_a_tenth, resident_kib()) {
            // Nine hundred thousand messages at a byte each would be seen.
            assert!(after - before < 800, "body {kind}: {before} KiB, then {after}");
        }
        me.send(l, atom("stop"));
    }
}

/// Ends with what it is sent.
fn mortal() -> Code {
    Code::future(|mut c: AsyncContext| async move { Err(Exception::exit(c.receive().await.into_term())) })
}

/// Links with the processes of a list that it is sent, tells that it has, and waits.
fn linker(of: Vec<Pid>, trap: bool, to: Pid) -> Code {
    Code::future(move |mut c: AsyncContext| async move {
        c.trap_exit(trap);
        for p in &of {
            c.link(*p)?;
        }
        c.send(to, atom("linked"));
        loop {
            let m = c.receive().await;
            if trap {
                c.send(to, m.into_term());
            }
        }
    })
}

/// S2.19, the variant with two sources: the signal that arrives first decides.
#[test]
fn of_two_deaths_the_first_to_be_heard_decides() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for ordered in [true, false] {
        for _ in 0..200 {
            let (a, b) = (me.spawn(mortal()).unwrap(), me.spawn(mortal()).unwrap());
            let (_, r) = me.spawn_monitor(linker(vec![a, b], false, to)).unwrap();
            assert_eq!(next(&mut me), "linked");
            let first = me.monitor(a);
            me.send(a, atom("first"));
            if ordered {
                down(&mut me, first);
            }
            me.send(b, atom("second"));
            let reason = down(&mut me, r).to_string();
            assert!(reason == "first" || (!ordered && reason == "second"), "{reason}");
            me.demonitor_flush(first);
        }
    }
    nothing_is_left(&mut me);
}

/// S2.20: dependents go with their server, and a parent that traps starts all of them again.
#[test]
fn dependents_end_with_their_reason_and_a_parent_restarts_all_three() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    let to = me.self_pid();
    for _ in 0..50 {
        let a = me.spawn_link(mortal()).unwrap();
        let mut all = vec![a];
        for _ in 0..2 {
            all.push(me.spawn_link(linker(vec![a], false, to)).unwrap());
            assert_eq!(next(&mut me), "linked");
        }
        me.send(a, atom("crash"));
        let mut told = HashSet::new();
        for _ in 0..3 {
            let Ok(Message::Exit(e)) = me.receive(Some(10_000)) else { panic!("no 'EXIT'") };
            assert_eq!(e.reason, Term::from(atom("crash")));
            told.insert(e.from);
        }
        assert_eq!(told, all.into_iter().collect());
    }
    assert_eq!(node.counts().processes, 1);
    nothing_is_left(&mut me);
}

/// S2.24
#[test]
fn trapping_stops_a_death_from_running_on() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let (b, z) = (me.spawn(mortal()).unwrap(), me.spawn(idle()).unwrap());
    let a = me.spawn(linker(vec![b, z], true, to)).unwrap();
    assert_eq!(next(&mut me), "linked");
    me.send(b, atom("crash"));
    assert_eq!(next(&mut me), format!("{{'EXIT',{},crash}}", Term::from(b)));
    let info = node.process_info(z, false, PATIENCE).expect("Z lives");
    assert_eq!(info.links, [a]);
    assert!(node.is_alive(a));
}

/// The server of S2.27. `{take, Client}`: links the client, who has the resource now; `{give, Client}`: unlinks. What
/// it hears of dead clients it tells as `{freed, Client}`. A server that monitors keeps no link.
struct Resource {
    owner: Pid,
    links: bool,
}

impl Handler for Resource {
    fn init(&mut self, c: &mut Context) -> Result<Next, Exception> {
        c.trap_exit(true);
        Ok(Next::Continue)
    }

    fn handle(&mut self, c: &mut Context, m: Message) -> Result<Next, Exception> {
        let freed = match m {
            Message::Exit(e) => e.from,
            Message::Down(d) => match d.object {
                krarup::Monitored::Pid(p) => p,
                krarup::Monitored::Name(..) => return Ok(Next::Continue),
            },
            m => {
                let t = m.into_term();
                let Some([what, client]) = t.as_tuple() else { return Err(Exception::exit(t)) };
                let client = client.as_pid().unwrap();
                match what.as_atom().map(Atom::as_str) {
                    Some("take") if self.links => c.link(client)?,
                    Some("take") => _ = c.monitor(client),
                    _ => c.unlink(client),
                }
                c.send(self.owner, atom("ok"));
                return Ok(Next::Continue);
            }
        };
        c.send(self.owner, pair(atom("freed"), freed));
        Ok(Next::Continue)
    }
}

/// S2.27
#[test]
fn a_resource_server_hears_of_clients_that_hold_something_and_of_no_others() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let owner = me.self_pid();
    let server = me.spawn(Resource { owner, links: true }).unwrap();
    let ask = |me: &mut Attached, what: &str, client: Pid| {
        me.send(server, pair(atom(what), client));
        assert_eq!(next(me), "ok");
    };
    // (a)
    let client = me.spawn(idle()).unwrap();
    ask(&mut me, "take", client);
    me.exit(client, atom("crash"));
    assert_eq!(next(&mut me), format!("{{freed,{}}}", Term::from(client)));
    // (b)
    let client = me.spawn(idle()).unwrap();
    ask(&mut me, "take", client);
    ask(&mut me, "give", client);
    me.exit(client, atom("crash"));
    assert_eq!(end_of(&mut me, client), Term::from(atoms::NOPROC));
    node.process_info(server, false, PATIENCE).unwrap();
    nothing_is_left(&mut me);
    // (c)
    let client = me.spawn(idle()).unwrap();
    ask(&mut me, "take", client);
    let r = me.monitor(client);
    me.send(server, atom("server_crash"));
    assert_eq!(down(&mut me, r).to_string(), "server_crash");
    // With a monitor the client lives on.
    let server = me.spawn(Resource { owner, links: false }).unwrap();
    let client = me.spawn(idle()).unwrap();
    me.send(server, pair(atom("take"), client));
    assert_eq!(next(&mut me), "ok");
    let r = me.monitor(server);
    me.send(server, atom("server_crash"));
    down(&mut me, r);
    let info = node.process_info(client, false, PATIENCE).expect("the client lives");
    assert!(info.monitored_by.is_empty() && info.links.is_empty(), "{info:?}");
}

/// S2.29
#[test]
fn a_killed_process_is_down_once_with_killed() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let l = me.spawn(Echo).unwrap();
    let r = me.monitor(l);
    me.exit(l, atoms::KILL);
    assert_eq!(next(&mut me), format!("{{'DOWN',{},process,{},killed}}", Term::from(r), Term::from(l)));
    nothing_is_left(&mut me);
}

/// S2.30
#[test]
fn a_monitor_harms_neither_side() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let target = me.spawn(mortal()).unwrap();
    let watcher = || {
        Code::future(move |mut c: AsyncContext| async move {
            let (a, b) = (c.monitor(target), c.monitor(target));
            c.send(to, pair(a, b));
            loop {
                let m = c.receive().await.into_term();
                if m == Term::from(atom("end")) {
                    return Err(Exception::exit(m));
                }
                c.send(to, m);
            }
        })
    };
    // The watcher's death leaves the target alone and takes its monitors away.
    let w = me.spawn(watcher()).unwrap();
    next(&mut me);
    let r = me.monitor(w);
    me.send(w, atom("end"));
    down(&mut me, r);
    let info = node.process_info(target, false, PATIENCE).expect("the target lives");
    assert!(info.monitored_by.is_empty(), "{info:?}");
    // The target's crash leaves the watcher alone, which hears it once for each of its monitors.
    let w = me.spawn(watcher()).unwrap();
    let refs = me.receive(Some(10_000)).unwrap().into_term();
    me.send(target, atom("crash"));
    let mut told: Vec<Ref> = (0..2)
        .map(|_| {
            let t = me.receive(Some(10_000)).unwrap().into_term();
            let Some([tag, r, what, object, reason]) = t.as_tuple() else { panic!("{t}") };
            let rest = (tag.to_string(), what.to_string(), object.as_pid(), reason.to_string());
            assert_eq!(rest, ("'DOWN'".into(), "process".into(), Some(target), "crash".into()));
            Term::as_ref(r).unwrap()
        })
        .collect();
    told.sort_by(Ref::order);
    let mut made: Vec<Ref> = refs.as_tuple().unwrap().iter().filter_map(Term::as_ref).collect();
    made.sort_by(Ref::order);
    assert_eq!(told, made);
    assert!(node.process_info(w, false, PATIENCE).is_some(), "the watcher lives");
    nothing_is_left(&mut me);
}

/// S2.32: also of nodes that share a name, as unnamed ones do, and of one that has been started again.
#[test]
fn references_of_two_nodes_and_of_a_restarted_one_are_all_different() {
    const EACH: i64 = 250_000;
    let _beside = beside_others();
    let all: Arc<Mutex<Vec<Vec<u32>>>> = Arc::default();
    let mint = |node: &Node| {
        let mut me = node.attach().unwrap();
        let to = me.self_pid();
        for _ in 0..4 {
            let all = all.clone();
            let code = Code::future(move |mut c: AsyncContext| async move {
                let mut mine = Vec::with_capacity(EACH as usize);
                for _ in 0..EACH {
                    mine.push(c.make_ref().words().to_vec());
                }
                all.lock().unwrap().extend(mine);
                c.send(to, atom("done"));
                Ok(())
            });
            me.spawn(code).unwrap();
        }
        for _ in 0..4 {
            assert_eq!(next(&mut me), "done");
        }
    };
    let (foo, bar) = (node(), node());
    assert_eq!(foo.name(), bar.name());
    mint(&foo);
    mint(&bar);
    foo.stop(PATIENCE).unwrap();
    mint(&node());
    let mut all = std::mem::take(&mut *all.lock().unwrap());
    let made = all.len();
    assert_eq!(made as i64, 3 * 4 * EACH);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), made);
}

/// Every kind of body, with the same text for each.
macro_rules! in_every_body {
    (|$c:ident| $text:block) => {{
        // SAFETY: the texts hold nothing over their waits.
        let fiber = unsafe {
            Code::assume_fiber_safe(|$c| {
                $text;
                let _ = $c.receive(None);
                Ok(())
            })
        };
        let future = Code::future(|mut $c: AsyncContext| async move {
            $text;
            $c.receive().await;
            Ok(())
        });
        let handler = Code::handler(|$c: &mut Context, _: Message| {
            $text;
            Ok(Next::Continue)
        });
        [fiber, future, handler]
    }};
}

/// C2.33: the code of a process does nothing after it has sent itself a fatal exit.
#[test]
fn nothing_follows_a_fatal_exit_to_oneself() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let name = atom("witness_of_self_exit");
    let myself = me.self_pid();
    me.register(name, myself).unwrap();
    let codes = in_every_body!(|c| {
        let me = c.self_pid();
        c.exit(me, atom("boom"));
        let _ = c.send_to(atom("witness_of_self_exit"), 1i64);
        let _ = c.register(atom("name_of_the_dead"), me);
        if let Some(witness) = c.whereis(atom("witness_of_self_exit")) {
            c.send(witness, 2i64);
            c.exit(witness, atom("shot"));
            let _ = c.link(witness);
            c.monitor(witness);
            let _ = c.spawn_link(Code::handler(|_: &mut Context, _: Message| Ok(Next::Continue)));
        }
    });
    for code in codes {
        let (p, r) = me.spawn_monitor(code).unwrap();
        me.send(p, atom("go"));
        assert_eq!(down(&mut me, r), Term::from(atom("boom")));
        assert_eq!(node.whereis(atom("name_of_the_dead")), None);
        assert_eq!(node.counts().processes, 1);
    }
    let mut thread = node.attach().unwrap();
    let pid = thread.self_pid();
    let r = me.monitor(pid);
    thread.exit(pid, atom("boom"));
    thread.send(myself, 1i64);
    assert_eq!(down(&mut me, r), Term::from(atom("boom")));
    assert_eq!(thread.receive(None).unwrap_err(), krarup::ReceiveError::Killed);
    nothing_is_left(&mut me);
}

/// C2.20
#[test]
fn a_receive_that_does_not_wait_sees_what_the_process_has_sent_itself() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    me.send(to, 1i64);
    assert_eq!(me.receive(Some(0)).unwrap().into_term(), Term::from(1i64));
    let future = Code::future(move |mut c: AsyncContext| async move {
        let myself = c.self_pid();
        c.send(myself, 1i64);
        let got = c.receive_timeout(0).await.is_ok();
        c.send(to, Term::from(got));
        Ok(())
    });
    // SAFETY: holds nothing over its waits.
    let fiber = unsafe {
        Code::assume_fiber_safe(move |c| {
            let myself = c.self_pid();
            c.send(myself, 1i64);
            let got = c.receive(Some(0)).is_ok();
            c.send(to, Term::from(got));
            Ok(())
        })
    };
    for code in [future, fiber] {
        me.spawn(code).unwrap();
        assert_eq!(next(&mut me), "true");
    }
}

/// C2.19: an exit comes before what its sender sends after it, which finds nobody.
#[test]
fn what_follows_a_fatal_exit_finds_nobody() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    me.trap_exit(true);
    let busy = Arc::new(AtomicBool::new(false));
    let callback = |busy: &Arc<AtomicBool>| {
        let busy = busy.clone();
        Code::handler(move |_: &mut Context, m: Message| {
            if m.as_term().is_atom() {
                busy.store(true, SeqCst);
                while busy.load(SeqCst) {
                    std::hint::spin_loop();
                }
            }
            Ok(Next::Continue)
        })
    };
    for _ in 0..20 {
        let p = me.spawn(callback(&busy)).unwrap();
        // While it is busy its signals gather, to be taken in one go.
        me.send(p, atom("wait"));
        while !busy.load(SeqCst) {
            std::hint::spin_loop();
        }
        me.exit(p, atom("boom"));
        me.link(p).unwrap();
        let r = me.monitor(p);
        busy.store(false, SeqCst);
        assert_eq!(down(&mut me, r), Term::from(atoms::NOPROC));
        assert_eq!(next(&mut me), format!("{{'EXIT',{},noproc}}", Term::from(p)));
    }
    nothing_is_left(&mut me);
}

/// S2.17's neighbour, architecture 4: whoever hears of a death finds the name free, also a name that somebody else was
/// giving the process while it was killed.
#[test]
fn a_name_being_given_to_a_dying_process_is_free_when_its_death_is_told() {
    const ROUNDS: u64 = 6000;
    let _beside = beside_others();
    let node = Arc::new(node());
    let mut me = node.attach().unwrap();
    let name = atom("given_to_the_dying");
    let (turn, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let target: Arc<Mutex<Option<Pid>>> = Arc::default();
    let registrar = {
        let (node, turn, done, target) = (node.clone(), turn.clone(), done.clone(), target.clone());
        std::thread::spawn(move || {
            for n in 1..=ROUNDS {
                while turn.load(SeqCst) != n {
                    std::thread::yield_now();
                }
                let p = target.lock().unwrap().unwrap();
                let _ = node.register(name, p);
                done.store(n, SeqCst);
            }
        })
    };
    for n in 1..=ROUNDS {
        let (p, r) = me.spawn_monitor(idle()).unwrap();
        *target.lock().unwrap() = Some(p);
        turn.store(n, SeqCst);
        for _ in 0..n % 300 {
            std::hint::spin_loop();
        }
        me.exit(p, atoms::KILL);
        down(&mut me, r);
        assert_ne!(node.whereis(name), Some(p), "round {n}: the name is the dead one's");
        while done.load(SeqCst) != n {
            std::thread::yield_now();
        }
        assert_eq!(node.whereis(name), None, "round {n}");
    }
    registrar.join().unwrap();
}

/// C2.22
#[test]
fn a_name_taken_away_by_another_is_not_shown_any_more() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let p = me.spawn(idle()).unwrap();
    let (a, b) = (atom("taken_away_a"), atom("taken_away_b"));
    let shown = || node.process_info(p, false, PATIENCE).unwrap().registered_name;
    me.register(a, p).unwrap();
    assert_eq!(shown(), Some(a));
    me.unregister(a).unwrap();
    assert_eq!(shown(), None);
    me.register(b, p).unwrap();
    assert_eq!(shown(), Some(b));
}

/// C2.34-35: monitors of oneself, and what a flush takes.
#[test]
fn a_monitor_of_oneself_is_nothing_and_a_flush_takes_whatever_looks_like_down() {
    let _beside = beside_others();
    let node = node();
    let mut me = node.attach().unwrap();
    let myself = me.self_pid();
    let alias = krarup::MonitorOptions { alias: Some(krarup::AliasMode::ExplicitUnalias), tag: None };
    let r = me.monitor_opt(myself, alias);
    me.send_to(krarup::Dest::Alias(r, myself), 1i64).unwrap();
    assert_eq!((me.demonitor(r), me.unalias(r)), (false, false));
    nothing_is_left(&mut me);
    let p = me.spawn(idle()).unwrap();
    let r = me.monitor(p);
    me.demonitor(r);
    let forged = |n: i64| Term::tuple([atom("x").into(), r.into(), 1i64.into(), 2i64.into(), n.into()]);
    me.send(myself, forged(1));
    me.send(myself, forged(2));
    assert!(!me.demonitor_flush(r));
    assert_eq!(me.receive(Some(0)).unwrap().into_term(), forged(2));
    nothing_is_left(&mut me);
}
