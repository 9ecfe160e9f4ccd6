"""The calls that wait between two requests of their clients: bounded in number and in time (ADR-0061)."""

import asyncio
import itertools
from collections.abc import Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar

from vmcp_proxy.core.shares import Shares

MOST_PARKED: Final = 1024
"""Calls that wait in one process: each holds a task, and mostly a session and a connection to a backend."""

MOST_OF_ONE: Final = 128
"""Those of one holder: half of the connections that a backend has by default."""


class Parkable(Protocol):
    """A call that can be given up."""

    def cancel(self) -> None:
        """Ends it: nobody comes for it any more."""


CallT = TypeVar("CallT", bound=Parkable)


class _Place(Generic[CallT]):
    __slots__ = ("call", "expiry", "holder")

    def __init__(self, call: CallT, holder: Hashable, expiry: asyncio.TimerHandle) -> None:
        self.call: Final = call
        self.holder: Final = holder
        self.expiry: Final = expiry


class Parking(Generic[CallT]):
    """Each call has a number that is good once; one that nobody comes for in time is cancelled and forgotten."""

    def __init__(self, most: int = MOST_PARKED, most_of_one: int = MOST_OF_ONE) -> None:
        self._shares: Final = Shares(most, most_of_one)
        self._places: Final[dict[int, _Place[CallT]]] = {}
        self._numbers: Final = itertools.count(1)

    def __len__(self) -> int:
        return len(self._places)

    def has_room(self, holder: Hashable) -> bool:
        """Whether one more call of this holder may wait."""
        return self._shares.room(holder) > 0

    def park(self, call: CallT, holder: Hashable, seconds: float) -> int | None:
        """The number of a call that waits from now on, no longer than that; None where there is no room for it."""
        if not self.has_room(holder):
            return None
        number = next(self._numbers)
        expiry = asyncio.get_running_loop().call_later(seconds, self._expire, number)
        self._shares.take(holder, 1)
        self._places[number] = _Place(call, holder, expiry)
        return number

    def take(self, number: int) -> CallT | None:
        """The call, which has no number any more; None where it does not wait here."""
        place = self._places.pop(number, None)
        if place is None:
            return None
        place.expiry.cancel()
        self._shares.take(place.holder, -1)
        return place.call

    def end(self, is_over: Callable[[CallT], bool] = lambda _call: True) -> None:
        """Cancels those that this is said of."""
        for number, place in list(self._places.items()):
            if is_over(place.call):
                self._expire(number)

    def _expire(self, number: int) -> None:
        call = self.take(number)
        if call is not None:
            call.cancel()
