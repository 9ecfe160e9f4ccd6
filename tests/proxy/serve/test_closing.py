"""A connection that nobody uses is closed, but not upon a request that is there."""

import asyncio
import contextlib
import socket

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.proxy.serve.harness import World, call, eventually
from tests.proxy.serve.test_http_protocol import answered, request
from tests.proxy.serve.test_pipelines import another_is_answered
from tests.support.raw_client import WAIT_SECONDS
from vmcp_proxy.protocol.jsonrpc import encode_result
from vmcp_proxy.serve.http import closing, limits
from vmcp_proxy.serve.http.listener import KEEP_ALIVE_SECONDS

pytestmark = pytest.mark.scenario("C-10")

MANY = 20
LONG = KEEP_ALIVE_SECONDS + 1
HEAD_END = len(request(call())) - len(call())


class Connection:
    """A client's end, by which bytes are at the server before its loop goes on, and the server's end."""

    def __init__(self, world):
        self.world = world
        self.client = socket.create_connection(("127.0.0.1", world.port))

    async def __aenter__(self):
        state = self.world.server.server_state
        await eventually(lambda: state.connections)
        (self.server,) = state.connections
        self.reader, self.writer = await asyncio.open_connection(sock=self.client)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def say(self, data):
        assert self.client.send(data) == len(data)

    async def rest(self):
        """What the server says until it closes."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def is_stalled(self, later):
        return self.server.is_stalled(asyncio.get_running_loop().time() + later)


@contextlib.asynccontextmanager
async def connected(**world):
    async with World(**world).serving() as served, Connection(served) as connection:
        yield connection


async def ask(connection):
    connection.say(request(call()))
    await answered(connection.reader)


async def test_a_request_that_waits_in_the_socket_keeps_its_connection_from_being_reaped():
    async with connected() as connection:
        await ask(connection)
        assert connection.is_stalled(LONG)
        connection.server.timeout_keep_alive = -1
        connection.say(request(call()))
        connection.world.server._reap()
        await answered(connection.reader)


async def test_so_does_the_first_request_of_a_connection_that_was_silent_for_long(monkeypatch):
    async with connected() as connection:
        monkeypatch.setattr(limits, "HEAD_SECONDS", -1.0)
        assert connection.is_stalled(0)
        connection.say(request(call()))
        connection.world.server._reap()
        await answered(connection.reader)


async def test_a_head_that_comes_too_slowly_is_given_up_while_more_of_it_comes(monkeypatch):
    async with connected() as connection:
        connection.say(request(call())[:20])
        await another_is_answered(connection.world)
        connection.say(b"x-more")
        assert connection.is_stalled(limits.HEAD_SECONDS + 1)


@pytest.mark.scenario("S-10")
async def test_a_server_that_closes_answers_the_request_that_waits_in_the_socket():
    async with connected() as connection:
        await ask(connection)
        connection.world.server.leave()
        connection.say(request(call()))
        connection.server.shutdown()
        said = await connection.rest()
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in said


@pytest.mark.scenario("S-10")
@pytest.mark.parametrize("come", [0, 20, HEAD_END], ids=["of a new connection", "in its head", "behind its head"])
async def test_a_server_that_closes_answers_the_request_that_is_on_its_way(monkeypatch, come):
    monkeypatch.setattr(closing, "_NEW_SECONDS", 0.0 if come else 3600.0)
    async with connected() as connection:
        connection.world.server.leave()
        whole = request(call())
        connection.say(whole[:come])
        await another_is_answered(connection.world)
        connection.server.shutdown()
        connection.say(whole[come:])
        said = await connection.rest()
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in said


@pytest.mark.scenario("S-10")
async def test_a_server_that_closes_answers_those_who_have_connected_since_its_loop_last_looked():
    waiting = []

    async def tick(_):
        for _ in range(MANY):
            client = socket.create_connection(("127.0.0.1", served.port))
            client.send(request(call()))
            waiting.append(client)
        served.server.close_within(10)
        return True

    async with World().serving() as served, contextlib.AsyncExitStack() as stack:
        served.server.leave()
        served.server.on_tick = tick
        await eventually(lambda: waiting)
        for client in waiting:
            reader, writer = await asyncio.open_connection(sock=client)
            stack.callback(writer.close)
            async with asyncio.timeout(WAIT_SECONDS):
                assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.scenario("S-10")
async def test_a_server_that_closes_does_not_wait_for_long_until_a_head_is_whole(monkeypatch):
    monkeypatch.setattr(closing, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(closing, "_NEW_SECONDS", 0.0)
    async with connected() as connection:
        await ask(connection)
        connection.say(request(call())[:20])
        await another_is_answered(connection.world)
        connection.server.shutdown()
        assert await connection.rest() == b""


async def test_a_request_whose_head_began_to_come_before_the_last_answer_may_take_longer_than_the_keep_alive_time():
    begun, gates = [], iter((asyncio.Event(), asyncio.Event()))

    async def hold(context):
        gate = next(gates)
        begun.append(gate)
        await gate.wait()
        await context.respond(200, encode_result(context.message.id, b"{}"))

    async with connected(dispatch=hold) as connection:
        whole = request(call())
        connection.say(whole)
        await eventually(lambda: len(begun) == 1)
        connection.say(whole[:20])
        await another_is_answered(connection.world)
        begun[0].set()
        await answered(connection.reader)
        connection.say(whole[20:])
        await eventually(lambda: len(begun) == 2)
        assert not connection.is_stalled(LONG)
        begun[1].set()
        await answered(connection.reader)
        assert connection.is_stalled(LONG)


async def test_a_connection_whose_request_was_answered_before_its_body_came_is_unused_from_then_on():
    async with connected() as connection:
        whole = request(call()).replace(b"application/json\r\naccept", b"text/plain\r\naccept")
        connection.say(whole[:HEAD_END])
        async with asyncio.timeout(WAIT_SECONDS):
            head = await connection.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 415 ")
        assert not connection.is_stalled(0)
        connection.say(whole[HEAD_END:])
        await another_is_answered(connection.world)
        assert connection.is_stalled(LONG)


async def test_a_request_that_not_even_an_error_answers_is_not_waited_for(monkeypatch):
    async def fail(*_):
        raise RuntimeError

    async def end(context):
        raise SystemExit

    monkeypatch.setattr(RequestResponseCycle, "send_500_response", fail)
    async with connected(dispatch=end) as connection:
        connection.say(request(call()))
        assert await connection.rest() == b""
