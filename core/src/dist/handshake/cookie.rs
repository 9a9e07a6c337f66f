//! Cookies and their digests.
//! Imports: nothing of this crate.
//!
//! MD5 is what the protocol asks for; it proves that the peer has the cookie and keeps nothing else secret.

use md5::{Digest, Md5};
use std::fmt;

/// A cookie: one to 255 characters of Latin-1, as OTP's atoms of this use are. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(Box<[u8]>);

/// Why a text is not a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// No character.
    Empty,
    /// More than 255.
    TooLong,
    /// A character beyond Latin-1: OTP cannot build a digest of it.
    Text,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a cookie must not be empty",
            Self::TooLong => "a cookie has at most 255 characters",
            Self::Text => "a cookie has characters of Latin-1 only",
        })
    }
}

impl std::error::Error for CookieError {}

impl Cookie {
    /// Checks a text.
    pub fn new(text: &str) -> Result<Self, CookieError> {
        let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
        match bytes {
            Err(_) => Err(CookieError::Text),
            Ok(b) if b.is_empty() => Err(CookieError::Empty),
            Ok(b) if b.len() > 255 => Err(CookieError::TooLong),
            Ok(b) => Ok(Self(b.into())),
        }
    }

    /// MD5 of the cookie and then the challenge in decimal. Source: OTP `dist_util:gen_digest/2`; the manual of OTP 25
    /// has the order wrong.
    pub fn digest(&self, challenge: u32) -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(&self.0);
        md5.update(challenge.to_string());
        md5.finalize().into()
    }

    /// Whether `digest` is that of this cookie and challenge. The time it takes says nothing about where they differ.
    pub fn verify(&self, challenge: u32, digest: &[u8; 16]) -> bool {
        let expected = self.digest(challenge);
        let difference = expected.iter().zip(digest).fold(0, |d, (a, b)| std::hint::black_box(d | (a ^ b)));
        difference == 0
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_erlang() {
        // erlang:md5("secret" ++ integer_to_list(4294967295)).
        let d = Cookie::new("secret").expect("good").digest(u32::MAX);
        assert_eq!(d, DIGEST);
        assert!(Cookie::new("secret").expect("good").verify(u32::MAX, &d));
        assert!(!Cookie::new("secret").expect("good").verify(1, &d));
        assert!(!Cookie::new("Secret").expect("good").verify(u32::MAX, &d));
    }

    #[test]
    fn a_digest_that_differs_in_one_bit_is_refused() {
        let cookie = Cookie::new("secret").expect("good");
        for bit in 0..128 {
            let mut d = cookie.digest(7);
            d[bit / 8] ^= 1 << (bit % 8);
            assert!(!cookie.verify(7, &d));
        }
    }

    #[test]
    fn cookies_are_short_latin1_texts() {
        assert_eq!(Cookie::new("å").expect("good").digest(1), Cookie(Box::new([0xe5])).digest(1));
        assert_eq!(Cookie::new(""), Err(CookieError::Empty));
        assert_eq!(Cookie::new("ł"), Err(CookieError::Text));
        assert!(Cookie::new(&"x".repeat(255)).is_ok());
        assert_eq!(Cookie::new(&"x".repeat(256)), Err(CookieError::TooLong));
        assert_eq!(format!("{:?}", Cookie::new("secret")), "Ok(Cookie(..))");
    }

    const DIGEST: [u8; 16] = [93, 253, 24, 30, 105, 170, 88, 124, 200, 18, 235, 51, 62, 101, 54, 182];
}
