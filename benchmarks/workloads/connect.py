"""`initialize` with many backends of which one hangs: the first time, and once the catalog is warm.

Peers that have no readiness of their own are asked for it by an `initialize`: what that one waits for stands in
"exec to first session" only.
"""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.site import Contender
from benchmarks.figures import Metric, Result, Row, transposed
from benchmarks.rig import RefusedError, Rig
from benchmarks.turns import cpu_per_call

_METRICS = (
    Metric("start", "exec to first session s", 2),
    Metric("first", "first initialize s", 2),
    Metric("tools", "tools served"),
    Metric("p50", "warm initialize p50 ms", 2),
    Metric("cpu", "warm CPU µs"),
)


def run(rig: Rig) -> Result:
    """Every contender that takes many backends, one after the other: a fresh start for each turn."""
    count = rig.scale.backends
    case = f"{count} backends, 1 hangs"
    rows = tuple(_row(rig, case, contender) for contender in rig.roster.aggregating)
    target = "first at most 1.2 times the deadline of a list (2 s), all tools of the others served; warm at most 1 ms"
    return Result("initialize", "initialize with a hanging backend", target, _METRICS, rows)


def _row(rig: Rig, case: str, contender: Contender) -> Row:
    turns: list[dict[str, float]] = []
    note = ""
    for _ in range(min(rig.scale.turns, 3) if contender.is_ours else 1):
        try:
            turns.append(_turn(rig, contender))
        except RefusedError as error:
            note = str(error).splitlines()[0]
            break
    return Row(case, contender.title, transposed(turns), note)


def _turn(rig: Rig, contender: Contender) -> dict[str, float]:
    scale = rig.scale
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends(scale.backends, 2, hang=1))
        entrant = stack.enter_context(rig.entered(contender, backends.urls))
        load = stack.enter_context(rig.load())
        opened = load.do(jobs.Open(entrant.port, entrant.path, 1, 1))
        before = entrant.usage()
        warm = stack.enter_context(rig.load())
        done = warm.do(jobs.Cycles(entrant.port, entrant.path, 200 if contender.is_ours else 5, 4))
        after = entrant.usage()
        return {
            "start": entrant.ready_seconds + opened.seconds,
            "first": opened.seconds,
            "tools": float(opened.tools),
            "p50": done.p50,
            "cpu": cpu_per_call(done, after.cpu - before.cpu),
        }
