"""What is said to one request is never taken for the answer to the request before it on the connection."""

import asyncio

import pytest

from tests.proxy.serve.harness import World, call
from tests.proxy.serve.test_http_protocol import request, spoken
from tests.support.raw_client import WAIT_SECONDS
from vmcp_proxy.protocol.jsonrpc import encode_result

pytestmark = pytest.mark.scenario("C-10")


async def another_is_answered(world):
    """What other connections have sent before is read when this returns: the server waits for all of them at once."""
    assert (await spoken(world.port, b"GET /mcp HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "second",
    [
        b"GET /mcp HTTP/1.1\r\n\r\n",
        b"GET /mcp HTTP/9.9\r\nhost: x\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nhost: x\r\n" + b"a:\r\n" * 1100,
        b"GET /mcp HTTP/1.1\r\nhost: x\r\na b\r\n\r\n",
        b"\x00\x01\r\n\r\n",
    ],
    ids=["no host", "version", "coding", "fields", "faulty field", "garbage"],
)
@pytest.mark.parametrize("apart", [False, True])
async def test_a_request_that_is_refused_behind_another_leaves_that_one_its_answer(second, apart):
    begun, sent = asyncio.Event(), asyncio.Event()

    async def dispatch(context):
        begun.set()
        await sent.wait()
        await another_is_answered(world)
        await context.respond(200, encode_result(context.message.id, b"{}"))

    async with World(dispatch=dispatch).serving() as world:
        if not apart:
            sent.set()
            said = await spoken(world.port, request(call()), second)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(request(call()))
            await begun.wait()
            writer.write(second)
            sent.set()
            async with asyncio.timeout(WAIT_SECONDS):
                said = await reader.read()
            writer.close()
        assert said.startswith(b"HTTP/1.1 200 ")
        assert said.count(b"HTTP/1.1 ") == 1


async def test_a_request_that_waits_behind_another_is_told_to_send_its_body():
    async def dispatch(context):
        await another_is_answered(world)
        await context.respond(200, encode_result(context.message.id, b"{}"))

    async with World(dispatch=dispatch).serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        body = call()
        head = request(body, b"expect: 100-continue", b"connection: close").removesuffix(body)
        writer.write(request(call()) + head)
        async with asyncio.timeout(WAIT_SECONDS):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"HTTP/1.1 100 Continue\r\n\r\n")
            writer.write(body)
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_client_of_the_version_that_has_no_100_is_not_sent_any():
    async with World().serving() as world:
        said = await spoken(world.port, request(call(), b"expect: 100-continue", version=b"1.0"))
        assert said.startswith(b"HTTP/1.1 200 ")
