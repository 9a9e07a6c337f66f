//! The bytes of epmd's requests and responses.
//! Imports: epmd.
//!
//! A request is a length of 16 bits and a body; a response has no length, so its reader says whether it needs more.

use super::{MAX_EXTRA, MAX_NAME_CHARS, NodeType};
use std::fmt;

pub(super) const ALIVE2_REQ: u8 = 120;
pub(super) const ALIVE2_X_RESP: u8 = 118;
pub(super) const ALIVE2_RESP: u8 = 121;
pub(super) const PORT_PLEASE2_REQ: u8 = 122;
pub(super) const PORT2_RESP: u8 = 119;
const NAMES_REQ: u8 = 110;
const DUMP_REQ: u8 = 100;
const KILL_REQ: u8 = 107;
const STOP_REQ: u8 = 115;

/// The distribution version that OTP 25 and later register, as highest and as lowest.
pub const DIST_VERSION: u16 = 6;

/// A malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The body has no byte or more than fit a request.
    Size,
    /// The body ends too early for its kind or its own lengths.
    Short,
    /// A name holds a NUL or is empty where one is needed.
    Name,
    /// A name is longer than 255 characters or not UTF-8.
    NameText,
    /// The extra field is too long.
    Extra,
    /// No such message.
    Unknown(u8),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size => f.write_str("epmd message with an invalid size"),
            Self::Short => f.write_str("epmd message that ends too early"),
            Self::Name => f.write_str("epmd message with an empty name or a NUL in its name"),
            Self::NameText => f.write_str("epmd message with a name over 255 characters or not in UTF-8"),
            Self::Extra => f.write_str("epmd message with an extra field that is too long"),
            Self::Unknown(tag) => write!(f, "unknown epmd message {tag}"),
        }
    }
}

impl std::error::Error for CodecError {}

/// What a node tells epmd about itself, and epmd others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The part before the `@`.
    pub name: Vec<u8>,
    /// Where the node listens.
    pub port: u16,
    /// Visible or hidden.
    pub node_type: NodeType,
    /// 0: TCP, over either family.
    pub protocol: u8,
    /// Highest distribution version.
    pub highest: u16,
    /// Lowest distribution version.
    pub lowest: u16,
    /// Not used by OTP; given back byte for byte.
    pub extra: Vec<u8>,
}

impl Registration {
    /// A node of OTP 25 or later, over TCP.
    pub fn new(name: &str, port: u16, node_type: NodeType) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            port,
            node_type,
            protocol: 0,
            highest: DIST_VERSION,
            lowest: DIST_VERSION,
            extra: Vec::new(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.port.to_be_bytes());
        out.extend([self.node_type.byte(), self.protocol]);
        out.extend(self.highest.to_be_bytes());
        out.extend(self.lowest.to_be_bytes());
        // Lengths were checked by `check`.
        out.extend((self.name.len() as u16).to_be_bytes());
        out.extend(&self.name);
        out.extend((self.extra.len() as u16).to_be_bytes());
        out.extend(&self.extra);
    }

    /// Whether epmd would take it: limits of name and extra field.
    pub fn check(&self) -> Result<(), CodecError> {
        if self.name.is_empty() || self.name.contains(&0) {
            return Err(CodecError::Name);
        }
        match std::str::from_utf8(&self.name) {
            Ok(text) if text.chars().count() <= MAX_NAME_CHARS => {}
            _ => return Err(CodecError::NameText),
        }
        if self.extra.len() > MAX_EXTRA { Err(CodecError::Extra) } else { Ok(()) }
    }
}

/// Reads fields off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }

    /// Port up to and with the extra field.
    fn registration(&mut self) -> Option<Registration> {
        Some(Registration {
            port: self.u16()?,
            node_type: NodeType::of(self.u8()?),
            protocol: self.u8()?,
            highest: self.u16()?,
            lowest: self.u16()?,
            name: self.counted()?.to_vec(),
            extra: self.counted()?.to_vec(),
        })
    }
}

/// What epmd can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Register a node for as long as the connection lives.
    Alive2(Registration),
    /// Where does the node listen?
    PortPlease2(Vec<u8>),
    /// Who is there?
    Names,
    /// As `Names`, for people.
    Dump,
    /// End epmd.
    Kill,
    /// Forget a node.
    Stop(Vec<u8>),
}

