//! Flags and child specifications as terms, and what is wrong with them, in OTP's words and order.
//! Source: OTP `supervisor:check_childspecs/1,2`, C8.5, C8.27. Imports: term, spec, start.
//!
//! Beyond OTP: lists that are improper, or are none, are refused with `badarg` where OTP's supervisor crashes with
//! `function_clause`.

use super::Init;
use super::spec::{AutoShutdown, ChildSpec, ChildType, Flags, Restart, Shutdown, Strategy};
use super::start::Start;
use crate::term::{Atom, MapView, Term, View, atoms};
use std::collections::HashSet;

fn pair(a: Atom, b: impl Into<Term>) -> Term {
    Term::tuple([a.into(), b.into()])
}

/// Checks child specifications without starting anything: `Ok`, or OTP's reason.
///
/// `auto_shutdown` is what the supervisor's flag will be; `None` leaves it open.
/// Source: OTP `supervisor:check_childspecs/1,2`.
pub fn check_childspecs(specs: &Term, auto_shutdown: Option<AutoShutdown>) -> Result<(), Term> {
    specs_from_term(specs, auto_shutdown).map(drop)
}

pub(super) fn specs_from_term(list: &Term, auto: Option<AutoShutdown>) -> Result<Vec<ChildSpec>, Term> {
    let mut ids = HashSet::new();
    let mut specs = Vec::new();
    let mut elements = match list.view() {
        View::Nil => return Ok(specs),
        View::List(l) => l.iter(),
        _ => return Err(pair(atoms::BADARG, list.clone())),
    };
    for t in &mut elements {
        let spec = ChildSpec::from_term(t, auto)?;
        if !ids.insert(spec.id.clone()) {
            return Err(pair(atoms::DUPLICATE_CHILD_NAME, spec.id));
        }
        specs.push(spec);
    }
    if elements.into_tail().is_nil() { Ok(specs) } else { Err(pair(atoms::BADARG, list.clone())) }
}

/// The same for specifications that are not terms: their fields cannot be wrong, their combinations can.
pub(super) fn check_built(specs: &[ChildSpec], auto: AutoShutdown) -> Result<(), Term> {
    let mut ids = HashSet::new();
    for spec in specs {
        spec.check(Some(auto))?;
        if !ids.insert(&spec.id) {
            return Err(pair(atoms::DUPLICATE_CHILD_NAME, spec.id.clone()));
        }
    }
    Ok(())
}

/// The fields of a specification before they are judged.
struct Raw<'a> {
    id: Option<&'a Term>,
    start: Option<&'a Term>,
    restart: Option<&'a Term>,
    significant: Option<&'a Term>,
    shutdown: Option<&'a Term>,
    child_type: Option<&'a Term>,
    modules: Option<&'a Term>,
}

impl<'a> Raw<'a> {
    fn of_map(m: MapView<'a>) -> Self {
        let get = |key: Atom| m.get(&key.into());
        Self {
            id: get(atoms::ID),
            start: get(atoms::START),
            restart: get(atoms::RESTART),
            significant: get(atoms::SIGNIFICANT),
            shutdown: get(atoms::SHUTDOWN),
            child_type: get(atoms::TYPE),
            modules: get(atoms::MODULES),
        }
    }

    fn of_tuple(t: &'a [Term]) -> Option<Self> {
        let [id, start, restart, shutdown, child_type, modules] = t else { return None };
        Some(Self {
            id: Some(id),
            start: Some(start),
            restart: Some(restart),
            significant: None,
            shutdown: Some(shutdown),
            child_type: Some(child_type),
            modules: Some(modules),
        })
    }
}

