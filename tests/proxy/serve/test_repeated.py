"""A request whose head is the one before it is served as if it had been parsed."""

import asyncio
import contextlib
import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.serve.harness import CLUSTER, World, call
from tests.support.examples import examples
from tests.support.raw_client import WAIT_SECONDS
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.protocol.jsonrpc import encode_result
from vmcp_proxy.serve.chain.header_rules import HostRule
from vmcp_proxy.serve.http import repeating
from vmcp_proxy.serve.http.bounds import UNCOUNTED_BYTES
from vmcp_proxy.serve.http.listener import Listener
from vmcp_proxy.serve.http.repeated import MOST_BYTES, SAME_HEAD, RepeatedHead

FIELDS = (b"Host: a.example", b"Content-Type: application/json", b"Accept: application/json, text/event-stream")


def request(body: bytes, *fields: bytes, length: bytes | None = None, first: bytes = b"POST /mcp HTTP/1.1") -> bytes:
    """A request whose length stands between its other fields."""
    own = b"Content-Length: " + (b"%d" % len(body) if length is None else length)
    return b"\r\n".join((first, *FIELDS, own, *fields, b"", b"")) + body


class Seen:
    """An application that says what came, and keeps how."""

    def __init__(self) -> None:
        self.repeated: list[bool] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        self.repeated.append(SAME_HEAD in scope)
        said = {name: value for name, value in scope.items() if name not in (SAME_HEAD, "client", "asgi")}
        answer = json.dumps([sorted(said), repr(sorted(said.items(), key=str)), repr(body)]).encode()
        # Whoever comes next must not see what one request did to its own scope.
        scope["headers"].append((b"x-added", b"1"))
        scope["path"] = scope["method"] = "changed"
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})


@contextlib.asynccontextmanager
async def listening(app):
    server = Listener(app).open()
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run_until_closed())
        await server.listening.wait()
        try:
            yield server.port
        finally:
            server.close_within(0)


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(WAIT_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0]
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")),
            None,
        )
        return status + b" " + (await reader.read() if length is None else await reader.readexactly(length))


