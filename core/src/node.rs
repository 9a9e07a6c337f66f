//! F8 the only public door: build a node, start it, look at it, stop it.
//! Imports: base, term, sched (priorities), process, dist, net.
//!
//! A node is a value: several live in one OS process, each with its own processes, names, modules and threads. Only
//! the atom table is shared. A node without a name is a complete local runtime.

use crate::base::clock::Clock;
use crate::dist::name::NameError;
use crate::r#gen::{Registries, Registry};
use crate::net::config::{ConnectError, Epmd, NameFailure, NetConfig, Wanted};
use crate::net::event::NodeEvent;
use crate::net::watch::NodeType;
use crate::net::{self, Command, Running};
use crate::process::attached::Attached;
use crate::process::error::Exception;
use crate::process::info::ProcessInfo;
use crate::process::module::Module;
use crate::process::send::Dest;
use crate::process::spawn::{Code, SpawnOptions};
use crate::process::system::{Config, System};
use crate::report::{Reports, Sink};
use crate::term::{Atom, NodeId, Pid, Ref, Term, atoms};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

/// How long dropping a node waits for threads that are inside somebody's code.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// Settings of a node that is about to start.
///
/// ```
/// let node = krarup::Node::builder().workers(2).start()?;
/// # Ok::<(), krarup::StartError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NodeBuilder {
    config: Config,
    net: NetConfig,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        Self {
            config: Config {
                workers: crate::base::affinity::cores(),
                max_processes: 1 << 20,
                cleanup_ms: 100,
                overstay_ms: 2,
                stack_bytes: 256 << 10,
                max_fibers: 16_000,
                blocking_threads: 64,
                seed: None,
                node_name: atoms::NONODE,
            },
            net: NetConfig::default(),
        }
    }
}

impl NodeBuilder {
    /// Scheduler threads, 1 to 64. Default: the cores this OS process may use. Source: OTP `erl +S`.
    pub fn workers(mut self, n: usize) -> Self {
        self.config.workers = n;
        self
    }

    /// Processes that may live at once, 16 to 2^27. Default 1,048,576. Source: OTP `erl +P`.
    pub fn max_processes(mut self, n: usize) -> Self {
        self.config.max_processes = n;
        self
    }

    /// How long, in ms, the end of a process waits for its native code before it is announced anyway. Default 100.
    pub fn cleanup_ms(mut self, ms: u64) -> Self {
        self.config.cleanup_ms = ms;
        self
    }

    /// How long, in ms, a callback may run before its worker's other processes are given to another thread.
    /// At least 1; default 2.
    pub fn overstay_ms(mut self, ms: u64) -> Self {
        self.config.overstay_ms = ms.max(1);
        self
    }

    /// Stack of a fiber in bytes, rounded up to pages; default 256 KiB (touched pages only cost memory).
    pub fn stack_bytes(mut self, n: usize) -> Self {
        self.config.stack_bytes = n.max(16 << 10);
        self
    }

    /// Fibers that may live at once. Default 16,000: the kernel's limit of mappings allows some 32,000 in all.
    pub fn max_fibers(mut self, n: usize) -> Self {
        self.config.max_fibers = n;
        self
    }

    /// Threads of the blocking pool, at least 1. Default 64. Source: OTP `erl +SDio`.
    pub fn blocking_threads(mut self, n: usize) -> Self {
        self.config.blocking_threads = n;
        self
    }

    /// Single-thread mode for tests: no threads, a virtual clock, and the order of processes drawn from `seed`. The
    /// node runs only inside [`Node::run`] and [`Node::advance`], so that a seed gives the same run again.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// Joins the network under a short name, `alive` or `alive@host`; the host is this one's, without its domain,
    /// unless given. Nodes with short and with long names do not connect. Source: OTP `-sname`.
    pub fn sname(mut self, name: impl Into<String>) -> Self {
        self.net.wanted = Some(Wanted::Short(name.into()));
        self
    }

