"""Servers that are odd, as SDK clients take them: what each of them means to a client of ours, one row each."""

import contextlib
import gzip
import json
from dataclasses import dataclass, field

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.odd_server import Odd, OddServer, Says, error, plain
from tests.support.raw_client import eventually
from tests.support.scene import scene

HTML = Says(404, b"<!DOCTYPE html><pre>Cannot GET /mcp</pre>", "text/html")
GZIP = {"content_encoding": "gzip"}
BOMB = gzip.compress(b" " * (8 << 20))
"""8 MiB in 8 KiB."""

SECOND = [{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}]


def rewriting(**members):
    """Writes answers with other members; a function is told what stood there."""

    def write(message):
        changed = {name: each(message.get(name)) if callable(each) else each for name, each in members.items()}
        return plain(message | changed)

    return write


def in_array(message):
    return json.dumps([*SECOND, message]).encode()


SERVED = {
    "as the specification says": Odd(),
    # Refusals of the optional GET.
    **{f"GET is answered {status}": Odd(get=Says(status)) for status in (400, 403, 404, 405, 406, 410, 415, 501)},
    "GET is answered 404 with a page": Odd(get=HTML),
    "GET is answered 404 with an error of JSON-RPC": Odd(get=Says(404, error("Session not found", code=-32001))),
    "GET is answered 400 about a session": Odd(get=Says(400, error("Bad Request: No valid session ID provided"))),
    "GET is answered by the page of an application": Odd(get=Says(200, b"<html>", "text/html")),
    "GET is answered 204": Odd(get=Says(204)),
    "GET is answered 500": Odd(get=Says(500, b"TypeError")),
    # Refusals of the rest that is optional.
    **{f"initialized is answered {status}": Odd(initialized=Says(status)) for status in (200, 204, 400, 404, 500)},
    "initialized is answered with an error": Odd(initialized=Says(400, error("Method not found", code=-32601))),
    **{f"DELETE is answered {status}": Odd(delete=Says(status)) for status in (200, 404, 405, 500)},
    "there are no sessions": Odd(has_sessions=False, get=Says(405)),
    # Revisions.
    **{f"revision {each}": Odd(revision=each) for each in ("2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18")},
    "revision 2025-03-26 in arrays": Odd(revision="2025-03-26", write=in_array),
    "arrays in events": Odd(revision="2025-03-26", write=in_array, kind="text/event-stream"),
    # Shapes of answers.
    "ids as text": Odd(write=rewriting(id=str)),
    "ids as text in events": Odd(write=rewriting(id=str), kind="text/event-stream"),
    "ids as text with blanks": Odd(write=rewriting(id=lambda number: f" {number} ")),
    "ids with a fraction": Odd(write=rewriting(id=float)),
    "an error that is null": Odd(write=rewriting(error=None)),
    "a method that is null": Odd(write=rewriting(method=None, params=None)),
    "members that nobody knows": Odd(write=rewriting(extra={"a": 1})),
    "a byte order mark in an event": Odd(kind="text/event-stream; charset=UTF-8"),
    **{f"media type {each}": Odd(kind=each) for each in (
        "Application/JSON", "APPLICATION/JSON; Charset=UTF-8", "application/json;charset=utf-8", "Text/Event-Stream",
        "TEXT/EVENT-STREAM;charset=utf-8",
    )},
    **{f"answers with status {each}": Odd(status=each) for each in (201, 202, 203, 206)},
    "an encoding that is none": Odd(headers={"content_encoding": "Identity"}),
    "a stream that is compressed": Odd(get=Says(200, BOMB, "text/event-stream", GZIP)),
    # Where the answer comes.
    **{f"the answer on the stream of the session, after {each}": Odd(on_stream=each) for each in (200, 202, 204)},
    "the answer on the stream of the session, its id as text": Odd(on_stream=202, write=rewriting(id=str)),
    # Connections.
    "each connection is closed without a word": Odd(hangs_up=True),
    "the same without a stream": Odd(hangs_up=True, get=Says(405)),
}  # fmt: skip


@contextlib.asynccontextmanager
async def served(odd, **config):
    server = OddServer(odd)
    async with scene({"one": server}, config=QUIET, **config) as world:
        yield server, world


