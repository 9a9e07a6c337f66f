//! The puppet in Rust: a server that does what it is told, and a reader of steps; twin of `puppet.erl`.
#![allow(dead_code)]

use super::fixture::*;
use krarup::gen_server::{
    self, AsyncCallbacks, BoxFuture, CallReturn, Callbacks, Dynamic, DynamicAsync, From, Init, Linkage, Name, Options,
    Return, ServerRef,
};
use krarup::sys::{self, LogFlag, StatisticsFlag, Within};
use krarup::term::View;
use krarup::{AsyncContext, Atom, Attached, Context, Exception, Message, Pid, Term};
use std::time::Duration;

pub struct Puppet {
    obs: Pid,
    what: Term,
    state: Term,
}

fn told(w: &Term) -> Result<Term, Exception> {
    match w.view() {
        View::Tuple([k, v]) => match k.as_atom().map(Atom::as_str) {
            Some("ret") => Ok(v.clone()),
            Some("error") => Err(Exception::error(v.clone())),
            Some("exit") => Err(Exception::exit(v.clone())),
            Some("throw") => Err(Exception::throw(v.clone())),
            _ => Err(Exception::error(atom("function_clause"))),
        },
        _ => Err(Exception::error(atom("function_clause"))),
    }
}

fn two<'a>(t: &'a Term, key: &str) -> Option<&'a Term> {
    match t.view() {
        View::Tuple([k, v]) if k.as_atom().is_some_and(|a| a.as_str() == key) => Some(v),
        _ => None,
    }
}

impl Puppet {
    pub fn new(obs: Pid, what: Term) -> Self {
        Self { obs, what, state: t("s0") }
    }

    fn say(&self, ctx: &mut Context, what: &str, m: impl Into<Term>) {
        ctx.send(self.obs, tuple([atom(what).into(), m.into()]));
    }

    fn begin(&mut self, ctx: &mut Context) -> Result<Init<()>, Exception> {
        ctx.put(atom("obs"), self.obs);
        let ok = || Init::Ok((), gen_server::After::Wait);
        match self.what.as_atom().map(Atom::as_str) {
            Some("ok") => Ok(ok()),
            Some("trap") => {
                ctx.trap_exit(true);
                Ok(ok())
            }
            _ => told(&self.what).map(Init::Bad),
        }
    }

    fn info(&mut self, ctx: &mut Context, m: &Message) -> Result<Return, Exception> {
        let t = m.as_term();
        if let Some(what) = two(&t, "say") {
            self.say(ctx, "said", what.clone());
        } else if matches!(m, Message::Exit(_)) || *t == atom("timeout").into() {
            self.say(ctx, "info", t.into_owned());
        } else {
            return told(&t).map(Return::Term);
        }
        Ok(Return::noreply())
    }

    fn cast(&mut self, ctx: &mut Context, request: &Term) -> Result<Return, Exception> {
        if let Some(s) = two(request, "set") {
            self.state = s.clone();
        } else if *request == atom("answer").into() {
            let from = From::from_term(&self.state).expect("kept");
            gen_server::reply(ctx, &from, atom("kept"));
            self.state = atom("answered").into();
        } else {
            return told(request).map(Return::Term);
        }
        Ok(Return::noreply())
    }

    fn call(&mut self, ctx: &mut Context, request: &Term, from: &From) -> Result<CallReturn, Exception> {
        match request.as_atom().map(Atom::as_str) {
            Some("get") => return Ok(CallReturn::reply(self.state.clone())),
            Some("from") => return Ok(CallReturn::reply(from.to_term())),
            Some("keep") => {
                self.state = from.to_term();
                return Ok(CallReturn::noreply());
            }
            _ => {}
        }
        if let Some(r) = two(request, "early") {
            gen_server::reply(ctx, from, r.clone());
            return Ok(CallReturn::noreply());
        }
        if let Some(r) = two(request, "twice") {
            gen_server::reply(ctx, from, r.clone());
            return Ok(CallReturn::reply(atom("again")));
        }
        told(request).map(CallReturn::Term)
    }

    fn ending(&mut self, ctx: &mut Context, reason: &Term) -> Result<(), Exception> {
        if let Some(w) = two(&self.state, "raise").cloned() {
            self.say(ctx, "terminate", reason.clone());
            return told(&w).map(drop);
        }
        ctx.send(self.obs, tuple([atom("terminate").into(), reason.clone(), self.state.clone()]));
        Ok(())
    }

