%% Round trips of a pair, each after 1 ms of sleep, alone or beside four processes that compute without end.
-module(kb_latency).
-export([rows/0]).

rows() ->
    [{latency_idle_paced, plain, fun(Job) -> paced(Job, 0, 0) end},
     {latency_load_paced, plain, fun(Job) -> paced(Job, 4, 0) end},
     {latency_load_paced_work200us, plain, fun(Job) -> paced(Job, 4, 200) end}].

%% `due`: from the moment the sleep was due to end until the reply, so the wait to be scheduled counts.
%% Without it: from waking up until the reply.
paced(_Job, Hogs, WorkUs) ->
    Work = calibrate(WorkUs),
    HogPids = [spawn_link(fun() -> hog(I) end) || I <- lists:seq(1, Hogs)],
    Seconds = case kbench:quick() of true -> 1; false -> 2 end,
    Self = self(),
    %% A large heap from birth, so that the samples are not those of the pair's own collections.
    spawn_opt(fun() ->
                  Pair = self(),
                  Echo = spawn_link(fun() -> echo(Pair, Work) end),
                  timer:sleep(200),
                  Self ! {samples, round_trips(Echo, Work, kbench:now_ns() + Seconds * 1000000000, [], [])}
              end, [link, {min_heap_size, 1000000}]),
    {Trips, Dues} = receive {samples, S} -> S end,
    [begin unlink(P), exit(P, kill) end || P <- HogPids],
    kbench:percentiles("due_", Dues) ++ kbench:percentiles("", Trips).

round_trips(Echo, Work, End, Trips, Dues) ->
    Slept = kbench:now_ns(),
    receive after 1 -> ok end,
    Woke = kbench:now_ns(),
    compute(Work, 1),
    Echo ! ping,
    receive pong -> ok end,
    Done = kbench:now_ns(),
    Trips1 = [Done - Woke | Trips],
    Dues1 = [max(0, Done - Slept - 1000000) | Dues],
    case Done > End of
        true -> {Trips1, Dues1};
        false -> round_trips(Echo, Work, End, Trips1, Dues1)
    end.

echo(To, Work) ->
    receive ping -> compute(Work, 1), To ! pong, echo(To, Work) end.

%% How many rounds of compute/2 take this long on an idle core: the fastest of five tries.
calibrate(0) -> 0;
calibrate(Us) ->
    Rounds = 50000,
    Fastest = lists:min([begin T0 = kbench:now_ns(), compute(Rounds, 1), kbench:now_ns() - T0 end
                         || _ <- lists:seq(1, 5)]),
    max(1, Us * 1000 * Rounds div max(1, Fastest)).

compute(0, X) -> X;
compute(N, X) -> compute(N - 1, step(X)).

hog(X) -> hog(step(X)).

step(X) -> (X * 1103515245 + 12345) band 16#7fffffff.
