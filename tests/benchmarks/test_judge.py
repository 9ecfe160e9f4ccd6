"""What the soak takes for right, excused, crossed, lost and wrong."""

import json

from benchmarks.soak.judge import (
    ANSWER_SECONDS,
    STARVED,
    STARVED_SECONDS,
    Asked,
    Verdict,
    judge_call,
    judge_open,
    judge_status,
)
from benchmarks.soak.plan import REDIS, Fault, Outage
from benchmarks.wire import Answer

ARGUMENT, HEADER, FOREIGN = "cnry00a1q", "cnry00h2q", "cnry00h3q"
ASKED = Asked("json1", ARGUMENT, HEADER, 7, sent=20.0, answered=20.1)
BROKEN = (Outage("json1", Fault.DIE, 18.0, 19.0),)
LONG_AGO = (Outage("json1", Fault.DIE, 1.0, 2.0),)


def answer(message, status=200, **headers):
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Answer(status, fields, json.dumps({"jsonrpc": "2.0", "id": 7, **message}).encode())


def said(argument, header):
    return {"result": {"content": [{"type": "text", "text": json.dumps([argument, header])}]}}


def broken_result(backend="json1", text="it did not answer in time"):
    content = [{"type": "text", "text": text}]
    return {"result": {"content": content, "isError": True, "_meta": {"vmcp.dev/backend": backend}}}


def verdict(message, outages=(), **more):
    return judge_call(ASKED, answer(message, **more), outages).verdict


def test_an_answer_with_both_canaries_is_right():
    assert verdict(said(ARGUMENT, HEADER)) is Verdict.RIGHT


def test_a_canary_of_somebody_else_is_crossed_whatever_is_broken():
    assert verdict(said(ARGUMENT, FOREIGN), BROKEN) is Verdict.CROSSED
    assert verdict({**said(ARGUMENT, HEADER), "also": FOREIGN}) is Verdict.CROSSED


def test_what_was_seen_never_shows_a_canary():
    assert FOREIGN not in judge_call(ASKED, answer(said(ARGUMENT, FOREIGN)), ()).seen


def test_a_header_that_did_not_arrive_is_wrong():
    assert verdict(said(ARGUMENT, "")) is Verdict.WRONG


def test_an_error_is_excused_only_while_its_own_backend_is_broken():
    assert verdict(broken_result(), BROKEN) is Verdict.EXCUSED
    assert verdict(broken_result()) is Verdict.WRONG
    assert verdict(broken_result(), LONG_AGO) is Verdict.WRONG
    assert verdict(broken_result("json2"), BROKEN) is Verdict.WRONG


def test_a_backend_that_forgot_its_sessions_excuses_nothing():
    forgot = (Outage("json1", Fault.FORGET, 20.0, 20.0),)
    assert verdict(broken_result(), forgot) is Verdict.WRONG


def test_an_unknown_tool_is_excused_a_little_longer():
    over = (Outage("json1", Fault.HANG, 8.0, 12.0),)
    not_yet = broken_result(text="No tool 'json1_say' is known yet, and it may belong to: backend 'json1'")
    for unknown in ({"error": {"code": -32602, "message": "Unknown tool"}}, not_yet):
        assert verdict(unknown, over) is Verdict.EXCUSED
        assert verdict(unknown, LONG_AGO) is Verdict.WRONG
    assert verdict(broken_result(), over) is Verdict.WRONG


def test_a_wrong_answer_is_told_with_its_words_and_its_times_and_without_canaries():
    seen = judge_call(ASKED, answer(broken_result(text=f"no answer to {ARGUMENT} and {HEADER}")), ()).seen
    assert "no answer to (canary) and (canary)" in seen
    assert "sent at 20.00 s, over 0.10 s later" in seen


def test_a_status_or_an_id_that_is_not_the_calls_is_wrong():
    assert verdict(said(ARGUMENT, HEADER), BROKEN, status=404) is Verdict.WRONG
    assert verdict({**said(ARGUMENT, HEADER), "id": 8}) is Verdict.WRONG


def test_no_answer_is_lost_even_while_the_backend_is_broken():
    assert judge_call(ASKED, None, BROKEN).verdict is Verdict.LOST
    assert ANSWER_SECONDS < 10


def test_a_refused_initialize_needs_a_broken_redis_and_a_retry_time():
    away = (Outage(REDIS, Fault.DIE, 4.0, 6.0),)
    opened = answer({"result": {}}, mcp_session_id="s")
    refused = answer({"error": {}}, 503, retry_after="5")
    assert judge_open(opened, 5.0, 5.1, ()).verdict is Verdict.RIGHT
    assert judge_open(refused, 5.0, 5.1, away).verdict is Verdict.EXCUSED
    assert judge_open(refused, 50.0, 50.1, away).verdict is Verdict.WRONG
    assert judge_open(answer({"error": {}}, 503), 5.0, 5.1, away).verdict is Verdict.WRONG
    assert judge_open(answer({"result": {}}), 5.0, 5.1, ()).verdict is Verdict.WRONG


def test_other_requests_are_judged_by_their_status():
    assert judge_status("DELETE", answer({}, 204), 204).verdict is Verdict.RIGHT
    assert judge_status("DELETE", answer({}, 404), 204).verdict is Verdict.WRONG
    assert judge_status("DELETE", None, 204).verdict is Verdict.LOST


def late(backend="json1", category="timeout"):
    message = broken_result(backend)
    message["result"]["_meta"]["vmcp.dev/category"] = category
    return message


def lacking(message, seconds):
    return judge_call(ASKED, answer(message), (), lambda: seconds)


def test_a_late_answer_is_excused_only_where_there_was_no_processor_for_half_of_its_bound():
    assert lacking(late(), STARVED_SECONDS).verdict is Verdict.EXCUSED
    assert lacking(late(), STARVED_SECONDS).seen.endswith(STARVED)
    assert lacking(late(), STARVED_SECONDS - 0.01).verdict is Verdict.WRONG


def test_without_a_processor_nothing_else_is_excused():
    for message in (late("json2"), late(category="unreachable"), broken_result(), said(ARGUMENT, "")):
        assert lacking(message, 60.0).verdict is Verdict.WRONG
    assert lacking(said(ARGUMENT, FOREIGN), 60.0).verdict is Verdict.CROSSED
    assert judge_call(ASKED, None, (), lambda: 60.0).verdict is Verdict.LOST
