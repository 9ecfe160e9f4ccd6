"""What the catalog of many backends holds besides tools, and that it depends on nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.core.builders import descriptor, exposed, listing, merged, routes, settings
from vmcp_proxy.core.catalog.capabilities import Conflict, ConflictReason, Dropped, Incomplete, Listing, Outcome
from vmcp_proxy.core.catalog.merge import merge
from vmcp_proxy.protocol.kinds import Kind

BACKENDS = ("a", "b", "a_b", "c")
NAMES = st.sampled_from(["x", "y", "b_x", "x y", "n" * 70, "a_b_x"])


@st.composite
def listings(draw):
    return [
        Listing(
            backend,
            **{
                field: tuple(descriptor(kind, prefix + name) for name in draw(st.lists(NAMES, unique=True, max_size=4)))
                for field, kind, prefix in (
                    ("tools", Kind.TOOL, ""),
                    ("resources", Kind.RESOURCE, "x://"),
                    ("templates", Kind.TEMPLATE, "t://{v}/"),
                    ("prompts", Kind.PROMPT, ""),
                )
            },
        )
        for backend in draw(st.lists(st.sampled_from(BACKENDS), unique=True))
    ]


@st.composite
def aggregations(draw):
    entry = st.fixed_dictionaries(
        {"workload": st.sampled_from(BACKENDS)},
        optional={
            "filter": st.lists(NAMES, max_size=3),
            "overrides": st.dictionaries(NAMES, st.sampled_from([{"name": "x"}, {"name": "z"}, {"description": "d"}])),
            "excludeAll": st.booleans(),
        },
    )
    return settings(
        draw(st.sampled_from(["prefix", "priority", "manual"])),
        draw(st.lists(st.sampled_from(BACKENDS), unique=True)),
        tools=draw(st.lists(entry, max_size=3, unique_by=lambda each: each["workload"])),
        defaultToolVisibility=draw(st.sampled_from(["allow", "deny"])),
    )


def content(catalog):
    return (
        catalog.version,
        [catalog.of(kind) for kind in Kind],
        catalog.hidden,
        catalog.conflicts,
        catalog.unmatched,
        catalog.dropped,
    )


@given(listings(), aggregations(), st.randoms(use_true_random=False))
def test_the_order_in_which_backends_answered_changes_nothing(given_listings, using, random):
    shuffled = list(given_listings)
    random.shuffle(shuffled)
    assert content(merge(shuffled, using, {})) == content(merge(given_listings, using, {}))


@given(listings(), aggregations())
def test_every_entry_is_served_once_or_hidden_or_reported(given_listings, using):
    catalog = merge(given_listings, using, {})
    for kind in Kind:
        placed = catalog.of(kind) + (catalog.hidden if kind is Kind.TOOL else ())
        assert len({each.exposed for each in placed}) == len(placed)
        assert exposed(catalog.of(kind)) == sorted(exposed(catalog.of(kind)))
        owned = {(each.backend, each.original) for each in placed}
        assert len(owned) == len(placed)
        losers = {backend for conflict in catalog.conflicts if conflict.kind is kind for backend in conflict.losers}
        for each in given_listings:
            if any((each.backend, entry.name) not in owned for entry in each.of(kind)):
                assert each.backend in losers
        member = {"resource": "uri", "template": "uriTemplate"}.get(kind, "name")
        assert all(json.loads(each.raw)[member] == each.exposed for each in placed)


def test_a_descriptor_that_needs_no_change_is_the_very_same_bytes():
    one = listing("one", tools=["t"], resources=["x://r"], templates=["x://{t}"], prompts=["p"])
    catalog = merged(one, using=settings("priority", ["one"]))
    for kind in Kind:
        assert catalog.of(kind)[0].raw is one.of(kind)[0].raw


@pytest.mark.parametrize(
    ("strategy", "order", "expected"),
    [
        ("prefix", [], {"one_p": ("one", "p"), "two_p": ("two", "p"), "two_q": ("two", "q")}),
        ("manual", [], {"one_p": ("one", "p"), "two_p": ("two", "p"), "two_q": ("two", "q")}),
        ("priority", [], {"one_p": ("one", "p"), "two_p": ("two", "p"), "two_q": ("two", "q")}),
        ("priority", ["two"], {"one_p": ("one", "p"), "p": ("two", "p"), "q": ("two", "q")}),
        ("priority", ["one", "two"], {"p": ("one", "p"), "q": ("two", "q")}),
    ],
)
def test_prompts_bear_a_prefix_but_under_priority_for_listed_backends(strategy, order, expected):
    catalog = merged(listing("one", prompts=["p"]), listing("two", prompts=["p", "q"]), using=settings(strategy, order))
    assert routes(catalog.prompts) == expected
    lost = [Conflict(Kind.PROMPT, "p", "one", ("two",), ConflictReason.LOWER_PRIORITY)] if len(order) == 2 else []
    assert list(catalog.conflicts) == lost


@pytest.mark.parametrize(
    ("strategy", "order", "first", "second"),
    [
        ("prefix", [], listing("a", prompts=["b_p"]), listing("a_b", prompts=["p"])),
        ("priority", ["listed"], listing("listed", prompts=["b_p"]), listing("b", prompts=["p"])),
    ],
)
def test_a_composed_prompt_name_claimed_twice_is_withheld_from_all(strategy, order, first, second):
    catalog = merged(first, second, using=settings(strategy, order))
    assert catalog.prompts == ()
    (conflict,) = catalog.conflicts
    assert (conflict.winner, conflict.losers) == (None, tuple(sorted((first.backend, second.backend))))
    assert conflict.reason is ConflictReason.AMBIGUOUS


@pytest.mark.parametrize("strategy", ["prefix", "priority", "manual"])
@pytest.mark.parametrize(("kind", "uri"), [(Kind.RESOURCE, "x://same"), (Kind.TEMPLATE, "x://{same}")])
def test_of_a_repeated_uri_the_first_backend_in_sorted_order_serves_it(strategy, kind, uri):
    field = "resources" if kind is Kind.RESOURCE else "templates"
    backends = [listing(name, **{field: [uri]}) for name in ("zeta", "beta", "Alpha2", "alpha10")]
    catalog = merged(*backends, using=settings(strategy, ["zeta"]))
    assert routes(catalog.of(kind)) == {uri: ("Alpha2", uri)}
    assert catalog.conflicts == (Conflict(kind, uri, "Alpha2", ("alpha10", "beta", "zeta"), ConflictReason.DUPLICATE),)


def test_what_was_dropped_on_the_way_is_in_the_catalogs_report():
    dropped = Dropped("one", Kind.TOOL, "#1", "it has no name")
    incomplete = Incomplete("one", Kind.PROMPT, "timed out")
    catalog = merged(Listing("one", dropped=(dropped,), incomplete=(incomplete,)))
    assert catalog.dropped == (dropped,)
    assert catalog.incomplete == (incomplete,)


def test_missing_backends_are_those_without_an_answer_or_with_half_of_one():
    half = Listing(
        "half", incomplete=(Incomplete("half", Kind.TOOL, "late"), Incomplete("half", Kind.PROMPT, "refused"))
    )
    catalog = merged(
        half, listing("fine"), half=Outcome(), fine=Outcome(), down=Outcome("unreachable", "no connection")
    )
    assert catalog.missing == {
        "down": Outcome("unreachable", "no connection"),
        "half": Outcome("incomplete", "tools/list: late; prompts/list: refused"),
    }
    assert catalog.outcomes["fine"] == Outcome()
