"""Latency that a contender adds at half of the load that it can bear."""

import contextlib

from benchmarks import jobs
from benchmarks.figures import Metric, Result
from benchmarks.rig import Rig
from benchmarks.turns import Seat, by_turns, seat_all, seated, warm

_METRICS = (
    Metric("rate", "calls/s at half load"),
    Metric("p50", "p50 ms", 2),
    Metric("added50", "added p50 ms", 2),
    Metric("p99", "p99 ms", 2),
    Metric("added99", "added p99 ms", 2),
)


def run(rig: Rig) -> Result:
    """Each turn finds a contender's full load, then runs it and the direct line at half of that."""
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        direct = stack.enter_context(seated(rig, rig.direct(backends)))
        seats, refused = seat_all(rig, stack, "half load", rig.roster.present, lambda _: backends)
        warm(seats, jobs.Calls(rig.scale.warm_seconds))

        def take(seat: Seat) -> dict[str, float]:
            return _turn(rig, seat, direct)

        rows = (*by_turns(rig, "half load", seats, take), *refused)
    target = "p50 at most 0.4 ms, p99 at most 3 ms added"
    return Result("latency", "Latency at half load", target, _METRICS, rows)


def _turn(rig: Rig, seat: Seat, direct: Seat) -> dict[str, float]:
    seconds = rig.scale.seconds
    full = seat.load.do(jobs.Calls(seconds / 2))
    half = full.count / full.seconds / 2
    alone = direct.load.do(jobs.Calls(seconds, rate=half))
    done = seat.load.do(jobs.Calls(seconds, rate=half))
    return {
        "rate": half,
        "p50": done.p50,
        "p99": done.p99,
        "added50": done.p50 - alone.p50,
        "added99": done.p99 - alone.p99,
    }
