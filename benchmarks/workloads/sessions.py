"""Sessions: what a live one weighs, and whether those that come and go leave anything behind."""

import contextlib
from dataclasses import replace

from benchmarks import jobs
from benchmarks.contenders.site import Contender
from benchmarks.figures import KIB, MIB, Metric, Result, Row
from benchmarks.procfs import Usage
from benchmarks.rig import RefusedError, Rig
from benchmarks.turns import cpu_per_call

_METRICS = (
    Metric("count", "sessions"),
    Metric("each", "KiB each", 2),
    Metric("rss", "RSS MiB"),
    Metric("growth", "growth MiB", 1),
    Metric("cpu", "CPU µs each"),
    Metric("p50", "initialize p50 ms", 2),
)


def run(rig: Rig) -> Result:
    """This proxy: cycles of connect and disconnect, then sessions that stay open, then each of them called once."""
    rows = [row for contender in rig.roster.ours for row in _rows(rig, contender)]
    count = rig.scale.live_sessions
    target = f"{count} live, at most 8 KiB each; no growth after {rig.scale.cycles} connects and disconnects"
    return Result("sessions", "Sessions", target, _METRICS, tuple(rows))


def _rows(rig: Rig, contender: Contender) -> list[Row]:
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        entrant = stack.enter_context(rig.entered(contender, backends.urls))
        load = stack.enter_context(rig.load())
        port, path, connections = entrant.port, entrant.path, rig.scale.connections
        live = jobs.Open(port, path, rig.scale.live_sessions, connections)
        try:
            load.do(jobs.Cycles(port, path, rig.scale.cycles // 5, connections))
            rested = entrant.usage()
            done = load.do(jobs.Cycles(port, path, rig.scale.cycles, connections))
            before = entrant.usage()
            rows.append(_row("connect and disconnect", contender, rested, before, done, before.cpu - rested.cpu))
            done = load.do(live)
            opened = entrant.usage()
            rows.append(_live("live, opened", contender, before, opened, done, opened.cpu - before.cpu))
            done = load.do(jobs.EachOnce())
            called = entrant.usage()
            rows.append(_live("live, called once", contender, before, called, done, called.cpu - opened.cpu))
        except RefusedError as error:
            rows.append(Row("failed", contender.title, note=str(error).splitlines()[0]))
    return rows


def _row(case: str, contender: Contender, before: Usage, after: Usage, done: jobs.Done, cpu: float) -> Row:
    values = {
        "count": (float(done.count),),
        "rss": (after.rss / MIB,),
        "growth": ((after.rss - before.rss) / MIB,),
        "cpu": (cpu_per_call(done, cpu),),
        "p50": (done.p50,),
    }
    return Row(case, contender.title, values)


def _live(case: str, contender: Contender, before: Usage, after: Usage, done: jobs.Done, cpu: float) -> Row:
    row = _row(case, contender, before, after, done, cpu)
    return replace(row, values={**row.values, "each": ((after.rss - before.rss) / done.count / KIB,)})
