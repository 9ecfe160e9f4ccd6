"""Streamable HTTP servers that answer badly on purpose: bounded, an error, and the session goes on."""

import asyncio
import json
import tracemalloc

import pytest

from tests.proxy.backends.helpers import CAP, CLIENT_HEADERS, HELLO, Recorder, call, streamable
from tests.support.raw_client import eventually
from tests.support.raw_server import END, EVENTS, HangUp, RawServer, answer_to, event, notification
from vmcp_proxy.backends.errors import BackendError, Category


def server(on_call, on_get=None):
    async def handle(asked):
        if asked.method == "initialize":
            await asked.result(HELLO, mcp_session_id="s-1")
        elif asked.verb == "GET" and on_get is not None:
            await on_get(asked)
        elif asked.method == "tools/call" and asked.message["params"]["name"] == "bad":
            await on_call(asked)
        elif asked.method == "tools/call":
            await asked.result(answer_to(0, "good")["result"])
        else:
            await asked.status(202)

    return RawServer(handle)


async def endless(asked, part=b"x" * 10_000):
    await asked.write(EVENTS)
    await asked.send(b"data: ")
    for _ in range(10 * CAP // len(part)):
        await asked.send(part)
    await asyncio.Event().wait()


async def endless_lines(asked):
    await endless(asked, b"\ndata: x" * 1000)


async def endless_body(asked):
    await asked.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        await asked.send(b" " * 10_000)
    await asyncio.Event().wait()


async def declared_body(asked):
    await asked.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n{")
    await asyncio.Event().wait()


async def wrong_id(asked):
    body = json.dumps(answer_to(f"{asked.message['id']}x", "x")).encode()
    await asked.status(200, body, "application/json")


async def no_json(asked):
    await asked.status(200, b"\xff\xfe{", "application/json")


async def half_a_stream(asked):
    await asked.events(b"data: {", ends=False)
    raise HangUp


async def only_nonsense(asked):
    await asked.events(b"data: \xff\n\n", event({"jsonrpc": "2.0", "id": 999, "result": {}}), event(b"[" * 5000))


async def a_page(asked):
    await asked.status(200, b"<html>", "text/html")


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize(
    ("hostile", "category"),
    [
        (endless, Category.TOO_LARGE),
        (endless_lines, Category.TOO_LARGE),
        (endless_body, Category.TOO_LARGE),
        (declared_body, Category.TOO_LARGE),
        (wrong_id, Category.PROTOCOL),
        (no_json, Category.PROTOCOL),
        (a_page, Category.PROTOCOL),
        (half_a_stream, Category.FAILED),
        (only_nonsense, Category.FAILED),
    ],
)
async def test_a_hostile_answer_is_an_error_within_bounds_and_the_session_goes_on(hostile, category):
    back = server(hostile)
    async with streamable(back) as session:
        with pytest.raises(BackendError) as failed:
            await call(session, name="bad")
        assert failed.value.category is category
        assert await call(session, name="fine") == "good"
        assert len(back.of("POST", "initialize")) == 1


@pytest.mark.scenario("B-4")
async def test_an_answer_in_single_bytes_between_nonsense_is_taken_once():
    async def babble(asked):
        number = asked.message["id"]
        await asked.write(EVENTS)
        parts = [
            b"\xef\xbb\xbf: comment\r\n\r\n",
            b"data: \xff\xfe\r\r",
            event({"jsonrpc": "2.0", "id": f"{number}x", "result": {}}),
            event({"jsonrpc": "2.0", "id": number + 1, "result": {}}),
            event({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}}),
            event(json.dumps(answer_to(number, "é first"), ensure_ascii=False).encode()),
            event(answer_to(number, "second")),
        ]
        for byte in b"".join(parts):
            await asked.send(bytes((byte,)))
        await asked.write(END)

    async with streamable(server(babble)) as session:
        assert await call(session, name="bad") == "é first"
        assert await call(session, name="fine") == "good"


@pytest.mark.scenario("B-4")
async def test_a_stream_without_end_costs_no_memory_and_ends_at_the_calls_bound():
    sent = 0

    async def chatter(asked):
        nonlocal sent
        await asked.write(EVENTS)
        noise = event(notification("notifications/x", text="y" * 30_000)) * 3
        while True:
            await asked.send(noise)
            sent += len(noise)
            await asyncio.sleep(0)

    class Deaf(Recorder):
        async def on_notification(self, method, params):
            pass

    async with streamable(server(chatter)) as session:
        tracemalloc.start()
        with pytest.raises(BackendError) as failed:
            await call(session, Deaf(), name="bad", seconds=1.0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert failed.value.category is Category.TIMEOUT
        assert sent > 10 * CAP
        assert most < 30 * CAP


@pytest.mark.scenario("B-4")
async def test_an_event_too_large_on_the_sessions_stream_is_not_asked_for_again():
    receiver = Recorder()

    async def large(asked):
        if "last-event-id" in asked.headers:
            await asked.status(500)
        else:
            heard = len(receiver.heard)
            await asked.events(event(notification("notifications/x"), id=b"g1", retry=100), ends=False)
            await eventually(lambda: len(receiver.heard) > heard)
            await asked.send(event(b"x" * 2 * CAP, id=b"g2"))
            await asyncio.Event().wait()

    back = server(a_page, large)
    async with streamable(back) as session:
        for _ in range(2):
            with pytest.raises(BackendError) as failed:
                await session.listen(CLIENT_HEADERS, receiver)
            assert failed.value.category is Category.TOO_LARGE
        assert all("last-event-id" not in each.headers for each in back.of("GET"))


async def test_a_receiver_that_does_not_come_back_does_not_stretch_the_call():
    async def talk(asked):
        await asked.events(event(notification("notifications/x")), ends=False)
        await asyncio.Event().wait()

    class Stuck(Recorder):
        async def on_notification(self, method, params):
            await asyncio.Event().wait()

    async with streamable(server(talk)) as session, asyncio.timeout(30):
        with pytest.raises(BackendError) as failed:
            await call(session, Stuck(), name="bad", seconds=0.2)
        assert failed.value.category is Category.TIMEOUT


async def test_an_initialize_over_a_stream_that_is_closed_early_is_taken_up_again():
    async def handle(asked):
        if asked.verb == "GET":
            assert asked.headers["mcp-session-id"] == b"s-1"
            await asked.events(event({"jsonrpc": "2.0", "id": 0, "result": HELLO}))
        elif asked.method == "initialize":
            await asked.write(EVENTS.replace(b"\r\n\r\n", b"\r\nMcp-Session-Id: s-1\r\n\r\n"))
            await asked.send(event(id=b"e1", retry=100))
            await asked.write(END)
        elif asked.method == "tools/call":
            await asked.result(answer_to(0, "good")["result"])
        else:
            await asked.status(202)

    async with streamable(RawServer(handle)) as session:
        assert await call(session) == "good"
        assert session.session_id == b"s-1"