async def count(client):
    answer = await client.call("one_count")
    assert "isError" not in answer, answer
    return answer["content"][0]["text"]


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("oddity", SERVED)
async def test_an_odd_server_is_served_and_its_sessions_are_kept(oddity):
    odd = SERVED[oddity]
    async with served(odd) as (server, world), world.session() as client, client.listening():
        assert await client.names() == ["one_count"]
        assert [await count(client) for _ in range(4)] == ["1", "2", "3", "4"]
        # The proxy's own session and the client's.
        assert len(server.of("POST", "initialize")) == 2
        if odd.revision != "2025-11-25":
            said = {each.headers["mcp-protocol-version"] for each in server.of("POST", "tools/call")}
            assert said == {odd.revision.encode()}
        assert await client.delete() == 204


LOST = {
    "404": Says(404),
    "404 with a page": HTML,
    "404 with an error": Says(404, error("Session not found", code=-32001)),
    "404 with an error about the request": Says(404, error("Session not found", code=-32001, id="{id}")),
    "410": Says(410, b"Gone"),
    "TypeScript, without a transport": Says(400, error("Bad Request: No valid session ID provided")),
    "TypeScript, a new transport": Says(400, error("Bad Request: Server not initialized")),
    "TypeScript, a header is missing": Says(400, error("Bad Request: Mcp-Session-Id header is required")),
    "Python": Says(400, {**error("Bad Request: No valid session ID provided", code=-32600), "id": "server-error"}),
    "Python, in plain text": Says(400, b"Bad Request: No valid session ID provided"),
    "Rust": Says(401, b"Unauthorized: Session not found"),
    "Rust, a new session": Says(422, b"Unexpected message, expect initialize request"),
    "the request's own id": Says(400, error("Bad Request: Server not initialized", id="{id}")),
    "an answer with status 200": Says(200, error("Session not found", code=-32001, id="{id}")),
    "an answer with status 200 and no id": Says(200, error("Server not initialized")),
    "no word of it": Says(400, b"Bad Request"),
    "a page and 400": Says(400, b"<html>Bad Request</html>", "text/html"),
    "an error in an event": Says(400, b'data: {"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"gone"}}\n\n',
                                 "text/event-stream"),
    "409": Says(409, {"error": "unknown session"}),
    "412": Says(412),
    "a problem of another protocol": Says(400, {"title": "No such session", "status": 400}, "application/problem+json"),
}  # fmt: skip


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("shape", LOST)
async def test_a_session_that_is_lost_is_opened_again_whatever_the_server_says(shape):
    async with served(Odd(lost=LOST[shape])) as (server, world), world.session() as client, client.listening():
        assert [await count(client) for _ in range(2)] == ["1", "2"]
        server.forget()
        assert [await count(client) for _ in range(2)] == ["1", "2"]
        assert len(server.counts) == 1
        assert len(server.of("POST", "initialize")) == 3


BROKEN = {
    "a page": Says(500, b"TypeError: Cannot read properties of undefined (reading 'handleRequest')"),
    "an error about the request": Says(500, error("Session terminated", code=-32603, id="{id}")),
    "an error without an id": Says(500, error("Session terminated", code=-32603)),
}


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("shape", BROKEN)
async def test_where_a_call_may_have_run_it_is_not_sent_again_and_the_next_one_has_a_new_session(shape):
    async with served(Odd(lost=BROKEN[shape])) as (server, world), world.session() as client:
        assert await count(client) == "1"
        server.forget()
        sent = len(server.of("POST", "tools/call"))
        refused = await client.call("one_count")
        assert refused["_meta"]["vmcp.dev/category"] == "failed"
        assert len(server.of("POST", "tools/call")) == sent + 1
        assert await count(client) == "1"


@dataclass(frozen=True)
class Told:
    """What is odd, and what the client and the status say of a call; `sessions` go on counting."""

    odd: Odd
    client: str
    status: str = ""
    data: dict = field(default_factory=dict)


