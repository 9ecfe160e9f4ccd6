"""The listings of backends, read once per scope and kept until they are out of date (ADR-0018)."""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.catalog.capabilities import Listing, Outcome
from vmcp_proxy.core.listings.scopes import SHARED, Scope
from vmcp_proxy.core.members.circuit import Permit
from vmcp_proxy.core.members.feedback import Asked, answered, failed
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.protocol.modern.cache_hints import NOT_CACHEABLE, Cacheable, CacheHints

logger: Final = logging.getLogger("vmcp.core")

_MAX_ENTRIES: Final = 8192
_MAX_PRIVATE_BYTES: Final = 64 << 20
"""What the listings that were told to clients' headers may hold together, those of equal content once."""

_OF_THE_CALLER: Final = frozenset({Category.AUTH.value, Category.HEADERS.value, Category.CREDENTIALS.value})

_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 30.0
_LONGEST_PAUSE: Final = 300.0
"""How long a server may have its lists put off (`Retry-After`), in seconds."""

Fetch: TypeAlias = Callable[[], Awaitable[Listing]]
"""Reads a listing from a backend; raises `BackendError`."""


@dataclass(slots=True, eq=False)
class Entry:
    """One listing and how it was come by; `failure` is what the last attempt met.

    `former` is the last listing that was read, also where it counts no longer: calls by its names are answered by
    what is wrong with the backend, not as if they had never been.
    `turn` is that of the member's health at the last attempt: what was learned before the last turn is asked again.
    `hints` are those of the last reading, also where it brought what was known.
    `recheck_at` is when to read again what is fresh and not whole, in loop time: nobody waits for that.
    `is_overdue`: somebody has waited for the fetch on its way as long as one may; the others need not.
    """

    member: Member
    scope: Scope = SHARED
    listing: Listing | None = None
    former: Listing | None = None
    failure: Outcome | None = None
    fetched_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    gaps: int = 0
    recheck_at: float = math.inf
    is_stale: bool = True
    turn: int = 0
    is_overdue: bool = False
    hints: CacheHints | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def is_shared(self) -> bool:
        """Whether it is what the backend says to the proxy itself."""
        return self.scope == SHARED

    @property
    def is_silent(self) -> bool:
        """Whether what the backend lists here is not known: it has never been told, or is being told anew."""
        return self.listing is None and (self.former is None or self.task is not None)

    def is_fresh(self, now: float, ttl: float) -> bool:
        """Whether the listing may be served without asking the backend."""
        return self.listing is not None and not self.is_stale and self._is_of_now and now - self.fetched_at < ttl

    @property
    def cacheable(self) -> Cacheable:
        """How long what is served of it may be kept by clients; a backend of a former revision does not say."""
        if self.hints is None or self.is_stale or self.listing is None:
            return NOT_CACHEABLE
        return Cacheable(self.fetched_at + self.hints.ttl, self.hints.is_public and self.scope.is_public)

    @property
    def due_at(self) -> float:
        """When to ask the backend again while the listing is out of date, in loop time."""
        return self.retry_at if self._is_of_now else 0.0

    @property
    def served(self) -> Listing | None:
        """The listing, while its backend is called and well, or told it to this caller although it is not well."""
        if not self.member.circuit.is_closed:
            return None
        is_told = self._is_of_now and self.failure is None
        return self.listing if is_told or not self.member.health.is_down else None

    @property
    def _is_of_now(self) -> bool:
        return self.turn == self.member.health.turns


