"""A backend that speaks Streamable HTTP, legacy revisions (MCP 2025-06-18 and 2025-11-25, "Transports")."""

import asyncio
import secrets
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.handshake import SharedHello, greet, read_hello
from vmcp_proxy.backends.interface import NOBODY, BackendSession, LegacyOnly, Terms
from vmcp_proxy.backends.over_http import HttpBackendSettings, translate
from vmcp_proxy.backends.refusals.refusal import (
    EVENTS,
    JSON,
    Refusal,
    category_of,
    is_success,
    media_type,
    read_refusal,
)
from vmcp_proxy.backends.refusals.words import masked
from vmcp_proxy.backends.streamable.background import Aside
from vmcp_proxy.backends.streamable.reader import ENDED, HttpReader
from vmcp_proxy.backends.streamable.session import GET, POST, HttpBackendSession
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.http_client import HeaderBlock, HttpClient, HttpError, Peer, Response
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.initialize import ServerHello, encode_client_hello
from vmcp_proxy.protocol.versions import LATEST

_FIRST_IDS: Final = 1 << 32
"""Where ids of resumed sessions may start, in steps of 2^20, so that all stay exact in a double."""

_HELLO: Final = (*POST, (b"Mcp-Method", b"initialize"))
"""A server that speaks the revision without sessions as well may route by it."""

_PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses that say that a server is busy or about to come back."""
_OLD: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
"""What servers of the first HTTP transport say to a POST (MCP, "Backwards Compatibility")."""


class _Token(msgspec.Struct, frozen=True):
    server: str
    id: str
    version: str
    offers: tuple[str, ...]


class HttpBackend(LegacyOnly):
    """Opens sessions with one peer over the process-wide client; `tasks` hold what no caller waits for."""

    def __init__(
        self, name: str, peer: Peer, client: HttpClient, settings: HttpBackendSettings, tasks: asyncio.TaskGroup
    ) -> None:
        self.name = name
        self.peer = peer
        self.client = client
        self.settings = settings
        self.aside = Aside(tasks)
        self.reader = HttpReader(name, settings.max_response, settings.budget)
        self.server = blake2b(peer.url.text.encode(), digest_size=8).hexdigest()
        """Stands for the URL: a session id is never shown to another server than its own."""
        self._hello: Final = SharedHello()

    takes_headers = True

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`."""
        is_own = owner is None
        hello = encode_client_hello(terms.capabilities, self.settings.software_version)
        body = jsonrpc.encode_request(0, "initialize", hello)
        response = await self.post(_HELLO + headers, body, deadline.at, is_repeatable=True, is_own=is_own)
        session_id = response.headers.get(b"mcp-session-id")
        if not is_success(response.status) or media_type(response.headers) not in (EVENTS, JSON):
            raise _refused(await read_refusal(response, deadline), self, headers)
        own = headers if session_id is None else ((b"Mcp-Session-Id", session_id), *headers)
        answer = await self.reader.answer(response, b"0", deadline, NOBODY, reopen=partial(self.reopen, own))
        session = HttpBackendSession(self, ServerHello(LATEST, frozenset(), None), session_id, is_own=is_own)
        try:
            session.begin(self._hello.of(read_hello(self.name, answer, partial(masked, self.peer.url, headers))))
            await greet(session, self.name, headers, deadline)
        except BaseException:
            # Beside: a server that hangs would let the caller wait for this, too.
            self.aside.do(session.close(headers), f"end session at {self.name}")
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
        hello = self._hello.of(ServerHello(saved.version, frozenset(saved.offers), None))
        # The process that opened the session may still use it: ids of both must not meet (MCP, "Requests").
        first_id = (secrets.randbelow(_FIRST_IDS) << 20) + 1
        return HttpBackendSession(self, hello, saved.id.encode("latin-1") or None, first_id)

    def token_of(self, session: HttpBackendSession) -> bytes:
        """What `resume` takes."""
        session_id = (session.session_id or b"").decode("latin-1")
        saved = _Token(self.server, session_id, session.hello.version, tuple(sorted(session.hello.offers)))
        return msgspec.json.encode(saved)

    async def aclose(self) -> None:
        """Nothing: connections belong to the process-wide client."""

    async def post(
        self,
        headers: OutgoingHeaders | HeaderBlock,
        body: bytes,
        until: float,
        *,
        is_repeatable: bool,
        is_own: bool = False,
    ) -> Response:
        """One POST; returns when the head of the answer is there.

        What `is_repeatable` executes nothing: it may be written twice. What `is_own` of the
        proxy waits for no call's connection.

        Raises:
            BackendError: there is none by `until` (loop time).
        """
        timeout = until - asyncio.get_running_loop().time()
        try:
            return await self.client.request(
                self.peer,
                b"POST",
                headers,
                body,
                timeout=max(timeout, 0.0),
                is_repeatable=is_repeatable,
                is_own=is_own,
            )
        except HttpError as error:
            raise translate(self.name, error) from error

    async def get(self, headers: OutgoingHeaders, last_id: bytes | None, timeout: float) -> Response:  # noqa: ASYNC109
        """One GET for an event stream, from behind `last_id` on; returns when the head of the answer is there.

        Raises:
            HttpError: there is none.
        """
        after = () if last_id is None else ((b"Last-Event-ID", last_id),)
        return await self.client.request(
            self.peer,
            b"GET",
            GET + headers + after,
            timeout=max(timeout, 0.0),
            stream=True,
            apart=True,
            is_repeatable=True,
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
        if is_success(response.status) and media_type(response.headers) == EVENTS:
            return response
        await response.aclose()
        if response.status in _PASSING:
            return None
        # Never a lost session, which would have the call sent again: it may have run.
        category = category_of(response.status)
        category = category if category is Category.AUTH else Category.FAILED
        raise BackendError(self.name, category, f"{ENDED}; HTTP status {response.status}")


def _refused(refusal: Refusal, backend: HttpBackend, headers: OutgoingHeaders) -> BackendError:
    """Why there is no session; a server of the first HTTP transport says it in this way, too."""
    is_other = refusal.status in _OLD and refusal.message is None
    advice = "; correct the path of its URL, or its transport may be sse" if is_other else ""
    return refusal.error(backend.name, "POST", backend.peer.url, headers, advice)