async def answers_to(port: int, *sent: bytes) -> list[bytes]:
    """What is said to each of some requests on one connection, each sent when the one before it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        answers = []
        for each in sent:
            writer.write(each)
            answers.append(await answer_of(reader))
        return answers
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


OTHERS = {
    "another body": request(b"{}"),
    "a longer body": request(b"[" + b"1," * 400 + b"1]"),
    "none": request(b""),
    "a length with a zero before it": request(b"{}", length=b"02"),
    "a field more": request(b"{}", b"X-More: 1"),
    "a name in lower case": request(b"{}").replace(b"Host", b"host"),
    "another path": request(b"{}", first=b"POST /other?a=1 HTTP/1.1"),
    "another method": request(b"{}", first=b"PUT /mcp HTTP/1.1"),
    "HTTP/1.0": request(b"{}", b"Connection: keep-alive", first=b"POST /mcp HTTP/1.0"),
    "blanks around the length": request(b"{}", length=b" 2 "),
    "no number": request(b"{}", length=b"2x"),
    "a sign": request(b"{}", length=b"+2"),
    "two lengths": request(b"{}", b"Content-Length: 2"),
    "chunks": b"POST /mcp HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "long": request(b"x" * MOST_BYTES),
    "the last": request(b"{}", b"Connection: close"),
}


@pytest.mark.parametrize("other", OTHERS)
async def test_a_request_after_others_is_answered_as_one_that_comes_first(other):
    same, another = request(b'{"id":1}'), OTHERS[other]
    app = Seen()
    async with listening(app) as port:
        *_, after = await answers_to(port, same, same, same, another)
        (alone,) = await answers_to(port, another)
    assert after == alone
    assert app.repeated[:3] == [False, True, True]


async def test_what_one_request_does_to_its_scope_no_other_sees():
    same = request(b'{"id":1}', b"Authorization: Bearer a")
    async with listening(Seen()) as port:
        first, *more = await answers_to(port, *[same] * 4)
    assert more == [first] * 3


@settings(max_examples=examples(40))
@given(
    sizes=st.lists(st.integers(0, 1200), min_size=1, max_size=12),
    heads=st.lists(st.sampled_from([(), (b"X-A: 1",), (b"X-A: 2", b"X-A: 3"), (b"Mcp-Session-Id: 5",)]), min_size=1),
    cuts=st.lists(st.integers(0, 1 << 12), max_size=12),
)
async def test_requests_of_all_sizes_in_pieces_of_all_sizes_are_read_as_each_alone(sizes, heads, cuts):
    sent = [request(b"b" * size, *heads[number % len(heads)]) for number, size in enumerate(sizes)]
    stream = b"".join(sent)
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    async with listening(Seen()) as port:
        alone = [(await answers_to(port, each))[0] for each in sent]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for start, end in itertools.pairwise(places):
            writer.write(stream[start:end])
            await writer.drain()
            await asyncio.sleep(0)
        together = [await answer_of(reader) for _ in sent]
        writer.close()
        await writer.wait_closed()
    assert together == alone


async def test_a_connection_of_many_clients_is_no_more_looked_at():
    app = Seen()
    async with listening(app) as port:
        varied = [request(b"{}", b"Traceparent: %d" % number) for number in range(repeating._MOST_MISSES)]
        await answers_to(port, *varied, *[request(b"{}")] * 3)
    assert app.repeated == [False] * len(app.repeated)


async def test_a_reload_counts_for_the_next_request_with_the_same_head():
    captured = []

    async def dispatch(context):
        captured.append((context.same_head is not None, context.captured().items()))
        await context.respond(200, encode_result(context.message.id, b"{}"))

    same = request(call(), b"X-Tenant: a")
    async with World(dispatch=dispatch).serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)

        async def status() -> bytes:
            writer.write(same)
            return (await answer_of(reader)).split(b" ")[1]

        assert [await status() for _ in range(3)] == [b"200"] * 3
        served.rebuild(allow_list=AllowList.of(("X-Tenant",)))
        assert [await status() for _ in range(2)] == [b"200"] * 2
        served.rebuild(policy=replace(CLUSTER, hosts=HostRule(frozenset({"b.example"}))))
        assert [await status() for _ in range(2)] == [b"421"] * 2
        served.rebuild(policy=replace(CLUSTER, max_body=8))
        assert await status() == b"413"
        writer.close()
        await writer.wait_closed()
    tenant = (("X-Tenant", b"a"),)
    assert captured == [(False, ()), (True, ()), (True, ()), (True, tenant), (True, tenant)]


async def test_what_is_refused_by_its_head_is_refused_again():
    same = request(call(), b"Origin: https://a.example")
    async with World().serving() as served:
        answers = await answers_to(served.port, same, same, same)
    assert [each.split(b" ")[1] for each in answers] == [b"403"] * 3


def parts(raw: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    head = raw[: raw.index(b"\r\n\r\n") + 4]
    pairs = [line.split(b":", 1) for line in head.split(b"\r\n")[1:-2]]
    return head, [(name.lower(), value.strip(b" \t")) for name, value in pairs]


@pytest.mark.parametrize(
    ("raw", "is_known"),
    [
        (request(b"{}"), True),
        (request(b"{}", b"X-Long: " + b"x" * MOST_BYTES), False),
        (request(b"{}", *[b"X-%d: 1" % number for number in range(UNCOUNTED_BYTES // 200)]), False),
        (request(b"{}", length=b"2 "), False),
        (request(b"{}", b"Content-Length: 2"), False),
        (request(b"{}").replace(b"Host: a", b"Host: a\n b"), False),
        (b"\r\n" + request(b"{}"), False),
    ],
)
def test_only_heads_that_are_written_line_by_line_are_known(raw, is_known):
    head, fields = parts(raw.removeprefix(b"\r\n"))
    head = b"\r\n" * raw.startswith(b"\r\n") + head
    assert (RepeatedHead.of(head, fields, {}) is not None) is is_known


def test_what_is_known_of_a_head_shows_nothing_of_it():
    known = RepeatedHead.of(*parts(request(b"{}", b"Authorization: Bearer canary")), {})
    assert "canary" not in f"{known!r} {known}"
