//! The loop on a handler: callbacks that do not wait. Imports: process, gen, proc_lib, engine, callbacks.

use super::callbacks::{After, CallReturn, GenServer, Init};
use super::engine::{Do, Engine, Input, Returned};
use super::facet::Plain;
use crate::r#gen::{Birth, From, Options, reply_last};
use crate::proc_lib::{Dying, begin_dying, caught_now, dying_turn};
use crate::process::body::{Handler, Next};
use crate::process::context::Context;
use crate::process::error::{Class, Exception};
use crate::process::message::Message;
use crate::term::{Term, atoms};

/// A process that is, or will be, a plain server.
pub(super) struct Server<S: GenServer> {
    stage: Stage<S>,
}

enum Stage<S: GenServer> {
    /// Boxed, as an idle server must not pay for what it was born with.
    Unborn(Option<Box<Unborn<S>>>),
    Alive(Engine, S),
    Dying(Box<Dying>),
}

struct Unborn<S: GenServer> {
    birth: Birth,
    args: S::Args,
    options: Options,
}

impl<S: GenServer> Server<S> {
    pub fn new(birth: Birth, args: S::Args, options: Options) -> Self {
        Self { stage: Stage::Unborn(Some(Box::new(Unborn { birth, args, options }))) }
    }

    fn born(&mut self, ctx: &mut Context, unborn: Unborn<S>) -> Next {
        let Unborn { birth, args, options } = unborn;
        if birth.register(ctx).is_err() {
            return Next::Stop(atoms::NORMAL.into());
        }
        let module = S::module(&args);
        let mut engine = Engine::new(ctx, module, &birth, &options);
        let result = caught_now(|| S::init(ctx, args));
        let (mut server, after) = match begin(ctx, &birth, module, result) {
            Ok(begun) => begun,
            Err(e) => return self.crash(ctx, e),
        };
        birth.ok(ctx);
        let next = engine.go_on(ctx, &mut Plain(&mut server), after);
        self.stage = Stage::Alive(engine, server);
        self.carry_on(ctx, next)
    }

    /// Does what the engine says until it wants to wait.
    fn carry_on(&mut self, ctx: &mut Context, mut next: Do) -> Next {
        loop {
            let Stage::Alive(engine, server) = &mut self.stage else { return Next::Continue };
            match next {
                Do::Wait => return Next::Continue,
                Do::Keep(m) => return Next::Skip(m),
                Do::Run(input) => {
                    let result = caught_now(|| run(server, ctx, &input));
                    next = engine.returned(ctx, &mut Plain(server), input, result);
                }
                Do::End(end) => {
                    let done = if end.runs_terminate() {
                        let reason = end.reason();
                        caught_now(|| server.terminate(ctx, &reason))
                    } else {
                        Ok(())
                    };
                    let e = engine.ended(ctx, &mut Plain(server), *end, done);
                    return self.crash(ctx, e);
                }
            }
        }
    }

    /// The end, after the crash report if there is to be one.
    fn crash(&mut self, ctx: &mut Context, e: Exception) -> Next {
        match begin_dying(ctx, e) {
            Ok(dying) => {
                self.stage = Stage::Dying(dying);
                Next::Continue
            }
            Err(reason) => Next::Stop(reason),
        }
    }
}

/// Runs the callback that an input is for.
#[inline]
fn run<S: GenServer>(server: &mut S, ctx: &mut Context, input: &Input) -> Result<Returned, Exception> {
    match input {
        Input::Call(request, from) => server.handle_call(ctx, request, from).map(Returned::Call),
        Input::Cast(whole) => server.handle_cast(ctx, Input::cast_request(whole)).map(Returned::Other),
        Input::Info(m) => server.handle_info(ctx, m).map(Returned::Other),
        Input::Continue(with) => server.handle_continue(ctx, with).map(Returned::Other),
    }
}

/// What `init` has come to: the server and what comes first, or the exception to end with; the starter has been told
/// in the latter case.
pub(super) fn begin<S>(
    ctx: &mut Context,
    birth: &Birth,
    module: crate::term::Atom,
    result: Result<Init<S>, Exception>,
) -> Result<(S, After), Exception> {
    let bad = |value: Term| Term::tuple([atoms::BAD_RETURN_VALUE.into(), value]);
    Err(match result {
        Ok(Init::Ok(s, after)) => return Ok((s, after)),
        Ok(Init::Ignore) => birth.ignore(ctx),
        Ok(Init::Stop(r)) => birth.error(ctx, r.clone(), Exception::exit(r)),
        Ok(Init::Error(r)) => birth.error(ctx, r, Exception::exit(atoms::NORMAL)),
        Ok(Init::Bad(v)) => birth.error(ctx, bad(v.clone()), Exception::exit(bad(v))),
        // A native server cannot be made from a term, so what is thrown is `ignore`, `{stop, R}`, or wrong.
        Err(e) if e.class == Class::Throw => match super::engine::parse_init(e.reason.clone()) {
            super::engine::ParsedInit::Ignore => birth.ignore(ctx),
            super::engine::ParsedInit::Stop(r) => birth.error(ctx, r.clone(), Exception::exit(r)),
            super::engine::ParsedInit::Error(r) => birth.error(ctx, r, Exception::exit(atoms::NORMAL)),
            _ => birth.error(ctx, bad(e.reason.clone()), Exception::exit(bad(e.reason))),
        },
        Err(e) => {
            let e = super::engine::framed(e, module, atoms::INIT, 1);
            birth.error(ctx, e.clone().into_exit_reason(), e)
        }
    })
}

impl<S: GenServer> Handler for Server<S> {
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        let Stage::Unborn(unborn) = &mut self.stage else { return Ok(Next::Continue) };
        Ok(match unborn.take() {
            Some(u) => self.born(ctx, *u),
            None => Next::Continue,
        })
    }

    #[inline]
    fn handle(&mut self, ctx: &mut Context, message: Message) -> Result<Next, Exception> {
        let Stage::Alive(engine, server) = &mut self.stage else { return Ok(self.after_life(ctx, message)) };
        let next = match message {
            // The common case without a detour: no debug options, no timeout, not suspended.
            Message::Call(c) if engine.is_plain() => {
                let (from, request) = c.into_parts();
                let from = From::from(from);
                match caught_now(|| server.handle_call(ctx, &request, &from)) {
                    Ok(CallReturn::Reply(reply, After::Wait)) if engine.never_sleeps() => {
                        reply_last(ctx, from, reply);
                        return Ok(Next::Continue);
                    }
                    result => {
                        let input = Input::Call(request, from);
                        engine.returned(ctx, &mut Plain(server), input, result.map(Returned::Call))
                    }
                }
            }
            m => engine.take(ctx, &mut Plain(server), m),
        };
        Ok(self.carry_on(ctx, next))
    }

    fn timeout(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        Ok(match &mut self.stage {
            Stage::Alive(engine, server) => {
                let next = engine.timeout(ctx, &mut Plain(server));
                self.carry_on(ctx, next)
            }
            Stage::Dying(d) => Next::Stop(d.finish(ctx)),
            Stage::Unborn(_) => Next::Continue,
        })
    }
}

impl<S: GenServer> Server<S> {
    #[cold]
    fn after_life(&mut self, ctx: &mut Context, message: Message) -> Next {
        match &mut self.stage {
            Stage::Dying(d) => dying_turn(d, ctx, message),
            _ => Next::Skip(message),
        }
    }
}
