//! A process that monitors a server with an alias, and the server's replies, death, and second thoughts crossing: every
//! interleaving by search over all states. The rules are the library's (`process/alias_state`); what is done with them
//! paraphrases `process/alias.rs` and `process/monitor.rs`.

use crate::process::alias_state::AliasMode;
use std::collections::{HashSet, VecDeque};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    mode: AliasMode,
    // The owner.
    alias: Option<AliasMode>,
    monitor: bool,
    acts: u8,
    /// It has undone the alias, or the monitor.
    unaliased: bool,
    demonitored: bool,
    replies: u8,
    downs: u8,
    // The server.
    alive: bool,
    monitored_by: bool,
    replies_left: u8,
    to_owner: VecDeque<ToOwner>,
    to_server: VecDeque<ToServer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ToOwner {
    Reply,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ToServer {
    Monitor,
    Demonitor,
}

impl World {
    fn new(mode: AliasMode) -> Self {
        Self {
            mode,
            alias: Some(mode),
            monitor: true,
            acts: 2,
            unaliased: false,
            demonitored: false,
            replies: 0,
            downs: 0,
            alive: true,
            monitored_by: false,
            replies_left: 3,
            to_owner: VecDeque::new(),
            to_server: VecDeque::from([ToServer::Monitor]),
        }
    }

    fn next(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut w = self.clone();
            change(&mut w);
            all.push(w);
        };
        if self.acts > 0 {
            add(&|w| {
                w.acts -= 1;
                w.alias = None;
                w.unaliased = true;
            });
            add(&|w| {
                w.acts -= 1;
                if w.monitor {
                    w.undo_monitor();
                }
                w.demonitored = true;
            });
        }
        if self.alive && self.replies_left > 0 {
            add(&|w| {
                w.replies_left -= 1;
                w.to_owner.push_back(ToOwner::Reply);
            });
        }
        if self.alive {
            add(&|w| {
                w.alive = false;
                if std::mem::take(&mut w.monitored_by) {
                    w.to_owner.push_back(ToOwner::Down);
                }
            });
        }
        if !self.to_owner.is_empty() {
            add(&|w| match w.to_owner.pop_front() {
                Some(ToOwner::Reply) => w.reply_arrives(),
                Some(ToOwner::Down) => w.down_arrives(),
                None => {}
            });
        }
        if !self.to_server.is_empty() {
            add(&|w| match w.to_server.pop_front() {
                Some(ToServer::Monitor) if w.alive => w.monitored_by = true,
                Some(ToServer::Monitor) => w.to_owner.push_back(ToOwner::Down),
                Some(ToServer::Demonitor) => w.monitored_by = false,
                None => {}
            });
        }
        all
    }

    /// The owner's own monitor ends by its will, or by a reply.
    fn undo_monitor(&mut self) {
        self.monitor = false;
        self.monitor_ended();
        self.to_server.push_back(ToServer::Demonitor);
    }

    fn monitor_ended(&mut self) {
        if self.alias.is_some_and(AliasMode::ends_with_monitor) {
            self.alias = None;
        }
    }

    fn reply_arrives(&mut self) {
        let Some(mode) = self.alias else { return };
        if mode.ends_with_message() {
            self.alias = None;
        }
        if mode.message_undoes_monitor() && self.monitor {
            self.undo_monitor();
        }
        self.replies += 1;
        assert!(!self.unaliased, "no message through an alias that was undone: {self:?}");
        if mode.ends_with_monitor() {
            assert!(!self.demonitored, "nor through one whose monitor was undone: {self:?}");
        }
    }

    fn down_arrives(&mut self) {
        if std::mem::take(&mut self.monitor) {
            self.monitor_ended();
            self.downs += 1;
            assert!(!self.demonitored, "no 'DOWN' of a monitor that was undone: {self:?}");
        }
    }

    fn check(&self) {
        assert!(self.downs <= 1, "{self:?}");
        match self.mode {
            AliasMode::ReplyDemonitor => {
                assert!(self.replies + self.downs <= 1, "a reply or a 'DOWN', not both: {self:?}");
            }
            AliasMode::Reply => assert!(self.replies <= 1, "{self:?}"),
            AliasMode::Demonitor | AliasMode::ExplicitUnalias => {}
        }
    }

    fn check_settled(&self) {
        if self.alive {
            assert_eq!(self.monitor, self.monitored_by, "both sides agree: {self:?}");
        } else {
            assert!(!self.monitor, "no monitor of the dead is left: {self:?}");
            if self.mode == AliasMode::ReplyDemonitor && !self.demonitored && !self.unaliased {
                assert_eq!(self.replies + self.downs, 1, "who waits for either gets one: {self:?}");
            }
        }
    }
}

#[test]
fn every_mode_ends_as_it_says_whatever_crosses() {
    use AliasMode::{Demonitor, ExplicitUnalias, Reply, ReplyDemonitor};
    for mode in [ExplicitUnalias, Demonitor, ReplyDemonitor, Reply] {
        let mut seen = HashSet::from([World::new(mode)]);
        let mut open: Vec<World> = seen.iter().cloned().collect();
        while let Some(w) = open.pop() {
            w.check();
            if w.to_owner.is_empty() && w.to_server.is_empty() {
                w.check_settled();
            }
            for n in w.next() {
                if seen.insert(n.clone()) {
                    open.push(n);
                }
            }
        }
        assert!(seen.len() > 300, "only {} states of {mode:?}", seen.len());
    }
}
