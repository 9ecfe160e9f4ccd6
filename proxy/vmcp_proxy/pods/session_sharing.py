"""What pods tell each other of a session that more than one of them serves (ADR-0023)."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.messages import ClientMessages
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.protocol.jsonrpc import parse_message

if TYPE_CHECKING:
    from vmcp_proxy.sessions import Session

_TO_STREAM: Final = "stream"
_FROM_CLIENT: Final = "client"
_NEWS: Final = "news"
_MOVED: Final = "moved"
_CHANGED: Final = "changed"
_TRIES: Final = 3
"""How often a stream that moves from pod to pod is followed with a message."""


class Mailbox(Protocol):
    """Sealed messages to other pods, by kind."""

    @property
    def pod(self) -> str:
        """The name of this pod."""

    def on(self, kind: str, handler: Callable[[str, bytes], Awaitable[None]], knows: Callable[[str], bool]) -> None:
        """Says who takes messages of a kind: the session's digest in hex, and the body; and of which sessions."""

    async def send(self, pod: str, kind: str, digest: str, body: bytes) -> bool:
        """Whether the pod has accepted the message."""

    async def tell_all(self, kind: str, digest: str, body: bytes) -> None:
        """Tells every other pod, and does not hear who has taken it."""


class SharedState(Protocol):
    """What the store knows of a session beyond this process."""

    async def stream_pod(self, session: "Session") -> str | None:
        """The pod that holds the session's own stream."""

    async def refresh(self, session: "Session") -> None:
        """Takes over the backend sessions and the log level that other pods have stored meanwhile."""

    async def take_stream(self, session: "Session", pod: str) -> str | None:
        """Stores that this pod holds the session's own stream; the one that was named before."""

    async def claim_stream(self, session: "Session", pod: str) -> bool:
        """Stores it unless another pod is named; whether none is."""

    async def leave_stream(self, session: "Session", pod: str) -> None:
        """Stores that this pod holds the stream no more."""

    async def disown_stream(self, session: "Session", pod: str) -> None:
        """Stores that another pod, which does not answer, holds the stream no more."""


class BetweenPods:
    """Sends and takes what pods say of a session: for its stream, from its client, of news in the store, of a move."""

    def __init__(
        self, mailbox: Mailbox, shared: SharedState, clients: SessionClients, *, is_shared: bool = True
    ) -> None:
        self._mailbox: Final = mailbox
        self._shared: Final = shared
        self._clients: Final = clients
        self._is_shared: Final = is_shared
        self._handing_over: Final[set[SessionClient]] = set()

    def serve(self, links: Links, messages: ClientMessages, on_changed: Callable[[SessionClient, str], None]) -> None:
        """Begins to take messages: what they reach is built after what sends them."""

        async def from_client(digest: str, body: bytes) -> None:
            client = self._clients.by_digest(digest)
            if client is not None:
                await messages.delivered(client, parse_message(body))

        async def news(digest: str, _body: bytes) -> None:
            client = self._clients.by_digest(digest)
            if client is not None and client.stream.is_listening:
                await self._shared.refresh(client.session)
                links.listen_all(client)

        async def changed(digest: str, body: bytes) -> None:
            client = self._clients.by_digest(digest)
            if client is not None:
                on_changed(client, body.decode())

        def is_in_use(digest: str) -> bool:
            return self._clients.by_digest(digest) is not None

        self._mailbox.on(_TO_STREAM, self._to_stream, is_in_use)
        self._mailbox.on(_FROM_CLIENT, from_client, is_in_use)
        self._mailbox.on(_NEWS, news, is_in_use)
        self._mailbox.on(_MOVED, self._moved, is_in_use)
        self._mailbox.on(_CHANGED, changed, is_in_use)

    async def to_stream(self, session: "Session", message: bytes) -> bool:
        """See `session_stream.Elsewhere`."""
        pod = await self._shared.stream_pod(session)
        if pod is None or pod == self._mailbox.pod:
            return False
        if await self._mailbox.send(pod, _TO_STREAM, session.digest.hex, message):
            return True
        await self._shared.disown_stream(session, pod)
        return False

    async def from_client(self, pod: str, session: "Session", raw: bytes) -> bool:
        """See `client_messages.Forward`."""
        return await self._mailbox.send(pod, _FROM_CLIENT, session.digest.hex, raw)

    async def from_client_to_all(self, session: "Session", raw: bytes) -> None:
        """See `client_messages.ForwardToAll`."""
        await self._mailbox.tell_all(_FROM_CLIENT, session.digest.hex, raw)

    async def tell_news(self, session: "Session") -> None:
        """Lets the pod that holds the session's stream look up what was stored here: backend sessions, log level."""
        pod = await self._shared.stream_pod(session)
        if pod is not None and pod != self._mailbox.pod:
            await self._mailbox.send(pod, _NEWS, session.digest.hex, b"")

    async def tell_changed(self, session: "Session", backend: str) -> None:
        """Lets the pods that serve the session know that a backend has other lists for this client."""
        await self._mailbox.tell_all(_CHANGED, session.digest.hex, backend.encode())

    async def listens_here(self, session: "Session") -> None:
        """Says that the client holds the session's stream with this pod, and looks up what others have stored.

        The pod that had the stream hears of it: its connection may be dead and not look it.
        """
        former = await self._shared.take_stream(session, self._mailbox.pod)
        await self._shared.refresh(session)
        if former is not None and former != self._mailbox.pod:
            await self._mailbox.send(former, _MOVED, session.digest.hex, b"")

    async def listens_no_more(self, session: "Session") -> None:
        """Takes that back, unless messages wait here for the client to listen somewhere."""
        client = self._clients.find(session)
        if client is not None and client.stream.outbox.waiting() is not None:
            await self.waits_here(session)
        else:
            await self._shared.leave_stream(session, self._mailbox.pod)

    async def waits_here(self, session: "Session") -> None:
        """See `session_stream.WaitsHere`: the pod that the client turns to finds this one's name, and asks.

        Where the client has turned to one already, that one gets what waits. Without other pods nothing happens.
        """
        if not self._is_shared:
            return
        client = self._clients.find(session)
        for _ in range(_TRIES):
            if await self._shared.claim_stream(session, self._mailbox.pod) or client is None:
                return
            if await self._handed_over(client):
                return

    async def _to_stream(self, digest: str, body: bytes) -> None:
        client = self._clients.by_digest(digest)
        if client is not None:
            client.stream.outbox.put(body)

    async def _moved(self, digest: str, _body: bytes) -> None:
        """Ends the stream here and hands over what waits, unless the client has come back meanwhile (ADR-0026)."""
        client = self._clients.by_digest(digest)
        if client is None or await self._shared.stream_pod(client.session) == self._mailbox.pod:
            return
        client.stream.outbox.finish()
        if not await self._handed_over(client):
            await self.waits_here(client.session)

    async def _handed_over(self, client: SessionClient) -> bool:
        """Gives what waits to the pod with the stream; False where some of it still waits."""
        if client in self._handing_over:
            # Each message once: whoever is at it takes what has come meanwhile as well.
            return True
        self._handing_over.add(client)
        try:
            while not client.stream.is_listening and (entry := client.stream.outbox.waiting()) is not None:
                ticket, message = entry
                if not await self.to_stream(client.session, message):
                    return False
                client.stream.outbox.discard(ticket)
        finally:
            self._handing_over.discard(client)
        return True
