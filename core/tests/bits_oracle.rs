//! Segments are built and matched as Erlang builds and matches them.

#[path = "common/erl.rs"]
mod erl;
#[path = "text_support/terms.rs"]
mod terms;

use krarup::bits::{BitReader, BitWriter, Endian, Segment, SegmentKind};
use krarup::term::Term;
use krarup::term::print::Printer;
use terms::{Kinds, Random, frame, random_float, random_integer, random_term, unframe};

struct Spec {
    segment: Segment,
    size: Option<usize>,
}

fn random_spec(r: &mut Random) -> Spec {
    let kind = r.pick(&[
        SegmentKind::Integer,
        SegmentKind::Integer,
        SegmentKind::Integer,
        SegmentKind::Float,
        SegmentKind::Binary,
        SegmentKind::Binary,
        SegmentKind::Utf8,
        SegmentKind::Utf16,
        SegmentKind::Utf32,
    ]);
    let mut segment = Segment::new(kind);
    segment.signed = r.chance(50);
    segment.endian = r.pick(&[Endian::Big, Endian::Little, Endian::Native]);
    let size = match kind {
        SegmentKind::Integer => {
            segment.unit = if r.chance(80) { 1 } else { r.pick(&[2, 3, 8]) };
            r.chance(80).then(|| {
                let most = if r.chance(70) { 20 } else { 140 };
                r.below(most)
            })
        }
        SegmentKind::Float => {
            // Sizes that no float has are rare.
            let any = r.below(70);
            r.chance(80).then(|| if r.chance(5) { any } else { r.pick(&[16, 32, 64]) })
        }
        SegmentKind::Binary => {
            segment.unit = r.pick(&[8, 8, 1, 1, 3, 16]);
            r.chance(60).then(|| r.below(12))
        }
        _ => None,
    };
    if size.is_none() && kind != SegmentKind::Binary {
        segment.unit = 1;
    }
    Spec { segment, size }
}

/// `:Size/Type` in Erlang's syntax.
fn written(spec: &Spec) -> String {
    let Segment { kind, signed, endian, unit } = spec.segment;
    let size = spec.size.map(|n| format!(":{n}")).unwrap_or_default();
    let kind = match kind {
        SegmentKind::Integer => "integer",
        SegmentKind::Float => "float",
        SegmentKind::Binary => "binary",
        SegmentKind::Utf8 => "utf8",
        SegmentKind::Utf16 => "utf16",
        SegmentKind::Utf32 => "utf32",
    };
    let endian = match endian {
        Endian::Big => "big",
        Endian::Little => "little",
        Endian::Native => "native",
    };
    let sign = if signed { "signed" } else { "unsigned" };
    let has_unit = spec.size.is_some() || kind == "binary";
    let unit = if has_unit { format!("-unit:{unit}") } else { String::new() };
    format!("{size}/{kind}-{endian}-{sign}{unit}")
}

fn random_value(r: &mut Random, spec: &Spec) -> Term {
    if r.chance(3) {
        return random_term(r, 3, Kinds { opaque: false, funs: false, wide: false });
    }
    match spec.segment.kind {
        SegmentKind::Integer => random_integer(r),
        SegmentKind::Float if r.chance(20) => random_integer(r),
        SegmentKind::Float => {
            let f = random_float(r);
            Term::float(if r.chance(50) { f.clamp(-7e4, 7e4) } else { f }).expect("finite")
        }
        SegmentKind::Binary => {
            let bits = if r.chance(50) { 8 * r.below(12) } else { r.below(90) };
            Term::bitstring(r.bytes(bits.div_ceil(8)), bits)
        }
        _ => {
            let odd = r.below(0x11_0100);
            Term::from(if r.chance(80) {
                r.pick(&[0, 65, 233, 0x436, 0xd7ff, 0xe000, 0xfffe, 0x1_0000, 0x10_ffff])
            } else {
                odd
            })
        }
    }
}

/// The judge evaluates each expression; what fails is `badarg`.
const EVALUATE: &str = r#"
    Text = fun(B) ->
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(B)),
        {ok, Exprs} = erl_parse:parse_exprs(Tokens),
        V = try erl_eval:exprs(Exprs, []) of {value, X, _} -> X catch error:_ -> badarg end,
        unicode:characters_to_binary(io_lib:format("~w", [V]))
    end,
    << <<(byte_size(S)):32, S/binary>> || <<N:32, B:N/binary>> <= Arg, S <- [Text(B)] >>