    /// Joins the network under a long name, `alive` or `alive@host.domain`. Source: OTP `-name`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.net.wanted = Some(Wanted::Long(name.into()));
        self
    }

    /// The cookie, which the nodes of a cluster share: 1 to 255 characters of Latin-1. Default: that of
    /// `~/.erlang.cookie`, which is made if it is not there. Source: OTP `-setcookie`.
    pub fn cookie(mut self, cookie: impl Into<String>) -> Self {
        self.net.cookie = Some(cookie.into());
        self
    }

    /// Whether the node shows in `nodes()` of others; default: it is hidden. A visible node is asked by the others to
    /// take part in `global` and `pg`. Source: OTP `-hidden`.
    pub fn visible(mut self, yes: bool) -> Self {
        self.net.visible = yes;
        self
    }

    /// Listens on this address only. Default: all, of both families. Source: OTP `inet_dist_use_interface`.
    pub fn listen_address(mut self, address: IpAddr) -> Self {
        self.net.address = Some(address);
        self
    }

    /// Listens on this port. Default: 0, one that the kernel gives. Source: OTP `inet_dist_listen_min`.
    pub fn listen_port(mut self, port: u16) -> Self {
        self.net.port = port;
        self
    }

    /// Whether and how epmd is used; see [`Epmd`].
    pub fn epmd(mut self, epmd: Epmd) -> Self {
        self.net.epmd = epmd;
        self
    }

    /// The port of epmd, here and on other hosts. Default: `ERL_EPMD_PORT`, or 4369.
    pub fn epmd_port(mut self, port: u16) -> Self {
        self.net.epmd_port = Some(port);
        self
    }

    /// A node from which nothing has come for so long, in ms, counts as down; four ticks go out in that time. 0: never.
    /// Default 60,000. Source: OTP `net_ticktime`.
    pub fn net_ticktime_ms(mut self, ms: u64) -> Self {
        self.net.tick.time_ms = ms;
        self
    }

    /// Each step of a connection's setup may take so long, in ms. Default 7000. Source: OTP `net_setuptime`.
    pub fn net_setuptime_ms(mut self, ms: u64) -> Self {
        self.net.setup_ms = ms;
        self
    }

    /// Incoming connections whose handshake may be under way at once; more are closed unread. Default 256.
    pub fn max_handshakes(mut self, n: usize) -> Self {
        self.net.max_handshakes = n;
        self
    }

    /// Bytes that may wait for one node: a process that sends to it while more than `busy` wait is suspended until half
    /// of them are left; when more than `limit` wait, the node is disconnected with a report. Defaults 1 MiB and 256 MiB.
    /// Source: OTP `+zdbbl`.
    pub fn dist_buffer(mut self, busy: usize, limit: usize) -> Self {
        (self.net.busy_limit, self.net.queue_limit) = (busy.max(1), limit.max(busy));
        self
    }

    /// Hears what the network has to report: refusals, losses, limits. It is called on the network thread and must not
    /// block. Without a hook nothing is told to anybody.
    pub fn on_event(mut self, hook: impl Fn(&NodeEvent) + Send + Sync + 'static) -> Self {
        self.net.hook = Some(Arc::new(hook));
        self
    }

    /// Starts the node. With a name it returns when the node listens and is registered, which may take seconds.
    ///
    /// Errors: the kernel gives no threads, the table of nodes is full, or the node does not get its name.
    pub fn start(mut self) -> Result<Node, StartError> {
        let prepared = net::Prepared::of(self.net)?;
        if let Some(p) = &prepared {
            if self.config.seed.is_some() {
                return Err(NameFailure::Seeded.into());
            }
            let name =
                Atom::new(p.name.as_str()).map_err(|e| StartError::System(std::io::Error::other(e.to_string())))?;
            self.config.node_name = name;
        }
        let clock = if self.config.seed.is_some() { Clock::virtual_clock() } else { Clock::Real };
        let system = System::new(self.config, clock).map_err(StartError::System)?;
        let mut node = Node { system, driver: Mutex::new(None), network: None };
        if let Some(p) = prepared {
            node.network = Some(net::start(&node.system, p)?);
        }
        Ok(node)
    }
}

