"""What one connection may send before it is answered, to the byte."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import replace

import pytest

from tests.proxy.serve.harness import CLUSTER, World, call
from tests.proxy.serve.test_http_protocol import LAST, answered, request, spoken
from tests.support.raw_client import eventually
from vmcp_proxy.protocol.jsonrpc import encode_result
from vmcp_proxy.serve.http import bounds, limits

CHUNKED = b"transfer-encoding: chunked"


def chunked(body: bytes, *fields: bytes, trailer: bytes = b"", size: int = 7) -> bytes:
    """A chunked POST; the head of `request` with another framing."""
    head = request(b"", CHUNKED, *fields).replace(b"content-length: 0\r\n", b"")
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("size", [1, 40, 700, 1 << 20])
async def test_requests_in_a_row_are_answered_in_order_one_after_the_other_however_they_are_cut(size):
    seen, at_once = [], 0

    async def dispatch(context):
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        await asyncio.sleep(0)
        seen.append(context.message.id)
        await context.respond(200, encode_result(context.message.id, b"{}"))
        at_once -= 1

    text = b'{"jsonrpc":"2.0","id":%d,"method":"ping","params":{"x":"\\r\\n"}}'
    mixed = [chunked(text % n) if n % 3 else request(text % n) for n in range(60)]
    sent = b"".join((*mixed, LAST))
    async with World(dispatch=dispatch).serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

        async def send():
            for start in range(0, len(sent), size):
                writer.write(sent[start : start + size])
                await writer.drain()

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(send())
            await reader.read()
        writer.close()
    assert seen == [b"%d" % n for n in range(60)] + [b"99"]


async def test_only_one_request_waits_for_the_one_before_it_and_no_more_is_read_meanwhile():
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def dispatch(context):
        begun.set()
        await go_on.wait()
        await context.respond(200, encode_result(context.message.id, b"{}"))

    async with World(dispatch=dispatch).serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(request(call()) * 2000)
        await begun.wait()
        [connection] = world.server.server_state.connections
        await eventually(lambda: connection.flow.read_paused)
        assert len(connection.pipeline) <= 1
        assert len(connection._ahead) <= limits.MOST_AHEAD_BYTES
        go_on.set()
        for _ in range(2000):
            await answered(reader)
        writer.close()


@pytest.mark.scenario("C-11")
async def test_fields_of_a_trailer_are_no_headers():
    seen = []

    async def dispatch(context):
        seen.append({name for name, _ in context.scope["headers"]})
        await context.respond(200, encode_result(context.message.id, b"{}"))

    trailer = b"X-Api-Key: stolen\r\nMcp-Session-Id: other\r\nHost: other\r\nOrigin: https://evil.example\r\n"
    async with World(dispatch=dispatch).serving() as world:
        said = await spoken(world.port, chunked(call(), trailer=trailer), LAST)
        assert said.count(b"HTTP/1.1 200 OK") == 2
    assert not any({b"x-api-key", b"mcp-session-id", b"origin"} & names for names in seen)


@pytest.mark.scenario("C-11")
async def test_blanks_around_a_value_are_no_part_of_it():
    seen = []

    async def dispatch(context):
        seen.append(context.header(b"x-api-key"))
        await context.respond(200, encode_result(context.message.id, b"{}"))

    async with World(dispatch=dispatch).serving() as world:
        fields = (b"x-api-key:  \t a b \t ", b"connection: close  ")
        assert b"200 OK" in await spoken(world.port, request(call(), *fields))
    assert seen == [b"a b"]


@pytest.mark.scenario("C-11")
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((b"mcp-session-id: a", b"mcp-session-id: b"), 400),
        ((b"Mcp-Protocol-Version: 2025-11-25", b"MCP-Protocol-Version: 2025-06-18"), 400),
        ((b"mcp-anything: a", b"mcp-anything: a"), 400),
        ((b"accept: */*", b"x-a: 1", b"x-a: 2"), 200),
        ((b"mcp-session-id: a", b"mcp-protocol-version: foo"), 400),
        ((b"mcp-session-id: a", b"mcp-protocol-version:"), 400),
        ((b"mcp-session-id: a", b"mcp-protocol-version: 2027-01-01"), 400),
        ((b"mcp-session-id: a", b"mcp-protocol-version: 2026-07-28"), 400),
        ((b"mcp-session-id: a", b"mcp-protocol-version: 2025-03-26"), 200),
        ((b"mcp-session-id: a", b"mcp-protocol-version: 2024-11-05 "), 200),
        ((b"mcp-protocol-version: 2026-07-28",), 200),
        ((b"mcp-protocol-version: foo",), 200),
        ((b"mcp-protocol-version:",), 400),
        ((b"mcp-protocol-version: 1999-01-01",), 400),
        ((b"mcp-protocol-version: 2026-07-28", b"mcp-name: a", b"mcp-name: a"), 400),
    ],
)
async def test_what_mcp_headers_must_be(fields, status):
    async with World().serving() as world:
        said = await spoken(world.port, request(call(), *fields, b"connection: close"))
        assert said.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(call()).replace(b"host: x\r\n", b""), 400),
        (request(call(), version=b"1.0").replace(b"host: x\r\n", b""), 200),
        (chunked(call()).replace(CHUNKED, b"transfer-encoding: gzip, chunked"), 501),
        (chunked(call()).replace(CHUNKED, b"transfer-encoding: identity, chunked"), 501),
        (chunked(call()).replace(CHUNKED, CHUNKED + b"\r\n" + CHUNKED), 400),
        (chunked(call()).replace(CHUNKED, b"Transfer-Encoding:  Chunked "), 200),
        (chunked(call()).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (request(call(), version=b"2.0"), 505),
        (request(call(), version=b"0.9"), 505),
    ],
    ids=["no host", "no host in 1.0", "gzip", "identity", "twice", "another case", "chunked in 1.0", "2.0", "0.9"],
)
async def test_a_request_without_host_or_in_another_coding_is_refused(sent, status):
    async with World().serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(sent)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 %d " % status)
        writer.transport.abort()


async def test_a_client_that_hangs_up_while_a_second_request_waits_ends_the_first_one_quietly():
    """The server itself tells only the request that it has read last; writing to the other one's connection raised."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def dispatch(context):
        begun.set()
        while (await context.receive())["type"] != "http.disconnect":
            continue
        await context.respond(200, encode_result(context.message.id, b"{}"))
        over.set()

    async with World(dispatch=dispatch).serving() as world:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(request(call()) + request(call()))
        await begun.wait()
        # With a reset: the end of what a client sends is not yet the end of what it reads.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        async with asyncio.timeout(10):
            await over.wait()
    assert world.log_lines == []


