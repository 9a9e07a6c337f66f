//! The bytes of the handshake's messages, without their lengths.
//! Imports: flags.
//!
//! Bytes after the last field are ignored, as the protocol demands.

use crate::dist::flags::Flags;

/// Everything that can be said. Source: OTP distribution protocol, "Distribution Handshake", version 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// `N` from the initiator.
    Name { flags: Flags, creation: u32, name: Vec<u8> },
    /// `n`: the same of before OTP 23.
    OldName { name: Vec<u8> },
    /// `s`, but for `named:`.
    Status(Vec<u8>),
    /// `s` with `named:`.
    Named { name: Vec<u8>, creation: u32 },
    /// `N` from the acceptor.
    Challenge { flags: Flags, challenge: u32, creation: u32, name: Vec<u8> },
    /// `r`
    Reply { challenge: u32, digest: [u8; 16] },
    /// `a`
    Ack { digest: [u8; 16] },
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It begins with this byte.
    Tag(u8),
    /// It ends too early.
    Short,
}

const NAMED: &[u8] = b"named:";

impl Message {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::Name { flags, creation, name } => {
                out.push(b'N');
                out.extend(flags.0.to_be_bytes());
                out.extend(creation.to_be_bytes());
                counted(&mut out, name);
            }
            Self::OldName { name } => {
                out.extend([b'n', 0, 5, 0, 0, 0, 0]);
                out.extend(name);
            }
            Self::Status(text) => {
                out.push(b's');
                out.extend(text);
            }
            Self::Named { name, creation } => {
                out.push(b's');
                out.extend(NAMED);
                counted(&mut out, name);
                out.extend(creation.to_be_bytes());
            }
            Self::Challenge { flags, challenge, creation, name } => {
                out.push(b'N');
                out.extend(flags.0.to_be_bytes());
                out.extend(challenge.to_be_bytes());
                out.extend(creation.to_be_bytes());
                counted(&mut out, name);
            }
            Self::Reply { challenge, digest } => {
                out.push(b'r');
                out.extend(challenge.to_be_bytes());
                out.extend(digest);
            }
            Self::Ack { digest } => {
                out.push(b'a');
                out.extend(digest);
            }
        }
        out
    }

    /// Reads what an acceptor may hear first.
    pub fn decode_name(body: &[u8]) -> Result<Self, Malformed> {
        let (tag, mut rest) = split(body)?;
        match tag {
            b'N' => {
                let flags = Flags(u64::from_be_bytes(take(&mut rest)?));
                let creation = u32::from_be_bytes(take(&mut rest)?);
                Ok(Self::Name { flags, creation, name: take_counted(&mut rest)? })
            }
            b'n' => {
                let _: [u8; 6] = take(&mut rest)?;
                Ok(Self::OldName { name: rest.to_vec() })
            }
            t => Err(Malformed::Tag(t)),
        }
    }

    /// Reads a status, of either side.
    pub fn decode_status(body: &[u8]) -> Result<Self, Malformed> {
        match split(body)? {
            (b's', rest) => match rest.strip_prefix(NAMED) {
                Some(mut rest) => {
                    let name = take_counted(&mut rest)?;
                    Ok(Self::Named { name, creation: u32::from_be_bytes(take(&mut rest)?) })
                }
                None => Ok(Self::Status(rest.to_vec())),
            },
            (t, _) => Err(Malformed::Tag(t)),
        }
    }

    /// Reads a challenge.
    pub fn decode_challenge(body: &[u8]) -> Result<Self, Malformed> {
        match split(body)? {
            (b'N', mut rest) => {
                let flags = Flags(u64::from_be_bytes(take(&mut rest)?));
                let challenge = u32::from_be_bytes(take(&mut rest)?);
                let creation = u32::from_be_bytes(take(&mut rest)?);
                Ok(Self::Challenge { flags, challenge, creation, name: take_counted(&mut rest)? })
            }
            (t, _) => Err(Malformed::Tag(t)),
        }
    }

    /// Reads the answer to a challenge.
    pub fn decode_reply(body: &[u8]) -> Result<Self, Malformed> {
        match split(body)? {
            (b'r', mut rest) => {
                let challenge = u32::from_be_bytes(take(&mut rest)?);
                Ok(Self::Reply { challenge, digest: take(&mut rest)? })
            }
            (t, _) => Err(Malformed::Tag(t)),
        }
    }

    /// Reads the last message.
    pub fn decode_ack(body: &[u8]) -> Result<Self, Malformed> {
        match split(body)? {
            (b'a', mut rest) => Ok(Self::Ack { digest: take(&mut rest)? }),
            (t, _) => Err(Malformed::Tag(t)),
        }
    }
}

