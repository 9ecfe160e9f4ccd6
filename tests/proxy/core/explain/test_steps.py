"""What single steps of an explanation say, where a whole proxy would be long in the making."""

import pytest

from tests.proxy.core.builders import listing, settings
from vmcp_api.pod_status import Health
from vmcp_proxy.core.catalog.capabilities import Outcome
from vmcp_proxy.core.catalog.selection import select_entries
from vmcp_proxy.core.catalog.trace import Traced, trace_entries
from vmcp_proxy.core.explain.explanation import Verdict
from vmcp_proxy.core.explain.steps import BackendState, backend_step, conflict_step, unlisted_step
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-7")


def traced(*listings, kind=Kind.TOOL, name, **using) -> tuple[Traced, ...]:
    return trace_entries(select_entries(listings, settings(**using), None), kind, {name})


def test_a_backend_that_tells_callers_apart_says_that_its_lists_may_be_others_for_them():
    known = BackendState("b", Health.HEALTHY, is_personal=True)
    assert "so that a caller may see others" in backend_step(known, is_away=False).reason
    refused = BackendState("b", Health.UNAUTHENTICATED, outcome=Outcome("auth", "it refuses"), is_personal=True)
    step = unlisted_step(refused)
    assert (step.verdict, step.change) == (Verdict.STOP, "list with the caller's token")
    assert step.reason.endswith("to the proxy: it refuses")


def test_a_list_that_could_not_be_read_to_its_end_is_no_stop_for_what_came_before_it():
    state = BackendState("b", Health.HEALTHY, outcome=Outcome("incomplete", "tools/list: too many pages"))
    step = backend_step(state, is_away=False)
    assert (step.verdict, "too many pages" in step.reason) == (Verdict.PASS, True)


def test_a_name_that_had_to_be_made_to_fit_is_told_with_the_limit():
    (entry,) = traced(listing("b", tools=["a" * 80]), name="a" * 80)
    step = conflict_step(entry, settings())
    assert step.reason.endswith("with its prefix, made to fit 64 characters of A-Z a-z 0-9 _ . -")


def test_an_override_is_told_as_one():
    tools = [{"workload": "b", "overrides": {"old": {"name": "new"}}}]
    (entry,) = traced(listing("b", tools=["old"]), name="new", tools=tools)
    assert conflict_step(entry, settings(tools=tools)).reason == "'b_new' is 'old' of backend 'b', renamed"


def test_a_uri_goes_to_the_first_backend_by_name_and_the_next_one_hears_so():
    resources = (listing("a", resources=["x://1"]), listing("b", resources=["x://1"]))
    first, second = traced(*resources, kind=Kind.RESOURCE, name="x://1")
    assert (first.is_kept, second.is_kept) == (True, False)
    assert "backend 'a' comes first by name and has it" in conflict_step(second, settings()).reason
    assert "URIs are never rewritten" in conflict_step(second, settings()).change


def test_two_tools_of_one_backend_that_are_given_one_name_are_both_told_so():
    tools = [{"workload": "b", "overrides": {"x": {"name": "z"}, "y": {"name": "z"}}}]
    found = traced(listing("b", tools=["x", "y"]), name="b_z", tools=tools)
    assert [each.is_kept for each in found] == [False, False]
    for each in found:
        assert "another entry of backend 'b' claims it too" in conflict_step(each, settings(tools=tools)).reason
