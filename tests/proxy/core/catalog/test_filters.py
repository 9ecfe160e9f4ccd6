"""Which tools a backend's entry in the settings lets through."""

import pytest

from tests.proxy.core.builders import exposed, listing, merged, settings
from vmcp_proxy.core.catalog.capabilities import Incomplete, Listing, Outcome, Unmatched
from vmcp_proxy.protocol.kinds import Kind


@pytest.mark.parametrize(
    ("entries", "served", "unmatched"),
    [
        ([], ["a_x", "a_y", "a_z"], []),
        (["x"], ["a_x"], []),
        (["x", "z", "x"], ["a_x", "a_z"], []),
        (["nothing"], [], ["nothing"]),
        (["x", "X", "nothing"], ["a_x"], ["X", "nothing"]),
        (["a_y"], ["a_y"], []),
        (["b_y"], [], ["b_y"]),
    ],
)
def test_a_filter_serves_what_it_names_and_reports_what_it_does_not_find(entries, served, unmatched):
    using = settings(tools=[{"workload": "a", "filter": entries}])
    catalog = merged(listing("a", tools=["x", "y", "z"]), using=using)
    assert exposed(catalog.tools) == served
    assert catalog.unmatched == tuple(Unmatched("a", "filter", entry) for entry in unmatched)


@pytest.mark.parametrize(
    ("entries", "originals"),
    [
        (["old"], ["old"]),
        (["new"], ["old"]),
        (["a_new"], ["old"]),
        (["plain", "new"], ["old", "plain"]),
    ],
)
def test_a_filter_knows_a_renamed_tool_by_both_names(entries, originals):
    using = settings(tools=[{"workload": "a", "filter": entries, "overrides": {"old": {"name": "new"}}}])
    catalog = merged(listing("a", tools=["old", "plain"]), using=using)
    assert [tool.original for tool in catalog.tools] == originals
    assert catalog.unmatched == ()


def test_where_a_tool_has_the_name_a_filter_entry_means_this_tool_and_not_one_renamed_to_it():
    entry = {"workload": "a", "filter": ["x"], "overrides": {"x": {"name": "y"}, "z": {"name": "x"}}}
    catalog = merged(listing("a", tools=["x", "z"]), using=settings(tools=[entry]))
    assert [tool.original for tool in catalog.tools] == ["x"]
    assert exposed(catalog.tools) == ["a_y"]


@pytest.mark.parametrize(
    ("members", "served"),
    [
        ({}, ["a_x", "b_x"]),
        ({"excludeAllTools": True}, []),
        ({"excludeAllTools": True, "tools": [{"workload": "a", "filter": ["x"]}]}, []),
        ({"tools": [{"workload": "a", "excludeAll": True}]}, ["b_x"]),
        ({"tools": [{"workload": "a", "excludeAll": True, "filter": ["x"]}]}, ["b_x"]),
        ({"defaultToolVisibility": "deny"}, []),
        ({"defaultToolVisibility": "deny", "tools": [{"workload": "b"}]}, ["b_x"]),
        ({"defaultToolVisibility": "deny", "tools": [{"workload": "b", "filter": ["y"]}]}, []),
        ({"defaultToolVisibility": "deny", "tools": [{"workload": "b", "excludeAll": True}]}, []),
    ],
)
def test_what_is_not_served_is_hidden_and_still_there_for_composite_tools(members, served):
    catalog = merged(listing("a", tools=["x"]), listing("b", tools=["x"]), using=settings(**members))
    assert exposed(catalog.tools) == served
    assert exposed(catalog.hidden) == [name for name in ("a_x", "b_x") if name not in served]
    for tool in catalog.hidden:
        assert catalog.find(Kind.TOOL, tool.exposed) is None


def test_filters_are_for_tools_alone():
    both = listing("a", tools=["x"], prompts=["p"], resources=["x://r"], templates=["x://{t}"])
    catalog = merged(both, using=settings(excludeAllTools=True, tools=[{"workload": "a", "filter": ["p"]}]))
    assert exposed(catalog.prompts + catalog.resources + catalog.templates) == ["a_p", "x://r", "x://{t}"]


def test_an_override_and_a_workload_that_fit_nothing_are_reported():
    entries = [{"workload": "a", "overrides": {"gone": {"description": "d"}}}, {"workload": "typo", "filter": ["x"]}]
    catalog = merged(listing("a", tools=["x"]), using=settings(tools=entries))
    assert catalog.unmatched == (Unmatched("a", "overrides", "gone"), Unmatched("typo", "workload", "typo"))


def test_a_backend_that_did_not_answer_is_not_said_to_lack_tools():
    using = settings(
        tools=[
            {"workload": "down", "filter": ["x"]},
            {"workload": "half", "filter": ["x"]},
            {"workload": "fine", "filter": ["x"]},
        ]
    )
    half = Listing("half", incomplete=(Incomplete("half", Kind.TOOL, "timed out"),))
    catalog = merged(half, listing("fine"), using=using, down=Outcome("timeout"), half=Outcome(), fine=Outcome())
    assert catalog.unmatched == (Unmatched("fine", "filter", "x"),)
