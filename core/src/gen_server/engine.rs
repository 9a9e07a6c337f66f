//! The loop of a server, as a function of events: which callback a message is for, and what its result means.
//! Imports: term, process, proc_lib, gen, sys, report.
//!
//! It calls no callback and waits for nothing: a driver does, plain or async. Per message: `take` says what to do;
//! after a callback `returned` says what to do next; at the end `end` and `ended` (around `terminate`).
//! Invariant: `armed` says what the process's deadline stands for, and is `Nothing` while a callback runs.

use super::callbacks::{After, CallReturn, FormatStatus, Return};
use super::facet::Facet;
use super::report;
use crate::r#gen::{Birth, From, Name, Options, reply_last};
use crate::proc_lib::{self, is_quiet};
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::process::message::Message;
use crate::process::timers::MAX_TIMEOUT_MS;
use crate::sys::{self, Debug, EventFormat, Sys, Target};
use crate::term::{Atom, Term, View, atoms};

/// What a callback is for. It stays here while the callback runs, as the last message for a report.
pub(super) enum Input {
    Call(Term, From),
    /// The whole `{'$gen_cast', Request}`.
    Cast(Term),
    Info(Message),
    Continue(Term),
}

impl Input {
    /// The request of a cast.
    pub fn cast_request(whole: &Term) -> &Term {
        match whole.view() {
            View::Tuple([_, request]) => request,
            _ => whole,
        }
    }

    /// As a report shows it.
    fn last_message(&self) -> Term {
        match self {
            Self::Call(request, _) => request.clone(),
            Self::Cast(whole) => whole.clone(),
            Self::Info(m) => m.as_term().into_owned(),
            Self::Continue(c) => Term::tuple([atoms::CONTINUE.into(), c.clone()]),
        }
    }

    fn callback(&self) -> (Atom, u8) {
        match self {
            Self::Call(..) => (atoms::HANDLE_CALL, 3),
            Self::Cast(_) => (atoms::HANDLE_CAST, 2),
            Self::Info(_) => (atoms::HANDLE_INFO, 2),
            Self::Continue(_) => (atoms::HANDLE_CONTINUE, 2),
        }
    }
}

/// What a callback has come back with.
pub(super) enum Returned {
    Call(CallReturn),
    Other(Return),
}

/// How the server ends: what `terminate` is told, and what is done around it.
pub(super) struct End {
    exception: Exception,
    last: Term,
    client: Option<From>,
    reply: Option<(From, Term)>,
    /// The runtime itself has failed the server: no `terminate`, no error report.
    bare: bool,
}

impl End {
    /// The reason that `terminate` gets.
    pub fn reason(&self) -> Term {
        self.exception.clone().into_exit_reason()
    }

    /// Whether `terminate` runs.
    pub fn runs_terminate(&self) -> bool {
        !self.bare
    }
}

/// What the driver has to do.
pub(super) enum Do {
    /// Wait for the next message.
    Wait,
    /// Suspended: leave this message where it is.
    Keep(Message),
    /// Run the callback, then `returned`.
    Run(Input),
    /// Run `terminate` if the end wants it, then `ended`, then end with what that gives.
    End(Box<End>),
}

/// What the process's deadline stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Armed {
    Nothing,
    /// The server's own timeout, of so many ms.
    Timeout(u64),
    /// `hibernate_after`
    Sleep,
    /// It hibernates: no deadline.
    Hibernating,
}

/// See the module's text.
pub(super) struct Engine {
    pub module: Atom,
    /// `None`: the pid.
    name: Option<Box<Name>>,
    sys: Sys,
    armed: Armed,
    /// 0: never. At most 2^32 - 1.
    hibernate_after: u32,
}

impl Engine {
    /// The loop of a process that is being born.
    pub fn new(ctx: &mut Context, module: Atom, birth: &Birth, options: &Options) -> Self {
        Self::of(ctx, module, birth.name().cloned(), birth.parent(ctx), options)
    }

