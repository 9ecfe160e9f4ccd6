"""A client that has closed its own side of a connection may still read what it asked for (RFC 9112 section 9.6)."""

import asyncio

import pytest
import uvloop

from tests.proxy.serve.harness import World, call
from tests.proxy.serve.parts import in_whole
from tests.proxy.serve.test_bounds import chunked
from tests.proxy.serve.test_http_protocol import request
from vmcp_proxy.protocol.jsonrpc import encode_result


async def later(context):
    """Answers a while after the end of what the client sends has been read."""
    await asyncio.sleep(0.1)
    await context.respond(200, encode_result(context.message.id, b"{}"))


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on a loop of each kind."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.mark.parametrize("sent", [request(call()), chunked(call())], ids=["length", "chunked"])
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_what_has_come_whole_is_answered(run, sent, count):
    async def conversation():
        async with World(dispatch=later).serving() as world:
            said = await in_whole(world.port, sent * count)
            await asyncio.sleep(0)
            assert not any(not each.transport.is_closing() for each in world.server.server_state.connections)
            return said

    said = run(conversation())
    assert said.count(b"HTTP/1.1 200 OK\r\n") == count
    if count == 1:
        assert b"connection: close\r\n" in said


@pytest.mark.parametrize("second", [b"POST /mcp HTTP/1.1\r\nhost: x\r\n", request(call())[:-3]], ids=["head", "body"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_stands_incomplete_behind_it_takes_nothing_from_it(run, second, count):
    async def conversation():
        async with World(dispatch=later).serving() as world:
            return await in_whole(world.port, request(call()) * count + second)

    said = run(conversation())
    assert said.count(b"HTTP/1.1 200 OK\r\n") == count


def test_an_answer_longer_than_what_the_client_reads_at_once_comes_whole(run):
    async def long(context):
        await context.respond(200, encode_result(context.message.id, b'"%b"' % (b"x" * (8 << 20))))

    async def conversation():
        async with World(dispatch=long).serving() as world:
            return await in_whole(world.port, request(call()))

    assert len(run(conversation())) > 8 << 20


def test_nothing_is_said_to_a_client_that_has_asked_nothing(run):
    async def conversation():
        async with World().serving() as world:
            assert not await in_whole(world.port, b"")
            assert not [name for name in world.scrape() if name.startswith("vmcp_http_rejected_total{")]

    run(conversation())


def test_an_open_stream_ends_as_where_both_sides_are_closed(run):
    gone = asyncio.Event()

    async def stream(context):
        await context.start_stream()
        await context.write(b": open\n\n")
        while (await context.receive())["type"] != "http.disconnect":
            continue
        gone.set()

    async def conversation():
        async with World(dispatch=stream).serving() as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(request(call()))
            async with asyncio.timeout(10):
                await reader.readuntil(b": open\n\n")
                writer.write_eof()
                await gone.wait()
            writer.close()

    run(conversation())
