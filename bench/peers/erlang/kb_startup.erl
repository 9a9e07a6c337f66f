%% The wall time of a whole `erl` that runs one expression and stops.
-module(kb_startup).
-export([rows/0]).

rows() -> [{startup, plain, fun startup/1}].

startup(_Job) ->
    Erl = os:find_executable("erl"),
    Schedulers = integer_to_list(erlang:system_info(schedulers_online)),
    Times = lists:sort([start_one(Erl, Schedulers) || _ <- lists:seq(1, 5)]),
    [{"", "ms", lists:nth(3, Times) / 1.0e6}].

start_one(Erl, Schedulers) ->
    T0 = kbench:now_ns(),
    Port = open_port({spawn_executable, Erl},
                     [exit_status, {args, ["+S", Schedulers, "-noshell", "-eval", "halt(0)."]}]),
    receive {Port, {exit_status, 0}} -> kbench:now_ns() - T0 end.