    fn change(&mut self, old: &Term, extra: &Term) -> Result<Result<(), Term>, Exception> {
        if let Some(s) = two(extra, "to") {
            self.state = tuple([s.clone(), old.clone()]);
            return Ok(Ok(()));
        }
        if let Some(r) = two(extra, "no") {
            return Ok(Err(r.clone()));
        }
        told(extra).map(|_| Ok(()))
    }
}

macro_rules! state {
    () => {
        fn module(&self) -> Atom {
            atom("puppet")
        }
        fn state(&self) -> Term {
            self.state.clone()
        }
        fn set_state(&mut self, state: Term) -> Result<(), Exception> {
            self.state = state;
            Ok(())
        }
        fn code_change(&mut self, _: &mut Context, old: &Term, extra: &Term) -> Result<Result<(), Term>, Exception> {
            self.change(old, extra)
        }
    };
}

impl Callbacks for Puppet {
    state!();

    fn init(&mut self, ctx: &mut Context) -> Result<Init<()>, Exception> {
        self.begin(ctx)
    }
    fn handle_call(&mut self, ctx: &mut Context, request: &Term, from: &From) -> Result<CallReturn, Exception> {
        if let Some(ms) = two(request, "sleep").and_then(Term::as_int) {
            std::thread::sleep(Duration::from_millis(ms as u64));
            return Ok(CallReturn::reply(atom("ok")));
        }
        self.call(ctx, request, from)
    }
    fn handle_cast(&mut self, ctx: &mut Context, request: &Term) -> Result<Return, Exception> {
        self.cast(ctx, request)
    }
    fn handle_info(&mut self, ctx: &mut Context, m: &Message) -> Result<Return, Exception> {
        self.info(ctx, m)
    }
    fn handle_continue(&mut self, ctx: &mut Context, with: &Term) -> Result<Return, Exception> {
        match two(with, "say") {
            Some(m) => {
                self.say(ctx, "continued", m.clone());
                Ok(Return::noreply())
            }
            None => told(with).map(Return::Term),
        }
    }
    fn terminate(&mut self, ctx: &mut Context, reason: &Term) -> Result<(), Exception> {
        self.ending(ctx, reason)
    }
}

impl AsyncCallbacks for Puppet {
    state!();

    fn init<'a>(&'a mut self, ctx: &'a mut AsyncContext) -> BoxFuture<'a, Result<Init<()>, Exception>> {
        Box::pin(async { self.begin(ctx) })
    }
    fn handle_call<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        request: &'a Term,
        from: &'a From,
    ) -> BoxFuture<'a, Result<CallReturn, Exception>> {
        Box::pin(async move {
            if let Some(ms) = two(request, "sleep").and_then(Term::as_int) {
                ctx.sleep(ms as u64).await;
                return Ok(CallReturn::reply(atom("ok")));
            }
            self.call(ctx, request, from)
        })
    }
    fn handle_cast<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        request: &'a Term,
    ) -> BoxFuture<'a, Result<Return, Exception>> {
        Box::pin(async { self.cast(ctx, request) })
    }
    fn handle_info<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        m: &'a Message,
    ) -> BoxFuture<'a, Result<Return, Exception>> {
        Box::pin(async { self.info(ctx, m) })
    }
    fn handle_continue<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        with: &'a Term,
    ) -> BoxFuture<'a, Result<Return, Exception>> {
        Box::pin(async { Callbacks::handle_continue(self, ctx, with) })
    }
    fn terminate<'a>(
        &'a mut self,
        ctx: &'a mut AsyncContext,
        reason: &'a Term,
    ) -> BoxFuture<'a, Result<(), Exception>> {
        Box::pin(async { self.ending(ctx, reason) })
    }
}

/// Runs steps as `puppet:run/1` does; `waiting`: the async driver.
pub fn run(me: &mut Attached, steps: &Term, waiting: bool) -> Vec<String> {
    me.trap_exit(true);
    let mut server = None;
    let mut lines = Vec::new();
    for step in steps.as_list().expect("steps") {
        let r = self::step(me, &mut server, step, waiting);
        lines.push(norm(&r, me.self_pid(), server).to_string());
    }
    lines
}

fn tried(r: Result<Term, Exception>) -> Term {
    r.unwrap_or_else(|e| {
        let class = match e.class {
            krarup::Class::Error => "error",
            krarup::Class::Exit => "exit",
            krarup::Class::Throw => "throw",
        };
        tuple([atom(class).into(), e.reason])
    })
}

