//! OTP's supervisor plays the same scenarios as our policy, and the traces are equal: starts, orders to end, replies,
//! reports, exit reasons. The validation of specifications and flags too. Source: S8.4-S8.20, S8.28, S8.35-S8.37.

#[path = "common/erl.rs"]
mod erl;
#[path = "supervisor_support/scenario.rs"]
mod scenario;
#[path = "supervisor_support/sim.rs"]
mod sim;

use krarup::Term;
use krarup::supervisor::{AutoShutdown, Flags, Init, check_childspecs};
use scenario::{How, Out, Rng, Scenario, Step};

/// Plays the scenarios in `Arg`. One line an event, an empty line between scenarios.
const PLAYER: &str = r##"
    Source = "
-module(sup_oracle).
-export([play/1, init/1, f/1, log/2]).

init(X) -> {ok, X}.

say(Format, Args) ->
    ets:insert(orc, {{line, erlang:unique_integer([monotonic])}, iolist_to_binary(io_lib:format(Format, Args))}).

log(#{level := error, msg := {report, #{label := {supervisor, L}, report := R}}}, _) when L =/= progress ->
    say(\"report ~w\", [named([{supervisor, sup} | tl(R)])]);
log(_, _) -> ok.

named(P) when is_pid(P) -> case ets:lookup(orc, P) of [{_, N, _}] -> N; [] -> '?' end;
named({sup_oracle, f, A}) -> {m, f, A};
named(T) when is_tuple(T) -> list_to_tuple(named(tuple_to_list(T)));
named([H | T]) -> [named(H) | named(T)];
named(M) when is_map(M) -> maps:map(fun(_, V) -> named(V) end, M);
named(X) -> X.

nth(N, L, Default) -> case N < length(L) of true -> lists:nth(N + 1, L); false -> Default end.

f(Id) ->
    [{_, N, Outs, Hows}] = ets:lookup(orc, {kid, Id}),
    ets:update_element(orc, {kid, Id}, {2, N + 1}),
    Out = nth(N, Outs, 'Ok'),
    say(\"start ~w ~s\", [Id, Out]),
    case Out of
        'Ignore' -> ignore;
        'Error' -> {error, no};
        'Odd' -> odd;
        _ ->
            Name = list_to_atom(atom_to_list(Id) ++ integer_to_list(N + 1)),
            S = self(),
            How = nth(N, Hows, obey),
            P = spawn_link(fun() -> process_flag(trap_exit, true), S ! {ready, self()}, loop(S, Name, How) end),
            receive {ready, P} -> ok end,
            ets:insert(orc, {P, Name, erlang:unique_integer([monotonic])}),
            case Out of 'Info' -> {ok, P, info}; 'Ok' -> {ok, P} end
    end.

loop(S, Name, How) ->
    receive
        {'EXIT', S, R} ->
            say(\"term ~w ~w\", [Name, R]),
            case How of obey -> exit(R); {other, X} -> exit(X); hang -> receive never -> ok end end;
        {die, R} -> exit(R)
    end.

alive() -> [P || {_, P} <- lists:sort([{Born, P} || {P, _, Born} <- ets:tab2list(orc), is_pid(P), is_process_alive(P)])].

play({Flags, Fixed, Kids, Simple, Steps}) ->
    process_flag(trap_exit, true),
    ets:new(orc, [named_table, public, ordered_set]),
    [ets:insert(orc, {{kid, Id}, 0, Outs, Hows}) || {#{id := Id}, Outs, Hows} <- Kids],
    Specs = [S#{start := {sup_oracle, f, [Id]}} || {#{id := Id} = S, _, _} <- Kids],
    case supervisor:start_link(sup_oracle, {Flags, lists:sublist(Specs, Fixed)}) of
        {ok, S} -> say(\"ready\", []), steps(Steps, S, Specs, Simple);
        {error, R} -> receive {'EXIT', _, R} -> say(\"exit ~w\", [R]) end
    end,
    Lines = [L || {{line, _}, L} <- ets:tab2list(orc)],
    ets:delete(orc),
    Lines.

steps([Step | Steps], S, Specs, Simple) ->
    Id = fun(I) -> maps:get(id, lists:nth(I + 1, Specs)) end,
    Oldest = case alive() of [First | _] -> First; [] -> Id(0) end,
    Ask = fun(What, Arg) -> reply(catch supervisor:What(S, Arg), Simple) end,
    case Step of
        {die, All} ->
            sys:suspend(S),
            [case alive() of
                 [] -> ok;
                 L ->
                     P = lists:nth(I rem length(L) + 1, L),
                     say(\"dies ~w ~w\", [named(P), R]),
                     M = monitor(process, P),
                     P ! {die, R},
                     receive {'DOWN', M, _, _, _} -> ok end
             end || {I, R} <- All],
            sys:resume(S);
        which -> reply(catch supervisor:which_children(S), Simple);
        count -> reply(catch supervisor:count_children(S), Simple);
        {start, _} when Simple -> Ask(start_child, []);
        {start, I} -> Ask(start_child, lists:nth(I + 1, Specs));
        {terminate, _} when Simple -> Ask(terminate_child, Oldest);
        {terminate, I} -> Ask(terminate_child, Id(I));
        {restart, I} -> Ask(restart_child, Id(I));
        {delete, I} -> Ask(delete_child, Id(I));
        {spec, I} -> Ask(get_childspec, Id(I));
        {parent, R} -> exit(S, R), receive {'EXIT', S, R} -> self() ! {'EXIT', S, R} end
    end,
    case quiet(S) of
        ok -> steps(Steps, S, Specs, Simple);
        gone -> receive {'EXIT', S, R2} -> say(\"exit ~w\", [R2]) end
    end.

reply({'EXIT', R}, _) -> say(\"crash ~w\", [R]);
reply(R, true) when is_list(R) -> say(\"reply ~w\", [lists:sort(named(R))]);
reply(R, _) -> say(\"reply ~w\", [named(R)]).

quiet(S) ->
    case catch supervisor:which_children(S) of
        {'EXIT', _} -> gone;
        L -> case lists:keymember(restarting, 2, L) of true -> quiet(S); false -> ok end
    end.
",
    case code:is_loaded(sup_oracle) of
        false ->
            {ok, Tokens, _} = erl_scan:string(Source),
            Split = fun Split([], [], Forms) -> lists:reverse(Forms);
                        Split([{dot, _} = D | Rest], Form, Forms) ->
                            {ok, F} = erl_parse:parse_form(lists:reverse([D | Form])),
                            Split(Rest, [], [F | Forms]);
                        Split([T | Rest], Form, Forms) -> Split(Rest, [T | Form], Forms)
                    end,
            {ok, Mod, Code} = compile:forms(Split(Tokens, [], []), [binary]),
            {module, Mod} = code:load_binary(Mod, "oracle", Code),
            logger:remove_handler(default),
            logger:set_primary_config(level, error),
            logger:add_handler(sup_oracle, sup_oracle, #{});
        _ -> ok
    end,
    {ok, ArgTokens, _} = erl_scan:string(unicode:characters_to_list(Arg) ++ "."),
    {ok, Scenarios} = erl_parse:parse_term(ArgTokens),
    lists:join("\n\n", [lists:join("\n", apply(sup_oracle, play, [S])) || S <- Scenarios])
"##;

fn for_erl(s: &Scenario) -> String {
    let kids: Vec<String> = s
        .kids
        .iter()
        .map(|k| {
            let outs: Vec<String> = k.outs.iter().map(|o| format!("'{o:?}'")).collect();
            let hows: Vec<String> = k
                .hows
                .iter()
                .map(|h| match h {
                    How::Obey => "obey".to_owned(),
                    How::Other(r) => format!("{{other,{r}}}"),
                    How::Hang => "hang".to_owned(),
                })
                .collect();
            format!("{{{},[{}],[{}]}}", k.spec().to_term(), outs.join(","), hows.join(","))
        })
        .collect();
    let steps: Vec<String> = s
        .steps
        .iter()
        .map(|step| match step {
            Step::Die(all) => {
                let all: Vec<String> = all.iter().map(|(i, r)| format!("{{{i},{r}}}")).collect();
                format!("{{die,[{}]}}", all.join(","))
            }
            Step::Which => "which".into(),
            Step::Count => "count".into(),
            Step::Start(i) => format!("{{start,{i}}}"),
            Step::Terminate(i) => format!("{{terminate,{i}}}"),
            Step::Restart(i) => format!("{{restart,{i}}}"),
            Step::Delete(i) => format!("{{delete,{i}}}"),
            Step::Spec(i) => format!("{{spec,{i}}}"),
            Step::Parent(r) => format!("{{parent,{r}}}"),
            Step::Pass(_) => unreachable!("a BEAM's clock cannot be moved"),
        })
        .collect();
    let f = &s.flags;
    format!(
        "{{#{{strategy => {},intensity => {},period => {},auto_shutdown => {}}},{},[{}],{},[{}]}}",
        Term::from(f.strategy),
        f.intensity,
        f.period,
        Term::from(f.auto_shutdown),
        s.fixed,
        kids.join(","),
        s.is_simple(),
        steps.join(",")
    )
}

#[test]
fn otp_plays_the_same_scenarios_alike() {
    let first = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
    });
    println!("KRARUP_SEED={first}");
    let mut r = Rng(first);
    for _ in 0..20 {
        let batch: Vec<(u64, Scenario)> = (0..50)
            .map(|_| {
                let seed = r.next();
                let mut s = Scenario::random(seed, false);
                if s.is_simple() {
                    // OTP's supervisor keeps an entry `undefined` for a child that ignores its restart, and crashes
                    // over it when it ends.
                    s.kids[0].outs.iter_mut().filter(|o| **o == Out::Ignore).for_each(|o| *o = Out::Ok);
                }
                (seed, s)
            })
            .collect();
        let arg: Vec<String> = batch.iter().map(|(_, s)| for_erl(s)).collect();
        let Some(answer) = erl::ask_text(PLAYER, format!("[{}]", arg.join(",")).as_bytes()) else { return };
        let traces: Vec<&str> = answer.split("\n\n").collect();
        assert_eq!(traces.len(), batch.len());
        for ((seed, s), theirs) in batch.iter().zip(traces) {
            let theirs = sim::tidy(theirs.lines().map(str::to_owned).collect());
            let ours: Vec<String> =
                sim::play(s).iter().map(|l| l.replace(" => ", "=>").replace("=>", " => ")).collect();
            let theirs: Vec<String> = theirs.iter().map(|l| l.replace(" => ", "=>").replace("=>", " => ")).collect();
            if ours != theirs {
                let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
                panic!(
                    "seed {seed}: the traces part at line {at}\nours: {:#?}\nOTP:  {:#?}\nbefore: {:#?}\n{s:#?}",
                    &ours[at..],
                    &theirs[at..],
                    &ours[..at],
                );
            }
        }
    }
}

/// Parts of specifications, right and wrong.
fn random_spec(r: &mut Rng) -> String {
    if r.one_in(12) {
        return r
            .pick(&[
                "x",
                "{a,b}",
                "#{}",
                "[]",
                "{a,{m,f,[]},permanent,1,worker}",
                "{a,{m,f,[]},permanent,1,worker,[m]}",
            ])
            .into();
    }
    let parts: [(&str, &[&str]); 7] = [
        ("id", &["a", "b", "1", "{x,y}", "undefined"]),
        ("start", &["{m,f,[]}", "{m,f,[]}", "{m,f,[]}", "{m,f,[1|2]}", "x", "{m,f}", "{1,f,[]}", "{m,f,x}"]),
        ("restart", &["permanent", "transient", "temporary", "x"]),
        ("significant", &["true", "false", "x"]),
        ("shutdown", &["brutal_kill", "infinity", "0", "5000", "-1", "x", "1.5", "100000000000000000000"]),
        ("type", &["worker", "supervisor", "x"]),
        ("modules", &["[m]", "dynamic", "[]", "x", "[m,1]"]),
    ];
    let mut all = Vec::new();
    for (i, (key, values)) in parts.iter().enumerate() {
        if i < 2 && !r.one_in(8) || r.one_in(3) {
            all.push(format!("{key} => {}", r.pick(values)));
        }
    }
    format!("#{{{}}}", all.join(","))
}

#[test]
fn specifications_are_judged_in_otps_words() {
    let mut r = Rng(20);
    let lists: Vec<String> = (0..3000)
        .map(|i| match i % 40 {
            0 => "x".into(),
            _ => format!("[{}]", (0..r.below(3) + 1).map(|_| random_spec(&mut r)).collect::<Vec<_>>().join(",")),
        })
        .collect();
    let autos = ["undefined", "never", "any_significant", "all_significant"];
    let question = r#"
        {ok, T, _} = erl_scan:string(unicode:characters_to_list(Arg) ++ "."),
        {ok, L} = erl_parse:parse_term(T),
        lists:join("\n", [io_lib:format("~w", [supervisor:check_childspecs(S, A)]) || {S, A} <- L])
    "#;
    let arg: Vec<String> = lists.iter().enumerate().map(|(i, l)| format!("{{{l},{}}}", autos[i % 4])).collect();
    let Some(answer) = erl::ask_text(question, format!("[{}]", arg.join(",")).as_bytes()) else { return };
    let mut oks = 0;
    for (i, (list, want)) in lists.iter().zip(answer.lines()).enumerate() {
        let auto = AutoShutdown::from_term(&sim::term(autos[i % 4])).ok();
        let got = match check_childspecs(&sim::term(list), auto) {
            Ok(()) => "ok".to_owned(),
            Err(e) => format!("{{error,{e}}}"),
        };
        oks += usize::from(got == "ok");
        assert_eq!(
            got.replace("=>", " => ").replace("  ", " "),
            want.replace("=>", " => ").replace("  ", " "),
            "{list}, {}",
            autos[i % 4]
        );
    }
    assert!(oks > 150, "most are wrong: {oks}");
}

#[test]
fn flags_are_judged_in_otps_words() {
    let mut r = Rng(21);
    let mut flag = || match r.below(6) {
        0 => r.pick(&["x", "{one_for_one,1}", "{one_for_one,1,1,1}", "[]"]).to_owned(),
        1 => {
            format!("{{{},{},{}}}", r.pick(&["one_for_all", "x"]), r.pick(&["0", "-1", "a"]), r.pick(&["1", "0", "b"]))
        }
        _ => {
            let parts: [(&str, &[&str]); 4] = [
                ("strategy", &["one_for_one", "rest_for_one", "x"]),
                ("intensity", &["0", "3", "-1", "1.0", "99999999999999999999"]),
                ("period", &["1", "3600", "0", "x"]),
                ("auto_shutdown", &["never", "any_significant", "all_significant", "x"]),
            ];
            let mut all = Vec::new();
            for (key, values) in parts {
                if r.one_in(2) {
                    all.push(format!("{key} => {}", r.pick(values)));
                }
            }
            format!("#{{{}}}", all.join(","))
        }
    };
    let all: Vec<String> = (0..400).map(|_| flag()).collect();
    let question = r#"
        {ok, T, _} = erl_scan:string(unicode:characters_to_list(Arg) ++ "."),
        {ok, L} = erl_parse:parse_term(T),
        F = fun(Flags) ->
            case supervisor:init({self, sup_oracle_flags, {Flags, []}}) of {ok, _} -> ok; {stop, R} -> R end
        end,
        {ok, sup_oracle_flags, Code} = compile:forms([{attribute,1,module,sup_oracle_flags},
            {attribute,1,export,[{init,1}]},
            {function,1,init,1,[{clause,1,[{var,1,'X'}],[],[{tuple,1,[{atom,1,ok},{var,1,'X'}]}]}]}], [binary]),
        code:load_binary(sup_oracle_flags, "oracle", Code),
        lists:join("\n", [io_lib:format("~w", [F(X)]) || X <- L])
    "#;
    let Some(answer) = erl::ask_text(question, format!("[{}]", all.join(",")).as_bytes()) else { return };
    for (flags, want) in all.iter().zip(answer.lines()) {
        let got = match Init::from_term(&sim::term(flags), &Term::nil()) {
            Ok(_) => "ok".to_owned(),
            Err(e) => e.to_string(),
        };
        assert_eq!(got.replace(" => ", "=>"), want.replace(" => ", "=>"), "{flags}");
    }
    assert_eq!(Flags::from_term(&sim::term("#{}")).unwrap(), Flags::default());
}
