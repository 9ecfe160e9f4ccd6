"""Catalogs: what the process weighs with more backends, and with more tools of each, once they were listed."""

from collections.abc import Mapping

from benchmarks import jobs
from benchmarks.figures import KIB, MIB, Metric, Result, Row, transposed
from benchmarks.rig import Rig
from benchmarks.turns import seated

_METRICS = (
    Metric("rss", "RSS MiB", 1),
    Metric("backend", "KiB more per backend", 1),
    Metric("tool", "KiB more per tool", 2),
)


def run(rig: Rig) -> Result:
    """This proxy alone, each time anew; more than in a row with fewer of the one and as many of the other."""
    weights = {each: _weigh(rig, *each) for each in rig.scale.catalogs}
    rows = tuple(_row(rig, each, weights) for each in weights)
    return Result("catalog", "Backends and tools", "grows with what is listed", _METRICS, rows)


def _weigh(rig: Rig, backends: int, tools: int) -> float:
    """Bytes of the process once a client has listed everything, the least of all turns."""
    found: list[float] = []
    with rig.backends(backends, tools) as behind:
        for _ in range(rig.scale.turns):
            with rig.entered(rig.roster.ours[0], behind.urls) as proxy, seated(rig, proxy, 1) as seat:
                seat.load.do(jobs.Lists(rig.scale.warm_seconds))
                found.append(proxy.usage().rss)
    return min(found)


def _row(rig: Rig, of: tuple[int, int], weights: Mapping[tuple[int, int], float]) -> Row:
    backends, tools = of
    turn = {"rss": weights[of] / MIB}
    fewest = next(iter(weights))
    if tools == fewest[1] and backends > fewest[0]:
        turn["backend"] = (weights[of] - weights[fewest]) / KIB / (backends - fewest[0])
    if (bare := (backends, fewest[1])) in weights and bare != of:
        turn["tool"] = (weights[of] - weights[bare]) / KIB / (backends * (tools - fewest[1]))
    return Row(f"{backends} backends of {tools} tools", rig.roster.ours[0].title, transposed([turn]), "")
