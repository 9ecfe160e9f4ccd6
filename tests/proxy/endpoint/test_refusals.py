"""What clients get where a request is refused before it is served, to the byte: status, headers, code and text."""

import asyncio
import json
from dataclasses import dataclass

import httpx2

from tests.proxy.endpoint.helpers import QUIET
from tests.support.plain_http import http_client
from tests.support.raw_client import ACCEPT, initialize
from tests.support.scene import Scene, operational, scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.run.settings import Settings

PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'
BATCH = b"[%b]" % PING
UNKNOWN = "Session not found; send initialize again."
FORGED = ("mcp-session-id", "forged")
LIMIT = 128 << 10
CLUSTER = Settings(port=0, admin_port=0, handles_signals=False, is_local=False)


def refusal(code: int, text: str, request_id: object = None, data: object = None) -> bytes:
    """The one form that refusals have."""
    error: dict[str, object] = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    answer = {"jsonrpc": "2.0", "id": request_id, "error": error}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


async def ask(world: Scene, verb: str, content: bytes | None, *headers: tuple[str, str], path: str = "/mcp"):
    """One request with exactly these headers besides the usual ones, which they replace."""
    usual = {"accept": ACCEPT} | ({} if content is None else {"content-type": "application/json"})
    named = {name for name, _ in headers}
    fields = [(name, value) for name, value in usual.items() if name not in named] + list(headers)
    async with http_client(timeout=10) as http:
        return await http.request(verb, world.url.removesuffix("/mcp") + path, content=content, headers=fields)


@dataclass(frozen=True)
class Row:
    """One request, and what is answered; `id` is that of the request where the answer bears it."""

    status: int
    code: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    verb: str = "POST"
    content: bytes | None = PING
    id: int | None = None


ROWS = {
    "host": Row(
        421,
        -32000,
        "This endpoint does not answer to the name in the Host header; in local mode use localhost or 127.0.0.1, "
        "or list the name in spec.allowedHosts.",
        (("host", "evil.example"),),
    ),
    "origin": Row(
        403,
        -32000,
        "Pages from this origin may not use this endpoint; in local mode those of localhost and 127.0.0.1 may, "
        "others if spec.allowedOrigins lists them.",
        (("origin", "https://evil.example"),),
    ),
    "method": Row(405, -32000, "Method not allowed; use POST, GET or DELETE.", verb="PUT"),
    "no stream": Row(
        406,
        -32000,
        "A GET opens an event stream; accept text/event-stream.",
        (("accept", "application/json"),),
        "GET",
        None,
    ),
    "accept": Row(
        406,
        -32000,
        "Answers are application/json or text/event-stream; accept both.",
        (("accept", "text/html"),),
    ),
    "type": Row(415, -32000, "Send the message as Content-Type: application/json.", (("content-type", "text/plain"),)),
    "repeated": Row(400, -32600, "Send each Mcp-* header once.", (("mcp-name", "a"), ("mcp-name", "b"))),
    "revision": Row(
        400,
        -32600,
        "Unsupported MCP-Protocol-Version; this endpoint speaks 2026-07-28, 2025-11-25, 2025-06-18, 2025-03-26, "
        "2024-11-05.",
        (("mcp-protocol-version", "2025-01-01"),),
    ),
    "too long": Row(
        413,
        -32600,
        "The request body is larger than the 131072 bytes that this endpoint takes.",
        (FORGED,),
        content=b" " * (LIMIT + 1),
    ),
    "long without session": Row(
        413,
        -32600,
        "Without a session a body may have 65536 bytes; send initialize first.",
        content=b" " * (LIMIT - 1),
    ),
    "long and forged": Row(404, -32001, UNKNOWN, (FORGED,), content=b" " * (LIMIT - 1)),
    "forged": Row(404, -32001, UNKNOWN, (FORGED,), id=7),
    "forged stream": Row(404, -32001, UNKNOWN, (FORGED,), "GET", None),
    "forged end": Row(404, -32001, UNKNOWN, (FORGED,), "DELETE", None),
    "no session": Row(400, -32600, "The header Mcp-Session-Id is missing; send initialize first.", id=7),
    "no session to end": Row(
        400, -32600, "The header Mcp-Session-Id is missing; send initialize first.", verb="DELETE", content=None
    ),
    "no json": Row(400, -32700, "The body is not valid JSON in UTF-8.", content=b"{"),
    "no version": Row(400, -32600, 'The member "jsonrpc" must be "2.0".', content=b'{"jsonrpc":"1.0","id":1}'),
    "no message": Row(400, -32600, 'A message is an object with "jsonrpc": "2.0" and a text "method".', content=b"{}"),
    "no params": Row(
        400,
        -32600,
        "The params must be an object.",
        content=b'{"jsonrpc":"2.0","id":7,"method":"ping","params":7}',
        id=7,
    ),
    "empty batch": Row(400, -32600, "A batch has at least one message (JSON-RPC 2.0, section 6).", content=b"[]"),
}


