//! The life of the network thread: name, socket, registration, commands, end.
//! Imports: term, process, dist, and the rest of this room.

use super::config::{ConnectError, Epmd, NameFailure, NetConfig};
use super::epmd::{Keeper, Notice};
use super::event::{self, NodeEvent};
use super::remote::State;
use super::{Command, Entry, Net, Waiter, dial, identity, kernel, link, listen, lock};
use crate::dist::epmd::{DEFAULT_PORT, NodeType, Registrar, Registration};
use crate::dist::handshake::Cookie;
use crate::dist::name::{NameKind, NodeName};
use crate::dist::nodes::Nodes;
use crate::process::system::System;
use crate::term::Atom;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Who the node will be, before anything has been started.
pub(crate) struct Prepared {
    pub name: NodeName,
    kind: NameKind,
    cookie: Cookie,
    config: NetConfig,
}

impl Prepared {
    /// `None`: the node wants no name.
    pub fn of(config: NetConfig) -> Result<Option<Self>, NameFailure> {
        let Some(wanted) = &config.wanted else { return Ok(None) };
        let (name, kind) = identity::name(wanted)?;
        let cookie = identity::cookie(config.cookie.as_deref())?;
        Ok(Some(Self { name, kind, cookie, config }))
    }
}

/// The network of a running node.
pub(crate) struct Running {
    pub net: Arc<Net>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    /// Closes every connection and waits for the network thread, which ends within a second.
    pub fn stop(&self) {
        self.net.command(Command::Stop);
        if let Some(t) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // If it has panicked, the network is gone, which is what is wanted.
            let _ = t.join();
        }
    }
}

/// Starts the network thread; returns when the node listens and is registered.
pub(crate) fn start(system: &Arc<System>, prepared: Prepared) -> Result<Running, NameFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_name("krarup-resolve")
        .build()
        .map_err(NameFailure::Thread)?;
    let (tell, told) = channel();
    let weak = Arc::downgrade(system);
    let (home, clock) = (system.id, system.shared.clock.clone());
    let body = move || {
        runtime.block_on(async move {
            let (commands, orders) = unbounded_channel();
            let seed = Seed { prepared, system: weak, home, clock, commands };
            match seed.grow().await {
                Ok((net, listener)) => {
                    let _ = tell.send(Ok(net.clone()));
                    serve(net, listener, orders).await;
                }
                Err(e) => {
                    let _ = tell.send(Err(e));
                }
            }
        });
        // A name that does not resolve may hold a thread for long; the end does not wait for it.
        runtime.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("krarup-net".into()).spawn(body).map_err(NameFailure::Thread)?;
    let gone = || NameFailure::Thread(std::io::Error::other("it ended before the node was registered"));
    let net = told.recv().map_err(|_| gone())??;
    let running = Running { net: net.clone(), thread: Mutex::new(Some(thread)) };
    // From here on pids carry the name and the creation, and signals find their way.
    system.id.rename(net.atom, net.creation);
    let _ = system.router.set(net.clone());
    if system.enter(|| kernel::spawn(system, &net)).is_err() {
        running.stop();
        return Err(NameFailure::Thread(std::io::Error::other("there is no room for the process net_kernel")));
    }
    net.command(Command::Open);
    Ok(running)
}

/// What a network is made of.
struct Seed {
    prepared: Prepared,
    system: std::sync::Weak<System>,
    home: crate::term::NodeId,
    clock: crate::base::clock::Clock,
    commands: tokio::sync::mpsc::UnboundedSender<Command>,
}

