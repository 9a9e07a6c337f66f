//! The same steps on OTP's gen_server and on ours, plain and async: every answer, message and exit reason must agree.
//! Source: C4.13, C4.15-C4.24, C4.31-C4.36, C4.40-C4.43; S3.11, S3.12, S3.14, S4.6, S4.12-S4.19, S4.25, S4.33, S4.35,
//! S5.2, S5.3, S5.8, S5.10-S5.13.

#[path = "common/erl.rs"]
#[allow(dead_code)]
mod erl;
#[path = "gen_support/fixture.rs"]
mod fixture;
#[path = "gen_support/puppet.rs"]
mod puppet;

use fixture::*;
use krarup::etf;

/// Loads the twin, runs the steps in a process of their own, gives the lines.
const ASK: &str = r#"
    {Text, Steps} = binary_to_term(Arg),
    case code:is_loaded(puppet) of
        false ->
            Parse = fun P(S, L) ->
                case erl_scan:tokens([], S, L) of
                    {done, {ok, Ts, L1}, Rest} -> {ok, F} = erl_parse:parse_form(Ts), [F | P(Rest, L1)];
                    _ -> []
                end
            end,
            {ok, puppet, Code} = compile:forms(Parse(binary_to_list(Text) ++ "\n", 1), [binary]),
            {module, puppet} = code:load_binary(puppet, "puppet.erl", Code);
        _ -> ok
    end,
    Me = self(),
    {_, Ref} = spawn_monitor(fun() -> Me ! {lines, puppet:run(Steps)} end),
    Lines = receive {lines, Ls} -> receive {'DOWN', Ref, _, _, _} -> Ls end; {'DOWN', Ref, _, _, R} -> error(R) end,
    lists:join("\n", Lines)
"#;

fn compare(steps: &str) {
    let steps = t(steps);
    let source = krarup::Term::binary(include_str!("gen_support/puppet.erl"));
    let arg = etf::encode(&tuple([source, steps.clone()]), &Default::default()).expect("plain terms");
    let theirs = erl::ask_text(ASK, &arg);
    for waiting in [false, true] {
        let node = node();
        let mut me = node.attach().unwrap();
        let ours = puppet::run(&mut me, &steps, waiting);
        if let Some(theirs) = &theirs {
            let theirs: Vec<&str> = theirs.split('\n').collect();
            for (n, (a, b)) in theirs.iter().zip(&ours).enumerate() {
                let step = steps.as_list().unwrap().iter().nth(n).unwrap();
                assert_eq!(a, b, "step {n}, {step} (async: {waiting}); OTP's is on the left");
            }
            assert_eq!(theirs.len(), ours.len());
        }
    }
}

#[test]
fn every_way_init_can_end_s4_6() {
    for linkage in ["link", "nolink", "monitor"] {
        for what in [
            "{ret,ignore}",
            "{ret,{stop,r}}",
            "{ret,{stop,normal}}",
            "{ret,{stop,shutdown}}",
            "{ret,foo}",
            "{error,r}",
            "{exit,r}",
            "{throw,r}",
            "{throw,{ok,s1}}",
            "{ret,{ok,s,-1}}",
            "{ret,{ok,s,foo}}",
            "{throw,ignore}",
        ] {
            // OTP 25 leaves the exit of a failed linked start in the mailbox; from 26 on, and here, nothing is left.
            let flush = if linkage == "link" { "" } else { ",flush" };
            compare(&format!("[{{start,{linkage},named,{what}}},{{call_to,named,get}}{flush}]"));
        }
    }
}

#[test]
fn every_return_of_handle_call_s4_15_s4_16_s4_17() {
    for what in [
        "{ret,foo}",
        "{ret,{stop,r,s1}}",
        "{ret,{stop,r,bye,s1}}",
        "{ret,{stop,normal,s1}}",
        "{ret,{stop,normal,bye,s1}}",
        "{error,r}",
        "{exit,r}",
        "{exit,normal}",
        "{throw,{reply,thr,s}}",
        "{throw,z}",
        "{ret,{reply,a,s,-1}}",
        "{ret,{reply,a,s,foo}}",
        "{ret,{noreply,s,zz}}",
        "{ret,{reply,a,s2}}",
        "{ret,{reply,a,s2,hibernate}}",
        "{ret,{reply,a,s2,infinity}}",
        "{ret,{reply,a,s2,30}}",
        "{ret,{reply,a,s2,0}}",
        "{ret,{reply,a,s2,{continue,{say,x}}}}",
        "{ret,{reply,a,s2,{continue,{ret,{stop,cc,s3}}}}}",
        "{ret,{reply,a,s2,{continue,{error,ee}}}}",
        "{ret,{stop,shutdown,s1}}",
        "{ret,{stop,{shutdown,x},s1}}",
    ] {
        for init in ["ok", "trap"] {
            compare(&format!("[{{start,link,none,{init}}},{{call,{what}}},{{call,get}},flush,alive]"));
        }
    }
}

