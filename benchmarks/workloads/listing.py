"""`tools/list` of a large catalog that nobody has changed: it should cost no more than its bytes."""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.bare import BASE
from benchmarks.figures import Metric, Result
from benchmarks.rig import Rig
from benchmarks.turns import Seat, by_turns, measure, seat_all, warm

_METRICS = (
    Metric("cpu", "CPU µs per list"),
    Metric("ratio", "ratio", 2),
    Metric("rate", "lists/s"),
    Metric("p50", "p50 ms", 2),
    Metric("p99", "p99 ms", 2),
    Metric("tools", "tools"),
    Metric("asked", "backend requests per list", 3),
)


def run(rig: Rig) -> Result:
    """The catalog of many backends; the passthrough relays one backend that has as many tools by itself."""
    scale = rig.scale
    case = f"{scale.tools} tools, {scale.backends} backends"
    with contextlib.ExitStack() as stack:
        many = stack.enter_context(rig.backends(scale.backends, scale.tools // scale.backends))
        single = stack.enter_context(rig.backends(1, scale.tools))
        contenders = (rig.roster.base, *rig.roster.aggregating, *rig.roster.secured)
        seats, refused = seat_all(rig, stack, case, contenders, lambda each: many if each.aggregates else single)
        warm(seats, jobs.Lists(scale.warm_seconds))

        def take(seat: Seat) -> dict[str, float]:
            backends = single if seat.entrant.name == BASE else many
            before = backends.requests
            turn = measure(seat, jobs.Lists(scale.seconds))
            return {**turn, "asked": (backends.requests - before) / turn["count"]}

        rows = (*by_turns(rig, case, seats, take), *refused)
    target = "at most 200 µs, no request to a backend"
    return Result("list", "tools/list, cached", target, _METRICS, rows)
