"""Several runs as one table: what each contender cost in the median of the runs, and how far they lie apart.

`python -m benchmarks.runs RUN.json ...`, of files that `python -m benchmarks -o RUN.json` wrote. A run counts with
the median of its turns. Ratios are against the bare passthrough and, where they took part, against the peers.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Result, Row, ratios, results_of, shown

PEERS = ("agentgateway (Rust)", "agentgateway, rules and log")


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and in brackets the least and the most."""
    if not values:
        return "-"
    least, most = (shown(value, digits) for value in (min(values), max(values)))
    return f"{shown(statistics.median(values), digits)} ({least} to {most})"


def against(row: Row, peer: Row | None) -> float | None:
    """The ratio of two contenders in one run, turn by turn."""
    found = ratios(row.values.get("cpu", ()), peer.values.get("cpu", ())) if peer is not None else ()
    return statistics.median(found) if found else None


def table(runs: Sequence[Result]) -> list[str]:
    """One line of Markdown for each case and contender."""
    lines = [
        f"| Case | Contender | CPU µs per call | to the passthrough | {' | '.join(f'to {peer}' for peer in PEERS)} |",
        f"| --- | --- |{' ---: |' * (2 + len(PEERS))}",
    ]
    for first in runs[0].rows:
        rows = [(run, row) for run in runs if (row := run.find(first.case, first.contender)) is not None]
        cells = [
            spread([value for _, row in rows if (value := row.median("cpu")) is not None], 0),
            spread([value for _, row in rows if (value := row.median("ratio")) is not None], 2),
        ]
        for peer in PEERS:
            found = [against(row, run.find(row.case, peer)) for run, row in rows]
            cells.append(spread([value for value in found if value is not None], 2))
        if any(cell != "-" for cell in cells):
            lines.append(f"| {first.case} | {first.contender} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    by_workload: dict[str, list[Result]] = {}
    for name in sys.argv[1:]:
        for result in results_of(json.loads(Path(name).read_text())):
            by_workload.setdefault(result.workload, []).append(result)
    for runs in by_workload.values():
        print(f"\n{runs[0].title}, {len(runs)} runs: median (least to most)\n")
        print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
