"""Calls that wait in one pod, and answers that come to another one."""

import asyncio
import contextlib
import json

import msgspec
import pytest

from tests.proxy.clients.pausing import Exchange, accepted, scene
from tests.proxy.sessions.messaging import Talker
from tests.proxy.sessions.pods import eventually, redis_store
from vmcp_proxy.backends.errors import Category
from vmcp_proxy.clients.rounds.pausable_calls import Waiting
from vmcp_proxy.core.calls.pausing.round_state import Parked
from vmcp_proxy.core.outcomes import Denied, Invalid, Lost, RawFailure, Result, Unavailable
from vmcp_proxy.pods.legs import CHUNK_BYTES, chunks_of, decode_leg, encode_leg
from vmcp_proxy.pods.parked_calls import ParkedElsewhere
from vmcp_proxy.protocol.modern.input_required import Question
from vmcp_proxy.protocol.params import InvalidParamsError

PLAIN = Result(b'{"content":[]}', "a")


@contextlib.asynccontextmanager
async def two(server, act, ask_seconds=5.0):
    """Two pods with one endpoint: a call is begun at the first one, and goes on at the second."""
    async with Talker(redis_store(server)) as a, Talker(redis_store(server)) as b, asyncio.TaskGroup() as tasks:
        await a.reach(b)
        await b.reach(a)
        ways = [ParkedElsewhere(each.messages, tasks, ask_seconds) for each in (a, b)]
        async with (
            scene(act, pod=a.pod, elsewhere=ways[0]) as first,
            scene(act, pod=b.pod, elsewhere=ways[1]) as second,
        ):
            for way, each in zip(ways, (first, second), strict=True):
                way.serve(each.calls.go_on)
            yield first, second, a
            ways[0].end()


async def ask_once(backend, _exchange):
    answer = await backend.ask()
    return Result(json.dumps(answer["result"]).encode(), "a")


@pytest.mark.scenario("P-11")
async def test_an_answer_that_reaches_another_pod_finds_the_call(redis_server):
    async with two(redis_server, ask_once) as (first, second, _):
        asked = await first.call()
        heard = Exchange()
        assert await second.answer(asked, {"q1": accepted(a=1)}, exchange=heard) == accepted(a=1)
        assert heard.heard == [("routed", "a")]
        assert (len(first.parking), second.core.began) == (0, 0)
        assert await second.answer(asked) == Lost()


@pytest.mark.scenario("P-11", "T-4")
async def test_a_call_that_was_handed_on_is_known_by_its_tool_wherever_its_client_comes_next(redis_server):
    async def act(backend, exchange):
        exchange.called("the_tool")
        await backend.ask()
        answer = await backend.ask()
        return Result(json.dumps(answer["result"]).encode(), "a")

    async with two(redis_server, act) as (first, second, _):
        heard = Exchange()
        asked = await second.answer(await first.call(), exchange=heard)
        assert ("called", "the_tool") in heard.heard
        for pod in (second, first):
            heard = Exchange()
            last = await pod.answer(asked, exchange=heard)
            assert ("called", "the_tool") in heard.heard
            if "requestState" not in last:
                break


async def test_a_call_asks_again_wherever_its_client_comes_next(redis_server):
    async def act(backend, _exchange):
        for _ in range(3):
            await backend.ask()
        return PLAIN

    async with two(redis_server, act) as (first, second, _):
        came = await first.call()
        for each in (second, first, second):
            assert came["resultType"] == "input_required"
            came = await each.answer(came)
        assert came == {"content": []}


