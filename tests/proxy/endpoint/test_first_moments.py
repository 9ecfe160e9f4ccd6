"""What a server says or asks in the first moments of a session, outside of any call: it reaches the client."""

import asyncio
import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, Status, text


def talkative(delay=0.0):
    """Says and asks something at each call on the session's own stream, and drops it while there is none."""
    backend = ScriptedBackend()
    open_stream = backend._stream

    async def open_late(heard, reader, write):
        await asyncio.sleep(delay)
        await open_stream(heard, reader, write)

    backend._stream = open_late

    @backend.on("tools/call")
    async def say(call):
        backend.push("notifications/message", call.heard.session, level="info", data="first")
        backend.send_raw({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}, call.heard.session)
        return text("done")

    return backend


@pytest.mark.scenario("B-12")
@pytest.mark.parametrize("listens", [True, False], ids=["the client listens first", "the client listens later"])
async def test_what_a_server_says_at_the_first_call_of_a_session_reaches_the_client(listens):
    backend = talkative(0.1)
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.client() as client,
        contextlib.AsyncExitStack() as stack,
    ):
        await client.open({"roots": {}})
        if listens:
            stream = await stack.enter_async_context(client.listening())
        await client.names()
        assert "isError" not in await client.call("one_echo")
        if not listens:
            stream = await stack.enter_async_context(client.listening())
        await stream.until("notifications/message")
        await stream.until("roots/list")


@pytest.mark.scenario("B-12")
async def test_the_same_in_a_session_that_took_the_place_of_one_that_was_lost():
    backend = talkative(0.1)
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client, client.listening() as stream:
        await client.call("one_echo")
        await stream.until("notifications/message")
        # The stream of the former session stays, so that nothing tells of the loss but the next call.
        backend.forget_sessions()
        assert "isError" not in await client.call("one_echo")
        await stream.until("notifications/message", 2)


@pytest.mark.scenario("B-12")
async def test_the_same_after_a_reload():
    backend = talkative(0.1)
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client, client.listening() as stream:
        await client.call("one_echo")
        await stream.until("notifications/message")
        world.config["backends"][0]["headerForward"] = {"addPlaintextHeaders": {"X-New": "1"}}
        world.apply()
        assert "isError" not in await client.call("one_echo")
        await stream.until("notifications/message", 2)


@pytest.mark.scenario("B-12")
@pytest.mark.parametrize("status", [404, 405, 500])
async def test_a_call_does_not_wait_for_a_stream_that_is_refused(status, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.streamable.own_stream._WAIT_SECONDS", 3600.0)
    backend = ScriptedBackend()

    async def refuse(heard, reader, write):
        raise Status(status)

    backend._stream = refuse
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client, client.listening():
        assert "isError" not in await client.call("one_echo")


@pytest.mark.scenario("B-12")
async def test_a_call_waits_for_a_stream_without_a_head_for_a_moment_only():
    backend = ScriptedBackend()
    hold = asyncio.Event()

    async def hang(heard, reader, write):
        await hold.wait()

    backend._stream = hang
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client, client.listening():
        assert "isError" not in await client.call("one_echo")
        assert any(each.verb == "GET" for each in backend.heard)
        hold.set()
