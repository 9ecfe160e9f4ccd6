"""Medians, ratios, tables, charts and the page that they go to."""

import json
from xml.etree import ElementTree as ET

import pytest

from benchmarks.docs import BEGIN, END, MarkersMissingError, with_figures, write_docs
from benchmarks.figures import Metric, Result, Row, document, ratios, results_of, transposed
from benchmarks.report import markdown, terminal

METRICS = (Metric("cpu", "CPU µs per call"), Metric("ratio", "ratio", 2))
BASE = Row("echo", "bare passthrough", {"cpu": (50.0, 60.0, 52.0), "ratio": (1.0, 1.0, 1.0)})
OURS = Row("echo", "vmcp, anonymous", {"cpu": (100.0, 126.0, 104.0), "ratio": (2.0, 2.1, 2.0)})
GONE = Row("echo", "FastMCP proxy", note="it ended before it was ready")
ECHO = Result("echo", "Small tools/call", "at most 110", METRICS, (BASE, OURS, GONE))
GROWTH = Result(
    "growth",
    "Growth",
    "flat",
    METRICS,
    tuple(Row(f"{count} sessions", "vmcp", {"cpu": (100.0 + count,)}) for count in (1, 100, 10_000)),
)
ABOUT = {
    "cpus": 2,
    "cpu": "a CPU",
    "system": "Linux",
    "python": "3.11",
    "load": [0.1, 0.2, 0.3],
    "turns": 3,
    "seconds": 1.0,
    "time": "2026-01-01T00:00:00+00:00",
    "contenders": {"vmcp": "0.1.0"},
    "absent": {"agentgateway (Rust)": "not installed: name the binary with --agentgateway"},
}


def test_ratios_are_taken_turn_by_turn():
    assert ratios((100.0, 300.0), (50.0, 100.0)) == (2.0, 3.0)
    assert ratios((100.0, 300.0), (0.0, 100.0)) == (3.0,)
    assert ratios((100.0,), ()) == ()


def test_turns_become_values_by_metric():
    assert transposed([{"cpu": 1.0, "p50": 2.0}, {"cpu": 3.0}]) == {"cpu": (1.0, 3.0), "p50": (2.0,)}


def test_a_table_shows_medians_and_why_somebody_failed():
    shown = terminal(ECHO)
    assert "104" in shown
    assert "! FastMCP proxy (echo): it ended before it was ready" in shown
    assert "| echo | vmcp, anonymous | 104 | 2.00 |" in markdown(ECHO)
    assert "| echo | FastMCP proxy | - | - |" in markdown(ECHO)


def test_the_target_of_a_run_is_shown_to_whoever_runs_it_and_not_kept_on_the_page():
    assert ECHO.target in terminal(ECHO)
    assert ECHO.target not in markdown(ECHO)


def test_results_survive_their_file():
    assert results_of(json.loads(json.dumps(document((ECHO, GROWTH), ABOUT)))) == (ECHO, GROWTH)


def test_figures_go_between_the_markers_and_nowhere_else(tmp_path):
    (tmp_path / "performance.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        written = write_docs((ECHO, GROWTH), ABOUT, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert page.count("### Small tools/call") == 1
    assert "agentgateway (Rust): not installed" in page
    assert {path.name for path in written} == {"performance.md", "echo-cpu.svg", "growth-sessions.svg"}


def test_charts_are_well_formed_and_show_every_contender_that_was_measured(tmp_path):
    (tmp_path / "performance.md").write_text(f"{BEGIN}{END}")
    write_docs((ECHO, GROWTH), ABOUT, tmp_path)
    chart = (tmp_path / "figures" / "echo-cpu.svg").read_text()
    texts = [each.text for each in ET.fromstring(chart).iter() if each.text]
    assert {"bare passthrough", "vmcp, anonymous"} <= set(texts)
    assert any(each.startswith("run of 2026-01-01, Python 3.11; ") for each in texts)
    assert "FastMCP proxy" not in texts
    ET.parse(tmp_path / "figures" / "growth-sessions.svg")


def test_a_page_without_markers_is_left_alone():
    with pytest.raises(MarkersMissingError):
        with_figures("no place here", "figures")
