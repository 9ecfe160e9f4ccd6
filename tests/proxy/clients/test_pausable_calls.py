"""Calls of clients without a session that are asked something: they wait, go on, and leave nothing behind."""

import asyncio
import gc
import weakref

import pytest

from tests.proxy.clients.pausing import (
    ALICE,
    BOB,
    Client,
    Exchange,
    accepted,
    operation,
    scene,
)
from tests.support.raw_client import eventually
from vmcp_proxy.core.calls.pausing.round_state import Flaw
from vmcp_proxy.core.outcomes import Lost, Result, Unavailable
from vmcp_proxy.core.parking import Parking
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.protocol.params import InvalidParamsError

PLAIN = Result(b'{"content":[]}', "a")


async def ask_once(backend, _exchange):
    answer = await backend.ask()
    return Result(b'{"said":"%b"}' % answer["result"]["action"].encode(), "a")


async def test_a_client_that_takes_no_questions_is_served_without_a_task_of_its_own():
    tasks = []

    async def act(backend, _exchange):
        tasks.append(asyncio.current_task())
        assert (await backend.ask())["error"]["code"] == -32601
        return PLAIN

    class Refusing(Client):
        async def ask(self, member, request, reply, tell, deadline):
            await reply(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}')

        async def say(self, message, on_drop=None):
            return None

    for capabilities in (b"{}", b'{"experimental":{}}', b'{"extensions":{"a/b":{}}}'):
        async with scene(act, client=Refusing(capabilities)) as s:
            assert await s.call() == {"content": []}
            assert tasks[-1] is asyncio.current_task()


@pytest.mark.scenario("P-3")
async def test_a_question_ends_the_request_and_the_next_one_brings_the_answer():
    async with scene(ask_once) as s:
        asked = await s.call()
        assert asked["resultType"] == "input_required"
        assert asked["inputRequests"] == {"q1": {"method": "elicitation/create", "params": {"message": "who?"}}}
        assert (len(s.parking), s.client.held) == (1, 1)
        assert await s.answer(asked) == {"said": "accept"}
        assert (len(s.parking), s.client.held, s.core.began, s.core.ended) == (0, 0, 1, 1)


async def test_what_backends_write_for_their_own_hop_stays_there():
    async def act(backend, _exchange):
        params = b'{"message":"m","_meta":{"progressToken":7,"vmcp.dev/x":1,"kept":true}}'
        await backend.ask(params)
        return PLAIN

    async with scene(act) as s:
        asked = await s.call()
        assert asked["inputRequests"]["q1"]["params"] == {"message": "m", "_meta": {"kept": True}}


async def test_a_call_may_ask_round_after_round():
    async def act(backend, _exchange):
        for number in range(3):
            answer = await backend.ask(b'{"message":"%d"}' % number)
            assert answer["result"]["content"] == {"n": number}
        return PLAIN

    async with scene(act) as s:
        came, states = await s.call(), set()
        for number in range(3):
            assert list(came["inputRequests"]) == [f"q{number + 1}"]
            states.add(came["requestState"])
            came = await s.answer(came, {f"q{number + 1}": accepted(n=number)})
        assert came == {"content": []}
        assert len(states) == 3


async def test_what_is_not_answered_is_asked_again():
    async with scene(ask_once) as s:
        came = await s.call()
        for answers in ({}, {"q9": {}}, None):
            asked, came = came, await s.answer(came, answers)
            if answers is not None:
                assert came["inputRequests"] == asked["inputRequests"]
                assert came["requestState"] != asked["requestState"]
        assert came == {"said": "accept"}


async def test_a_state_is_good_once():
    async with scene(ask_once) as s:
        asked = await s.call()
        await s.answer(asked)
        assert await s.answer(asked) == Lost()


@pytest.mark.scenario("P-12")
@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda s: {"caller": Caller(BOB, s.client, EMPTY_SNAPSHOT)}, Flaw.OTHER_CALLER),
        (lambda s: {"caller": Caller(ALICE, s.client, HeaderSnapshot([("X-Key", b"k")]))}, Flaw.OTHER_CALLER),
        (lambda _: {"name": "b_tool"}, Flaw.OTHER_REQUEST),
        (lambda _: {"arguments": {"x": 2}}, Flaw.OTHER_REQUEST),
        (lambda _: {"method": "prompts/get"}, Flaw.OTHER_REQUEST),
    ],
)
async def test_nobody_else_goes_on_with_a_call_and_it_waits_on_for_its_client(change, flaw):
    async with scene(ask_once) as s:
        asked = await s.call()
        with pytest.raises(InvalidParamsError) as refused:
            await s.answer(asked, **change(s))
        assert flaw.value in str(refused.value)
        assert await s.answer(asked, arguments={"x": 1.0}) == {"said": "accept"}


@pytest.mark.parametrize("answers", [[], "x", {"q1": 1}, {"q1": None}, {"q1": "accept"}])
async def test_answers_of_another_form_are_refused_and_the_call_waits_on(answers):
    async with scene(ask_once) as s:
        asked = await s.call()
        with pytest.raises(InvalidParamsError, match="inputResponses"):
            await s.answer(asked, answers)
        assert await s.answer(asked) == {"said": "accept"}


FORM, URL, BARE = b'{"mode":"form"}', b'{"mode":"url"}', b'{"message":"m"}'


