"""A backend that speaks Streamable HTTP, legacy revisions (MCP 2025-06-18 and 2025-11-25, "Transports")."""

import asyncio
import contextlib
import itertools
import secrets
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

import msgspec

from vmcp_proxy.backends.aside import Aside
from vmcp_proxy.backends.client import NOBODY, BackendSession, Deadline, Receiver
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.backends.handshake import read_hello
from vmcp_proxy.backends.http import HeaderBlock, HttpClient, HttpError, Peer, Response
from vmcp_proxy.backends.position import Position
from vmcp_proxy.backends.reading import HttpReader, category_of, translate
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.initialize import ServerHello, encode_client_hello
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.versions import BACKEND_REVISIONS

_POST: Final = ((b"Content-Type", b"application/json"), (b"Accept", b"application/json, text/event-stream"))
_GET: Final = ((b"Accept", b"text/event-stream"),)
_FAREWELL_SECONDS: Final = 5.0
_FIRST_IDS: Final = 1 << 32
"""Where ids of resumed sessions may start, in steps of 2^20, so that all stay exact in a double."""

_OK: Final = int(HTTPStatus.OK)
_PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses that say that a server is busy or about to come back."""


class _Token(msgspec.Struct, frozen=True):
    server: str
    id: str
    version: str
    offers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HttpBackendSettings:
    """What one HTTP backend needs to know besides its peer; sizes in bytes, waits in seconds."""

    max_response: int
    connect_timeout: float
    software_version: str


class HttpBackend:
    """Opens sessions with one peer over the process-wide client; `tasks` hold what no caller waits for."""

    def __init__(
        self, name: str, peer: Peer, client: HttpClient, settings: HttpBackendSettings, tasks: asyncio.TaskGroup
    ) -> None:
        self.name = name
        self.peer = peer
        self.client = client
        self.settings = settings
        self.aside = Aside(tasks)
        self.reader = HttpReader(name, settings.max_response)
        self.server = blake2b(peer.url.text.encode(), digest_size=8).hexdigest()
        """Stands for the URL: a session id is never shown to another server than its own."""

    takes_headers = True

    async def open(self, capabilities: bytes, headers: OutgoingHeaders, deadline: Deadline) -> BackendSession:
        """See `Backend.open`."""
        hello = encode_client_hello(capabilities, self.settings.software_version)
        body = jsonrpc.encode_request(0, "initialize", hello)
        response = await self.post(_POST + headers, body, deadline.at)
        session_id = response.headers.get(b"mcp-session-id")
        own = headers if session_id is None else ((b"Mcp-Session-Id", session_id), *headers)
        answer = await self.reader.answer(response, b"0", deadline, NOBODY, reopen=partial(self.reopen, own))
        server = read_hello(self.name, answer, BACKEND_REVISIONS)
        session = HttpBackendSession(self, server, session_id)
        try:
            await session.notify("notifications/initialized", None, headers)
        except BaseException:
            await session.close(headers)
            raise
        return session

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`."""
        try:
            saved = msgspec.json.decode(token, type=_Token)
        except msgspec.DecodeError:
            return None
        if saved.server != self.server:
            return None
        hello = ServerHello(saved.version, frozenset(saved.offers), None)
        # The process that opened the session may still use it: ids of both must not meet (MCP, "Requests").
        first_id = (secrets.randbelow(_FIRST_IDS) << 20) + 1
        return HttpBackendSession(self, hello, saved.id.encode("latin-1") or None, first_id)

    async def aclose(self) -> None:
        """Nothing: connections belong to the process-wide client."""

    async def post(self, headers: OutgoingHeaders | HeaderBlock, body: bytes, until: float) -> Response:
        """One POST; returns when the head of the answer is there.

        Raises:
            BackendError: there is none by `until` (loop time).
        """
        timeout = until - asyncio.get_running_loop().time()
        try:
            return await self.client.request(self.peer, b"POST", headers, body, timeout=max(timeout, 0.0))
        except HttpError as error:
            raise translate(self.name, error) from error

    async def get(self, headers: OutgoingHeaders, last_id: bytes | None, timeout: float) -> Response:  # noqa: ASYNC109
        """One GET for an event stream, from behind `last_id` on; returns when the head of the answer is there.

        Raises:
            HttpError: there is none.
        """
        after = () if last_id is None else ((b"Last-Event-ID", last_id),)
        return await self.client.request(
            self.peer, b"GET", _GET + headers + after, timeout=max(timeout, 0.0), stream=True, apart=True
        )

    async def reopen(self, headers: OutgoingHeaders, last_id: bytes, deadline: Deadline) -> Response | None:
        """The rest of a call's stream; None where the backend could not be reached.

        Raises:
            BackendError: the backend does not give it.
        """
        try:
            response = await self.get(headers, last_id, deadline.at - asyncio.get_running_loop().time())
        except HttpError as error:
            failure = translate(self.name, error)
            if failure.category in (Category.UNREACHABLE, Category.FAILED):
                return None
            raise failure from error
        kind = response.headers.get(b"content-type") or b""
        if response.status == _OK and kind.startswith(b"text/event-stream"):
            return response
        await response.aclose()
        if response.status in _PASSING:
            return None
        # Never a lost session, which would have the call sent again: it may have run.
        category = category_of(response.status)
        category = category if category is Category.AUTH else Category.FAILED
        raise BackendError(self.name, category, f"its stream ended before the answer; HTTP status {response.status}")


