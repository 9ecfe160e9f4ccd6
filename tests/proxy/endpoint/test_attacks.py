"""Clients, backends and stores that try to make streams and questions cost more than their share."""

import asyncio
import json
import math
import time

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.resuming import CUSTOM, Steps, say
from tests.proxy.endpoint.test_server_requests import QUESTION, SAMPLING
from tests.proxy.endpoint.test_two_pods import pod, two_pods
from tests.support.raw_client import ACCEPT, eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text
from vmcp_proxy.clients.streaming.event_log import Budget, EventLog
from vmcp_proxy.pods.envelope import Opened, PodMessage
from vmcp_proxy.pods.name import new_pod_name
from vmcp_proxy.redis_client import calls, connect

CANCELLED = "notifications/cancelled"
BIG = "x" * 300_000


async def unread(port: int, session: str, message: dict):
    """A POST whose answer nobody reads."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 10)
    writer.transport.pause_reading()
    body = json.dumps(message).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: {ACCEPT}\r\ncontent-type: application/json\r\n"
        f"mcp-session-id: {session}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    return writer


def call_of(request_id: object, name: str = "one_echo") -> dict:
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {"name": name}}


def cancel_of(request_id: object) -> dict:
    return {"jsonrpc": "2.0", "method": CANCELLED, "params": {"requestId": request_id}}


def client_of(world):
    return world.inside.client


async def test_a_stream_that_is_never_silent_keeps_its_session_in_use():
    async with (
        scene({"one": ScriptedBackend()}, config=QUIET) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        await eventually(lambda: client_of(world).stream.is_listening)
        session = client_of(world).session
        await client.names()
        session.last_seen = before = time.monotonic() - 100
        say(world, 1)
        await stream.until(CUSTOM)
        world.inside.sweep_sessions()
        assert session.last_seen > before + 50


async def test_a_call_that_is_never_silent_keeps_its_session_in_use():
    steps = Steps()
    async with (
        scene({"one": steps.backend}, config=QUIET) as world,
        world.session() as client,
        client.sending(call_of("a")) as calling,
    ):
        await steps.come.wait()
        session = client_of(world).session
        session.last_seen = before = time.monotonic() - 100
        steps.steps.put_nowait(1)
        await eventually(lambda: session.last_seen > before + 50)
        steps.steps.put_nowait("end")
        assert (await calling).status_code == 200


async def test_a_call_that_is_cancelled_twice_is_answered_once_and_in_words():
    backend = ScriptedBackend()
    come, go, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(_call):
        come.set()
        await go.wait()
        return text("late")

    @backend.on(CANCELLED)
    async def hear(_call):
        told.set()
        await go.wait()
        return {}

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        async with client.sending(call_of("a")) as calling:
            await come.wait()
            assert (await client.post(cancel_of("a"))).status_code == 202
            # The backend is being told, which takes a moment: the call is not over yet.
            await told.wait()
            assert (await client.post(cancel_of("a"))).status_code == 202
            go.set()
            answer = await calling
        assert answer.status_code == 200
        assert answer.json()["error"] == {"code": -32800, "message": "The request was cancelled."}


async def test_questions_of_a_cancelled_call_whose_client_reads_nothing_are_forgotten_at_once():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def ask(call):
        for number in range(40):
            await call.say(
                {"jsonrpc": "2.0", "id": number, "method": "sampling/createMessage", "params": QUESTION | {"big": BIG}}
            )
        return text("never")

    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        await client.names()
        writer = await unread(world.proxy.mcp_port, client.session, call_of("a"))
        held = client_of(world)
        await eventually(lambda: len(held.server_requests) > 1)
        stream = world.inside.answer_stream
        await eventually(lambda: stream._writing is not None)
        assert (await client.post(cancel_of("a"))).status_code == 202
        await eventually(lambda: not held.in_flight, seconds=5)
        assert not held.server_requests
        writer.transport.abort()


async def test_an_unread_answer_that_is_cut_off_is_not_kept_for_longer_than_others():
    steps = Steps()

    @steps.backend.on("tools/call")
    async def large(call):
        await call.notify(CUSTOM, k=0)
        return text("x" * 9_000_000)

    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        inside = world.inside
        inside.keep_answers_for(0.1)
        writer = await unread(world.proxy.mcp_port, client.session, call_of("a"))
        await eventually(lambda: inside.answers)
        stream = world.inside.answer_stream
        await eventually(lambda: stream.is_over)
        assert inside.cut_calls(math.inf) == 1
        await eventually(lambda: not inside.answers, seconds=30)
        assert inside.replay_budget.used == 0
        writer.transport.abort()


def test_places_in_a_stream_that_hold_nothing_cost_no_time():
    log = EventLog(Budget(), "one")
    log.append(b"first")
    log.sent = 1
    log.last += 10**12
    last = log.append(b"last")
    began = time.process_time()
    assert log.next_after(1) == (last, b"last")
    assert log.waits(b"none") is None
    assert log.discard(1) is False
    log.append(b"more")
    assert time.process_time() - began < 5


async def test_a_frozen_redis_does_not_hold_up_a_call_that_opens_a_backend_session(own_redis, monkeypatch):
    # Redis' client itself would wait for longer than the call may take below.
    monkeypatch.setattr(connect, "SOCKET_SECONDS", 60.0)
    monkeypatch.setattr(calls, "CALL_SECONDS", 60.0)
    backend = ScriptedBackend()
    async with backend.running(), pod(own_redis, backend) as world, world.session(x_api_key="k") as client:
        await client.names()
        own_redis.freeze()
        try:
            backend.sessions.clear()
            async with asyncio.timeout(20):
                assert (await client.call("b0_echo"))["content"]
        finally:
            own_redis.thaw()
        link = client_of(world).links["b0"]
        assert link.generation == 2
        await eventually(lambda: not client_of(world).session.is_unsaved)


async def test_streams_that_open_faster_than_redis_answers_pile_up_no_tasks(own_redis):
    backend = ScriptedBackend()
    async with backend.running(), pod(own_redis, backend) as world, world.session(x_api_key="k") as client:
        await client.names()
        own_redis.freeze()
        try:
            for _ in range(20):
                async with client.listening():
                    await eventually(lambda: client_of(world).stream.is_listening)
            telling = [task for task in asyncio.all_tasks() if task.get_name() == "tell where a stream is"]
            assert len(telling) <= 1
        finally:
            own_redis.thaw()
        async with client.listening():
            await eventually(lambda: client_of(world).stream.is_listening)
            session = client_of(world).session
            key = f"vmcp:session:default/test:{session.digest.hex}"
            await eventually(lambda: world.inside.pod.encode() in own_redis.command("HGETALL", key))


async def test_a_stream_that_opens_on_another_pod_takes_the_place_of_the_old_one(redis_server):
    backend = ScriptedBackend()
    async with two_pods(redis_server, backend) as (a, b, client, there):
        await client.call("b0_echo")
        async with client.listening() as old:
            session = client_of(a).session
            await eventually(lambda: session.stream is not None and not session.streams_unsaved)
            async with there.listening() as new:
                await eventually(lambda: old.ended)
                assert old.retries, "its client is told to come back"
                say(b, 1)
                await new.until(CUSTOM)
                assert not new.ended


@pytest.mark.parametrize("number", [1, 64])
def test_one_client_with_huge_answers_does_not_cost_the_others_what_they_hold(number):
    budget = Budget(limit=64_000)
    dropped = []
    others = [EventLog(budget, owner) for owner in range(20)]
    for log in others:
        log.append(b"question", lambda: dropped.append("question"))
    huge = [EventLog(budget, "greedy") for _ in range(number + 1)]
    for log in huge:
        log.append(b"x" * (50_000 // number))
    assert not dropped
    assert [len(log) for log in others] == [1] * 20
    assert len(huge[0]) == 0, "the oldest gave way"
    assert len(huge[-1]) == 1
    EventLog(budget, "new").append(b"x" * 100_000)
    assert not dropped
    assert budget.used <= 64_000


def test_what_pods_tell_each_other_stands_in_no_repr():
    message = PodMessage(0.0, new_pod_name(), "client", "ab" * 32, b"canary")
    assert "canary" not in repr(Opened(b"name", "1", message))


async def test_a_view_that_crashes_does_not_keep_the_stream_from_opening():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        await client.names()

        async def crash(_caller):
            raise RuntimeError("as a policy may")

        with world.inside.replaced("view", crash):
            async with client.listening() as stream:
                await eventually(lambda: client_of(world).stream.is_listening)
                say(world, 1)
                await stream.until(CUSTOM)