class Listings:
    """Entries by (backend, scope); one fetch at a time for each.

    `on_change` is called whenever an entry's content or failure changes. A listing outlives failed refreshes
    until the backend counts as unhealthy: a hiccup takes no tools away. Whenever its backend becomes unhealthy or
    ceases to be, every listing of it is read again.
    """

    def __init__(self, tasks: asyncio.TaskGroup, on_change: Callable[[], None]) -> None:
        self.ttl = 300.0
        self._tasks = tasks
        self._on_change = on_change
        self._entries: OrderedDict[tuple[str, Scope], Entry] = OrderedDict()
        self._by_content: WeakValueDictionary[tuple[str, bytes], Listing] = WeakValueDictionary()
        self._told: WeakValueDictionary[tuple[Member, Scope], Listing] = WeakValueDictionary()
        self._private_bytes = 0

    def entry(self, member: Member, scope: Scope) -> Entry:
        """The entry of a member, a new one where the member was replaced."""
        key = (member.name, scope)
        entry = self._entries.get(key)
        if entry is None or entry.member is not member:
            entry = self._entries[key] = Entry(member, scope)
            while len(self._entries) > _MAX_ENTRIES and (oldest := next(self._private(), None)) is not None:
                del self._entries[oldest]
        elif scope != SHARED:
            self._entries.move_to_end(key)
        return entry

    def shown(self, entry: Entry) -> Listing | None:
        """What is served of an entry: its own listing, until there is one what others of equal headers were told.

        Refused credentials, and headers that cannot be sent, are answers of their own: nothing stands in for them.
        """
        served = entry.served
        if served is not None or entry.listing is not None:
            return served
        if not entry.member.circuit.is_closed or entry.member.health.is_down:
            return None
        failure = entry.failure
        if failure is not None and (
            failure.status in _OF_THE_CALLER or entry.failures >= entry.member.health.threshold
        ):
            return None
        return self._told_to_others(entry)

    def known(self, entry: Entry) -> Listing | None:
        """What is known of an entry, served or not: whose a name is counts on while its backend is away."""
        return self.shown(entry) or entry.former or self._told_to_others(entry)

    def _told_to_others(self, entry: Entry) -> Listing | None:
        return self._told.get((entry.member, entry.scope.for_any_audience))

    def _private(self, *, newest_first: bool = False) -> Iterator[tuple[str, Scope]]:
        """What may give way to more of its kind: what clients send must not push out what the proxy itself sees."""
        items = reversed(self._entries.items()) if newest_first else iter(self._entries.items())
        return (key for key, entry in items if not entry.is_shared)

    def _make_room(self, size: int) -> None:
        """Counts new content; where there is too much, the entries used longest ago give way until half is free."""
        self._private_bytes += size
        if self._private_bytes <= _MAX_PRIVATE_BYTES:
            return
        held = size
        kept: set[bytes] = set()
        for key in tuple(self._private(newest_first=True)):
            listing = self._entries[key].former
            if listing is None or listing.digest in kept:
                continue
            if held + listing.size > _MAX_PRIVATE_BYTES // 2:
                del self._entries[key]
            else:
                held += listing.size
                kept.add(listing.digest)
        self._private_bytes = held

    def needs_fetch(self, entry: Entry) -> bool:
        """Whether a client's list should wait for the backend: nothing fresh is there, and no pause is due."""
        now = asyncio.get_running_loop().time()
        if entry.is_fresh(now, self.ttl) or not entry.member.circuit.is_closed:
            return False
        return not entry.is_overdue if entry.task is not None else now >= entry.due_at

    def asks_again_at(self, entry: Entry) -> float:
        """When a client's list should look at this entry again, in loop time; a change of the circuit is told."""
        if not entry.member.circuit.is_closed:
            return math.inf
        now = asyncio.get_running_loop().time()
        return entry.fetched_at + self.ttl if entry.is_fresh(now, math.inf) else entry.due_at

    async def refresh(self, entry: Entry, fetch: Fetch) -> None:
        """Waits for one fetch, begun here or already on its way; a wait that is cut short does not end it.

        Nothing is begun while the circuit of the backend is not closed.
        """
        if entry.task is None:
            circuit = entry.member.circuit
            # A listing is no light trial: while the circuit is open, the supervisor's probe finds out.
            permit = circuit.admit(asyncio.get_running_loop().time()) if circuit.is_closed else None
            if not isinstance(permit, Permit):
                return
            task = self._fetch(entry, permit, fetch)
            entry.task = self._tasks.create_task(task, name=f"listing {entry.member.name}")
        await asyncio.wait((entry.task,))

    def invalidate(self, member: Member, scope: Scope) -> None:
        """Marks what a backend declares out of date; a public listing takes all public ones with it."""
        for (name, other), entry in self._entries.items():
            if (
                name == member.name
                and entry.member is member
                and (other == scope or (scope.is_public and other.is_public))
            ):
                entry.is_stale = True
                entry.retry_at = 0.0

    def _doubt_private(self, member: Member) -> None:
        """Marks what a backend told to clients out of date: what it tells the proxy itself has changed.

        Not each time it says that something has: some servers do whenever they are asked.
        """
        for entry in self._entries.values():
            if entry.member is member and not entry.is_shared:
                entry.is_stale = True
                entry.retry_at = 0.0

    def forget(self, keep: set[Member]) -> None:
        """Drops the entries of members that are gone."""
        for key in [key for key, entry in self._entries.items() if entry.member not in keep]:
            del self._entries[key]

    async def _fetch(self, entry: Entry, permit: Permit, fetch: Fetch) -> None:
        loop = asyncio.get_running_loop()
        name = entry.member.name
        entry.is_stale = False
        try:
            listing = await fetch()
        except BackendError as error:
            self._failed(entry, permit, error, loop.time())
        except Exception as error:  # noqa: BLE001 - whatever a backend sends, it must not end the process
            log_event(logger, logging.ERROR, "listing failed", backend=name, error=describe_exception(error))
            self._failed(entry, permit, BackendError(name, Category.PROTOCOL), loop.time())
        else:
            self._succeeded(entry, permit, listing, loop.time())
        finally:
            entry.task = None

    def _succeeded(self, entry: Entry, permit: Permit, listing: Listing, now: float) -> None:
        changed = entry.listing is None or entry.failure is not None or entry.listing.digest != listing.digest
        if entry.listing is None or entry.listing.digest != listing.digest:
            if entry.is_shared and entry.former is not None and entry.former.digest != listing.digest:
                self._doubt_private(entry.member)
            entry.listing = entry.former = self._interned(listing, is_shared=entry.is_shared)
        entry.hints = listing.hints
        group = (entry.member, entry.scope.for_any_audience)
        if entry.is_shared or group not in self._told:
            self._told[group] = entry.listing
        entry.failure = None
        entry.is_overdue = False
        entry.failures = 0
        entry.retry_at = 0.0
        entry.fetched_at = now
        entry.gaps = entry.gaps + 1 if listing.is_passing else 0
        entry.recheck_at = now + _pause(entry.gaps) if entry.gaps else math.inf
        told = answered(entry.member, permit, Asked.LISTING, is_callers=not entry.is_shared)
        entry.turn = entry.member.health.turns
        if told or changed:
            self._on_change()

    def _interned(self, listing: Listing, *, is_shared: bool) -> Listing:
        """The one of equal content where there is one: callers mostly see the same, and need no copy each."""
        key = (listing.backend, listing.digest)
        known = self._by_content.get(key)
        if known is not None:
            return known
        self._by_content[key] = listing
        if not is_shared:
            self._make_room(listing.size)
        return listing

    def _failed(self, entry: Entry, permit: Permit, error: BackendError, now: float) -> None:
        if error.category is Category.ENDED:
            # The client whose session it was asked in has gone: that says nothing to others with the same headers.
            entry.member.circuit.abandoned(permit)
            entry.is_stale = True
            return
        if failed(entry.member, permit, error, Asked.LISTING, now, is_callers=not entry.scope.is_public):
            self._on_change()
        self.refused(entry, error, now)

    def refused(self, entry: Entry, error: BackendError, now: float) -> None:
        """Notes an attempt that brought nothing; the next one is due after a pause that grows."""
        entry.is_stale = True
        entry.turn = entry.member.health.turns
        entry.failures += 1
        entry.retry_at = now + max(_pause(entry.failures), min(error.retry_after or 0, _LONGEST_PAUSE))
        before = (entry.listing is None, entry.failure.status if entry.failure else None)
        # Not the error itself: its traceback holds the client's headers and its session, which end before this does.
        entry.failure = Outcome(error.category.value, str(error))
        lost = error.category is Category.AUTH or entry.failures >= entry.member.health.threshold
        if lost:
            entry.listing = None
        if before != (entry.listing is None, entry.failure.status):
            self._on_change()


def _pause(times: int) -> float:
    """Seconds until the next attempt after so many of no avail."""
    return min(_FIRST_RETRY * 2.0 ** min(times - 1, 10), _LAST_RETRY)
