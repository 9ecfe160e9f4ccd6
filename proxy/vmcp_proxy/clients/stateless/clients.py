"""The clients without a session that this process holds something for: few, and none for long (ADR-0059)."""

import asyncio
import contextlib
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import NO_CREDENTIALS, Credentials
from vmcp_proxy.backends.interface import BackendSession, Terms
from vmcp_proxy.backends.link import Link, OnOver
from vmcp_proxy.clients.stateless.client import StatelessClient
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.core.members.own_links import close_link
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol.initialize import mirrored_capabilities
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.modern.envelope import Envelope

LONGEST_IDLE: Final = 300.0
"""How long a client's headers are held after its last request, in seconds, where sessions live longer."""

_LONGEST_TICK: Final = 15.0
_ORDER_SECONDS: Final = 1.0
"""How exactly it is known which of the clients was used longest ago."""

_FAREWELL_SECONDS: Final = 2.0

_Key: TypeAlias = tuple[Identity, HeaderSnapshot, bytes]


class KnownClient(msgspec.Struct, frozen=True, gc=False):
    """What a request has been served for, for the next one of the same: nothing that a client's end lets go of."""

    identity: "weakref.ref[Identity]"
    snapshot: HeaderSnapshot
    envelope: Envelope
    client: "weakref.ref[StatelessClient]"


def known_client(client: StatelessClient, snapshot: HeaderSnapshot, envelope: Envelope) -> KnownClient:
    """The client that a request with these headers and this envelope has been served for."""
    return KnownClient(weakref.ref(client.identity), snapshot, envelope, weakref.ref(client))


async def _nobody_goes_on(_link: Link, _session: BackendSession) -> None:
    """No other process goes on with these sessions."""


