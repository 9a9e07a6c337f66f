//! Reader and writer: fields in any position and size, failures that change nothing.

#[path = "text_support/terms.rs"]
mod terms;

use bytes::Bytes;
use krarup::bits::{BitError, BitReader, BitWriter, Endian, bit_size, concat, slice};
use krarup::term::{BigInt, Term};
use terms::Random;

#[test]
fn a_datagram_is_taken_apart() {
    // The header of an IPv4 packet, as the book does it.
    let packet = [0x45, 0x00, 0x00, 0x1e, 0x12, 0x34, 0x40, 0x01, 0x40, 0x11, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3];
    let mut r = BitReader::new(&packet);
    r.expect_uint(4, 4, Endian::Big).unwrap();
    let header = r.read_uint(4, Endian::Big).unwrap() as usize;
    assert_eq!(header, 5);
    r.skip(8).unwrap();
    assert_eq!(r.read_uint(16, Endian::Big).unwrap(), 30);
    assert_eq!(r.read_uint(16, Endian::Big).unwrap(), 0x1234);
    assert_eq!(r.read_uint(3, Endian::Big).unwrap(), 2);
    assert_eq!(r.read_uint(13, Endian::Big).unwrap(), 1);
    r.skip(32).unwrap();
    assert_eq!(r.read_uint(32, Endian::Big).unwrap(), 0x0a00_0001);
    assert_eq!(r.read_uint(32, Endian::Big).unwrap(), 0x0a00_0002);
    assert_eq!(r.take_bytes((header - 5) * 4).unwrap().len(), 0);
    assert!(matches!(r.rest_bytes().unwrap(), std::borrow::Cow::Borrowed([1, 2, 3])));
}

#[test]
fn fields_of_every_size_and_position_come_back() {
    let mut r = Random::new("round trip");
    for endian in [Endian::Big, Endian::Little, Endian::Native] {
        for bits in 0..=64usize {
            for lead in 0..9 {
                let value = if bits == 64 { r.next() } else { r.next() & ((1 << bits) - 1) };
                let signed = if bits == 0 { 0 } else { (value as i64) << (64 - bits) >> (64 - bits) };
                let mut w = BitWriter::new();
                w.put_uint(r.next(), lead, Endian::Big);
                w.put_uint(value, bits, endian);
                w.put_int(signed, bits, endian);
                w.put_big(&BigInt::from(signed), bits + 70, endian);
                w.put_uint(value, bits + 70, endian);
                let (bytes, len) = w.into_parts();
                assert_eq!(len, lead + 4 * bits + 140);
                let mut reader = BitReader::with_bits(&bytes, len);
                reader.skip(lead).unwrap();
                assert_eq!(reader.read_uint(bits, endian).unwrap(), value);
                assert_eq!(reader.read_int(bits, endian).unwrap(), signed);
                assert_eq!(reader.read_big(bits + 70, true, endian).unwrap(), BigInt::from(signed));
                assert_eq!(reader.read_big(bits + 70, false, endian).unwrap(), BigInt::from(value));
                assert!(reader.is_empty());
            }
        }
    }
}