@pytest.mark.parametrize(
    ("capabilities", "method", "params", "lack"),
    [
        (b'{"elicitation":{}}', "elicitation/create", BARE, None),
        (b'{"elicitation":{}}', "elicitation/create", FORM, None),
        (b'{"elicitation":{}}', "elicitation/create", URL, "elicitation.url"),
        (b'{"elicitation":{"form":{}}}', "elicitation/create", BARE, None),
        (b'{"elicitation":{"form":{}}}', "elicitation/create", URL, "elicitation.url"),
        (b'{"elicitation":{"url":{}}}', "elicitation/create", URL, None),
        (b'{"elicitation":{"url":{}}}', "elicitation/create", BARE, "elicitation.form"),
        (b'{"elicitation":{"form":{},"url":{}}}', "elicitation/create", URL, None),
        (b'{"sampling":{}}', "elicitation/create", BARE, "elicitation"),
        (b'{"sampling":{}}', "sampling/createMessage", b"{}", None),
        (b'{"roots":{}}', "sampling/createMessage", b"{}", "sampling"),
        (b'{"roots":{}}', "roots/list", None, None),
        (b'{"elicitation":{}}', "roots/list", None, "roots"),
        (b'{"roots":{},"experimental":{}}', "odd/method", b"{}", "odd/method"),
    ],
)
async def test_only_what_the_client_has_declared_is_asked(capabilities, method, params, lack):
    heard = []

    async def act(backend, _exchange):
        heard.append(await backend.ask(params, method))
        return PLAIN

    async with scene(act, client=Client(capabilities)) as s:
        came = await s.call()
        if lack is None:
            assert came["inputRequests"]["q1"]["method"] == method
        else:
            assert came == {"content": []}
            assert heard[0]["error"]["code"] == -32601
            assert heard[0]["error"]["message"].endswith(f"capability {lack}.")


@pytest.mark.parametrize("params", [b'{"mode":7}', b"[]"])
async def test_a_question_of_no_shape_is_refused_to_who_asks_it(params):
    async def act(backend, _exchange):
        assert (await backend.ask(params))["error"]["code"] == -32602
        return PLAIN

    async with scene(act) as s:
        assert await s.call() == {"content": []}


async def test_a_ping_is_answered_here():
    async def act(backend, _exchange):
        assert (await backend.ask(None, "ping"))["result"] == {}
        return PLAIN

    async with scene(act) as s:
        assert await s.call() == {"content": []}


async def test_questions_of_our_own_wait_like_those_of_backends():
    async def act(backend, _exchange):
        client = backend.client
        answer = await client.prompt("elicitation/create", None, client.say, backend.deadline)
        return Result(bytes(answer.result), "")

    async with scene(act) as s:
        asked = await s.call()
        assert await s.answer(asked, {"q1": accepted(a=1)}) == accepted(a=1)


async def test_the_next_request_hears_what_is_said_from_then_on_and_whose_call_it_is():
    async def act(backend, exchange):
        exchange.routed("a", None)
        await exchange.send(b"one")
        await backend.ask()
        await exchange.send(b"two")
        return PLAIN

    first, second = Exchange(), Exchange()
    async with scene(act) as s:
        asked = await s.call(first)
        await s.calls.call(
            s.caller,
            operation(inputResponses={"q1": accepted()}, requestState=asked["requestState"]),
            second,
        )
    assert first.heard == [("routed", "a"), ("sent", b"one")]
    assert second.heard == [("routed", "a"), ("sent", b"two")]


async def test_a_request_that_is_given_up_takes_its_call_with_it():
    hangs = asyncio.Event()

    async def act(backend, _exchange):
        if (await backend.ask())["result"]["action"] == "accept":
            hangs.set()
            await asyncio.Event().wait()

    async with scene(act) as s:
        asked = await s.call()
        waiting = asyncio.create_task(s.answer(asked))
        await hangs.wait()
        waiting.cancel()
        await eventually(lambda: s.client.held == 0)
        assert (len(s.parking), s.core.ended) == (0, 1)


async def test_an_answer_that_comes_while_nobody_waits_is_kept_unless_it_is_large():
    for size, kept in ((10, True), (100 << 10, False)):
        go_on = asyncio.Event()

        async def act(backend, _exchange, size=size, go_on=go_on):
            question = asyncio.create_task(backend.ask())
            await go_on.wait()
            question.cancel()
            return Result(b'{"text":"%b"}' % (b"x" * size), "a")

        async with scene(act) as s:
            asked = await s.call()
            assert asked["resultType"] == "input_required"
            go_on.set()
            await eventually(lambda s=s: s.client.held == 0)
            assert isinstance(await s.answer(asked), dict) is kept


async def test_a_holder_has_so_many_calls_waiting_and_backends_hear_that_there_is_no_room():
    async def act(backend, _exchange):
        answer = await backend.ask()
        return PLAIN if "result" in answer else Unavailable("a", "failed", answer["error"]["message"])

    async with scene(act, parking=Parking(2)) as s:
        asked = await s.call()
        crowded = await s.call()
        assert "Too many requests" in crowded.message
        assert await s.answer(asked) == {"content": []}
        assert (await s.call())["resultType"] == "input_required"


async def test_five_hundred_calls_that_nobody_comes_back_for_leave_nothing():
    clients = weakref.WeakSet()

    async def act(backend, _exchange):
        clients.add(backend.client)
        await backend.ask()

    before = len(asyncio.all_tasks())
    async with scene(act, parking=Parking(1000, 500, 1000)) as s:
        came = await asyncio.gather(*(s.call() for _ in range(500)))
        assert {each["resultType"] for each in came} == {"input_required"}
        assert (len(s.parking), s.client.held, len(clients)) == (500, 500, 500)
        s.parking.end()
        await eventually(lambda: s.client.held == 0)
        assert (len(s.parking), s.core.ended, len(asyncio.all_tasks())) == (0, 500, before)
        gc.collect()
        assert len(clients) == 0
