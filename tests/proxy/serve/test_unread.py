"""What clients do not read is bounded, for one connection and for all of them together; others wait, in order."""

import asyncio
import contextlib
import re
import socket
import struct

import pytest

from tests.proxy.serve.harness import World, call
from tests.proxy.serve.test_http_protocol import request
from tests.support.raw_client import WAIT_SECONDS, eventually
from vmcp_proxy.protocol.jsonrpc import encode_answer, encode_result
from vmcp_proxy.protocol.sse import encode_event
from vmcp_proxy.serve.http import limits, unread
from vmcp_proxy.serve.legacy.post_exchange import PostExchange
from vmcp_proxy.serve.modern.exchange import ModernExchange

MIB = 1 << 20
LONG = 16 * MIB
"""More than the kernel takes for a client that reads nothing."""


class Caller:
    """A client that has asked and reads nothing until it is told to."""

    def __init__(self, reader, writer):
        self._reader, self.writer = reader, writer

    @classmethod
    async def asking(cls, world, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=64 << 10)
        caller = cls(reader, writer)
        caller.pause()
        writer.write(request(call(request_id=number), b"connection: close"))
        return caller

    async def read(self, size=-1):
        """What came, so many bytes of it, or all until the connection ends."""
        with contextlib.suppress(RuntimeError):  # it was not paused
            self._reader._transport.resume_reading()
        async with asyncio.timeout(WAIT_SECONDS):
            if size >= 0:
                return await self._reader.readexactly(size)
            try:
                return await self._reader.read()
            finally:
                self.go()

    def pause(self):
        """Reads no more than has come."""
        self._reader._transport.pause_reading()

    def go(self):
        """Goes by a reset: the end of what it sends alone would not be the end of what it reads."""
        sock = self.writer.get_extra_info("socket")
        if sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def as_json(context):
    await context.respond(200, encode_answer(context.message.id, b'"%b"' % (b"x" * LONG)))


async def as_json_the_long_way(context):
    answer = encode_result(context.message.id, b'"%b"' % (b"x" * LONG))
    await context.respond(200, answer, headers=((b"x-one", b"1"),))


async def as_event(context):
    await context.start_stream()
    await context.write(encode_event(encode_result(context.message.id, b'"%b"' % (b"x" * LONG))))
    await context.finish()


WAYS = (as_json, as_json_the_long_way, as_event)


@contextlib.asynccontextmanager
async def callers_of(way, count, **changes):
    """A server with room for one long answer, and clients that ask one after the other; `answered` has who was."""
    answered = []

    async def dispatch(context):
        number = int(context.message.id)
        try:
            await way(context)
            answered.append(number)
        except asyncio.CancelledError:
            answered.append(-number)
            raise

    async with World(dispatch=dispatch).serving(**changes) as world:
        callers = []
        try:
            for number in range(count):
                callers.append(await Caller.asking(world, number))
                await eventually(lambda: len(world.server.unread) == len(callers))
            yield world, callers, answered
        finally:
            for each in callers:
                each.go()


@pytest.fixture(autouse=True)
def room_for_one(monkeypatch):
    monkeypatch.setattr(unread, "MOST_UNREAD_BYTES", 4 * MIB)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_long_answer_waits_until_those_before_it_are_read_and_all_arrive_in_their_order(way):
    async with callers_of(way, 4) as (world, callers, answered):
        assert world.server.unread.waiting == 3
        for number, caller in enumerate(callers):
            assert [each for each in answered if each > number] == []
            assert (await caller.read()).count(b"x" * LONG) == 1
            await eventually(lambda: number in answered)  # noqa: B023
        assert answered == [0, 1, 2, 3]
        await eventually(lambda: not len(world.server.unread))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_the_wait_of_one_whose_client_goes_ends_and_takes_nobodys_room(way):
    async with callers_of(way, 3) as (world, callers, answered):
        callers[1].go()
        await eventually(lambda: 1 in answered)
        assert world.server.unread.waiting == 1
        await callers[0].read()
        assert b"x" * LONG in await callers[2].read()
        await eventually(lambda: not len(world.server.unread))


@pytest.mark.parametrize("way", [as_json, as_json_the_long_way], ids=lambda way: way.__name__)
async def test_the_wait_of_one_whose_time_is_up_ends_with_an_error_in_its_place(way):
    async with callers_of(way, 1) as (world, callers, answered):
        world.rebuild(maximum=0.1)
        late = await Caller.asking(world, 7)
        assert (await late.read()).startswith(b"HTTP/1.1 504 ")
        assert answered[-1] == -7
        assert world.server.unread.waiting == 0
        assert b"x" * LONG in await callers[0].read()


