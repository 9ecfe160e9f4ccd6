"""The schedule, the look at the log and the bounds on growth."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soak.census import Census, gauge, growth
from benchmarks.soak.logscan import LogScan
from benchmarks.soak.plan import CALM_SECONDS, REDIS, Fault, plan

BACKENDS = (("one", tuple(Fault)), ("prog", (Fault.DIE,)))
AT_REST = Census(rss=80.0, descriptors=30, threads=3, sessions=0, snapshots=0, tasks=20)


@given(st.integers(0, 1 << 32), st.floats(30, 3600))
def test_a_schedule_follows_from_its_seed_and_leaves_calm_at_both_ends(seed, seconds):
    outages = plan(seed, seconds, BACKENDS)
    assert outages == plan(seed, seconds, BACKENDS)
    assert sum(each.name == REDIS for each in outages) == 2
    for name, faults in BACKENDS:
        own = [each for each in outages if each.name == name]
        assert {each.fault for each in own} <= set(faults)
        assert all(CALM_SECONDS <= each.begins <= each.ends <= seconds - CALM_SECONDS for each in own)
        assert all(first.ends < second.begins for first, second in itertools.pairwise(own))


def test_other_seeds_break_other_things():
    assert plan(1, 600, BACKENDS) != plan(2, 600, BACKENDS)


def test_every_fault_of_a_backend_comes_round():
    assert {each.fault for each in plan(3, 600, BACKENDS) if each.name == "one"} == set(Fault)


def test_the_log_may_hold_no_error_no_traceback_and_no_canary(tmp_path):
    log = tmp_path / "proxy.log"
    scan = LogScan(log, "beef")
    assert scan.findings() == []
    log.write_text('{"level":"warning","event":"backend is unhealthy"}\n')
    assert scan.findings() == []
    with log.open("a") as file:
        file.write('{"level":"error","event":"view failed"}\nTraceback (most recent\nseen: cnrybeefh7q\nhalf a li')
    found = scan.findings()
    assert len(found) == 3
    assert not any("cnrybeef" in each for each in found)
    with log.open("a") as file:
        file.write("ne of cnrybeefa1q\n")
    assert len(scan.findings()) == 1


def test_growth_is_told_of_what_is_held_at_rest():
    assert growth(AT_REST, AT_REST) == []
    for grown in (
        replace(AT_REST, sessions=1),
        replace(AT_REST, snapshots=1),
        replace(AT_REST, rss=200.0),
        replace(AT_REST, descriptors=80),
        replace(AT_REST, tasks=60),
    ):
        assert len(growth(AT_REST, grown)) == 1


def test_a_gauge_is_read_from_the_exposition_text():
    assert gauge("# HELP vmcp_sessions x\nvmcp_sessions 12.0\n", "vmcp_sessions") == 12
