"""What becomes of names that clients could not bear."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_proxy.core.catalog.exposed_names import add_prefix, fit_name

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)
SHORT = st.text("ab_.- é", min_size=1, max_size=4)


def fitted(wanted: str, backend: str = "b", original: str = "", limit: int = 64) -> str:
    return fit_name(wanted, backend=backend, original=original or wanted, limit=limit)


@pytest.mark.parametrize(
    ("wanted", "limit", "name"),
    [
        ("search", 64, "search"),
        ("a.B-9_z", 64, "a.B-9_z"),
        ("n" * 64, 64, "n" * 64),
        # The tags are fixed here: they must be the same after every restart, on every machine.
        ("n" * 65, 64, "n" * 55 + "_57ndgtup"),
        ("n" * 17, 16, "n" * 7 + "_vx3hn5ot"),
        ("get thing", 64, "get_thing_dxcq5cud"),
        ("größe", 64, "gr__e_3o4cggf2"),
        ("a/b", 64, "a_b_j3oblhmh"),
    ],
)
def test_a_name_that_must_change_keeps_its_beginning_and_gets_a_tag(wanted, limit, name):
    assert fitted(wanted, limit=limit) == name


@given(NAMES, NAMES, st.integers(16, 128))
def test_every_exposed_name_fits_and_depends_on_nothing_but_its_input(wanted, backend, limit):
    name = fitted(wanted, backend, limit=limit)
    assert re.fullmatch(rf"[A-Za-z0-9_.-]{{1,{limit}}}", name)
    assert name == fitted(wanted, backend, limit=limit)


@given(NAMES)
def test_a_name_that_fits_is_left_alone(name):
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        assert fitted(name) == name
    else:
        assert fitted(name) != name


@given(st.lists(st.tuples(SHORT, SHORT), unique=True, min_size=2, max_size=20))
@example([("a", "bc"), ("ab", "c")])
@example([("a", "é"), ("a", "è")])
def test_names_that_had_to_change_never_collide(pairs):
    changed = [fit_name("x" * 80, backend=backend, original=original, limit=64) for backend, original in pairs]
    assert len(set(changed)) == len(pairs)


def test_the_prefix_format_may_put_text_on_both_sides_of_the_workload():
    assert add_prefix("{workload}_", "github", "issue") == "github_issue"
    assert add_prefix("x-{workload}.", "github", "issue") == "x-github.issue"
