"""What breaks and when: a schedule that follows from a seed alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """How a backend breaks. `forget` takes no time: it loses its sessions and answers 404 to them from then on."""

    DIE = "die"
    HANG = "hang"
    GARBAGE = "garbage"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Outage:
    """One fault of one backend (or of Redis, with `die`), in seconds since the load began."""

    name: str
    fault: Fault
    begins: float
    ends: float


REDIS = "redis"
CALM_SECONDS = 4.0
"""At the beginning and at the end nothing breaks."""

_LONGEST = 6.0
_SHORTEST = 1.5
_PAUSES = (14.0, 24.0)
_FIRST_PAUSES = (0.0, 12.0)


def plan(seed: int, seconds: float, backends: Sequence[tuple[str, Sequence[Fault]]]) -> tuple[Outage, ...]:
    """All outages in the order of their beginnings: backends with the faults they know, and Redis twice.

    Outages of one backend stand far enough apart that it is whole again in between.
    """
    chance = random.Random(seed)
    outages = [outage for name, faults in backends for outage in _of(name, faults, seconds, chance)]
    outages += _of_redis(seconds, chance)
    return tuple(sorted(outages, key=lambda each: each.begins))


def _of(name: str, faults: Sequence[Fault], seconds: float, chance: random.Random) -> list[Outage]:
    outages: list[Outage] = []
    begins = CALM_SECONDS + chance.uniform(*_FIRST_PAUSES)
    order: list[Fault] = []
    while True:
        if not order:
            # Every kind comes round before one comes again.
            order = chance.sample(list(faults), len(faults))
        fault = order.pop()
        ends = begins + (0.0 if fault is Fault.FORGET else chance.uniform(_SHORTEST, _LONGEST))
        if ends > seconds - CALM_SECONDS:
            return outages
        outages.append(Outage(name, fault, begins, ends))
        begins = ends + chance.uniform(*_PAUSES)


def _of_redis(seconds: float, chance: random.Random) -> list[Outage]:
    outages = []
    for part in (1 / 4, 5 / 8):
        begins = seconds * part + chance.uniform(0.0, seconds / 10)
        outages.append(Outage(REDIS, Fault.DIE, begins, begins + chance.uniform(1.0, 4.0)))
    return outages
