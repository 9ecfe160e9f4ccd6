"""What each request takes of the bytes of all is counted for as long as the request takes them, and no longer."""

import asyncio
import contextlib
from dataclasses import replace

from tests.proxy.serve.harness import CLUSTER, World, call
from tests.proxy.serve.test_http_protocol import LAST, answered, request
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.protocol.jsonrpc import encode_result
from vmcp_proxy.serve.http import bounds


async def test_each_request_of_a_connection_counts_by_itself():
    begun, go_on = asyncio.Queue(), asyncio.Event()

    async def dispatch(context):
        begun.put_nowait(context.message.id)
        if context.message.id == b"2":
            await go_on.wait()
        await context.respond(200, encode_result(context.message.id, b"{}"))

    many = World(dispatch=dispatch).serving(policy=replace(CLUSTER, max_body=1 << 20))
    async with many as world, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for number, size in ((1, 20_000), (2, 30_000), (3, 40_000)):
            writer.write(request(call(text="x" * size, request_id=number)))
        held = [(await begun.get(), world.server.bounds.held_bytes) for _ in range(2)]
        # The first one's bytes are gone, those of the second and of what is read of the third are not.
        assert held[1][0] == b"2"
        await eventually(lambda: 30_000 < world.server.bounds.held_bytes < 75_000)
        go_on.set()
        for _ in range(3):
            await answered(reader)
        assert not world.server.bounds.held_bytes
        writer.close()


async def test_a_stream_keeps_nothing_long_of_its_head():
    seen, go_on = asyncio.Queue(), asyncio.Event()

    async def dispatch(context):
        context.release_head()
        await context.start_stream()
        seen.put_nowait((context.header(b"host"), context.header(b"x-long"), len(context.scope["headers"])))
        await go_on.wait()
        await context.finish()

    async with World(dispatch=dispatch).serving() as world, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        many = [b"x%03d: %b" % (number, b"a" * 100) for number in range(100)]
        writer.write(request(call(), b"x-long: " + b"a" * 30_000, *many))
        host, long, count = await seen.get()
        assert (host, long) == (b"x", None)
        assert count < 40
        assert not world.server.bounds.held_bytes
        go_on.set()
        writer.write(LAST)
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()
        assert not world.server.bounds.held_bytes


async def test_streams_with_long_heads_leave_room_for_requests(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_BODY_BYTES", 60_000)
    async with (
        scene({"one": ScriptedBackend()}) as world,
        world.session() as client,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(4):
            other = await stack.enter_async_context(world.session())
            stream = await stack.enter_async_context(other.listening(x_long="a" * 30_000))
            await eventually(lambda stream=stream: stream.comments)
        assert (await client.call("one_echo", {"text": "x" * 30_000}))["content"]
