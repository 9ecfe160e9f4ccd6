"""What all answers that are being read from backends may hold together (ADR-0028)."""

import asyncio
import sys
from collections.abc import Callable
from typing import Final

MOST_READ_BYTES: Final = 32 << 20
"""Bytes that unfinished answers hold together; the oldest of them may go beyond, up to the bound of one answer."""

UNCOUNTED_BYTES: Final = 64 << 10
"""Up to here an unfinished answer is bounded by the number of calls alone."""

PATIENCE_SECONDS: Final = 60.0
"""How long the oldest unfinished answer may keep others waiting."""

STALLED: Final = "it stopped in the middle of an answer, and other large answers waited for the room"
"""What is said of an answer that was given up."""


class ReadBudget:
    """Lets answers grow while there is room for them; then they wait, and their backends are not read.

    The oldest waits for nothing but clients, so that one of them always comes to its end. If it does not within
    `patience` seconds while others wait, it is given up. While clients have so much to read that there is no `limit`
    left for more, nobody goes on, and no patience is lost.
    """

    def __init__(self, most_bytes: int = MOST_READ_BYTES, patience: float = PATIENCE_SECONDS) -> None:
        self._most_bytes = most_bytes
        self._patience = patience
        self._leases: dict[Lease, None] = {}
        self._held = 0
        self._limit = sys.maxsize
        self._waiting: dict[asyncio.Future[None], None] = {}

    def __repr__(self) -> str:
        return f"<ReadBudget {self._held} bytes in {len(self._leases)} answers>"

    def lease(self, give_up: Callable[[], object]) -> "Lease":
        """The share of one answer, or of one stream of events; `give_up` has its reader fail."""
        return Lease(self, give_up)

    @property
    def is_held_back(self) -> bool:
        """Whether somebody waits because clients do not read what they have."""
        return bool(self._waiting) and self._is_shut

    @property
    def _is_shut(self) -> bool:
        """Whether not even the oldest may go on."""
        oldest = next(iter(self._leases), None)
        return oldest is not None and self._held - oldest.size > self._limit

    def limit(self, size: int) -> None:
        """Says how many bytes clients leave to unfinished answers; the oldest may go beyond, but not below 0."""
        if size == self._limit:
            return
        was_shut, has_more, self._limit = self._is_shut, size > self._limit, size
        is_shut = self._is_shut
        if was_shut and not is_shut and (oldest := next(iter(self._leases))).since is not None:
            # Its backend has not been read meanwhile.
            oldest.since = asyncio.get_running_loop().time()
        if has_more or is_shut is not was_shut:
            self._tell()

    def resize(self, lease: "Lease", size: int) -> bool:
        """Takes over a new size where there is room for it."""
        if size <= UNCOUNTED_BYTES:
            self.drop(lease)
            return True
        self._leases.setdefault(lease)
        grown = size - lease.size
        others = self._held - lease.size
        is_oldest = lease is next(iter(self._leases))
        if grown > 0 and (others > self._limit if is_oldest else others + size > min(self._most_bytes, self._limit)):
            return False
        is_first = lease.since is None
        if is_first:
            lease.since = asyncio.get_running_loop().time()
        lease.size = size
        self._held += grown
        if grown < 0 or is_first:
            self._tell()
        return True

    def drop(self, lease: "Lease") -> None:
        """Takes back the share of an answer that has come to its end, or is given up."""
        if lease in self._leases:
            del self._leases[lease]
            self._held -= lease.size
            lease.size, lease.since = 0, None
            oldest = next(iter(self._leases), None)
            if oldest is not None and oldest.is_waiting and oldest.since is not None:
                # Its backend has not been read meanwhile.
                oldest.since = asyncio.get_running_loop().time()
            self._tell()

    async def wait(self) -> None:
        """Waits until there is more room, which ends the oldest answer where it takes too long."""
        oldest = next(iter(self._leases))
        # One that has only just become the oldest has waited itself until now.
        since = None if self._is_shut else oldest.since
        changed = asyncio.get_running_loop().create_future()
        self._waiting[changed] = None
        try:
            async with asyncio.timeout_at(None if since is None else since + self._patience):
                await changed
        except TimeoutError:
            if oldest in self._leases:
                oldest.end()
        finally:
            self._waiting.pop(changed, None)

    def _tell(self) -> None:
        for changed in self._waiting:
            if not changed.done():
                changed.set_result(None)


class Lease:
    """What one unfinished answer holds, in bytes.

    `since` is when it first had room, or could go on as the oldest after a wait, in loop time.
    """

    __slots__ = ("_budget", "_give_up", "is_ended", "is_waiting", "since", "size")

    def __init__(self, budget: ReadBudget, give_up: Callable[[], object]) -> None:
        self._budget = budget
        self._give_up = give_up
        self.is_ended = self.is_waiting = False
        self.since: float | None = None
        self.size = 0

    def try_hold(self, size: int) -> bool:
        """Says how much is held by now; False where there is no room, which `hold` waits for."""
        return self._budget.resize(self, size)

    async def hold(self, size: int) -> None:
        """Says how much is held by now, once there is room for it; the caller bounds the wait."""
        try:
            while not self.is_ended and not self._budget.resize(self, size):
                self.is_waiting = True
                await self._budget.wait()
        finally:
            self.is_waiting = False

    def drop(self) -> None:
        """Says that nothing is held any more."""
        self._budget.drop(self)

    def end(self) -> None:
        """Gives the answer up in favour of those that wait."""
        self.is_ended = True
        self._budget.drop(self)
        self._give_up()
