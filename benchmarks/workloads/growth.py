"""Growth: whether a call costs the same with many backends and with many sessions."""

import contextlib

from benchmarks import jobs
from benchmarks.figures import Metric, Result, Row
from benchmarks.rig import Rig
from benchmarks.turns import Seat, by_turns, measure, seated

_METRICS = (
    Metric("cpu", "CPU µs per call"),
    Metric("ratio", "ratio", 2),
    Metric("p50", "p50 ms", 2),
    Metric("p99", "p99 ms", 2),
    Metric("rss", "RSS MiB"),
)


def run(rig: Rig) -> Result:
    """This proxy against the passthrough of the same turn; calls go round all backends and all sessions."""
    rows: list[Row] = []
    for count in rig.scale.growth_backends:
        rows += _point(rig, _counted(count, "backend"), backends=count, sessions=rig.scale.connections)
    for count in rig.scale.growth_sessions:
        rows += _point(rig, _counted(count, "session"), backends=1, sessions=count)
    return Result("growth", "Cost per call as things grow", "flat", _METRICS, tuple(rows))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _point(rig: Rig, case: str, *, backends: int, sessions: int) -> tuple[Row, ...]:
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(rig.backends(backends))
        base = stack.enter_context(rig.entered(rig.roster.base, behind.urls))
        proxy = stack.enter_context(rig.entered(rig.roster.ours[0], behind.urls))
        seats = [
            stack.enter_context(seated(rig, base)),
            stack.enter_context(seated(rig, proxy, sessions)),
        ]
        for seat in seats:
            seat.load.do(jobs.Calls(rig.scale.warm_seconds * 2, spreads=True))
        # The first call of a session opens its sessions at backends: they are all open when the clock starts.
        for _ in range(1 if backends == 1 else 2):
            seats[1].load.do(jobs.EachOnce())

        def take(seat: Seat) -> dict[str, float]:
            return measure(seat, jobs.Calls(rig.scale.seconds, spreads=True))

        return by_turns(rig, case, seats, take)
