"""A number of turns, shared out so that whoever asks for many keeps nobody else waiting."""

import asyncio
import contextlib
import ipaddress
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

_Waiting: TypeAlias = OrderedDict[asyncio.Future[None], None]

_HOST_BITS: Final = 64
"""Of an IPv6 address: one machine has as many addresses as these make."""


class Turns:
    """At most `most` turns at a time, of which one address has three quarters.

    Addresses are served in rotation. IPv6 addresses of one network of 64 bits are one.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._most_each: Final = most - most // 4
        self._taken: Final[dict[str, int]] = {}
        self._waiting: Final[dict[str, _Waiting]] = {}

    def __repr__(self) -> str:
        return f"<Turns {self._free} free, {len(self._waiting)} addresses waiting>"

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Waits for a turn, which lasts as long as the block runs."""
        place = _network_of(address)
        await self._take(place)
        try:
            yield
        finally:
            self._give_back(place)

    async def _take(self, place: str) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place, OrderedDict())[future] = None
        self._hand_out()
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._forget(place, future)
            else:
                self._give_back(place)
            raise

    def _forget(self, place: str, future: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(place)
        if waiting is not None:
            waiting.pop(future, None)
            if not waiting:
                del self._waiting[place]

    def _give_back(self, place: str) -> None:
        left = self._taken.pop(place) - 1
        if left:
            self._taken[place] = left
        self._free += 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free and (place := self._next()) is not None:
            waiting = self._waiting.pop(place)
            future, _ = waiting.popitem(last=False)
            if waiting:
                # Behind the others: each has one before this one has another.
                self._waiting[place] = waiting
            if future.cancelled():
                # Its task has not run since, and finds nothing to forget.
                continue
            self._free -= 1
            self._taken[place] = self._taken.get(place, 0) + 1
            future.set_result(None)

    def _next(self) -> str | None:
        """Whose turn it is; no more than one address can have all that it may."""
        return next((each for each in self._waiting if self._taken.get(each, 0) < self._most_each), None)


def _network_of(address: str) -> str:
    """What stands for one machine: an IPv4 address, the network of an IPv6 address, any other text."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> _HOST_BITS:x}::/64"
