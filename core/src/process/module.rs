//! The module registry: name to version and exported functions. Source: OTP `code`, C2.2; architecture §7.
//! Imports: term, context, body, spawn.

use super::async_body::AsyncContext;
use super::body::{Handler, Next};
use super::context::Context;
use super::error::Exception;
use super::message::Message;
use super::spawn::Code;
use crate::term::{Atom, Term, atoms};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

/// An exported function: makes the code of a process from its arguments.
pub type SpawnFn = Arc<dyn Fn(Vec<Term>) -> Code + Send + Sync>;
/// An exported function that is called and returns.
pub type CallFn = Arc<dyn Fn(&mut Context, &[Term]) -> Result<Term, Exception> + Send + Sync>;

/// What an exported function that may wait returns.
pub type WaitFuture<'a> = Pin<Box<dyn Future<Output = Result<Term, Exception>> + Send + 'a>>;
/// An exported function that is called by an async process and may wait.
pub type WaitFn = Arc<dyn for<'a> Fn(&'a mut AsyncContext, Vec<Term>) -> WaitFuture<'a> + Send + Sync>;

#[derive(Clone)]
enum Function {
    Spawn(SpawnFn),
    Call(CallFn),
    Wait(WaitFn),
}

/// A module: a version and its exports. Not exported is not callable.
#[derive(Clone, Default)]
pub struct Module {
    version: u64,
    exports: HashMap<(Atom, u8), Function>,
}

impl Module {
    /// An empty module.
    pub fn new(version: u64) -> Self {
        Self { version, exports: HashMap::new() }
    }

    /// Exports a function that a process can be spawned with.
    pub fn export_process(
        mut self,
        name: Atom,
        arity: u8,
        f: impl Fn(Vec<Term>) -> Code + Send + Sync + 'static,
    ) -> Self {
        self.exports.insert((name, arity), Function::Spawn(Arc::new(f)));
        self
    }

    /// Exports a function that returns; a process spawned with it ends `normal` when it has.
    pub fn export(
        mut self,
        name: Atom,
        arity: u8,
        f: impl Fn(&mut Context, &[Term]) -> Result<Term, Exception> + Send + Sync + 'static,
    ) -> Self {
        self.exports.insert((name, arity), Function::Call(Arc::new(f)));
        self
    }

    /// Exports a function that may wait, as a `start_link` does for the child's initialisation. A process spawned with
    /// it ends `normal` when it has returned.
    pub fn export_wait(
        mut self,
        name: Atom,
        arity: u8,
        f: impl for<'a> Fn(&'a mut AsyncContext, Vec<Term>) -> WaitFuture<'a> + Send + Sync + 'static,
    ) -> Self {
        self.exports.insert((name, arity), Function::Wait(Arc::new(f)));
        self
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Its exports, as names and arities.
    pub fn exports(&self) -> Vec<(Atom, u8)> {
        self.exports.keys().copied().collect()
    }
}

/// The modules of a node.
#[derive(Default)]
pub(crate) struct Modules {
    map: RwLock<HashMap<Atom, Arc<Module>>>,
}

impl Modules {
    /// Registers a module, or a new version of it; returns the former.
    pub fn insert(&self, name: Atom, module: Module) -> Option<Arc<Module>> {
        self.map.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(module))
    }

    pub fn get(&self, name: Atom) -> Option<Arc<Module>> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// Code that runs `m:f(args)`.
    pub fn code(&self, m: Atom, f: Atom, args: Vec<Term>) -> Code {
        let arity = u8::try_from(args.len()).unwrap_or(u8::MAX);
        let function = self.get(m).and_then(|md| md.exports.get(&(f, arity)).cloned());
        match function {
            Some(Function::Spawn(make)) => make(args),
            Some(Function::Wait(f)) => Code::future(move |mut c| async move { f(&mut c, args).await.map(drop) }),
            function => Code::handler(Apply { m, f, args, function }),
        }
    }
}

impl Context {
    fn exported(&self, m: Atom, f: Atom, arity: usize) -> Option<Function> {
        // SAFETY: slots live as long as the system, which the context's owner keeps alive.
        let module = unsafe { (*self.slot).system() }.modules.get(m)?;
        module.exports.get(&(f, u8::try_from(arity).ok()?)).cloned()
    }

    /// Calls an exported function that does not wait. Errors: its own; `undef` for one that is not exported, or that
    /// may wait. Source: OTP `apply/3`.
    pub fn apply(&mut self, m: Atom, f: Atom, args: &[Term]) -> Result<Term, Exception> {
        match self.exported(m, f, args.len()) {
            Some(Function::Call(call)) => call(self, args),
            _ => Err(undef(m, f, args)),
        }
    }
}

impl AsyncContext {
    /// Calls an exported function, whether or not it waits. Errors: its own; `undef` for one that is not exported.
    /// Source: OTP `apply/3`.
    pub async fn apply_wait(&mut self, m: Atom, f: Atom, args: Vec<Term>) -> Result<Term, Exception> {
        match self.exported(m, f, args.len()) {
            Some(Function::Call(call)) => call(self, &args),
            Some(Function::Wait(call)) => call(self, args).await,
            _ => Err(undef(m, f, &args)),
        }
    }
}

/// `{undef, [{M, F, Args, []}]}` with the class error.
pub(crate) fn undef(m: Atom, f: Atom, args: &[Term]) -> Exception {
    let frame = Term::tuple([m.into(), f.into(), Term::list(args.iter().cloned()), Term::nil()]);
    Exception { stack: Term::list([frame]), ..Exception::error(atoms::UNDEF) }
}

/// A process that calls one function and ends.
struct Apply {
    m: Atom,
    f: Atom,
    args: Vec<Term>,
    function: Option<Function>,
}

impl Handler for Apply {
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        match &self.function {
            Some(Function::Call(f)) => f(ctx, &self.args).map(|_| Next::Stop(Term::from(atoms::NORMAL))),
            _ => Err(undef(self.m, self.f, &self.args)),
        }
    }

    fn handle(&mut self, _ctx: &mut Context, _message: Message) -> Result<Next, Exception> {
        Ok(Next::Continue)
    }
}
