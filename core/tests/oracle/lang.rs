//! The language of the random programs: what processes can be told to do, what can be seen of them afterwards, and
//! how both are written.

use std::fmt;

/// A process of a program, by order of birth.
pub type Slot = u8;
/// A reference that a program has made, by order in its text.
pub type RefId = u16;
/// A registered name: an index into [`NAMES`].
pub type Name = u8;
/// A step of a program.
pub type Step = u16;

/// The names that programs register.
pub const NAMES: [&str; 3] = ["oracle_a", "oracle_b", "oracle_c"];

/// Exit reasons. `Error...` and `NoCatch` carry a stack in OTP, which is left out of all comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    Normal,
    Kill,
    Killed,
    NoProc,
    Shutdown,
    Boom(u8),
    ErrorBoom(u8),
    ErrorBadArg,
    ErrorNoProc,
    NoCatch(u8),
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Msg {
    /// `{m, From, N}`; every `n` of a program is used once.
    Plain {
        from: Slot,
        n: u16,
    },
    /// `{look, Ref, From, N, x}`: what `demonitor(Ref, [flush])` takes for the monitor's message.
    Look {
        from: Slot,
        n: u16,
        reference: RefId,
    },
    Exit {
        from: Slot,
        reason: Reason,
    },
    /// Tagged: `gone` instead of `'DOWN'`.
    Down {
        reference: RefId,
        object: Object,
        reason: Reason,
        tagged: bool,
    },
    /// Nothing that a program of this language can have sent.
    Strange(String),
}

/// What was monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    Pid(Slot),
    Name(Name),
}

/// As `krarup::AliasMode`, but it can be hashed and is not the code under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    Explicit,
    Demonitor,
    ReplyDemonitor,
    Reply,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    Pid(Slot),
    Name(Name),
    NameNode(Name),
    /// Whoever made the reference; it may be no alias at all.
    Alias(RefId, Slot),
}

/// What a monitor is set upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Pid(Slot),
    Name(Name),
    NameNode(Name),
}

/// The monitor of `monitor` and `spawn_opt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MonitorOf {
    pub reference: RefId,
    pub alias: Option<Mode>,
    pub tagged: bool,
}

/// One call of a process. `caught`: an exception becomes the result instead of ending the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Spawn {
        slot: Slot,
        link: bool,
        monitor: Option<MonitorOf>,
    },
    Link {
        to: Slot,
        caught: bool,
    },
    Unlink(Slot),
    Monitor {
        what: What,
        how: MonitorOf,
    },
    /// The result is the info that `[info]` gives.
    Demonitor {
        reference: RefId,
        flush: bool,
    },
    Alias {
        reference: RefId,
        mode: Mode,
    },
    Unalias(RefId),
    Send {
        to: To,
        n: u16,
        caught: bool,
    },
    Look {
        to: Slot,
        n: u16,
        reference: RefId,
    },
    Register {
        name: Name,
        slot: Slot,
        caught: bool,
    },
    Unregister {
        name: Name,
        caught: bool,
    },
    Whereis(Name),
    IsAlive(Slot),
    ExitTo(Slot, Reason),
    Exit(Reason),
    Error(u8),
    Throw(u8),
    Return,
    Trap(bool),
    /// Receives everything there is.
    Drain,
    /// Receives the plain message of this number, if it is there.
    Receive(u16),
    Yield,
}

/// What a process does in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub actor: Slot,
    pub actions: Vec<Action>,
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Res {
    Ok,
    Bool(bool),
    NoProc,
    BadArg,
    Found(Option<Slot>),
    Msgs(Vec<(Step, Msg)>),
    Strange(String),
}

/// What can be seen of a process after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Alive {
        trap: bool,
        name: Option<Name>,
        links: Vec<Slot>,
        monitors: Vec<Object>,
        watchers: Vec<Slot>,
        mailbox: Vec<(Step, Msg)>,
    },
    /// The reason is unknown if the process ended before it could be monitored.
    Dead(Option<Reason>),
}

/// What can be seen of the world after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obs {
    /// By command; `None`: the actor has ended, and may have done so before it could tell.
    pub results: Vec<Option<Vec<Res>>>,
    pub processes: Vec<Seen>,
    pub names: Vec<Option<Slot>>,
}

impl Obs {
    /// Equal but for reasons that are not known.
    pub fn agrees(&self, other: &Self) -> bool {
        self.results == other.results
            && self.names == other.names
            && self.processes.len() == other.processes.len()
            && self.processes.iter().zip(&other.processes).all(|(a, b)| match (a, b) {
                (Seen::Dead(x), Seen::Dead(y)) => x.is_none() || y.is_none() || x == y,
                _ => a == b,
            })
    }

    pub fn alive(&self, slot: Slot) -> bool {
        matches!(self.processes.get(usize::from(slot)), Some(Seen::Alive { .. }))
    }
}

