"""A connection in ticks that a real socket rarely hits."""

import asyncio

import pytest

from tests.proxy.http_client.servers import OK
from vmcp_proxy.http_client import ClientLimits, PeerClosed, Timeout
from vmcp_proxy.http_client.connection import HIGH_WATER, Connection


class FakeTransport:
    """Notes what the connection does with it."""

    def __init__(self):
        self.written = []
        self.is_paused = False
        self.is_aborted = False

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data):
        self.written.append(data)

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self.is_aborted

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False

    def abort(self):
        self.is_aborted = True


class FakeOwner:
    """Notes which of the owner's methods were called."""

    def __init__(self):
        self.calls = []

    def release(self, connection):
        self.calls.append("release")

    def retire(self, connection):
        self.calls.append("retire")

    def forget(self, connection):
        self.calls.append("forget")


@pytest.fixture
async def stage():
    transport, owner = FakeTransport(), FakeOwner()
    connection = Connection(asyncio.get_running_loop(), owner, ClientLimits())
    connection.connection_made(transport)
    yield connection, transport, owner
    connection.close()


async def start(connection, awaited="head", seconds=5.0):
    deadline = asyncio.get_running_loop().time() + seconds
    task = asyncio.create_task(
        connection.exchange(b"GET / HTTP/1.1\r\n\r\n", None, is_head=False, awaited=awaited, deadline=deadline)
    )
    await asyncio.sleep(0)
    return task


async def test_cancelling_a_task_whose_response_is_complete_leaves_the_connection_to_its_next_user(stage):
    connection, transport, owner = stage
    first = await start(connection)
    connection.data_received(OK)
    assert owner.calls == ["release"]
    first.cancel()
    second = await start(connection)
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not transport.is_aborted
    connection.data_received(OK)
    assert (await second).status == 200


async def test_a_response_that_ends_while_reading_is_paused_leaves_the_connection_reading(stage):
    connection, transport, owner = stage
    task = await start(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (HIGH_WATER + 2))
    connection.data_received(bytes(HIGH_WATER + 1))
    assert transport.is_paused
    connection.data_received(b"x")  # TLS transports deliver what they had decrypted before the pause
    assert owner.calls == ["release"]
    assert not transport.is_paused
    assert (await task).complete


async def test_a_late_deadline_does_not_touch_a_response_that_is_only_held(stage):
    connection, transport, _ = stage
    task = await start(connection, seconds=0.02)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    response = await task
    await asyncio.sleep(0.05)
    assert not transport.is_aborted
    connection.data_received(b"llo")
    assert await response.read(10, timeout=30) == b"hello"


@pytest.mark.parametrize(
    ("field", "is_awaited"),
    [
        (b"Content-Length: 5", True),
        (b"Content-Length: %d" % (HIGH_WATER + 1), False),
        (b"Transfer-Encoding: chunked", False),
    ],
)
async def test_small_bodies_are_awaited_with_the_head_and_others_are_not(stage, field, is_awaited):
    connection, _, _ = stage
    task = await start(connection, "small")
    connection.data_received(b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n")
    await asyncio.sleep(0)
    assert task.done() != is_awaited
    if is_awaited:
        connection.data_received(b"hello")
    assert (await task).complete == is_awaited


async def test_a_small_body_that_stays_away_is_a_body_timeout(stage):
    connection, transport, _ = stage
    task = await start(connection, "small", seconds=0.02)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    with pytest.raises(Timeout) as caught:
        await task
    assert caught.value.phase == "body"
    assert transport.is_aborted


async def test_a_lost_connection_tells_its_owner_once_and_its_task_that_the_request_was_sent(stage):
    connection, _, owner = stage
    task = await start(connection)
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(PeerClosed) as caught:
        await task
    assert caught.value.sent
    assert owner.calls == ["retire", "forget"]
    assert not connection.is_usable
    connection.close()
    assert owner.calls == ["retire", "forget"]


async def test_a_connection_says_in_its_repr_how_it_is(stage):
    connection, _, _ = stage
    assert repr(connection) == "<Connection idle, 0 served>"
    task = await start(connection)
    assert repr(connection) == "<Connection busy, 1 served>"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert repr(connection) == "<Connection closed, 1 served>"
