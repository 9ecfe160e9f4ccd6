"""An answer that is written at once is the answer that goes the long way; idle connections end without a timer."""

import asyncio
import contextlib
import re

import pytest

from tests.proxy.serve.harness import World, call
from tests.support.raw_client import WAIT_SECONDS
from vmcp_proxy.protocol.jsonrpc import encode_answer, encode_result
from vmcp_proxy.protocol.sse import encode_event
from vmcp_proxy.serve.http import direct_answers as http_answers
from vmcp_proxy.serve.http.direct_answers import take_body, write_answer

DATE = re.compile(rb"date: [^\r]+\r\n")


def request(body: bytes, *fields: bytes, version: bytes = b"1.1", method: bytes = b"POST") -> bytes:
    usual = (b"host: x", b"content-type: application/json", b"accept: application/json, text/event-stream")
    head = b"\r\n".join((method + b" /mcp HTTP/" + version, *usual, *fields, b"content-length: %d" % len(body)))
    return head + b"\r\n\r\n" + body


async def spoken(port: int, *requests: bytes) -> bytes:
    """All that the server says to requests in a row, the last of which closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"".join(requests))
        async with asyncio.timeout(WAIT_SECONDS):
            return DATE.sub(b"date: now\r\n", await reader.read())
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


LAST = request(call(request_id=99), b"connection: close")
CONVERSATIONS = {
    "one": (LAST,),
    "several in a row": (request(call(request_id=1)), request(call(request_id=2)), LAST),
    "a client that waits for 100": (request(call(), b"expect: 100-continue"), LAST),
    "HTTP/1.0": (request(call(), version=b"1.0"),),
    "from a page": (request(call(), b"origin: https://a.example"), LAST),
    "refused": (request(b"{"), LAST),
}
SIZES = (2, http_answers.SHORT_BYTES + 1, 3 << 20)


@pytest.mark.parametrize("encode", [encode_result, encode_answer], ids=["whole", "perhaps in parts"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_an_answer_that_is_written_at_once_has_the_bytes_of_the_long_way(monkeypatch, name, size, encode):
    async def dispatch(context):
        result = b'"%b"' % (b"x" * size)
        await context.respond(200, encode(context.message.id, result))
        bodies.append(encode_result(context.message.id, result))
        counted_bytes.append(context.bytes_out)

    world = World(dispatch=dispatch)
    written, bodies, counted_bytes = [], [], []

    def counted(send, body, **options):
        written.append(write_answer(send, body, **options))
        return written[-1]

    async with world.serving() as served:
        monkeypatch.setattr(http_answers, "write_answer", counted)
        at_once = await spoken(served.port, *CONVERSATIONS[name])
        monkeypatch.setattr(http_answers, "write_answer", lambda send, body, **_: 0)
        the_long_way = await spoken(served.port, *CONVERSATIONS[name])
    assert at_once == the_long_way
    assert counted_bytes == [len(body) for body in bodies]
    if name == "several in a row":
        assert sum(map(bool, written)) == 2
        assert not written[-1]


@pytest.mark.parametrize("padding", [0, 60_000], ids=["in one read", "in several"])
@pytest.mark.parametrize("name", ["one", "several in a row", "a client that waits for 100"])
async def test_a_body_that_is_taken_at_once_is_the_body_that_comes_as_messages(monkeypatch, name, padding):
    async def dispatch(context):
        bodies.append(context.body)
        assert context.take_body() is None
        await context.respond(200, encode_result(context.message.id, b"{}"))
        after.append(await context.receive())

    def counted(receive):
        body = take_body(receive)
        taken.append(body is not None)
        return body

    def padded(part):
        head, _, body = part.partition(b"\r\n\r\n")
        size = b"content-length: %d" % (len(body) + padding)
        return re.sub(rb"content-length: \d+", size, head) + b"\r\n\r\n" + body + b" " * padding

    bodies, after, taken = [], [], []
    requests = [padded(each) for each in CONVERSATIONS[name]]
    async with World(dispatch=dispatch).serving() as served:
        monkeypatch.setattr(http_answers, "take_body", counted)
        at_once = await spoken(served.port, *requests)
        monkeypatch.setattr(http_answers, "take_body", lambda receive: None)
        as_messages = await spoken(served.port, *requests)
    assert at_once == as_messages
    assert bodies == [each.partition(b"\r\n\r\n")[2] for each in requests] * 2
    assert after == [{"type": "http.disconnect"}] * len(bodies)
    if not padding:
        assert taken[0] is ("100" not in name)


@pytest.mark.parametrize("size", SIZES)
async def test_an_event_that_is_written_in_pieces_has_the_bytes_of_the_long_way(monkeypatch, size):
    text = b'"%b"' % (b"x" * size)

    async def dispatch(context):
        await context.start_stream()
        await context.write(encode_event(text, b"one"))
        await context.write(b": that was it\n")
        await context.finish()

    async def never(send, chunk):
        return False

    async with World(dispatch=dispatch).serving() as served:
        in_pieces = await spoken(served.port, request(call()), LAST)
        monkeypatch.setattr(http_answers, "write_pieces", never)
        the_long_way = await spoken(served.port, request(call()), LAST)
    assert in_pieces == the_long_way
    assert b"id: one\nevent: message\ndata: %b\n\n" % text in in_pieces


async def answered(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))


@pytest.fixture
def _short_keep_alive(monkeypatch):
    monkeypatch.setattr("vmcp_proxy.serve.http.listener.KEEP_ALIVE_SECONDS", 0.2)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)


@pytest.mark.usefixtures("_short_keep_alive")
async def test_a_connection_without_a_next_request_is_closed_after_the_keep_alive_time():
    async with World().serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(request(call()))
        await answered(reader)
        async with asyncio.timeout(WAIT_SECONDS):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.usefixtures("_short_keep_alive")
async def test_a_request_that_takes_longer_than_the_keep_alive_time_is_answered():
    seconds = iter((0.0, 0.6))

    async def dispatch(context):
        # Longer than three looks at all connections, which come ten times a second.
        await asyncio.sleep(next(seconds))
        await context.respond(200, b"{}")

    async with World(dispatch=dispatch).serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in range(2):
            writer.write(request(call()))
            await answered(reader)
        writer.close()
        await writer.wait_closed()