async def test_a_body_that_takes_too_long_is_answered_with_408(monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.0)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)
    async with World().serving() as world:
        assert (await spoken(world.port, request(call())[:-3])).startswith(b"HTTP/1.1 408 ")
        monkeypatch.setattr(limits, "BODY_SECONDS", 60.0)
        assert (await world.post()).status_code == 200


async def test_the_oldest_unfinished_body_gives_way_where_all_together_are_too_long(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_BODY_BYTES", 200_000)
    async with World().serving(policy=replace(CLUSTER, max_body=1 << 20)) as world:
        half = request(b" " * 150_000)[:-1]
        first_reader, first = await asyncio.open_connection("127.0.0.1", world.port)
        first.write(half)
        await eventually(lambda: world.server.bounds.held_bytes >= 149_000)
        second_reader, second = await asyncio.open_connection("127.0.0.1", world.port)
        second.write(half)
        async with asyncio.timeout(10):
            assert (await first_reader.readline()).startswith(b"HTTP/1.1 503 ")
        second.write(b" ")
        async with asyncio.timeout(10):
            assert (await second_reader.readline()).startswith(b"HTTP/1.1 400 ")
        for writer in (first, second):
            writer.transport.abort()
        await eventually(lambda: not world.server.bounds.held_bytes)


async def test_the_oldest_unfinished_head_gives_way_like_a_body(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_BODY_BYTES", 100_000)
    async with World().serving() as world:
        opened = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(4)]
        for number, (_, writer) in enumerate(opened, 1):
            writer.write(b"POST /mcp HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 40_000)
            await eventually(lambda n=number: world.server.bounds.held_bytes >= min(n, 2) * 40_000)
        async with asyncio.timeout(10):
            assert (await opened[0][0].readline()).startswith(b"HTTP/1.1 503 ")
        await eventually(lambda: world.server.bounds.held_bytes <= 100_000)
        for _, writer in opened:
            writer.transport.abort()
        await eventually(lambda: not world.server.bounds.held_bytes)


@pytest.mark.scenario("C-10")
@pytest.mark.parametrize("path", [b"/mcp", b"/x"])
async def test_a_long_body_buys_no_long_trailer(path):
    """A field without end costs time that grows with the square of its length, also behind a body that nobody reads."""
    async with World().serving(policy=replace(CLUSTER, max_body=8 << 20)) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" % path
        writer.write(head + CHUNKED + b"\r\n\r\n" + 64 * (b"10000\r\n%b\r\n" % (b" " * 65_536)) + b"0\r\nx: ")
        await writer.drain()
        [connection] = world.server.server_state.connections
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"y" * 65_536)
                await writer.drain()
        await eventually(lambda: connection._is_refused or connection.transport.is_closing())
        writer.transport.abort()
        assert (await world.post()).status_code == 200
        del reader


@pytest.mark.scenario("C-10")
async def test_single_bytes_in_chunks_are_fine():
    async with World().serving() as world:
        text = call(text="x" * 50_000)
        assert b"200 OK" in await spoken(world.port, chunked(text, b"connection: close", size=1))


@pytest.mark.scenario("C-10")
async def test_header_fields_are_counted():
    async with World().serving() as world:
        for count, status in ((1000, 200), (1100, 431)):
            fields = [b"x%d:" % number for number in range(count)]
            said = await spoken(world.port, request(call(), *fields, b"connection: close"))
            assert said.startswith(b"HTTP/1.1 %d " % status)


async def test_where_all_places_are_taken_a_connection_that_asks_nothing_gives_way(monkeypatch):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def dispatch(context):
        begun.set()
        await go_on.wait()
        await context.respond(200, encode_result(context.message.id, b"{}"))

    monkeypatch.setattr(bounds, "MOST_CONNECTIONS", 8)
    async with World(dispatch=dispatch).serving() as world, contextlib.AsyncExitStack() as stack:
        reader, busy = await asyncio.open_connection("127.0.0.1", world.port)
        busy.write(request(call()))
        await begun.wait()
        opened = []
        for _ in range(20):
            silent = await asyncio.open_connection("127.0.0.1", world.port)
            stack.callback(silent[1].transport.abort)
            opened.append(silent)  # a reader that nobody holds closes its connection
        await eventually(lambda: len(world.server.bounds) == 6)
        go_on.set()
        await answered(reader)
        busy.transport.abort()
        assert (await world.post()).status_code == 200


async def test_a_body_that_was_not_asked_for_is_never_taken_for_the_next_request_nor_the_other_way_round():
    """A client that waits for 100 and is refused may go on with another request at once, or with nothing."""
    async with World().serving() as world:
        refused = request(b" " * 70, b"expect: 100-continue", b"mcp-protocol-version: 1999-01-01")[:-70]
        said = await spoken(world.port, refused + request(call()))
        assert said.startswith(b"HTTP/1.1 400 ")
        assert said.count(b"HTTP/1.1 ") == 1
        assert (await world.post()).status_code == 200


@pytest.mark.scenario("C-10")
async def test_fields_beyond_the_bound_are_refused_before_the_head_ends():
    async with World().serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /mcp HTTP/1.1\r\nhost: x\r\n" + b"a:\r\n" * 1100)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
        writer.transport.abort()


@pytest.mark.scenario("C-10")
@pytest.mark.parametrize("end", [b"", b"content-length: 9\r\n\r\n"], ids=["unfinished", "whole"])
@pytest.mark.parametrize(
    "fields",
    [b"".join(b"x%03d:\r\n" % n for n in range(1000)), b"x-a: " + b"a" * 50_000 + b"\r\n"],
    ids=["many short fields", "one long field"],
)
async def test_a_head_counts_what_it_takes_in_memory_also_where_it_comes_in_one_read(monkeypatch, fields, end):
    monkeypatch.setattr(bounds, "MOST_BODY_BYTES", 600_000)
    async with World().serving() as world:
        opened = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(20)]
        for _, writer in opened:
            writer.write(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + fields + end)
        async with asyncio.timeout(10):
            assert (await opened[0][0].readline()).startswith(b"HTTP/1.1 503 ")
        assert 200_000 < world.server.bounds.held_bytes <= 600_000
        [refused] = [each for each in world.server.server_state.connections if each.client == sockname(opened[0][1])]
        await eventually(lambda: not refused.cycle or not refused.cycle.scope)
        assert not refused.headers
        for _, writer in opened:
            writer.transport.abort()
        await eventually(lambda: not world.server.bounds.held_bytes)


def sockname(writer):
    return writer.get_extra_info("sockname")
