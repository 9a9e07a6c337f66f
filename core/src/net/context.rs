//! What processes can ask of the network.
//! Imports: term, process.

use super::watch::{MonitorNodes, NodeType};
use super::{Command, Net};
use crate::process::context::Context;
use crate::process::core::Core;
use crate::process::error::Exception;
use crate::process::message::Message;
use crate::process::signal::Signal;
use crate::process::system::{Router, System};
use crate::term::{Atom, Term, atoms};
use std::any::Any;

/// The network of a node that has a name.
fn of(system: &System) -> Option<&Net> {
    let router: &dyn Router = &**system.router.get()?;
    let any: &dyn Any = router;
    any.downcast_ref()
}

fn not_alive() -> Exception {
    Exception::error(Atom::new("notalive").unwrap_or(atoms::BADARG))
}

impl Context {
    /// The name of this process's node. Source: OTP `node/0`.
    pub fn node(&self) -> Atom {
        self.self_pid().node.name()
    }

    /// Connected nodes of a kind, in no order. Source: OTP `nodes/1`.
    pub fn nodes(&mut self, which: NodeType) -> Vec<Atom> {
        Core::enter(self).ok().and_then(|core| of(core.system()).map(|net| net.nodes_of(which))).unwrap_or_default()
    }

    /// Asks for one message `{nodedown, Node}` when the connection to a node ends, or if there is none and none can be
    /// made; or takes one such wish back. Counted: asking twice gives two messages. Does not wait for the connection.
    ///
    /// Errors: `notalive` on a node without a name. Source: OTP `monitor_node/2`.
    pub fn monitor_node(&mut self, node: Atom, on: bool) -> Result<(), Exception> {
        let mut core = Core::enter(self).map_err(|_| Exception::killed())?;
        core.charge(4);
        core.flush();
        core.drain();
        let system = core.system();
        let net = of(system).ok_or_else(not_alive)?;
        if node == system.id.name() {
            return Ok(());
        }
        net.watch_node(system, core.pid, node, on);
        if on && net.remote(node, true).is_none() {
            net.watch_node(system, core.pid, node, false);
            let down = Term::tuple([atoms::NODEDOWN.into(), node.into()]);
            system.signal(core.pid, Signal::Message(Message::Term(down)));
        }
        Ok(())
    }

    /// Subscribes to `{nodeup, Node}` and `{nodedown, Node}`, or ends all subscriptions of this process with the same
    /// options. Errors: `notalive` on a node without a name. Source: OTP `net_kernel:monitor_nodes/2`.
    pub fn monitor_nodes(&mut self, on: bool, options: MonitorNodes) -> Result<(), Exception> {
        let core = Core::enter(self).map_err(|_| Exception::killed())?;
        let system = core.system();
        of(system).ok_or_else(not_alive)?.watch_nodes(system, core.pid, options, on);
        Ok(())
    }

    /// Ends the connection to a node; false: there was none. Its losses are heard a little later.
    /// Source: OTP `disconnect_node/1`.
    pub fn disconnect_node(&mut self, node: Atom) -> bool {
        let Ok(mut core) = Core::enter(self) else { return false };
        core.flush();
        let Some(net) = of(core.system()) else { return false };
        let there = net.is_connected(node);
        if there {
            net.command(Command::Disconnect(node));
        }
        there
    }
}

impl Net {
    /// Connected nodes, in no order.
    pub(crate) fn nodes_of(&self, which: NodeType) -> Vec<Atom> {
        let nodes = self.table();
        let wanted = nodes.connected().filter(|n| match which {
            NodeType::Visible => n.visible,
            NodeType::Hidden => !n.visible,
            NodeType::All => true,
        });
        wanted.filter_map(|n| Atom::new(n.name.as_str()).ok()).collect()
    }

    pub(crate) fn is_connected(&self, node: Atom) -> bool {
        self.table().connected().any(|n| n.name.as_str() == node.as_str())
    }
}