impl Request {
    /// The message with its length in front.
    ///
    /// # Errors
    /// Names and extra fields that epmd refuses.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut out = vec![0, 0];
        match self {
            Self::Alive2(r) => {
                r.check()?;
                out.push(ALIVE2_REQ);
                r.encode(&mut out);
            }
            Self::PortPlease2(name) => named(&mut out, PORT_PLEASE2_REQ, name)?,
            Self::Names => out.push(NAMES_REQ),
            Self::Dump => out.push(DUMP_REQ),
            Self::Kill => out.push(KILL_REQ),
            Self::Stop(name) => named(&mut out, STOP_REQ, name)?,
        }
        let n = u16::try_from(out.len() - 2).map_err(|_| CodecError::Size)?;
        out[..2].copy_from_slice(&n.to_be_bytes());
        Ok(out)
    }

    /// Reads a body, without its length. Bytes after the last field are ignored, as epmd does.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let mut f = Fields(body);
        match f.u8().ok_or(CodecError::Size)? {
            ALIVE2_REQ => {
                let r = f.registration().ok_or(CodecError::Short)?;
                if r.name.is_empty() || r.name.contains(&0) { Err(CodecError::Name) } else { Ok(Self::Alive2(r)) }
            }
            PORT_PLEASE2_REQ => {
                // One NUL at the end is forgiven.
                let name = f.0.strip_suffix(&[0]).unwrap_or(f.0);
                Ok(Self::PortPlease2(checked_name(name)?))
            }
            NAMES_REQ => Ok(Self::Names),
            DUMP_REQ => Ok(Self::Dump),
            KILL_REQ => Ok(Self::Kill),
            STOP_REQ => {
                let name = f.0.strip_suffix(&[0]).unwrap_or(f.0);
                Ok(Self::Stop(checked_name(name)?))
            }
            tag => Err(CodecError::Unknown(tag)),
        }
    }
}

fn named(out: &mut Vec<u8>, tag: u8, name: &[u8]) -> Result<(), CodecError> {
    checked_name(name)?;
    out.push(tag);
    out.extend(name);
    Ok(())
}

fn checked_name(name: &[u8]) -> Result<Vec<u8>, CodecError> {
    if name.is_empty() || name.contains(&0) {
        return Err(CodecError::Name);
    }
    match std::str::from_utf8(name) {
        Ok(text) if text.chars().count() <= MAX_NAME_CHARS => Ok(name.to_vec()),
        _ => Err(CodecError::NameText),
    }
}

/// Answer to `Alive2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AliveResponse {
    /// 0: registered. Anything else: refused.
    pub result: u8,
    /// The node's creation; 16 bits if the request's highest version was below 6.
    pub creation: u32,
    /// Whether it is the long form.
    pub long: bool,
}

impl AliveResponse {
    /// Its bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut out = vec![if self.long { ALIVE2_X_RESP } else { ALIVE2_RESP }, self.result];
        if self.long {
            out.extend(self.creation.to_be_bytes());
        } else {
            out.extend((self.creation as u16).to_be_bytes());
        }
        out
    }

    /// `None`: more bytes are needed.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, CodecError> {
        let mut f = Fields(bytes);
        let Some(tag) = f.u8() else { return Ok(None) };
        let long = match tag {
            ALIVE2_X_RESP => true,
            ALIVE2_RESP => false,
            t => return Err(CodecError::Unknown(t)),
        };
        let Some(result) = f.u8() else { return Ok(None) };
        let creation = if long { f.u32() } else { f.u16().map(u32::from) };
        Ok(creation.map(|creation| Self { result, creation, long }))
    }
}

/// Bytes of the answer to `PortPlease2`. `None`: there is no such node.
pub fn encode_port(found: Option<&Registration>) -> Vec<u8> {
    let mut out = vec![PORT2_RESP];
    match found {
        Some(r) => {
            out.push(0);
            r.encode(&mut out);
        }
        None => out.push(1),
    }
    out
}

/// Outcome of reading an answer to `PortPlease2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortResponse {
    /// More bytes are needed.
    More,
    /// There is no such node.
    NotFound,
    /// There it is.
    Found(Registration),
}

/// Reads the answer to `PortPlease2`.
pub fn decode_port(bytes: &[u8]) -> Result<PortResponse, CodecError> {
    let mut f = Fields(bytes);
    match f.u8() {
        None => return Ok(PortResponse::More),
        Some(PORT2_RESP) => {}
        Some(tag) => return Err(CodecError::Unknown(tag)),
    }
    Ok(match f.u8() {
        None => PortResponse::More,
        Some(0) => f.registration().map_or(PortResponse::More, PortResponse::Found),
        Some(_) => PortResponse::NotFound,
    })
}

