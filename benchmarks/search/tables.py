"""The tables of an evaluation, for the terminal and in Markdown; figures in percent, of 8 results."""

from collections.abc import Sequence
from typing import Final

from benchmarks.search.collection import Collection
from benchmarks.search.evaluation import Evaluation
from benchmarks.search.measures import CUT

_SLICE_NAMES: Final = {"line": "one line", "agent": "agent", "task": "whole task"}


def tables(evaluations: Sequence[Evaluation]) -> list[list[list[str]]]:
    """Recall, MRR and marks, each with its heading first."""
    found = [
        _table(evaluations, f"recall@{CUT}, %", "recall"),
        _table(evaluations, "MRR, %", "mrr"),
    ]
    marked = [(each.contender, each.marks) for each in evaluations if each.marks is not None]
    if marked:
        heading = ["marks of weak answers, %", "unserved that are marked", "right among marked", "false alarms"]
        rows = [[name, *map(_percent, (marks.caught, marks.right, marks.false_alarms))] for name, marks in marked]
        found.append([heading, *rows])
    return found


def terminal(evaluations: Sequence[Evaluation]) -> str:
    """The tables with their columns one under another."""
    return "\n\n".join("\n".join(_aligned(table)) for table in tables(evaluations))


def markdown(collection: Collection, evaluations: Sequence[Evaluation]) -> str:
    """The tables under a sentence about the collection."""
    servers = len({each.server for each in collection.tools})
    about = (
        f"{len(collection.tools)} tools of {servers} servers, {len(collection.served)} queries that tools serve and "
        f"{len(collection.unserved)} that none serves."
    )
    return "\n\n".join([about, *("\n".join(_piped(table)) for table in tables(evaluations))])


def misses(evaluation: Evaluation) -> list[str]:
    """Topics of which a relevant tool is not among the first, a line each: what was missed, and what came instead."""
    return [
        f"{topic.kind} {topic.language} {topic.query!r}: missed {', '.join(sorted(topic.relevant.difference(first)))}; "
        f"found {', '.join(first)}"
        for topic, answer in evaluation.answers
        for first in [answer.ranked[:CUT]]
        if topic.relevant.difference(first)
    ]


def _table(evaluations: Sequence[Evaluation], title: str, measure: str) -> list[list[str]]:
    parts = evaluations[0].quality
    heading = [title, *(f"{_SLICE_NAMES.get(part, part)} ({parts[part].topics})" for part in parts)]
    rows = [
        [each.contender, *(_percent(getattr(each.quality[part], measure)) for part in parts)] for each in evaluations
    ]
    return [heading, *rows]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def _piped(table: Sequence[Sequence[str]]) -> list[str]:
    heading, *rows = ["| " + " | ".join(line) + " |" for line in table]
    return [heading, "|---|" + "---:|" * (len(table[0]) - 1), *rows]
