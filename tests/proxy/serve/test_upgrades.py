"""Requests that would rather speak another protocol are answered in this one (RFC 9110 section 7.8)."""

import json
import logging

import pytest

from tests.proxy.serve.harness import World, call
from tests.proxy.serve.parts import in_parts
from vmcp_proxy.serve.http import limits

USUAL = b"Host: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
# What the HTTP client of the JDK sends with the first request on a connection.
JDK = (
    b"Connection: Upgrade, HTTP2-Settings\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n"
    b"Upgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\n"
)
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
CLOSE = b"Connection: close\r\n"
WISHES = {
    "JDK": JDK,
    "WebSocket": WEBSOCKET,
    "to be closed": b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n",
    "two lists": b"Connection: upgrade\r\nConnection: keep-alive\r\nUpgrade: a/1\r\nUpgrade: b/2\r\n",
}


def posted(fields: bytes, number: int = 1, *, chunked: bool = False) -> tuple[bytes, bytes]:
    """The head and the body of a call."""
    body = call(request_id=number)
    framing = b"Transfer-encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body)
    if chunked:
        body = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
    return b"POST /mcp?a=b HTTP/1.1\r\n" + fields + framing + USUAL + b"\r\n", body


def ids(answers: bytes) -> list[int]:
    """The ids of good answers, in order."""
    heads = [part.partition(b"\r\n\r\n") for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert all(head.startswith(b"200 OK\r\n") for head, _, _ in heads), answers
    return [json.loads(body)["id"] for _, _, body in heads]


@pytest.fixture
async def served(caplog):
    """A server that has nothing to complain about."""
    caplog.set_level(logging.WARNING)
    world = World()
    async with world.serving():
        yield world
    assert caplog.records == []


@pytest.mark.scenario("C-3")
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("wish", WISHES)
async def test_a_call_that_wishes_for_another_protocol_is_answered_in_this_one(served, wish, chunked):
    head, body = posted(WISHES[wish], chunked=chunked)
    last = b"".join(posted(CLOSE, 2))
    closes = wish == "to be closed"
    for parts in ((head + body + last,), (head, body + last), (head + body[:5], body[5:], last), (head + body, last)):
        assert ids(await in_parts(served.port, *parts)) == ([1] if closes else [1, 2]), parts


@pytest.mark.scenario("C-3")
async def test_a_call_that_wishes_for_another_protocol_may_come_byte_by_byte(served):
    whole = b"".join((*posted(JDK, 1), *posted(WEBSOCKET, 2, chunked=True), *posted(CLOSE, 3)))
    assert ids(await in_parts(served.port, *(whole[at : at + 1] for at in range(len(whole))))) == [1, 2, 3]


@pytest.mark.scenario("C-3")
async def test_many_such_calls_may_come_at_once_and_are_answered_in_order(served):
    whole = b"".join(part for number in range(1, 200) for part in posted(JDK, number))
    assert ids(await in_parts(served.port, whole + b"".join(posted(CLOSE, 200)))) == list(range(1, 201))


@pytest.mark.scenario("C-3")
async def test_the_wish_is_dropped_and_all_other_fields_are_kept(served):
    seen = []

    async def note(context):
        seen.append((context.scope["raw_path"], context.scope["query_string"], dict(context.scope["headers"])))
        await context.respond(202)

    served.dispatch = note
    plain = b'X-Odd: a, b;c="d"\r\nX-Empty:\r\nX-High: \xe4\r\nCookie: a=1\r\n'
    for fields in (CLOSE + plain, b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n" + plain):
        head, body = posted(fields)
        await in_parts(served.port, head + body)
    assert seen[0] == seen[1]
    assert seen[0][1] == b"a=b"
    assert seen[0][2][b"x-odd"] == b'a, b;c="d"'
    assert seen[0][2][b"x-high"] == b"\xe4"


@pytest.mark.scenario("C-3")
async def test_a_handshake_of_a_websocket_is_a_get_like_any_other(served):
    answer = await in_parts(served.port, b"GET /mcp HTTP/1.1\r\nHost: x\r\n" + WEBSOCKET + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 406 ")
    assert b"text/event-stream" in answer


@pytest.mark.scenario("C-3")
async def test_a_wish_does_not_make_a_body_that_is_framed_in_two_ways_acceptable(caplog):
    async with World().serving() as world:
        framing = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
        answer = await in_parts(world.port, b"POST /mcp HTTP/1.1\r\n" + JDK + framing + USUAL + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "upgrade" not in caplog.text.lower()


@pytest.mark.scenario("C-3")
async def test_a_tunnel_is_refused(caplog):
    async with World().serving() as world:
        answer = await in_parts(world.port, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.scenario("C-3")
async def test_a_connection_with_such_a_call_is_as_bounded_in_time_as_any_other(served, monkeypatch):
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)
    head, body = posted(JDK)
    answer = await in_parts(served.port, head + body + b"POST /mcp HTTP/1.1\r\nHost: x\r\n")
    assert ids(answer) == [1]
