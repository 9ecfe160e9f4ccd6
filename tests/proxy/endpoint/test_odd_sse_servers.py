"""Servers of the first HTTP transport that are odd, as SDK clients take them: one row each."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_odd_servers import count, rewriting
from tests.support.odd_server import Says, plain
from tests.support.odd_sse_server import OddSse, OddSseServer, with_another
from tests.support.raw_server import HangUp, answer_to
from tests.support.scene import scene

PING = b"event: ping\ndata: 2026-11-29T12:00:00Z\n\n"
NOISE = (
    b": ping\n\n:\n\nevent: heartbeat\ndata: {}\n\nretry: 5000\n\nid: 7\ndata:\n\nevent: message\ndata:\n\ndata: x\n\n"
)


def on_lines(message):
    return json.dumps(message, indent=2).encode()


SERVED = {
    "as the specification says": OddSse(),
    # The event that names where messages go.
    **{f"endpoint {form}": OddSse(endpoint=form) for form in (
        "http://127.0.0.1:{port}/messages?session={number}",
        "HTTP://127.0.0.1:{port}/messages?session={number}",
        "//127.0.0.1:{port}/messages?session={number}",
        "messages?session={number}",
        "./messages?session={number}",
        "?session={number}",
        "/a/../messages?session={number}",
        " /messages?session={number} ",
        "/messages/?x=%2F&session={number}",
    )},
    "endpoint behind comments and pings": OddSse(before=NOISE + PING),
    "endpoint a second time, elsewhere": OddSse(between=b"event: endpoint\ndata: /elsewhere?session=99\n\n"),
    # The form of the stream.
    "lines end in CRLF": OddSse(end=b"\r\n"),
    "lines end in CR": OddSse(end=b"\r"),
    "a byte order mark": OddSse(before=b"\xef\xbb\xbf"),
    "a byte order mark before CRLF": OddSse(before=b"\xef\xbb\xbf", end=b"\r\n"),
    "byte by byte": OddSse(cut=1),
    "byte by byte in CRLF": OddSse(cut=1, end=b"\r\n", before=b"\xef\xbb\xbf: hello\r\n\r\n"),
    "comments and pings between answers": OddSse(between=NOISE + PING),
    "events without a name": OddSse(name=""),
    "answers over many lines": OddSse(write=on_lines),
    "answers over many lines in CRLF": OddSse(write=on_lines, end=b"\r\n"),
    # The form of answers.
    "ids as text": OddSse(write=rewriting(id=str)),
    "ids with a fraction": OddSse(write=rewriting(id=float)),
    "an error that is null": OddSse(write=rewriting(error=None)),
    "members that nobody knows": OddSse(write=rewriting(extra=1)),
    "two messages in one event": OddSse(write=with_another),
    # What POSTs are answered with.
    **{f"receipts with status {each}": OddSse(receipt=Says(each, b"ok")) for each in (200, 201, 202, 203)},
    "receipts without a body": OddSse(receipt=Says(204)),
    "receipts in JSON": OddSse(receipt=Says(200, {"status": "accepted"})),
    "receipts of null": OddSse(receipt=Says(202, b"null", "application/json")),
    "receipts of JSON that is none": OddSse(receipt=Says(202, b"Accepted", "application/json")),
    "receipts in HTML": OddSse(receipt=Says(200, b"<html>", "text/html")),
    "receipts after the answers": OddSse(late=True),
    "connections that end with each receipt": OddSse(receipt=Says(202, headers={"connection": "close"})),
    **{f"initialized is answered {status}": OddSse(initialized=Says(status)) for status in (200, 204, 400, 404, 500)},
    "answers on the POST instead": OddSse(on_post="instead"),
    "answers on the POST instead, ids as text": OddSse(on_post="instead", write=rewriting(id=str)),
    "answers on the POST instead, in an array": OddSse(on_post="instead", write=with_another),
    "answers on the POST instead, their type in another case": OddSse(on_post="instead", post_kind="Application/JSON"),
    "answers in both places": OddSse(on_post="too"),
    "answers in both places, on the stream first": OddSse(on_post="too", late=True),
    # Revisions.
    **{f"revision {each}": OddSse(version=each) for each in ("2024-10-07", "2025-03-26", "2025-06-18", "2025-11-25")},
}  # fmt: skip


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("oddity", SERVED)
async def test_an_odd_server_is_served_and_its_sessions_are_kept(oddity):
    server = OddSseServer(SERVED[oddity])
    async with (
        scene({"one": server}, more={"one": {"transport": "sse"}}, config=QUIET) as world,
        world.session() as client,
        client.listening(),
    ):
        assert await client.names() == ["one_count"]
        assert [await count(client) for _ in range(4)] == ["1", "2", "3", "4"]
        # The proxy's own session and the client's.
        assert len(server.raw.of("POST", "initialize")) == 2
        assert not [each for each in server.raw.of("POST") if each.target.startswith("/elsewhere")]


@pytest.mark.scenario("B-11")
async def test_an_answer_on_the_post_that_breaks_off_leaves_the_call_to_the_one_on_the_stream():
    server = OddSseServer(OddSse())

    async def half(asked):
        if asked.verb == "POST" and asked.method == "tools/call":
            await asked.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
            await server._answer(int(asked.target.rpartition("=")[2]), plain(answer_to(asked.message["id"], "whole")))
            raise HangUp
        await server._handle(asked)

    server.raw.handle = half
    async with (
        scene({"one": server}, more={"one": {"transport": "sse"}}, config=QUIET) as world,
        world.session() as client,
    ):
        assert await count(client) == "whole"
