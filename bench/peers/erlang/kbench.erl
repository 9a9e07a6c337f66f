%% What the Erlang rows share: arguments, repetition, the printed line, clocks and memory.
%%
%%   erl +P 3000000 -noshell -pa EBIN -run kbench main ROW [--reps R] [--ops N]
%%
%% One line a figure: row, median, unit, min, max, number of repetitions, separated by tabs.
%% A row is {Name, Kind, Fun}; Fun(Job) returns [{Suffix, Unit, Value}]. Kind says how it is repeated:
%% rate (a small warm-up first), plain (no warm-up), once (only a fresh program gives a true figure).
%% Everything the rows do is written out as direct recursion: a fun called per round would be measured too.
-module(kbench).
-export([main/1, n/2, quick/0, rate/4, now_ns/0, rss/0, wait_for/2, percentiles/2]).

main(Args) ->
    logger:set_primary_config(level, none),
    case Args of
        ["list"] ->
            [io:format("~s~n", [Name]) || {Name, _, _} <- rows()],
            halt(0);
        [Row | Options] ->
            halt(run(Row, options(Options, #{reps => 3, ops => undefined, scale => 1})));
        [] ->
            usage()
    end.

usage() ->
    io:format(standard_error, "usage: kbench ROW [--reps R] [--ops N] | list~n", []),
    halt(2).

options(["--reps", R | Rest], Job) -> options(Rest, Job#{reps := positive(R)});
options(["--ops", N | Rest], Job) -> options(Rest, Job#{ops := positive(N)});
options([], Job) -> Job;
options(_, _) -> usage().

positive(Text) ->
    case string:to_integer(Text) of
        {N, []} when N > 0 -> N;
        _ -> usage()
    end.

rows() ->
    lists:append([M:rows() || M <- [kb_messaging, kb_spawn, kb_call, kb_timers, kb_latency, kb_etf,
                                    kb_startup, kb_supervisor, kb_dist]]).

run(Row, Job) ->
    case [{Kind, F} || {Name, Kind, F} <- rows(), atom_to_list(Name) =:= Row] of
        [] ->
            io:format(standard_error, "no row ~s~n", [Row]),
            2;
        [{Kind, F}] ->
            Kind =:= rate andalso maps:get(ops, Job) =:= undefined andalso in_process(F, Job#{scale := 10}),
            Reps = case Kind of once -> 1; _ -> maps:get(reps, Job) end,
            Results = [in_process(F, Job) || _ <- lists:seq(1, Reps)],
            [print(Row ++ Suffix, Unit, lists:sort([V || R <- Results, {S, _, V} <- R, S =:= Suffix]))
             || {Suffix, Unit, _} <- hd(Results)],
            0
    end.

%% Each repetition runs in a process of its own, so that none inherits a grown heap or a full mailbox.
in_process(F, Job) ->
    {Pid, Mon} = spawn_monitor(fun() -> exit({figures, F(Job)}) end),
    receive
        {'DOWN', Mon, process, Pid, {figures, Figures}} -> Figures;
        {'DOWN', Mon, process, Pid, Reason} ->
            io:format(standard_error, "failed: ~p~n", [Reason]),
            halt(1)
    end.

print(Name, Unit, Sorted) ->
    N = length(Sorted),
    Median = (lists:nth((N + 1) div 2, Sorted) + lists:nth(N div 2 + 1, Sorted)) / 2,
    io:format("~s\t~s\t~s\t~s\t~s\t~b~n",
              [Name, number(Median), Unit, number(hd(Sorted)), number(lists:last(Sorted)), N]).

number(V) when abs(V) >= 1000 -> integer_to_list(round(V));
number(V) -> float_to_list(float(V), [{decimals, 3}]).

%% How many operations a row does: what --ops says, else Full, a fifth of it if QUICK=1, less in the warm-up.
n(#{ops := N}, _Full) when is_integer(N) -> N;
n(#{scale := Scale}, Full) ->
    max(1, Full div (Scale * case quick() of true -> 5; false -> 1 end)).

quick() -> os:getenv("QUICK") =:= "1".

now_ns() -> erlang:monotonic_time(nanosecond).

%% One figure: N operations done between T0 (by now_ns/0) and now.
rate(Suffix, Unit, N, T0) -> {Suffix, Unit, N * 1.0e9 / max(1, now_ns() - T0)}.

rss() ->
    {ok, Bin} = file:read_file("/proc/self/statm"),
    [_Size, Resident | _] = binary:split(Bin, <<" ">>, [global]),
    binary_to_integer(Resident) * 4096.

wait_for(0, _) -> ok;
wait_for(N, Message) -> receive Message -> wait_for(N - 1, Message) end.

%% By nearest rank; samples in nanoseconds, figures in microseconds.
percentiles(Prefix, Samples) ->
    Sorted = lists:sort(Samples),
    N = length(Sorted),
    [{"." ++ Prefix ++ Name, "us", lists:nth(max(1, ceil(N * P)), Sorted) / 1000}
     || {Name, P} <- [{"p50", 0.5}, {"p99", 0.99}]].
