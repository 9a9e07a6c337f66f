//! Who wants to hear of nodes that come and go.
//! Imports: term, process, dist.
//!
//! `monitor_node` waits for the end of one node and is counted; `monitor_nodes` is for all of them, until it is undone.
//! `nodeup` is delivered before any signal from the new connection, `nodedown` after all of them.
//! Source: OTP `erlang:monitor_node/2`, `net_kernel:monitor_nodes/2`.

use super::{Net, lock};
use crate::dist::connection::DownReason;
use crate::dist::nodes::NodeInfo;
use crate::process::message::Message;
use crate::process::signal::Signal;
use crate::process::system::System;
use crate::term::{Atom, Pid, Term, atoms};
use std::collections::HashMap;

/// Which nodes a subscription is about. Source: OTP `net_kernel:monitor_nodes/2`, `node_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeType {
    /// Those of `nodes()`.
    #[default]
    Visible,
    /// The others.
    Hidden,
    /// Both.
    All,
}

/// Options of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonitorNodes {
    /// Which nodes.
    pub node_type: NodeType,
    /// Whether messages carry a list of facts: `{nodeup, Node, Info}` with `{node_type, Type}` and, at the end,
    /// `{nodedown_reason, Reason}`. Otherwise they are `{nodeup, Node}` and `{nodedown, Node}`.
    pub info: bool,
}

#[derive(Default)]
pub(super) struct Watch {
    /// How often each process waits for a node.
    nodes: HashMap<Atom, HashMap<Pid, usize>>,
    subscribers: Vec<(Pid, MonitorNodes)>,
    /// How many entries there were when dead processes were last looked for.
    swept: usize,
}

impl Watch {
    fn len(&self) -> usize {
        self.subscribers.len() + self.nodes.values().map(HashMap::len).sum::<usize>()
    }

    /// Forgets processes that are no more, once there are twice as many entries as the last time.
    fn sweep(&mut self, system: &System) {
        let len = self.len();
        if len < 64 || len < 2 * self.swept {
            return;
        }
        self.subscribers.retain(|(p, _)| system.is_alive(*p));
        self.nodes.retain(|_, m| {
            m.retain(|p, _| system.is_alive(*p));
            !m.is_empty()
        });
        self.swept = self.len();
    }
}

impl Net {
    /// One more, or one less, `{nodedown, Node}` for `who`.
    pub(super) fn watch_node(&self, system: &System, who: Pid, node: Atom, on: bool) {
        let mut watch = lock(&self.watch);
        if on {
            watch.sweep(system);
            *watch.nodes.entry(node).or_default().entry(who).or_insert(0) += 1;
            return;
        }
        let Some(pids) = watch.nodes.get_mut(&node) else { return };
        if let Some(count) = pids.get_mut(&who) {
            *count -= 1;
            if *count == 0 {
                pids.remove(&who);
            }
        }
        if pids.is_empty() {
            watch.nodes.remove(&node);
        }
    }

    /// One more subscription, or the end of all with these options.
    pub(super) fn watch_nodes(&self, system: &System, who: Pid, options: MonitorNodes, on: bool) {
        let mut watch = lock(&self.watch);
        if on {
            watch.sweep(system);
            watch.subscribers.push((who, options));
        } else {
            watch.subscribers.retain(|s| *s != (who, options));
        }
    }

    /// Those who wait for the end of this one node.
    pub(super) fn tell_nodedown_of(&self, system: &System, node: Atom) {
        let waiting = lock(&self.watch).nodes.remove(&node).unwrap_or_default();
        for (pid, count) in waiting {
            for _ in 0..count {
                tell(system, pid, Term::tuple([atoms::NODEDOWN.into(), node.into()]));
            }
        }
    }

    pub(super) fn tell_up(&self, system: &System, node: Atom, info: &NodeInfo) {
        self.tell_all(system, atoms::NODEUP, node, info.visible, &[]);
    }

    pub(super) fn tell_down(&self, system: &System, node: Atom, info: &NodeInfo, reason: &DownReason) {
        let reason = fact("nodedown_reason", reason.nodedown_reason());
        self.tell_all(system, atoms::NODEDOWN, node, info.visible, &[reason]);
    }

    fn tell_all(&self, system: &System, what: Atom, node: Atom, visible: bool, facts: &[Term]) {
        let subscribers = lock(&self.watch).subscribers.clone();
        for (pid, options) in subscribers {
            let wanted = match options.node_type {
                NodeType::Visible => visible,
                NodeType::Hidden => !visible,
                NodeType::All => true,
            };
            if !wanted {
                continue;
            }
            let mut elements = vec![what.into(), node.into()];
            if options.info {
                let node_type = fact("node_type", if visible { "visible" } else { "hidden" });
                elements.push(Term::list(facts.iter().cloned().chain([node_type])));
            }
            tell(system, pid, Term::tuple(elements));
        }
    }
}

fn fact(key: &str, value: &str) -> Term {
    // Only a full atom table refuses.
    let atom = |text| Term::from(Atom::new(text).unwrap_or(atoms::UNDEFINED));
    Term::tuple([atom(key), atom(value)])
}

fn tell(system: &System, pid: Pid, message: Term) {
    system.signal(pid, Signal::Message(Message::Term(message)));
}
