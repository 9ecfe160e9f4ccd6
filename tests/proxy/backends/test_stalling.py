"""An answer that stops in the middle and holds room that others wait for is given up, over every transport."""

import asyncio
import contextlib
import os
import sys
from dataclasses import replace

import pytest

from tests.proxy.backends.helpers import CLIENT_HEADERS, HELLO, SETTINGS, call, sse_backend, streamable, within
from tests.support.old_server import OldServer
from tests.support.raw_client import eventually
from tests.support.raw_server import EVENTS, RawServer, answer_to, event
from vmcp_proxy.backends.budget import STALLED, ReadBudget
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.backends.programs.pool import ProgramPool
from vmcp_proxy.backends.stdio.backend import StdioBackend, StdioSettings
from vmcp_proxy.backends.stdio.program import StdioCommand

LARGE = 300 << 10
MOST = 400 << 10
HALF = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"' + b"x" * LARGE

PROGRAM = f"""
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        print(json.dumps({{"jsonrpc": "2.0", "id": message["id"], "result": {HELLO!r}}}), flush=True)
    elif message.get("method") == "tools/call":
        sys.stdout.write({HALF.decode()[:-LARGE]!r} + "x" * {LARGE})
        sys.stdout.flush()
"""


def settings(budget):
    return replace(SETTINGS, max_response=1 << 20, budget=budget)


@contextlib.asynccontextmanager
async def json_body(budget, head=b"transfer-encoding: chunked"):
    async def handle(asked):
        if asked.method == "initialize":
            await asked.result(HELLO, mcp_session_id="s")
        elif asked.method != "tools/call":
            await asked.status(202)
        else:
            await asked.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%b\r\n\r\n" % head)
            await (asked.send if b"chunked" in head else asked.write)(HALF)
            await asyncio.Event().wait()

    async with streamable(RawServer(handle), settings(budget)) as session:
        yield session


def declared_body(budget):
    return json_body(budget, b"content-length: %d" % (LARGE * 3 // 2))


@contextlib.asynccontextmanager
async def event_stream(budget):
    async def handle(asked):
        if asked.method == "initialize":
            await asked.result(HELLO, mcp_session_id="s")
        elif asked.method != "tools/call":
            await asked.status(202)
        else:
            await asked.write(EVENTS)
            await asked.send(b"data: " + HALF)
            await asyncio.Event().wait()

    async with streamable(RawServer(handle), settings(budget)) as session:
        yield session


@contextlib.asynccontextmanager
async def old_stream(budget):
    old = OldServer()

    async def stall(_asked):
        await old.streams[-1].send(b"event: message\ndata: " + HALF)

    old.on_call = stall
    async with sse_backend(old.server, settings=settings(budget)) as backend:
        yield await backend.open(OWN_TERMS, CLIENT_HEADERS, within())


@contextlib.asynccontextmanager
async def program(budget):
    async with asyncio.TaskGroup() as tasks:
        pool = ProgramPool(None)
        command = StdioCommand((sys.executable, "-c", PROGRAM))
        made = StdioBackend("one", command, StdioSettings(1 << 20, 10.0, "0", dict(os.environ), budget), pool, tasks)
        try:
            yield await made.open(OWN_TERMS, (), within())
        finally:
            await made.aclose()
            await pool.aclose()


TRANSPORTS = (json_body, declared_body, event_stream, old_stream, program)


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda each: each.__name__)
async def test_an_answer_that_stalls_gives_way_to_one_that_waits_and_says_why(transport):
    budget = ReadBudget(MOST, patience=0.0)
    async with transport(budget) as session:
        stalled = asyncio.create_task(call(session, seconds=60.0))
        await eventually(lambda: "in 1 answers" in repr(budget))
        waiting = budget.lease(lambda: None)
        async with asyncio.timeout(10):
            await waiting.hold(LARGE)
        with pytest.raises(BackendError) as failed:
            await stalled
        assert failed.value.category is Category.TIMEOUT
        assert failed.value.hint == STALLED
        waiting.drop()
        assert repr(budget) == "<ReadBudget 0 bytes in 0 answers>"


@pytest.mark.parametrize("transport", [json_body, declared_body, event_stream], ids=lambda each: each.__name__)
async def test_an_answer_that_finds_no_room_in_its_time_is_refused_with_the_reason(transport):
    budget = ReadBudget(MOST)
    other = budget.lease(lambda: None)
    async with transport(budget) as session:
        await other.hold(MOST)
        with pytest.raises(BackendError, match="while other large answers were read") as failed:
            await call(session, seconds=0.5)
        assert failed.value.category is Category.TIMEOUT
        # Its connection is not kept: the rest of the answer would be taken for the next one.
        (pool,) = session._backend.client._pools.values()
        await eventually(lambda: all(connection._response is None for connection in pool._connections))
        other.drop()


async def test_a_stream_of_its_own_that_stalls_ends_and_can_be_opened_again():
    budget = ReadBudget(MOST, patience=0.0)
    opened = 0

    async def handle(asked):
        nonlocal opened
        if asked.verb == "GET":
            opened += 1
            await asked.write(EVENTS)
            if opened == 1:
                await asked.send(b"data: " + HALF)
            else:
                await asked.send(event(answer_to(99, "late")))
            await asyncio.Event().wait()
        elif asked.method == "initialize":
            await asked.result(HELLO, mcp_session_id="s")
        else:
            await asked.status(202)

    async with streamable(RawServer(handle), settings(budget)) as session:
        listening = asyncio.create_task(session.listen(CLIENT_HEADERS, None))
        await eventually(lambda: "in 1 answers" in repr(budget))
        waiting = budget.lease(lambda: None)
        async with asyncio.timeout(10):
            await waiting.hold(LARGE)
        with pytest.raises(BackendError, match="stopped in the middle"):
            await listening
        again = asyncio.create_task(session.listen(CLIENT_HEADERS, None))
        await eventually(lambda: opened == 2)
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
