"""The listings of backends, read once per scope and kept until they are out of date (ADR-0018)."""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Listing, Outcome
from vmcp_proxy.core.listings.entry import Entry, Told
from vmcp_proxy.core.listings.page import ListingLimits
from vmcp_proxy.core.listings.scopes import SHARED, Scope
from vmcp_proxy.core.members.circuit import Permit
from vmcp_proxy.core.members.feedback import Asked, answered, failed
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.observability.logs import describe_exception, log_event

logger: Final = logging.getLogger("vmcp.core")

_MAX_ENTRIES: Final = 8192

_OF_THE_CALLER: Final = frozenset({Category.AUTH.value, Category.HEADERS.value, Category.CREDENTIALS.value})

_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 30.0
_LONGEST_PAUSE: Final = 300.0
"""How long a server may have its lists put off (`Retry-After`), in seconds."""

Fetch: TypeAlias = Callable[[], Awaitable[Listing]]
"""Reads a listing from a backend; raises `BackendError`."""


class Listings:
    """Entries by (backend, scope); one fetch at a time for each.

    `on_change` is called whenever an entry's content or failure changes. A listing outlives failed refreshes
    until the backend counts as unhealthy, and its entries of one kind those in which that kind alone got no answer:
    a hiccup takes no tools away. Whenever its backend becomes unhealthy or
    ceases to be, every listing of it is read again. What backends tell clients is kept within the `budget`; what has
    given way is no change, and read again when it is asked for. `looks` counts those at what is unused: who goes on
    with what was made of entries before comes for them again after each.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, on_change: Callable[[], None], budget: CatalogBudget | None = None
    ) -> None:
        self.ttl = 300.0
        self.most_bytes = ListingLimits().bytes
        self.looks = 0
        self._budget: Final = CatalogBudget() if budget is None else budget
        self._tasks = tasks
        self._on_change = on_change
        self._entries: OrderedDict[tuple[str, Scope], Entry] = OrderedDict()
        self._by_content: WeakValueDictionary[tuple[str, bytes], Listing] = WeakValueDictionary()
        self._told: WeakValueDictionary[tuple[Member, Scope], Told] = WeakValueDictionary()

    def entry(self, member: Member, scope: Scope) -> Entry:
        """The entry of a member, a new one where the member was replaced."""
        key = (member.name, scope)
        entry = self._entries.get(key)
        if entry is None or entry.member is not member:
            told = self._told.setdefault((member, scope.for_any_audience), Told())
            entry = self._entries[key] = Entry(member, scope, told)
            while len(self._entries) > _MAX_ENTRIES and (oldest := next(self._private(), None)) is not None:
                del self._entries[oldest]
        elif scope != SHARED:
            self._entries.move_to_end(key)
        entry.is_used = True
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
        return entry.told.listing

    def known(self, entry: Entry) -> Listing | None:
        """What is known of an entry, served or not: whose a name is counts on while its backend is away."""
        return self.shown(entry) or entry.former or entry.told.listing

    def _private(self) -> Iterator[tuple[str, Scope]]:
        """What may give way to more of its kind: what clients send must not push out what the proxy itself sees."""
        return (key for key, entry in self._entries.items() if not entry.is_shared)

    def needs_fetch(self, entry: Entry) -> bool:
        """Whether to wait for the backend: nothing fresh is there, no pause is due, and nobody has given up on it."""
        is_asked = entry.task is not None and not entry.is_outlived
        return self.needs_list(entry) and not (is_asked and entry.is_overdue)

    def needs_list(self, entry: Entry) -> bool:
        """As `needs_fetch`, for who lists: what has given way is waited for whoever else has given up on it."""
        now = asyncio.get_running_loop().time()
        if not entry.member.circuit.is_closed or (entry.is_fresh(now, self.ttl) and not entry.is_due_again(now)):
            return False
        if entry.task is None or entry.is_outlived:
            return now >= entry.due_at
        return entry.is_dropped or not entry.is_overdue

    def asks_again_at(self, entry: Entry) -> float:
        """When a client's list should look at this entry again, in loop time; a change of the circuit is told."""
        if not entry.member.circuit.is_closed:
            return math.inf
        now = asyncio.get_running_loop().time()
        if not entry.is_fresh(now, math.inf):
            return entry.due_at
        return min(entry.fetched_at + self.ttl, math.inf if entry.is_shared else entry.recheck_at)

    async def refresh(self, entry: Entry, fetch: Fetch) -> Listing | None:
        """Waits for one fetch, begun here or already on its way; a wait that is cut short does not end it.

        Returns what has been read, which the caller holds until it has used it: it may have no room.
        """
        self.begin(entry, fetch)
        return await self.end_of(entry)

    def begin(self, entry: Entry, fetch: Fetch) -> None:
        """Has a fetch on its way, begun here or before; one that the backend has outlived is begun anew.

        Nothing is begun while the circuit of the backend is not closed.
        """
        former = entry.task
        if former is not None and not entry.is_outlived:
            return
        circuit = entry.member.circuit
        # A listing is no light trial: while the circuit is open, the supervisor's probe finds out.
        permit = circuit.admit(asyncio.get_running_loop().time()) if circuit.is_closed else None
        if not isinstance(permit, Permit):
            return
        if former is not None:
            former.cancel()
            # Nobody has waited for this one yet.
            entry.is_overdue = False
        work = self._fetch(entry, permit, fetch)
        entry.task = self._tasks.create_task(work, name=f"listing {entry.member.name}")
        entry.asked_turn = entry.member.health.turns

    async def end_of(self, entry: Entry) -> Listing | None:
        """Waits for the fetch on its way where there is one, or for what takes its place; what is known then."""
        while (task := entry.task) is not None:
            await asyncio.wait((task,))
            if not task.cancelled():
                return task.result()
            if entry.task is task:
                entry.task = None
        return entry.listing

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
            listing = self._entries.pop(key).former
            if listing is not None:
                self._budget.forget(listing)

    def drop_unused(self) -> None:
        """Forgets what backends have told single callers of whom none has come since this was last called."""
        self.looks += 1
        for key in list(self._private()):
            entry = self._entries[key]
            if not entry.is_used and entry.task is None:
                # Its listing may be others' too: the budget lets go of it when nobody has used it.
                del self._entries[key]
            entry.is_used = False

    async def _fetch(self, entry: Entry, permit: Permit, fetch: Fetch) -> Listing | None:
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
            return self._succeeded(entry, permit, listing, loop.time())
        finally:
            if entry.task is asyncio.current_task():
                entry.task = None
        return None

    def _succeeded(self, entry: Entry, permit: Permit, listing: Listing, now: float) -> Listing:
        former, failure = entry.former, entry.failure
        if former is not None and (failure is None or failure.status not in _OF_THE_CALLER):
            listing = listing.over(former, self.most_bytes)
        changed = entry.failure is not None or entry.digest != listing.digest
        if entry.is_shared and entry.former is not None and entry.former.digest != listing.digest:
            self._doubt_private(entry.member)
        if entry.is_dropped:
            self._budget.wanted_again(listing)
        # Also where it is known: it may have given way.
        entry.take(kept := self._interned(listing))
        entry.hints = listing.hints
        if entry.is_shared or entry.told.listing is None:
            entry.told.take(kept)
        if not entry.is_shared:
            self._budget.keep(kept)
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
        return kept

    def _interned(self, listing: Listing) -> Listing:
        """The one of equal content where there is one: callers mostly see the same, and need no copy each."""
        return self._by_content.setdefault((listing.backend, listing.digest), listing)

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
        if error.retry_after is not None:
            entry.paused_until = now + min(error.retry_after, _LONGEST_PAUSE)
        entry.retry_at = max(now + _pause(entry.failures), entry.paused_until)
        before = (entry.listing is None, entry.failure.status if entry.failure else None)
        # Not the error itself: its traceback holds the client's headers and its session, which end before this does.
        entry.failure = Outcome(error.category.value, str(error))
        lost = error.category is Category.AUTH or entry.failures >= entry.member.health.threshold
        if lost:
            entry.lose()
        if before != (entry.listing is None, entry.failure.status):
            self._on_change()


def _pause(times: int) -> float:
    """Seconds until the next attempt after so many of no avail."""
    return min(_FIRST_RETRY * 2.0 ** min(times - 1, 10), _LAST_RETRY)
