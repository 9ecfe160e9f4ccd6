"""What one connection does with the answers of an honest, a broken and a hostile peer."""

import asyncio

import pytest

from tests.proxy.http_client.servers import OK, Exchange, answering, ended, fetch, raw_server, silent_after, until
from vmcp_proxy.http_client import (
    ClientLimits,
    ConnectFailed,
    HttpClient,
    PeerClosed,
    PoolClosed,
    ProtocolError,
    ResponseTooLarge,
    Timeout,
)

H = b"HTTP/1.1 200 OK\r\n"


async def test_a_hundred_requests_use_one_connection(client):
    async with raw_server(answering(OK)) as server:
        for _ in range(100):
            assert await fetch(client, server.peer()) == (200, b"ok")
        assert server.connections == client.connections_opened == 1
        assert client.contexts_built == 0


async def test_the_request_carries_host_length_headers_and_body_in_one_piece(client):
    async with raw_server(answering(OK)) as server:
        await fetch(client, server.peer("/a/b?c=d"), headers=((b"X-One", b"1"), (b"x-two", b"2")), body=b"12345")
        port = b"%d" % server.port
        assert server.requests == [
            b"POST /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:" + port + b"\r\nContent-Length: 5\r\n"
            b"X-One: 1\r\nx-two: 2\r\nAccept-Encoding: identity\r\n\r\n12345"
        ]


async def test_a_large_body_arrives_whole(client):
    async with raw_server(answering(OK)) as server:
        body = bytes(range(256)) * 20_000
        assert await fetch(client, server.peer(), body=body) == (200, b"ok")
        assert server.requests[0].endswith(body)
        assert await fetch(client, server.peer()) == (200, b"ok")
        assert server.connections == 1


