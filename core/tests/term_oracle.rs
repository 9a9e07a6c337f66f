//! The judge itself answers, so that the other tests can trust it.

#[path = "common/erl.rs"]
mod erl;

#[test]
fn erl_answers_questions_and_keeps_them_apart() {
    let Some(out) = erl::ask_text("integer_to_list(binary_to_integer(Arg) + 1)", b"41") else { return };
    assert_eq!(out, "42");
    assert!(erl::ask_text("erlang:system_info(otp_release)", b"").unwrap().parse::<u32>().is_ok());
    assert_eq!(erl::ask_text("integer_to_list(binary_to_integer(Arg) + 1)", b"7").unwrap(), "8");
}

#[test]
fn a_question_that_fails_says_why() {
    if erl::ask("[]", b"").is_none() {
        return;
    }
    let failed = std::panic::catch_unwind(|| erl::ask("binary_to_term(Arg)", b"junk")).unwrap_err();
    let text = failed.downcast_ref::<String>().expect("a message");
    assert!(text.contains("badarg"), "{text}");
}