impl Seed {
    async fn grow(self) -> Result<(Arc<Net>, TcpListener), NameFailure> {
        let Prepared { name, kind, cookie, config } = self.prepared;
        let listener = listen::bind(config.address, config.port).await.map_err(NameFailure::Listen)?;
        let port = listener.local_addr().map_err(NameFailure::Listen)?.port();
        let epmd_port = config.epmd_port.or_else(|| environment("ERL_EPMD_PORT")).unwrap_or(DEFAULT_PORT);
        let creation = match config.epmd {
            Epmd::Without { .. } => None,
            Epmd::Serve | Epmd::Use => {
                let node_type = if config.visible { NodeType::Visible } else { NodeType::Hidden };
                let registration = Registration::new(name.alive(), port, node_type);
                let registrar = Registrar::new(registration, config.epmd == Epmd::Serve)
                    .map_err(|e| NameFailure::Host(format!("epmd would not take the name: {e}")))?;
                let hook = config.hook.clone();
                let notify = move |notice| {
                    let event = match notice {
                        Notice::Lost => NodeEvent::EpmdLost,
                        Notice::Renewed => NodeEvent::EpmdRenewed,
                        Notice::Serving(port) => NodeEvent::EpmdStarted { port },
                    };
                    event::tell(hook.as_ref(), &event);
                };
                let address = environment("ERL_EPMD_ADDRESS").or(config.address);
                let clock = self.clock.clone();
                let keeper = Keeper { clock, port: epmd_port, address, notify: Arc::new(notify) };
                let (first, result) = oneshot::channel();
                tokio::spawn(keeper.keep(registrar, first));
                let lost = crate::dist::epmd::client::RegisterError::NoEpmd;
                Some(result.await.unwrap_or(Err(lost)).map_err(NameFailure::Epmd)?)
            }
        };
        // 0 means none, and below 4 are those of old.
        let creation = match creation.filter(|c| *c != 0) {
            Some(c) => c,
            None => {
                let mut bytes = [0; 4];
                getrandom::fill(&mut bytes).map_err(|e| NameFailure::Thread(std::io::Error::other(e.to_string())))?;
                u32::from_be_bytes(bytes).max(4)
            }
        };
        let atom = Atom::new(name.as_str()).map_err(|e| NameFailure::Host(e.to_string()))?;
        let net = Net {
            nodes: Mutex::new(Nodes::new(name.clone(), cookie)),
            name,
            kind,
            creation,
            atom,
            home: self.home,
            system: self.system,
            clock: self.clock,
            config,
            epmd_port,
            commands: self.commands,
            remotes: RwLock::new(HashMap::new()),
            connections: Mutex::new(HashMap::new()),
            waiting: Mutex::new(HashMap::new()),
            watch: Mutex::default(),
            handshakes: AtomicUsize::new(0),
        };
        Ok((Arc::new(net), listener))
    }
}

fn environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.split([',', ' ']).find_map(|word| word.parse().ok())
}

async fn serve(net: Arc<Net>, listener: TcpListener, mut orders: UnboundedReceiver<Command>) {
    let mut listener = Some(listener);
    while let Some(command) = orders.recv().await {
        let Some(system) = net.system.upgrade() else { break };
        match command {
            Command::Open => {
                if let Some(listener) = listener.take() {
                    tokio::spawn(listen::accept(net.clone(), listener));
                }
            }
            Command::Dial(node) => {
                // Nobody waits any more if the attempt before has failed meanwhile.
                if let Some(remote) = net.remote(node, false) {
                    dial::want(&net, &remote.name);
                }
            }
            Command::Connect(node, answer) => connect(&net, node, answer),
            Command::Disconnect(node) => disconnect(&net, &system, node),
            Command::QueueFull(node, id) => {
                let Some(remote) = net.remote(node, false) else { continue };
                let up = match &*remote.lock() {
                    State::Up(link) => Some(link.id),
                    State::Holding(_) | State::Gone => None,
                };
                // Or it is another connection by now.
                if up == id {
                    net.report(&NodeEvent::QueueFull { node: remote.name.clone() });
                    disconnect(&net, &system, node);
                }
            }
            Command::Unsendable(node, reason) => {
                if let Ok(node) = NodeName::new(node.as_str()) {
                    net.report(&NodeEvent::Unsendable { node, reason });
                }
            }
            Command::Stop => break,
        }
    }
    orders.close();
    close_all(&net).await;
}

fn connect(net: &Arc<Net>, node: Atom, answer: Waiter) {
    match net.dialable(node.as_str()) {
        Err(e) => drop(answer.send(Err(e))),
        Ok(name) => {
            // Before dialling: an answer may come at once.
            lock(&net.waiting).entry(name.clone()).or_default().push(answer);
            if dial::want(net, &name) {
                net.tell_waiting(&name, &Ok(()));
            }
        }
    }
}

fn disconnect(net: &Arc<Net>, system: &System, node: Atom) {
    let Ok(name) = NodeName::new(node.as_str()) else { return };
    let id = net.table().any_connection(&name);
    match id {
        Some(id) => net.drop_connection(system, id),
        None => link::unreachable(net, &name, &ConnectError::Refused(crate::dist::connection::DownReason::Disconnect)),
    }
}

/// The node stops: its processes run no more, so nobody of ours is told.
async fn close_all(net: &Net) {
    let all: Vec<Atom> = net.remotes.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
    for node in all {
        let Some((remote, State::Up(mut link))) = net.take_entry(node) else { continue };
        remote.flags.store(0, std::sync::atomic::Ordering::Release);
        // What a sender has queued is still said, if the socket takes it at once or nearly so.
        for _ in 0..10 {
            if super::remote::pump(&mut link.connection, &link.socket, net.now_ms()) != super::remote::Pump::Full {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
    lock(&net.connections).retain(|_, e| matches!(e, Entry::Attempt(_)));
    let waiting = std::mem::take(&mut *lock(&net.waiting));
    for who in waiting.into_values().flatten() {
        let _ = who.send(Err(ConnectError::NotAlive));
    }
}
