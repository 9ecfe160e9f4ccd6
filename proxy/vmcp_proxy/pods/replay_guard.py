"""The messages of other pods that have been taken, so that none is taken twice."""

from enum import StrEnum
from typing import Final

WINDOW_SECONDS: Final = 30.0
"""How far the clock of a sender may differ from the one here, the way of the message included."""

_MOST: Final = 65_536


class Verdict(StrEnum):
    """Whether a message may be taken."""

    FRESH = "fresh"
    STALE = "stale"
    REPLAYED = "replayed"
    CROWDED = "crowded"


class Replays:
    """Names of messages for as long as their times are within the window; when there is no more room, none is taken."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: Final[dict[bytes, float]] = {}

    def admit(self, name: bytes, at: float, now: float) -> Verdict:
        """Take a message of the time `at`; both are Unix times."""
        # Written so that what is no number at all is stale too.
        if not abs(now - at) <= WINDOW_SECONDS:
            return Verdict.STALE
        if name in self._taken:
            return Verdict.REPLAYED
        self._forget(now)
        if len(self._taken) >= _MOST:
            return Verdict.CROWDED
        # One that came from a clock ahead of ours is within the window for up to twice its length.
        self._taken[name] = now + 2 * WINDOW_SECONDS
        return Verdict.FRESH

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[oldest := next(iter(self._taken))] < now:
            del self._taken[oldest]

    def __len__(self) -> int:
        return len(self._taken)
