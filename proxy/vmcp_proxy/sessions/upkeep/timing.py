"""How often housekeeping happens, from the lifetimes that are configured."""

from dataclasses import dataclass
from typing import Self

from vmcp_api.spec.sessions import SessionManagement


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of the housekeeping.

    Each `tick` expired sessions go and uses are written, each session's at most once per `touch_interval`.
    A use just before the end of the TTL is written up to one tick later, perhaps by another pod: only
    after `grace` more is a session ended for everybody.
    """

    ttl: float
    max_lifetime: float
    tick: float
    touch_interval: float
    grace: float

    @classmethod
    def of(cls, settings: SessionManagement) -> Self:
        """The pace for these lifetimes."""
        shortest = min(settings.ttl, settings.max_lifetime)
        tick = max(0.01, min(5.0, shortest / 10))
        return cls(settings.ttl, settings.max_lifetime, tick, min(60.0, settings.ttl / 3), 3 * tick)
