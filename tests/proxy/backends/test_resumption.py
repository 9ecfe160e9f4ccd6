"""Streams with event ids that end too early are taken up again; a call is never sent twice for that."""

import asyncio
import itertools
import json

import pytest

from tests.proxy.backends.helpers import CLIENT_HEADERS, HELLO, Recorder, call, streamable
from tests.support.raw_client import eventually
from tests.support.raw_server import HangUp, RawServer, answer_to, event, notification
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError

PROMPTLY = 150


def server(on_call, on_get=None):
    """A server whose `tools/call` and GET are scripted."""

    async def handle(asked):
        if asked.verb == "GET":
            if on_get is None:
                await asked.status(405)
            else:
                await on_get(asked)
        elif asked.method == "initialize":
            await asked.result(HELLO, mcp_session_id="s-1")
        elif asked.method == "tools/call":
            await on_call(asked)
        else:
            await asked.status(202)

    return RawServer(handle)


def break_off(*events):
    async def handle(asked):
        await asked.events(*events, ends=False)
        raise HangUp

    return handle


def end(*events):
    async def handle(asked):
        await asked.events(*events)

    return handle


def rest(*texts):
    """What a GET brings, by turns: an answer to the first call, or nothing for None."""
    turns = iter(texts)

    async def handle(asked):
        text = next(turns)
        await asked.events(*([] if text is None else [event(answer_to(1, text), id=b"last")]))

    return handle


@pytest.mark.scenario("P-10", "B-2")
@pytest.mark.parametrize("ending", [end, break_off], ids=["ends", "breaks"])
async def test_a_stream_that_is_over_before_the_answer_goes_on_behind_its_last_event(ending):
    priming = event(id=b"e1", retry=PROMPTLY)
    step = event(notification("notifications/progress", progressToken=1, progress=1), id=b"e2")
    back = server(ending(priming, step), rest("late"))
    receiver = Recorder()
    async with streamable(back) as session:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await call(session, receiver) == "late"
        assert loop.time() - began >= PROMPTLY / 1000
        (again,) = back.of("GET")
        assert again.headers["last-event-id"] == b"e2"
        assert again.headers["mcp-session-id"] == b"s-1"
        assert again.headers["mcp-protocol-version"] == b"2025-11-25"
        assert again.headers["x-api-key"] == b"canary"
        assert len(back.of("POST", "tools/call")) == 1
    assert receiver.methods == ["notifications/progress"]


@pytest.mark.scenario("P-10")
@pytest.mark.parametrize("event_id", [b"a b", "é☂".encode(), b"\xff\x01;,=", b"x" * 4000, b'"', b"0"])
async def test_an_event_id_comes_back_byte_for_byte(event_id):
    back = server(end(event(id=event_id, retry=PROMPTLY)), rest("late"))
    async with streamable(back) as session:
        assert await call(session) == "late"
    assert back.of("GET")[0].headers["last-event-id"] == event_id


@pytest.mark.scenario("P-10")
async def test_a_stream_that_is_closed_again_and_again_is_followed_to_its_end():
    turns = itertools.count(2)

    async def poll(asked):
        number = next(turns)
        more = [event(answer_to(1, "late"))] if number == 5 else []
        await asked.events(event(id=b"e%d" % number, retry=PROMPTLY), *more)

    back = server(end(event(id=b"e1", retry=PROMPTLY)), poll)
    async with streamable(back) as session:
        assert await call(session) == "late"
    assert [each.headers["last-event-id"] for each in back.of("GET")] == [b"e1", b"e2", b"e3", b"e4"]


@pytest.mark.scenario("B-2")
@pytest.mark.parametrize(
    "events",
    [
        (),
        (event(notification("notifications/x")),),
        (event(id=b"e1"), event(id=b"")),
        (event(id=b"x" * 5000),),
    ],
    ids=["nothing", "no id", "id taken back", "id too long"],
)
@pytest.mark.parametrize("ending", [end, break_off], ids=["ends", "breaks"])
async def test_a_stream_without_an_id_fails_its_call_and_sends_nothing_again(events, ending):
    back = server(ending(*events), rest("late"))
    async with streamable(back) as session:
        with pytest.raises(BackendError) as failed:
            await call(session)
        assert type(failed.value) is BackendError
        assert failed.value.category is Category.FAILED
        assert not back.of("GET")
        assert len(back.of("POST", "tools/call")) == 1


@pytest.mark.scenario("B-2")
@pytest.mark.parametrize(
    ("status", "category"),
    [(405, "failed"), (404, "failed"), (400, "failed"), (401, "auth"), (500, "failed")],
)
async def test_a_server_that_does_not_give_the_rest_fails_the_call_which_is_not_sent_again(status, category):
    async def refuse(asked):
        await asked.status(status)

    back = server(end(event(id=b"e1", retry=PROMPTLY)), refuse)
    async with streamable(back) as session:
        with pytest.raises(BackendError) as failed:
            await call(session)
        assert not isinstance(failed.value, SessionLostError)
        assert failed.value.category == category
        assert len(back.of("GET")) == 1
        assert len(back.of("POST", "tools/call")) == 1


@pytest.mark.scenario("P-10")
async def test_a_server_that_is_away_for_a_moment_is_asked_again():
    turns = iter(["hang up", "busy", "answer"])

    async def come_back(asked):
        turn = next(turns)
        if turn == "hang up":
            raise HangUp
        if turn == "busy":
            await asked.status(503)
        else:
            await asked.events(event(answer_to(1, "late")))

    back = server(break_off(event(id=b"e1", retry=PROMPTLY)), come_back)
    async with streamable(back) as session:
        assert await call(session) == "late"
    assert [each.headers["last-event-id"] for each in back.of("GET")] == [b"e1"] * 3


