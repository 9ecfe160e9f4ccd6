"""How many programs client sessions may have of their own, over all backends; the longest idle ones give way."""

import asyncio
import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.programs.watchdog import Watchdog

_LOOK_SECONDS: Final = 0.5
"""How often a caller without a place looks again: no program announces that it is idle."""


@dataclass(frozen=True, slots=True)
class ProgramBounds:
    """Numbers of programs, and times in seconds without a call.

    `idle` ends a program that its client has called and may call again: it may hold something for that client.
    `unused` ends one that was only asked for its lists, or whose client does not listen any more. Where there is
    no room, such a one gives way to another after `spare`, and the former kind after `unused`. `most_per_owner` are
    those of one client session, or of the calls of one caller (`CallsOf`).
    """

    most: int = 64
    most_per_owner: int = 32
    idle: float = 600.0
    unused: float = 60.0
    spare: float = 1.0


@dataclass(frozen=True, slots=True)
class CallsOf:
    """Owns the programs that calls have for themselves (ADR-0061): all calls of one caller count together.

    A call may wait for a person, and its program with it. So they have no more than they leave free, and what no call
    is using gives way after `spare`: the next call expects nothing of it.
    """

    caller: Hashable


@dataclass(frozen=True, slots=True)
class SessionOf:
    """Owns the programs of one session of a caller whom somebody vouches for: all sessions of it count together.

    They have no more than they leave free, or a caller would take them all by sessions that listen.
    """

    session: object
    caller: Hashable


class Evictable(Protocol):
    """A program that may have to give way."""

    def gives_way_at(self, bounds: ProgramBounds) -> float:
        """When, in loop time; infinity while it is in use."""

    async def give_way(self) -> None:
        """Ends it; its client gets another with its next call."""


class Place:
    """Room for one program, counted for `owner`: the client session, that `SessionOf` a caller, or `CallsOf` one."""

    __slots__ = ("owner", "program")

    def __init__(self, owner: object) -> None:
        self.owner: Final = owner
        self.program: Evictable | None = None


class ProgramPool:
    """Gives out places and takes them back when a program has ended."""

    def __init__(self, bounds: ProgramBounds | None = None) -> None:
        self.bounds: Final = bounds or ProgramBounds()
        self.watchdog: Final = Watchdog()
        self._of_calls: Final = replace(self.bounds, unused=self.bounds.spare)
        self._places: dict[Place, None] = {}

    def __len__(self) -> int:
        return len(self._places)

    async def take(self, backend: str, owner: object, until: float) -> Place:
        """A place for one more program, perhaps that of one which has been idle; waits until then (loop time).

        Raises:
            BackendError: all are in use.
        """
        loop = asyncio.get_running_loop()
        while (rivals := self._rivals(owner)) is not None:
            now = loop.time()
            first = min(rivals, key=self._gives_way_at, default=None)
            if first is not None and first.program is not None and self._gives_way_at(first) <= now:
                await first.program.give_way()
            elif now >= until:
                raise BackendError(backend, Category.FULL, self._hint(owner, rivals))
            else:
                await asyncio.sleep(min(_LOOK_SECONDS, until - now))
        place = Place(owner)
        self._places[place] = None
        return place

    def release(self, place: Place) -> None:
        """Takes a place back."""
        self._places.pop(place, None)

    async def aclose(self) -> None:
        """Ends the watchdog; the programs have ended with their backends."""
        await self.watchdog.aclose()

    def _rivals(self, owner: object) -> list[Place] | None:
        """The places of which one has to become free first; None where there is room."""
        mine = [place for place in self._places if place.owner == owner]
        if len(mine) >= self.bounds.most_per_owner:
            return mine
        caller = _caller_of(owner)
        left_free = 0 if caller is None else sum(_caller_of(place.owner) == caller for place in self._places)
        return list(self._places) if self.bounds.most - len(self._places) <= left_free else None

    def _gives_way_at(self, place: Place) -> float:
        bounds = self._of_calls if isinstance(place.owner, CallsOf) else self.bounds
        return math.inf if place.program is None else place.program.gives_way_at(bounds)

    def _hint(self, owner: object, rivals: list[Place]) -> str:
        if isinstance(owner, CallsOf):
            mine = sum(place.owner == owner for place in self._places)
            return f"calls of this caller have {mine} of {len(self._places)} programs; answer or abandon some of them"
        if isinstance(owner, SessionOf) and len(rivals) == len(self._places) < self.bounds.most:
            mine = sum(_caller_of(place.owner) == owner.caller for place in self._places)
            return f"this caller has {mine} of {len(self._places)} programs at work; end some of its sessions"
        if len(rivals) < self.bounds.most:
            return f"this session has {len(rivals)} programs of its own at work already"
        return f"{len(rivals)} programs of client sessions are at work already; end some of the sessions"


def _caller_of(owner: object) -> Hashable:
    """Who has part of all programs; None where nobody vouches for who calls, and each session counts by itself."""
    return owner.caller if isinstance(owner, CallsOf | SessionOf) else None