#[test]
fn every_return_of_the_other_callbacks_s4_17() {
    for via in ["cast", "info"] {
        for what in [
            "{ret,foo}",
            "{ret,{stop,r,s1}}",
            "{ret,{stop,normal,s1}}",
            "{error,r}",
            "{exit,r}",
            "{throw,{noreply,thr}}",
            "{throw,z}",
            "{ret,{noreply,s2}}",
            "{ret,{noreply,s2,30}}",
            "{ret,{noreply,s2,0}}",
            "{ret,{noreply,s2,bad}}",
            "{ret,{noreply,s2,hibernate}}",
            "{ret,{noreply,s2,{continue,{say,x}}}}",
            "{ret,{noreply,s2,{continue,{exit,q}}}}",
            "{ret,{reply,a,s2}}",
        ] {
            compare(&format!("[{{start,link,none,ok}},{{{via},{what}}},flush,{{call,get}},flush]"));
        }
    }
}

#[test]
fn terminate_has_the_last_word_s4_17() {
    for what in ["{exit,normal}", "{exit,q}", "{error,q}", "{throw,q}", "{ret,q}"] {
        for why in ["normal", "boom", "shutdown"] {
            compare(&format!(
                "[{{start,link,none,ok}},{{cast,{{set,{{raise,{what}}}}}}},{{stop,{why},1000}},flush,alive]"
            ));
        }
    }
}

#[test]
fn exits_from_parents_strangers_and_kills_s4_17_s4_35() {
    for init in ["ok", "trap"] {
        for linkage in ["link", "nolink"] {
            for who in ["exit", "exit_stranger"] {
                for why in ["foo", "normal", "shutdown", "kill"] {
                    compare(&format!("[{{start,{linkage},none,{init}}},{{{who},{why}}},alive,flush]"));
                }
            }
        }
    }
}

#[test]
fn calls_fail_with_otps_reasons_s4_18_s4_19_s4_33() {
    compare(
        "[{call_to,nosuch,x},{call_to,{global,nosuch},x},{call_to,{via,global,nosuch},x},\
             {call_to,{nosuch,nonode@nohost},x},{call_to,{nosuch,'a@b'},x}]",
    );
    compare(
        "[{start,nolink,none,ok},{call,{sleep,150},20},{call,get},flush,\
             {call,get,infinity},{call,get,4294967295},stop,{call,x},{call,x,10},flush]",
    );
    compare("[{stop_to,nosuch},{sys_to,nosuch,get_state},{stop_to,{nosuch,nonode@nohost}}]");
    compare("[{start,nolink,named,ok},{call_to,{named,nonode@nohost},get},{stop_to,{named,nonode@nohost}},flush]");
}

#[test]
fn replies_early_late_twice_and_to_every_tag_s4_12_s4_13() {
    compare(
        "[{start,nolink,none,ok},{call,{early,a}},{call,get},\
             {raw_call,tag,get},{raw_call,{a,b},get},{raw_call,[x],get},{raw_call,\"str\",get},flush,\
             {call,keep,20},{cast,answer},flush,{call,get},{raw_call,t2,keep},{cast,answer},flush,{call,from}]",
    );
}

#[test]
fn requests_are_waited_for_later() {
    compare(
        "[{start,nolink,none,ok},{request,get},{request,{ret,{reply,a,b}}},{request,{exit,r}},{request,get},\
             {request_to,nosuch,get},{request_to,{global,x},get},{request_to,{nosuch,'a@b'},get},flush]",
    );
}

#[test]
fn timeouts_and_traffic_s4_24_s4_25_s4_26() {
    // Queued messages come before a timeout of 0.
    compare(
        "[{start,nolink,none,ok},{sys,suspend},{info,{say,a}},{info,{say,b}},{cast,{ret,{noreply,s,0}}},\
             {info,{say,c}},{sys,resume},flush]",
    );
    // A message cancels a timeout; a system message begins it anew.
    compare("[{start,nolink,none,{ret,{ok,s0,60}}},{sleep,20},{info,{say,a}},{sleep,120},flush]");
    compare("[{start,nolink,none,{ret,{ok,s0,150}}},{sleep,100},{sys,get_state},{sleep,80},alive,flush]");
    compare("[{start,nolink,none,{ret,{ok,s0,0}}},flush]");
    compare("[{start,nolink,none,{ret,{ok,s0,hibernate}}},{call,get},{sys,get_state},{call,get}]");
    compare("[{start,nolink,none,{ret,{ok,s0,{continue,{say,first}}}}},{call,get},flush]");
    compare(
        "[{start,nolink,none,ok,[{hibernate_after,10}]},{sleep,30},{call,get},{sleep,30},{call,{ret,{reply,a,b,20}}},flush]",
    );
    // A raw atom cannot be told from a timeout.
    compare("[{start,nolink,none,ok},{info,timeout},flush]");
}