    /// The loop of a process that lives already.
    pub fn of(
        ctx: &mut Context,
        module: Atom,
        name: Option<Name>,
        parent: crate::term::Pid,
        options: &Options,
    ) -> Self {
        let shown = name.as_ref().map_or_else(|| ctx.self_pid().into(), Name::bare);
        let debug = Debug::from_options(ctx, &options.debug).unwrap_or_else(|| {
            report::bad_debug_options(ctx, &shown, &options.debug);
            Debug::default()
        });
        let after = options.hibernate_after_ms.unwrap_or(0).min(u64::from(u32::MAX));
        Self {
            module,
            name: name.map(Box::new),
            sys: Sys::new(parent, debug),
            armed: Armed::Nothing,
            hibernate_after: after as u32,
        }
    }

    fn shown(&self, ctx: &Context) -> Term {
        self.name.as_ref().map_or_else(|| ctx.self_pid().into(), |n| n.bare())
    }

    /// Whether a native call can go straight to its callback.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.armed == Armed::Nothing && !self.sys.suspended && !self.sys.debug.is_on()
    }

    /// Whether nothing has to be armed after a callback that wants to wait.
    #[inline]
    pub fn never_sleeps(&self) -> bool {
        self.hibernate_after == 0
    }

    /// A message has come.
    pub fn take(&mut self, ctx: &mut Context, facet: &mut dyn Facet, m: Message) -> Do {
        if let Some((from, request)) = sys::system_request(&m) {
            return self.system(ctx, facet, &from, &request);
        }
        if self.sys.is_parent_exit(&m) {
            let Message::Exit(e) = m else { return Do::Keep(m) };
            self.disarm(ctx);
            let exception = Exception::exit(e.reason.clone());
            let last = e.into_term();
            return Do::End(Box::new(End { exception, last, client: None, reply: None, bare: false }));
        }
        if self.sys.suspended {
            return Do::Keep(m);
        }
        self.disarm(ctx);
        let input = match m {
            Message::Call(c) => {
                let (from, request) = c.into_parts();
                Input::Call(request, from.into())
            }
            Message::Term(t) => match t.view() {
                View::Tuple([tag, from, request]) if tag.as_atom() == Some(atoms::GEN_CALL) => {
                    match From::from_term(from) {
                        Some(from) => Input::Call(request.clone(), from),
                        None => Input::Info(Message::Term(t)),
                    }
                }
                View::Tuple([tag, _]) if tag.as_atom() == Some(atoms::GEN_CAST) => Input::Cast(t),
                _ => Input::Info(Message::Term(t)),
            },
            m => Input::Info(m),
        };
        self.note_in(ctx, &input);
        Do::Run(input)
    }

    /// The deadline has passed.
    pub fn timeout(&mut self, ctx: &mut Context, facet: &mut dyn Facet) -> Do {
        match std::mem::replace(&mut self.armed, Armed::Nothing) {
            Armed::Timeout(_) => {
                let input = Input::Info(Message::Term(atoms::TIMEOUT.into()));
                self.note_in(ctx, &input);
                Do::Run(input)
            }
            Armed::Sleep => {
                self.armed = Armed::Hibernating;
                facet.hibernate();
                Do::Wait
            }
            other => {
                self.armed = other;
                Do::Wait
            }
        }
    }

    fn system(&mut self, ctx: &mut Context, facet: &mut dyn Facet, from: &From, request: &Term) -> Do {
        let mut asked = Asked { module: self.module, name: self.name.as_deref(), facet };
        let end = self.sys.handle(ctx, from, request, &mut asked);
        if let Some(reason) = end {
            self.disarm(ctx);
            let exception = Exception::exit(reason);
            return Do::End(Box::new(End { exception, last: Term::nil(), client: None, reply: None, bare: false }));
        }
        match self.armed {
            Armed::Hibernating => facet.hibernate(),
            // Any system message restarts the timeout; a suspension lets it rest.
            Armed::Timeout(ms) => ctx.set_timeout((!self.sys.suspended).then_some(ms)),
            Armed::Sleep => ctx.set_timeout((!self.sys.suspended).then_some(self.hibernate_after.into())),
            Armed::Nothing => {}
        }
        Do::Wait
    }

    /// Waits for the next message that may be taken now; `None`: the deadline has passed.
    pub async fn receive(&self, ctx: &mut crate::process::async_body::AsyncContext) -> Option<Message> {
        let ms = match self.armed {
            _ if self.sys.suspended => None,
            Armed::Timeout(ms) => Some(ms),
            Armed::Sleep => Some(self.hibernate_after.into()),
            Armed::Nothing | Armed::Hibernating => None,
        };
        ctx.receive_match(ms, |m| self.sys.wants(m)).await.ok()
    }

    fn disarm(&mut self, ctx: &mut Context) {
        if self.armed != Armed::Nothing {
            self.armed = Armed::Nothing;
            ctx.set_timeout(None);
        }
    }

    fn note_in(&mut self, ctx: &mut Context, input: &Input) {
        if !self.sys.debug.is_on() {
            return;
        }
        let event = match input {
            Input::Call(request, from) => {
                let whole = Term::tuple([atoms::GEN_CALL.into(), from.to_term(), request.clone()]);
                Term::tuple([atoms::IN.into(), whole])
            }
            Input::Cast(whole) => Term::tuple([atoms::IN.into(), whole.clone()]),
            Input::Info(m) => Term::tuple([atoms::IN.into(), m.as_term().into_owned()]),
            Input::Continue(c) => Term::tuple([atoms::CONTINUE.into(), c.clone()]),
        };
        self.note(ctx, event);
    }

    #[cold]
    fn note(&mut self, ctx: &mut Context, event: Term) {
        let name = self.shown(ctx);
        self.sys.debug.event(ctx, &name, report::format_event, event);
    }

    fn note_noreply(&mut self, ctx: &mut Context, facet: &dyn Facet) {
        if self.sys.debug.is_on() {
            self.note(ctx, Term::tuple([atoms::NOREPLY.into(), facet.state()]));
        }
    }

    fn note_out(&mut self, ctx: &mut Context, facet: &dyn Facet, from: &From, reply: &Term) {
        if self.sys.debug.is_on() {
            let event = Term::tuple([atoms::OUT.into(), reply.clone(), from.to_term(), facet.state()]);
            self.note(ctx, event);
        }
    }

    /// A callback has come back.
    pub fn returned(
        &mut self,
        ctx: &mut Context,
        facet: &mut dyn Facet,
        input: Input,
        result: Result<Returned, Exception>,
    ) -> Do {
        let result = match result {
            Ok(r) => r,
            Err(e) if e.class == Class::Throw => Returned::thrown(&input, e.reason),
            Err(e) => return self.failed(&input, e),
        };
        let result = match result {
            Returned::Call(CallReturn::Term(t)) => parse_call(facet, &t).map(Returned::Call).ok_or(t),
            Returned::Other(Return::Term(t)) => parse_other(facet, &t).map(Returned::Other).ok_or(t),
            r => Ok(r),
        };
        let result = match result {
            Ok(r) => r,
            Err(value) => {
                let why = Term::tuple([atoms::BAD_RETURN_VALUE.into(), value]);
                return self.failed(&input, Exception::exit(why));
            }
        };
        match result {
            Returned::Call(CallReturn::Reply(reply, after)) => {
                if let Input::Call(_, from) = input {
                    self.note_out(ctx, facet, &from, &reply);
                    reply_last(ctx, from, reply);
                }
                self.go_on(ctx, facet, after)
            }
            Returned::Call(CallReturn::NoReply(after)) | Returned::Other(Return::NoReply(after)) => {
                self.note_noreply(ctx, facet);
                self.go_on(ctx, facet, after)
            }
            Returned::Call(CallReturn::StopReply(reason, reply)) => {
                let mut end = self.ending(&input, Exception::exit(reason));
                if let Input::Call(_, from) = input {
                    end.reply = Some((from, reply));
                }
                Do::End(Box::new(end))
            }
            Returned::Call(CallReturn::Stop(reason)) | Returned::Other(Return::Stop(reason)) => {
                Do::End(Box::new(self.ending(&input, Exception::exit(reason))))
            }
            // Parsed above.
            Returned::Call(CallReturn::Term(t)) | Returned::Other(Return::Term(t)) => {
                self.failed(&input, Exception::exit(Term::tuple([atoms::BAD_RETURN_VALUE.into(), t])))
            }
        }
    }

    fn ending(&self, input: &Input, exception: Exception) -> End {
        let client = match input {
            Input::Call(_, from) => Some(from.clone()),
            _ => None,
        };
        End { exception, last: input.last_message(), client, reply: None, bare: false }
    }

    fn failed(&self, input: &Input, e: Exception) -> Do {
        Do::End(Box::new(self.ending(input, self.with_stack(e, input.callback()))))
    }

    fn with_stack(&self, e: Exception, (callback, arity): (Atom, u8)) -> Exception {
        framed(e, self.module, callback, arity)
    }

    /// What comes after a callback that lets the server live. Also after `init`.
    pub fn go_on(&mut self, ctx: &mut Context, facet: &mut dyn Facet, after: After) -> Do {
        match after {
            After::Wait => {
                if self.hibernate_after != 0 {
                    self.armed = Armed::Sleep;
                    ctx.set_timeout(Some(self.hibernate_after.into()));
                }
                Do::Wait
            }
            After::Timeout(ms) if ms > MAX_TIMEOUT_MS => {
                let exception = self.with_stack(Exception::error(atoms::TIMEOUT_VALUE), (atoms::EMPTY, 0));
                Do::End(Box::new(End { exception, last: Term::nil(), client: None, reply: None, bare: true }))
            }
            After::Timeout(ms) => {
                self.armed = Armed::Timeout(ms);
                ctx.set_timeout(Some(ms));
                Do::Wait
            }
            After::Hibernate => {
                self.armed = Armed::Hibernating;
                facet.hibernate();
                Do::Wait
            }
            After::Continue(with) => {
                let input = Input::Continue(with);
                self.note_in(ctx, &input);
                Do::Run(input)
            }
        }
    }

    /// `terminate` has come back, or did not run: reports, replies; the exception to end with.
    pub fn ended(
        &mut self,
        ctx: &mut Context,
        facet: &mut dyn Facet,
        end: End,
        terminated: Result<(), Exception>,
    ) -> Exception {
        let End { exception, last, client, reply, bare } = end;
        let (exception, forced) = match terminated {
            // A throw is ignored.
            Err(e) if e.class != Class::Throw => (self.with_stack(e, (atoms::TERMINATE, 2)), true),
            _ => (exception, false),
        };
        // A failure of `terminate` is always reported, and with its stack whatever its class.
        let reason = if forced {
            Term::tuple([exception.reason.clone(), exception.stack.clone()])
        } else {
            exception.clone().into_exit_reason()
        };
        if !bare && (forced || !is_quiet(&reason)) && crate::report::wanted(ctx) {
            let status = FormatStatus {
                state: facet.state(),
                message: Some(last),
                reason: Some(reason.clone()),
                log: self.sys.debug.log(),
            };
            let shown = formatted(facet, self.module, status);
            report::terminate(ctx, &self.shown(ctx), shown, client.as_ref());
        }
        if let Some((from, reply)) = reply {
            self.note_out(ctx, facet, &from, &reply);
            reply_last(ctx, from, reply);
        }
        exception
    }
}