class HttpBackendSession:
    """One legacy session: a session id and the revision, on every request."""

    __slots__ = ("_backend", "_ids", "_last", "_own", "_position", "hello", "session_id")

    def __init__(self, backend: HttpBackend, hello: ServerHello, session_id: bytes | None, first_id: int = 1) -> None:
        self._backend = backend
        self.hello = hello
        self.session_id = session_id
        self._ids = itertools.count(first_id)
        own = [(b"MCP-Protocol-Version", hello.version.encode())]
        if session_id is not None:
            own.append((b"Mcp-Session-Id", session_id))
        self._own: OutgoingHeaders = tuple(own)
        self._last: tuple[OutgoingHeaders, HeaderBlock] | None = None
        self._position = Position()

    def __repr__(self) -> str:
        return f"<HttpBackendSession {self._backend.name} {self.hello.version}>"

    @property
    def token(self) -> bytes:
        """See `BackendSession.token`; sealed before it leaves the process."""
        session_id = (self.session_id or b"").decode("latin-1")
        saved = _Token(self._backend.server, session_id, self.hello.version, tuple(sorted(self.hello.offers)))
        return msgspec.json.encode(saved)

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return next(self._ids)

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        backend = self._backend
        body = jsonrpc.encode_request(request_id, method, params)
        try:
            response = await backend.post(self._headers(headers), body, deadline.at)
            if response.status != _OK:
                return await self._refused(response, request_id, deadline)
            return await backend.reader.answer(
                response,
                b"%d" % request_id,
                deadline,
                receiver,
                partial(self._reply, headers),
                partial(self._reopen, headers),
            )
        except asyncio.CancelledError:
            self._cancel(request_id, headers, "The client cancelled the request.")
            raise
        except BackendError as error:
            if error.category is Category.TIMEOUT:
                self._cancel(request_id, headers, "The request took too long.")
            raise

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`."""
        await self._send(jsonrpc.encode_notification(method, params), headers)

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`; a stream with event ids is taken up again behind the last one.

        One without may have lost something, so that its end is told; the more often it ends, the later.
        """
        reader = self._backend.reader
        while True:
            response = await self._open_stream(headers)
            if response is None:
                return False
            await reader.stream(response, receiver, partial(self._reply, headers), self._position)
            await asyncio.sleep(self._position.pause())
            if self._position.last_id is None:
                return True

    async def close(self, headers: OutgoingHeaders) -> None:
        """See `BackendSession.close`."""
        backend = self._backend
        if self.session_id is None:
            return
        try:
            response = await backend.client.request(
                backend.peer, b"DELETE", self._own + headers, timeout=_FAREWELL_SECONDS
            )
            await response.aclose()
        except HttpError:
            return

    def _headers(self, headers: OutgoingHeaders) -> HeaderBlock:
        """All fields of a POST, encoded once for as long as the caller's are the same object."""
        if self._last is not None and self._last[0] is headers:
            return self._last[1]
        block = HeaderBlock(_POST + self._own + headers)
        self._last = (headers, block)
        return block

    async def _open_stream(self, headers: OutgoingHeaders) -> Response | None:
        """The stream of the session; None where the backend offers none."""
        backend = self._backend
        last_id = self._position.last_id
        try:
            response = await backend.get(self._own + headers, last_id, backend.settings.connect_timeout)
        except HttpError as error:
            raise translate(backend.name, error) from error
        if response.status == _OK:
            return response
        if HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            # Perhaps the server has forgotten this place of the stream: the next request begins a new one.
            self._position.last_id = None
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            await response.aclose()
            return None
        await self._raise_for(response)
        raise AssertionError("unreachable")

    async def _reopen(self, headers: OutgoingHeaders, last_id: bytes, deadline: Deadline) -> Response | None:
        return await self._backend.reopen(self._own + headers, last_id, deadline)

    async def _send(self, body: bytes, headers: OutgoingHeaders) -> None:
        until = asyncio.get_running_loop().time() + _FAREWELL_SECONDS
        response = await self._backend.post(self._headers(headers), body, until)
        if response.status >= HTTPStatus.BAD_REQUEST:
            await self._raise_for(response)
        await response.aclose()

    async def _reply(self, headers: OutgoingHeaders, raw: bytes) -> None:
        # A reply that fails says nothing of the call that it belongs to: that one may be running, and a 404
        # to the reply must not have it sent again.
        with contextlib.suppress(BackendError):
            await self._send(raw, headers)

    def _cancel(self, request_id: int, headers: OutgoingHeaders, reason: str) -> None:
        """Tells the backend beside the call: one that hangs would let the caller wait for this, too."""
        params = b'{"requestId":%d,"reason":%b}' % (request_id, msgspec.json.encode(reason))
        self._backend.aside.do(self._tell(params, headers), f"cancel at {self._backend.name}")

    async def _tell(self, params: bytes, headers: OutgoingHeaders) -> None:
        with contextlib.suppress(BackendError):
            await self.notify("notifications/cancelled", params, headers)

    async def _refused(self, response: Response, request_id: int, deadline: Deadline) -> jsonrpc.Response:
        """An answer that is not 200: a JSON-RPC error of the backend is an answer, the rest is none."""
        status = response.status
        if self.session_id is not None and status == HTTPStatus.NOT_FOUND:
            await response.aclose()
            raise SessionLostError(self._backend.name)
        if status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            message = await self._backend.reader.error_body(response, deadline)
            if message is not None:
                if message.id == b"%d" % request_id:
                    return message
                if self.session_id is not None and status == HTTPStatus.BAD_REQUEST and _is_about_session(message):
                    raise SessionLostError(self._backend.name)
        await self._raise_for(response)
        raise AssertionError("unreachable")

    async def _raise_for(self, response: Response) -> None:
        status = response.status
        await response.aclose()
        if status == HTTPStatus.NOT_FOUND and self.session_id is not None:
            raise SessionLostError(self._backend.name)
        raise BackendError(self._backend.name, category_of(status), f"HTTP status {status}")


def _is_about_session(message: jsonrpc.Response) -> bool:
    """Whether a 400 means an unknown session: servers on the TypeScript SDK say so after a restart."""
    return message.error is not None and b"session" in bytes(message.error).lower()
