//! The text of a crash report. Imports: term, report. Source: OTP `proc_lib:format/3`, `erl_error`.

use crate::report::Text;
use crate::term::{Atom, Term, View, atoms};

/// OTP's text of a report `#{label => {proc_lib, crash}, report => [Own, Neighbours]}`.
pub fn format_crash(report: &Term, out: &mut Text) {
    let found = report.as_map().and_then(|m| m.get(&atoms::REPORT.into()));
    let Some(View::List(parts)) = found.map(Term::view) else {
        out.term(report).str("\n");
        return;
    };
    let mut parts = parts.iter();
    out.str("  crasher:\n");
    if let Some(own) = parts.next() {
        for (key, value) in pairs(own) {
            out.str("    ");
            match key {
                atoms::ERROR_INFO => exception(value, out),
                _ => {
                    entry(key, value, out);
                    out.str("\n");
                }
            }
        }
    }
    out.str("  neighbours:\n");
    // As in OTP, nothing ends the last line of the last neighbour.
    let mut between = "";
    for n in parts.next().and_then(Term::as_list).into_iter().flatten() {
        let Some([_, list]) = n.as_tuple() else { continue };
        out.str(between).str("    neighbour:");
        between = "\n";
        for (key, value) in pairs(list) {
            out.str("\n      ");
            entry(key, value, out);
        }
    }
}

fn pairs(list: &Term) -> impl Iterator<Item = (Atom, &Term)> {
    list.as_list().into_iter().flatten().filter_map(|p| match p.as_tuple()? {
        [key, value] => Some((key.as_atom()?, value)),
        _ => None,
    })
}

fn entry(key: Atom, value: &Term, out: &mut Text) {
    if key == atoms::INITIAL_CALL_KEY {
        // With made-up arguments: `t:init/1`; an honest one is printed as it is.
        if let Some([m, f, args]) = value.as_tuple()
            && (args.is_list())
        {
            let arity = args.as_list().map_or(0, |l| l.len());
            out.str("initial call: ").line(m).str(":").line(f).str(&format!("/{arity}"));
            return;
        }
    }
    out.str(key.as_str()).str(": ").term(value);
}

/// `exception error: boom` and the stack below it.
fn exception(info: &Term, out: &mut Text) {
    let Some([class, reason, stack]) = info.as_tuple() else {
        out.term(info).str("\n");
        return;
    };
    let class = class.as_atom().unwrap_or(atoms::ERROR);
    out.str("exception ").str(class.as_str()).str(": ");
    let frames: Vec<&Term> = stack.as_list().map(|l| l.iter().collect()).unwrap_or_default();
    let mut shown = frames.as_slice();
    if class == atoms::ERROR {
        if explain(reason, &frames, out) {
            shown = shown.get(1..).unwrap_or_default();
        }
    } else {
        out.term(reason);
    }
    out.str("\n");
    // The frame where the process begins says nothing.
    for (n, frame) in shown.iter().filter(|f| !is_beginning(f)).enumerate() {
        out.str(if n == 0 { "      in function  " } else { "      in call from " });
        self::frame(frame, out);
        out.str("\n");
    }
}

fn is_beginning(frame: &Term) -> bool {
    matches!(frame.as_tuple(), Some([m, ..]) if m.as_atom() == Some(atoms::PROC_LIB))
}

/// The reason in words; true if the words have used the first frame up.
fn explain(reason: &Term, frames: &[&Term], out: &mut Text) -> bool {
    let called = frames.first().and_then(|f| f.as_tuple());
    match reason.view() {
        View::Atom(atoms::BADARG) => out.str("bad argument"),
        View::Atom(atoms::BADARITH) => out.str("an error occurred when evaluating an arithmetic expression"),
        View::Atom(atoms::UNDEF) => {
            let Some([m, f, args, _]) = called else {
                out.term(reason);
                return false;
            };
            let arity = args.as_list().map_or_else(|| args.as_int().unwrap_or(0) as usize, |l| l.len());
            out.str("undefined function ").line(m).str(":").line(f).str(&format!("/{arity}"));
            return true;
        }
        View::Atom(atoms::FUNCTION_CLAUSE) => {
            let Some([m, f, args, _]) = called else {
                out.term(reason);
                return false;
            };
            let Some(args) = args.as_list() else {
                out.term(reason);
                return false;
            };
            out.str("no function clause matching ").line(m).str(":").line(f).str("(");
            for (n, a) in args.iter().enumerate() {
                out.str(if n == 0 { "" } else { "," }).line(a);
            }
            out.str(") ");
            return true;
        }
        View::Atom(atoms::SYSTEM_LIMIT) => out.str("a system limit has been reached"),
        View::Atom(atoms::NOPROC) => out.str("no such process or port"),
        View::Atom(atoms::TIMEOUT_VALUE) => out.str("bad receive timeout value"),
        View::Atom(atoms::IF_CLAUSE) => out.str("no true branch found when evaluating an if expression"),
        View::Tuple([what, value]) => match what.as_atom() {
            Some(atoms::BADMATCH) => out.str("no match of right hand side value ").term(value),
            Some(atoms::CASE_CLAUSE) => out.str("no case clause matching ").term(value),
            Some(atoms::TRY_CLAUSE) => out.str("no try clause matching ").term(value),
            Some(atoms::BADFUN) => out.str("bad function ").term(value),
            Some(atoms::BADKEY) => out.str("bad key: ").term(value),
            Some(atoms::BADMAP) => out.str("bad map: ").term(value),
            _ => out.term(reason),
        },
        _ => out.term(reason),
    };
    false
}

/// `t:handle_call/3 (t.erl, line 11)`
fn frame(frame: &Term, out: &mut Text) {
    let Some([m, f, args, place]) = frame.as_tuple() else {
        out.line(frame);
        return;
    };
    let arity = args.as_list().map_or_else(|| args.as_int().unwrap_or(0), |l| l.len() as i64);
    out.line(m).str(":").line(f).str(&format!("/{arity}"));
    let mut file = None;
    let mut line = None;
    for p in place.as_list().into_iter().flatten() {
        if let Some([key, value]) = p.as_tuple() {
            match key.as_atom().map(Atom::as_str) {
                Some("file") => file = Some(value),
                Some("line") => line = value.as_int(),
                _ => {}
            }
        }
    }
    out.str(" ");
    if let (Some(file), Some(line)) = (file, line) {
        let name: String = match file.as_list() {
            Some(l) => l.iter().filter_map(|c| char::from_u32(u32::try_from(c.as_int()?).ok()?)).collect(),
            None => String::from_utf8_lossy(file.as_binary().unwrap_or_default()).into_owned(),
        };
        out.str(&format!("({name}, line {line})"));
    }
}
