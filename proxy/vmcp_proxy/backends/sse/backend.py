"""A backend that speaks the first HTTP transport (MCP 2024-11-05, "HTTP with SSE")."""

import asyncio
import contextlib
from functools import partial
from http import HTTPStatus
from typing import Final

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.handshake import SharedHello, greet, read_hello
from vmcp_proxy.backends.interface import NOBODY, BackendSession, LegacyOnly, Terms
from vmcp_proxy.backends.over_http import HttpBackendSettings, translate
from vmcp_proxy.backends.refusals.refusal import EVENTS, is_success, media_type, read_refusal
from vmcp_proxy.backends.refusals.words import masked
from vmcp_proxy.backends.sse.session import SseSession
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.http_client import HttpClient, HttpError, Peer, Response
from vmcp_proxy.protocol.initialize import encode_client_hello

_GET: Final = ((b"Accept", b"text/event-stream"), (b"Cache-Control", b"no-store"))
_NEW: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_ACCEPTABLE}
)
"""What servers of Streamable HTTP say to a GET without a session."""
_DRAIN_SECONDS: Final = 30.0


class SseBackend(LegacyOnly):
    """Opens sessions with one peer over the process-wide client; their streams are read in `tasks`."""

    takes_headers = True

    def __init__(
        self, name: str, peer: Peer, client: HttpClient, settings: HttpBackendSettings, tasks: asyncio.TaskGroup
    ) -> None:
        self.name = name
        self._peer = peer
        self._client = client
        self._settings = settings
        self._tasks = tasks
        self._sessions: set[SseSession] = set()
        self._is_closed = False
        self._hello = SharedHello()

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`."""
        del owner
        stream = await self._stream(headers, deadline)
        limit, budget = self._settings.max_response, self._settings.budget
        session = SseSession(self.name, self._peer, self._client, stream, limit, budget, headers)
        self._sessions.add(session)
        session.start(self._tasks).add_done_callback(lambda _: self._sessions.discard(session))
        try:
            self._check_open()
            await session.ready(deadline)
            hello = encode_client_hello(terms.capabilities, self._settings.software_version)
            answer = await session.request(session.next_id(), "initialize", hello, headers, deadline, NOBODY)
            session.hello = self._hello.of(read_hello(self.name, answer, partial(masked, self._peer.url, headers)))
            await greet(session, self.name, headers, deadline)
        except BaseException:
            await session.close(headers)
            raise
        return session

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`: a session cannot outlive its stream."""
        del token
        return None

    async def aclose(self) -> None:
        """Ends the sessions, after the calls of clients in flight or half a minute."""
        self._is_closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS), asyncio.TaskGroup() as group:
                for session in self._sessions:
                    group.create_task(session.idle())
        async with asyncio.TaskGroup() as group:
            for session in list(self._sessions):
                group.create_task(session.close(()))

    def _check_open(self) -> None:
        if self._is_closed:
            raise BackendError(self.name, Category.ENDED)

    async def _stream(self, headers: OutgoingHeaders, deadline: Deadline) -> Response:
        timeout = deadline.at - asyncio.get_running_loop().time()
        try:
            response = await self._client.request(
                self._peer, b"GET", _GET + headers, timeout=max(timeout, 0.0), stream=True, apart=True
            )
        except HttpError as error:
            raise translate(self.name, error) from error
        if is_success(response.status) and media_type(response.headers) == EVENTS:
            return response
        refusal = await read_refusal(response, deadline)
        advice = "; correct the path of its URL, or its transport may be streamable-http"
        raise refusal.error(
            self.name,
            "GET",
            self._peer.url,
            headers,
            advice if refusal.status in _NEW or is_success(refusal.status) else "",
        )
