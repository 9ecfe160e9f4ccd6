"""A small `tools/call`, back to back: what the proxy does all day."""

import contextlib

from benchmarks import jobs
from benchmarks.figures import Metric, Result
from benchmarks.rig import Rig
from benchmarks.turns import Seat, by_turns, measure, seat_all, seated, warm

CALL_METRICS = (
    Metric("cpu", "CPU µs per call"),
    Metric("ratio", "ratio", 2),
    Metric("rate", "calls/s"),
    Metric("p50", "p50 ms", 2),
    Metric("p99", "p99 ms", 2),
    Metric("rss", "RSS MiB"),
)


def run(rig: Rig) -> Result:
    """Everybody in front of the same backend, sixteen sessions that call without a pause."""
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        seats, refused = seat_all(rig, stack, "echo", rig.roster.all, lambda _: backends)
        seats.insert(0, stack.enter_context(seated(rig, rig.direct(backends))))
        warm(seats, jobs.Calls(rig.scale.warm_seconds))

        def take(seat: Seat) -> dict[str, float]:
            return measure(seat, jobs.Calls(rig.scale.seconds))

        rows = (*by_turns(rig, "echo", seats, take), *refused)
    target = (
        "at most 1.4 times the bare passthrough and half of agentgateway; with everything on at most 1.7 times, "
        "and 0.6 of agentgateway with rules and log"
    )
    return Result("echo", "Small tools/call, 16 sessions back to back", target, CALL_METRICS, rows)
