//! The loop on an async body: callbacks that may wait. Imports: process, gen, proc_lib, engine, callbacks.

use super::callbacks::{After, AsyncGenServer};
use super::engine::{Do, Engine, Input, Returned};
use super::facet::Waiting;
use super::plain::begin;
use crate::r#gen::{Birth, Name, Options};
use crate::proc_lib::{caught, report_and_end};
use crate::process::async_body::AsyncContext;
use crate::process::error::Exception;
use crate::process::spawn::Code;
use crate::term::{Pid, Term, View, atoms};

/// The body of an async server.
pub(super) fn body<S: AsyncGenServer>(birth: Birth, args: S::Args, options: Options) -> Code {
    Code::future(move |mut ctx| async move {
        let e = live::<S>(&mut ctx, birth, args, options).await;
        Err(report_and_end(&mut ctx, e).await)
    })
}

async fn live<S: AsyncGenServer>(ctx: &mut AsyncContext, birth: Birth, args: S::Args, options: Options) -> Exception {
    if let Err(e) = birth.register(ctx) {
        return e;
    }
    let module = S::module(&args);
    let mut engine = Engine::new(ctx, module, &birth, &options);
    let result = caught(S::init(ctx, args)).await;
    let (mut server, after) = match begin(ctx, &birth, module, result) {
        Ok(begun) => begun,
        Err(e) => return e,
    };
    birth.ok(ctx);
    serve(ctx, &mut engine, &mut server, after).await
}

/// The loop, until the server ends; the exception it ends with.
async fn serve<S: AsyncGenServer>(
    ctx: &mut AsyncContext,
    engine: &mut Engine,
    server: &mut S,
    after: After,
) -> Exception {
    let mut next = engine.go_on(ctx, &mut Waiting(server), after);
    loop {
        next = match next {
            // What is not wanted while suspended is not received in the first place.
            Do::Wait | Do::Keep(_) => match engine.receive(ctx).await {
                Some(m) => engine.take(ctx, &mut Waiting(server), m),
                None => engine.timeout(ctx, &mut Waiting(server)),
            },
            Do::Run(input) => {
                let result = run(server, ctx, &input).await;
                engine.returned(ctx, &mut Waiting(server), input, result)
            }
            Do::End(end) => {
                let done = if end.runs_terminate() {
                    let reason = end.reason();
                    caught(server.terminate(ctx, &reason)).await
                } else {
                    Ok(())
                };
                return engine.ended(ctx, &mut Waiting(server), *end, done);
            }
        };
        ctx.checkpoint().await;
    }
}

async fn run<S: AsyncGenServer>(server: &mut S, ctx: &mut AsyncContext, input: &Input) -> Result<Returned, Exception> {
    match input {
        Input::Call(request, from) => caught(server.handle_call(ctx, request, from)).await.map(Returned::Call),
        Input::Cast(whole) => caught(server.handle_cast(ctx, Input::cast_request(whole))).await.map(Returned::Other),
        Input::Info(m) => caught(server.handle_info(ctx, m)).await.map(Returned::Other),
        Input::Continue(with) => caught(server.handle_continue(ctx, with)).await.map(Returned::Other),
    }
}

/// Makes a server of the calling process, which `proc_lib` or a behaviour has started, and which has taken its name
/// already if it has one. Runs until the server ends; return the exception from the body.
///
/// Ends at once with `exit:process_was_not_started_by_proc_lib`, or `exit:process_not_registered` and its like.
/// Source: OTP `gen_server:enter_loop/3,4,5`, C4.55.
pub async fn enter_loop<S: AsyncGenServer>(
    ctx: &mut AsyncContext,
    mut server: S,
    module: crate::term::Atom,
    name: Option<Name>,
    options: Options,
    after: After,
) -> Exception {
    let refuse = |what: &str| {
        let reason = crate::term::Atom::new(what).unwrap_or(atoms::BADARG);
        Exception::exit(reason)
    };
    let me = ctx.self_pid();
    let registered = match &name {
        None => true,
        Some(n) => n.whereis(ctx) == Some(me),
    };
    if !registered {
        return match &name {
            Some(Name::Global(_)) => refuse("process_not_registered_globally"),
            Some(Name::Via(m, _)) => {
                let what = crate::term::Atom::new("process_not_registered_via").unwrap_or(atoms::BADARG);
                Exception::exit(Term::tuple([what.into(), (*m).into()]))
            }
            _ => refuse("process_not_registered"),
        };
    }
    let Some(parent) = parent(ctx) else { return refuse("process_was_not_started_by_proc_lib") };
    let mut engine = Engine::of(ctx, module, name, parent, &options);
    serve(ctx, &mut engine, &mut server, after).await
}

/// The first of `$ancestors`.
fn parent(ctx: &mut AsyncContext) -> Option<Pid> {
    let list = ctx.get(&atoms::ANCESTORS.into())?;
    let View::List(l) = list.view() else { return None };
    match l.head().view() {
        View::Pid(p) => Some(p),
        View::Atom(name) => ctx.whereis(name),
        _ => None,
    }
}