@pytest.mark.parametrize(
    "pieces",
    [
        (H + b"Content-Length: 5\r\n\r\nhello",),
        (H + b"Content-Length: 5\r\n\r\n", b"hel", b"lo"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",),
        (H + b"Transfer-Encoding: chunked\r\n\r\n", b"2;x=y\r\nhe\r\n", b"3\r\nllo\r\n", b"0\r\nT: 1\r\n\r\n"),
        tuple(bytes([byte]) for byte in H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n", H + b"Content-Length: 5\r\n\r\nhello"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_any_framing_and_splitting_gives_the_same_response_and_keeps_the_connection(client, pieces, stream):
    async with raw_server(answering(*pieces)) as server:
        for _ in range(3):
            response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30, stream=stream)
            assert response.status == 200
            assert response.headers.get(b"link") is None
            assert await response.read(100, timeout=30) == b"hello"
        assert server.connections == 1


async def test_trailers_never_become_headers_of_this_or_the_next_response(client):
    chunked = H + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with raw_server(answering(chunked)) as server:
        for _ in range(2):
            response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
            await response.read(10, timeout=30)
            assert response.headers.items == ((b"transfer-encoding", b"chunked"),)


async def test_a_body_without_length_ends_with_the_connection(client):
    async with raw_server(answering(H + b"\r\nhel", b"lo", close=True)) as server:
        assert await fetch(client, server.peer()) == (200, b"hello")
        assert await fetch(client, server.peer()) == (200, b"hello")
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "started"),
    [
        (b"", False),
        (b"HTTP/1.1 200 O", True),
        (H + b"Content-Length: 5\r\n\r\nhel", True),
        (H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", True),
        (H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True),
    ],
)
async def test_an_early_end_is_an_error_that_says_the_request_was_sent(client, answer, started):
    async with raw_server(answering(answer, close=True)) as server:
        with pytest.raises(PeerClosed) as caught:
            await fetch(client, server.peer())
        assert caught.value.sent
        assert caught.value.started == started
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("field", [b"", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_bodyless_statuses_end_with_their_head(client, status, field):
    async with raw_server(answering(b"HTTP/1.1 " + status + b"\r\n" + field + b"\r\n")) as server:
        for _ in range(2):
            assert (await fetch(client, server.peer()))[1] == b""
        assert server.connections == 1


@pytest.mark.parametrize("field", [b"", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_head_response_has_no_body(client, field):
    async with raw_server(answering(H + field + b"\r\n")) as server:
        assert await fetch(client, server.peer(), b"HEAD", body=None) == (200, b"")


@pytest.mark.parametrize(
    "answer",
    [
        H + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        H + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: gzip\r\n\r\nxx",
        H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        H + b"Content-Length: -2\r\n\r\nok",
        H + b"Content-Length: 2, 2\r\n\r\nok",
        H + b"Content-Length: 99999999999999999999999\r\n\r\nok",
        H + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        H + b"X : y\r\nContent-Length: 2\r\n\r\nok",
        H + b"X: y\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        H + b"X: a\0b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_an_unacceptable_answer_is_refused_and_the_connection_closed(client, answer):
    async with raw_server(silent_after(answer)) as server:
        with pytest.raises(ProtocolError) as caught:
            await fetch(client, server.peer())
        assert caught.value.sent
        await ended(server)


@pytest.mark.parametrize(
    "surplus", [b"H", b"x", OK, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n"]
)
@pytest.mark.parametrize("first", [OK, H + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"])
async def test_surplus_bytes_cost_the_connection_not_the_response(client, first, surplus):
    async with raw_server(silent_after(first + surplus)) as server:
        assert await fetch(client, server.peer()) == (200, b"ok")
        await ended(server)


@pytest.mark.parametrize("surplus", [b"\r\n", b"x", OK])
async def test_bytes_on_an_idle_connection_close_it(client, surplus):
    late = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(OK)
        if exchange.server.connections == 1:
            await late.wait()
            await exchange.send(surplus)
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        assert await fetch(client, server.peer()) == (200, b"ok")
        late.set()
        await ended(server)
        assert await fetch(client, server.peer()) == (200, b"ok")
        assert server.connections == 2


async def test_an_idle_connection_that_the_peer_closed_is_never_handed_out(client):
    async with raw_server(answering(OK, close=True)) as server:
        for number in range(1, 4):
            assert await fetch(client, server.peer()) == (200, b"ok")
            await until(lambda: "0 busy, 0 idle" in repr(client._pools))
            assert server.connections == number


async def test_a_request_on_a_dying_connection_is_never_sent_again(client):
    async def handler(exchange: Exchange) -> None:
        if await exchange.read_request():
            await exchange.send(OK)
            await exchange.read_request()

    async with raw_server(handler) as server:
        assert await fetch(client, server.peer()) == (200, b"ok")
        with pytest.raises(PeerClosed) as caught:
            await fetch(client, server.peer())
        assert caught.value.sent
        assert not caught.value.started
        assert len(server.requests) == 2
        assert server.connections == 1


async def test_connection_close_and_http_1_0_are_respected(client):
    for answer in (
        H + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ):
        async with raw_server(silent_after(answer)) as server:
            assert await fetch(client, server.peer()) == (200, b"ok")
            await ended(server)


async def test_an_answer_before_the_request_was_taken_stands_but_ends_the_connection(client):
    async def handler(exchange: Exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\n")
        exchange.writer.transport.pause_reading()
        await exchange.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await until(lambda: "1 busy" not in repr(client._pools))

    async with raw_server(handler) as server:
        assert await fetch(client, server.peer(), body=bytes(32 << 20)) == (413, b"no")
        assert "0 busy, 0 idle" in repr(client._pools)


@pytest.mark.parametrize(
    ("pieces", "phase"),
    [((), "head"), ((b"HTTP/1.1 200 OK\r\nX: ",), "head"), ((H + b"Content-Length: 5\r\n\r\nhe",), "body")],
)
async def test_a_slow_answer_is_a_timeout_with_its_phase(client, pieces, phase):
    async with raw_server(silent_after(*pieces)) as server:
        with pytest.raises(Timeout) as caught:
            await fetch(client, server.peer(), timeout=0.1)
        assert caught.value.phase == phase
        assert caught.value.sent
        await ended(server)


async def test_a_drip_of_header_bytes_does_not_extend_the_deadline(client):
    async def drip(exchange: Exchange) -> None:
        await exchange.read_request()
        exchange.writer.write(H)
        while not exchange.writer.is_closing():
            await exchange.send(b"X: y\r\n")
            await asyncio.sleep(0.01)

    async with raw_server(drip) as server:
        with pytest.raises(Timeout) as caught:
            await fetch(client, server.peer(), timeout=0.2)
        assert caught.value.phase == "head"


async def test_a_peer_that_reads_nothing_is_a_send_timeout(client):
    async def handler(exchange: Exchange) -> None:
        exchange.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with raw_server(handler) as server:
        with pytest.raises(Timeout) as caught:
            await fetch(client, server.peer(), body=bytes(32 << 20), timeout=0.2)
        assert caught.value.phase == "send"
        assert caught.value.sent


@pytest.mark.parametrize(("earlier", "later"), [(60, 0.1), (0.5, 0.8)])
async def test_the_deadline_of_a_request_is_its_own_and_not_that_of_an_earlier_one(client, earlier, later):
    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(OK)
        await exchange.wait_closed()

    async with raw_server(handler) as server:
        assert await fetch(client, server.peer(), timeout=earlier) == (200, b"ok")
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(30):
            with pytest.raises(Timeout):
                await fetch(client, server.peer(), timeout=later)
        assert asyncio.get_running_loop().time() - started > later * 0.9
        assert server.connections == 1


async def test_an_idle_connection_is_closed_after_its_expiry():
    client = HttpClient(ClientLimits(keep_alive_expiry=0.05))
    async with raw_server(answering(OK)) as server:
        assert await fetch(client, server.peer()) == (200, b"ok")
        await ended(server)
        assert await fetch(client, server.peer()) == (200, b"ok")
        assert server.connections == 2
    await client.aclose()


async def test_a_refused_connection_says_so_and_that_nothing_was_sent(client):
    async with raw_server(answering(OK)) as server:
        peer = server.peer()
    with pytest.raises(ConnectFailed, match="connection refused") as caught:
        await fetch(client, peer)
    assert not caught.value.sent


async def test_a_closed_client_refuses_requests_and_ends_those_that_run():
    client = HttpClient()
    async with raw_server(silent_after()) as server:
        running = asyncio.create_task(fetch(client, server.peer()))
        await until(lambda: server.requests)
        await client.aclose()
        with pytest.raises(PoolClosed) as caught:
            await running
        assert caught.value.sent
        await ended(server)
        with pytest.raises(PoolClosed) as caught:
            await fetch(client, server.peer())
        assert not caught.value.sent


async def test_cancelling_a_request_closes_its_connection(client):
    async with raw_server(silent_after()) as server:
        running = asyncio.create_task(fetch(client, server.peer()))
        await until(lambda: server.requests)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await ended(server)


async def test_cancelling_a_body_read_closes_its_connection(client):
    async with raw_server(silent_after(H + b"Content-Length: 500000\r\n\r\nhe")) as server:
        response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
        running = asyncio.create_task(response.read(1 << 20, timeout=30))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await ended(server)


async def test_a_response_that_is_let_go_early_closes_its_connection(client):
    async with raw_server(silent_after(H + b"Content-Length: 500000\r\n\r\nhe")) as server:
        response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
        await response.aclose()
        await ended(server)
        with pytest.raises(PoolClosed):
            await response.read(1 << 20, timeout=30)


async def test_a_response_that_has_arrived_is_let_go_without_closing(client):
    async with raw_server(answering(OK)) as server:
        for _ in range(3):
            response = await client.request(server.peer(), b"POST", (), b"{}", timeout=30)
            await response.aclose()
        assert server.connections == 1


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000\r\n\r\n", b"\r\n"])
async def test_a_response_above_the_cap_is_an_error_and_closes_the_connection(client, framing):
    async def endless(exchange: Exchange) -> None:
        await exchange.read_request()
        exchange.writer.write(H + framing)
        try:
            while True:
                await exchange.send(bytes(1 << 16))
        finally:
            exchange.server.closed_by_client.set()

    async with raw_server(endless) as server:
        with pytest.raises(ResponseTooLarge) as caught:
            await fetch(client, server.peer(), cap=100_000)
        assert caught.value.limit == 100_000
        await ended(server)


async def test_a_declared_length_above_the_cap_is_refused_before_any_body(client):
    async with raw_server(silent_after(H + b"Content-Length: 100001\r\n\r\n")) as server:
        with pytest.raises(ResponseTooLarge):
            await fetch(client, server.peer(), cap=100_000)
        await ended(server)


async def test_a_small_response_above_a_smaller_cap_is_refused_whole(client):
    async with raw_server(answering(OK)) as server:
        with pytest.raises(ResponseTooLarge):
            await fetch(client, server.peer(), cap=1)
        assert await fetch(client, server.peer(), cap=2) == (200, b"ok")