fn ok(_: ()) -> Term {
    atom("ok").into()
}

fn ms(t: &Term) -> Option<u64> {
    t.as_int().map(|n| n as u64)
}

fn step(me: &mut Attached, server: &mut Option<Pid>, step: &Term, waiting: bool) -> Term {
    if step.as_atom().is_some() {
        let s = server.unwrap_or(me.self_pid());
        return match step.as_atom().unwrap().as_str() {
            "alive" => {
                std::thread::sleep(Duration::from_millis(40));
                me.is_alive(s).into()
            }
            "stop" => tried(gen_server::stop(me, s).map(ok)),
            "flush" => {
                let mut all = Vec::new();
                while let Ok(m) = me.receive(Some(60)) {
                    all.push(m.into_term());
                }
                all.sort_by(Term::compare);
                Term::list(all)
            }
            other => panic!("{other}"),
        };
    }
    let row = step.as_tuple().expect("a step");
    let what = row[0].as_atom().unwrap().as_str();
    if what == "start" {
        return start(me, server, row, waiting);
    }
    let s = server.unwrap_or(me.self_pid());
    let to = || ServerRef::from_term(&row[1]).expect("a reference");
    match (what, row) {
        ("call", [_, q]) => tried(gen_server::call(me, s, q.clone())),
        ("call", [_, q, t]) => tried(gen_server::call_timeout(me, s, q.clone(), ms(t))),
        ("call_to", [_, _, q]) => tried(gen_server::call(me, to(), q.clone())),
        ("cast", [_, q]) => {
            gen_server::cast(me, s, q.clone());
            ok(())
        }
        ("info" | "raw", [_, m]) => {
            me.send(s, m.clone());
            ok(())
        }
        ("raw_system", [_, q]) => {
            let from = tuple([me.self_pid().into(), atom("tag").into()]);
            me.send(s, tuple([atom("system").into(), from, q.clone()]));
            ok(())
        }
        ("raw_call", [_, tag, q]) => {
            let from = tuple([me.self_pid().into(), tag.clone()]);
            me.send(s, tuple([atom("$gen_call").into(), from, q.clone()]));
            ok(())
        }
        ("sys", [_, f]) => system(me, s.into(), f.as_atom().unwrap().as_str(), &[]),
        ("sys", [_, f, args]) => {
            let args: Vec<Term> = args.as_list().map(|l| l.iter().cloned().collect()).unwrap_or_default();
            system(me, s.into(), f.as_atom().unwrap().as_str(), &args)
        }
        ("sys_to", [_, _, f]) => system(me, to(), f.as_atom().unwrap().as_str(), &[]),
        ("stop", [_, r, t]) => tried(gen_server::stop_reason(me, s, r.clone(), ms(t)).map(ok)),
        ("stop_to", [_, _]) => tried(gen_server::stop(me, to()).map(ok)),
        ("exit", [_, r]) => {
            me.exit(s, r.clone());
            ok(())
        }
        ("exit_stranger", [_, r]) => {
            let r = r.clone();
            let f = krarup::Code::future(move |mut c: AsyncContext| async move {
                c.exit(s, r);
                Ok(())
            });
            let (_, m) = me.spawn_monitor(f).unwrap();
            me.receive_ref(m, None, |x| matches!(x, Message::Down(d) if d.reference == m)).unwrap();
            ok(())
        }
        ("request", [_, q]) => request(me, s.into(), q),
        ("request_to", [_, _, q]) => request(me, to(), q),
        ("sleep", [_, t]) => {
            std::thread::sleep(Duration::from_millis(ms(t).unwrap()));
            ok(())
        }
        _ => panic!("{step}"),
    }
}

fn request(me: &mut Attached, to: ServerRef, q: &Term) -> Term {
    let r = gen_server::send_request(me, to, q.clone());
    gen_server::receive_response(me, &r, Some(1000)).map_or_else(|| atom("timeout").into(), |r| r.to_term())
}

