"""The client of one listen stream: it hears, and neither calls nor answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.interface import Terms
from vmcp_proxy.backends.link import Link
from vmcp_proxy.clients.held import HeldForClient
from vmcp_proxy.clients.listen.news import News, Notice
from vmcp_proxy.clients.one_way import OneWay
from vmcp_proxy.core.calls.notifications import RESOURCE_UPDATED
from vmcp_proxy.core.listings.scopes import audience
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.protocol import params as wire
from vmcp_proxy.protocol.jsonrpc import Notification, parse_message
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.modern.subscriptions import Filter
from vmcp_proxy.protocol.params import InvalidParamsError

OpenLink: TypeAlias = Callable[["ListenClient", Member], Link]
"""Makes the tie to a backend that a stream has none to."""


def _nothing() -> None:
    """Nobody waits for the end."""


@dataclass(slots=True, eq=False)
class ListenClient(OneWay, HeldForClient):
    """The `ClientContext` of one stream; dies with it.

    `wanted` is what its client has asked for, `news` what it is to hear. `told` are the versions by kind that it knows
    of. `heard` are the tasks that hear backends, by backend. `on_finish` hears that the stream is to end.
    """

    identity: Identity = field(repr=False)
    snapshot: HeaderSnapshot
    terms: Terms = field(repr=False)
    wanted: Filter
    open_link: OpenLink = field(repr=False)
    news: News = field(default_factory=News, repr=False)
    told: dict[Kind, str] = field(default_factory=dict, repr=False)
    heard: "dict[str, asyncio.Task[None]]" = field(default_factory=dict, repr=False)
    on_finish: Callable[[], None] = field(default=_nothing, repr=False)
    audience: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.audience = audience(self.terms.capabilities)

    @property
    def itself(self) -> "ListenClient":
        """See `ClientContext.itself`."""
        return self

    @property
    def caller(self) -> Caller:
        """Who listens, as far as its view is concerned."""
        return Caller(self.identity, self, self.snapshot)

    @property
    def ref(self) -> str:
        """See `Hearer.ref`: nothing tells one stream of a caller from another."""
        return ""

    def finish(self) -> None:
        """Ends the stream in good order: after what waits, with its result."""
        self.news.finish()
        self.on_finish()

    def tell_changed(self, method: str) -> None:
        """See `Hearer.tell_changed`."""
        if method in self.wanted.changes:
            self.news.put(Notice(method))

    def link(self, member: Member) -> Link:
        """See `ClientContext.link`."""
        link = self.links.get(member.name)
        return link if link is not None and link.backend is member.backend else self.open_link(self, member)

    def hears(self, method: str) -> bool:
        """See `ClientContext.hears`: the first thing on the stream is what it will carry."""
        del method
        return False

    async def say(self, message: bytes, on_drop: Callable[[], None] | None = None) -> int | None:
        """See `ClientContext.say`: of all that a backend says, updates of what was asked for are passed on."""
        if on_drop is not None:
            on_drop()
        said = parse_message(message)
        if isinstance(said, Notification) and said.method == RESOURCE_UPDATED:
            self.updated(said.params)
        return None

    def updated(self, raw: msgspec.Raw | None) -> None:
        """Hears of a change to a resource, by the URI that the client knows, or to a part of one."""
        try:
            uri = wire.text_of(wire.parse_members(raw), "uri")
        except InvalidParamsError:
            return
        if any(uri == asked or uri.startswith(asked.rstrip("/") + "/") for asked in self.wanted.uris):
            self.news.put(Notice(RESOURCE_UPDATED, raw), uri)
