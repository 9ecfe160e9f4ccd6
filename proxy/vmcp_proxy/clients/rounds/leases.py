"""The links that calls which may be asked something have for themselves, and give back (ADR-0061).

Servers may ask outside of the stream of a request, and say then of no request that it is for. A backend session that
one call has for itself tells it all the same. Between calls a session waits for the next one of the same client: of the
same caller, headers and capabilities.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import UNTRACED, BackendSession, Receiver, RequestSpan, refuse
from vmcp_proxy.backends.interface import Reply as BackendReply
from vmcp_proxy.backends.link import Link, OnOver
from vmcp_proxy.backends.programs.pool import CallsOf
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.members.own_links import close_link
from vmcp_proxy.core.shares import identity_of
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.protocol.jsonrpc import Raw, Request, Response
from vmcp_proxy.protocol.versions import MODERN

IDLE_SECONDS: Final = 30.0
"""How long a session waits for the next call."""

MOST_IDLE: Final = 8
"""Sessions that wait at one backend for calls of one client."""

_LISTEN_SECONDS: Final = 10.0
_FAREWELL_SECONDS: Final = 2.0

ReceiverOf: TypeAlias = Callable[[ClientContext, Member], Receiver]
"""Makes the receiver of what a backend says to one client outside of requests."""


class LeasedLink(Link):
    """A link that is one call's at a time; what comes outside of its requests is for that call."""

    __slots__ = ("_waited_for", "credentials", "expiry", "holder", "is_sound", "listening", "member")

    def __init__(self, member: Member, caller: Caller, credentials: Credentials, leases: "Leases") -> None:
        owner = CallsOf(identity_of(caller))
        super().__init__(member.backend, caller.client.terms, leases.opened, owner=owner, on_over=leases.on_over)
        self.member: Final = member
        self.credentials = credentials
        self.holder: ClientContext | None = None
        self.listening: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.is_sound = True
        """Whether every request has had its answer: the backend may have to do with another one still."""
        self._waited_for: Final[list[Deadline]] = []

    @property
    def deadline(self) -> Deadline | None:
        """That of the request in flight, where there is one and no other."""
        return self._waited_for[0] if len(self._waited_for) == 1 else None

    @property
    def is_idle(self) -> bool:
        """Whether no request is in flight."""
        return not self._waited_for

    async def request(
        self,
        method: str,
        params_for: Callable[[int], Raw | None],
        credentials: Credentials,
        deadline: Deadline,
        receiver: Receiver,
        span: RequestSpan = UNTRACED,
    ) -> Response:
        """See `Link.request`."""
        self._waited_for.append(deadline)
        self.credentials, is_answered = credentials, False
        try:
            response = await super().request(method, params_for, credentials, deadline, receiver, span)
            is_answered = True
        finally:
            self._waited_for.remove(deadline)
            self.is_sound = self.is_sound and is_answered
        return response


@dataclass(slots=True, eq=False)
class _Heard:
    """The `Receiver` of what comes outside of requests: the call that has the link hears it, while one has."""

    link: LeasedLink
    receiver_of: ReceiverOf
    log_level: Final[str | None] = None
    takes_rounds: Final = False

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        if self.link.holder is not None:
            await self.receiver_of(self.link.holder, self.link.member).on_notification(method, params)

    async def on_request(self, request: Request, reply: BackendReply) -> None:
        """See `Receiver.on_request`."""
        if self.link.holder is None:
            await refuse(request, reply)
        else:
            await self.receiver_of(self.link.holder, self.link.member).on_request(request, reply)


