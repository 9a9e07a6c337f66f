-module(puppet).
-compile(export_all).
-compile(nowarn_export_all).

%% A gen_server that does what it is told, and a reader of steps. The same in Rust is `puppet.rs`.
init({Obs, What}) -> put(obs, Obs), began(What).
began(ok) -> {ok, s0};
began(trap) -> process_flag(trap_exit, true), {ok, s0};
began(W) -> told(W).

told({ret, V}) -> V;
told({error, R}) -> error(R);
told({exit, R}) -> exit(R);
told({throw, R}) -> throw(R).

handle_call(get, _, S) -> {reply, S, S};
handle_call(from, F, S) -> {reply, F, S};
handle_call({sleep, Ms}, _, S) -> timer:sleep(Ms), {reply, ok, S};
handle_call({early, R}, F, S) -> gen_server:reply(F, R), {noreply, S};
handle_call({twice, R}, F, S) -> gen_server:reply(F, R), {reply, again, S};
handle_call(keep, F, _) -> {noreply, F};
handle_call(W, _, _) -> told(W).
handle_cast({set, S}, _) -> {noreply, S};
handle_cast(answer, {Pid, Tag}) -> gen_server:reply({Pid, Tag}, kept), {noreply, answered};
handle_cast(W, _) -> told(W).
handle_info({say, M}, S) -> get(obs) ! {said, M}, {noreply, S};
handle_info({'EXIT', _, _} = M, S) -> get(obs) ! {info, M}, {noreply, S};
handle_info(timeout, S) -> get(obs) ! {info, timeout}, {noreply, S};
handle_info(W, _) -> told(W).
handle_continue({say, M}, S) -> get(obs) ! {continued, M}, {noreply, S};
handle_continue(W, _) -> told(W).
terminate(R, {raise, W}) -> get(obs) ! {terminate, R}, told(W);
terminate(R, S) -> get(obs) ! {terminate, R, S}, ok.
code_change(Old, _, {to, S}) -> {ok, {S, Old}};
code_change(_, _, {no, R}) -> {error, R};
code_change(_, _, W) -> told(W).

run(Steps) ->
    Me = self(),
    process_flag(trap_exit, true),
    {Last, Lines} = lists:foldl(fun(Step, {S, Ls}) ->
        {S1, R} = step(Step, S),
        {S1, [unicode:characters_to_binary(io_lib:format("~w", [norm(R, Me, S1)])) | Ls]}
    end, {none, []}, Steps),
    is_pid(Last) andalso begin
        M = monitor(process, Last), exit(Last, kill), receive {'DOWN', M, _, _, _} -> ok end
    end,
    lists:reverse(Lines).

step({start, Link, Name, What}, S) -> step({start, Link, Name, What, []}, S);
step({start, Link, Name, What, Opts}, S) ->
    F = case Link of link -> start_link; nolink -> start; monitor -> start_monitor end,
    Args = case Name of none -> []; _ -> [{local, Name}] end ++ [puppet, {self(), What}, Opts],
    R = try apply(gen_server, F, Args) catch C:E -> {C, E} end,
    case R of
        {ok, P} when is_pid(P) -> {P, {ok, P}};
        {ok, {P, M}} -> {P, {ok, {P, M}}};
        _ -> {S, R}
    end;
step({call, Q}, S) -> {S, tried(fun() -> gen_server:call(S, Q) end)};
step({call, Q, T}, S) -> {S, tried(fun() -> gen_server:call(S, Q, T) end)};
step({call_to, To, Q}, S) -> {S, tried(fun() -> gen_server:call(To, Q) end)};
step({cast, Q}, S) -> {S, gen_server:cast(S, Q)};
step({info, M}, S) -> S ! M, {S, ok};
step({raw, M}, S) -> S ! M, {S, ok};
step({raw_system, Q}, S) -> S ! {system, {self(), tag}, Q}, {S, ok};
step({raw_call, Tag, Q}, S) -> S ! {'$gen_call', {self(), Tag}, Q}, {S, ok};
step({sys, F}, S) -> {S, tried(fun() -> sys:F(S) end)};
step({sys, F, As}, S) -> {S, tried(fun() -> apply(sys, F, [S | As]) end)};
step({sys_to, To, F}, S) -> {S, tried(fun() -> sys:F(To) end)};
step({stop, R, T}, S) -> {S, tried(fun() -> gen_server:stop(S, R, T) end)};
step(stop, S) -> {S, tried(fun() -> gen_server:stop(S) end)};
step({stop_to, To}, S) -> {S, tried(fun() -> gen_server:stop(To) end)};
step({exit, R}, S) -> exit(S, R), {S, ok};
step({exit_stranger, R}, S) ->
    {_, M} = spawn_monitor(fun() -> exit(S, R) end), receive {'DOWN', M, _, _, _} -> ok end, {S, ok};
step({request, Q}, S) -> {S, gen_server:receive_response(gen_server:send_request(S, Q), 1000)};
step({request_to, To, Q}, S) -> {S, gen_server:receive_response(gen_server:send_request(To, Q), 1000)};
step({sleep, Ms}, S) -> timer:sleep(Ms), {S, ok};
step(alive, S) -> timer:sleep(40), {S, is_process_alive(S)};
step(flush, S) -> {S, lists:sort(flush())}.

flush() -> receive M -> [M | flush()] after 60 -> [] end.
tried(F) -> try F() catch C:R -> {C, R} end.

norm(Me, Me, _) -> me;
norm(S, _, S) when is_pid(S) -> server;
norm(P, _, _) when is_pid(P) -> pid;
norm(R, _, _) when is_reference(R) -> ref;
norm([{M, F, A, L} | _], _, _) when is_atom(M), is_atom(F), is_list(L), (is_integer(A) orelse is_list(A)) -> stack;
%% A dictionary has no order.
norm([{K, _}, {_, _}, {_, _}] = L, Me, S) when K =:= obs; K =:= '$ancestors'; K =:= '$initial_call' ->
    lists:sort([{X, norm(Y, Me, S)} || {X, Y} <- L]);
norm([H | T], Me, S) -> [norm(H, Me, S) | norm(T, Me, S)];
norm(T, Me, S) when is_tuple(T) -> list_to_tuple([norm(X, Me, S) || X <- tuple_to_list(T)]);
norm(X, _, _) -> X.
