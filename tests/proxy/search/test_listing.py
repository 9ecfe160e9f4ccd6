"""What is listed in place of many tools, and what a search may find of them."""

import gc
import json
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.search.layers import ALICE, BOB, Server, World, catalog_of
from vmcp_api.spec.optimizer import Optimizer
from vmcp_proxy.core.outcomes import PartialFailure
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.search.lists.kept import KeptServed
from vmcp_proxy.search.lists.listing import serve
from vmcp_proxy.search.lists.own_tools import find_tool
from vmcp_proxy.search.lists.visibility import is_for_models

APP = {"_meta": {"ui": {"visibility": ["app"]}}}
THREE = ({"name": "a"}, {"name": "b"}, {"name": "c"})


def optimizer(**settings) -> Optimizer:
    return Optimizer.model_validate({"threshold": 3, **settings}, by_alias=True, by_name=False)


@pytest.mark.scenario("T-1")
async def test_below_the_threshold_a_caller_gets_the_very_catalog_and_from_there_on_two_tools():
    few, many = catalog_of(*THREE[:2]), catalog_of(*THREE)
    world = World(Server(few, own={BOB: many}))
    assert await world.layer.list(world.caller(ALICE), Kind.TOOL) is few
    assert await world.layer.view(world.caller(ALICE)) is few
    assert await world.names(BOB) == ["call_tool", "find_tool"]


@pytest.mark.scenario("T-1")
async def test_the_list_is_made_once_for_all_who_see_the_same_and_no_search_changes_it():
    world = World(Server(catalog_of(*THREE), own={BOB: catalog_of(*THREE)}))
    before = await world.layer.list(world.caller(), Kind.TOOL)
    await world.find("a")
    assert await world.layer.list(world.caller(), Kind.TOOL) is before
    assert await world.layer.list(world.caller(BOB), Kind.TOOL) is before


def test_what_becomes_of_a_catalog_is_kept_as_long_as_someone_who_sees_the_same():
    kept = KeptServed(lambda catalog: serve(catalog, optimizer()))
    one, two = catalog_of(*THREE), catalog_of(*THREE)
    served = weakref.ref(kept.of(one))
    assert kept.of(two) is kept.of(one)
    del one
    gc.collect()
    assert kept.of(two) is served()
    # Also where the catalog is served as it is.
    few = catalog_of(*THREE[:2])
    assert kept.of(few).listed is None
    assert len(kept) == 2
    del two, few
    gc.collect()
    assert len(kept) == 0
    assert served() is None


async def test_what_stays_visible_stays_listed_where_the_caller_sees_it():
    always = ["shop_b", "shop_gone", "find_tool"]
    server = Server(catalog_of(*THREE), own={BOB: catalog_of({"name": "x"}, *THREE[2:], {"name": "y"})})
    world = World(server, alwaysVisible=always)
    assert await world.names(ALICE) == ["call_tool", "find_tool", "shop_b"]
    assert await world.names(BOB) == ["call_tool", "find_tool"]


async def test_other_kinds_outcomes_and_the_backends_that_are_away_stay_in_the_list():
    catalog = catalog_of(*THREE, beside=1)
    listed = serve(catalog, optimizer()).listed
    assert listed is not None
    assert (listed.prompts, listed.resources, listed.outcomes) == (catalog.prompts, catalog.resources, catalog.outcomes)
    assert listed.searched == {"shop", "filler"}
    assert listed.digest_of(Kind.PROMPT) == catalog.digest_of(Kind.PROMPT)


async def test_who_gets_no_list_gets_none_of_ours_either():
    refusal = PartialFailure("shop", "unavailable", "away")
    world = World(Server(catalog_of(*THREE), refusal=refusal))
    assert await world.layer.list(world.caller(), Kind.TOOL) is refusal
    assert await world.call("find_tool", {"query": "a"}) is refusal


@pytest.mark.scenario("T-6")
async def test_tools_for_pages_alone_stay_listed_count_for_nothing_and_are_never_found():
    apps = [{"name": f"app{number}", "description": "draws a chart", **APP} for number in range(5)]
    few = World(Server(catalog_of(*THREE[:2], *apps)))
    assert len(await few.names()) == 7
    many = World(Server(catalog_of(*THREE, *apps)))
    assert await many.names() == ["call_tool", "find_tool", *(f"shop_app{number}" for number in range(5))]
    answer = await many.find("draws a chart")
    assert answer["tools"] == []
    assert answer["searched"] == 3


@pytest.mark.parametrize(
    ("visibility", "expected"),
    [(["app"], False), ([], False), (["app", "model"], True), (["model"], True), ("app", True), ([1], True)],
)
def test_whether_a_tool_is_for_models_is_read_off_its_descriptor(visibility, expected):
    assert is_for_models(json.dumps({"name": "a", "_meta": {"ui": {"visibility": visibility}}}).encode()) is expected


def test_escapes_hide_no_visibility():
    assert is_for_models(b'{"_meta":{"ui":{"v\\u0069sibility":["app"]}}}') is False
    assert is_for_models(b'{"_meta":3,"visibility":["app"]}') is True


def test_the_description_names_backends_as_far_as_there_is_room_or_is_what_is_set():
    text = json.loads(find_tool((f"backend-{number:04}" for number in range(500)), 8, None).raw)["description"]
    assert "backend-0000, backend-0001" in text
    assert len(text) < 1600
    assert "more)" in text
    assert json.loads(find_tool(["b"], 8, "look here").raw)["description"] == "look here"
    assert "(backends" not in json.loads(find_tool([], 8, None).raw)["description"]


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 8), st.sets(st.integers(0, 12)))
def test_the_list_holds_what_was_there_and_our_two_and_every_other_tool_is_found(for_apps, threshold, visible):
    tools = [{"name": f"t{number:02}", **(APP if app else {})} for number, app in enumerate(for_apps)]
    catalog = catalog_of(*tools)
    names = {tool.exposed for tool in catalog.tools}
    always = [f"shop_t{number:02}" for number in visible]
    served = serve(catalog, optimizer(threshold=threshold, alwaysVisible=always))
    found = {tool.exposed for tool in served.found}
    assert found == {f"shop_t{number:02}" for number, app in enumerate(for_apps) if not app}
    if len(found) < threshold:
        assert served.listed is None
        return
    listed = {tool.exposed for tool in served.listed.tools}
    assert listed == {"find_tool", "call_tool"} | (names - found) | (names & set(always))
    assert served.listed.version != catalog.version
