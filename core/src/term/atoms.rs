//! Atoms that the library itself speaks, with indices fixed at compile time.
//! Imports: atom.
//!
//! To add one, add a line to the list at the end; nothing else refers to the positions.

use super::atom::Atom;

macro_rules! static_atoms {
    ($($name:ident => $text:literal,)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name,)* Count }
        $(
            #[doc = concat!("`", $text, "`")]
            pub const $name: Atom = Atom(Index::$name as u32);
        )*
        /// The texts, by index.
        pub(super) static TEXTS: [&str; Index::Count as usize] = [$($text,)*];
    };
}

static_atoms! {
    UNDEFINED => "undefined",
    TRUE => "true",
    FALSE => "false",
    OK => "ok",
    ERROR => "error",
    EMPTY => "",
    NORMAL => "normal",
    KILL => "kill",
    KILLED => "killed",
    NOPROC => "noproc",
    NOCONNECTION => "noconnection",
    SHUTDOWN => "shutdown",
    UNDEF => "undef",
    TIMEOUT => "timeout",
    PROCESS => "process",
    PORT => "port",
    TIME_OFFSET => "time_offset",
    NOCATCH => "nocatch",
    GEN_CALL => "$gen_call",
    GEN_CAST => "$gen_cast",
    GEN_EVENT => "$gen_event",
    EXIT => "EXIT",
    DOWN => "DOWN",
    BADARG => "badarg",
    BADMATCH => "badmatch",
    BADARITH => "badarith",
    BADFUN => "badfun",
    BADARITY => "badarity",
    BADKEY => "badkey",
    BADMAP => "badmap",
    BADRECORD => "badrecord",
    FUNCTION_CLAUSE => "function_clause",
    CASE_CLAUSE => "case_clause",
    IF_CLAUSE => "if_clause",
    TRY_CLAUSE => "try_clause",
    SYSTEM_LIMIT => "system_limit",
    ALIAS => "alias",
    INFINITY => "infinity",
    NONODE => "nonode@nohost",
    PANIC => "panic",
    MESSAGE_QUEUE => "message_queue",
    SYSTEM => "system",
    EXIT_CLASS => "exit",
    THROW => "throw",
    REPLY => "reply",
    NOREPLY => "noreply",
    STOP => "stop",
    IGNORE => "ignore",
    START => "start",
    INIT => "init",
    TERMINATE => "terminate",
    CODE_CHANGE => "code_change",
    HANDLE_CALL => "handle_call",
    HANDLE_CAST => "handle_cast",
    HANDLE_INFO => "handle_info",
    CONTINUE => "continue",
    HIBERNATE => "hibernate",
    NODEUP => "nodeup",
    NODEDOWN => "nodedown",
    IO_REQUEST => "io_request",
    IO_REPLY => "io_reply",
    END_OF_TABLE => "$end_of_table",
    ANCESTORS => "$ancestors",
    INITIAL_CALL => "$initial_call",
    ANY => "_",
    LOCAL => "local",
    GLOBAL => "global",
    VIA => "via",
    LINK => "link",
    MONITOR => "monitor",
    ACK => "ack",
    BUSY => "busy",
    YES => "yes",
    NO => "no",
    HIGH => "high",
    LOW => "low",
    MAX => "max",
    RUNNING => "running",
    SUSPENDED => "suspended",
    WAITING => "waiting",
    ALREADY_STARTED => "already_started",
    CALLBACK_TIMEOUT => "callback_timeout",
    NIL_ATOM => "nil",
    ERLANG => "erlang",
    FUN => "fun",
}