/// An error says at least in which callback it has happened.
pub(super) fn framed(mut e: Exception, module: Atom, callback: Atom, arity: u8) -> Exception {
    if e.class == Class::Error && e.stack.is_nil() {
        let frame = [module.into(), callback.into(), Term::from(arity), Term::nil()];
        e.stack = Term::list([Term::tuple(frame)]);
    }
    e
}

impl Returned {
    fn thrown(input: &Input, value: Term) -> Self {
        match input {
            Input::Call(..) => Self::Call(CallReturn::Term(value)),
            _ => Self::Other(Return::Term(value)),
        }
    }
}

/// The timeout position of a return tuple.
fn parse_after(t: Option<&Term>) -> Option<After> {
    let Some(t) = t else { return Some(After::Wait) };
    match t.view() {
        View::Atom(atoms::INFINITY) => Some(After::Wait),
        View::Atom(atoms::HIBERNATE) => Some(After::Hibernate),
        View::Int(n) => u64::try_from(n).ok().map(After::Timeout),
        View::Tuple([k, with]) if k.as_atom() == Some(atoms::CONTINUE) => Some(After::Continue(with.clone())),
        _ => None,
    }
}

fn parse_call(facet: &mut dyn Facet, t: &Term) -> Option<CallReturn> {
    let row = t.as_tuple()?;
    let (r, state) = match (row.first()?.as_atom()?, row.len()) {
        (atoms::REPLY, 3 | 4) => (CallReturn::Reply(row[1].clone(), parse_after(row.get(3))?), &row[2]),
        (atoms::NOREPLY, 2 | 3) => (CallReturn::NoReply(parse_after(row.get(2))?), &row[1]),
        (atoms::STOP, 4) => (CallReturn::StopReply(row[1].clone(), row[2].clone()), &row[3]),
        (atoms::STOP, 3) => (CallReturn::Stop(row[1].clone()), &row[2]),
        _ => return None,
    };
    facet.set_state(state.compact()).ok()?;
    Some(r)
}