@pytest.mark.scenario("B-3")
async def test_waiting_for_the_rest_counts_against_the_call_and_is_cancelled_upstream():
    back = server(end(event(id=b"e1", retry=60_000)), rest("late"))
    async with streamable(back) as session, asyncio.timeout(30):
        with pytest.raises(BackendError) as failed:
            await call(session, seconds=0.3)
        assert failed.value.category is Category.TIMEOUT
        await eventually(lambda: back.of("POST", "notifications/cancelled"))
        assert back.of("POST", "notifications/cancelled")[0].message["params"]["requestId"] == 1
        assert not back.of("GET")


async def test_a_question_on_the_resumed_stream_is_answered_in_the_session():
    async def ask(asked):
        await asked.events(event({"jsonrpc": "2.0", "id": " q\\u00e9", "method": "roots/list"}, id=b"e2"), ends=False)
        await eventually(lambda: any('"result"' in each.body.decode() for each in back.of("POST")))
        await asked.send(event(answer_to(1, "late")))
        raise HangUp

    class Answering(Recorder):
        async def on_request(self, request, reply):
            await super().on_request(request, reply)
            await reply(b'{"jsonrpc":"2.0","id":%b,"result":{"roots":[]}}' % request.id)

    back = server(end(event(id=b"e1", retry=PROMPTLY)), ask)
    receiver = Answering()
    async with streamable(back) as session:
        assert await call(session, receiver) == "late"
        (reply,) = [each for each in back.of("POST") if "result" in each.message]
        assert reply.message["id"] == " q\\u00e9"
        assert reply.headers["mcp-session-id"] == b"s-1"
        assert reply.headers["x-api-key"] == b"canary"


@pytest.mark.parametrize("on_get", [False, True], ids=["call", "stream"])
async def test_pings_never_reach_a_receiver_and_null_params_are_none(on_get):
    said = (
        event(json.dumps({"jsonrpc": "2.0", "id": 2**60 + 1, "method": "ping"}).encode()),
        event(b'{"jsonrpc":"2.0","method":"notifications/x","params":null}'),
        event(b'{"jsonrpc":"2.0","id":"r","method":"roots/list","params":null}'),
    )

    async def answer(asked):
        await asked.events(*(() if on_get else said), event(answer_to(1, "done")))

    receiver = Recorder()
    back = server(answer, end(*said))
    async with streamable(back) as session:
        if on_get:
            assert await session.listen(CLIENT_HEADERS, receiver)
        else:
            assert await call(session, receiver) == "done"
        (pong,) = [each for each in back.of("POST") if "result" in each.message]
        assert b"%d" % (2**60 + 1) in pong.body
    assert receiver.heard == [("notifications/x", None)]
    assert [(request.id, request.params) for request, _ in receiver.asked] == [(b'"r"', None)]


@pytest.mark.scenario("P-10")
async def test_the_stream_of_a_session_goes_on_behind_its_own_last_event():
    turns = itertools.count(1)
    hold = asyncio.Event()

    async def stream(asked):
        number = next(turns)
        if number == 1:
            await asked.events(event(notification("notifications/a"), id=b"g1", retry=PROMPTLY))
        elif number == 2:
            await asked.events(event(notification("notifications/b"), id=b"g2"), ends=False)
            raise HangUp
        else:
            await asked.events(event(notification("notifications/c"), id=b"g3"), ends=False)
            await hold.wait()

    async def answer(asked):
        await asked.events(event(id=b"call-1"), event(answer_to(1, "done")))

    back = server(answer, stream)
    receiver = Recorder()
    async with streamable(back) as session:
        listening = asyncio.create_task(session.listen(CLIENT_HEADERS, receiver))
        assert await call(session) == "done"
        await eventually(lambda: len(receiver.heard) == 3)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        hold.set()
    assert receiver.methods == ["notifications/a", "notifications/b", "notifications/c"]
    assert [each.headers.get("last-event-id") for each in back.of("GET")] == [None, b"g1", b"g2"]


async def test_a_place_that_the_server_has_forgotten_is_not_asked_for_again():
    turns = itertools.count(1)

    async def stream(asked):
        number = next(turns)
        if number == 1:
            await asked.events(event(id=b"g1", retry=PROMPTLY))
        elif number == 2:
            await asked.status(400)
        else:
            await asked.events(event(notification("notifications/a")))

    back = server(end(), stream)
    receiver = Recorder()
    async with streamable(back) as session:
        with pytest.raises(BackendError):
            await session.listen(CLIENT_HEADERS, receiver)
        assert await session.listen(CLIENT_HEADERS, receiver)
    assert [each.headers.get("last-event-id") for each in back.of("GET")] == [None, b"g1", None]


async def test_a_stream_without_ids_that_ends_at_once_every_time_is_opened_ever_less_often(monkeypatch):
    pauses = []
    rest_of_sleep = asyncio.sleep

    async def sleep(seconds):
        pauses.append(seconds)
        await rest_of_sleep(0)

    back = server(end(), end(event(notification("notifications/a"))))
    async with streamable(back) as session:
        monkeypatch.setattr("vmcp_proxy.backends.streamable.session.asyncio.sleep", sleep)
        for _ in range(8):
            assert await session.listen(CLIENT_HEADERS, Recorder())
        monkeypatch.undo()
    assert [each for each in pauses if each] == [1, 2, 4, 8, 16, 30, 30]
