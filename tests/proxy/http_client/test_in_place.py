"""Long bodies whose memory is reserved: read where they stay, with all that holds for other bodies."""

import asyncio
import ssl
import tracemalloc

import pytest
import trustme

from tests.proxy.http_client.servers import answering, ended, raw_server, silent_after
from vmcp_proxy.http_client import HttpClient, PeerClosed, ResponseTooLarge, Timeout, TrustSetting

pytestmark = pytest.mark.scenario("B-4")
BODY = bytes(range(256)) * 4096
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n"
PIECE = 100_000


async def read(client, server, *, trust=None, timeout=30.0, cap=1 << 24):  # noqa: ASYNC109 - handed on
    response = await client.request(server.peer(trust=trust), b"POST", (), b"{}", timeout=30)
    return await response.read(cap, timeout=timeout, is_reserved=True)


def pieces(body: bytes = BODY, fields: bytes = b"") -> list[bytes]:
    whole = HEAD % (len(body), fields) + body
    return [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]


async def test_a_body_in_pieces_is_whole_and_its_connection_carries_the_next_one(client):
    async with raw_server(answering(*pieces())) as server:
        for _ in range(3):
            assert await read(client, server) == BODY
        assert server.connections == 1
        assert "1 idle" in repr(client._pools)


async def test_it_is_bytes_like_any_body(client):
    async with raw_server(answering(*pieces())) as server:
        assert type(await read(client, server)) is bytes


async def test_over_tls_too():
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = TrustSetting(ca_bundle=authority.cert_pem.bytes().decode())
    client = HttpClient()
    async with raw_server(answering(*pieces()), context) as server:
        assert [await read(client, server, trust=trust) for _ in range(2)] == [BODY, BODY]
        assert server.connections == 1
    await client.aclose()


async def test_a_connection_that_the_server_will_close_is_not_used_again(client):
    async with raw_server(answering(*pieces(fields=b"Connection: close\r\n"))) as server:
        assert [await read(client, server) for _ in range(2)] == [BODY, BODY]
        assert server.connections == 2


async def test_what_comes_behind_the_body_is_no_part_of_it(client):
    async with raw_server(answering(*pieces(), b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        assert await read(client, server) == BODY


async def test_a_body_that_breaks_off_is_no_answer(client):
    async with raw_server(answering(*pieces()[:-1], close=True)) as server:
        with pytest.raises(PeerClosed) as caught:
            await read(client, server)
        assert (caught.value.sent, caught.value.started) == (True, True)


async def test_a_body_that_stalls_is_given_up_in_its_time(client):
    async with raw_server(silent_after(*pieces()[:3])) as server:
        with pytest.raises(Timeout) as caught:
            await read(client, server, timeout=0.1)
        assert caught.value.phase == "body"
        await ended(server)


async def test_who_stops_reading_closes_the_connection(client):
    async with raw_server(silent_after(*pieces()[:3])) as server:
        task = asyncio.create_task(read(client, server))
        while not client.connections_opened:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ended(server)


async def test_no_memory_is_taken_for_a_body_over_the_cap(client):
    async with raw_server(answering(HEAD % (1 << 40, b""))) as server:
        with pytest.raises(ResponseTooLarge):
            await read(client, server)


async def test_a_body_is_held_once(client):
    body = BODY * 8
    async with raw_server(silent_after(*pieces(body))) as server:
        response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
        tracemalloc.start()
        assert await response.read(1 << 24, timeout=30, is_reserved=True) == body
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.5 * len(body)


async def test_a_connection_that_is_idle_again_holds_nothing_of_its_last_body(client):
    body = BODY * 8
    async with raw_server(answering(*pieces(body))) as server:
        response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
        tracemalloc.start()
        size = len(await response.read(1 << 24, timeout=30, is_reserved=True))
        del response
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert size == len(body)
        assert held < len(body) // 2
        assert "1 idle" in repr(client._pools)
