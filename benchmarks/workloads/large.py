"""Large results: what each byte costs on its way through, as one JSON body and as an event stream."""

import contextlib

from benchmarks import jobs
from benchmarks.figures import KIB, MIB, Metric, Result, Row
from benchmarks.rig import Rig
from benchmarks.turns import Seat, by_turns, measure, seat_all, seated, warm

SIZES = (("100 KiB", 100 * KIB), ("2 MiB", 2 * MIB))
_METRICS = (
    Metric("cpu", "CPU µs per call"),
    Metric("ratio", "ratio", 2),
    Metric("rate", "calls/s"),
    Metric("p50", "p50 ms", 2),
    Metric("p99", "p99 ms", 2),
    Metric("rss", "RSS MiB"),
)


def run(rig: Rig) -> Result:
    """Two sizes in two forms."""
    rows = [row for is_sse in (False, True) for row in _one_form(rig, is_sse=is_sse)]
    target = "at most 1.5 times the bare passthrough at 100 KiB, 1.25 times at 2 MiB"
    return Result("large", "Large results", target, _METRICS, tuple(rows))


def _one_form(rig: Rig, *, is_sse: bool) -> list[Row]:
    form = "SSE" if is_sse else "JSON"
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends(is_sse=is_sse))
        seats, rows = seat_all(rig, stack, form, rig.roster.present, lambda _: backends)
        seats.insert(0, stack.enter_context(seated(rig, rig.direct(backends))))
        for label, size in SIZES:
            warm(seats, jobs.Calls(rig.scale.warm_seconds, "blob", size))

            def take(seat: Seat, size: int = size) -> dict[str, float]:
                return measure(seat, jobs.Calls(rig.scale.seconds, "blob", size))

            rows += by_turns(rig, f"{label} {form}", seats, take)
    return rows
