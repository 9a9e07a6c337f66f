//! Real Erlang for the tests of distribution: private epmd, nodes that evaluate lines, and a blocking driver for our
//! connections. Everything is on loopback, with a temporary home, and gone when its value is dropped.
#![allow(dead_code)]

use krarup::base::random::Random;
use krarup::dist::connection::{Connection, DownReason, Event, Settings};
use krarup::dist::control::Control;
use krarup::dist::epmd::{Action, Event as RegEvent, NodeType, Query, Registrar, Registration, Request};
use krarup::dist::epmd::{client::Answer, server};
use krarup::dist::flags::Flags;
use krarup::dist::handshake::{Cookie, Framing, Hello, Identity, Setup, Verdict};
use krarup::dist::name::NodeName;
use krarup::term::{Atom, NodeId, Pid, Ref, Term};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nothing here takes longer on a machine that is not broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whether there is an Erlang to test against.
pub fn have_erl() -> bool {
    let found = Command::new("erl").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        eprintln!("skipped: there is no `erl` on the PATH");
    }
    found.is_ok()
}

pub fn unique(prefix: &str) -> String {
    format!("{prefix}{:012x}", Random::from_os().next_u64() >> 16)
}

pub fn atom(text: &str) -> Atom {
    Atom::new(text).expect("an atom")
}

/// A home directory, so that nobody's `.erlang.cookie` is touched.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> Self {
        let dir = std::env::temp_dir().join(unique("krarup_dist_"));
        std::fs::create_dir_all(&dir).expect("a temporary directory");
        Self(dir)
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub fn command(&self, program: &str, epmd_port: u16) -> Command {
        let mut c = Command::new(program);
        c.env("HOME", &self.0).env("ERL_EPMD_PORT", epmd_port.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        c.current_dir(&self.0);
        c
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A child process that does not outlive the test.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Debian's epmd on a port of its own.
pub struct RealEpmd {
    _child: Kill,
    pub port: u16,
}

impl RealEpmd {
    pub fn start(home: &Home) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let mut command = home.command("epmd", port);
            command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("epmd");
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until && child.try_wait().expect("a child").is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { _child: Kill(child), port };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            // Somebody else took the port.
            drop(Kill(child));
        }
        panic!("epmd did not start");
    }
}

