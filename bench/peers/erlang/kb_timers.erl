%% Timers that are set and never fire.
-module(kb_timers).
-export([rows/0]).

rows() ->
    [{timer_start_cancel, rate, fun start_cancel/1},
     {timers_1m, once, fun timers_1m/1}].

start_cancel(Job) ->
    N = kbench:n(Job, 1000000),
    T0 = kbench:now_ns(),
    pairs(N),
    [kbench:rate("", "pairs/s", N, T0)].

pairs(0) -> ok;
pairs(N) ->
    erlang:cancel_timer(erlang:start_timer(60000, self(), tick)),
    pairs(N - 1).

%% Due between one and two minutes from now, spread by a step that visits every millisecond.
%% The list of references (a cell and 4 words each) is part of the memory figure: without it none could be cancelled.
timers_1m(Job) ->
    N = kbench:n(Job, 1000000),
    erlang:garbage_collect(),
    Before = kbench:rss(),
    T0 = kbench:now_ns(),
    Timers = set(N, []),
    Set = kbench:rate(".set", "timers/s", N, T0),
    Memory = {".mem", "bytes/timer", (kbench:rss() - Before) / N},
    T1 = kbench:now_ns(),
    cancel(Timers),
    [Set, kbench:rate(".cancel", "timers/s", N, T1), Memory].

set(0, Timers) -> Timers;
set(N, Timers) -> set(N - 1, [erlang:send_after(60000 + N * 7919 rem 60000, self(), N) | Timers]).

cancel([]) -> ok;
cancel([T | Rest]) -> erlang:cancel_timer(T), cancel(Rest).
