"""Watches over one member: keeps its shared listing fresh, probes it, tries it while its circuit is open."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import Reply, refuse
from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.calls.notifications import CHANGED_KINDS
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.listings.entry import Entry
from vmcp_proxy.core.listings.reader import fetch_listing
from vmcp_proxy.core.listings.scopes import SHARED
from vmcp_proxy.core.members.circuit import Refused
from vmcp_proxy.core.members.feedback import Asked, answered, failed
from vmcp_proxy.core.members.member import Bounds, Member
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.protocol.jsonrpc import Request

LISTEN_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""How long a stream that ended is left alone, in seconds, the longer the more often it ended soon."""

DOUBT_PAUSE: Final = 1.0
"""Time between two probes that doubts ask for, in seconds."""

LONGEST_PAUSE: Final = 300.0
"""How long a server may have its probes put off, in seconds."""

CHANGE_PAUSE: Final = 1.0
"""Least time between two readings of the lists, in seconds: some servers tell of a change whenever they are asked."""


class Supervisor:
    """The loop of one member; it ends by cancellation only."""

    log_level: Final[str | None] = None
    takes_rounds: Final = False

    def __init__(
        self, member: Member, listings: Listings, links: OwnLinks, bounds: Bounds, on_change: Callable[[], None]
    ) -> None:
        self._member = member
        self._listings = listings
        self._links = links
        self._bounds = bounds
        self._on_change = on_change
        self._looked_at = -math.inf
        self._paused_until = -math.inf
        self._reading: asyncio.Task[None] | None = None
        self._worth_listening = asyncio.Event()

    async def run(self) -> None:
        """Probes; reads the lists and listens beside it, for neither says how soon a backend answers."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name=f"changes of {self._member.name}")
            while True:
                await self._until_due()
                await self._look(group)

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._weigh_listening()
            seconds = self._due(loop.time()) - loop.time()
            if seconds <= 0:
                return
            self._member.attention.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._member.attention.wait()

    def _pause(self, seconds: float | None) -> None:
        """Leaves a server alone for as long as it asks to be (`Retry-After`), within a bound."""
        if seconds is not None:
            self._paused_until = asyncio.get_running_loop().time() + min(seconds, LONGEST_PAUSE)

    def _due(self, now: float) -> float:
        """When to look at the member again, in loop time."""
        return max(self._next_look(now), self._paused_until, self._entry.paused_until)

    def _next_look(self, now: float) -> float:
        circuit = self._member.circuit
        if not circuit.is_closed:
            return circuit.retry_at
        entry = self._entry
        due = min(self._looked_at + self._bounds.operational.failure_handling.health_check_interval, self._doubt_due)
        if self._is_reading:
            return due
        if not entry.is_fresh(now, self._listings.ttl):
            return min(due, max(entry.due_at, entry.fetched_at + CHANGE_PAUSE))
        return min(due, entry.fetched_at + self._listings.ttl, entry.recheck_at)

    @property
    def _entry(self) -> Entry:
        return self._listings.entry(self._member, SHARED)

    @property
    def _doubt_due(self) -> float:
        return self._looked_at + DOUBT_PAUSE if self._member.circuit.is_doubted else math.inf

    @property
    def _is_reading(self) -> bool:
        """Whether the lists are being read, by requests that the backend of now has got."""
        return self._reading is not None and not self._entry.is_outlived

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Has the lists read where they are out of date, which is a look of its own; probes else, and while they hang.

        What is doubted is probed first: it is not known how soon lists are answered.
        """
        now = asyncio.get_running_loop().time()
        if self._member.circuit.is_closed and now < self._doubt_due and self._are_lists_due(now):
            self._looked_at = now
            self._begin_reading(group)
            return
        await self._probe()
        self._looked_at = asyncio.get_running_loop().time()

    def _are_lists_due(self, now: float) -> bool:
        entry = self._entry
        return not self._is_reading and not (entry.is_fresh(now, self._listings.ttl) and now < entry.recheck_at)

    def _begin_reading(self, group: asyncio.TaskGroup) -> None:
        member = self._member
        link = self._links.of(member)
        self._listings.begin(
            self._entry, lambda: fetch_listing(member.name, link, member.own_credentials, self._bounds)
        )
        if self._reading is None:
            self._reading = group.create_task(self._until_read(), name=f"lists of {member.name}")

    async def _until_read(self) -> None:
        """Waits for the lists, however long that takes; an end that leaves no doubt is as good as that of a probe."""
        await self._listings.end_of(self._entry)
        self._reading = None
        if not self._member.circuit.is_doubted:
            self._looked_at = asyncio.get_running_loop().time()
        self._member.attention.set()

    def _weigh_listening(self) -> None:
        if self._member.circuit.is_closed and self._entry.listing is not None:
            self._worth_listening.set()
        else:
            self._worth_listening.clear()

    async def _probe(self) -> None:
        """Asks for nothing but a sign of life, with the backend's own headers and never a client's."""
        member = self._member
        loop = asyncio.get_running_loop()
        permit = member.circuit.admit(loop.time())
        if isinstance(permit, Refused):
            return
        deadline = Deadline.after(loop.time(), self._bounds.operational.failure_handling.health_check_timeout)
        link = self._links.of(member)
        try:
            await link.request("ping", lambda _: None, member.own_credentials, deadline, self)
        except BackendError as error:
            changed = failed(member, permit, error, Asked.PROBE, loop.time())
            self._pause(error.retry_after)
        except BaseException:
            member.circuit.abandoned(permit)
            raise
        else:
            # An error of MCP is an answer as well: who does not know `ping` is alive.
            changed = answered(member, permit, Asked.PROBE)
        if changed:
            self._on_change()

    async def _listen(self) -> None:
        """Holds the backend's GET stream, where it offers one, to hear of `list_changed`.

        A backend that resumes its stream does so below; a stream that ends here has lost what was said meanwhile.
        """
        member = self._member
        link = self._links.of(member)
        loop = asyncio.get_running_loop()
        short = 0
        while True:
            await self._worth_listening.wait()
            began, generation = loop.time(), link.generation
            deadline = Deadline.after(began, self._bounds.operational.timeouts.connect)
            with contextlib.suppress(BackendError):
                if not await self._hear(link, generation, deadline):
                    # Another session may be with another version of the server.
                    await link.opened_after(generation)
                    continue
            # Also one that ends in good order: to read the lists each second would be worse than the news is late.
            short = short + 1 if loop.time() - began < LISTEN_PAUSES[-1] else 0
            await asyncio.sleep(LISTEN_PAUSES[max(0, min(short, len(LISTEN_PAUSES)) - 1)])
            self._out_of_date()

    async def _hear(self, link: Link, generation: int, deadline: Deadline) -> bool:
        """Receives until the stream ends, or its session has given way to another; False where there is no stream.

        A backend may forget a session and leave its stream open: nothing is said there any more.
        """
        hearing = asyncio.ensure_future(link.listen(self._member.own_credentials, self, deadline))
        moved = asyncio.ensure_future(link.opened_after(generation))
        try:
            await asyncio.wait((hearing, moved), return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else True
        finally:
            hearing.cancel()
            moved.cancel()
            await asyncio.wait((hearing, moved))
            if not hearing.cancelled():
                # Looked at, or a stream that broke as it was let go of would be told as an error of ours.
                hearing.exception()

    def _out_of_date(self) -> None:
        self._listings.invalidate(self._member, SHARED)
        self._member.attention.set()

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        del params
        if method in CHANGED_KINDS:
            self._out_of_date()

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await refuse(request, reply)
