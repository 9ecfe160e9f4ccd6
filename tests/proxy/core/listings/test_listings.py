"""What is kept of listings when there are too many."""

import asyncio
import dataclasses

import pytest

from tests.proxy.core.builders import FakeMember
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Descriptor, Listing
from vmcp_proxy.core.listings import cache as listings
from vmcp_proxy.core.listings.cache import SHARED, Listings
from vmcp_proxy.core.listings.scopes import Scope
from vmcp_proxy.core.members.circuit import Circuit
from vmcp_proxy.core.members.health import HealthTracker
from vmcp_proxy.protocol.kinds import Kind

MINE = Scope(snapshot="mine")


def a_member(name):
    return FakeMember(name=name, health=HealthTracker(3), circuit=Circuit(), attention=asyncio.Event())


async def test_what_clients_send_never_pushes_out_what_the_proxy_itself_sees(monkeypatch):
    monkeypatch.setattr(listings, "_MAX_ENTRIES", 3)
    kept = Listings(None, lambda: None)
    one, two = a_member("one"), a_member("two")
    shared = kept.entry(one, SHARED), kept.entry(two, SHARED)
    first = kept.entry(one, Scope(snapshot="0"))
    for number in range(1, 10):
        kept.entry(one, Scope(snapshot=str(number)))
    assert (kept.entry(one, SHARED), kept.entry(two, SHARED)) == shared
    assert kept.entry(one, Scope(snapshot="0")) is not first


def listing(name="echo", size=2):
    return Listing("one", tools=(Descriptor(Kind.TOOL, name, b" " * size),))


def tell(kept, member, scope, told):
    kept._succeeded(kept.entry(member, scope), member.circuit.admit(0.0), told, 0.0)


@pytest.mark.parametrize("scopes", [(SHARED, MINE), (MINE, Scope(snapshot="yours"))])
async def test_callers_that_see_the_same_share_one_copy(scopes):
    kept = Listings(None, lambda: None)
    one = a_member("one")
    for scope in scopes:
        tell(kept, one, scope, listing())
    first, second = (kept.entry(one, scope) for scope in scopes)
    assert first.listing is second.listing


async def test_what_clients_are_told_is_bounded_in_bytes_and_the_latest_stays():
    budget = CatalogBudget(100_000)
    kept = Listings(None, lambda: None, budget)
    one = a_member("one")
    tell(kept, one, SHARED, listing("own", 200_000))

    def told() -> list[Listing]:
        return [entry.listing for entry in kept._entries.values() if not entry.is_shared and entry.listing]

    for number in range(200):
        tell(kept, one, Scope(snapshot=f"same {number}"), listing("same", 1000))
        tell(kept, one, Scope(snapshot=f"other {number}"), listing(f"other {number}", 1000))
        assert sum({each.digest: len(each.tools[0].raw) for each in told()}.values()) <= budget.used <= 100_000
        assert kept.entry(one, Scope(snapshot=f"other {number}")).listing is not None
    assert len(told()) > 200, "those of equal content cost nothing and stay"
    assert kept.entry(one, SHARED).listing is not None
    tell(kept, one, MINE, listing("huge", 300_000))
    assert kept.entry(one, MINE).is_dropped
    assert kept.entry(one, Scope(snapshot="other 199")).listing is not None, "nothing gives way to it"


async def test_what_has_given_way_is_asked_for_again_and_is_no_change():
    changes = []
    kept = Listings(None, lambda: changes.append(True), CatalogBudget(5_000))
    one, others = a_member("one"), [Scope(snapshot=str(number)) for number in range(5)]
    tell(kept, one, MINE, listing(size=1000))
    mine = kept.entry(one, MINE)
    for number, scope in enumerate(others):
        tell(kept, one, scope, listing(f"other {number}", 1000))
    assert (mine.listing, mine.is_silent, kept.needs_fetch(mine)) == (None, True, True)
    changes.clear()
    tell(kept, one, MINE, listing(size=1000))
    assert (mine.listing.tools[0].name, changes) == ("echo", [])
    tell(kept, one, MINE, listing("another", 1000))
    assert changes == [True]


