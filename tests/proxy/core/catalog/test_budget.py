"""What is kept of the catalogs of single callers, and what gives way."""

import weakref

import pytest

from tests.proxy.search.layers import catalog_of
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Descriptor, Listing
from vmcp_proxy.protocol.kinds import Kind

ROOM = 100_000


def listing(name: str, size: int) -> Listing:
    return Listing(name, tools=(Descriptor(Kind.TOOL, name, b"x" * size),))


class Crowded:
    """A clock that is set by hand, and what was told by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[float] = []

    def budget(self, limit: int = ROOM) -> CatalogBudget:
        return CatalogBudget(limit, lambda _: self.told.append(self.now), lambda: self.now)


def test_those_used_longest_ago_give_way_and_nothing_else_holds_them():
    budget = CatalogBudget(ROOM)
    kept = {}
    for name in "abc":
        budget.keep(made := listing(name, 30_000))
        kept[name] = weakref.ref(made)
    budget.touch(kept["a"]())
    budget.keep(made := listing("d", 30_000))
    del made
    assert [name for name, each in kept.items() if each() is not None] == ["a", "c"]
    assert budget.used <= ROOM
    assert budget.dropped == 1


def test_what_nobody_has_used_since_the_last_look_goes_and_what_was_used_stays():
    budget = CatalogBudget(ROOM)
    budget.drop_unused()
    kept = {}
    for name in "abc":
        budget.keep(made := listing(name, 10_000))
        kept[name] = weakref.ref(made)
    del made
    budget.drop_unused()
    assert all(each() for each in kept.values()), "they were used since the look before"
    budget.touch(kept["a"]())
    budget.keep(kept["c"]())
    budget.drop_unused()
    assert [name for name, each in kept.items() if each() is not None] == ["a", "c"]
    budget.keep_only(Listing)
    budget.drop_unused()
    assert (budget.used, budget.dropped, len(budget._things)) == (0, 0, 0)


def test_looks_at_what_is_unused_go_on_when_everything_had_to_give_way_between_them():
    budget = CatalogBudget(ROOM)
    budget.keep(listing("a", 60_000))
    budget.drop_unused()
    budget.keep(listing("b", 60_000))
    budget.keep(listing("c", 60_000))
    budget.drop_unused()
    assert budget.used > 60_000
    budget.drop_unused()
    assert budget.used == 0


def test_what_is_in_use_lives_on_and_is_not_counted():
    budget = CatalogBudget(ROOM)
    budget.keep(used := listing("a", 60_000))
    budget.keep(listing("b", 60_000))
    assert used.tools
    assert budget.used < 70_000


def test_what_several_hold_counts_once_and_goes_with_the_last_of_them():
    budget = CatalogBudget(ROOM)
    source, first, second = listing("a", 50_000), catalog_of({"name": "a"}), catalog_of({"name": "b"})
    budget.keep(source)
    budget.keep(first, source)
    budget.keep(second, source)
    held = budget.used
    assert 50_000 < held < 65_000
    budget.forget(first)
    assert held - 10_000 < budget.used < held
    gone = weakref.ref(source)
    del source
    budget.forget(second)
    assert (budget.used, gone()) == (0, None)


def test_texts_that_are_the_same_object_count_once_and_equal_ones_as_often_as_there_are():
    text, budget = b"x" * 40_000, CatalogBudget(ROOM)
    for name in "abc":
        budget.keep(Listing(name, tools=(Descriptor(Kind.TOOL, name, text),)))
    assert 40_000 < budget.used < 50_000
    budget.keep(listing("d", 40_000))
    assert budget.used > 80_000


def test_what_is_larger_than_all_that_may_be_kept_takes_no_place():
    budget = CatalogBudget(ROOM)
    budget.keep(small := listing("a", 50_000))
    before = budget.used
    budget.keep(huge := listing("b", ROOM))
    assert (budget.used, budget.dropped) == (before, 1)
    seen = weakref.ref(huge)
    del huge
    assert seen() is None
    assert small.tools


def test_a_smaller_limit_holds_at_once():
    budget = CatalogBudget(ROOM)
    for name in "abc":
        budget.keep(listing(name, 30_000))
    budget.configure(40_000)
    assert 30_000 < budget.used <= 40_000
    budget.configure(0)
    assert budget.used == 0


def test_of_a_former_config_only_what_backends_have_said_stays():
    budget = CatalogBudget(ROOM)
    budget.keep(alone := listing("a", 1_000))
    budget.keep(made := catalog_of({"name": "b"}), source := listing("b", 1_000))
    budget.keep(catalog_of({"name": "c"}))
    refs = [weakref.ref(each) for each in (alone, source, made)]
    del alone, source, made
    budget.keep_only(Listing)
    assert [each() is not None for each in refs] == [True, True, False]
    expected = CatalogBudget(ROOM)
    expected.keep(listing("a", 1_000))
    expected.keep(listing("b", 1_000))
    assert budget.used == expected.used


@pytest.mark.parametrize("seed", range(20))
def test_the_count_is_that_of_what_is_held_whatever_is_kept_and_forgotten(seed):
    import random

    luck, budget = random.Random(seed), CatalogBudget(20_000)
    things = [listing(str(number), luck.randrange(6_000)) for number in range(12)]
    for _ in range(200):
        thing, *sources = luck.sample(things, luck.randrange(1, 4))
        luck.choice((budget.keep, lambda thing, *_: budget.touch(thing), lambda thing, *_: budget.forget(thing)))(
            thing, *sources
        )
        assert 0 <= budget.used <= 20_000
        held = {id(each): each for kept in budget._kept.values() for each in kept}
        assert budget.used == sum(each.weight + len(each.tools[0].raw) + 130 for each in held.values())


def test_that_there_is_no_room_is_told_once_a_minute_where_much_is_asked_for_again():
    crowded = Crowded()
    budget = crowded.budget()
    for _ in range(3):
        budget.wanted_again(listing("a", 20_000))
    assert len(crowded.told) == 1
    crowded.now = 59.0
    budget.wanted_again(listing("a", 90_000))
    assert len(crowded.told) == 1
    crowded.now = 60.0
    budget.wanted_again(listing("a", 20_000))
    assert len(crowded.told) == 1, "now and then costs nobody much"
    budget.wanted_again(listing("a", 20_000))
    assert crowded.told == [0.0, 60.0]