fn counted(out: &mut Vec<u8>, text: &[u8]) {
    // Names have at most 255 characters.
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text);
}

fn split(body: &[u8]) -> Result<(u8, &[u8]), Malformed> {
    body.split_first().map(|(t, rest)| (*t, rest)).ok_or(Malformed::Short)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(Malformed::Short)?;
    *rest = tail;
    Ok(*head)
}

fn take_counted(rest: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let n = usize::from(u16::from_be_bytes(take(rest)?));
    let (head, tail) = rest.split_at_checked(n).ok_or(Malformed::Short)?;
    *rest = tail;
    Ok(head.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_bytes_of_the_manual() {
        let name = Message::Name { flags: Flags(0xD_07DF_7FBD), creation: 0x0102_0304, name: b"a@b".to_vec() };
        let bytes = b"N\0\0\0\x0d\x07\xdf\x7f\xbd\x01\x02\x03\x04\0\x03a@b";
        assert_eq!(name.encode(), bytes);
        assert_eq!(Message::decode_name(bytes), Ok(name.clone()));
        assert_eq!(Message::decode_name(&[&bytes[..], b"trailing"].concat()), Ok(name));
        let named = Message::Named { name: b"x@h".to_vec(), creation: 5 };
        assert_eq!(named.encode(), b"snamed:\0\x03x@h\0\0\0\x05");
        let challenge =
            Message::Challenge { flags: Flags(1), challenge: 0xdead_beef, creation: 2, name: b"b@c".to_vec() };
        assert_eq!(challenge.encode(), b"N\0\0\0\0\0\0\0\x01\xde\xad\xbe\xef\0\0\0\x02\0\x03b@c");
        let reply = Message::Reply { challenge: 1, digest: [9; 16] };
        assert_eq!(reply.encode(), [&b"r\0\0\0\x01"[..], &[9; 16]].concat());
        assert_eq!(Message::Ack { digest: [9; 16] }.encode(), [&b"a"[..], &[9; 16]].concat());
        assert_eq!(Message::decode_name(b"n\0\x05\0\0\0\0x@y"), Ok(Message::OldName { name: b"x@y".to_vec() }));
    }

    #[test]
    fn every_message_reads_back_and_every_cut_is_short() {
        type Decode = fn(&[u8]) -> Result<Message, Malformed>;
        let all: [(Message, Decode); 5] = [
            (Message::Name { flags: Flags(7), creation: 8, name: b"a@b".to_vec() }, Message::decode_name),
            (Message::Named { name: b"x@h".to_vec(), creation: 5 }, Message::decode_status),
            (
                Message::Challenge { flags: Flags(7), challenge: 1, creation: 8, name: b"a@b".to_vec() },
                Message::decode_challenge,
            ),
            (Message::Reply { challenge: 3, digest: [1; 16] }, Message::decode_reply),
            (Message::Ack { digest: [2; 16] }, Message::decode_ack),
        ];
        for (message, decode) in all {
            let bytes = message.encode();
            assert_eq!(decode(&bytes), Ok(message));
            assert_eq!(decode(b"?"), Err(Malformed::Tag(b'?')));
            for cut in 0..bytes.len() {
                // A cut in the word "named:" is another status.
                let short = decode(&bytes[..cut]);
                assert!(matches!(short, Err(Malformed::Short) | Ok(Message::Status(_))), "{short:?}");
            }
        }
    }
}
