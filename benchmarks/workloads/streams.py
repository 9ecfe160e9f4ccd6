"""Idle GET streams: what each one weighs, and what keeping them all alive costs."""

import contextlib
import time

from benchmarks import jobs
from benchmarks.contenders.site import Contender
from benchmarks.figures import KIB, MIB, Metric, Result, Row
from benchmarks.rig import RefusedError, Rig

_METRICS = (
    Metric("count", "streams"),
    Metric("each", "KiB each", 2),
    Metric("rss", "RSS MiB"),
    Metric("idle", "idle CPU %", 1),
)
_KEEP_ALIVE_SECONDS = 15.0


def run(rig: Rig) -> Result:
    """This proxy with one stream for each session."""
    rows = tuple(_row(rig, contender) for contender in rig.roster.ours)
    target = f"{rig.scale.streams} open, at most 30 KiB each"
    return Result("streams", "Idle GET streams", target, _METRICS, rows)


def _row(rig: Rig, contender: Contender) -> Row:
    scale = rig.scale
    case = "idle"
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        entrant = stack.enter_context(rig.entered(contender, backends.urls))
        load = stack.enter_context(rig.load())
        try:
            load.do(jobs.Open(entrant.port, entrant.path, scale.streams, scale.connections))
            before = entrant.usage()
            done = load.do(jobs.Streams(entrant.port))
        except RefusedError as error:
            return Row(case, contender.title, note=str(error).splitlines()[0])
        opened = entrant.usage()
        # Two rounds of keep-alive comments, so that each stream has had one.
        seconds = min(scale.seconds * 10, 2 * _KEEP_ALIVE_SECONDS)
        time.sleep(seconds)
        idle = entrant.usage()
        values = {
            "count": (float(done.count),),
            "each": ((idle.rss - before.rss) / done.count / KIB,),
            "rss": (idle.rss / MIB,),
            "idle": ((idle.cpu - opened.cpu) / seconds * 100,),
        }
        with contextlib.suppress(RefusedError):
            load.do(jobs.Close())
        return Row(case, contender.title, values)
