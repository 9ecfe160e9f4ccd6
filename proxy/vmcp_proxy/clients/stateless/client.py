"""A client without a session: what this process holds for requests that say the same of themselves (ADR-0059)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends import unanswered
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, Terms, refuse
from vmcp_proxy.backends.link import Link
from vmcp_proxy.clients.held import HeldForClient
from vmcp_proxy.core.client import NoReply, Tell
from vmcp_proxy.core.listings.scopes import audience
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.methods import NO_RECORDS

_HEARD: Final = frozenset({"notifications/progress", "notifications/message"})

OpenLink: TypeAlias = Callable[["StatelessClient", Member], Link]
"""Makes the tie to a backend that a client has none to."""


@dataclass(slots=True, eq=False)
class StatelessClient(HeldForClient):
    """The `ClientContext` of all requests with the same caller, passthrough headers and capabilities.

    `identity` is the caller of the latest request: its token may be another than that of the one before. `calls` are
    the requests in flight, `last_used` is when the last one began or ended, in loop time. `is_over`: no request finds
    it any more, and it lets go of everything once nothing is in flight.
    """

    identity: Identity = field(repr=False)
    snapshot: HeaderSnapshot
    terms: Terms = field(repr=False)
    open_link: OpenLink = field(repr=False)
    calls: int = 0
    last_used: float = 0.0
    is_over: bool = False
    audience: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.audience = audience(self.terms.capabilities)

    @property
    def log_level(self) -> str:
        """See `ClientContext.log_level`: each request says its own, and one that says none hears of no record."""
        return NO_RECORDS

    @property
    def server_requests(self) -> Collection[int]:
        """See `ClientContext.server_requests`."""
        return ()

    def link(self, member: Member) -> Link:
        """See `ClientContext.link`."""
        link = self.links.get(member.name)
        return link if link is not None and link.backend is member.backend else self.open_link(self, member)

    def hears(self, method: str) -> bool:
        """See `ClientContext.hears`: the stream of a request brings what is its own, and nothing else."""
        return method in _HEARD

    def shares_subscription(self, member: Member, uri: str) -> bool:
        """See `ClientContext.shares_subscription`."""
        del member, uri
        return False

    def lists_changed(self, backend: str) -> None:
        """See `ClientContext.lists_changed`: no other pod holds anything for this client."""

    async def say(self, message: bytes, on_drop: Callable[[], None] | None = None) -> int | None:
        """See `ClientContext.say`: there is no stream that is not some request's own."""
        del message
        if on_drop is not None:
            on_drop()
        return None

    async def ask(self, member: Member, request: Request, reply: Reply, tell: Tell, deadline: Deadline | None) -> None:
        """See `ClientContext.ask`: nothing is asked of a client that has no way to answer."""
        del member, tell, deadline
        if request.method == "ping":
            await refuse(request, reply)
        else:
            await reply(unanswered.no_way_back(request.id))

    async def prompt(
        self, method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `ClientContext.prompt`."""
        del method, params, tell, deadline
        return NoReply.UNDECLARED

    async def withdrawn(self, member: Member, raw: msgspec.Raw | None) -> None:
        """See `ClientContext.withdrawn`."""

    async def abandon(self, deadline: Deadline) -> None:
        """See `ClientContext.abandon`."""
