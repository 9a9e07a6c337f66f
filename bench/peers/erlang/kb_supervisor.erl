%% Supervisors: restarts, starts, and stopping a large family.
-module(kb_supervisor).
-behaviour(supervisor).
-export([rows/0, init/1]).

rows() ->
    [{supervisor_restart, plain, fun(_) -> restart(2000) end},
     {supervisor_restart_20k, once, fun(_) -> restart(20000) end},
     {supervisor_start_child, rate, fun start_child/1},
     {supervisor_shutdown_10k, plain, fun shutdown/1}].

init({Flags, Children}) -> {ok, {Flags, Children}}.

%% A gen_server is killed; its restart is done when the new one says that it is up. The number of restarts is
%% never scaled, since each one lengthens the supervisor's history and so changes the figure.
restart(N) ->
    process_flag(trap_exit, true),
    {ok, Sup} = supervisor:start_link(?MODULE, {#{strategy => one_for_one, intensity => 1000000000, period => 1},
                                                [#{id => child, start => {kb_call, start_link_told, [self()]}}]}),
    First = receive {up, Pid} -> Pid end,
    T0 = kbench:now_ns(),
    kills(N, First),
    Figure = kbench:rate("", "restarts/s", N, T0),
    stop(Sup),
    [Figure].

kills(0, _) -> ok;
kills(N, Pid) ->
    exit(Pid, kill),
    receive {up, New} -> kills(N - 1, New) end.

start_child(Job) ->
    N = kbench:n(Job, 50000),
    Sup = family(),
    T0 = kbench:now_ns(),
    start_children(N, Sup),
    Figure = kbench:rate("", "children/s", N, T0),
    stop(Sup),
    [Figure].

%% 10,000 idle gen_servers with the default shutdown of 5 s; from the order to stop until the supervisor is gone.
shutdown(_Job) ->
    Sup = family(),
    start_children(10000, Sup),
    T0 = kbench:now_ns(),
    stop(Sup),
    [kbench:rate("", "children/s", 10000, T0)].

family() ->
    process_flag(trap_exit, true),
    {ok, Sup} = supervisor:start_link(?MODULE, {#{strategy => simple_one_for_one, intensity => 1, period => 1},
                                                [#{id => child, start => {kb_call, start_link, []},
                                                   restart => temporary, shutdown => 5000}]}),
    Sup.

start_children(0, _) -> ok;
start_children(N, Sup) -> {ok, _} = supervisor:start_child(Sup, []), start_children(N - 1, Sup).

stop(Sup) ->
    exit(Sup, shutdown),
    receive {'EXIT', Sup, shutdown} -> ok end.
