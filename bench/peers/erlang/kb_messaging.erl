%% Rows that only send and receive.
-module(kb_messaging).
-export([rows/0]).

rows() ->
    [{pingpong, rate, fun pingpong/1},
     {pingpong_cross, rate, fun pingpong_cross/1},
     {ring, rate, fun ring/1},
     {many_to_one, rate, fun many_to_one/1},
     {one_to_many, rate, fun one_to_many/1},
     {send_large_term, rate, fun send_large_term/1}].

pingpong(Job) ->
    N = kbench:n(Job, 1000000),
    Self = self(),
    Echo = spawn_link(fun() -> echo(Self) end),
    [round_trips(N, Echo)].

%% The scheduler option binds a process to one scheduler, so that each message crosses cores.
pingpong_cross(Job) ->
    2 =< erlang:system_info(schedulers_online) orelse exit(needs_two_workers),
    N = kbench:n(Job, 200000),
    Top = self(),
    spawn_opt(fun() ->
                  Self = self(),
                  Echo = spawn_opt(fun() -> echo(Self) end, [link, {scheduler, 2}]),
                  Top ! {figure, round_trips(N, Echo)}
              end, [link, {scheduler, 1}]),
    receive {figure, Figure} -> [Figure] end.

round_trips(N, Echo) ->
    T0 = kbench:now_ns(),
    ping(N, Echo),
    Figure = kbench:rate("", "rt/s", N, T0),
    unlink(Echo),
    exit(Echo, kill),
    Figure.

ping(0, _) -> ok;
ping(N, Echo) ->
    Echo ! ping,
    receive pong -> ping(N - 1, Echo) end.

echo(To) ->
    receive ping -> To ! pong, echo(To) end.

%% A number goes round 1,000 processes, one less at each.
ring(Job) ->
    Hops = kbench:n(Job, 1000000),
    Self = self(),
    First = spawn_link(fun() -> receive {next, Next} -> ring_node(Next, Self) end end),
    Second = lists:foldl(fun(_, Next) -> spawn_link(fun() -> ring_node(Next, Self) end) end,
                         First, lists:seq(2, 1000)),
    First ! {next, Second},
    T0 = kbench:now_ns(),
    First ! Hops,
    receive arrived -> ok end,
    Figure = kbench:rate("", "hops/s", Hops, T0),
    First ! stop,
    [Figure].

ring_node(Next, Top) ->
    receive
        0 -> Top ! arrived, ring_node(Next, Top);
        Hops when is_integer(Hops) -> Next ! Hops - 1, ring_node(Next, Top);
        stop -> Next ! stop
    end.

%% 16 senders, each 100,000 messages, one receiver.
many_to_one(Job) ->
    Each = kbench:n(Job, 100000),
    Self = self(),
    Receiver = spawn_link(fun() -> drain(16 * Each), Self ! done end),
    Senders = [spawn_link(fun() -> receive go -> flood(Each, Receiver) end end) || _ <- lists:seq(1, 16)],
    T0 = kbench:now_ns(),
    [S ! go || S <- Senders],
    receive done -> ok end,
    [kbench:rate("", "msgs/s", 16 * Each, T0)].

flood(0, _) -> ok;
flood(N, To) -> To ! N, flood(N - 1, To).

drain(0) -> ok;
drain(N) -> receive _ -> drain(N - 1) end.

%% One sender, 10,000 receivers, 100 rounds over all of them.
one_to_many(Job) ->
    Rounds = kbench:n(Job, 100),
    Self = self(),
    Receivers = [spawn_link(fun() -> drain(Rounds), Self ! done end) || _ <- lists:seq(1, 10000)],
    T0 = kbench:now_ns(),
    rounds(Rounds, Receivers),
    kbench:wait_for(10000, done),
    [kbench:rate("", "msgs/s", Rounds * 10000, T0)].

rounds(0, _) -> ok;
rounds(N, Receivers) -> to_all(Receivers, N), rounds(N - 1, Receivers).

to_all([P | Rest], Message) -> P ! Message, to_all(Rest, Message);
to_all([], _) -> ok.

%% A list of ten-field tuples, built anew for each message; the receiver drops it and acknowledges.
%% A tuple and its list cell take 104 bytes here: 10 of them are 1 KiB, 10,000 are 1 MiB (within 2 %).
send_large_term(Job) ->
    send_built(".1k", kbench:n(Job, 300000), 10) ++ send_built(".1m", kbench:n(Job, 400), 10000).

send_built(Suffix, N, Tuples) ->
    Self = self(),
    Receiver = spawn_link(fun() -> acknowledge(Self) end),
    T0 = kbench:now_ns(),
    send_each(N, Tuples, Receiver),
    Figure = kbench:rate(Suffix, "msgs/s", N, T0),
    unlink(Receiver),
    exit(Receiver, kill),
    [Figure].

send_each(0, _, _) -> ok;
send_each(N, Tuples, Receiver) ->
    Receiver ! {term, tuples(Tuples, N, [])},
    receive ack -> send_each(N - 1, Tuples, Receiver) end.

tuples(0, _, Acc) -> Acc;
tuples(K, I, Acc) ->
    tuples(K - 1, I + 1, [{I, I + 1, I + 2, I + 3, I + 4, I + 5, I + 6, I + 7, I + 8, I + 9} | Acc]).

acknowledge(To) ->
    receive {term, _} -> To ! ack, acknowledge(To) end.
