//! What a supervisor is told: its flags, and how each of its children is started, restarted and stopped.
//! Imports: term, start.

use super::start::Start;
use crate::term::{Atom, Term, atoms};

/// Whom a restart concerns besides the child that has ended. Source: OTP supervisor, C8.11-C8.14.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Nobody else.
    #[default]
    OneForOne,
    /// All the others.
    OneForAll,
    /// Those that were started after it.
    RestForOne,
    /// Nobody else; all children are started alike, at run time.
    SimpleOneForOne,
}

/// Whether a supervisor ends when its significant children have done their work. Source: OTP 24, C8.32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// When one of them has.
    AnySignificant,
    /// When the last of them has.
    AllSignificant,
}

/// The flags of a supervisor. The default is OTP's: one_for_one, one restart within 5 s, never an auto shutdown.
/// Source: OTP `supervisor:sup_flags()`, C8.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Whom a restart concerns.
    pub strategy: Strategy,
    /// How many restarts are allowed within `period`; one more ends the supervisor.
    pub intensity: u64,
    /// In whole seconds, at least 1.
    pub period: u64,
    /// Whether it ends with its significant children.
    pub auto_shutdown: AutoShutdown,
}

impl Default for Flags {
    fn default() -> Self {
        Self { strategy: Strategy::OneForOne, intensity: 1, period: 5, auto_shutdown: AutoShutdown::Never }
    }
}

impl Flags {
    /// The defaults with another strategy.
    pub fn of(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// At most `restarts` restarts within `seconds` seconds.
    #[must_use]
    pub fn intensity(self, restarts: u64, seconds: u64) -> Self {
        Self { intensity: restarts, period: seconds, ..self }
    }

    /// When the supervisor ends with its significant children.
    #[must_use]
    pub fn auto_shutdown(self, when: AutoShutdown) -> Self {
        Self { auto_shutdown: when, ..self }
    }
}

/// When a child that has ended is started again. Source: C8.21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless its reason is `normal`, `shutdown` or `{shutdown, _}`.
    Transient,
    /// Never; its specification goes with it.
    Temporary,
}

/// How a child is told to end. Source: C8.22.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Killed at once.
    BrutalKill,
    /// Asked with `shutdown`, waited for without a limit. For supervisors.
    Infinity,
    /// Asked with `shutdown`, killed after so many milliseconds.
    Ms(u64),
}

/// What a child is. Source: C8.20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChildType {
    /// Anything but a supervisor.
    #[default]
    Worker,
    /// A supervisor.
    Supervisor,
}

/// How a child is started, restarted and stopped. Source: OTP `supervisor:child_spec()`, C8.18.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    pub(super) id: Term,
    pub(super) start: Start,
    pub(super) restart: Restart,
    pub(super) significant: bool,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) child_type: ChildType,
    pub(super) modules: Option<Term>,
}

impl ChildSpec {
    /// A permanent worker with 5 s to shut down, unless told otherwise. The id may be any term.
    pub fn new(id: impl Into<Term>, start: impl Into<Start>) -> Self {
        Self {
            id: id.into().compact(),
            start: start.into(),
            restart: Restart::Permanent,
            significant: false,
            shutdown: None,
            child_type: ChildType::Worker,
            modules: None,
        }
    }

    /// When it is restarted.
    #[must_use]
    pub fn restart(mut self, when: Restart) -> Self {
        self.restart = when;
        self
    }

    /// Whether its end may end the supervisor. Refused for permanent children.
    #[must_use]
    pub fn significant(mut self, yes: bool) -> Self {
        self.significant = yes;
        self
    }

    /// How it is told to end. Default: 5,000 ms for a worker, infinity for a supervisor.
    #[must_use]
    pub fn shutdown(mut self, how: Shutdown) -> Self {
        self.shutdown = Some(how);
        self
    }

    /// It is a supervisor.
    #[must_use]
    pub fn supervisor(mut self) -> Self {
        self.child_type = ChildType::Supervisor;
        self
    }

    /// The modules a release upgrade asks about. Default: the module of the start function.
    #[must_use]
    pub fn modules(mut self, modules: impl IntoIterator<Item = Atom>) -> Self {
        self.modules = Some(Term::list(modules.into_iter().map(Term::from)));
        self
    }

    /// Its modules are not known before it is asked: event managers.
    #[must_use]
    pub fn dynamic_modules(mut self) -> Self {
        self.modules = Some(atoms::DYNAMIC.into());
        self
    }

    /// Its id.
    pub fn id(&self) -> &Term {
        &self.id
    }

    pub(super) fn stop_how(&self) -> Shutdown {
        self.shutdown.unwrap_or(match self.child_type {
            ChildType::Worker => Shutdown::Ms(5000),
            ChildType::Supervisor => Shutdown::Infinity,
        })
    }

    pub(super) fn modules_term(&self) -> Term {
        self.modules.clone().unwrap_or_else(|| Term::list([Term::from(self.start.module)]))
    }

    /// The map that `get_childspec` answers with, every key filled in.
    pub fn to_term(&self) -> Term {
        Term::map([
            (atoms::ID.into(), self.id.clone()),
            (atoms::START.into(), self.start.mfa_term()),
            (atoms::RESTART.into(), self.restart.into()),
            (atoms::SIGNIFICANT.into(), self.significant.into()),
            (atoms::SHUTDOWN.into(), self.stop_how().into()),
            (atoms::TYPE.into(), self.child_type.into()),
            (atoms::MODULES.into(), self.modules_term()),
        ])
    }

    /// OTP's record `#child{}`, which `start_child` answers failures with.
    pub(super) fn to_record(&self, pid: Term) -> Term {
        Term::tuple([
            atoms::CHILD.into(),
            pid,
            self.id.clone(),
            self.start.mfa_term(),
            self.restart.into(),
            self.significant.into(),
            self.stop_how().into(),
            self.child_type.into(),
            self.modules_term(),
        ])
    }
}

impl From<Strategy> for Term {
    fn from(s: Strategy) -> Self {
        match s {
            Strategy::OneForOne => atoms::ONE_FOR_ONE,
            Strategy::OneForAll => atoms::ONE_FOR_ALL,
            Strategy::RestForOne => atoms::REST_FOR_ONE,
            Strategy::SimpleOneForOne => atoms::SIMPLE_ONE_FOR_ONE,
        }
        .into()
    }
}

impl From<AutoShutdown> for Term {
    fn from(a: AutoShutdown) -> Self {
        match a {
            AutoShutdown::Never => atoms::NEVER,
            AutoShutdown::AnySignificant => atoms::ANY_SIGNIFICANT,
            AutoShutdown::AllSignificant => atoms::ALL_SIGNIFICANT,
        }
        .into()
    }
}

impl From<Restart> for Term {
    fn from(r: Restart) -> Self {
        match r {
            Restart::Permanent => atoms::PERMANENT,
            Restart::Transient => atoms::TRANSIENT,
            Restart::Temporary => atoms::TEMPORARY,
        }
        .into()
    }
}

impl From<Shutdown> for Term {
    fn from(s: Shutdown) -> Self {
        match s {
            Shutdown::BrutalKill => atoms::BRUTAL_KILL.into(),
            Shutdown::Infinity => atoms::INFINITY.into(),
            Shutdown::Ms(ms) => ms.into(),
        }
    }
}

impl From<ChildType> for Term {
    fn from(t: ChildType) -> Self {
        match t {
            ChildType::Worker => atoms::WORKER,
            ChildType::Supervisor => atoms::SUPERVISOR,
        }
        .into()
    }
}
