"""Tool search: what its ranking costs; how well it finds is another measurement (`python -m benchmarks.search`)."""

import json

from benchmarks.child import Child, python, running
from benchmarks.figures import Metric, Result, Row, transposed
from benchmarks.rig import Rig
from benchmarks.search.cost import FUSED, WORDS

_METRICS = (
    Metric("load", "load CPU ms", 0),
    Metric("first", "first index CPU ms", 0),
    Metric("again", "one tool changed CPU ms", 0),
    Metric("p50", "search p50 CPU ms", 2),
    Metric("p99", "search p99 CPU ms", 2),
    Metric("rss", "RSS MiB more", 1),
)
_TITLES = {WORDS: "vmcp, words", FUSED: "vmcp, words and vectors"}
_SECONDS = 120.0


def run(rig: Rig) -> Result:
    """The ranking alone, each time in a new process: loaded, an index, one of which a tool changed, searches."""
    target = "1000 tools: index in 300 ms, search in 3 ms, 40 MiB; 10 000: search in 10 ms"
    rows = tuple(_row(rig, count, mode) for count in rig.scale.search_tools for mode in _TITLES)
    return Result("search", "Tool search: what ranking costs", target, _METRICS, rows)


def _row(rig: Rig, count: int, mode: str) -> Row:
    turns: list[dict[str, float]] = []
    for turn in range(rig.scale.turns):
        log = rig.folder / f"search-{count}-{mode}-{turn}.log"
        with running(Child(python("search.cost", str(count), mode), log)) as child:
            try:
                turns.append(json.loads(child.read_line(_SECONDS)))
            except EOFError:
                return Row(f"{count} tools", _TITLES[mode], note=child.last_words())
    return Row(f"{count} tools", _TITLES[mode], transposed(turns))
