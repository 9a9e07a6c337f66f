%% The external term format.
-module(kb_etf).
-export([rows/0]).

rows() ->
    [{etf_encode, rate, fun encode/1},
     {etf_decode_drop, rate, fun decode_drop/1}].

term() -> [{N, foo_atom, <<"twelve bytes">>, 1.5} || N <- lists:seq(1, 2000)].

encode(Job) ->
    N = kbench:n(Job, 5000),
    Term = term(),
    Size = byte_size(term_to_binary(Term)),
    T0 = kbench:now_ns(),
    Bytes = encodes(N, Term, 0),
    Bytes = N * Size,
    megabytes(Bytes, T0).

%% The sizes are added up because the compiler removes a term_to_binary whose value nobody uses.
encodes(0, _, Bytes) -> Bytes;
encodes(N, Term, Bytes) -> encodes(N - 1, Term, Bytes + byte_size(term_to_binary(Term))).

%% Each decoded term becomes garbage at once; collecting it is part of the figure.
decode_drop(Job) ->
    N = kbench:n(Job, 2000),
    Bin = term_to_binary(term()),
    T0 = kbench:now_ns(),
    decodes(N, Bin),
    megabytes(N * byte_size(Bin), T0).

decodes(0, _) -> ok;
decodes(N, Bin) -> [_ | _] = binary_to_term(Bin), decodes(N - 1, Bin).

megabytes(Bytes, T0) ->
    {"", _, PerSecond} = kbench:rate("", "", Bytes, T0),
    [{"", "MB/s", PerSecond / 1.0e6}].