async def test_a_listing_that_comes_back_after_a_client_has_been_served_without_it_is_a_change():
    changes = []
    kept = Listings(None, lambda: changes.append(True), CatalogBudget(10))
    tell(kept, one := a_member("one"), MINE, listing())
    changes.clear()
    kept.entry(one, MINE).note_absence()
    tell(kept, one, MINE, listing())
    assert changes == [True]


OTHERS = [
    Scope(),
    Scope(audience="a"),
    Scope("a", "k"),
    Scope("a", "k", "bob"),
    Scope("a", "", "ada"),
    Scope("", "k", "ada"),
]


@pytest.mark.parametrize("other", OTHERS)
async def test_what_one_identity_was_told_nobody_else_is_shown(other):
    kept = Listings(None, lambda: None)
    one = a_member("one")
    hers = Scope("a", "k", "ada")
    tell(kept, one, hers, listing("of ada"))
    entry = kept.entry(one, other)
    assert entry is not kept.entry(one, hers)
    if other.for_any_audience == hers.for_any_audience:
        assert kept.shown(entry) is kept.entry(one, hers).listing
    else:
        assert kept.shown(entry) is None
        assert kept.known(entry) is None


async def test_what_was_told_to_the_same_identity_stands_in_whatever_its_client_can_do():
    kept = Listings(None, lambda: None)
    one = a_member("one")
    tell(kept, one, Scope("a", "k", "ada"), listing("of ada"))
    assert kept.shown(kept.entry(one, Scope("b", "k", "ada"))).tools[0].name == "of ada"


async def test_who_comes_with_ever_new_headers_leaves_no_more_behind_than_the_entries_that_are_known(monkeypatch):
    monkeypatch.setattr(listings, "_MAX_ENTRIES", 3)
    kept = Listings(None, lambda: None)
    one = a_member("one")
    for number in range(20):
        tell(kept, one, Scope("a", f"{number}"), listing("all see the same"))
        tell(kept, one, Scope("b", f"{number}"), listing("all see the same"))
    assert len(kept._entries) == 3
    assert len(kept._told) <= 3


async def test_of_a_member_that_is_gone_nothing_stays_although_another_has_the_same_lists():
    kept = Listings(None, lambda: None)
    former, present = a_member("one"), a_member("one")
    for member in (former, present):
        tell(kept, member, SHARED, listing())
        tell(kept, member, MINE, listing())
    kept.forget({present})
    assert {member for member, _ in kept._told} == {present}


async def test_a_change_that_one_identity_hears_of_is_a_change_for_that_identity_alone():
    kept = Listings(None, lambda: None)
    one = a_member("one")
    scopes = [Scope("a", "", "ada"), Scope("a", "", "bob"), Scope("a"), SHARED]
    for scope in scopes:
        tell(kept, one, scope, listing())
        kept.entry(one, scope).is_stale = False
    kept.invalidate(one, scopes[0])
    assert [kept.entry(one, scope).is_stale for scope in scopes] == [True, False, False, False]
    kept.invalidate(one, SHARED)
    assert [kept.entry(one, scope).is_stale for scope in scopes] == [True, False, True, True]


def cut_off(tools=0, prompts=0, size=2):
    """A listing whose tools got no answer, or none to the end."""
    entries = [
        tuple(Descriptor(kind, f"{kind}{number}", b" " * size) for number in range(count))
        for kind, count in ((Kind.TOOL, tools), (Kind.PROMPT, prompts))
    ]
    return Listing("one", tools=entries[0], prompts=entries[1], passing=frozenset({Kind.TOOL}))


def whole(tools=2, prompts=2, size=2):
    return dataclasses.replace(cut_off(tools, prompts, size), passing=frozenset())


def counted(entry):
    return len(entry.listing.tools), len(entry.listing.prompts)


