"""The tables of docs/conformance.md, from what the suites found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.conformance.installing import ROOT
from tests.conformance.setups import SETUPS
from tests.conformance.suite import LEGACY, MODERN, REVISIONS, Outcome

PAGE: Final = ROOT / "docs" / "conformance.md"
SCORED: Final = {LEGACY: 30, MODERN: 37}
UNSCORED: Final[Mapping[str, tuple[str, ...]]] = {
    LEGACY: ("json-schema-2020-12", "server-session-lifecycle", "server-sse-polling"),
    MODERN: ("http-custom-header-server-validation", "http-header-validation", "json-schema-2020-12"),
}
LATEST: Final = "latest"
ERAS: Final = ("legacy", "modern")
CLIENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "initialize": (LEGACY,),
    "tools_call": (LEGACY, MODERN),
    "elicitation-sep1034-client-defaults": (LEGACY,),
    "sse-retry": (LEGACY,),
    "json-schema-2020-12-preservation": (LEGACY, MODERN),
    "json-schema-ref-no-deref": (MODERN,),
    "request-metadata": (MODERN,),
    "http-standard-headers": (MODERN,),
    "http-custom-headers": (MODERN,),
    "http-invalid-tool-headers": (MODERN,),
    "sep-2322-client-request-state": (MODERN,),
}
"""The scenarios of clients that a gateway can do, by the revisions of the suite's server."""


@dataclass(slots=True)
class Report:
    """What was found: of servers by setup and revision (or `latest`), of clients by scenario, revision and era."""

    servers: dict[tuple[str, str], Mapping[str, Outcome]] = field(default_factory=dict)
    scored: dict[str, Sequence[str]] = field(default_factory=dict)
    clients: dict[tuple[str, str, str], Outcome] = field(default_factory=dict)

    def failing(self, setup: str, revision: str) -> list[str]:
        """The scored scenarios of a setup that do not pass, a missing one among them."""
        found = self.servers.get((setup, revision), {})
        scored = self.scored.get(revision, sorted(found))
        return [name for name in scored if name not in found or not found[name].passed]

    def score(self, setup: str, revision: str) -> str:
        """How many of the scored scenarios pass."""
        if (setup, revision) not in self.servers:
            return "not run"
        total = len(self.scored.get(revision, self.servers[setup, revision]))
        return f"{total - len(self.failing(setup, revision))}/{total}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def word(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not run"
    if not outcome.checks:
        return "judges nothing"
    if outcome.is_of_handshake:
        return "passes but for `initialize`"
    return "passes" if outcome.passed else "fails"


def scores(report: Report) -> list[str]:
    """A line for each setup, and what fails of it."""
    head = ["Behind the URL", *REVISIONS, f"npm `{LATEST}` (0.1.16)"]
    rows = [[setup.title, *(report.score(setup.name, each) for each in (*REVISIONS, LATEST))] for setup in SETUPS]
    failing = [
        f"- {setup.title}, {revision}: {', '.join(f'`{name}`' for name in names)}"
        for setup in SETUPS
        for revision in (*REVISIONS, LATEST)
        if (setup.name, revision) in report.servers and (names := report.failing(setup.name, revision))
    ]
    return [*_table(head, rows), "", "What does not pass:", "", *(failing or ["- nothing"])]


def remarks(report: Report) -> list[str]:
    """What the suite left out or only warns of in scored scenarios before one backend."""
    lines = [
        f"- {revision}, `{name}`: {each}"
        for revision in REVISIONS
        for name in report.scored.get(revision, ())
        if (outcome := report.servers.get(("one", revision), {}).get(name)) is not None
        for each in outcome.remarks
    ]
    return lines or ["- nothing"]


def unscored(report: Report) -> list[str]:
    """The scenarios that the suite runs and does not count."""
    shown = [setup for setup in SETUPS if setup.counts]
    rows = [
        [f"`{name}`", revision, *(word(report.servers.get((each.name, revision), {}).get(name)) for each in shown)]
        for revision in REVISIONS
        for name in UNSCORED[revision]
    ]
    return _table(["Scenario", "Revision", *(each.title for each in shown)], rows)


def clients(report: Report) -> list[str]:
    """The scenarios that judge what the proxy sends to a backend."""
    head = ["Scenario", "Revision of the backend", *(f"driven by a {era} client" for era in ERAS)]
    rows = [
        [f"`{name}`", revision, *(word(report.clients.get((name, revision, era))) for era in ERAS)]
        for name, revisions in CLIENTS.items()
        for revision in revisions
    ]
    return _table(head, rows)


PODS: Final = {"one-pod": "one pod", "two-pods": "two pods that share sessions in Redis"}
"""The endpoints of `e2e/test_conformance.py`, each before one backend in both eras."""


def pods(report: Report) -> list[str]:
    """A line for each endpoint of a cluster."""
    head = ["Behind the Service", *REVISIONS]
    return _table(head, ([title, *(report.score(name, each) for each in REVISIONS)] for name, title in PODS.items()))


SECTIONS: Final = {"scores": scores, "remarks": remarks, "unscored": unscored, "clients": clients}
"""The generated parts of the page, by the names of their marks."""


def written(page: str, sections: Mapping[str, Sequence[str]]) -> str:
    """The page with its generated parts replaced; each stands between two marks that name it."""
    for name, lines in sections.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        if (found := page.count(begin)) != 1 or page.count(end) != 1:
            raise ValueError(f"{PAGE.name} has {found} parts named {name!r}; there must be one")
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        page = before + "\n".join([begin, "", *lines, "", end]) + after
    return page


def section(page: str, name: str) -> list[str]:
    """The lines of a generated part."""
    _, _, rest = page.partition(f"<!-- {name}: generated -->")
    return rest.partition(f"<!-- {name}: end -->")[0].strip().splitlines()


def write(report: Report) -> None:
    """Writes the page anew."""
    PAGE.write_text(written(PAGE.read_text(), {name: render(report) for name, render in SECTIONS.items()}))
