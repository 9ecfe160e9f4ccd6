"""What one program or one server does cannot cost strangers, other callers or the proxy's memory."""

import asyncio
import contextlib
import os
import signal

import pytest

from tests.proxy.backends.helpers import HELLO, Recorder, call, sse_backend, streamable, within
from tests.proxy.backends.test_sse import opened
from tests.proxy.backends.test_stdio import backend, who
from tests.support.old_server import OldServer
from tests.support.raw_client import eventually
from tests.support.raw_server import RawServer
from tests.support.terms import legacy
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.backends.messages import parse_incoming

DEAF = """
import json, sys, time
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"protocolVersion": "2024-11-05",
              "capabilities": {}, "serverInfo": {"name": "p", "version": "1"}}}), flush=True)
    elif message.get("method") == "notifications/initialized":
        time.sleep(1000)
"""


async def test_a_program_that_ended_long_ago_is_not_signalled_again_when_its_session_closes(tmp_path, monkeypatch):
    async with backend(tmp_path) as made:
        session = await made.open(legacy(b'{"roots":{}}'), (), within())
        pid, _ = await who(session)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not made._running)
        signalled = []
        monkeypatch.setattr(os, "killpg", lambda *args: signalled.append(args))
        # Its number may belong to somebody else by now.
        await session.close(())
        assert not signalled


@pytest.mark.scenario("B-4")
async def test_what_waits_for_a_program_that_does_not_read_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.stdio.session._WRITE_SECONDS", 0.05)
    async with backend(tmp_path, DEAF) as made:
        session = await made.open(OWN_TERMS, (), within())
        big = b'{"x":"' + b"x" * 300_000 + b'"}'
        for _ in range(8):
            with pytest.raises(BackendError, match="it does not read what it is sent") as failed:
                await session.request(session.next_id(), "tools/call", big, (), within(5), Recorder())
            assert failed.value.category is Category.TIMEOUT
        assert session._session.process.stdin.transport.get_write_buffer_size() < 700_000


async def test_a_start_that_is_cancelled_leaves_no_program(tmp_path):
    def children():
        with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:  # noqa: PTH123 - of the kernel
            return set(file.read().split())

    before = children()
    async with backend(tmp_path) as made:
        for turns in range(12):
            opening = asyncio.create_task(made.open(legacy(b'{"roots":{}}'), (), within()))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await opening
        watchdog = str(made._pool.watchdog._process.pid)
        await eventually(lambda: children() <= before | {watchdog})
        assert not len(made._pool)


@pytest.mark.scenario("B-4")
def test_a_batch_that_is_all_entries_costs_no_multiple_of_itself():
    assert len(parse_incoming(b"[" + b"1," * 4_000_000 + b"1]")) == 1


@pytest.mark.scenario("B-3")
async def test_a_server_that_takes_nothing_does_not_hold_a_call_far_beyond_its_deadline(monkeypatch):
    # A call that waited for its cancellation would wait as long as this.
    monkeypatch.setattr("vmcp_proxy.backends.streamable.session._FAREWELL_SECONDS", 600.0)
    never = asyncio.Event()

    async def handle(asked):
        if asked.method == "initialize":
            await asked.result(HELLO, mcp_session_id="s")
        elif asked.method == "notifications/initialized":
            await asked.status(202)
        else:
            await never.wait()
            await asked.status(202)

    async with streamable(RawServer(handle)) as session:
        async with asyncio.timeout(30):
            with pytest.raises(BackendError) as failed:
                await call(session, seconds=0.3)
        assert failed.value.category is Category.TIMEOUT
        never.set()


async def test_a_post_that_is_redirected_elsewhere_fails_at_once():
    old = OldServer()
    async with opened(old) as (_, session):

        async def moved(asked):
            await asked.status(302, location="/messages", connection="close")

        old.on_post = moved
        with pytest.raises(BackendError) as failed:
            await call(session, seconds=2)
        assert failed.value.category is not Category.TIMEOUT


async def test_a_ping_whose_answer_is_not_taken_does_not_hold_up_the_stream():
    old = OldServer()
    never = asyncio.Event()
    async with opened(old) as (_, session):
        usual = old.on_post

        async def post(asked):
            if not asked.method:
                await never.wait()
            await usual(asked)

        old.on_post = post
        await old.say({"jsonrpc": "2.0", "id": "p", "method": "ping"})
        await eventually(lambda: any(not each.method for each in old.server.of("POST")))
        assert await call(session, name="t", seconds=2) == "t"


async def test_a_handshake_that_takes_too_long_is_not_cancelled_by_message():
    old = OldServer()

    async def swallow(asked):
        await asked.status(202, connection="close")

    old.on_post = swallow

    async with sse_backend(old.server) as made:
        with pytest.raises(BackendError):
            await made.open(OWN_TERMS, (), within(0.3))
    assert [each.method for each in old.server.of("POST")] == ["initialize"]
