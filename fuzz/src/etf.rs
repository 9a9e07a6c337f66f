//! External term format: what was decoded is encoded, in every way there is, as bytes that decode to the same term.

use super::text::same;
use bytes::Bytes;
use krarup::etf::{AtomText, Decoder, EncodeOptions, decode, encode};
use krarup::term::Term;

/// The bytes are a term, or not.
pub fn etf(data: &[u8]) {
    let decoder = Decoder::new().max_inflated(1 << 20);
    let shared = Bytes::copy_from_slice(data);
    let copied = decoder.decode(data);
    match (&copied, decoder.decode_shared(&shared)) {
        (Ok((a, used_a)), Ok((b, used_b))) => {
            same(a, &b, "sharing the bytes");
            assert_eq!(*used_a, used_b);
        }
        (Err(a), Err(b)) => assert_eq!(*a, b),
        (a, b) => panic!("copying gives {a:?}, sharing {b:?}"),
    }
    let Ok((term, used)) = copied else { return };
    let packed = data[1] == COMPRESSED;
    if !packed {
        let bare = decoder.decode_bare(&shared, 1).expect("it is a term without its version byte too");
        same(&term, &bare.0, "leaving the version byte out");
        assert_eq!(bare.1, used);
        // A byte is at most an element of a list or a tuple; a shell of two bytes holds one element.
        let most = 64 * data.len() + 1024;
        assert!(term.block_bytes() <= most, "{} bytes became {}", data.len(), term.block_bytes());
    }
    assert_eq!(decoder.decode(&data[..used]), Ok((term.clone(), used)), "bytes behind a term do not matter");
    assert!(decoder.decode(&data[..used - 1]).is_err(), "a term that was cut short");
    round_trips(&term);
    if data.len() <= 4096 && !packed {
        assert!(!term.to_string().is_empty());
    }
}

const COMPRESSED: u8 = 80;

fn round_trips(term: &Term) {
    for atoms in [AtomText::Latin1, AtomText::Utf8] {
        for compressed in [None, Some(1)] {
            let options = EncodeOptions { atoms, compressed };
            let bytes = encode(term, &options).expect("what was decoded can be encoded");
            let again = match decode(&bytes) {
                Ok(t) => t,
                Err(e) => panic!("{e} in {}", bytes.escape_ascii()),
            };
            same(term, &again, "encoding");
            assert_eq!(encode(&again, &options).as_ref(), Ok(&bytes), "encoded otherwise the second time");
        }
    }
}