"#;

fn judge(texts: &[String]) -> Option<Vec<String>> {
    let answer = erl::ask(EVALUATE, &frame(texts.iter().map(|t| t.as_bytes())))?;
    Some(unframe(&answer).into_iter().map(|b| String::from_utf8(b.to_vec()).expect("UTF-8")).collect())
}

#[test]
fn random_segments_are_built_as_erlang_builds_them() {
    let mut r = Random::new("build");
    let plain = Printer::plain();
    let mut cases = Vec::new();
    for _ in 0..6000 {
        let parts: Vec<(Spec, Term)> = (0..1 + r.below(6))
            .map(|_| {
                let spec = random_spec(&mut r);
                let value = random_value(&mut r, &spec);
                (spec, value)
            })
            .collect();
        let mut out = BitWriter::new();
        let built = parts.iter().try_for_each(|(spec, value)| spec.segment.build(&mut out, value, spec.size));
        let ours = built.map_or_else(|_| "badarg".to_owned(), |()| out.into_term().to_string());
        let text: Vec<String> =
            parts.iter().map(|(spec, value)| format!("({}){}", plain.to_string(value), written(spec))).collect();
        cases.push((format!("<<{}>>.", text.join(", ")), ours));
    }
    let Some(answers) = judge(&cases.iter().map(|c| c.0.clone()).collect::<Vec<_>>()) else { return };
    let mut good = 0;
    for ((text, ours), theirs) in cases.iter().zip(&answers) {
        assert_eq!(ours, theirs, "{text}");
        good += usize::from(theirs != "badarg");
    }
    assert!(good > 2000, "{good}");
}

#[test]
fn random_bits_are_matched_as_erlang_matches_them() {
    let mut r = Random::new("match");
    let mut cases = Vec::new();
    for _ in 0..6000 {
        let mut specs: Vec<Spec> = (0..1 + r.below(5)).map(|_| random_spec(&mut r)).collect();
        // Only the last may take the rest.
        let last = specs.len() - 1;
        for spec in &mut specs[..last] {
            if spec.segment.kind == SegmentKind::Binary && spec.size.is_none() {
                spec.size = Some(2);
            }
        }
        // Mostly bits that were built of such segments, so that they match.
        let term = if r.chance(80) {
            let mut out = BitWriter::new();
            for spec in &specs {
                let value = match spec.segment.kind {
                    SegmentKind::Binary => {
                        let bits = spec.size.unwrap_or(r.below(5)) * spec.segment.unit;
                        Term::bitstring(r.bytes(bits.div_ceil(8)), bits)
                    }
                    _ => random_value(&mut r, spec),
                };
                let _ = spec.segment.build(&mut out, &value, spec.size);
            }
            out.into_term()
        } else {
            let bits = r.below(200);
            Term::bitstring(r.bytes(bits.div_ceil(8)), bits)
        };
        let mut reader = BitReader::of(&term).expect("bits");
        let read: Result<Vec<Term>, _> = specs.iter().map(|s| s.segment.read(&mut reader, s.size)).collect();
        let ours = match read {
            Ok(values) if reader.is_empty() => Term::list(values).to_string(),
            _ => "nomatch".to_owned(),
        };
        let pattern: Vec<String> = specs.iter().enumerate().map(|(i, s)| format!("V{i}{}", written(s))).collect();
        let names: Vec<String> = (0..specs.len()).map(|i| format!("V{i}")).collect();
        let text = format!("case {term} of <<{}>> -> [{}]; _ -> nomatch end.", pattern.join(", "), names.join(","));
        cases.push((text, ours));
    }
    let Some(answers) = judge(&cases.iter().map(|c| c.0.clone()).collect::<Vec<_>>()) else { return };
    let mut good = 0;
    for ((text, ours), theirs) in cases.iter().zip(&answers) {
        assert_eq!(ours, theirs, "{text}");
        good += usize::from(theirs != "nomatch");
    }
    assert!(good > 1500, "{good}");
}
