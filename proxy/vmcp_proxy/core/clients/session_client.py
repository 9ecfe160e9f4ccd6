"""What this process holds for a client session besides its record: links, view, calls in flight, stream."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.catalog.capabilities import Kind
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.ui_pages import NO_CLAIMS
from vmcp_proxy.core.clients.open_request import ServerRequest
from vmcp_proxy.core.clients.outbox import Outbox
from vmcp_proxy.core.clients.streams import Replay
from vmcp_proxy.core.listings.scopes import audience
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.owners.handed_out import HandedOut
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, Collision, HeaderSnapshot, OutgoingHeaders
from vmcp_proxy.protocol.initialize import mirrored_capabilities

if TYPE_CHECKING:
    from vmcp_proxy.core.virtual import Caller
    from vmcp_proxy.sessions import Session


@dataclass(slots=True, eq=False)
class SessionClient:
    """The running side of one client session; dies with it.

    `view` is the catalog as of `epoch`, for the snapshot `view_snapshot`, until `view_expires` (loop time). `told`
    are the versions by kind that the client has seen, so that only real changes are announced. `caller` asked last.
    `replay` makes its stream; `lingering` runs while backends are heard although the client's stream broke.
    `in_flight` are the tasks of its requests with their ids, which clients may repeat; `server_requests` wait for
    the client's answer, by number; `subscriptions` are backends' own URIs by backend. `handed_out` has the resources
    that results of its calls link to, once there are any.
    `capabilities` are the client's as backends hear them, `audience` stands for them in scopes of listings.
    """

    session: "Session"
    replay: Replay = field(default_factory=Replay, repr=False)
    links: dict[str, Link] = field(default_factory=dict)
    headers: dict[str, tuple[Member, HeaderSnapshot, OutgoingHeaders | Collision]] = field(default_factory=dict)
    view: Catalog | None = None
    view_snapshot: HeaderSnapshot = EMPTY_SNAPSHOT
    epoch: int = -1
    view_expires: float = 0.0
    told: dict[Kind, str] = field(default_factory=dict)
    caller: "Caller | None" = None
    in_flight: dict["asyncio.Task[None]", bytes] = field(default_factory=dict)
    cancelled: "set[asyncio.Task[None]]" = field(default_factory=set)
    lingering: asyncio.TimerHandle | None = None
    listening: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    server_requests: dict[int, ServerRequest] = field(default_factory=dict)
    subscriptions: dict[str, set[str]] = field(default_factory=dict)
    handed_out: HandedOut | None = None
    _outbox: Outbox | None = field(default=None, init=False)
    capabilities: bytes = field(init=False)
    audience: str = field(init=False)

    def __post_init__(self) -> None:
        self.capabilities = mirrored_capabilities(self.session.client_capabilities)
        self.audience = audience(self.capabilities)

    def __repr__(self) -> str:
        return f"<SessionClient {self.session!r} links={sorted(self.links)} in_flight={len(self.in_flight)}>"

    @property
    def log_level(self) -> str | None:
        """The least severe level that the client wants to hear of, as it said to any pod."""
        return self.session.log_level

    @property
    def is_listening(self) -> bool:
        """Whether the client holds the session's own stream with this process."""
        return self._outbox is not None and self._outbox.is_listening

    @property
    def is_receiving(self) -> bool:
        """Whether backends are heard outside of calls: the client listens, or did a moment ago."""
        return self.lingering is not None or self.is_listening

    @property
    def outbox(self) -> Outbox:
        """What waits for the session's own stream and what it may have to say again, until the session ends."""
        if self._outbox is None:
            self._outbox = self.replay.outbox(self.session)
            self.session.on_end(self._outbox.close)
        return self._outbox

    @property
    def snapshot(self) -> HeaderSnapshot:
        """The client's headers for what no request of its own stands behind: those of its latest request."""
        return self.session.snapshot if self.caller is None else self.caller.snapshot

    def uri_of(self, backend: str) -> Callable[[str], str]:
        """By which URI this client knows one of a backend's."""
        claims = NO_CLAIMS if self.view is None else self.view.claims
        return lambda uri: claims.exposed(backend, uri)

    def headers_for(self, member: Member, snapshot: HeaderSnapshot) -> OutgoingHeaders | Collision:
        """What goes to one backend; the same object as long as its sources are the same."""
        known = self.headers.get(member.name)
        if known is not None and known[0] is member and known[1] is snapshot:
            return known[2]
        merged = member.headers_for(snapshot)
        self.headers[member.name] = (member, snapshot, merged)
        return merged

    def forget_headers(self) -> None:
        """Lets go of the client's headers and of all that was made of them.

        Links go too: a session at a backend keeps the headers that it sent last. What there still is to do at a
        backend begins anew with the token of its session.
        """
        for task in self.listening.values():
            task.cancel()
        self.links.clear()
        self.listening.clear()
        self.headers.clear()
        self.handed_out = None
        self.caller = None
        self.view = None
        self.view_snapshot = EMPTY_SNAPSHOT

    def cancel(self, request_id: bytes) -> bool:
        """Cancels a call in flight on the client's word; True where there was one."""
        task = next((task for task, number in reversed(self.in_flight.items()) if number == request_id), None)
        if task is None:
            return False
        self._cancel(task)
        return True

    def cancel_all(self) -> None:
        """Cancels the calls in flight: the session is over, and they hold its headers."""
        for task in self.in_flight:
            self._cancel(task)

    def _cancel(self, task: "asyncio.Task[None]") -> None:
        if task not in self.cancelled:
            # Once: a second time would cut off the first one's way out, and with it the answer.
            self.cancelled.add(task)
            task.cancel()


class SessionClients:
    """Every client of this process, by its session.

    `on_forget` is called when the client's headers must go, and what hangs on them with them.
    """

    def __init__(self, replay: Replay | None = None) -> None:
        self.replay: Final = replay or Replay()
        self.on_forget: Callable[[SessionClient], None] = SessionClient.forget_headers
        self._by_session: dict[Session, SessionClient] = {}
        self._by_digest: dict[str, SessionClient] = {}

    def __len__(self) -> int:
        return len(self._by_session)

    def of(self, session: "Session") -> SessionClient:
        """The client of a session, made at its first use; that of one that has ended is kept by nobody."""
        client = self._by_session.get(session)
        if client is None:
            client = SessionClient(session, self.replay)
            if session.ended is None:
                self._by_session[session] = client
                session.on_end(client.cancel_all)
                session.on_forget(lambda: self.on_forget(client))
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

    def all(self) -> tuple[SessionClient, ...]:
        """All of them, now."""
        return tuple(self._by_session.values())