fn system(me: &mut Attached, s: ServerRef, f: &str, args: &[Term]) -> Term {
    let flag = |t: &Term| match t.to_string().as_str() {
        "true" => LogFlag::On,
        "false" => LogFlag::Off,
        "get" => LogFlag::Get,
        other => LogFlag::Keep(other.trim_start_matches("{true,").trim_end_matches('}').parse().expect("a number")),
    };
    let d = Within::Default;
    tried(match (f, args) {
        ("get_state", []) => sys::get_state(me, s, d),
        ("get_state", [t]) => sys::get_state(me, s, ms(t).unwrap()),
        ("get_status", []) => sys::get_status(me, s, d),
        ("suspend", []) => sys::suspend(me, s, d).map(ok),
        ("resume", []) => sys::resume(me, s, d).map(ok),
        ("no_debug", []) => sys::no_debug(me, s, d).map(ok),
        ("terminate", [r]) => sys::terminate(me, s, r.clone(), d).map(ok),
        ("change_code", [m, o, e]) => {
            // Both forms of a failure are the answer in OTP.
            match sys::change_code(me, s, m.as_atom().unwrap(), o.clone(), e.clone(), d) {
                Err(x) if x.class == krarup::Class::Error => Ok(x.reason),
                r => r.map(ok),
            }
        }
        ("log", [l]) => match sys::log(me, s, flag(l), d) {
            Err(x) if x.class == krarup::Class::Error => Ok(x.reason),
            r => r,
        },
        ("statistics", [l]) => {
            let l = match l.to_string().as_str() {
                "true" => StatisticsFlag::On,
                "false" => StatisticsFlag::Off,
                _ => StatisticsFlag::Get,
            };
            sys::statistics(me, s, l, d)
        }
        ("remove", [i]) => sys::remove(me, s, i.clone(), d).map(ok),
        ("log_to_file", [x]) => {
            let name: Option<String> =
                x.as_list().map(|l| l.iter().filter_map(|c| char::from_u32(c.as_int()? as u32)).collect());
            match sys::log_to_file(me, s, name.as_deref(), d) {
                Err(x) if x.class == krarup::Class::Error => Ok(x.reason),
                r => r.map(ok),
            }
        }
        _ => panic!("sys:{f}{args:?}"),
    })
}

fn start(me: &mut Attached, server: &mut Option<Pid>, row: &[Term], waiting: bool) -> Term {
    let linkage = match row[1].as_atom().unwrap().as_str() {
        "link" => Linkage::Link,
        "monitor" => Linkage::Monitor,
        _ => Linkage::None,
    };
    let name = row[2].as_atom().filter(|a| a.as_str() != "none").map(Name::Local);
    let mut options = Options::default();
    for o in row.get(4).and_then(Term::as_list).into_iter().flatten() {
        if let Some([k, v]) = o.as_tuple() {
            match k.as_atom().map(Atom::as_str) {
                Some("timeout") => options.timeout_ms = ms(v),
                Some("debug") => options.debug = v.clone(),
                Some("hibernate_after") => options.hibernate_after_ms = ms(v),
                _ => {}
            }
        }
    }
    let puppet = Box::new(Puppet { obs: me.self_pid(), what: row[3].clone(), state: t("s0") });
    let started = if waiting {
        gen_server::start_async_with::<DynamicAsync, _>(me, linkage, name, puppet, options)
    } else {
        gen_server::start_with::<Dynamic, _>(me, linkage, name, puppet, options)
    };
    match started {
        Ok(s) => {
            *server = s.pid().or(*server);
            s.to_term()
        }
        Err(e) => tried(Err(e)),
    }
}

fn is_frame(t: &Term) -> bool {
    match t.view() {
        View::Tuple([m, f, a, l]) => m.is_atom() && f.is_atom() && l.is_list() && (a.as_int().is_some() || a.is_list()),
        _ => false,
    }
}

/// Pids, references and stacks become words.
pub fn norm(t: &Term, me: Pid, server: Option<Pid>) -> Term {
    let all = |l: &[Term]| l.iter().map(|x| norm(x, me, server)).collect::<Vec<_>>();
    match t.view() {
        View::Pid(p) if p == me => t_atom("me"),
        View::Pid(p) if Some(p) == server => t_atom("server"),
        View::Pid(_) => t_atom("pid"),
        View::Ref(_) => t_atom("ref"),
        View::List(l) if is_frame(l.head()) => t_atom("stack"),
        View::List(l) => {
            let mut items: Vec<Term> = l.iter().cloned().collect();
            // A dictionary has no order.
            if items.len() == 3 && items.iter().any(|i| two(i, "$ancestors").is_some()) {
                items.sort_by(Term::compare);
            }
            Term::improper_list(all(&items), norm(l.tail(), me, server))
        }
        View::Tuple(row) => Term::tuple(all(row)),
        _ => t.clone(),
    }
}

fn t_atom(s: &str) -> Term {
    atom(s).into()
}
