"""Keeps the other pods informed of a session, beside the requests that change it."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.pods.session_sharing import BetweenPods

if TYPE_CHECKING:
    from vmcp_proxy.sessions import Session

_BURST_SECONDS: Final = 0.2


class SessionMemory(Protocol):
    """Keeps what every pod should know of a session."""

    async def remember_level(self, session: "Session", level: str) -> None:
        """Stores the client's log level."""

    async def remember_backend(self, session: "Session", backend: str, token: bytes) -> None:
        """Stores the token of a session at a backend, sealed."""


class News:
    """Tells in tasks of its own: no request waits for another pod. Where there is no other pod it does nothing."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        between: BetweenPods,
        memory: SessionMemory,
        clients: SessionClients,
        *,
        is_shared: bool,
    ) -> None:
        self._tasks: Final = tasks
        self._between: Final = between
        self._memory: Final = memory
        self._clients: Final = clients
        self._is_shared: Final = is_shared
        self._links: Links | None = None
        self._telling: Final[dict[SessionClient, bool]] = {}
        """Whose stream is being told of, and whether it has changed since."""
        self._changed: Final[set[tuple[SessionClient, str]]] = set()

    def serve(self, links: Links) -> None:
        """Says what listens to backends once the client does: it is built after what tells of clients."""
        self._links = links

    async def remember_level(self, session: "Session", level: str) -> None:
        """Stores a session's log level, for every pod."""
        await self._memory.remember_level(session, level)
        self._stored(session)

    async def remember_backend(self, session: "Session", backend: str, token: bytes) -> None:
        """Stores the token of a session at a backend, for every pod."""
        await self._memory.remember_backend(session, backend, token)
        self._stored(session)

    def _stored(self, session: "Session") -> None:
        """Something of this session was stored that the pod with its stream should look up."""
        client = self._clients.find(session)
        if self._is_shared and client is not None and not client.stream.is_listening:
            self._tasks.create_task(self._between.tell_news(session), name="tell of a session")

    def changed(self, client: SessionClient, backend: str) -> None:
        """A backend has said to this client alone that its lists are others; a burst is told once."""
        key = (client, backend)
        if self._is_shared and key not in self._changed:
            self._changed.add(key)
            self._tasks.create_task(self._tell_changed(*key), name="tell of changed lists")

    async def _tell_changed(self, client: SessionClient, backend: str) -> None:
        try:
            await asyncio.sleep(_BURST_SECONDS)
        finally:
            self._changed.discard((client, backend))
        await self._between.tell_changed(client.session, backend)

    def listening(self, client: SessionClient) -> None:
        """The client has begun or ceased to hold the session's stream with this pod."""
        if client in self._telling:
            # A client that opens streams faster than the store writes must not pile up tasks.
            self._telling[client] = True
        elif self._is_shared:
            self._telling[client] = True
            self._tasks.create_task(self._tell_where(client), name="tell where a stream is")

    async def _tell_where(self, client: SessionClient) -> None:
        try:
            while self._telling[client]:
                self._telling[client] = False
                if client.stream.is_listening:
                    await self._between.listens_here(client.session)
                    if self._links is not None:
                        self._links.listen_all(client)
                else:
                    await self._between.listens_no_more(client.session)
        finally:
            del self._telling[client]