class Leases:
    """All links of this kind, by the client that they may be used for; what outlives a call runs in `tasks`."""

    def __init__(self, tasks: asyncio.TaskGroup, receiver_of: ReceiverOf, on_over: OnOver) -> None:
        self._tasks: Final = tasks
        self._receiver_of: Final = receiver_of
        self.on_over: Final = on_over
        self._idle: Final[dict[ClientContext, list[LeasedLink]]] = {}
        self._live: Final[set[LeasedLink]] = set()
        """All that are not closed yet."""
        self._changed: Final = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def begin(self, caller: Caller) -> "CallLease":
        """The links of one call that begins; `CallLease.end` has to follow."""
        return CallLease(self, caller)

    def take(self, caller: Caller, member: Member) -> LeasedLink:
        """One that waits, the latest first, or a new one."""
        for link in reversed(self._idle.get(caller.client, ())):
            if link.member is member and not link.closed:
                self._awake(caller.client, link)
                return link
        credentials = caller.client.credentials_for(member, caller.identity, caller.snapshot)
        own = member.own_credentials if isinstance(credentials, Collision) else credentials
        link = LeasedLink(member, caller, own, self)
        self._live.add(link)
        return link

    def give_back(self, client: ClientContext, link: LeasedLink) -> None:
        """Lets a link wait for the next call; one that may have to do with this one still is closed."""
        link.holder = None
        waiting = self._idle.setdefault(client, [])
        has_room = sum(each.member is link.member for each in waiting) < MOST_IDLE
        if link.is_sound and link.is_idle and link.session is not None and has_room:
            link.expiry = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire, client, link)
            waiting.append(link)
            return
        if not waiting:
            del self._idle[client]
        self._close(link)

    def forget(self, client: ClientContext) -> None:
        """Closes what waits for calls of a client: its headers must go."""
        for link in list(self._idle.get(client, ())):
            self._expire(client, link)

    async def aclose(self) -> None:
        """Closes all of them, at shutdown, when no call is left to give any back but those that end now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                while self._live:
                    for client in list(self._idle):
                        self.forget(client)
                    self._changed.clear()
                    await self._changed.wait()

    async def opened(self, link: Link, session: BackendSession) -> None:
        """Listens to a session that is opened: servers drop what they have to say while nobody does."""
        if not isinstance(link, LeasedLink) or session.hello.version == MODERN:
            return
        if link.listening is not None:
            link.listening.cancel()
        link.listening = self._tasks.create_task(self._listen(link), name=f"listen {link.backend.name}")
        session.expect_stream()

    async def _listen(self, link: LeasedLink) -> None:
        """Until the stream ends: it is not begun again, for the session is a short one."""
        deadline = Deadline.after(asyncio.get_running_loop().time(), _LISTEN_SECONDS)
        try:
            await link.listen(link.credentials, _Heard(link, self._receiver_of), deadline)
        except BackendError:
            return

    def _expire(self, client: ClientContext, link: LeasedLink) -> None:
        self._awake(client, link)
        self._close(link)

    def _awake(self, client: ClientContext, link: LeasedLink) -> None:
        waiting = self._idle[client]
        waiting.remove(link)
        if not waiting:
            del self._idle[client]
        if link.expiry is not None:
            link.expiry.cancel()
            link.expiry = None

    def _close(self, link: LeasedLink) -> None:
        if link.listening is not None:
            link.listening.cancel()
        self._tasks.create_task(self._end(link), name=f"end session at {link.backend.name}")

    async def _end(self, link: LeasedLink) -> None:
        try:
            await close_link(link, link.credentials)
        finally:
            self._live.discard(link)
            self._changed.set()


class CallLease:
    """The links of one call."""

    def __init__(self, leases: Leases, caller: Caller) -> None:
        self._leases: Final = leases
        self._caller: Final = caller
        self._links: Final[dict[str, LeasedLink]] = {}
        self.holder: ClientContext | None = None

    @property
    def backends(self) -> frozenset[str]:
        """Those at which the call has a session."""
        return frozenset(self._links)

    def link(self, member: Member) -> Link:
        """See `Lease.link`."""
        link = self._links.get(member.name)
        if link is None or link.member is not member:
            if link is not None:
                self._leases.give_back(self._caller.client, link)
            link = self._links[member.name] = self._leases.take(self._caller, member)
            link.holder = self.holder
        return link

    def deadline_at(self, member: Member) -> Deadline | None:
        """See `Lease.deadline_at`."""
        link = self._links.get(member.name)
        return None if link is None else link.deadline

    def end(self) -> None:
        """Gives all of them back."""
        self.holder = None
        for link in self._links.values():
            self._leases.give_back(self._caller.client, link)
        self._links.clear()