class StatelessClients:
    """Makes, finds and ends them; the one used longest ago gives way where there are too many.

    As many are held as sessions may live on a pod, for as long as a session may be idle, but no longer than
    `LONGEST_IDLE` and than the caller's token is good for. Sessions at backends end in `tasks`. `on_let_go` hears of
    each whose headers must go.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, hearing: Hearing, on_over: OnOver, clock: Callable[[], float] = time.time
    ) -> None:
        self._tasks: Final = tasks
        self._hearing: Final = hearing
        self._on_over: Final = on_over
        self._clock: Final = clock
        self._members: Members = {}
        self._clients: Final[OrderedDict[_Key, StatelessClient]] = OrderedDict()
        self.on_let_go: Callable[[StatelessClient], None] = lambda _client: None
        self._idle = LONGEST_IDLE
        self._most = SessionManagement().max_sessions_per_pod
        self._configured: Final = asyncio.Event()

    def __len__(self) -> int:
        return len(self._clients)

    def all(self) -> tuple[StatelessClient, ...]:
        """All of them, now."""
        return tuple(self._clients.values())

    def configure(self, settings: SessionManagement) -> None:
        """Follows another config at once; it holds for the clients that there are as well."""
        self._idle = min(settings.ttl, LONGEST_IDLE)
        self._most = settings.max_sessions_per_pod
        self._make_room()
        self._configured.set()

    def serve(self, members: Members) -> None:
        """Takes other members over; sessions at those that are gone, or out of a client's reach now, end."""
        former, self._members = self._members, members
        for client in self._clients.values():
            for name in list(client.links):
                member = members.get(name)
                if member is not former.get(name) or not self._hearing.reaches(client, name):
                    self._replace(client, name, former.get(name))

    def begin(self, identity: Identity, snapshot: HeaderSnapshot, capabilities: bytes, now: float) -> StatelessClient:
        """The client of a request that begins; `end` has to follow."""
        # As backends hear of them: whatever else a client writes makes no other client, with sessions of its own.
        mirrored = mirrored_capabilities(capabilities)
        key = (identity, snapshot, mirrored)
        client = self._clients.get(key)
        if client is None:
            terms = Terms(Era.MODERN, mirrored)
            client = self._clients[key] = StatelessClient(identity, snapshot, terms, self._open_link)
            client.ordered = now
            self._make_room()
        else:
            if now - client.ordered >= _ORDER_SECONDS:
                self._clients.move_to_end(key)
                client.ordered = now
            client.identity = identity
        client.calls += 1
        client.last_used = now
        return client

    def begin_again(
        self, known: KnownClient | None, identity: Identity, snapshot: HeaderSnapshot, envelope: Envelope, now: float
    ) -> StatelessClient | None:
        """The client of a request that begins, as `begin`, if it is `known`; None where it has to be looked up.

        Known is what the same objects have led to, which a refreshed token, other headers or another envelope are not.
        """
        if known is None or known.identity() is not identity:
            return None
        client = known.client()
        if client is None or client.is_over or known.snapshot is not snapshot or known.envelope is not envelope:
            return None
        if now - client.ordered >= _ORDER_SECONDS:
            return None
        client.identity = identity
        client.calls += 1
        client.last_used = now
        return client

    def end(self, client: StatelessClient, now: float) -> None:
        """Says that a request is over."""
        client.calls -= 1
        client.last_used = now
        if client.is_over and not client.calls:
            self._let_go(client)

    def hold(self, client: ClientContext) -> Callable[[], None]:
        """Keeps a client as a request does, until what is returned is called: one of its calls waits for it."""
        if not isinstance(client, StatelessClient):
            raise TypeError("only clients without a session have calls that wait")
        client.calls += 1
        return lambda: self.end(client, asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Ends those that are idle, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._idle / 2, _LONGEST_TICK)):
                    await self._configured.wait()
            self._configured.clear()
            self.sweep(loop.time())

    def sweep(self, now: float) -> None:
        """Ends those that have been idle for too long at a loop time, and those whose callers' tokens are over."""
        for key, client in list(self._clients.items()):
            expires = client.identity.expires_at
            is_due = now - client.last_used >= self._idle or (expires is not None and expires <= self._clock())
            if is_due and not client.calls:
                self._over(key)

    def drop_all(self) -> None:
        """Ends all of them: what was made with the former keys is of no use any more."""
        for key in list(self._clients):
            self._over(key)

    async def aclose(self) -> None:
        """Ends all of them, at shutdown; backends that cannot be told in time end their sessions by themselves."""
        clients = self.all()
        self._clients.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS), asyncio.TaskGroup() as group:
                for client in clients:
                    for link, credentials in self._ended(client):
                        group.create_task(close_link(link, credentials))

    def _make_room(self) -> None:
        while len(self._clients) > self._most:
            self._over(next(iter(self._clients)))

    def _over(self, key: _Key) -> None:
        client = self._clients.pop(key)
        client.is_over = True
        if not client.calls:
            self._let_go(client)

    def _let_go(self, client: StatelessClient) -> None:
        for link, credentials in self._ended(client):
            self._tasks.create_task(close_link(link, credentials), name=f"end session at {link.backend.name}")

    def _ended(self, client: StatelessClient) -> list[tuple[Link, Credentials]]:
        """The links of a client that is over, to be closed, and with what; the client forgets them."""
        ended = [(link, self._farewell(client, self._members.get(name))) for name, link in client.links.items()]
        for link, _ in ended:
            link.end()
        self.on_let_go(client)
        client.let_go()
        return [(link, credentials) for link, credentials in ended if credentials is not None and link.session]

    def _farewell(self, client: StatelessClient, member: Member | None) -> Credentials | None:
        """What the end of a session is told with: out of reach nothing of the client's; None where it cannot be."""
        if member is None:
            return NO_CREDENTIALS
        if not self._hearing.reaches(client, member.name):
            return member.own_credentials
        credentials = client.credentials_for(member, client.identity, client.snapshot)
        return None if isinstance(credentials, Collision) else credentials

    def _open_link(self, client: StatelessClient, member: Member) -> Link:
        former = client.links.get(member.name)
        if former is not None:
            self._retire(former, self._farewell(client, member))
        link = Link(member.backend, client.terms, _nobody_goes_on, owner=client, on_over=self._on_over)
        client.links[member.name] = link
        return link

    def _replace(self, client: StatelessClient, name: str, former: Member | None) -> None:
        """Ends what a client has with the former member of a name, unless the new one is the same server."""
        member, link = self._members.get(name), client.links[name]
        if member is not None and link.backend is member.backend and self._hearing.reaches(client, name):
            return
        del client.links[name]
        self._retire(link, self._farewell(client, former))

    def _retire(self, link: Link, credentials: Credentials | None) -> None:
        """Ends a session once its calls in flight are through; each of them has a bound of its own."""
        if credentials is not None:
            self._tasks.create_task(_close_idle(link, credentials), name=f"end session at {link.backend.name}")


async def _close_idle(link: Link, credentials: Credentials) -> None:
    await link.idle()
    await close_link(link, credentials)
