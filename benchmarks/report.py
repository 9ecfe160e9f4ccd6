"""Tables of results, for the terminal and in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import Result, shown


def cells_of(result: Result) -> list[list[str]]:
    """The heading and one line for each row."""
    lines = [["Case", "Contender", *(metric.heading for metric in result.metrics)]]
    for row in result.rows:
        figures = [shown(row.median(metric.key), metric.digits) for metric in result.metrics]
        lines.append([row.case, row.contender, *figures])
    return lines


def terminal(result: Result) -> str:
    """A table with columns one under another, then what went wrong."""
    lines = cells_of(result)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [f"\n{result.title}", f"target: {result.target}"]
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in _with(line, widths)
        ]
        text.append("  ".join(cells).rstrip())
        if number == 0:
            text.append("-" * len(text[-1]))
    text += [f"! {row.contender} ({row.case}): {row.note}" for row in result.rows if row.note]
    return "\n".join(text)


def markdown(result: Result) -> str:
    """The same as Markdown, under a heading; every contender that failed says why.

    Without the target, for a target may change while a page stays: docs/performance.md has a table of them.
    """
    heading, *lines = cells_of(result)
    rule = ["---", "---", *("---:" for _ in result.metrics)]
    text = [f"### {result.title}", ""]
    text += ["| " + " | ".join(line) + " |" for line in (heading, rule, *lines)]
    notes = [f"{row.contender}, {row.case}: {row.note}" for row in result.rows if row.note]
    return "\n".join([*text, *(["", *notes] if notes else [])])


def absent_lines(about: Mapping[str, Any]) -> list[str]:
    """Who did not take part, one line each."""
    return [f"{title}: {reason}" for title, reason in about["absent"].items()]


def machine_line(about: Mapping[str, Any]) -> str:
    """What the run ran on, in one sentence."""
    one, five, fifteen = about["load"]
    return (
        f"{about['cpus']} CPUs ({about['cpu']}), {about['system']}, Python {about['python']}, "
        f"load average at start {one} {five} {fifteen}; "
        f"{about['turns']} turns of {about['seconds']:g} s, medians; {about['time']}"
    )


def run_words(about: Mapping[str, Any]) -> str:
    """Which run it was, in a few words for a chart."""
    return f"run of {about['time'][:10]}, Python {about['python']}"


def _with(line: Sequence[str], widths: Sequence[int]) -> list[tuple[int, tuple[str, int]]]:
    return list(enumerate(zip(line, widths, strict=True)))
