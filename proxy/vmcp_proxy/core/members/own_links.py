"""The proxy's own tie to each member: for listings without client headers, probes and changes."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import OWN_TERMS, BackendSession
from vmcp_proxy.backends.link import Link, OnOver
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.protocol.initialize import ServerHello

_FAREWELL_SECONDS: Final = 2.0


async def _forget(_link: Link, _session: BackendSession) -> None:
    """The proxy's own sessions are of no use to another process."""


async def close_link(link: Link, credentials: Credentials) -> None:
    """Ends a session at a backend; one that cannot be told is left to its time."""
    with contextlib.suppress(BackendError):
        await link.close(credentials)


class OwnLinks:
    """Makes, keeps and ends them; an end that outlives its cause runs in `tasks`, `on_over` hears of each."""

    def __init__(self, tasks: asyncio.TaskGroup, on_over: OnOver) -> None:
        self._tasks: Final = tasks
        self._on_over: Final = on_over
        self._links: Final[dict[str, tuple[Member, Link]]] = {}

    def configure(self, members: Members) -> None:
        """Takes over a new config; sessions with members that are gone or replaced end."""
        for name, (member, link) in list(self._links.items()):
            if members.get(name) is not member:
                del self._links[name]
                self._tasks.create_task(close_link(link, member.own_credentials), name=f"end own session at {name}")

    def of(self, member: Member) -> Link:
        """The link to a member, made at its first use."""
        known = self._links.get(member.name)
        if known is None or known[0] is not member:
            link = Link(member.backend, OWN_TERMS, _forget, on_over=self._on_over)
            known = self._links[member.name] = (member, link)
        return known[1]

    def hellos(self, backends: Iterable[str]) -> dict[str, ServerHello]:
        """What these backends say of themselves, by name, as far as the proxy's own sessions have heard."""
        sessions = {name: self._links[name][1].session for name in backends if name in self._links}
        return {name: session.hello for name, session in sessions.items() if session is not None}

    def offers(self, backends: Iterable[str]) -> frozenset[str]:
        """What these backends offer, together."""
        return frozenset(offer for hello in self.hellos(backends).values() for offer in hello.offers)

    async def close_all(self) -> None:
        """Ends every session, at shutdown; backends that cannot be told in time end theirs by themselves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS), asyncio.TaskGroup() as group:
                for member, link in self._links.values():
                    group.create_task(close_link(link, member.own_credentials))
        self._links.clear()