/// Why a node did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The kernel gives no threads, or a table is full.
    System(std::io::Error),
    /// The node did not get its name.
    Name(NameFailure),
}

impl From<NameFailure> for StartError {
    fn from(e: NameFailure) -> Self {
        Self::Name(e)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(e) => write!(f, "node did not start: {e}"),
            Self::Name(e) => write!(f, "node did not get its name: {e}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(e) => Some(e),
            Self::Name(e) => Some(e),
        }
    }
}

/// Counts of a node, as they were at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCounts {
    /// Processes alive.
    pub processes: usize,
    /// Processes that may live at once.
    pub process_limit: usize,
    /// Fibers that live.
    pub fibers: usize,
    /// Dead processes whose native code has not come back.
    pub orphans: usize,
    /// The same since the start, whether or not it came back later.
    pub orphans_ever: u64,
    /// Callbacks that overstayed.
    pub long_schedules: u64,
    /// OS threads of the scheduler, stand-ins, slow lane and watchdog.
    pub threads: usize,
    /// Threads of the slow lane, busy or not; counted in `threads`.
    pub slow_threads: usize,
    /// Threads of the blocking pool.
    pub blocking_threads: usize,
    /// Closures on the blocking pool that panicked.
    pub blocking_panics: usize,
}

/// Threads of a stopped node that are still inside somebody's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillRunning(pub usize);

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} threads of the node are still inside user code", self.0)
    }
}

impl std::error::Error for StillRunning {}

/// A running node. Dropping it stops it, as [`Node::stop`] does with a patience of five seconds.
///
/// All calls may be made from any thread. None blocks unless it says so.
pub struct Node {
    system: Arc<System>,
    /// The thread that drives a seeded node: fibers are bound to it.
    driver: Mutex<Option<ThreadId>>,
    network: Option<Running>,
}

impl Node {
    /// Settings, to be changed and started.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// Identity of the node, as its pids carry it.
    pub fn id(&self) -> NodeId {
        self.system.id
    }

    /// `nonode@nohost` until the node has got a name. Source: OTP `node/0`.
    pub fn name(&self) -> Atom {
        self.system.id.name()
    }

    /// Makes the calling thread a process: it can receive, call, link, monitor. See [`Attached`].
    ///
    /// Errors: `system_limit` when the process table is full.
    pub fn attach(&self) -> Result<Attached, Exception> {
        Attached::new(&self.system)
    }

    /// Spawns a process that nobody of ours is the parent of. Errors: `system_limit`.
    pub fn spawn(&self, code: impl Into<Code>) -> Result<Pid, Exception> {
        self.spawn_opt(code, &SpawnOptions::default())
    }

    /// Spawns with options. Errors: `system_limit`; `badarg` for a link or a monitor, which need a process: attach.
    pub fn spawn_opt(&self, code: impl Into<Code>, o: &SpawnOptions) -> Result<Pid, Exception> {
        if o.link || o.monitor.is_some() {
            return Err(Exception::badarg());
        }
        let s = &self.system;
        let leader = o.group_leader.unwrap_or(s.group_leader);
        s.enter(|| {
            let slot = s.prepare(code.into(), o, s.group_leader, leader)?;
            let pid = slot.pid();
            s.start(slot, None);
            Ok(pid)
        })
    }

    /// Spawns an exported function of the module registry. Source: OTP `spawn/3`.
    pub fn spawn_mfa(&self, m: Atom, f: Atom, args: Vec<Term>) -> Result<Pid, Exception> {
        let arity = u8::try_from(args.len()).map_err(|_| Exception::system_limit())?;
        let code = self.system.modules.code(m, f, args);
        self.spawn_opt(code, &SpawnOptions { initial_call: Some((m, f, arity)), ..Default::default() })
    }