#[test]
fn a_failed_read_moves_nothing() {
    let data = [0xff, 0xfe, 0xd8, 0x00];
    let mut r = BitReader::new(&data);
    r.skip(1).unwrap();
    type Read = fn(&mut BitReader<'_>) -> Result<(), BitError>;
    let reads: [Read; 14] = [
        |r| r.skip(32),
        |r| r.read_uint(32, Endian::Big).map(drop),
        |r| r.read_uint(65, Endian::Big).map(drop),
        |r| r.read_int(usize::MAX, Endian::Big).map(drop),
        |r| r.read_big(1000, true, Endian::Little).map(drop),
        |r| r.read_float(24, Endian::Big).map(drop),
        |r| r.read_float(64, Endian::Big).map(drop),
        |r| r.read_utf8().map(drop),
        |r| r.take_bytes(4).map(drop),
        |r| r.take_bytes(usize::MAX).map(drop),
        |r| r.rest_bytes().map(drop),
        |r| r.expect_uint(0, 4, Endian::Big),
        |r| r.expect_bytes(b"\x00"),
        |r| r.atomic(|r| r.skip(20).and_then(|()| r.skip(20))),
    ];
    for (i, read) in reads.iter().enumerate() {
        assert!(read(&mut r).is_err(), "{i}");
        assert_eq!((r.position(), r.left()), (1, 31), "{i}");
    }
    let mut r = BitReader::new(&[0xd8, 0, 0, 0]);
    assert_eq!(r.read_utf16(Endian::Big), Err(BitError::NotUnicode));
    assert_eq!(r.read_utf32(Endian::Big), Err(BitError::NotUnicode));
    assert_eq!(r.position(), 0);
}

#[test]
fn aligned_bytes_are_not_copied() {
    let shared = Bytes::from(vec![7u8; 100]);
    let mut r = BitReader::shared(&shared);
    r.skip(16).unwrap();
    let piece = r.take_shared(50).unwrap();
    assert_eq!(piece.as_ptr(), shared[2..].as_ptr());
    r.skip(1).unwrap();
    let copied = r.take_shared(3).unwrap();
    assert_eq!(&copied[..], [14, 14, 14]);
    // A piece of a long binary shares its memory.
    let term = Term::binary(shared.clone());
    let part = slice(&term, 80, 8 * 80).unwrap();
    assert_eq!(part.as_binary().unwrap().as_ptr(), shared[10..].as_ptr());
}

#[test]
fn bitstring_terms_are_cut_and_joined() {
    let mut r = Random::new("cut");
    for _ in 0..2000 {
        let bits = r.below(200);
        let whole = Term::bitstring(r.bytes(bits.div_ceil(8)), bits);
        assert_eq!(bit_size(&whole), Some(bits));
        let (a, b) = (r.below(bits + 1), r.below(bits + 1));
        let (a, b) = (a.min(b), a.max(b));
        let parts = [slice(&whole, 0, a), slice(&whole, a, b - a), slice(&whole, b, bits - b)].map(Result::unwrap);
        assert_eq!(concat(&parts).unwrap(), whole);
        assert!(slice(&whole, a, bits - a + 1).is_err());
        assert!(slice(&whole, bits + 1, 0).is_err());
    }
    assert_eq!(bit_size(&Term::nil()), None);
    assert_eq!(slice(&Term::int(1), 0, 0), Err(BitError::Kind));
    assert_eq!(concat([&Term::int(1)]), Err(BitError::Kind));
}

#[test]
fn padding_fills_up_with_zeros() {
    let mut w = BitWriter::with_capacity(4);
    assert!(w.is_empty());
    w.put_uint(0b101, 3, Endian::Big);
    w.pad_to(8);
    w.pad_to(8);
    w.pad_to(0);
    assert_eq!(w.as_bytes(), [0b1010_0000]);
    w.pad_to(32);
    assert_eq!(w.bit_len(), 32);
    w.put_bits(&BitReader::with_bits(&[0xff], 3));
    w.pad_to(32);
    assert_eq!(w.into_term(), Term::binary([0xa0u8, 0, 0, 0, 0xe0, 0, 0, 0].as_slice()));
}

#[test]
fn no_sequence_of_reads_panics() {
    let mut r = Random::new("reads");
    for _ in 0..20_000 {
        let len = r.below(30);
        let data = r.bytes(len);
        let bits = r.below(8 * len + 20);
        let mut reader = BitReader::with_bits(&data, bits);
        for _ in 0..r.below(12) {
            let before = reader.position();
            let endian = r.pick(&[Endian::Big, Endian::Little]);
            let n = if r.chance(3) { usize::MAX - r.below(100) } else { r.below(80) };
            let done = match r.below(10) {
                0 => reader.read_uint(n, endian).is_ok(),
                1 => reader.read_int(n, endian).is_ok(),
                2 => reader.read_big(n, true, endian).is_ok(),
                3 => reader.read_float(r.pick(&[16, 32, 64]), endian).is_ok(),
                4 => reader.read_utf8().is_ok(),
                5 => reader.read_utf16(endian).is_ok(),
                6 => reader.read_utf32(endian).is_ok(),
                7 => reader.take_bytes(n).is_ok(),
                8 => reader.take_bits(n).is_ok_and(|part| part.to_term().is_bitstring()),
                _ => reader.rest_bytes().is_ok(),
            };
            assert!(done || reader.position() == before);
            assert!(reader.position() <= bits.min(8 * len));
        }
    }
}