async def test_each_refusal_has_its_status_headers_code_and_text():
    config = operational(limits={"requestBody": LIMIT})
    async with scene({"one": ScriptedBackend()}, config=config) as world:
        answers = {name: await ask(world, row.verb, row.content, *row.headers) for name, row in ROWS.items()}
    said = {name: (answer.status_code, answer.content) for name, answer in answers.items()}
    assert said == {name: (row.status, refusal(row.code, row.text, row.id)) for name, row in ROWS.items()}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/json"}
    assert not [name for name, answer in answers.items() if "retry-after" in answer.headers]
    allowed = {name: answer.headers["allow"] for name, answer in answers.items() if "allow" in answer.headers}
    assert allowed == {"method": "GET, POST, DELETE, OPTIONS"}


async def test_two_hosts_are_refused_as_all_else_is():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world:
        url = httpx2.URL(world.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: b\r\nconnection: close\r\n\r\n")
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n" + refusal(-32600, "Send one Host header."))


async def test_a_cluster_names_the_setting_alone():
    listed = {"allowedHosts": ["vmcp-demo"]}
    async with scene({"one": ScriptedBackend()}, config=QUIET, settings=CLUSTER, **listed) as world:
        host = await ask(world, "POST", PING, ("host", "evil.example"))
        origin = await ask(world, "POST", PING, ("host", "vmcp-demo"), ("origin", "https://evil.example"))
    assert (host.status_code, host.content) == (
        421,
        refusal(
            -32000,
            "This endpoint does not answer to the name in the Host header; list the name in spec.allowedHosts.",
        ),
    )
    assert (origin.status_code, origin.content) == (
        403,
        refusal(-32000, "Pages from this origin may not use this endpoint; list the origin in spec.allowedOrigins."),
    )


async def test_every_other_path_says_where_the_endpoint_is():
    paths = (("GET", "/"), ("POST", "/sse"), ("GET", "/.well-known/oauth-protected-resource"))
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world:
        answers = [await ask(world, verb, None, path=path) for verb, path in paths]
    expected = (404, refusal(-32000, "Not found; the endpoint is /mcp."))
    assert [(answer.status_code, answer.content) for answer in answers] == [expected] * len(paths)


async def test_a_session_refuses_batches_of_revisions_without_them_and_answers_nobody_asked_for():
    nobody = (
        "The answer could not be delivered: the request has another id, or the pod that sent it is gone or did not "
        "confirm."
    )
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        batch = await client.post(BATCH)
        response = await client.post(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert (batch.status_code, batch.content) == (
        400,
        refusal(-32600, "Batches left MCP with revision 2025-06-18; send one message per request."),
    )
    assert (response.status_code, response.content) == (400, refusal(-32600, nobody))


async def test_who_has_as_many_sessions_as_allowed_hears_so_and_when_to_come_back():
    caps = {"ttl": "1h", "maxSessionsPerIdentity": 1}
    one = {"one": ScriptedBackend()}
    async with scene(one, config=QUIET, sessionManagement=caps) as world, world.session(), world.client() as second:
        answer = await second.post(initialize())
    text = "You have as many sessions as you may; end one of them first."
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.content == refusal(-32000, text, 0)


async def test_an_endpoint_that_is_full_says_so():
    caps = {"ttl": "1h", "maxSessionsPerPod": 1}
    one = {"one": ScriptedBackend()}
    async with (
        scene(one, config=QUIET, sessionManagement=caps) as world,
        world.session(),
        world.client(authorization="Bearer of another identity") as second,
    ):
        answer = await second.post(initialize())
    text = "This endpoint serves as many sessions as it may; try again later."
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.content == refusal(-32000, text, 0)
