%% Plays the random programs on a real Erlang. A question is a term, so is the answer; see beam.rs.
-module(puppet).
-export([main/0]).

main() ->
    Port = open_port({fd, 0, 1}, [binary, {packet, 4}, eof]),
    serve(Port, {[], #{}, #{}}).

serve(Port, State) ->
    receive
        {Port, {data, Bytes}} ->
            {Answer, State1} = handle(binary_to_term(Bytes), State),
            port_command(Port, term_to_binary(Answer)),
            serve(Port, State1);
        {Port, eof} ->
            halt(0)
    end.

%% State: {Pids by birth, Monitors, Reasons of the dead}.
handle({start, N}, {Old, Monitors, _}) ->
    [exit(P, kill) || P <- Old],
    maps:foreach(fun(M, _) -> receive {'DOWN', M, process, _, _} -> ok end end, Monitors),
    Coordinator = self(),
    State = lists:foldl(fun(_, S) -> watch(spawn(fun() -> puppet(Coordinator) end), S) end,
                        {[], #{}, #{}}, lists:seq(1, N)),
    {{self(), element(1, State)}, State};
handle({step, Commands, Names}, State) ->
    [P ! {'$do', self(), Actions} || {P, Actions} <- Commands],
    {Results, State1} = collect([P || {P, _} <- Commands], #{}, State),
    {Seen, State2} = settle(State1),
    InOrder = [maps:get(P, Results, none) || {P, _} <- Commands],
    {{InOrder, element(1, State2), Seen, [whereis(N) || N <- Names]}, State2};
handle({look, Names}, State) ->
    {Seen, State1} = settle(State),
    {{[], element(1, State1), Seen, [whereis(N) || N <- Names]}, State1}.

watch(Pid, {Pids, Monitors, Dead}) ->
    {Pids ++ [Pid], Monitors#{erlang:monitor(process, Pid) => Pid}, Dead}.

note_down(M, Reason, {Pids, Monitors, Dead}) ->
    {Pid, Rest} = maps:take(M, Monitors),
    {Pid, {Pids, Rest, Dead#{Pid => Reason}}}.

collect([], Results, State) ->
    {Results, State};
collect(Waiting, Results, State) ->
    receive
        {'$born', Pid} ->
            collect(Waiting, Results, watch(Pid, State));
        {'$done', Pid, R} ->
            collect(lists:delete(Pid, Waiting), Results#{Pid => R}, State);
        {'DOWN', M, process, _, Reason} ->
            {Pid, State1} = note_down(M, Reason, State),
            collect(lists:delete(Pid, Waiting), Results, State1)
    end.

%% Nothing moves any more when two looks at everybody see the same.
settle(State) ->
    {A, State1} = look(State),
    erlang:yield(),
    case look(State1) of
        {A, State2} -> {A, State2};
        {_, State2} -> settle(State2)
    end.

look({Pids, _, _} = State) ->
    lists:mapfoldl(fun look/2, State, Pids).

look(Pid, {_, _, Dead} = State) ->
    case Dead of
        #{Pid := Reason} ->
            {{dead, Reason}, State};
        _ ->
            Items = [trap_exit, registered_name, links, monitors, monitored_by, messages],
            case process_info(Pid, Items) of
                undefined ->
                    await(Pid, State);
                [{_, Trap}, {_, Name}, {_, Links}, {_, Monitors}, {_, MonitoredBy}, {_, Messages}] ->
                    {{alive, Trap, Name, lists:sort(Links), lists:sort(Monitors), lists:sort(MonitoredBy), Messages}, State}
            end
    end.

await(Pid, State) ->
    receive
        {'DOWN', M, process, Pid, Reason} ->
            {_, State1} = note_down(M, Reason, State),
            {{dead, Reason}, State1}
    end.

puppet(Coordinator) ->
    receive
        {'$do', Coordinator, Actions} ->
            case burst(Actions, [], Coordinator, #{}) of
                return -> ok;
                Results ->
                    Coordinator ! {'$done', self(), lists:reverse(Results)},
                    puppet(Coordinator)
            end
    end.

burst([], Results, _, _) ->
    Results;
burst([return | _], _, _, _) ->
    return;
burst([Action | Rest], Results, C, Env) ->
    {Result, Env1} = act(Action, C, Env),
    burst(Rest, [Result | Results], C, Env1).

%% What was made in this burst is known by number: {new, Key}. A reference that its maker did not live to tell of is
%% nobody's.
v({new, Key}, Env) -> case Env of #{Key := V} -> V; _ -> make_ref() end;
v(X, _) -> X.

act({spawn, Slot, Link, Monitor}, C, Env) ->
    Link1 = [link || Link],
    {Key, Opts} = case Monitor of
        none -> {none, Link1};
        {K, O} -> {K, [{monitor, O} | Link1]}
    end,
    case spawn_opt(fun() -> puppet(C) end, Opts) of
        {Pid, Ref} -> C ! {'$born', Pid}, {Ref, Env#{{slot, Slot} => Pid, Key => Ref}};
        Pid -> C ! {'$born', Pid}, {ok, Env#{{slot, Slot} => Pid}}
    end;
act({monitor, What, Key, Opts}, _, Env) ->
    Ref = erlang:monitor(process, v(What, Env), Opts),
    {Ref, Env#{Key => Ref}};
act({alias, Key, Opts}, _, Env) ->
    Ref = alias(Opts),
    {Ref, Env#{Key => Ref}};
act({link, To, Caught}, _, Env) -> {caught(Caught, fun() -> link(v(To, Env)), ok end), Env};
act({unlink, To}, _, Env) -> true = unlink(v(To, Env)), {ok, Env};
act({demonitor, Ref, false}, _, Env) -> {demonitor(v(Ref, Env), [info]), Env};
act({demonitor, Ref, true}, _, Env) -> {demonitor(v(Ref, Env), [info, flush]), Env};
act({unalias, Ref}, _, Env) -> {unalias(v(Ref, Env)), Env};
act({send, To, M, Caught}, _, Env) -> {caught(Caught, fun() -> v(To, Env) ! M, ok end), Env};
act({look, To, Ref, From, N}, _, Env) -> v(To, Env) ! {look, v(Ref, Env), From, N, x}, {ok, Env};
act({register, Name, P, Caught}, _, Env) -> {caught(Caught, fun() -> register(Name, v(P, Env)), ok end), Env};
act({unregister, Name, Caught}, _, Env) -> {caught(Caught, fun() -> unregister(Name), ok end), Env};
act({whereis, Name}, _, Env) -> {whereis(Name), Env};
act({is_alive, P}, _, Env) -> {is_process_alive(v(P, Env)), Env};
act({exit, To, Reason}, _, Env) -> true = exit(v(To, Env), Reason), {ok, Env};
act({exit, Reason}, _, _) -> exit(Reason);
act({error, Reason}, _, _) -> error(Reason);
act({throw, Value}, _, _) -> throw(Value);
act({trap, On}, _, Env) -> {process_flag(trap_exit, On), Env};
act(drain, _, Env) -> {drain(), Env};
act({'receive', N}, _, Env) -> {receive {m, _, N} -> true after 0 -> false end, Env};
act(yield, _, Env) -> erlang:yield(), {ok, Env}.

drain() ->
    receive M -> [M | drain()] after 0 -> [] end.

caught(false, F) -> F();
caught(true, F) -> try F() catch error:R -> {error, R} end.
