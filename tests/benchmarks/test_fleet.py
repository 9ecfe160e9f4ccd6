"""A fleet on paper: the sums, and that the table of the docs is what they come to."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fleet.figures import CALLS, Command, PodFigures, RedisFigures, Request, Setting
from benchmarks.fleet.model import Load, fleet
from benchmarks.fleet.table import PAGES, replicas, requests, written

DOCS = Path(__file__).parents[2] / "docs"
FREE = Command(0, 0, 0)
EASY_POD = PodFigures(
    call=dict.fromkeys(Setting, 300e-6),
    open=0.0,
    process=100,
    bounds=400,
    session=10,
    stream=0,
    backend_session=3,
)
EASY_REDIS = RedisFigures(
    record_bytes=1000,
    tombstone_bytes=100,
    create=FREE,
    remember=FREE,
    touch=Command(10, 1000, 4),
    limit=Command(10, 200, 8),
    publish=FREE,
    end=FREE,
)
EASY = Load(6_000, 2_000, listening=0.0, lasts=600.0, lifetime=3600.0, at_most=1_000_000)


def easy(**changes):
    return fleet(replace(EASY, **changes), EASY_POD, EASY_REDIS)


def test_calls_make_as_many_pods_as_keep_each_below_its_share_of_a_core_and_one_more():
    need = easy()
    assert (need.pods, need.pods_for, need.cores) == (2, "calls", pytest.approx(0.6))
    assert easy(calls=2_001.0).pods == 3
    assert easy(calls=0.0).pods == 2


def test_sessions_make_more_pods_where_each_may_hold_so_many():
    need = easy(at_most=1000)
    assert (need.pods, need.pods_for) == (7, "sessions")
    assert easy(at_most=1000, pods_each=2).pods == 13


def test_a_pod_weighs_its_process_its_bounds_and_its_sessions_with_each_backend():
    assert easy(backends=1).pod_memory == 500 + 6_000 * 10
    assert easy(backends=3, at_most=1000).pod_memory == 500 + 1_000 * 16


def test_a_session_is_written_once_a_minute_on_each_pod_that_uses_it():
    need = easy()
    others = 6_000 / 600 * (1 + 2 + 1) + 2 * 2_000 * EASY.between
    assert need.redis_commands == pytest.approx(100 + others)
    assert (need.redis_cpu, need.redis_in) == (pytest.approx(100 * 10e-6), pytest.approx(100 * 1000))
    assert easy(pods_each=3).redis_commands == pytest.approx(300 + others)


def test_sessions_that_have_ended_stay_in_redis_until_they_could_not_have_lived_longer():
    need = easy()
    assert need.redis_records == 6_000 * 1000
    assert need.redis_memory == need.redis_records + 10 * 3600 * 100


def test_limited_calls_ask_redis_once_each_and_the_others_never():
    assert easy(is_limited=True).redis_commands - easy().redis_commands == 2_000
    assert (easy().limits_cpu, easy(is_limited=True).limits_cpu) == (0, pytest.approx(0.02))


def test_what_is_too_much_for_one_redis_is_said():
    assert (easy().redises, easy().limit) == (1, "one Redis does it")
    many = easy(sessions=6_000_000)
    assert (many.redises, many.limit) == (2, "a Cluster, or a Redis for each endpoint")
    limited = easy(calls=100_000.0, is_limited=True)
    assert limited.redises == 3
    assert "several endpoints" in limited.limit


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_show_what_the_figures_come_to(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert written(page, text) == text, "run: python -m benchmarks.fleet --write-docs"


def test_a_pod_does_as_many_calls_as_its_figures_say_with_no_more_digits_than_were_measured():
    assert requests([Request("a call", 316, "a page")]).splitlines()[-1] == "| a call | 316 | 3 200 | 1 900 | a page |"


def test_the_pods_for_a_rate_are_those_of_the_formula():
    (row,) = replicas([100_000]).splitlines()[2:]
    formula = [math.ceil(100_000 * CALLS[setting].cpu_us / 1e6 / 0.6) + 1 for setting in Setting]
    assert row == f"| 100 000 | {' | '.join(map(str, formula))} |"
