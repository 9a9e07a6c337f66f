//! Bit syntax: what was read as some fields and written as the same fields is what was there.

use krarup::bits::{BitReader, BitWriter, Endian, Segment, SegmentKind, bit_size, concat, slice};
use krarup::term::Term;

/// The first byte says how many bytes after it are a layout, two for each field; the rest are the bits.
pub fn bits(data: &[u8]) {
    let Some((&len, rest)) = data.split_first() else { return };
    let (layout, bytes) = rest.split_at(rest.len().min(usize::from(len)));
    let mut reader = BitReader::new(bytes);
    let mut writer = BitWriter::new();
    for field in layout.chunks_exact(2) {
        let (segment, size) = segment(field[0], field[1]);
        let before = reader.position();
        match segment.read(&mut reader, size) {
            Ok(value) => {
                // A float of no bits can be matched, but not built.
                let empty_float = segment.kind == SegmentKind::Float && reader.position() == before;
                match segment.build(&mut writer, &value, size) {
                    Ok(()) => assert!(!empty_float, "{segment:?} of size {size:?} built {value:?}"),
                    Err(e) => {
                        assert!(empty_float, "{segment:?} of size {size:?} read {value:?}, and does not build it: {e}")
                    }
                }
            }
            Err(_) => assert_eq!(reader.position(), before, "{segment:?} of size {size:?} failed and moved"),
        }
        assert_eq!(writer.bit_len(), reader.position(), "{segment:?} of size {size:?} wrote another number of bits");
    }
    let taken = reader.position();
    let whole = Term::binary(bytes);
    let written = writer.into_term();
    assert_eq!(bit_size(&written), Some(taken));
    let head = slice(&whole, 0, taken).expect("taken bits are there");
    assert_eq!(written, head, "written is what was read");
    let tail = reader.rest_bits().to_term();
    assert_eq!(slice(&whole, taken, 8 * bytes.len() - taken), Ok(tail.clone()));
    assert_eq!(concat([&head, &tail]), Ok(whole));
}

fn segment(kind: u8, size: u8) -> (Segment, Option<usize>) {
    let kinds = [
        SegmentKind::Integer,
        SegmentKind::Float,
        SegmentKind::Binary,
        SegmentKind::Utf8,
        SegmentKind::Utf16,
        SegmentKind::Utf32,
        SegmentKind::Integer,
        SegmentKind::Binary,
    ];
    let segment = Segment {
        kind: kinds[usize::from(kind & 7)],
        signed: kind & 8 != 0,
        endian: if kind & 16 == 0 { Endian::Big } else { Endian::Little },
        unit: [1, 8, 3, 256, 16, 32, 1, 8][usize::from(kind >> 5)],
    };
    (segment, (size != 0xff).then_some(usize::from(size)))
}