async def test_a_client_that_reads_nothing_is_cut_off_once_another_one_waits_and_not_before(monkeypatch):
    async with callers_of(as_json, 1) as (world, callers, _):
        world.server.unread.look(asyncio.get_running_loop().time() + 1e6, is_due=True)
        assert len(world.server.unread) == 1
        monkeypatch.setattr(unread, "PROGRESS_SECONDS", 0.0)
        other = await Caller.asking(world, 1)
        assert b"x" * LONG in await other.read()
        assert len(await callers[0].read()) < LONG


async def test_one_that_takes_a_byte_now_and_then_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(unread, "PROGRESS_SECONDS", 0.2)
    async with callers_of(as_json, 1) as (world, callers, _):

        async def drip():
            while True:
                await callers[0].read(1)
                callers[0].pause()
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        other = await Caller.asking(world, 1)
        assert b"x" * LONG in await other.read()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


class NoStreams:
    """Takes the place of the streams of a session where none is to begin."""

    def open(self, *_about):
        raise AssertionError("a stream begins")


def modern_answer(context, answer):
    exchange = ModernExchange(context, 0.0)
    return exchange, exchange.finish(200, answer)


def legacy_answer(context, answer):
    exchange = PostExchange(context, object(), b"1", NoStreams(), 0.0)
    return exchange, exchange.finish(answer)


@pytest.mark.parametrize("answer_of", [modern_answer, legacy_answer], ids=lambda way: way.__name__)
async def test_an_answer_that_waits_stays_the_whole_answer_whatever_is_said_meanwhile(answer_of):
    said = asyncio.Event()

    async def dispatch(context):
        if context.message.id == b"0":
            await as_json(context)
            return
        exchange, finishing = answer_of(context, encode_answer(context.message.id, b'"%b"' % (b"y" * LONG)))
        finished = asyncio.ensure_future(finishing)
        await eventually(lambda: world.server.unread.waiting)
        await exchange.comment()
        await exchange.send(b"{}")
        said.set()
        await finished

    async with World(dispatch=dispatch).serving() as world:
        first = await Caller.asking(world, 0)
        await eventually(lambda: len(world.server.unread) == 1)
        second = await Caller.asking(world, 1)
        await asyncio.wait_for(said.wait(), WAIT_SECONDS)
        await first.read()
        answer = await second.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b'"%b"}' % (b"y" * LONG))


async def test_short_answers_wait_for_nobody():
    async def dispatch(context):
        if context.message.id == b"0":
            await as_json(context)
        else:
            await context.respond(200, encode_result(context.message.id, b'"%b"' % (b"y" * 60_000)))

    async with World(dispatch=dispatch).serving() as world:
        first = await Caller.asking(world, 0)
        await eventually(lambda: len(world.server.unread) == 1)
        second = await Caller.asking(world, 1)
        assert b"y" * 60_000 in await second.read()
        first.go()


async def test_what_waits_for_its_turn_behind_others_is_bounded_over_all_connections(monkeypatch):
    monkeypatch.setattr(unread, "MOST_UNREAD_BYTES", 40 * MIB)
    monkeypatch.setattr(unread, "MOST_IN_MEMORY_BYTES", 70 * MIB)
    waiting = []

    async def dispatch(context):
        await context.start_stream()
        await context.write(b"x" * LONG)
        with context.waiting(LONG):
            waiting.append(context)
            await asyncio.Event().wait()

    async with World(dispatch=dispatch).serving() as world:
        callers = []
        for number in range(4):
            callers.append(await Caller.asking(world, number))
            await eventually(lambda: len(waiting) == len(callers))
        await eventually(lambda: len(world.server.server_state.connections) < 4)
        assert len(await callers[0].read()) < LONG
        assert re.match(rb"HTTP/1.1 200 ", await callers[3].read(13))
        for each in callers:
            each.go()


@pytest.mark.scenario("X-1")
async def test_a_client_that_reads_nothing_loses_its_connection_and_holds_up_nothing(monkeypatch):
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.3)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)
    over = asyncio.Event()

    async def pour(context):
        await context.start_stream()
        for _ in range(64):
            await context.write(bytes(1 << 20))
        over.set()
        await context.finish()

    world = World(dispatch=pour)
    async with world.serving():
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1)
        writer.transport.pause_reading()
        writer.write(request(call()))
        async with asyncio.timeout(30):
            await over.wait()
        writer.transport.abort()