@pytest.mark.parametrize("scope", [SHARED, MINE])
async def test_a_list_that_got_no_answer_leaves_its_former_entries_and_one_that_was_answered_takes_them(scope):
    kept = Listings(None, lambda: None)
    one = a_member("one")
    mine = kept.entry(one, scope)
    for told, expected in (
        (whole(2, 2), (2, 2)),
        (cut_off(0, 1), (2, 1)),
        (cut_off(1, 3), (2, 3)),
        (cut_off(3, 0), (3, 0)),
        (whole(1, 0), (1, 0)),
        (whole(0, 0), (0, 0)),
    ):
        tell(kept, one, scope, told)
        assert counted(mine) == expected


async def test_what_is_used_on_beside_what_is_new_is_no_more_than_one_reading_may_be():
    kept = Listings(None, lambda: None)
    kept.most_bytes = 5_000
    one = a_member("one")
    mine = kept.entry(one, MINE)
    tell(kept, one, MINE, whole(2, 1, 1_000))
    tell(kept, one, MINE, cut_off(0, 3, 1_000))
    assert counted(mine) == (2, 3)
    tell(kept, one, MINE, cut_off(0, 4, 1_000))
    assert counted(mine) == (0, 4)


@pytest.mark.parametrize(("category", "expected"), [(Category.AUTH, (0, 1)), (Category.TIMEOUT, (2, 1))])
async def test_what_was_withdrawn_with_the_callers_credentials_does_not_come_back_with_a_part_of_the_lists(
    category, expected
):
    kept = Listings(None, lambda: None)
    one = a_member("one")
    mine = kept.entry(one, MINE)
    tell(kept, one, MINE, whole(2, 2))
    kept.refused(mine, BackendError("one", category), 0.0)
    tell(kept, one, MINE, cut_off(0, 1))
    assert counted(mine) == expected


@pytest.mark.scenario("A-10")
@pytest.mark.parametrize("scope", [SHARED, MINE])
async def test_a_reading_from_before_the_backend_came_back_is_begun_anew_and_whoever_waited_gets_the_new_one(scope):
    answered = asyncio.Event()

    async def lost():
        await asyncio.Event().wait()

    async def told():
        await answered.wait()
        return listing()

    async with asyncio.TaskGroup() as tasks:
        kept = Listings(tasks, lambda: None)
        one = a_member("one")
        entry = kept.entry(one, scope)
        waiting = tasks.create_task(kept.refresh(entry, lost))
        await asyncio.sleep(0)
        entry.is_overdue = True
        assert not kept.needs_fetch(entry)
        one.health.given_up()
        assert not kept.needs_fetch(entry)
        one.health.succeeded()
        assert kept.needs_fetch(entry)
        again = tasks.create_task(kept.refresh(entry, told))
        third = tasks.create_task(kept.refresh(entry, lost))
        await asyncio.sleep(0)
        assert kept.needs_fetch(entry), "nobody has given up on the new one"
        answered.set()
    assert waiting.result() is again.result() is third.result() is entry.listing


async def test_of_callers_who_do_not_come_any_more_nothing_is_left_but_what_is_being_asked():
    budget, hold = CatalogBudget(), asyncio.Event()
    one = a_member("one")

    async def fetch():
        await hold.wait()
        return listing("late")

    async with asyncio.TaskGroup() as tasks:
        kept = Listings(tasks, lambda: None, budget)
        tell(kept, one, SHARED, listing("own"))
        for name in ("gone", "mine"):
            tell(kept, one, Scope(snapshot=name), listing("same"))
        asked = kept.entry(one, Scope(snapshot="asking"))
        waiting = asyncio.create_task(kept.refresh(asked, fetch))
        await asyncio.sleep(0)
        kept.drop_unused()
        mine = kept.entry(one, MINE)
        kept.drop_unused()
        assert set(kept._entries) == {("one", SHARED), ("one", MINE), ("one", asked.scope)}
        assert (kept.entry(one, MINE), mine.listing.tools[0].name) == (mine, "same"), "others had the same"
        hold.set()
        assert (await waiting).tools[0].name == "late"
