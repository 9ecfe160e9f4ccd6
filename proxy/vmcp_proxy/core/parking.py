"""The calls that wait between two requests of their clients: bounded in number and in time (ADR-0061)."""

import asyncio
import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from vmcp_proxy.core.shares import Shares

MOST_PARKED: Final = 1024
"""Calls that wait in one process: each holds a task, and mostly a session and a connection to a backend."""

MOST_OF_ONE: Final = 128
"""Those of one holder."""

MOST_AT_ONE_BACKEND: Final = 128
"""Those with a session at one backend: half of the connections that it has by default, for each holds one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose call wants to wait, and at which backends it has sessions, by name.

    `holder` has part of the places of the process, `identity` part of those at each backend: there anonymous callers
    count as one, for a client of theirs is whatever its headers and capabilities say, and costs nothing to make.
    """

    holder: Hashable
    identity: Hashable
    backends: frozenset[str] = frozenset()


class Parkable(Protocol):
    """A call that can be given up."""

    def cancel(self) -> None:
        """Ends it: nobody comes for it any more."""


CallT = TypeVar("CallT", bound=Parkable)


class _Place(Generic[CallT]):
    __slots__ = ("call", "claim", "expiry")

    def __init__(self, call: CallT, claim: Claim, expiry: asyncio.TimerHandle) -> None:
        self.call: Final = call
        self.claim: Final = claim
        self.expiry: Final = expiry


class Parking(Generic[CallT]):
    """Each call has a number that is good once; one that nobody comes for in time is cancelled and forgotten.

    No `Claim` holds more than it leaves free, of the process and of each backend.
    """

    def __init__(
        self, most: int = MOST_PARKED, most_of_one: int = MOST_OF_ONE, most_at_one: int = MOST_AT_ONE_BACKEND
    ) -> None:
        self._shares: Final = Shares(most, most_of_one)
        self._most_at_one: Final = most_at_one
        self._at_backends: Final[dict[str, Shares]] = {}
        """Of the backends at which calls that wait have sessions."""
        self._places: Final[dict[int, _Place[CallT]]] = {}
        self._numbers: Final = itertools.count(1)

    def __len__(self) -> int:
        return len(self._places)

    def has_room(self, claim: Claim) -> bool:
        """Whether one more such call may wait."""
        return self._shares.room(claim.holder) > 0 and all(
            self._at(backend).room(claim.identity) > 0 for backend in claim.backends
        )

    def park(self, call: CallT, claim: Claim, seconds: float) -> int | None:
        """The number of a call that waits from now on, no longer than that; None where there is no room for it."""
        if not self.has_room(claim):
            return None
        number = next(self._numbers)
        expiry = asyncio.get_running_loop().call_later(seconds, self._expire, number)
        self._count(claim, 1)
        self._places[number] = _Place(call, claim, expiry)
        return number

    def take(self, number: int) -> CallT | None:
        """The call, which has no number any more; None where it does not wait here."""
        place = self._places.pop(number, None)
        if place is None:
            return None
        place.expiry.cancel()
        self._count(place.claim, -1)
        return place.call

    def end(self, is_over: Callable[[CallT], bool] = lambda _call: True) -> None:
        """Cancels those that this is said of."""
        for number, place in list(self._places.items()):
            if is_over(place.call):
                self._expire(number)

    def _at(self, backend: str) -> Shares:
        return self._at_backends.get(backend) or Shares(self._most_at_one, self._most_at_one)

    def _count(self, claim: Claim, size: int) -> None:
        self._shares.take(claim.holder, size)
        for backend in claim.backends:
            shares = self._at_backends[backend] = self._at(backend)
            shares.take(claim.identity, size)
            if shares.left == self._most_at_one:
                del self._at_backends[backend]

    def _expire(self, number: int) -> None:
        call = self.take(number)
        if call is not None:
            call.cancel()
