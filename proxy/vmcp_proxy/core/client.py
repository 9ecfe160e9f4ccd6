"""What the core asks of a client, whichever way that client speaks to us."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import StrEnum
from typing import Protocol, TypeAlias
from weakref import ref

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, Terms
from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.modern.cache_hints import NOT_CACHEABLE, Cacheable

Tell: TypeAlias = Callable[[bytes, Callable[[], None] | None], Awaitable[int | None]]
"""Sends one message to the client, on the stream that it belongs to; see `ClientContext.say`."""


class NoReply(StrEnum):
    """Why there is no answer of the client's."""

    UNDECLARED = "undeclared"
    """It has not declared the capability that it takes."""
    CROWDED = "crowded"
    """It is being asked too much already."""
    OVERDUE = "overdue"
    """It has not answered in time, or could not be reached."""
    ENDED = "ended"
    """Its session is over."""


class BuiltView(msgspec.Struct, frozen=True, gc=False):
    """A catalog as of `epoch`, for a caller and its headers, until `expires` (loop time).

    It does not keep the catalog, which the budget does (ADR-0067). `cacheable` is how long clients may keep its lists;
    it counts from their reading, and may have passed. `looks` is `Listings.looks` as of the last time
    that somebody came for its listings.
    """

    found: ref[Catalog] | None
    identity: Identity
    snapshot: HeaderSnapshot
    epoch: int
    expires: float
    looks: int
    cacheable: Cacheable = NOT_CACHEABLE

    @property
    def catalog(self) -> Catalog | None:
        """The catalog; None where it has given way, or a call made it without what had."""
        return None if self.found is None else self.found()


class ClientContext(Protocol):
    """One client: what backends may be told of it, how it is spoken to, and what this process holds for it.

    `view` is what it sees, as `Views` built it last; `subscriptions` are what it has subscribed to, by backend and the
    backend's own URIs. `last_found` are the tools that its last search has found, best first.
    """

    view: BuiltView | None
    subscriptions: dict[str, dict[str, Capability]]
    last_found: tuple[str, ...]

    @property
    def itself(self) -> "ClientContext":
        """The client, of which this may be the part that one call has."""

    @property
    def identity(self) -> Identity:
        """Who the client is for what no request of its own stands behind: as its latest request said."""

    @property
    def terms(self) -> Terms:
        """On which backends are spoken to for it."""

    @property
    def audience(self) -> str:
        """Stands for the capabilities in scopes of listings."""

    @property
    def log_level(self) -> str | None:
        """The least severe level that the client wants to hear of."""

    @property
    def server_requests(self) -> Collection[int]:
        """The requests that wait for this client's answer, by number."""

    def credentials_for(self, member: Member, identity: Identity, snapshot: HeaderSnapshot) -> Credentials | Collision:
        """What lets requests to one backend in; the same object as long as its sources are the same."""

    def link(self, member: Member) -> Link:
        """The tie to a backend that this client's calls go over."""

    def uri_of(self, backend: str) -> Callable[[str], str]:
        """By which URI this client knows one of a backend's."""

    def handed_out_by(self, uri: str) -> str | None:
        """The backend whose result has handed this URI out to the client (ADR-0031)."""

    def note_handed_out(self, uris: Iterable[str], backend: str) -> None:
        """Remembers what a backend's result hands out."""

    def hears(self, method: str) -> bool:
        """Whether the stream of a request may bring the client a notification of this method."""

    def shares_subscription(self, member: Member, uri: str) -> bool:
        """Whether another client relies on the same subscription, because both speak to one program."""

    def lists_changed(self, backend: str) -> None:
        """Hears that a backend has said to this client alone that its lists are others."""

    async def say(self, message: bytes, on_drop: Callable[[], None] | None = None) -> int | None:
        """Sends what belongs to no call in flight; returns the ticket of a message that waits in this process.

        `on_drop` hears that the client will never get it.
        """

    async def ask(self, member: Member, request: Request, reply: Reply, tell: Tell, deadline: Deadline | None) -> None:
        """Relays a backend's request, or answers it; the call behind it is known by `deadline`."""

    async def prompt(
        self, method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """Asks the client something of the proxy's own and waits for the answer, no longer than `deadline` says.

        One that is not waited for any more is taken back, cancellation included. The deadline is of this question.
        """

    async def withdrawn(self, member: Member, raw: msgspec.Raw | None) -> None:
        """Hears that a backend has cancelled a request of its own."""

    async def abandon(self, deadline: Deadline) -> None:
        """Takes back what the client has not answered: the call with this deadline is over."""