    /// Sends a message. Errors: `badarg` for a local name that nobody has. Source: OTP `!`.
    pub fn send(&self, to: impl Into<Dest>, message: impl Into<Term>) -> Result<(), Exception> {
        let (to, message) = (to.into(), message.into());
        self.system.enter(|| self.system.send_from_nobody(to, message))
    }

    /// Sends an exit signal that needs no link. Source: OTP `exit/2`.
    pub fn exit(&self, pid: Pid, reason: impl Into<Term>) {
        let reason = reason.into();
        self.system.enter(|| self.system.exit_from_nobody(pid, reason));
    }

    /// Registers a name for a process of this node. Errors: `badarg`. Source: OTP `register/2`.
    pub fn register(&self, name: Atom, pid: Pid) -> Result<(), Exception> {
        self.system.enter(|| self.system.register_other(name, pid))
    }

    /// Source: OTP `whereis/1`.
    pub fn whereis(&self, name: Atom) -> Option<Pid> {
        self.system.names.whereis(name)
    }

    /// Every registered name. Source: OTP `registered/0`.
    pub fn registered(&self) -> Vec<Atom> {
        self.system.names.all()
    }

    /// Every living process. Source: OTP `processes/0`.
    pub fn processes(&self) -> Vec<Pid> {
        self.system.processes()
    }