fn parse_other(facet: &mut dyn Facet, t: &Term) -> Option<Return> {
    let row = t.as_tuple()?;
    let (r, state) = match (row.first()?.as_atom()?, row.len()) {
        (atoms::NOREPLY, 2 | 3) => (Return::NoReply(parse_after(row.get(2))?), &row[1]),
        (atoms::STOP, 3) => (Return::Stop(row[1].clone()), &row[2]),
        _ => return None,
    };
    facet.set_state(state.compact()).ok()?;
    Some(r)
}

/// `{ok, State, After}` and the other things that `init` may return, given as a term: what is left for the server to
/// take is the state.
pub(super) enum ParsedInit {
    Ok(Term, After),
    Ignore,
    Stop(Term),
    Error(Term),
    Bad(Term),
}

pub(super) fn parse_init(t: Term) -> ParsedInit {
    let parsed = match t.view() {
        View::Atom(atoms::IGNORE) => Some(ParsedInit::Ignore),
        View::Tuple(row) => match (row.first().and_then(Term::as_atom), row.len()) {
            (Some(atoms::OK), 2 | 3) => parse_after(row.get(2)).map(|a| ParsedInit::Ok(row[1].compact(), a)),
            (Some(atoms::STOP), 2) => Some(ParsedInit::Stop(row[1].clone())),
            (Some(atoms::ERROR), 2) => Some(ParsedInit::Error(row[1].clone())),
            _ => None,
        },
        _ => None,
    };
    parsed.unwrap_or(ParsedInit::Bad(t))
}

