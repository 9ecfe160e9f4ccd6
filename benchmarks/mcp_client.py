"""MCP over one `Connection`: handshake, lists, calls, the end of a session."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from benchmarks.wire import Answer, Connection, message_in

VERSION = "2025-11-25"
MODERN_VERSION = "2026-07-28"
CALL_SECONDS = 60.0
HEADERS = (
    b"content-type: application/json\r\n"
    b"accept: application/json, text/event-stream\r\n"
    b"mcp-protocol-version: 2025-11-25\r\n"
    b"x-tenant: a-tenant-of-the-benchmark\r\n"
    b"x-api-key: 0123456789abcdef0123456789abcdef\r\n"
)


def with_authorization(value: str) -> bytes:
    """The headers of every request, with credentials where there are any."""
    return HEADERS + f"authorization: {value}\r\n".encode() if value else HEADERS


def without_session(headers: bytes, method: str, name: str = "") -> bytes:
    """The headers of a request of the era without sessions, which say what its body says."""
    own = f"mcp-method: {method}\r\n" + (f"mcp-name: {name}\r\n" if name else "")
    return headers.replace(VERSION.encode(), MODERN_VERSION.encode()) + own.encode()


def with_envelope(params: dict[str, object]) -> dict[str, object]:
    """The params of a request of that era."""
    prefix = "io.modelcontextprotocol/"
    client = {"name": "load", "version": "1"}
    envelope = {"protocolVersion": MODERN_VERSION, "clientInfo": client, "clientCapabilities": {}}
    return {**params, "_meta": {prefix + key: value for key, value in envelope.items()}}


class WrongAnswerError(Exception):
    """An answer came that is not the one to the request."""


@dataclass(frozen=True, slots=True)
class Session:
    """One MCP session: the heads of its requests, ready to be sent."""

    post: bytes
    get: bytes
    delete: bytes


def heads(port: int, path: str, headers: bytes = HEADERS, session_id: bytes | None = None) -> Session:
    """The heads of requests, with the session's id where there is one."""
    own = b"" if session_id is None else b"mcp-session-id: %b\r\n" % session_id
    rest = f" {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n".encode() + headers + own
    return Session(b"POST" + rest, b"GET" + rest, b"DELETE" + rest)


def request(method: str, params: object, request_id: int | None = None) -> bytes:
    """The JSON of a request, or of a notification."""
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
    if request_id is not None:
        message["id"] = request_id
    if params is not None:
        message["params"] = params
    return msgspec.json.encode(message)


async def ask(connection: Connection, head: bytes, body: bytes) -> Answer:
    """One exchange.

    Raises:
        WrongAnswerError: its status is not one of success.
        TimeoutError: there is none in time.
        ConnectionError: the connection ended first.
    """
    async with asyncio.timeout(CALL_SECONDS):
        answer = await connection.send(head, body)
    if not 200 <= answer.status < 300:
        raise WrongAnswerError(f"HTTP status {answer.status}: {answer.body[:200]!r}")
    return answer


async def open_session(connection: Connection, port: int, path: str, headers: bytes = HEADERS) -> Session:
    """The handshake; a server that keeps no sessions gets requests without an id.

    Raises:
        WrongAnswerError: the server refused.
    """
    hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}
    answer = await ask(connection, heads(port, path, headers).post, request("initialize", hello, 1))
    if b'"result"' not in answer.body:
        raise WrongAnswerError(f"initialize: {answer.body[:200]!r}")
    session = heads(port, path, headers, answer.headers.get(b"mcp-session-id"))
    await ask(connection, session.post, request("notifications/initialized", None))
    return session


async def end_session(connection: Connection, session: Session) -> None:
    """Deletes a session; a server may not let clients do that (405, MCP "Session Management").

    Raises:
        WrongAnswerError: it answered something else.
    """
    async with asyncio.timeout(CALL_SECONDS):
        answer = await connection.send(session.delete, b"")
    if answer.status != 405 and not 200 <= answer.status < 300:
        raise WrongAnswerError(f"HTTP status {answer.status} to DELETE")


async def result_of(connection: Connection, session: Session, method: str, params: object) -> dict[str, Any]:
    """The result of one request.

    Raises:
        WrongAnswerError: there is none.
    """
    answer = await ask(connection, session.post, request(method, params, 2))
    message = msgspec.json.decode(message_in(answer.body))
    if not isinstance(message, dict) or not isinstance(message.get("result"), dict):
        raise WrongAnswerError(f"{method}: {answer.body[:200]!r}")
    return dict(message["result"])


async def list_tools(connection: Connection, session: Session, *, is_modern: bool = False) -> list[str]:
    """The names of all tools, over all pages."""
    names: list[str] = []
    first = with_envelope({}) if is_modern else {}
    params = first
    while True:
        page = await result_of(connection, session, "tools/list", params)
        names += [tool["name"] for tool in page["tools"]]
        cursor = page.get("nextCursor")
        if not cursor:
            return names
        params = {**first, "cursor": cursor}