    /// Source: OTP `is_process_alive/1`.
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.system.is_alive(pid)
    }

    /// What is known about a process; `None`: there is none, or it did not answer within `patience`.
    ///
    /// Blocks the calling thread for at most `patience`; on a seeded node it runs the node instead.
    /// Source: OTP `process_info/2`.
    pub fn process_info(&self, pid: Pid, with_messages: bool, patience: Duration) -> Option<ProcessInfo> {
        if self.system.config.seed.is_none() {
            return self.system.process_info(pid, with_messages, patience);
        }
        let answer = self.system.ask_info(pid, with_messages);
        self.run(u64::MAX);
        answer.try_recv().ok()
    }

    /// Registers a module, or a new version of it; returns the former version's number.
    pub fn add_module(&self, name: Atom, module: Module) -> Option<u64> {
        self.system.modules.insert(name, module).map(|m| m.version())
    }

    /// A module by name.
    pub fn module(&self, name: Atom) -> Option<Arc<Module>> {
        self.system.modules.get(name)
    }

    /// Says where the node's crash and error reports and its trace lines go; `None`: reports nowhere, trace lines to
    /// stdout, as at the start. See [`StderrSink`](crate::report::StderrSink) for OTP's way.
    pub fn set_report_sink(&self, sink: Option<Arc<dyn Sink>>) {
        self.system.rooms.get::<Reports>().set(sink);
    }

    /// Adds a registry of names, used by `{via, Module, Name}`, or `{global, Name}` if `module` is `global`.
    pub fn add_registry(&self, module: Atom, registry: Arc<dyn Registry>) {
        self.system.rooms.get::<Registries>().add(module, registry);
    }

    /// A fresh reference. Source: OTP `make_ref/0`.
    pub fn make_ref(&self) -> Ref {
        self.system.make_ref()
    }

    /// Counts, taken without stopping anything.
    pub fn counts(&self) -> NodeCounts {
        let s = &self.system;
        NodeCounts {
            processes: s.table.count.load(Relaxed),
            process_limit: s.table.limit(),
            fibers: s.fibers.load(Relaxed),
            orphans: s.counters.orphans.get(),
            orphans_ever: s.counters.orphans_ever.load(Relaxed),
            long_schedules: s.counters.long_schedules.load(Relaxed),
            threads: s.shared.live_threads(),
            slow_threads: s.shared.slow.threads(),
            blocking_threads: s.blocking.threads(),
            blocking_panics: s.blocking.panics(),
        }
    }

    /// Connects to a node and waits until that has worked or failed: within the setup time of a step, times the steps.
    /// A node that is connected already gives `Ok` at once. Blocks; not for the code of a process, which connects by
    /// sending. Source: OTP `net_kernel:connect_node/1`.
    ///
    /// Errors: why not, in words.
    pub fn connect(&self, node: &str) -> Result<(), ConnectError> {
        let network = self.network.as_ref().ok_or(ConnectError::NotAlive)?;
        let atom = Atom::new(node).map_err(|_| ConnectError::Name(NameError::TooLong))?;
        let (tell, told) = channel();
        network.net.command(Command::Connect(atom, tell));
        told.recv().unwrap_or(Err(ConnectError::NotAlive))
    }

    /// Ends the connection to a node; false: there was none. Does not wait for its losses to be heard.
    /// Source: OTP `disconnect_node/1`.
    pub fn disconnect(&self, node: &str) -> bool {
        let (Some(network), Ok(atom)) = (&self.network, Atom::new(node)) else { return false };
        let there = network.net.is_connected(atom);
        if there {
            network.net.command(Command::Disconnect(atom));
        }
        there
    }

    /// The names of connected nodes, in no order. Source: OTP `nodes/1`.
    pub fn nodes(&self, which: NodeType) -> Vec<Atom> {
        self.network.as_ref().map(|n| n.net.nodes_of(which)).unwrap_or_default()
    }

    /// Drives a seeded node until nothing is runnable or `slices` slices have run; returns how many ran. On a node
    /// with threads it does nothing.
    ///
    /// # Panics
    /// When it is called from another thread than the first time: fibers are bound to the thread that runs them.
    pub fn run(&self, slices: u64) -> u64 {
        if self.system.config.seed.is_none() {
            return 0;
        }
        let me = std::thread::current().id();
        let first = *self.driver.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(me);
        assert_eq!(first, me, "a seeded node must be driven by one thread");
        crate::sched::worker::drive(&self.system.shared, slices)
    }

    /// Moves the virtual clock of a seeded node forward, stopping at every timer on the way; returns how many slices
    /// ran. On a node with threads it does nothing.
    pub fn advance(&self, by: Duration) -> u64 {
        let s = &self.system;
        if s.config.seed.is_none() {
            return 0;
        }
        let until = s.shared.clock.now_ns().saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
        let mut ran = self.run(u64::MAX);
        loop {
            let now = s.shared.clock.now_ns();
            let due = s.timers.next_deadline(0);
            if due > until {
                s.shared.clock.advance(until - now);
                return ran + self.run(u64::MAX);
            }
            s.shared.clock.advance(due.saturating_sub(now));
            ran += self.run(u64::MAX);
        }
    }

    /// Time on the node's clock in ns. Source: OTP `erlang:monotonic_time/1`.
    pub fn monotonic_ns(&self) -> u64 {
        self.system.shared.clock.now_ns()
    }

    /// Stops the node: no slice starts any more. Blocks for at most `patience` until its threads have ended; then the
    /// bodies that are left run their destructors. Processes are not told; a tree is shut down before.
    ///
    /// Errors: threads that are still inside somebody's code. They and what they can reach are leaked.
    pub fn stop(self, patience: Duration) -> Result<(), StillRunning> {
        self.halt(patience)
    }

    fn halt(&self, patience: Duration) -> Result<(), StillRunning> {
        if let Some(network) = &self.network {
            network.stop();
        }
        match self.system.stop(patience) {
            0 => Ok(()),
            n => {
                // Their stacks point into the system.
                std::mem::forget(self.system.clone());
                Err(StillRunning(n))
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.system.shared.stop.load(Relaxed) {
            // The count of those that stay has nowhere to go; `stop` is for who wants it.
            let _ = self.halt(DROP_PATIENCE);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name()).field("counts", &self.counts()).finish()
    }
}
