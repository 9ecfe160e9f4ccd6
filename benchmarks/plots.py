"""Which charts a run gives: file names and SVG texts."""

from collections.abc import Sequence

from benchmarks import svg
from benchmarks.figures import Result, shown


def plots(results: Sequence[Result], run: str) -> dict[str, str]:
    """The charts of the workloads that were run and brought enough to draw; each names the `run`."""
    by_name = {result.workload: result for result in results}
    drawn = {
        "echo-cpu.svg": _bars(by_name.get("echo"), run, "echo", "cpu", "CPU per small tools/call", "µs", 0),
        "latency-added.svg": _bars(
            by_name.get("latency"), run, "half load", "added50", "Latency added at half load, p50", "ms", 2
        ),
        "large.svg": _bars(
            by_name.get("large"), run, "2 MiB JSON", "ratio", "2 MiB result as JSON", "times the passthrough", 2
        ),
        "growth-backends.svg": _growth(by_name.get("growth"), run, "backend"),
        "growth-sessions.svg": _growth(by_name.get("growth"), run, "session"),
    }
    return {name: text for name, text in drawn.items() if text is not None}


def _bars(result: Result | None, run: str, case: str, key: str, title: str, unit: str, digits: int) -> str | None:
    if result is None:
        return None
    entries = []
    for row in result.rows:
        value = row.median(key)
        if row.case == case and value is not None and value > 0:
            text = f"{shown(value, digits)} {unit}"
            entries.append(svg.Bar(row.contender, value, text, row.contender.startswith("vmcp")))
    return svg.bars(title, f"{run}; median over the turns; shorter is better", entries) if len(entries) > 1 else None


def _growth(result: Result | None, run: str, noun: str) -> str | None:
    """Each contender's cost over the number that a case begins with."""
    if result is None:
        return None
    points: dict[str, list[tuple[float, float]]] = {}
    for row in result.rows:
        number, _, word = row.case.partition(" ")
        cpu = row.median("cpu")
        if word.rstrip("s") == noun and cpu is not None:
            points.setdefault(row.contender, []).append((float(number), cpu))
    names = sorted(points, key=lambda name: not name.startswith("vmcp"))
    entries = [svg.Line(name.partition(",")[0], tuple(points[name])) for name in names if len(points[name]) > 1]
    title = f"CPU per call over {noun}s"
    return svg.lines(title, f"{run}; µs per call, median over the turns", f"{noun}s", entries) if entries else None
