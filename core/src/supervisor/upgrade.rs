//! New flags and specifications under a running supervisor, and its state as OTP shows it.
//! Source: OTP `supervisor:code_change/3`, `sys:get_state/1`; C8.41. Imports: term, spec, children.

use super::children::{Children, Life};
use super::spec::{ChildSpec, Restart, Strategy};
use super::{Family, Init, Key, Policy};
use crate::term::{Term, atoms};
use std::sync::Arc;

/// Restarts that the state shows at most: OTP keeps each in a list.
const SHOWN_RESTARTS: usize = 1000;

impl<R> Policy<R> {
    /// Takes what the init callback returns now. Children whose ids are known go on running under their new
    /// specifications; new ones are not started; those that are missing stay, behind the others.
    ///
    /// Errors: OTP's reason, and nothing has changed. Beyond OTP, whose supervisor crashes later: a supervisor does
    /// not become simple_one_for_one, or cease to be, while it runs.
    pub fn upgrade(&mut self, init: Init) -> Result<(), Term> {
        init.check()?;
        let simple = init.flags.strategy == Strategy::SimpleOneForOne;
        let mut specs = init.children.into_iter().map(Arc::new);
        match &mut self.family {
            Family::Brood(brood) if simple => brood.spec = specs.next().unwrap_or_else(|| brood.spec.clone()),
            Family::Ordered(old) if !simple => {
                let mut kept = old.take();
                let mut merged = Children::default();
                for spec in specs {
                    let same = kept.iter().position(|c| c.spec.id == spec.id);
                    merged.append(spec, same.map_or(Life::Undefined, |i| kept.remove(i).life));
                }
                for child in kept {
                    merged.append(child.spec, child.life);
                }
                *old = merged;
            }
            _ => {
                return Err(Term::tuple([atoms::BAD_STRATEGY_CHANGE.into(), init.flags.strategy.into()]));
            }
        }
        self.flags = init.flags;
        Ok(())
    }

    pub(super) fn spec(&self, child: Key) -> &Arc<ChildSpec> {
        match (&self.family, child) {
            (Family::Brood(b), _) => &b.spec,
            (Family::Ordered(c), Key::Place(place)) => match c.get(place) {
                Some(child) => &child.spec,
                None => unreachable!("a place names a child until that is let go"),
            },
            (Family::Ordered(_), Key::Pid(_)) => unreachable!("children of an order have places"),
        }
    }

    /// OTP's record `#state{}`, for `sys:get_state` and `sys:get_status`.
    pub fn state_term(&self, module: Term, args: Term) -> Term {
        let record = |spec: &ChildSpec, life: Life| (spec.id.clone(), spec.to_record(life.to_term()));
        let (children, dynamics, restarting) = match &self.family {
            Family::Ordered(c) => {
                let ids = Term::list(c.newest_first().map(|c| c.spec.id.clone()));
                let map = Term::map(c.newest_first().map(|c| record(&c.spec, c.life)));
                (Term::tuple([ids, map]), atoms::UNDEFINED.into(), 0)
            }
            Family::Brood(b) => {
                let ids = Term::list([b.spec.id.clone()]);
                let map = Term::map([record(&b.spec, Life::Undefined)]);
                let pid_of = |pid, one: &super::brood::One| match one.life(pid) {
                    Life::Running(pid) => pid.into(),
                    other => other.to_term(),
                };
                // Temporary children are kept in a set: their arguments are not needed.
                let set = b.spec.restart == Restart::Temporary;
                let value = |one: &super::brood::One| if set { Term::nil() } else { one.args.clone() };
                let ones = Term::map(b.iter().map(|(pid, one)| (pid_of(pid, one), value(one))));
                let kind = if set { atoms::SETS } else { atoms::MAPS };
                let dynamics = Term::tuple([kind.into(), ones]);
                (Term::tuple([ids, map]), dynamics, b.restarting())
            }
        };
        Term::tuple([
            atoms::STATE.into(),
            self.name.clone(),
            self.flags.strategy.into(),
            children,
            dynamics,
            self.flags.intensity.into(),
            self.flags.period.into(),
            Term::list(self.history.newest_first(SHOWN_RESTARTS).map(Term::from)),
            restarting.into(),
            self.flags.auto_shutdown.into(),
            module,
            args,
        ])
    }
}
