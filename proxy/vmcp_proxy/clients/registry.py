"""The clients of every session that this process serves."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from vmcp_proxy.clients.server_requests import forget_all
from vmcp_proxy.clients.session_client import Services, SessionClient
from vmcp_proxy.clients.streaming.client_stream import ClientStream
from vmcp_proxy.clients.streaming.streams import Replay

if TYPE_CHECKING:
    from vmcp_proxy.sessions import EndReason, Session

OnEnded: TypeAlias = Callable[[SessionClient, bool], Awaitable[None]]


async def _nothing_to_end(_client: SessionClient, _is_over: bool) -> None:
    """There are no links yet."""


class SessionClients:
    """Every client of this process, by its session.

    `on_forget` is called when the client's headers must go, and what hangs on them with them; `on_ended` when the
    session has ended or moved, with whether it has ended for good; `on_left` hears of the same at once, for counting.
    """

    def __init__(self, replay: Replay | None = None) -> None:
        self.replay: Final = replay or Replay()
        self.on_forget: Callable[[SessionClient], None] = SessionClient.forget_headers
        self.on_ended: OnEnded = _nothing_to_end
        self.on_left: Callable[[Session, EndReason], None] = lambda _session, _reason: None
        self._services: Services | None = None
        self._by_session: dict[Session, SessionClient] = {}
        self._by_digest: dict[str, SessionClient] = {}

    def __len__(self) -> int:
        return len(self._by_session)

    def serve(self, services: Services) -> None:
        """Says what clients share: it is built after what holds them.

        No client is made before.
        """
        self._services = services

    def of(self, session: "Session") -> SessionClient:
        """The client of a session, made at its first use; that of one that has ended is kept by nobody."""
        client = self._by_session.get(session)
        if client is None:
            if self._services is None:
                raise RuntimeError("no client is made before it is known what clients share")
            client = SessionClient(session, ClientStream(session, self.replay), self._services, self.on_forget)
            if session.ended is None:
                self._by_session[session] = client
                session.on_end(client.cancel_all)
                session.on_forget(client.forget)
                self._by_digest[session.digest.hex] = client
        return client

    def find(self, session: "Session") -> SessionClient | None:
        """The client of a session, where it has one still."""
        return self._by_session.get(session)

    def by_digest(self, digest: str) -> SessionClient | None:
        """The client of the session with this digest in hex, where it is in use here."""
        return self._by_digest.get(digest)

    def remove(self, session: "Session") -> SessionClient | None:
        """Takes out the client of a session that has ended."""
        client = self._by_session.pop(session, None)
        if client is not None and self._by_digest.get(session.digest.hex) is client:
            del self._by_digest[session.digest.hex]
        return client

    async def ended(self, session: "Session", reason: "EndReason") -> None:
        """Lets go of all that is held for the client of a session that this process serves no more."""
        self.on_left(session, reason)
        client = self.remove(session) or self.of(session)
        forget_all(client)
        await self.on_ended(client, reason.deletes_backend_sessions)

    def listening(self) -> tuple[SessionClient, ...]:
        """Those that hold their session's own stream with this process."""
        return tuple(client for client in self._by_session.values() if client.stream.is_listening)

    def all(self) -> tuple[SessionClient, ...]:
        """All of them, now."""
        return tuple(self._by_session.values())