CALLS = {
    "a refusal that is about the request keeps the session": Told(
        Odd(first=(Says(400, error("unknown argument session_name")),)), "HTTP status 400"
    ),
    "a request that the credentials do not open": Told(Odd(first=(Says(403, b"no"),)), "credentials"),
    "a page in place of an answer": Told(Odd(first=(Says(200, b"<html>", "text/html"),)), "'text/html'"),
    "nothing in place of an answer": Told(Odd(first=(Says(202),), get=Says(405)), "HTTP status 202"),
    "too many requests": Told(
        Odd(first=(Says(429, headers={"retry_after": "7"}),)),
        "takes no more requests for now (HTTP status 429; it limits how often it is called, call it less often or "
        "raise its limit); try again in 7 s",
        data={"vmcp.dev/retryAfterSeconds": 7, "vmcp.dev/category": "busy"},
    ),
    "a pause": Told(
        Odd(first=(Says(503, headers={"retry_after": "12"}),)),
        "it asks to be called again later); try again in 12 s",
        data={"vmcp.dev/retryAfterSeconds": 12, "vmcp.dev/category": "failed"},
    ),
    "a pause without end": Told(
        Odd(first=(Says(503, headers={"retry_after": "9" * 30}),)),
        "try again in 3600 s",
        data={"vmcp.dev/retryAfterSeconds": 3600},
    ),
    "compressed though not asked": Told(
        Odd(first=(Says(200, BOMB, "application/json", GZIP),)), "it is compressed, although"
    ),
    "events that are compressed": Told(Odd(first=(Says(200, BOMB, "text/event-stream", GZIP),)), "it is compressed"),
    "a refusal that is compressed": Told(Odd(first=(Says(400, BOMB, "application/json", GZIP),)), "it is compressed"),
}


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("oddity", CALLS)
async def test_a_call_that_an_odd_server_does_not_answer_says_what_came_and_costs_no_session(oddity):
    told = CALLS[oddity]
    async with served(told.odd) as (server, world), world.session() as client:
        failed = await client.call("one_count")
        assert failed["isError"]
        assert told.client in failed["content"][0]["text"]
        assert told.data.items() <= failed["_meta"].items()
        assert [await count(client) for _ in range(2)] == ["1", "2"]
        assert len(server.of("POST", "initialize")) == 2


MODERN = error("Unsupported protocol version", code=-32022)
MODERN["error"]["data"] = {"supported": ["2026-07-28"]}

HANDSHAKES = {
    "another revision": (Odd(revision="1999-01-01"), "it answers with revision '1999-01-01'"),
    "a newer server, refused with 400": (Odd(hello=Says(400, MODERN)), '"2026-07-28"'),
    "a newer server, refused with 200": (Odd(hello=Says(200, MODERN | {"id": "{id}"})), '"2026-07-28"'),
    "a wrong path": (Odd(hello=Says(404, b"Cannot POST /mcp")), "HTTP status 404, POST /mcp, it said 'Cannot POST"),
    "a server of the first transport": (Odd(hello=Says(405)), "its transport may be sse"),
    "compressed": (Odd(hello=Says(200, BOMB, "application/json", GZIP)), "it is compressed, although"),
    "a page": (Odd(hello=Says(200, b"<html>", "text/html")), "content type 'text/html'"),
    "a key that is quoted": (Odd(hello=Says(400, error("bad key canary-77"))), "bad key ***"),
    "a key that is quoted in JSON": (Odd(hello=Says(401, {"key": "canary-77"})), "***"),
}


@pytest.mark.scenario("B-11", "B-13")
@pytest.mark.parametrize("oddity", HANDSHAKES)
async def test_a_server_that_gives_no_session_is_told_of_in_its_own_words_without_secrets(oddity):
    odd, said = HANDSHAKES[oddity]
    own = {"headerForward": {"addPlaintextHeaders": {"X-Key": "canary-77"}}}
    async with served(odd, more={"one": own}) as (server, world), world.session() as client:
        assert await client.names() == []
        (state,) = (await world.status())["backends"]
        assert said in state["message"]
        assert "canary" not in json.dumps(await world.status())
        await eventually(lambda: not server.counts)


@pytest.mark.scenario("B-11")
async def test_a_path_is_shown_without_its_query_and_without_what_may_be_a_key():
    server = OddServer(Odd(hello=Says(404, b"no /s/9f8e7d6c5b4a3f2e1d0c/mpc?key=canary-77 here")))
    async with scene({"one": server}, config=QUIET) as world:
        url = f"http://127.0.0.1:{server.port}/s/9f8e7d6c5b4a3f2e1d0c/mpc?key=canary-77"
        world.config["backends"][0]["url"] = url
        world.apply()
        async with world.session() as client:
            await client.names()
        (state,) = (await world.status())["backends"]
        assert "POST /s/***/mpc, it said 'no /s/***/mpc?***=*** here'" in state["message"].replace("?***", "?***=***")
        assert not any(secret in state["message"] for secret in ("canary", "9f8e7d6c"))
