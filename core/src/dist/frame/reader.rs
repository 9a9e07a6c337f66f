//! Cuts a stream of bytes into frames.
//! Imports: frame.

use super::FrameError;
use bytes::{Buf, Bytes, BytesMut};

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An empty frame.
    Tick,
    /// A frame's body: a share of the read buffer, not a copy.
    Body(Bytes),
}

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    limit: usize,
}

/// No more is set aside at once for a frame of which little has come.
const STEP: usize = 64 << 10;

impl FrameReader {
    /// `limit`: the longest body.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer itself, with room for at least a little, for reading into it without a copy.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        self.buffer.reserve(4096);
        &mut self.buffer
    }

    /// The next complete frame.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], as soon as the length has come.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*header);
        let body = match usize::try_from(length) {
            Ok(n) if n <= self.limit => n,
            _ => return Err(FrameError::TooLong { length: u64::from(length), limit: self.limit }),
        };
        if body == 0 {
            self.buffer.advance(4);
            return Ok(Some(Frame::Tick));
        }
        let missing = (4 + body).saturating_sub(self.buffer.len());
        if missing > 0 {
            self.buffer.reserve(missing.min(STEP));
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(Frame::Body(self.buffer.split_to(body).freeze())))
    }

    /// Bytes that are not part of a complete frame yet.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &'static [u8]) -> Frame {
        Frame::Body(Bytes::from_static(bytes))
    }

    #[test]
    fn frames_and_ticks_come_out_however_the_stream_is_cut() {
        let stream = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01z";
        for cut in 1..stream.len() {
            let mut r = FrameReader::new(100);
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                r.push(piece);
                while let Some(frame) = r.next_frame().expect("good") {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, [body(b"abc"), Frame::Tick, body(b"z")]);
            assert_eq!(r.pending(), 0);
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
        let mut r = FrameReader::new(10);
        r.push(&[0, 0, 0, 11]);
        assert_eq!(r.next_frame(), Err(FrameError::TooLong { length: 11, limit: 10 }));
        let mut r = FrameReader::new(10);
        r.push(&[0xff; 4]);
        assert_eq!(r.next_frame(), Err(FrameError::TooLong { length: 0xffff_ffff, limit: 10 }));
    }

    #[test]
    fn a_promised_length_takes_no_memory() {
        let mut r = FrameReader::new(1 << 30);
        r.push(&[0x3f, 0xff, 0xff, 0xff, 1]);
        assert_eq!(r.next_frame(), Ok(None));
        assert!(r.buffer.capacity() < 2 * STEP);
    }
}