async def test_results_and_answers_of_any_size_go_in_parts(redis_server):
    size = 5 * CHUNK_BYTES

    async def act(backend, _exchange):
        said = (await backend.ask())["result"]["content"]["text"]
        return Result(json.dumps({"text": said[::-1]}).encode(), "a")

    async with two(redis_server, act) as (first, second, _):
        text = "0123456789" * (size // 10)
        asked = await first.call()
        assert await second.answer(asked, {"q1": accepted(text=text)}) == {"text": text[::-1]}


async def test_what_a_backend_says_meanwhile_reaches_the_client(redis_server):
    async def act(backend, exchange):
        await backend.ask()
        for number in range(5):
            await exchange.send(b"%d" % number)
        return PLAIN

    async with two(redis_server, act) as (first, second, _):
        heard, deaf = Exchange(), Exchange(takes_messages=False)
        await second.answer(await first.call(), exchange=heard)
        await second.answer(await first.call(), exchange=deaf)
    assert [text for what, text in heard.heard if what == "sent"] == [b"0", b"1", b"2", b"3", b"4"]
    assert not [each for each in deaf.heard if each[0] == "sent"]


async def test_a_pod_that_ends_gives_up_what_it_does_for_others(redis_server):
    hangs = asyncio.Event()

    async def act(backend, _exchange):
        await backend.ask()
        hangs.set()
        await asyncio.Event().wait()

    async with two(redis_server, act, ask_seconds=0.1) as (first, second, _):
        waiting = asyncio.create_task(second.answer(await first.call()))
        await hangs.wait()
        first.elsewhere.end()
        async with asyncio.timeout(30):
            assert await waiting == Lost()
        await eventually(lambda: first.core.ended == 1 and first.client.held == 0)


@pytest.mark.scenario("P-11")
async def test_a_pod_that_is_gone_is_said_to_be(redis_server):
    async with two(redis_server, ask_once) as (first, second, a):
        asked = await first.call()
        await a.stop()
        assert await second.answer(asked) == Lost()


async def test_a_pod_that_goes_while_it_is_at_it_is_missed(redis_server):
    hangs = asyncio.Event()

    async def act(backend, _exchange):
        await backend.ask()
        hangs.set()
        await asyncio.Event().wait()

    async with two(redis_server, act, ask_seconds=0.1) as (first, second, a):
        asked = await first.call()
        waiting = asyncio.create_task(second.answer(asked))
        await hangs.wait()
        await a.stop()
        async with asyncio.timeout(30):
            assert await waiting == Lost()


async def test_a_client_that_goes_away_at_one_pod_ends_the_call_at_the_other(redis_server):
    hangs = asyncio.Event()

    async def act(backend, _exchange):
        await backend.ask()
        hangs.set()
        await asyncio.Event().wait()

    async with two(redis_server, act) as (first, second, _):
        waiting = asyncio.create_task(second.answer(await first.call()))
        await hangs.wait()
        waiting.cancel()
        await eventually(lambda: first.core.ended == 1 and first.client.held == 0)


async def test_what_cannot_be_taken_is_refused_in_words_there_too(redis_server):
    async def act(backend, _exchange):
        await backend.ask()
        raise InvalidParamsError("not so")

    async with two(redis_server, act) as (first, second, _):
        assert await second.answer(await first.call()) == Invalid("not so")


QUESTION = Question("q1", "roots/list", None)


@pytest.mark.parametrize(
    "leg",
    [
        PLAIN,
        RawFailure(b'{"code":1}', "a"),
        Unavailable("a", "timeout", "too late", 7),
        Unavailable("a", "timeout", "too late", None),
        Invalid("no"),
        Lost(),
        Waiting((QUESTION, Question("q2", "elicitation/create", msgspec.Raw(b"{}"))), Parked("p" * 22, 7), "a"),
    ],
)
def test_what_comes_of_a_call_is_the_same_there(leg):
    assert decode_leg(encode_leg(leg)) == leg


def test_what_has_no_form_is_said_to_have_failed_and_what_is_unknown_is_lost():
    assert decode_leg(encode_leg(Denied())).category == Category.FAILED
    assert decode_leg(msgspec.msgpack.encode(["newer", 1])) == Lost()
    assert decode_leg(b"") == Lost()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_parts_make_the_whole(size):
    parts = [msgspec.msgpack.decode(each) for each in chunks_of("p", b"x" * size)]
    assert b"".join(part for _, _, part in parts) == b"x" * size
    assert [is_last for _, is_last, _ in parts] == [False] * (len(parts) - 1) + [True]
