"""Who gets a tool's name that more than one backend claims."""

import pytest

from tests.proxy.core.builders import exposed, listing, merged, routes, settings
from vmcp_proxy.core.catalog.capabilities import Conflict, ConflictReason
from vmcp_proxy.protocol.kinds import Kind

AMBIGUOUS = ConflictReason.AMBIGUOUS
LOWER = ConflictReason.LOWER_PRIORITY
HIDDEN = ConflictReason.HIDDEN

ONE_AND_TWO = (listing("one", tools=["echo", "first"]), listing("two", tools=["echo", "second"]))


def test_prefixes_keep_equal_names_apart():
    catalog = merged(*ONE_AND_TWO)
    assert routes(catalog.tools) == {
        "one_echo": ("one", "echo"),
        "one_first": ("one", "first"),
        "two_echo": ("two", "echo"),
        "two_second": ("two", "second"),
    }
    assert catalog.find(Kind.TOOL, "echo") is None
    assert catalog.conflicts == ()


def test_the_prefix_format_is_the_settings():
    using = settings(conflictResolutionConfig={"prefixFormat": "v1.{workload}-"})
    assert exposed(merged(ONE_AND_TWO[0], using=using).tools) == ["v1.one-echo", "v1.one-first"]


@pytest.mark.parametrize(
    ("order", "winner", "loser"),
    [(["one", "two"], "one", "two"), (["two", "one"], "two", "one"), (["two"], "two", "one")],
)
def test_under_priority_the_first_in_order_wins_and_everything_is_bare(order, winner, loser):
    catalog = merged(*ONE_AND_TWO, using=settings("priority", order))
    assert routes(catalog.tools) == {
        "echo": (winner, "echo"),
        "first": ("one", "first"),
        "second": ("two", "second"),
    }
    assert catalog.conflicts == (Conflict(Kind.TOOL, "echo", winner, (loser,), LOWER),)


def test_under_priority_nobody_wins_among_backends_that_the_order_does_not_name():
    catalog = merged(*ONE_AND_TWO, listing("three", tools=["third"]), using=settings("priority", ["three"]))
    assert exposed(catalog.tools) == ["first", "second", "third"]
    assert catalog.conflicts == (Conflict(Kind.TOOL, "echo", None, ("one", "two"), AMBIGUOUS),)


def test_manual_withholds_only_what_is_left_in_conflict():
    catalog = merged(*ONE_AND_TWO, using=settings("manual"))
    assert exposed(catalog.tools) == ["first", "second"]
    assert catalog.conflicts == (Conflict(Kind.TOOL, "echo", None, ("one", "two"), AMBIGUOUS),)


def test_manual_serves_all_where_overrides_give_each_its_name():
    using = settings("manual", tools=[{"workload": "two", "overrides": {"echo": {"name": "echo_two"}}}])
    catalog = merged(*ONE_AND_TWO, using=using)
    assert routes(catalog.tools)["echo_two"] == ("two", "echo")
    assert len(catalog.tools) == 4
    assert catalog.conflicts == ()


def test_overrides_come_before_the_prefix():
    using = settings(tools=[{"workload": "one", "overrides": {"echo": {"name": "shout", "description": "Loud."}}}])
    catalog = merged(ONE_AND_TWO[0], using=using)
    tool = catalog.find(Kind.TOOL, "one_shout")
    assert tool is not None
    assert tool.original == "echo"
    assert tool.raw == b'{"name":"one_shout","inputSchema":{"type": "object"},"description":"Loud."}'
    assert catalog.find(Kind.TOOL, "one_echo") is None


def test_two_tools_of_one_backend_with_one_name_are_withheld_even_from_the_first_in_order():
    using = settings("priority", ["one", "two"], tools=[{"workload": "one", "overrides": {"first": {"name": "echo"}}}])
    catalog = merged(*ONE_AND_TWO, using=using)
    assert exposed(catalog.tools) == ["second"]
    assert catalog.conflicts == (Conflict(Kind.TOOL, "echo", None, ("one", "two"), AMBIGUOUS),)


