//! The acceptor's steps.
//! Imports: flags, name, handshake.

use super::message::Message;
use super::{Action, Actions, Handshake, Hello, Identity, Partner, Refusal, State, Verdict};
use crate::dist::flags::Flags;
use crate::dist::name::{MAX_CHARS, NameError, NodeName};

impl Handshake {
    /// Acceptor, step 1.
    pub(super) fn hello(
        &self,
        offered: Flags,
        creation: u32,
        name: &[u8],
        out: &mut Actions,
    ) -> Result<State, Refusal> {
        let refuse = |refusal, out: &mut Actions| {
            self.send(&Message::Status(b"not_allowed".to_vec()), out);
            Err(refusal)
        };
        let nameless = offered.has(Flags::NAME_ME);
        let (node, host, shown) = if nameless {
            match std::str::from_utf8(name) {
                Ok(host) if is_host(host) => (None, host.to_owned(), format!("a nameless node on {host}")),
                _ => return refuse(Refusal::Name(NameError::Text), out),
            }
        } else {
            match NodeName::from_bytes(name) {
                Ok(n) => (Some(n.clone()), n.host().to_owned(), n.to_string()),
                Err(e) => return refuse(Refusal::Name(e), out),
            }
        };
        if matches!((&node, &self.setup.identity), (Some(n), Identity::Named(own, _)) if n == own) {
            return refuse(Refusal::OwnName, out);
        }
        let missing = offered.missing(self.setup.mandatory);
        if missing != Flags::NONE {
            return refuse(Refusal::MissingFlags { peer: shown, missing }, out);
        }
        let creation = if nameless { 0 } else { creation };
        let hello = Hello { name: node, host, flags: offered.expanded(), creation };
        out.push(Action::Ask(hello.clone()));
        Ok(State::AwaitVerdict(hello))
    }

    /// Acceptor, step 2.
    pub(super) fn judge(&self, hello: Hello, verdict: Verdict, out: &mut Actions) -> Result<State, Refusal> {
        let Hello { name, host, flags, creation } = hello;
        let status = |text: &[u8], out: &mut Actions| self.send(&Message::Status(text.to_vec()), out);
        let partner = |name, creation, cookie| Partner { name, creation, flags, cookie };
        match (verdict, name) {
            (Verdict::Accept(cookie), Some(name)) => {
                status(b"ok", out);
                Ok(self.challenge(partner(name, creation, cookie), false, out))
            }
            (Verdict::AcceptSimultaneous(cookie), Some(name)) => {
                status(b"ok_simultaneous", out);
                Ok(self.challenge(partner(name, creation, cookie), false, out))
            }
            (Verdict::Nok, Some(name)) => {
                status(b"nok", out);
                Err(Refusal::Nok(name))
            }
            (Verdict::Alive(cookie), Some(name)) => {
                status(b"alive", out);
                Ok(State::AwaitConfirm(partner(name, creation, cookie)))
            }
            // The peer takes no name of another host.
            (Verdict::Named(given, creation, cookie), None) if given.host() == host && creation != 0 => {
                let name = given.as_str().as_bytes().to_vec();
                self.send(&Message::Named { name, creation }, out);
                Ok(self.challenge(partner(given, creation, cookie), false, out))
            }
            (_, name) => {
                status(b"not_allowed", out);
                Err(Refusal::NotAllowed(name.map_or(host, |n| n.to_string())))
            }
        }
    }

    /// Acceptor, step 4.
    pub(super) fn challenge(&self, partner: Partner, replaces: bool, out: &mut Actions) -> State {
        let (name, creation) = self.identity();
        // A node that asks for a name looks for its own request in our flags, and dies if it is not there.
        let echoed = partner.flags.common(Flags::NAME_ME);
        let message = Message::Challenge {
            flags: self.setup.flags.without(Flags::NAME_ME).with(echoed),
            challenge: self.setup.challenge,
            creation,
            name: name.as_bytes().to_vec(),
        };
        self.send(&message, out);
        State::AwaitReply { partner, replaces }
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().count() < MAX_CHARS && !text.contains('@') && !text.chars().any(char::is_control)
}
