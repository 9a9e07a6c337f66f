%% gen_server calls and casts.
-module(kb_call).
-behaviour(gen_server).
-export([rows/0, start/0, start_link/0, start_link_told/1, calls/2]).
-export([init/1, handle_call/3, handle_cast/2]).

rows() ->
    [{call, rate, fun(Job) -> call(Job, 0) end},
     {call_backlog10k, rate, fun(Job) -> call(Job, 10000) end},
     {call_par_64x1, rate, fun(Job) -> call_par(Job, 64, 1) end},
     {call_par_64x64, rate, fun(Job) -> call_par(Job, 64, 64) end},
     {cast, rate, fun cast/1}].

%% The server counts. A told one first tells somebody that it is up.
start() -> gen_server:start(?MODULE, count, []).
start_link() -> gen_server:start_link(?MODULE, count, []).
start_link_told(Whom) -> gen_server:start_link(?MODULE, {tell, Whom}, []).

init(count) -> {ok, 0};
init({tell, Whom}) -> Whom ! {up, self()}, {ok, 0}.
handle_call(inc, _From, Count) -> {reply, Count, Count + 1}.
handle_cast(inc, Count) -> {noreply, Count + 1}.

%% Call with the default timeout of 5 s, the caller's mailbox holding Backlog messages that match nothing.
call(Job, Backlog) ->
    N = kbench:n(Job, 500000),
    {ok, Server} = start_link(),
    [self() ! {unmatched, I} || I <- lists:seq(1, Backlog)],
    T0 = kbench:now_ns(),
    calls(N, Server),
    Figure = kbench:rate("", "calls/s", N, T0),
    gen_server:stop(Server),
    [Figure].

calls(0, _) -> ok;
calls(N, Server) -> gen_server:call(Server, inc), calls(N - 1, Server).

call_par(Job, Clients, Servers) ->
    Each = max(1, kbench:n(Job, 640000) div Clients),
    Self = self(),
    Pids = list_to_tuple([element(2, start_link()) || _ <- lists:seq(1, Servers)]),
    Callers = [spawn_link(fun() ->
                              Server = element(I rem Servers + 1, Pids),
                              receive go -> calls(Each, Server) end,
                              Self ! done
                          end) || I <- lists:seq(1, Clients)],
    T0 = kbench:now_ns(),
    [C ! go || C <- Callers],
    kbench:wait_for(Clients, done),
    Figure = kbench:rate("", "calls/s", Each * Clients, T0),
    [gen_server:stop(P) || P <- tuple_to_list(Pids)],
    [Figure].

%% A call at the end waits until every cast is handled.
cast(Job) ->
    N = kbench:n(Job, 1000000),
    {ok, Server} = start_link(),
    T0 = kbench:now_ns(),
    casts(N, Server),
    N = gen_server:call(Server, inc, infinity),
    Figure = kbench:rate("", "casts/s", N, T0),
    gen_server:stop(Server),
    [Figure].

casts(0, _) -> ok;
casts(N, Server) -> gen_server:cast(Server, inc), casts(N - 1, Server).