impl ChildSpec {
    /// A specification from its term: a map or a tuple of six. Errors: OTP's reason, as `check_childspecs` gives it.
    pub fn from_term(t: &Term, auto_shutdown: Option<AutoShutdown>) -> Result<Self, Term> {
        let raw = match t.view() {
            View::Map(m) => Raw::of_map(m),
            View::Tuple(e) => match Raw::of_tuple(e) {
                Some(raw) => raw,
                None => return Err(pair(atoms::INVALID_CHILD_SPEC, t.clone())),
            },
            _ => return Err(pair(atoms::INVALID_CHILD_SPEC, t.clone())),
        };
        let id = raw.id.ok_or_else(|| Term::from(atoms::MISSING_ID))?;
        let start = raw.start.ok_or_else(|| Term::from(atoms::MISSING_START))?;
        let start = Start::from_term(start).ok_or_else(|| pair(atoms::INVALID_MFA, start.clone()))?;
        let mut spec = Self::new(id.clone(), start);
        spec.restart = restart(raw.restart)?;
        spec.significant = significant(raw.significant)?;
        spec.check(auto_shutdown)?;
        spec.child_type = child_type(raw.child_type)?;
        spec.shutdown = shutdown(raw.shutdown)?;
        spec.modules = modules(raw.modules)?;
        Ok(spec)
    }

    /// Whether its fields go together.
    pub(super) fn check(&self, auto: Option<AutoShutdown>) -> Result<(), Term> {
        let significant = || pair(atoms::SIGNIFICANT, true);
        let other = if !self.significant {
            return Ok(());
        } else if auto == Some(AutoShutdown::Never) {
            pair(atoms::AUTO_SHUTDOWN, atoms::NEVER)
        } else if self.restart == Restart::Permanent {
            pair(atoms::RESTART, atoms::PERMANENT)
        } else {
            return Ok(());
        };
        Err(pair(atoms::BAD_COMBINATION, Term::list([other, significant()])))
    }
}

fn restart(t: Option<&Term>) -> Result<Restart, Term> {
    let Some(t) = t else { return Ok(Restart::Permanent) };
    match t.as_atom() {
        Some(atoms::PERMANENT) => Ok(Restart::Permanent),
        Some(atoms::TRANSIENT) => Ok(Restart::Transient),
        Some(atoms::TEMPORARY) => Ok(Restart::Temporary),
        _ => Err(pair(atoms::INVALID_RESTART_TYPE, t.clone())),
    }
}

fn significant(t: Option<&Term>) -> Result<bool, Term> {
    t.map_or(Ok(false), |t| t.as_bool().ok_or_else(|| pair(atoms::INVALID_SIGNIFICANT, t.clone())))
}

fn child_type(t: Option<&Term>) -> Result<ChildType, Term> {
    let Some(t) = t else { return Ok(ChildType::Worker) };
    match t.as_atom() {
        Some(atoms::WORKER) => Ok(ChildType::Worker),
        Some(atoms::SUPERVISOR) => Ok(ChildType::Supervisor),
        _ => Err(pair(atoms::INVALID_CHILD_TYPE, t.clone())),
    }
}

fn shutdown(t: Option<&Term>) -> Result<Option<Shutdown>, Term> {
    let Some(t) = t else { return Ok(None) };
    match (t.as_atom(), natural(t)) {
        (Some(atoms::BRUTAL_KILL), _) => Ok(Some(Shutdown::BrutalKill)),
        (Some(atoms::INFINITY), _) => Ok(Some(Shutdown::Infinity)),
        (_, Some(ms)) => Ok(Some(Shutdown::Ms(ms))),
        _ => Err(pair(atoms::INVALID_SHUTDOWN, t.clone())),
    }
}

fn modules(t: Option<&Term>) -> Result<Option<Term>, Term> {
    let Some(t) = t else { return Ok(None) };
    match t.view() {
        View::Nil | View::Atom(atoms::DYNAMIC) => Ok(Some(t.clone())),
        View::List(l) => {
            if let Some(wrong) = l.iter().find(|m| !m.is_atom()) {
                return Err(pair(atoms::INVALID_MODULE, wrong.clone()));
            }
            if l.is_proper() { Ok(Some(t.clone())) } else { Err(pair(atoms::INVALID_MODULES, t.clone())) }
        }
        _ => Err(pair(atoms::INVALID_MODULES, t.clone())),
    }
}

/// A natural number; what does not fit into 64 bits counts as the largest that does.
fn natural(t: &Term) -> Option<u64> {
    match t.view() {
        View::Int(n) => u64::try_from(n).ok(),
        View::Big(b) => (!b.is_negative()).then(|| match b.digits() {
            [low] => *low,
            _ => u64::MAX,
        }),
        _ => None,
    }
}