/// Reads the whole answer to `Names`: epmd's own port, and name and port of each node. Lines of another shape are
/// skipped.
pub fn decode_names(bytes: &[u8]) -> Result<(u32, Vec<(String, u16)>), CodecError> {
    let mut f = Fields(bytes);
    let port = f.u32().ok_or(CodecError::Short)?;
    let text = String::from_utf8_lossy(f.0);
    let entry = |line: &str| {
        let (name, port) = line.strip_prefix("name ")?.rsplit_once(" at port ")?;
        Some((name.to_owned(), port.trim_end().parse().ok()?))
    };
    Ok((port, text.lines().filter_map(entry).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foo() -> Registration {
        Registration { lowest: 5, ..Registration::new("foo", 5555, NodeType::Visible) }
    }

    #[test]
    fn a_registration_has_the_bytes_that_erl_sends() {
        let bytes = Request::Alive2(foo()).encode().expect("good");
        assert_eq!(bytes, b"\0\x10x\x15\xb3M\0\0\x06\0\x05\0\x03foo\0\0");
        assert_eq!(Request::decode(&bytes[2..]), Ok(Request::Alive2(foo())));
    }

    #[test]
    fn responses_of_a_real_epmd_are_read() {
        assert_eq!(
            AliveResponse::decode(b"v\0k\x06\x02\xa8"),
            Ok(Some(AliveResponse { result: 0, creation: 0x6b06_02a8, long: true }))
        );
        assert_eq!(
            AliveResponse::decode(b"y\x01\0c"),
            Ok(Some(AliveResponse { result: 1, creation: 99, long: false }))
        );
        assert_eq!(AliveResponse::decode(b"v\0k"), Ok(None));
        assert_eq!(AliveResponse::decode(b"w"), Err(CodecError::Unknown(b'w')));
        let found = b"w\0\x15\xb3M\0\0\x06\0\x05\0\x03foo\0\0";
        assert_eq!(decode_port(found), Ok(PortResponse::Found(foo())));
        assert_eq!(encode_port(Some(&foo())), found);
        for cut in 0..found.len() {
            assert_eq!(decode_port(&found[..cut]), Ok(PortResponse::More));
        }
        assert_eq!(decode_port(b"w\x01"), Ok(PortResponse::NotFound));
        let names = b"\0\0_1name five at port 5555\nname a at port b at port 7\n";
        assert_eq!(decode_names(names), Ok((24369, vec![("five".into(), 5555), ("a at port b".into(), 7)])));
    }

    #[test]
    fn malformed_requests_are_errors_of_their_own() {
        let table: [(&[u8], CodecError); 10] = [
            (b"", CodecError::Size),
            (b"q", CodecError::Unknown(b'q')),
            (b"x", CodecError::Short),
            (b"x\x15\xb3M\0\0\x06\0\x05\0\x03foo", CodecError::Short),
            (b"x\x15\xb3M\0\0\x06\0\x05\0\xffoo\0\0", CodecError::Short),
            (b"x\x15\xb3M\0\0\x06\0\x05\0\x03foo\0\x09", CodecError::Short),
            (b"x\x15\xb3M\0\0\x06\0\x05\0\x03f\0o\0\0", CodecError::Name),
            (b"x\x15\xb3M\0\0\x06\0\x05\0\0\0\0", CodecError::Name),
            (b"zf\0o", CodecError::Name),
            (b"z", CodecError::Name),
        ];
        for (body, error) in table {
            assert_eq!(Request::decode(body), Err(error), "{body:?}");
        }
        assert_eq!(Request::decode(b"zfoo\0"), Ok(Request::PortPlease2(b"foo".to_vec())));
        assert_eq!(Request::decode(b"nxxx"), Ok(Request::Names));
    }

    #[test]
    fn names_are_limited_in_characters_and_extras_in_bytes() {
        let mut r = foo();
        r.name = "😀".repeat(255).into_bytes();
        assert_eq!(r.check(), Ok(()));
        r.name.extend(b"x");
        assert_eq!(r.check(), Err(CodecError::NameText));
        r.name = vec![0xff];
        assert_eq!(Request::Alive2(r.clone()).encode(), Err(CodecError::NameText));
        r.name = b"x".to_vec();
        r.extra = vec![0; 1020];
        assert_eq!(r.check(), Ok(()));
        r.extra.push(0);
        assert_eq!(r.check(), Err(CodecError::Extra));
    }
}
