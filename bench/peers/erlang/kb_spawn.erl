%% Rows about births and deaths.
-module(kb_spawn).
-export([rows/0]).

rows() ->
    [{spawn_exit, rate, fun spawn_exit/1},
     {monitor_down, rate, fun monitor_down/1},
     {link_exit, rate, fun link_exit/1},
     {spawn_live_mem, once, fun spawn_live_mem/1}].

%% The last exit is seen by polling the process count, at most a millisecond late.
spawn_exit(Job) ->
    N = kbench:n(Job, 1000000),
    Before = erlang:system_info(process_count),
    T0 = kbench:now_ns(),
    spawn_empty(N),
    wait_count(Before),
    [kbench:rate("", "procs/s", N, T0)].

spawn_empty(0) -> ok;
spawn_empty(N) -> spawn(fun() -> ok end), spawn_empty(N - 1).

wait_count(Goal) ->
    case erlang:system_info(process_count) of
        Count when Count =< Goal -> ok;
        _ -> timer:sleep(1), wait_count(Goal)
    end.

monitor_down(Job) ->
    N = kbench:n(Job, 300000),
    T0 = kbench:now_ns(),
    monitored(N),
    [kbench:rate("", "procs/s", N, T0)].

monitored(0) -> ok;
monitored(N) ->
    {Pid, Mon} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Mon, process, Pid, normal} -> monitored(N - 1) end.

link_exit(Job) ->
    N = kbench:n(Job, 300000),
    process_flag(trap_exit, true),
    T0 = kbench:now_ns(),
    linked(N),
    [kbench:rate("", "procs/s", N, T0)].

linked(0) -> ok;
linked(N) ->
    Pid = spawn_link(fun() -> exit(boom) end),
    receive {'EXIT', Pid, boom} -> linked(N - 1) end.

%% The list of pids (16 bytes a process) is part of the figure.
spawn_live_mem(Job) ->
    N = kbench:n(Job, 1000000),
    erlang:garbage_collect(),
    Before = kbench:rss(),
    T0 = kbench:now_ns(),
    Pids = spawn_idle(N, []),
    Rate = kbench:rate(".spawn_rate", "procs/s", N, T0),
    timer:sleep(300),
    After = kbench:rss(),
    N = length(Pids),
    [{"", "bytes/proc", (After - Before) / N}, Rate].

spawn_idle(0, Pids) -> Pids;
spawn_idle(N, Pids) -> spawn_idle(N - 1, [spawn(fun() -> receive stop -> ok end end) | Pids]).