impl AutoShutdown {
    /// From its atom. Errors: `{badarg, X}`, as `check_childspecs/2` says it.
    pub fn from_term(t: &Term) -> Result<Self, Term> {
        match t.as_atom() {
            Some(atoms::NEVER) => Ok(Self::Never),
            Some(atoms::ANY_SIGNIFICANT) => Ok(Self::AnySignificant),
            Some(atoms::ALL_SIGNIFICANT) => Ok(Self::AllSignificant),
            _ => Err(pair(atoms::BADARG, t.clone())),
        }
    }
}

impl Flags {
    /// Flags from their term: a map or `{Strategy, Intensity, Period}`. Errors: what OTP puts into
    /// `{supervisor_data, Error}`.
    pub fn from_term(t: &Term) -> Result<Self, Term> {
        let [strategy, intensity, period, auto] = match t.view() {
            View::Map(m) => [atoms::STRATEGY, atoms::INTENSITY, atoms::PERIOD, atoms::AUTO_SHUTDOWN]
                .map(|key| m.get(&key.into()).cloned()),
            View::Tuple([s, i, p]) => [Some(s.clone()), Some(i.clone()), Some(p.clone()), None],
            _ => return Err(pair(atoms::INVALID_TYPE, t.clone())),
        };
        let mut flags = Self::default();
        if let Some(s) = strategy {
            flags.strategy = match s.as_atom() {
                Some(atoms::ONE_FOR_ONE) => Strategy::OneForOne,
                Some(atoms::ONE_FOR_ALL) => Strategy::OneForAll,
                Some(atoms::REST_FOR_ONE) => Strategy::RestForOne,
                Some(atoms::SIMPLE_ONE_FOR_ONE) => Strategy::SimpleOneForOne,
                _ => return Err(pair(atoms::INVALID_STRATEGY, s)),
            };
        }
        if let Some(i) = intensity {
            flags.intensity = natural(&i).ok_or_else(|| pair(atoms::INVALID_INTENSITY, i))?;
        }
        if let Some(p) = period {
            flags.period = natural(&p).filter(|n| *n > 0).ok_or_else(|| pair(atoms::INVALID_PERIOD, p))?;
        }
        if let Some(a) = auto {
            flags.auto_shutdown = AutoShutdown::from_term(&a).map_err(|_| pair(atoms::INVALID_AUTO_SHUTDOWN, a))?;
        }
        Ok(flags)
    }

    /// What a native caller can get wrong.
    fn check(&self) -> Result<(), Term> {
        if self.period == 0 { Err(pair(atoms::INVALID_PERIOD, 0)) } else { Ok(()) }
    }
}

impl Init {
    /// `{Flags, Specs}`, as `Mod:init/1` returns it. Errors: the reason that a supervisor would not start with.
    pub fn from_term(flags: &Term, specs: &Term) -> Result<Self, Term> {
        let flags = Flags::from_term(flags).map_err(|e| pair(atoms::SUPERVISOR_DATA, e))?;
        if flags.strategy == Strategy::SimpleOneForOne && specs.as_list().is_none_or(|l| l.len() != 1 || !l.is_proper())
        {
            return Err(pair(atoms::BAD_START_SPEC, specs.clone()));
        }
        let children = specs_from_term(specs, Some(flags.auto_shutdown)).map_err(|e| pair(atoms::START_SPEC, e))?;
        Ok(Self { flags, children })
    }

    /// The same judgement over what was built natively.
    pub(super) fn check(&self) -> Result<(), Term> {
        self.flags.check().map_err(|e| pair(atoms::SUPERVISOR_DATA, e))?;
        if self.flags.strategy == Strategy::SimpleOneForOne && self.children.len() != 1 {
            let specs = Term::list(self.children.iter().map(ChildSpec::to_term));
            return Err(pair(atoms::BAD_START_SPEC, specs));
        }
        check_built(&self.children, self.flags.auto_shutdown).map_err(|e| pair(atoms::START_SPEC, e))
    }
}