/// What is shown: a `format_status` that fails does not hide the rest.
fn formatted(facet: &dyn Facet, module: Atom, status: FormatStatus) -> FormatStatus {
    let plain = status.clone();
    proc_lib::caught_now(|| Ok(facet.format_status(status))).unwrap_or_else(|_| {
        let text = format!("{}:format_status/1 crashed", module.as_str());
        FormatStatus { state: Term::string(&text), ..plain }
    })
}

/// The server, as `sys` sees it.
struct Asked<'a> {
    module: Atom,
    name: Option<&'a Name>,
    facet: &'a mut dyn Facet,
}

impl Target for Asked<'_> {
    fn module(&self) -> Atom {
        atoms::GEN_SERVER
    }

    fn name(&self, ctx: &Context) -> Term {
        self.name.map_or_else(|| ctx.self_pid().into(), Name::bare)
    }

    fn event_format(&self) -> EventFormat {
        report::format_event
    }

    fn get_state(&mut self) -> Result<Term, Exception> {
        proc_lib::caught_now(|| Ok(self.facet.state()))
    }

    fn replace_state(&mut self, f: &mut dyn FnMut(&Term) -> Result<Term, Exception>) -> Result<Term, Exception> {
        let new = f(&self.facet.state())?.compact();
        proc_lib::caught_now(|| self.facet.set_state(new.clone()))?;
        Ok(new)
    }

    fn change_code(&mut self, ctx: &mut Context, _module: &Term, old: &Term, extra: &Term) -> Result<(), Term> {
        match proc_lib::caught_now(|| self.facet.code_change(ctx, old, extra)) {
            Ok(Ok(())) => Ok(()),
            // The callback's own `{error, Reason}` is what stands in the answer, as in OTP.
            Ok(Err(reason)) => Err(Term::tuple([atoms::ERROR.into(), reason])),
            Err(e) => {
                let e = framed(e, self.module, atoms::CODE_CHANGE, 3);
                Err(Term::tuple([atoms::EXIT.into(), e.into_exit_reason()]))
            }
        }
    }

    fn status(&mut self, ctx: &mut Context, sys: &Sys) -> Term {
        let status = FormatStatus { state: self.facet.state(), message: None, reason: None, log: sys.debug.log() };
        let shown = formatted(self.facet, self.module, status);
        report::status(&self.name(ctx), ctx, sys, shown)
    }
}
