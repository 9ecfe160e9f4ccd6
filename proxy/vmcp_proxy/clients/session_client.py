"""A client with a session: what this process holds for it besides the session's record."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, Terms
from vmcp_proxy.backends.link import Link
from vmcp_proxy.clients.held import HeldForClient
from vmcp_proxy.clients.open_request import OpenRequest
from vmcp_proxy.clients.streaming.client_stream import ClientStream
from vmcp_proxy.core.client import NoReply, Tell
from vmcp_proxy.core.listings.scopes import audience
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol.initialize import mirrored_capabilities
from vmcp_proxy.protocol.jsonrpc import Request, Response, encode_notification
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import Era

if TYPE_CHECKING:
    from vmcp_proxy.sessions import Session


class Services(Protocol):
    """What the clients of this process share: the ways to backends, to the clients themselves and to other pods."""

    def open_link(self, client: "SessionClient", member: Member) -> Link:
        """See `ClientContext.link`; for a member that the client has no link to."""

    def shares_subscription(self, client: "SessionClient", member: Member, uri: str) -> bool:
        """See `ClientContext.shares_subscription`."""

    def lists_changed(self, client: "SessionClient", backend: str) -> None:
        """See `ClientContext.lists_changed`."""

    async def say(self, client: "SessionClient", message: bytes, on_drop: Callable[[], None] | None) -> int | None:
        """See `ClientContext.say`."""

    async def ask(
        self,
        client: "SessionClient",
        member: Member,
        request: Request,
        reply: Reply,
        tell: Tell,
        deadline: Deadline | None,
    ) -> None:
        """See `ClientContext.ask`."""

    async def prompt(
        self, client: "SessionClient", method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `ClientContext.prompt`."""

    async def withdrawn(self, client: "SessionClient", member: Member, raw: msgspec.Raw | None) -> None:
        """See `ClientContext.withdrawn`."""

    async def abandon(self, client: "SessionClient", deadline: Deadline) -> None:
        """See `ClientContext.abandon`."""


@dataclass(slots=True, eq=False)
class SessionClient(HeldForClient):
    """The `ClientContext` of one session; dies with it.

    `caller` asked last. `stream` is how it hears what belongs to no answer. `in_flight` are the tasks of its requests
    with their ids, which clients may repeat; `server_requests` wait for the client's answer, by number. `untold` are
    notifications that are on their way to backends, with whether the client has said them again since. `terms` are
    those on which backends are spoken to, `audience` stands for them in scopes of listings.
    """

    session: "Session"
    stream: ClientStream = field(repr=False)
    services: Services = field(repr=False)
    on_forget: "Callable[[SessionClient], None]" = field(repr=False)
    caller: Caller | None = None
    in_flight: dict["asyncio.Task[None]", bytes] = field(default_factory=dict)
    cancelled: "set[asyncio.Task[None]] | None" = None
    server_requests: dict[int, OpenRequest] = field(default_factory=dict)
    untold: dict[str, bool] = field(default_factory=dict)
    terms: Terms = field(init=False)
    audience: str = field(init=False)

    def __post_init__(self) -> None:
        self.terms = Terms(Era.LEGACY, mirrored_capabilities(self.session.client_capabilities))
        self.audience = audience(self.terms.capabilities)

    def __repr__(self) -> str:
        return f"<SessionClient {self.session!r} links={sorted(self.links)} in_flight={len(self.in_flight)}>"

    @property
    def told(self) -> dict[Kind, str]:
        """See `Hearer.told`."""
        return self.stream.told

    @property
    def ref(self) -> str:
        """See `Hearer.ref`."""
        return self.session.ref

    def tell_changed(self, method: str) -> None:
        """See `Hearer.tell_changed`."""
        self.stream.outbox.put(encode_notification(method), coalesce=True)

    @property
    def log_level(self) -> str | None:
        """The least severe level that the client wants to hear of, as it said to any pod."""
        return self.session.log_level

    @property
    def snapshot(self) -> HeaderSnapshot:
        """The client's headers for what no request of its own stands behind: those of its latest request."""
        return self.session.snapshot if self.caller is None else self.caller.snapshot

    @property
    def identity(self) -> Identity:
        """Who the client is for what no request of its own stands behind: as its latest request said."""
        return self.session.owner if self.caller is None else self.caller.identity

    def latest_credentials_for(self, member: Member) -> Credentials | Collision:
        """What is sent where no request of the client stands behind it: notices, subscriptions, the end."""
        return self.credentials_for(member, self.identity, self.snapshot)

    def link(self, member: Member) -> Link:
        """See `ClientContext.link`."""
        link = self.links.get(member.name)
        if link is not None and link.backend is member.backend:
            return link
        return self.services.open_link(self, member)

    def hears(self, method: str) -> bool:
        """See `ClientContext.hears`: in a session there is nothing that a stream may not bring."""
        del method
        return True

    def shares_subscription(self, member: Member, uri: str) -> bool:
        """See `ClientContext.shares_subscription`."""
        return self.services.shares_subscription(self, member, uri)

    def lists_changed(self, backend: str) -> None:
        """See `ClientContext.lists_changed`."""
        self.services.lists_changed(self, backend)

    async def say(self, message: bytes, on_drop: Callable[[], None] | None = None) -> int | None:
        """See `ClientContext.say`."""
        return await self.services.say(self, message, on_drop)

    async def ask(self, member: Member, request: Request, reply: Reply, tell: Tell, deadline: Deadline | None) -> None:
        """See `ClientContext.ask`."""
        await self.services.ask(self, member, request, reply, tell, deadline)

    async def prompt(
        self, method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `ClientContext.prompt`."""
        return await self.services.prompt(self, method, params, tell, deadline)

    async def withdrawn(self, member: Member, raw: msgspec.Raw | None) -> None:
        """See `ClientContext.withdrawn`."""
        await self.services.withdrawn(self, member, raw)

    async def abandon(self, deadline: Deadline) -> None:
        """See `ClientContext.abandon`."""
        await self.services.abandon(self, deadline)

    def forget(self) -> None:
        """Has let go of the client's headers, and of what hangs on them."""
        self.on_forget(self)

    def forget_headers(self) -> None:
        """Lets go of the client's headers and of all that was made of them.

        Links go too: a session at a backend keeps the headers that it sent last. What there still is to do at a
        backend begins anew with the token of its session.
        """
        for task in self.stream.listening.values():
            task.cancel()
        self.stream.listening.clear()
        self.caller = None
        self.let_go()

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
        if self.cancelled is None:
            self.cancelled = set()
        if task not in self.cancelled:
            # Once: a second time would cut off the first one's way out, and with it the answer.
            self.cancelled.add(task)
            task.cancel()


class SessionCaller(Caller, frozen=True):
    """A caller in a session."""

    client: SessionClient