@pytest.mark.parametrize("strategy", ["prefix", "manual"])
def test_a_composed_name_that_two_backends_arrive_at_is_withheld_from_both(strategy):
    using = settings(
        strategy,
        tools=[
            {"workload": "a", "overrides": {"x": {"name": "b_c" if strategy == "prefix" else "a_b_c"}}},
            {"workload": "a_b", "overrides": {"y": {"name": "c" if strategy == "prefix" else "a_b_c"}}},
        ],
    )
    catalog = merged(listing("a", tools=["x"]), listing("a_b", tools=["y"]), using=using)
    assert catalog.tools == catalog.hidden == ()
    assert catalog.conflicts == (Conflict(Kind.TOOL, "a_b_c", None, ("a", "a_b"), AMBIGUOUS),)


def test_a_backend_that_lists_the_shortened_name_of_another_takes_it_away_from_nobody_but_both():
    victim = listing("victim", tools=["n" * 80])
    shortened = merged(victim, using=settings("manual")).tools[0].exposed
    thief = listing("thief", tools=[shortened])
    catalog = merged(victim, thief, using=settings("manual"))
    assert catalog.tools == ()
    assert catalog.conflicts == (Conflict(Kind.TOOL, shortened, None, ("thief", "victim"), AMBIGUOUS),)


@pytest.mark.parametrize(
    ("strategy", "order", "served"), [("manual", [], 0), ("priority", ["two"], 1), ("prefix", [], 2)]
)
def test_a_name_that_has_to_be_shortened_is_contested_as_it_was_wanted(strategy, order, served):
    name = "n" * 80
    catalog = merged(listing("one", tools=[name]), listing("two", tools=[name]), using=settings(strategy, order))
    assert len(catalog.tools) == served
    assert all(len(tool.exposed) == 64 for tool in catalog.tools)
    assert [conflict.name for conflict in catalog.conflicts] == [name] * (served < 2)


def test_the_limit_of_names_is_the_settings():
    catalog = merged(listing("one", tools=["n" * 80]), using=settings(toolNameLimit=20))
    (tool,) = catalog.tools
    assert len(tool.exposed) == 20
    assert tool.exposed.startswith("one_nnnnnnn_")


def test_what_a_filter_hides_keeps_its_claim_to_a_name():
    using = settings("priority", ["one", "two"], tools=[{"workload": "one", "excludeAll": True}])
    catalog = merged(*ONE_AND_TWO, using=using)
    assert routes(catalog.tools) == {"second": ("two", "second")}
    assert routes(catalog.hidden) == {"echo": ("one", "echo"), "first": ("one", "first")}
    assert catalog.conflicts == (Conflict(Kind.TOOL, "echo", None, ("one", "two"), HIDDEN),)


@pytest.mark.parametrize("name", ["echo", "n" * 80])
def test_a_conflict_names_as_its_winner_only_who_serves_the_name(name):
    both = (listing("one", tools=[name, "x"]), listing("two", tools=[name]))
    catalog = merged(*both, using=settings("priority", ["one"], tools=[{"workload": "one", "filter": [name]}]))
    assert catalog.conflicts == (Conflict(Kind.TOOL, name, "one", ("two",), LOWER),)
    catalog = merged(*both, using=settings("priority", ["one"], tools=[{"workload": "one", "filter": ["x"]}]))
    assert catalog.conflicts == (Conflict(Kind.TOOL, name, None, ("one", "two"), HIDDEN),)


def test_who_wins_a_name_and_loses_what_it_is_shortened_to_serves_neither():
    long = "n" * 80
    (shortened,) = exposed(merged(listing("one", tools=[long]), using=settings("manual")).tools)
    catalog = merged(
        listing("one", tools=[long, shortened]), listing("two", tools=[long]), using=settings("priority", ["one"])
    )
    assert catalog.tools == ()
    assert [(each.name, each.winner) for each in catalog.conflicts] == [(long, None), (shortened, None)]
