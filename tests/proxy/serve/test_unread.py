"""What clients do not read is bounded, for one connection and for all of them together."""

import asyncio
import contextlib

import pytest

from tests.proxy.serve.harness import World, call
from tests.proxy.serve.test_http_protocol import request
from tests.support.raw_client import eventually
from vmcp_proxy.protocol.jsonrpc import encode_result
from vmcp_proxy.serve.http import bounds, limits


async def test_answers_that_nobody_reads_are_bounded_over_all_connections(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_UNREAD_BYTES", 12 << 20)

    async def dispatch(context):
        await context.respond(200, encode_result(context.message.id, b'"%b"' % (b"x" * (8 << 20))))

    async with World(dispatch=dispatch).serving() as world:
        writers = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1)
            reader._transport.pause_reading()
            writer.write(request(call()))
            writers.append(writer)
        await eventually(lambda: len(world.server.server_state.connections) <= 2)
        for writer in writers:
            writer.transport.abort()


@pytest.mark.parametrize("takes_turns", [False, True], ids=["in its transport", "for its turn"])
async def test_what_waits_behind_something_unread_counts_as_unread_though_it_is_not_written(monkeypatch, takes_turns):
    monkeypatch.setattr(bounds, "MOST_UNREAD_BYTES", 40 << 20)
    waiting = asyncio.Event()

    async def dispatch(context):
        lock = asyncio.Lock()
        await context.start_stream()
        # More than the kernel takes: whatever comes next has to wait.
        await context.write(b"x" * (16 << 20))
        if takes_turns:
            await lock.acquire()
            with context.waiting(16 << 20):
                waiting.set()
                await lock.acquire()
        else:
            waiting.set()
            await context.write(b"x" * (16 << 20))

    async with World(dispatch=dispatch).serving() as world:
        connections = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1)
            reader._transport.pause_reading()
            writer.write(request(call()))
            await asyncio.wait_for(waiting.wait(), 60)
            waiting.clear()
            connections.append(writer)
        await eventually(lambda: len(world.server.server_state.connections) == 1)
        for writer in connections:
            writer.transport.abort()


async def test_a_connection_gives_way_where_it_alone_has_too_much_that_is_not_even_written(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_UNREAD_BYTES", 8 << 20)

    async def dispatch(context):
        await context.start_stream()
        await context.write(b"x" * (16 << 20))
        with context.waiting(5 << 20), context.waiting(5 << 20):
            await asyncio.Event().wait()

    async with World(dispatch=dispatch).serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(request(call()))
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                while await reader.read(1 << 20):
                    pass
        writer.close()


@pytest.mark.scenario("X-1")
async def test_a_client_that_reads_nothing_loses_its_connection_and_holds_up_nothing(monkeypatch):
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.3)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)
    over = asyncio.Event()

    async def pour(context):
        await context.start_stream()
        for _ in range(64):
            await context.write(bytes(1 << 20))
        over.set()
        await context.finish()

    world = World(dispatch=pour)
    async with world.serving():
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1)
        writer.transport.pause_reading()
        writer.write(request(call()))
        async with asyncio.timeout(30):
            await over.wait()
        writer.transport.abort()
