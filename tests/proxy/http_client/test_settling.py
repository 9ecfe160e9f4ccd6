"""A stream that has said all that matters: its connection serves on where the end follows, and is closed where not."""

import asyncio

import pytest

from tests.proxy.http_client.servers import Exchange, ended, fetch, raw_server, silent_after, until

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = CHUNKED + b"6\r\nanswer\r\n"


async def read_first(client, server):
    response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
    assert await response.part(idle_timeout=30) == b"answer"
    return response


def ending(go_on: asyncio.Event, *rest: bytes):
    async def handler(exchange: Exchange) -> None:
        while await exchange.read_request() is not None:
            await exchange.send(FIRST)
            await go_on.wait()
            await exchange.send(*rest)
        exchange.server.closed_by_client.set()

    return handler


@pytest.mark.parametrize("rest", [(b"0\r\n\r\n",), (b"3\r\nbye\r\n", b"0\r\n\r\n")])
async def test_where_the_end_follows_the_next_request_goes_over_the_same_connection(client, rest):
    go_on = asyncio.Event()
    async with raw_server(ending(go_on, *rest)) as server:
        response = await read_first(client, server)
        response.settle()
        await response.aclose()
        go_on.set()
        await until(lambda: "1 idle" in repr(client._pools))
        status, body = await fetch(client, server.peer())
        assert (status, body[:6]) == (200, b"answer")
        assert server.connections == 1


async def test_a_stream_that_does_not_end_is_closed_soon(client):
    async with raw_server(silent_after(FIRST)) as server:
        response = await read_first(client, server)
        response.settle()
        await ended(server)
        assert "0 busy, 0 idle" in repr(client._pools)


async def test_a_stream_that_goes_on_at_length_is_closed_before_its_time_is_up(client, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.http_client.connection._SETTLING_SECONDS", 60.0)
    go_on = asyncio.Event()
    piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    async with raw_server(ending(go_on, *[piece] * 1000)) as server:
        response = await read_first(client, server)
        response.settle()
        go_on.set()
        await until(lambda: "0 busy, 0 idle" in repr(client._pools))


async def test_a_response_that_is_complete_has_nothing_to_settle(client):
    go_on = asyncio.Event()
    go_on.set()
    async with raw_server(ending(go_on, b"0\r\n\r\n")) as server:
        response = await read_first(client, server)
        await until(lambda: response.complete)
        response.settle()
        assert (await fetch(client, server.peer()))[0] == 200
        assert server.connections == 1


async def test_closing_the_client_closes_a_connection_that_settles(client):
    async with raw_server(silent_after(FIRST)) as server:
        response = await read_first(client, server)
        response.settle()
        await client.aclose()
        await ended(server)
        assert "0 busy, 0 idle" in repr(client._pools)
