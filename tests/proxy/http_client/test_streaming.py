"""Bodies read as they arrive, with the peer held back while nobody reads."""

import asyncio
import contextlib
import tracemalloc

import pytest

from tests.proxy.http_client.servers import OK, Exchange, answering, ended, fetch, raw_server, silent_after, until
from vmcp_proxy.http_client import ClientLimits, HttpClient, PeerClosed, ProtocolError, ResponseTooLarge, Timeout

pytestmark = pytest.mark.scenario("B-4")
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def open_stream(client, server):
    return await client.request(server.peer(), b"GET", (), timeout=30, stream=True)


async def test_each_chunk_is_there_before_the_next_is_sent(client):
    go_on = asyncio.Semaphore(0)

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(CHUNKED)
        for text in (b"one", b"two", b"three"):
            await go_on.acquire()
            await exchange.send(b"%x\r\n%b\r\n" % (len(text), text))
        await go_on.acquire()
        await exchange.send(b"0\r\n\r\n")
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        response = await open_stream(client, server)
        assert response.headers.get(b"content-type") == b"text/event-stream"
        seen = []
        go_on.release()
        async for chunk in response:
            seen.append(chunk)
            go_on.release()
        assert seen == [b"one", b"two", b"three"]
        assert "1 idle" in repr(client._pools)


async def test_a_reader_takes_what_arrives_and_says_when_it_is_enough(client):
    go_on = asyncio.Semaphore(1)
    texts = [b"one", b"two", b"three", b"four"]

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(CHUNKED)
        for text in texts:
            await go_on.acquire()
            await exchange.send(b"%x\r\n%b\r\n" % (len(text), text))
        await go_on.acquire()
        await exchange.send(b"0\r\n\r\n")
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        response = await open_stream(client, server)
        seen: list[bytes] = []

        def take() -> bool:
            parts = response.take_parts()
            seen.extend(parts)
            if parts and seen[-1] != b"three":
                go_on.release()
            return b"three" in parts

        await response.gather(take)
        assert seen == texts[:3]
        assert not response.complete
        go_on.release()
        await response.gather(take)
        assert seen == texts
        assert response.complete
        assert "1 idle" in repr(client._pools)


async def test_a_stream_of_one_byte_chunks_arrives_whole(client):
    body = b"data: x\n\n" * 50
    async with raw_server(answering(CHUNKED, *(b"1\r\n%c\r\n" % byte for byte in body), b"0\r\n\r\n")) as server:
        assert b"".join([chunk async for chunk in await open_stream(client, server)]) == body
        assert await fetch(client, server.peer()) == (200, body)
        assert server.connections == 1


async def test_what_chunks_leave_read_returns(client):
    async with raw_server(silent_after(CHUNKED + b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n")) as server:
        response = await open_stream(client, server)
        stream = response.chunks(idle_timeout=30)
        first = await anext(stream)
        await stream.aclose()
        assert first + await response.read(100, timeout=30) == b"onetwo"


async def test_silence_longer_than_the_idle_timeout_ends_a_stream(client):
    async with raw_server(silent_after(CHUNKED + b"3\r\none\r\n")) as server:
        response = await open_stream(client, server)
        stream = response.chunks(idle_timeout=0.1)
        assert await anext(stream) == b"one"
        with pytest.raises(Timeout) as caught:
            await anext(stream)
        assert caught.value.phase == "body"
        await ended(server)


async def test_a_stream_may_be_silent_for_longer_than_its_request_timeout(client):
    silence_over = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(CHUNKED)
        await silence_over.wait()
        await exchange.send(b"2\r\nok\r\n0\r\n\r\n")
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        response = await client.request(server.peer(), b"GET", (), timeout=0.1, stream=True)
        asyncio.get_running_loop().call_later(0.3, silence_over.set)
        assert [chunk async for chunk in response.chunks(idle_timeout=None)] == [b"ok"]


async def test_chunks_before_an_early_end_are_delivered_and_then_the_error(client):
    async with raw_server(answering(CHUNKED + b"3\r\none\r\n", close=True)) as server:
        response = await open_stream(client, server)
        stream = response.chunks(idle_timeout=30)
        assert await anext(stream) == b"one"
        with pytest.raises(PeerClosed):
            await anext(stream)


async def test_a_stream_that_breaks_its_framing_ends_with_an_error(client):
    go_on = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(CHUNKED + b"3\r\none\r\n")
        await go_on.wait()
        await exchange.send(b"zz\r\n")
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        stream = (await open_stream(client, server)).chunks(idle_timeout=30)
        assert await anext(stream) == b"one"
        go_on.set()
        with pytest.raises(ProtocolError):
            await anext(stream)
        await ended(server)


async def endless(exchange: Exchange) -> None:
    await exchange.read_request()
    exchange.writer.transport.set_write_buffer_limits(high=1 << 16)
    piece = b"%x\r\n%b\r\n" % (1 << 15, bytes(1 << 15))
    exchange.server.sent = 0
    with contextlib.suppress(ConnectionError):
        await exchange.send(CHUNKED)
        while True:
            await exchange.send(piece)
            exchange.server.sent += len(piece)


async def until_stalled(server):
    """Wait until the server can send no more."""
    last = -1
    async with asyncio.timeout(10):
        while server.sent != last:
            last = server.sent
            await asyncio.sleep(0.2)
    return last


async def test_an_endless_body_that_nobody_reads_stalls_its_sender_with_memory_flat(client):
    async with raw_server(endless) as server:
        tracemalloc.start()
        response = await open_stream(client, server)
        stalled_at = await until_stalled(server)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert response.size < 1 << 20
        assert held < 4 << 20
        seen = 0
        async for chunk in response.chunks(idle_timeout=30):
            seen += len(chunk)
            if seen > 2 * stalled_at:
                break
        assert server.sent > stalled_at
        await response.aclose()


async def test_an_endless_body_is_given_up_at_the_cap_with_memory_flat(client):
    async with raw_server(endless) as server:
        tracemalloc.start()
        with pytest.raises(ResponseTooLarge):
            await fetch(client, server.peer(), cap=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20


async def test_an_endless_header_is_given_up_at_its_limit():
    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while True:
                await exchange.send(b"y" * 4096)
        finally:
            exchange.server.closed_by_client.set()

    client = HttpClient(ClientLimits(max_header_bytes=32 << 10))
    async with raw_server(handler) as server:
        with pytest.raises(ProtocolError, match="too large"):
            await fetch(client, server.peer())
        await ended(server)
    await client.aclose()


async def test_a_connection_that_was_held_back_is_reused(client):
    body = bytes(1 << 20)
    big = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(big)
        await exchange.read_request()
        await exchange.send(OK)
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        response = await open_stream(client, server)
        await until(lambda: response.size > 64 << 10)
        assert await response.read(1 << 20, timeout=30) == body
        assert await fetch(client, server.peer()) == (200, b"ok")
        assert server.connections == 1
