%% Two nodes of this machine over the loopback interface. The launcher gives them an epmd of their own.
-module(kb_dist).
-export([rows/0, echo/0]).

rows() ->
    [{dist_pingpong, plain, fun pingpong/1},
     {dist_gen_server_call, plain, fun gen_server_call/1}].

pingpong(Job) ->
    N = kbench:n(Job, 10000),
    with_node(fun(Node) ->
                  Echo = spawn_link(Node, ?MODULE, echo, []),
                  round_trips(500, Echo),
                  T0 = kbench:now_ns(),
                  round_trips(N, Echo),
                  unlink(Echo),
                  [kbench:rate("", "rt/s", N, T0)]
              end).

round_trips(0, _) -> ok;
round_trips(N, Echo) ->
    Echo ! {self(), ping},
    receive ping -> round_trips(N - 1, Echo) end.

echo() -> receive {From, Message} -> From ! Message, echo() end.

gen_server_call(Job) ->
    N = kbench:n(Job, 10000),
    with_node(fun(Node) ->
                  {ok, Server} = erpc:call(Node, kb_call, start, []),
                  kb_call:calls(500, Server),
                  T0 = kbench:now_ns(),
                  kb_call:calls(N, Server),
                  [kbench:rate("", "calls/s", N, T0)]
              end).

%% The second node ends with the function, or with this node.
with_node(F) ->
    Name = "b" ++ os:getpid() ++ "_" ++ integer_to_list(erlang:unique_integer([positive])),
    Schedulers = integer_to_list(erlang:system_info(schedulers_online)),
    {ok, Peer, Node} = peer:start_link(#{name => Name, host => "127.0.0.1", longnames => true,
                                         args => ["+S", Schedulers, "-start_epmd", "false", "-pa", filename:dirname(code:which(?MODULE)),
                                                  "-setcookie", atom_to_list(erlang:get_cookie())]}),
    pong = net_adm:ping(Node),
    Figures = F(Node),
    peer:stop(Peer),
    Figures.
