"""Who gets a connection when there are not enough."""

import asyncio

import pytest

from tests.proxy.http_client.servers import OK, Exchange, answering, fetch, raw_server, until
from vmcp_api.config import Network
from vmcp_proxy.http_client import ClientLimits, ConnectFailed, HttpClient, Peer, PoolClosed, Timeout, Url


class Gate:
    """A handler that answers a request when it is let through; the answer is the request's body."""

    def __init__(self):
        self.passes = asyncio.Semaphore(0)
        self.arrived = []

    async def __call__(self, exchange: Exchange) -> None:
        while (request := await exchange.read_request()) is not None:
            body = request.partition(b"\r\n\r\n")[2]
            self.arrived.append(body)
            await self.passes.acquire()
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def ask(client, server, number, timeout=30.0):
    return asyncio.create_task(fetch(client, server.peer(), body=b"%d" % number, timeout=timeout))


@pytest.fixture
async def narrow():
    client = HttpClient(ClientLimits(max_connections=2))
    yield client
    await client.aclose()


async def test_callers_above_the_bound_are_served_in_the_order_in_which_they_came(narrow):
    gate = Gate()
    async with raw_server(gate) as server:
        tasks = [ask(narrow, server, number) for number in range(10)]
        await until(lambda: "8 waiting" in repr(narrow._pools) and len(gate.arrived) == 2)
        for count in range(3, 11):
            gate.passes.release()
            await until(lambda count=count: len(gate.arrived) == count)
        gate.passes.release()
        gate.passes.release()
        assert [(await task)[1] for task in tasks] == [b"%d" % number for number in range(10)]
        assert gate.arrived[2:] == [b"%d" % number for number in range(2, 10)]
        assert server.connections == 2


async def test_a_newcomer_does_not_overtake_the_queue(narrow):
    gate = Gate()
    async with raw_server(gate) as server:
        tasks = [ask(narrow, server, number) for number in range(3)]
        await until(lambda: "1 waiting" in repr(narrow._pools) and len(gate.arrived) == 2)

        async def come_back():
            await tasks[0]
            return await fetch(narrow, server.peer(), body=b"late")

        late = asyncio.create_task(come_back())
        gate.passes.release()
        await until(lambda: len(gate.arrived) == 3)
        assert gate.arrived[2] == b"2"
        for _ in range(3):
            gate.passes.release()
        await asyncio.gather(late, *tasks)
        assert gate.arrived[3] == b"late"


async def test_a_wait_for_a_connection_is_bounded_and_nothing_was_sent(narrow):
    gate = Gate()
    async with raw_server(gate) as server:
        running = [ask(narrow, server, number) for number in range(2)]
        await until(lambda: len(gate.arrived) == 2)
        with pytest.raises(Timeout) as caught:
            await fetch(narrow, server.peer(), timeout=0.05)
        assert caught.value.phase == "pool"
        assert not caught.value.sent
        assert "0 waiting" in repr(narrow._pools)
        gate.passes.release()
        gate.passes.release()
        await asyncio.gather(*running)


async def test_the_pools_own_bound_is_shorter_than_the_callers():
    client = HttpClient(ClientLimits(max_connections=1, pool_timeout=0.05))
    gate = Gate()
    async with raw_server(gate) as server:
        running = ask(client, server, 1)
        await until(lambda: gate.arrived)
        with pytest.raises(Timeout) as caught:
            await fetch(client, server.peer())
        assert caught.value.phase == "pool"
        gate.passes.release()
        await running
    await client.aclose()


@pytest.mark.parametrize("ticks", range(6))
async def test_a_cancelled_waiter_never_takes_a_connection_with_it(narrow, ticks):
    gate = Gate()
    async with raw_server(gate) as server:
        running = [ask(narrow, server, number) for number in range(2)]
        await until(lambda: len(gate.arrived) == 2)
        waiting = [ask(narrow, server, number) for number in range(2, 5)]
        await until(lambda: "3 waiting" in repr(narrow._pools))
        for _ in range(20):
            gate.passes.release()
        await until(lambda: running[0].done() or running[1].done())
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[1].cancel()
        await asyncio.gather(*running, *waiting, return_exceptions=True)
        assert (await asyncio.gather(*(ask(narrow, server, number) for number in range(4))))[3] == (200, b"3")
        assert "0 busy" in repr(narrow._pools)


async def test_a_waiter_that_is_cancelled_in_the_tick_of_its_grant_passes_it_on(narrow):
    async with raw_server(answering(OK)) as server:
        await fetch(narrow, server.peer())
        (pool,) = narrow._pools.values()
        connection = pool.take_idle()
        pool._slots = 2
        first = asyncio.create_task(pool.acquire(1e12))
        second = asyncio.create_task(pool.acquire(1e12))
        await until(lambda: "2 waiting" in repr(pool))
        pool.release(connection)
        first.cancel()
        assert await asyncio.wait_for(second, 30) is connection
        with pytest.raises(asyncio.CancelledError):
            await first
        third = asyncio.create_task(pool.acquire(1e12))
        await until(lambda: "1 waiting" in repr(pool))
        pool._free_slot()
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third
        assert pool._slots == 1
        pool.release(connection)


