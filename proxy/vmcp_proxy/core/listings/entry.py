"""One listing of a backend in one scope, and how it was come by (ADR-0018)."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import ref

from vmcp_proxy.backends.errors import Category
from vmcp_proxy.core.catalog.capabilities import Listing, Outcome
from vmcp_proxy.core.listings.scopes import SHARED, Scope
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol.modern.cache_hints import NOT_CACHEABLE, Cacheable, CacheHints

_Find: TypeAlias = Callable[[], Listing | None]


def _nothing() -> None:
    """There is none."""


class Told:
    """What a backend told those who differ by their capabilities alone; their entries hold it, and nothing else."""

    __slots__ = ("__weakref__", "_find")

    def __init__(self) -> None:
        self._find: _Find = _nothing

    @property
    def listing(self) -> Listing | None:
        """The listing; None where there is none, or it has given way."""
        return self._find()

    def take(self, listing: Listing) -> None:
        """Has it be this one; does not keep it."""
        self._find = ref(listing)


@dataclass(slots=True, eq=False)
class Entry:
    """One listing and how it was come by; `failure` is what the last attempt met.

    `told` is what stands in for it, shared with the entries of equal headers.
    `digest` is that of the listing that counts, None without one.
    `turn` is that of the member's health at the last attempt: what was learned before the last turn is asked again.
    `hints` are those of the last reading, also where it brought what was known.
    `recheck_at` is when to read again what is fresh and not whole, in loop time: the supervisor does so for what is
    shared, and nobody waits for that.
    `asked_turn` is that of the member's health when the fetch on its way was begun.
    `paused_until` is how long the server has asked to be left alone (`Retry-After`), in loop time.
    `is_used`: somebody has come for it since the last look at what is unused.
    `is_overdue`: somebody has waited for the fetch on its way as long as one may; the others need not.
    """

    member: Member
    scope: Scope = SHARED
    told: Told = field(default_factory=Told)
    digest: bytes | None = None
    failure: Outcome | None = None
    fetched_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    gaps: int = 0
    recheck_at: float = math.inf
    is_stale: bool = True
    turn: int = 0
    asked_turn: int = 0
    paused_until: float = -math.inf
    is_used: bool = False
    is_overdue: bool = False
    hints: CacheHints | None = None
    task: "asyncio.Task[Listing | None] | None" = None
    _listing: _Find = _nothing
    _former: _Find = _nothing

    @property
    def listing(self) -> Listing | None:
        """What counts now; None also where that has given way."""
        return self._listing()

    @property
    def former(self) -> Listing | None:
        """The last listing that was read, also where it counts no longer.

        Calls by its names are answered by what is wrong with the backend, not as if they had never been.
        """
        return self._former()

    @property
    def is_dropped(self) -> bool:
        """Whether what counts now was read, and has given way since: the backend is asked for it again."""
        return self.digest is not None and self._listing() is None

    def take(self, listing: Listing) -> None:
        """Has a listing count from now on; what a client was told is kept by the budget alone (ADR-0067)."""
        self._listing = self._former = (lambda: listing) if self.is_shared else ref(listing)
        self.digest = listing.digest

    def note_absence(self) -> None:
        """Says that a client has been served without what has given way: that it is there again is news."""
        if self.is_dropped:
            self.digest = None

    def lose(self) -> None:
        """Has no listing count any more: callers do without it."""
        self._listing = _nothing
        self.digest = None

    @property
    def is_shared(self) -> bool:
        """Whether it is what the backend says to the proxy itself."""
        return self.scope == SHARED

    @property
    def is_silent(self) -> bool:
        """Whether what the backend lists here is not known: it has never been told, or is being told anew."""
        return self.listing is None and (self.former is None or self.task is not None)

    @property
    def is_outlived(self) -> bool:
        """Whether the backend went away or came back since the fetch on its way was begun, and is there now.

        Who it asked may never answer any more, and it ends by its bound alone.
        """
        health = self.member.health
        return self.task is not None and self.asked_turn != health.turns and not health.is_down

    def is_fresh(self, now: float, ttl: float) -> bool:
        """Whether the listing may be served without asking the backend."""
        return self.listing is not None and not self.is_stale and self._is_of_now and now - self.fetched_at < ttl

    def is_due_again(self, now: float) -> bool:
        """Whether what a caller alone was told was not whole, and is worth reading again."""
        return now >= self.recheck_at and not self.is_shared

    @property
    def is_slow(self) -> bool:
        """Whether there is nothing because a backend that is up was too slow at the last attempt."""
        is_late = self.failure is not None and self.failure.status == Category.TIMEOUT.value
        return is_late and self.listing is None and self.member.circuit.is_closed and not self.member.health.is_down

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
