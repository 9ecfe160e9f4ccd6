"""Starts: from exec to ready, and what a process weighs that has nothing to do."""

import time

from benchmarks.contenders.ours import in_redis
from benchmarks.contenders.site import Contender
from benchmarks.figures import MIB, Metric, Result, Row, transposed
from benchmarks.redis_server import redis_address
from benchmarks.rig import RefusedError, Rig

_METRICS = (
    Metric("ready", "exec to ready s", 2),
    Metric("cpu", "CPU ms", 0),
    Metric("rss", "RSS idle MiB"),
    Metric("asked", "RSS once asked for status and metrics MiB"),
)
_REST_SECONDS = 2.0


def run(rig: Rig) -> Result:
    """Every contender with one backend, started again and again; this proxy with sessions in Redis as well."""
    with redis_address(rig.folder) as address:
        shared = () if address is None else (in_redis(address),)
        rows = tuple(_row(rig, contender) for contender in (*rig.roster.present, *shared))
    return Result(
        "start",
        "Start",
        "ready in at most 1.3 times what the bare passthrough takes, at most 64 MiB idle, 76 with Redis",
        _METRICS,
        rows,
    )


def _row(rig: Rig, contender: Contender) -> Row:
    turns: list[dict[str, float]] = []
    note = ""
    with rig.backends() as backends:
        for _ in range(rig.scale.starts):
            try:
                with rig.started(contender, backends.urls) as starting:
                    entrant = starting.ready(rig.patience)
                    time.sleep(min(_REST_SECONDS, rig.scale.seconds))
                    usage = entrant.usage()
                    turn = {"ready": entrant.ready_seconds, "cpu": usage.cpu * 1000, "rss": usage.rss / MIB}
                    if starting.launch.ask is not None:
                        starting.launch.ask()
                        turn["asked"] = entrant.usage().rss / MIB
                    turns.append(turn)
            except RefusedError as error:
                note = str(error).splitlines()[0]
                break
    return Row("one backend", contender.title, transposed(turns), note)
