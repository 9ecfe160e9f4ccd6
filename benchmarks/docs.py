"""Writes what a run found into docs/performance.md, between its markers, and the charts into docs/figures/."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Result
from benchmarks.plots import plots
from benchmarks.report import absent_lines, machine_line, markdown, run_words

BEGIN = "<!-- figures of a run: written by python -m benchmarks --write-docs -->"
END = "<!-- end of the figures -->"
_DOCS = Path(__file__).resolve().parent.parent / "docs"


class MarkersMissingError(Exception):
    """A page has no place for figures."""


def write_docs(results: Sequence[Result], about: Mapping[str, Any], docs: Path = _DOCS) -> list[Path]:
    """Replaces figures and charts; the files that were written.

    Raises:
        MarkersMissingError: the page has lost its markers.
    """
    folder = docs / "figures"
    folder.mkdir(exist_ok=True)
    written = []
    charts = plots(results, run_words(about))
    for name, text in charts.items():
        (folder / name).write_text(text)
        written.append(folder / name)
    page = docs / "performance.md"
    page.write_text(with_figures(page.read_text(), section(results, about, charts)))
    return [page, *written]


def section(results: Sequence[Result], about: Mapping[str, Any], charts: Sequence[str] | Mapping[str, str]) -> str:
    """The generated part of the page."""
    versions = ", ".join(f"{name} {number}" for name, number in about["contenders"].items())
    absent = [f"- {line}" for line in absent_lines(about)]
    parts = [f"{machine_line(about)}.", f"Versions: {versions}."]
    parts += ["\n".join(["Not measured in this run:", "", *absent])] if absent else []
    parts += [f"![{name.removesuffix('.svg')}](figures/{name})" for name in charts]
    parts += [markdown(result) for result in results]
    return "\n\n".join(parts)


def with_figures(page: str, figures: str, begin_mark: str = BEGIN) -> str:
    """A page with other figures between its markers.

    Raises:
        MarkersMissingError: it has none.
    """
    before, begin, rest = page.partition(begin_mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissingError(f"the page needs the lines {begin_mark!r} and {END!r}")
    return f"{before}{begin_mark}\n\n{figures}\n\n{END}{after}"