/// Our epmd, served by a thread with plain sockets.
pub struct OurEpmd {
    pub port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OurEpmd {
    pub fn start(relaxed: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("bound").port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let config = server::Config { relaxed, ..server::Config::new(port, Random::from_os().next_u64() as u32) };
        let thread = Some(std::thread::spawn(move || serve_epmd(&listener, config, &stopped)));
        Self { port, stop, thread }
    }

    /// Whether it was told to end by a `kill`.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for OurEpmd {
    fn drop(&mut self) {
        // SeqCst: a flag of a test.
        self.stop.store(true, Ordering::SeqCst);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

fn serve_epmd(listener: &TcpListener, config: server::Config, stop: &AtomicBool) {
    listener.set_nonblocking(true).expect("a socket");
    let start = Instant::now();
    let mut server = server::Server::new(config);
    let mut sockets: HashMap<u64, TcpStream> = HashMap::new();
    let mut next = 0;
    // SeqCst: a flag of a test.
    while !stop.load(Ordering::SeqCst) {
        let now = start.elapsed().as_millis() as u64;
        let mut todo: VecDeque<server::Output> = server.expire(now).into();
        while let Ok((socket, from)) = listener.accept() {
            let own = socket.local_addr().expect("connected").ip();
            socket.set_nonblocking(true).expect("a socket");
            if server.accept(next, krarup::dist::epmd::is_local_peer(from.ip(), own), now) {
                sockets.insert(next, socket);
            }
            next += 1;
        }
        let mut gone = Vec::new();
        for (id, socket) in &mut sockets {
            let mut buffer = [0; 4096];
            match socket.read(&mut buffer) {
                Ok(0) => gone.push(*id),
                Ok(n) => todo.extend(server.feed(*id, &buffer[..n])),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => gone.push(*id),
            }
        }
        for id in gone {
            sockets.remove(&id);
            server.closed(id);
        }
        while let Some(output) = todo.pop_front() {
            match output {
                server::Output::Send(id, bytes) => {
                    let _ = sockets.get_mut(&id).map(|s| s.write_all(&bytes));
                }
                server::Output::Close(id) => drop(sockets.remove(&id)),
                server::Output::Shutdown => return,
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A real node that evaluates what it is told, line by line.
pub struct Beam {
    _child: Kill,
    input: ChildStdin,
    lines: Receiver<String>,
    pub name: String,
}

const SHELL: &str = r#"
    io:setopts([{encoding, unicode}]),
    Loop = fun Loop(B) ->
        case io:get_line("") of
            eof -> halt(0);
            Line ->
                {V, B2} = try
                    {ok, Tokens, _} = erl_scan:string(Line),
                    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
                    {value, Value, Bindings} = erl_eval:exprs(Exprs, B),
                    {Value, Bindings}
                catch C:R:S -> {{failed, C, R, S}, B}
                end,
                io:format("~0tp~n", [V]),
                Loop(B2)
        end
    end,
    Loop([])
"#;

impl Beam {
    /// `name` is `alive@localhost`, or `undefined` for a node that asks for a name.
    pub fn start(home: &Home, epmd_port: u16, name: &str, cookie: &str, more: &[&str]) -> Self {
        let mut command = home.command("erl", epmd_port);
        command.args(["-noshell", "-start_epmd", "false", "-sname", name, "-setcookie", cookie]);
        command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "logger_level", "none"]);
        command.args(more).args(["+S", "1", "-eval", SHELL]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("erl");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|l| send.send(l)));
        let mut beam = Self { _child: Kill(child), input, lines, name: name.to_owned() };
        assert_eq!(beam.eval("started."), "started");
        beam
    }

    /// Begins an evaluation; its value comes by `answer`.
    pub fn tell(&mut self, line: &str) {
        assert!(!line.contains('\n'));
        writeln!(self.input, "{line}").expect("erl reads");
    }

    /// The value of the oldest line told, as `~0tp` prints it.
    pub fn answer(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("erl answers")
    }

    /// If it has come already.
    pub fn answer_now(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    pub fn eval(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }
}

/// What a program prints.
pub fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it runs")
}

/// The lines of `epmd -names`.
pub fn epmd_names(home: &Home, port: u16) -> String {
    let mut command = home.command("epmd", port);
    command.args(["-port", &port.to_string(), "-names"]);
    String::from_utf8(run(command).stdout).expect("text")
}

/// Asks an epmd, over a socket.
pub fn query(port: u16, request: Request) -> Answer {
    let (mut query, bytes) = Query::new(request).expect("a request");
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("epmd listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.write_all(&bytes).expect("epmd reads");
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer).expect("epmd answers") {
            0 => return query.closed().expect("an answer"),
            n => {
                if let Some(answer) = query.feed(&buffer[..n]).expect("an answer") {
                    return answer;
                }
            }
        }
    }
}

/// A node of ours that is registered.
pub struct Registered {
    pub registrar: Registrar,
    _socket: TcpStream,
}

/// Registers with an epmd, over a socket.
pub fn register(epmd_port: u16, node: Registration) -> Registered {
    let mut registrar = Registrar::new(node, false).expect("a registration");
    let mut todo: VecDeque<Action> = registrar.start(0).into();
    let mut socket = None;
    while let Some(action) = todo.pop_front() {
        match action {
            Action::Connect => {
                socket = Some(TcpStream::connect(("127.0.0.1", epmd_port)).expect("epmd listens"));
                todo.extend(registrar.on(RegEvent::Connected, 0));
            }
            Action::Send(bytes) => {
                let s: &mut TcpStream = socket.as_mut().expect("connected");
                s.set_read_timeout(Some(PATIENCE)).expect("a socket");
                s.write_all(&bytes).expect("epmd reads");
                let mut buffer = [0; 64];
                let n = s.read(&mut buffer).expect("epmd answers");
                todo.extend(registrar.on(RegEvent::Bytes(buffer[..n].to_vec()), 0));
            }
            Action::Registered(_) => {
                assert!(registrar.is_registered());
                return Registered { registrar, _socket: socket.expect("connected") };
            }
            Action::Wake(_) | Action::Sleep => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("not registered");
}

/// A node of ours, registered and listening.
pub struct OurNode {
    pub id: NodeId,
    pub name: NodeName,
    pub cookie: Cookie,
    pub flags: Flags,
    pub settings: Settings,
    listener: TcpListener,
    registered: Option<Registered>,
    epmd_port: u16,
}

impl OurNode {
    pub fn start(epmd_port: u16, cookie: &str, flags: Flags) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("bound").port();
        let alive = unique("ours");
        let node = Registration::new(&alive, port, NodeType::Hidden);
        let registered = register(epmd_port, node);
        let creation = registered.registrar.creation().expect("registered");
        let name = NodeName::new(&format!("{alive}@localhost")).expect("a name");
        let id = NodeId::new_local(atom(name.as_str())).expect("room");
        id.rename(atom(name.as_str()), creation);
        let setup = Setup {
            identity: Identity::Named(name.clone(), creation),
            flags,
            mandatory: Flags::OUR_MANDATORY,
            framing: Framing::Tcp,
            challenge: Random::from_os().next_u64() as u32,
        };
        Self {
            id,
            name,
            cookie: Cookie::new(cookie).expect("a cookie"),
            flags,
            settings: Settings::new(setup, id),
            listener,
            registered: Some(registered),
            epmd_port,
        }
    }

    pub fn pid(&self, number: u32) -> Pid {
        Pid { node: self.id, number, serial: 0 }
    }

    pub fn reference(&self, n: u32) -> Ref {
        Ref::new(self.id, [n, 0, 0])
    }

    /// Dials a node whose port epmd knows.
    pub fn dial(&self, peer: &str) -> Link {
        self.dial_as(self.settings.clone(), peer)
    }

    pub fn dial_as(&self, settings: Settings, peer: &str) -> Link {
        let peer = NodeName::new(peer).expect("a name");
        let found = query(self.epmd_port, Request::PortPlease2(peer.alive().into()));
        let Answer::Port(Some(r)) = found else { panic!("epmd does not know {peer}") };
        let socket = TcpStream::connect(("127.0.0.1", r.port)).expect("the node listens");
        let connection = Connection::dial(settings, peer, self.cookie.clone(), 0);
        Link::new(self.id, socket, connection, &self.cookie)
    }

    /// Takes the next connection.
    pub fn accept(&self) -> Link {
        self.listener.set_nonblocking(true).expect("a socket");
        let mut found = None;
        wait_for("a connection", || {
            found = self.listener.accept().ok();
            found.is_some()
        });
        let (socket, _) = found.expect("there");
        socket.set_nonblocking(false).expect("a socket");
        Link::new(self.id, socket, Connection::accept(self.settings.clone(), 0), &self.cookie)
    }
}

/// One connection over a socket.
pub struct Link {
    home: NodeId,
    socket: TcpStream,
    pub connection: Connection,
    start: Instant,
    /// What the peer is answered.
    pub verdict: Verdict,
    pub asked: Option<Hello>,
    pub still_wanted: Option<bool>,
    pub dropped_old: bool,
    /// Answers `net_adm:ping`.
    pub answers_pings: bool,
}

impl Link {
    fn new(home: NodeId, socket: TcpStream, connection: Connection, cookie: &Cookie) -> Self {
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let verdict = Verdict::Accept(cookie.clone());
        let start = Instant::now();
        let answers_pings = true;
        let (asked, still_wanted, dropped_old) = (None, None, false);
        Self { home, socket, connection, start, verdict, asked, still_wanted, dropped_old, answers_pings }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// One turn of the owner's loop: writes, reads a little, gives the next event if there is one.
    pub fn turn(&mut self) -> Option<Event> {
        loop {
            let now = self.now();
            match self.connection.next_event(now) {
                Some(Event::Ask(hello)) => {
                    self.asked = Some(hello);
                    self.connection.answer(self.verdict.clone(), now);
                }
                Some(Event::AskStillWanted) => {
                    self.still_wanted = Some(true);
                    self.connection.still_wanted(true, now);
                }
                Some(Event::DropOld) => self.dropped_old = true,
                Some(Event::Control(c)) if self.answers_pings && self.answer_ping(&c) => {}
                Some(event) => {
                    self.flush();
                    return Some(event);
                }
                None => break,
            }
        }
        self.flush();
        let now = self.now();
        self.connection.on_time(now);
        let mut buffer = [0; 65_536];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.connection.closed(now),
            Ok(n) => self.connection.feed(&buffer[..n], now),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.connection.closed(now),
        }
        None
    }

    fn flush(&mut self) {
        loop {
            let out: Vec<u8> = self.connection.output().flatten().copied().collect();
            if out.is_empty() || self.socket.write_all(&out).is_err() {
                return;
            }
            let now = self.now();
            self.connection.wrote(out.len(), now);
        }
    }

    fn answer_ping(&mut self, control: &Control) -> bool {
        let Control::RegSend { to, message, .. } = control else { return false };
        let Some([call, from, request]) = message.as_tuple() else { return false };
        let is_auth = request.as_tuple().and_then(|t| t[0].as_atom()) == Some(atom("is_auth"));
        if *to != atom("net_kernel") || call.as_atom() != Some(atom("$gen_call")) || !is_auth {
            return false;
        }
        self.reply(from, atom("yes").into());
        true
    }

    /// Replies to a `gen` call as OTP does: through the alias.
    pub fn reply(&mut self, from: &Term, reply: Term) {
        let Some([pid, tag]) = from.as_tuple() else { panic!("{from:?}") };
        let caller = pid.as_pid().expect("a pid");
        let alias = tag.as_list().and_then(|l| l.tail().as_ref()).expect("[alias | Ref]");
        let message = Term::tuple([tag.clone(), reply]);
        // Any process may use the alias; this one is the peer's own idea of a sender.
        let sender = Pid { node: self.home, number: 1, serial: 0 };
        assert_ne!(caller.node, sender.node);
        self.send(Control::AliasSend { from: sender, to: alias, message, token: None });
    }

    pub fn send(&mut self, control: Control) {
        self.connection.send(control.sender(), control).expect("can be said");
        self.flush();
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the peer reads");
    }

    /// The next event that `wanted` gives something for; others are passed over.
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.turn() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
                assert!(!matches!(event, Event::Down(_)), "waiting for {what}: {event:?}");
            }
            assert!(Instant::now() < until, "{what} did not come");
        }
    }

    pub fn control(&mut self, what: &str) -> Control {
        self.until(what, |e| if let Event::Control(c) = e { Some(c.clone()) } else { None })
    }

    pub fn up(&mut self) -> krarup::dist::handshake::Peer {
        self.until("up", |e| if let Event::Up(p) = e { Some(p.clone()) } else { None })
    }

    pub fn down(&mut self) -> DownReason {
        self.until("down", |e| if let Event::Down(r) = e { Some(r.clone()) } else { None })
    }

    /// Serves the link until the node has answered the line it was told.
    pub fn serve_until_answer(&mut self, beam: &Beam) -> String {
        self.serve_until_answer_and(beam, |_| {})
    }

    /// As `serve_until_answer`, and looks at the control messages that come meanwhile.
    pub fn serve_until_answer_and(&mut self, beam: &Beam, look: impl Fn(&Control)) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = beam.answer_now() {
                return answer;
            }
            if let Some(event) = self.turn() {
                match event {
                    Event::Control(c) => look(&c),
                    other => panic!("{other:?}"),
                }
            }
            assert!(Instant::now() < until, "erl does not answer");
        }
    }
}
