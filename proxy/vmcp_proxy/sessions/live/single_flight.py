"""One look into the store at a time per session, whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final


class Flight:
    """The look that is under way; `ended` is set when another pod ends the session meanwhile."""

    __slots__ = ("ended", "lock", "users")

    def __init__(self) -> None:
        self.lock: Final = asyncio.Lock()
        self.users = 0
        self.ended = False


class Flights:
    """Flights by session digest; one exists only while somebody is in it."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: Final[dict[str, Flight]] = {}

    @asynccontextmanager
    async def enter(self, digest: str) -> AsyncIterator[Flight]:
        """Take the turn for a session; those who wait then find what the first one brought."""
        flight = self._flights.setdefault(digest, Flight())
        flight.users += 1
        try:
            async with flight.lock:
                yield flight
        finally:
            flight.users -= 1
            if not flight.users:
                del self._flights[digest]

    def mark_ended(self, digest: str) -> None:
        """Have a look that is under way come to nothing."""
        if (flight := self._flights.get(digest)) is not None:
            flight.ended = True

    def __len__(self) -> int:
        return len(self._flights)