impl Msg {
    /// Messages of one sender are ordered; this tells the senders apart.
    fn sender(&self) -> u16 {
        match self {
            Self::Plain { from, .. } | Self::Look { from, .. } | Self::Exit { from, .. } => u16::from(*from),
            Self::Down { object: Object::Pid(p), .. } => u16::from(*p),
            Self::Down { object: Object::Name(n), .. } => 0x100 + u16::from(*n),
            Self::Strange(_) => 0x200,
        }
    }

    /// The reason, if it tells of an end. The order in which one end is told to one process is not defined.
    fn end(&self) -> Option<Reason> {
        match self {
            Self::Exit { reason, .. } | Self::Down { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// How many of these pieces of news, from the first on, tell of one end. `noproc` is how those hear of any end who ask too
/// late, perhaps while it is being told.
pub fn of_one_end(news: impl Iterator<Item = Option<Reason>>) -> usize {
    let mut reason = None;
    news.take_while(|r| match r {
        None => false,
        Some(Reason::NoProc) => true,
        Some(r) => *r == *reason.get_or_insert(*r),
    })
    .count()
}

/// Gives one form to all orders of a mailbox that mean the same: the messages of a step stand by sender, those of one
/// sender in their order, but what tells of one end is sorted, `noproc` last. Messages of different steps are never
/// exchanged.
pub fn canonical(mailbox: &mut [(Step, Msg)]) {
    for step in mailbox.chunk_by_mut(|a, b| a.0 == b.0) {
        step.sort_by_key(|(_, m)| m.sender());
        for mut of_one in step.chunk_by_mut(|a, b| a.1.sender() == b.1.sender()) {
            while !of_one.is_empty() {
                let n = of_one_end(of_one.iter().map(|(_, m)| m.end()));
                of_one[..n].sort_by_cached_key(|(_, m)| (m.end() == Some(Reason::NoProc), m.clone()));
                of_one = &mut of_one[n.max(1)..];
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Kill => f.write_str("kill"),
            Self::Killed => f.write_str("killed"),
            Self::NoProc => f.write_str("noproc"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Boom(n) => write!(f, "boom{n}"),
            Self::ErrorBoom(n) => write!(f, "{{boom{n},S}}"),
            Self::ErrorBadArg => f.write_str("{badarg,S}"),
            Self::ErrorNoProc => f.write_str("{noproc,S}"),
            Self::NoCatch(n) => write!(f, "{{{{nocatch,boom{n}}},S}}"),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(p) => write!(f, "P{p}"),
            Self::Name(n) => f.write_str(NAMES[usize::from(*n)]),
        }
    }
}

impl fmt::Display for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { from, n } => write!(f, "{{m,P{from},{n}}}"),
            Self::Look { from, n, reference } => write!(f, "{{look,R{reference},P{from},{n}}}"),
            Self::Exit { from, reason } => write!(f, "{{'EXIT',P{from},{reason}}}"),
            Self::Down { reference, object, reason, tagged } => {
                let tag = if *tagged { "gone" } else { "'DOWN'" };
                write!(f, "{{{tag},R{reference},{object},{reason}}}")
            }
            Self::Strange(s) => write!(f, "?{s}?"),
        }
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    format!("[{}]", all.join(" "))
}

fn mailbox(m: &[(Step, Msg)]) -> String {
    list(m.iter().map(|(s, m)| format!("{s}:{m}")))
}

impl fmt::Display for Res {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::NoProc => f.write_str("error:noproc"),
            Self::BadArg => f.write_str("error:badarg"),
            Self::Found(Some(p)) => write!(f, "P{p}"),
            Self::Found(None) => f.write_str("undefined"),
            Self::Msgs(m) => f.write_str(&mailbox(m)),
            Self::Strange(s) => write!(f, "?{s}?"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead(Some(r)) => write!(f, "dead {r}"),
            Self::Dead(None) => f.write_str("dead"),
            Self::Alive { trap, name, links, monitors, watchers, mailbox: m } => {
                f.write_str(if *trap { "traps" } else { "lives" })?;
                if let Some(n) = name {
                    write!(f, " as {}", NAMES[usize::from(*n)])?;
                }
                write!(
                    f,
                    " links {} monitors {} watchers {} mailbox {}",
                    list(links),
                    list(monitors),
                    list(watchers),
                    mailbox(m)
                )
            }
        }
    }
}

impl fmt::Display for Obs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for r in &self.results {
            match r {
                Some(r) => writeln!(f, "    gave {}", list(r))?,
                None => writeln!(f, "    gave nothing")?,
            }
        }
        for (i, p) in self.processes.iter().enumerate() {
            writeln!(f, "    P{i} {p}")?;
        }
        let names = self.names.iter().map(|n| n.map_or("-".into(), |p| format!("P{p}")));
        writeln!(f, "    names {}", list(names))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.actions.iter().map(|a| format!("{a:?}")).collect();
        write!(f, "  P{} does {}", self.actor, all.join("; "))
    }
}
