"""A client without a session: what this process holds for requests that say the same of themselves (ADR-0059)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.interface import Terms
from vmcp_proxy.backends.link import Link
from vmcp_proxy.clients.held import HeldForClient
from vmcp_proxy.clients.one_way import OneWay
from vmcp_proxy.core.listings.scopes import audience
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.headerforward import HeaderSnapshot

_HEARD: Final = frozenset({"notifications/progress", "notifications/message"})

OpenLink: TypeAlias = Callable[["StatelessClient", Member], Link]
"""Makes the tie to a backend that a client has none to."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class StatelessClient(OneWay, HeldForClient):
    """The `ClientContext` of all requests with the same caller, passthrough headers and capabilities.

    `identity` is the caller of the latest request: its token may be another than that of the one before. `calls` are
    the requests in flight, `last_used` is when the last one began or ended, `ordered` when it was last put behind the
    others, in loop time. `is_over`: no request finds it any more, and it lets go of everything once nothing is in
    flight.
    """

    identity: Identity = field(repr=False)
    snapshot: HeaderSnapshot
    terms: Terms = field(repr=False)
    open_link: OpenLink = field(repr=False)
    calls: int = 0
    last_used: float = 0.0
    ordered: float = 0.0
    is_over: bool = False
    audience: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.audience = audience(self.terms.capabilities)

    def link(self, member: Member) -> Link:
        """See `ClientContext.link`."""
        link = self.links.get(member.name)
        return link if link is not None and link.backend is member.backend else self.open_link(self, member)

    def hears(self, method: str) -> bool:
        """See `ClientContext.hears`: the stream of a request brings what is its own, and nothing else."""
        return method in _HEARD

    async def say(self, message: bytes, on_drop: Callable[[], None] | None = None) -> int | None:
        """See `ClientContext.say`: there is no stream that is not some request's own."""
        del message
        if on_drop is not None:
            on_drop()
        return None
