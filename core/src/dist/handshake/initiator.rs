//! The initiator's steps.
//! Imports: flags, name, handshake.

use super::message::Message;
use super::{Action, Actions, Handshake, Identity, Partner, Refusal, State, Step, unknown_status};
use crate::dist::flags::Flags;
use crate::dist::name::{MAX_CHARS, NodeName};

impl Handshake {
    /// Initiator, step 2.
    pub(super) fn status(&mut self, status: Message, out: &mut Actions) -> Result<State, Refusal> {
        let host = match &self.setup.identity {
            Identity::Named(..) => None,
            Identity::Nameless(host) => Some(host.as_str()),
        };
        let nameless = host.is_some();
        match status {
            Message::Status(s) => match s.as_slice() {
                // Who asked for a name needs one.
                b"ok" | b"ok_simultaneous" | b"alive" if nameless => Err(Refusal::GivenName),
                b"ok" | b"ok_simultaneous" => Ok(State::AwaitChallenge),
                b"nok" => Err(Refusal::NokByPeer),
                b"not_allowed" => Err(Refusal::NotAllowedByPeer),
                b"alive" => {
                    out.push(Action::AskStillWanted);
                    Ok(State::AwaitStillWanted)
                }
                _ => Err(unknown_status(Message::Status(s))),
            },
            Message::Named { name, creation } if nameless && creation != 0 => {
                let name = NodeName::from_bytes(&name).ok().filter(|n| Some(n.host()) == host);
                let name = name.ok_or(Refusal::GivenName)?;
                self.adopted = Some((name, creation));
                Ok(State::AwaitChallenge)
            }
            _ => Err(Refusal::GivenName),
        }
    }

    /// Initiator, step 3.
    pub(super) fn challenged(&mut self, message: Message, out: &mut Actions) -> Result<State, Refusal> {
        let (Message::Challenge { flags, challenge, creation, name }, Some((dialled, cookie))) =
            (message, self.dialled.take())
        else {
            return Err(Refusal::Short(Step::Challenge));
        };
        if name != dialled.as_str().as_bytes() {
            let shown = &name[..name.len().min(4 * MAX_CHARS)];
            return Err(Refusal::WrongPeer { dialled, answered: String::from_utf8_lossy(shown).into_owned() });
        }
        let missing = flags.missing(self.setup.mandatory);
        if missing != Flags::NONE {
            return Err(Refusal::MissingFlags { peer: dialled.to_string(), missing });
        }
        let digest = cookie.digest(challenge);
        self.send(&Message::Reply { challenge: self.setup.challenge, digest }, out);
        Ok(State::AwaitAck(Partner { name: dialled, creation, flags: flags.expanded(), cookie }))
    }
}