async def test_a_closed_connection_gives_its_slot_to_the_queue(narrow):
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with raw_server(answering(answer, close=True)) as server:
        results = await asyncio.gather(*(ask(narrow, server, number) for number in range(12)))
        assert results == [(200, b"ok")] * 12
        await until(lambda: "0 busy, 0 idle, 0 waiting" in repr(narrow._pools))
        assert server.connections == 12


async def test_a_failed_dial_gives_its_slot_back(narrow):
    async with raw_server(answering(OK)) as server:
        peer = server.peer()
    results = await asyncio.gather(*(fetch(narrow, peer) for _ in range(6)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectFailed] * 6
    assert "0 busy, 0 idle, 0 waiting" in repr(narrow._pools)


async def test_cancelling_a_dial_gives_its_slot_back():
    asked = asyncio.Event()

    async def never(host, port):
        asked.set()
        await asyncio.Event().wait()

    client = HttpClient(ClientLimits(max_connections=1), resolver=never)
    dialling = asyncio.create_task(fetch(client, Peer(Url.parse("http://a/"), Network.LOCAL)))
    await asked.wait()
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert "0 busy" in repr(client._pools)
    await client.aclose()


@pytest.mark.parametrize(("to_connect", "in_all"), [(0.05, 5.0), (5.0, 0.05)])
async def test_a_name_that_is_not_resolved_in_time_is_told_from_a_host_that_does_not_answer(to_connect, in_all):
    async def never(host, port):
        await asyncio.Event().wait()

    client = HttpClient(ClientLimits(connect_timeout=to_connect), resolver=never)
    with pytest.raises(ConnectFailed, match="DNS") as caught:
        await fetch(client, Peer(Url.parse("http://a/"), Network.LOCAL), timeout=in_all)
    assert not caught.value.sent
    await client.aclose()

    async def silent(exchange):
        await exchange.wait_closed()

    client = HttpClient(ClientLimits(connect_timeout=to_connect))
    async with raw_server(silent) as server:
        server.tls = True
        with pytest.raises(Timeout) as waited:
            await fetch(client, server.peer(), timeout=in_all)
    assert waited.value.phase == "connect"
    assert not waited.value.sent
    await client.aclose()


async def test_the_connection_used_last_is_reused_first_and_spare_ones_are_closed():
    client = HttpClient(ClientLimits(max_idle=2))
    gate = Gate()
    async with raw_server(gate) as server:
        tasks = [ask(client, server, number) for number in range(4)]
        await until(lambda: len(gate.arrived) == 4)
        for _ in range(100):
            gate.passes.release()
        await asyncio.gather(*tasks)
        assert "0 busy, 2 idle" in repr(client._pools)
        (pool,) = client._pools.values()
        newest = pool._idle[-1]
        for _ in range(3):
            await fetch(client, server.peer(), body=b"x")
            assert pool._idle[-1] is newest
    await client.aclose()


async def test_closing_the_client_fails_the_queue(narrow):
    gate = Gate()
    async with raw_server(gate) as server:
        tasks = [ask(narrow, server, number) for number in range(4)]
        await until(lambda: "2 waiting" in repr(narrow._pools) and len(gate.arrived) == 2)
        await narrow.aclose()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [PoolClosed] * 4
        assert [result.sent for result in results] == [True, True, False, False]


async def test_pools_of_peers_that_are_gone_are_dropped():
    client = HttpClient(ClientLimits(keep_alive_expiry=0.01))
    async with raw_server(answering(OK)) as one, raw_server(answering(OK)) as two:
        await fetch(client, one.peer())
        await until(lambda: "0 idle" in repr(client._pools))
        await fetch(client, two.peer())
        assert list(client._pools) == [two.peer().pool_key]
    await client.aclose()


@pytest.mark.parametrize(("max_age", "opened"), [(0.0, 5), (300.0, 1)])
async def test_a_connection_is_used_until_it_is_too_old(max_age, opened):
    client = HttpClient(ClientLimits(max_age=max_age))
    async with raw_server(answering(OK)) as server:
        for _ in range(5):
            assert await fetch(client, server.peer()) == (200, b"ok")
        assert client.connections_opened == opened
    await client.aclose()


async def test_who_waits_for_a_connection_that_is_too_old_gets_a_new_one():
    client = HttpClient(ClientLimits(max_connections=1, max_age=0.0))
    async with raw_server(answering(OK)) as server:
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(fetch(client, server.peer()) for _ in range(5)))
        assert answers == [(200, b"ok")] * 5
        assert client.connections_opened == 5
    await client.aclose()