#[test]
fn suspension_keeps_messages_in_order_s5_11_s5_12() {
    compare(
        "[{start,link,named,trap},{sys,suspend},{sys,suspend},{call,get,30},{cast,{set,s1}},{info,{say,a}},\
             {sys,get_state},{sys,get_status},{sys,resume},{sys,resume},{sys,get_state},flush,\
             {sys,suspend},{exit,bye},flush,alive]",
    );
    compare("[{start,link,none,ok},{raw_system,bogus},flush,{sys,change_code,[puppet,1,x]},{call,get}]");
    compare(
        "[{start,link,none,ok},{sys,suspend},{sys,change_code,[puppet,v1,{to,s9}]},{sys,get_state},\
             {sys,change_code,[puppet,{down,v1},{no,because}]},{sys,change_code,[puppet,v1,{exit,z}]},\
             {sys,change_code,[puppet,v1,{error,z}]},{sys,resume},{call,get},{sys,terminate,[bye]},flush]",
    );
    compare(
        "[{start,nolink,none,ok},{raw,{'$gen_cast',{ret,{noreply,x}}}},{cast,{set,z}},{call,{sleep,120},10},\
             {sys,get_state,[20]},{sleep,150},{sys,get_state},flush]",
    );
}

#[test]
fn the_log_of_events_s5_2_s5_3() {
    compare(
        "[{start,link,named,ok},{sys,log,[true]},{call,get},{cast,{set,s1}},{info,{say,x}},{call,{early,q}},{sys,log,[get]},\
             {sys,log,[{true,3}]},{sys,log,[get]},{cast,{set,s2}},{cast,{set,s3}},{sys,log,[get]},\
             {sys,log,[{true,0}]},{sys,log,[false]},{sys,log,[get]},{sys,statistics,[get]},\
             {sys,log_to_file,[\"/nosuch/dir/x\"]},{sys,no_debug},{call,get},\
             {sys,remove,[nothing]},{call,{ret,{stop,normal,bye,s4}}},flush]",
    );
    compare(
        "[{start,link,none,{ret,{ok,s0,{continue,{say,x}}}},[{debug,[log,foo,{log,0}]}]},{call,get},{sys,log,[get]}]",
    );
    compare(
        "[{start,link,none,ok,[{debug,[{log,2}]}]},{call,get},{call,get},{sys,log,[get]},{call,{ret,{stop,r,bye,s2}}},flush]",
    );
}

#[test]
fn get_status_is_otps_term_for_term_s5_8() {
    compare("[{start,link,named,ok},{sys,get_status},{sys,suspend},{sys,get_status},{sys,resume},{sys,get_state}]");
}

#[test]
fn start_takes_its_options_s4_5_s5_13() {
    compare("[{start,link,named,ok,[{timeout,1000}]},{start,link,named,ok},{call_to,named,get},flush]");
    compare("[{start,nolink,undefined,ok},flush]");
}

#[test]
fn events_are_written_to_a_file_in_otps_words_s5_4() {
    let long = "[{aaaaaaaaaaaaaaaaaaaaaaaa,bbbbbbbbbbbbbbbbbbbbbbbbbb,ccccccccccccccccccc,\"text\",<<\"bin\">>},1.5]";
    let path = |who: &str| {
        let name = format!("krarup_events_{who}_{}", std::process::id());
        std::env::temp_dir().join(name).to_str().unwrap().to_owned()
    };
    let steps = |file: &str| {
        t(&format!(
            "[{{start,nolink,eventful,ok}},{{sys,log_to_file,[{file:?}]}},{{cast,{{set,{long}}}}},{{info,{{say,{long}}}}},\
             {{cast,{{ret,{{noreply,s2,{{continue,{{say,x}}}}}}}}}},{{info,timeout}},{{cast,{{ret,{{noreply,s3,0}}}}}},\
             {{sleep,30}},{{sys,log_to_file,[false]}},{{info,{{say,unseen}}}},stop]"
        ))
    };
    let source = krarup::Term::binary(include_str!("gen_support/puppet.erl"));
    let arg = etf::encode(&tuple([source, steps(&path("otp"))]), &Default::default()).expect("plain terms");
    let judged = erl::ask_text(ASK, &arg).is_some();
    for waiting in [false, true] {
        let node = node();
        let mut me = node.attach().unwrap();
        puppet::run(&mut me, &steps(&path("own")), waiting);
        let ours = std::fs::read_to_string(path("own")).unwrap();
        std::fs::remove_file(path("own")).unwrap();
        assert!(ours.starts_with("*DBG* eventful got cast {set,"), "{ours}");
        if judged {
            assert_eq!(std::fs::read_to_string(path("otp")).unwrap(), ours, "OTP's file is on the left");
        }
    }
    let _ = std::fs::remove_file(path("otp"));
}
