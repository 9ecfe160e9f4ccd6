"""docs/conformance.md has the rows that the harness writes; what stands in them is what it saw."""

import re

import pytest

from tests.conformance.suite import LEGACY, MODERN, Outcome, outcome_of
from tests.conformance.table import PAGE, SECTIONS, Report, pods, section, written
from tests.peers.table import client_table, server_table

FIGURE = re.compile(r"\d+/\d+|not run|judges nothing|passes but for `initialize`|passes|fails")


def generated(page: str) -> dict[str, list[str]]:
    """The lines of each generated part."""
    return {name: section(page, name) for name in re.findall(r"<!-- (\w+): generated -->", page)}


def shape(lines: list[str]) -> list[str]:
    """The table without what was seen: figures, and what a peer could not do."""
    return [re.sub(r"\?: not [a-z]+(, [a-z]+)*", "?", FIGURE.sub("?", line)) for line in lines if line.startswith("|")]


TABLES = {
    **{name: lambda render=render: render(Report()) for name, render in SECTIONS.items()},
    "pods": lambda: pods(Report()),
    "peer_clients": lambda: client_table({}),
    "peer_servers": lambda: server_table({}),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_the_rows_and_columns_that_the_harness_writes(name):
    page = generated(PAGE.read_text())
    assert shape(page[name]) == shape(TABLES[name]())


def test_every_cell_of_the_page_holds_something_that_was_seen():
    page = generated(PAGE.read_text())
    assert not [line for lines in page.values() for line in lines if "not run" in FIGURE.findall(line)]


def test_a_part_is_replaced_whole_and_the_rest_stays():
    page = "before\n<!-- a: generated -->\nold\n<!-- a: end -->\nafter\n"
    once = written(page, {"a": ["| new |"]})
    assert once == "before\n<!-- a: generated -->\n\n| new |\n\n<!-- a: end -->\nafter\n"
    assert written(once, {"a": ["| new |"]}) == once
    with pytest.raises(ValueError, match="0 parts named 'b'"):
        written(page, {"b": []})


def test_a_scored_scenario_that_did_not_run_counts_as_failed():
    report = Report(scored={LEGACY: ["ping", "tools-list"]})
    report.servers["one", LEGACY] = {"ping": Outcome("ping", ())}
    assert report.failing("one", LEGACY) == ["tools-list"]
    assert report.score("one", LEGACY) == "1/2"
    assert report.score("one", MODERN) == "not run"


def test_a_scenario_passes_where_something_was_judged_and_nothing_failed():
    def check(status: str, **more: str) -> dict[str, str]:
        return {"id": status.lower(), "status": status, **more}

    assert outcome_of("a", [check("SUCCESS"), check("INFO")]).passed
    assert not outcome_of("a", [check("INFO")]).passed
    found = outcome_of("a", [check("SUCCESS"), check("FAILURE", errorMessage="no"), check("SKIPPED"), check("WARNING")])
    assert not found.passed
    assert found.failures == ("failure: no",)
    assert found.remarks == ("SKIPPED skipped", "WARNING warning")
