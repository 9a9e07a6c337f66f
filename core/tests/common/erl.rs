//! A real Erlang as the judge: one long-lived `erl`, asked over a pipe with {packet, 4}.
//!
//! A question is Erlang source, a sequence of expressions in which `Arg` is a binary, and the bytes of `Arg`; the value
//! must be iodata and comes back as bytes. The source is compiled once and kept by its text, so ask in batches and
//! keep the text constant.
//!
//! ```ignore
//! let Some(out) = erl::ask("integer_to_binary(erlang:phash2(binary_to_term(Arg)))", &bytes) else { return };
//! ```

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The server that `erl` runs. Questions are `<<Module:32, SourceSize:32, Source, Arg>>`; with a source the module is
/// compiled first. Answers are `<<0, Bytes>>`, or `<<1, Text>>` if something went wrong.
const SERVER: &str = r#"
    P = open_port({fd, 0, 1}, [binary, {packet, 4}, eof]),
    Compile = fun(M, Source) ->
        {ok, Tokens, _} = erl_scan:string("f(Arg) -> " ++ unicode:characters_to_list(Source) ++ "."),
        {ok, Form} = erl_parse:parse_form(Tokens),
        Forms = [{attribute, 1, module, M}, {attribute, 1, compile, [export_all, nowarn_export_all]}, Form],
        {ok, M, Code} = compile:forms(Forms, [binary]),
        {module, M} = code:load_binary(M, "oracle", Code)
    end,
    Answer = fun(N, Source, Arg) ->
        M = list_to_atom("oracle_" ++ integer_to_list(N)),
        try
            byte_size(Source) > 0 andalso Compile(M, Source),
            [0, M:f(Arg)]
        catch
            C:R:S -> [1, unicode:characters_to_binary(io_lib:format("~p:~p~n~p", [C, R, S]))]
        end
    end,
    Loop = fun Loop() ->
        receive
            {P, {data, <<N:32, Size:32, Source:Size/binary, Arg/binary>>}} ->
                port_command(P, Answer(N, Source, Arg)),
                Loop();
            {P, eof} -> halt(0)
        end
    end,
    Loop().
"#;

struct Erl {
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
    known: HashMap<String, u32>,
}

static ERL: LazyLock<Option<Mutex<Erl>>> = LazyLock::new(|| {
    let started = Command::new("erl")
        .args(["-noshell", "-noinput", "+S", "1", "-kernel", "logger_level", "none", "-eval", SERVER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    match started {
        Ok(mut child) => {
            let input = child.stdin.take().expect("piped");
            let output = child.stdout.take().expect("piped");
            Some(Mutex::new(Erl { _child: child, input, output, known: HashMap::new() }))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: there is no `erl` on the PATH to judge by");
            None
        }
        Err(e) => panic!("erl did not start: {e}"),
    }
});

/// Asks `erl`; `None` only if there is none. Panics if the question fails, with Erlang's reason.
pub fn ask(source: &str, arg: &[u8]) -> Option<Vec<u8>> {
    let erl = ERL.as_ref()?;
    let mut erl = erl.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = u32::try_from(erl.known.len()).expect("few questions");
    let (number, text) = match erl.known.get(source) {
        Some(&n) => (n, ""),
        None => (fresh, source),
    };
    let mut message = Vec::with_capacity(arg.len() + text.len() + 12);
    let length = 8 + text.len() + arg.len();
    message.extend(u32::try_from(length).expect("below 4 GiB").to_be_bytes());
    message.extend(number.to_be_bytes());
    message.extend((text.len() as u32).to_be_bytes());
    message.extend(text.as_bytes());
    message.extend(arg);
    erl.input.write_all(&message).expect("erl reads");
    erl.input.flush().expect("erl reads");
    let mut length = [0; 4];
    erl.output.read_exact(&mut length).expect("erl answers");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    erl.output.read_exact(&mut answer).expect("erl answers");
    let body = answer.split_off(1);
    assert_eq!(answer, [0], "erl says: {}\nto: {source}", String::from_utf8_lossy(&body));
    erl.known.insert(source.to_owned(), number);
    Some(body)
}

/// Asks for a text.
#[allow(dead_code)]
pub fn ask_text(source: &str, arg: &[u8]) -> Option<String> {
    ask(source, arg).map(|b| String::from_utf8(b).expect("erl answers in UTF-8"))
}
