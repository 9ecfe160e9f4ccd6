"""Which names, entries and pages of several backends a client gets, and what the status says of the rest."""

import json

import pytest
from mcp.types import ListPromptsResult, ListResourcesResult, ListResourceTemplatesResult

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text, tool


def named(name, *tools, **more):
    """A backend that says which of its tools was called."""
    backend = ScriptedBackend(tools=[tool(each) for each in tools], **more)

    @backend.on("tools/call")
    async def answer(call):
        return text(f"{name}:{call.params['name']}")

    @backend.on("resources/read")
    async def read(call):
        return {"contents": [{"uri": call.params["uri"], "text": name}]}

    return backend


def aggregating(**settings):
    return {**QUIET, "aggregation": settings}


def overriding(workload, original, **override):
    return {"workload": workload, "overrides": {original: override}}


async def said(client, name):
    return (await client.call(name))["content"][0]["text"]


async def is_unknown(client, *names):
    for name in names:
        error = (await client.request("tools/call", {"name": name}))["error"]
        assert error == {"code": -32602, "message": f"Unknown tool: {name}"}


@pytest.mark.scenario("A-3")
async def test_manual_serves_what_overrides_keep_apart_and_withholds_and_reports_only_the_conflict_that_is_left():
    backends = {"east": named("east", "find", "show", "own"), "west": named("west", "find", "show")}
    tools = [overriding("east", "find", name="find_east"), overriding("west", "find", name="find_west")]
    config = aggregating(conflictResolution="manual", tools=tools)
    async with scene(backends, config=config) as world, world.session() as client:
        assert await client.names() == ["find_east", "find_west", "own"]
        assert await said(client, "find_east") == "east:find"
        assert await said(client, "find_west") == "west:find"
        assert await said(client, "own") == "east:own"
        await is_unknown(client, "find", "show", "east_show")
        (conflict,) = (await world.status())["conflicts"]
        assert (conflict["name"], sorted(conflict["losers"])) == ("show", ["east", "west"])
        assert not conflict["winner"]


@pytest.mark.scenario("A-4")
async def test_a_filter_takes_original_and_exposed_names_and_what_it_leaves_out_is_unknown_by_any_name():
    backend = named("one", "keep", "rename", "drop")
    entry = {
        "workload": "one",
        "filter": ["keep", "renamed", "nothing"],
        "overrides": {"rename": {"name": "renamed"}},
    }
    async with scene({"one": backend}, config=aggregating(tools=[entry])) as world, world.session() as client:
        assert await client.names() == ["one_keep", "one_renamed"]
        assert await said(client, "one_renamed") == "one:rename"
        await is_unknown(client, "one_drop", "drop", "one_rename", "one_nothing")
        assert len(backend.calls("tools/call")) == 1


@pytest.mark.scenario("A-4")
async def test_settings_that_match_nothing_are_named_in_the_status_and_only_those():
    override = {"arguments": {"x": {"fixed": 1}}}
    entry = {"workload": "one", "filter": ["keep", "nothing"], "overrides": {"nobody": {"name": "x"}, "keep": override}}
    backend = named("one", "keep", "drop")
    async with scene({"one": backend}, config=aggregating(tools=[entry, {"workload": "gone"}])) as world:
        async with world.session() as client:
            assert await client.names() == ["one_keep"]
        assert (await world.status())["unmatched"] == [
            {"backend": "one", "setting": "filter", "name": "nothing"},
            {"backend": "one", "setting": "arguments", "name": "keep.x"},
            {"backend": "one", "setting": "overrides", "name": "nobody"},
            {"backend": "gone", "setting": "workload", "name": "gone"},
        ]
        world.apply(config=aggregating(tools=[{"workload": "one", "filter": ["drop"]}]))
        assert (await world.status())["unmatched"] == []


@pytest.mark.scenario("A-6")
@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({"excludeAllTools": True}, []),
        ({"tools": [{"workload": "one", "excludeAll": True}]}, ["two_a", "two_b"]),
        ({"defaultToolVisibility": "deny"}, []),
        ({"defaultToolVisibility": "deny", "tools": [{"workload": "two"}]}, ["two_a", "two_b"]),
        ({"defaultToolVisibility": "deny", "tools": [{"workload": "two", "filter": ["b"]}]}, ["two_b"]),
        ({"excludeAllTools": True, "tools": [{"workload": "two", "filter": ["b"]}]}, []),
    ],
)
async def test_what_is_excluded_is_not_listed_and_not_callable(settings, served):
    backends = {"one": named("one", "a", "b", prompts=[{"name": "p"}]), "two": named("two", "a", "b")}
    async with scene(backends, config=aggregating(**settings)) as world, world.session() as client:
        assert await client.names() == served
        assert await client.names("prompts") == ["one_p"]
        hidden = {"one_a", "one_b", "two_a", "two_b"} - set(served)
        await is_unknown(client, *sorted(hidden))
        for name in served:
            assert (await client.call(name))["content"]


@pytest.mark.scenario("A-7")
async def test_2500_tools_of_a_backend_that_pages_by_100_come_once_and_in_the_same_order_through_our_own_pages():
    backend = ScriptedBackend(tools=[tool(f"t{number:04}") for number in range(2500)], page=100)
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:

        async def read(**first):
            pages, params = [], first
            while True:
                result = await client.result("tools/list", params)
                pages.append([each["name"] for each in result["tools"]])
                if "nextCursor" not in result:
                    return pages
                params = {"cursor": result["nextCursor"]}

        pages = await read()
        assert [len(page) for page in pages] == [1000, 1000, 500]
        assert sum(pages, []) == [f"one_t{number:04}" for number in range(2500)]  # noqa: RUF017 - three lists
        assert await read() == await read(cursor=None) == pages
        foreign = (await client.result("tools/list"))["nextCursor"]
        for cursor in ("", "garbage", foreign + "=", foreign * 3000):
            assert (await client.request("tools/list", {"cursor": cursor}))["error"]["code"] == -32602
        for method in ("resources/list", "prompts/list", "resources/templates/list"):
            assert (await client.request(method, {"cursor": foreign}))["error"]["code"] == -32602


@pytest.mark.scenario("A-7")
@pytest.mark.parametrize("cursors", ["loop", "endless"])
async def test_a_backend_whose_pages_never_end_is_cut_off_named_and_still_served(cursors):
    backend = ScriptedBackend()
    asked = []

    @backend.on("tools/list")
    async def page(call):
        asked.append(call.params.get("cursor"))
        following = "again" if cursors == "loop" else f"page {len(asked)}"
        return {"tools": [tool(f"t{len(asked)}")], "nextCursor": following}

    settings = {**QUIET["operational"], "limits": {"listPages": 5}}
    async with scene({"one": backend}, config={"operational": settings}) as world, world.session() as client:
        result = await client.result("tools/list")
        assert [each["name"] for each in result["tools"]][:2] == ["one_t1", "one_t2"]
        assert len(asked) <= 5
        reason = "repeats" if cursors == "loop" else "more than 5 pages"
        outcome = result["_meta"]["vmcp.dev/serverOutcomes"]["one"]
        assert outcome["status"] == "incomplete"
        assert reason in outcome["message"]
        assert reason in (await world.status())["backends"][0]["message"]
        assert (await client.call("one_t1"))["content"]


@pytest.mark.scenario("A-8")
async def test_of_a_repeated_uri_the_first_backend_in_sorted_order_serves_it_and_the_other_is_reported():
    resource = {"uri": "test://same", "name": "r"}
    template = {"uriTemplate": "test://same/{id}", "name": "t"}
    backends = {name: named(name, resources=[resource], templates=[template]) for name in ("west", "east")}
    async with scene(backends, config=QUIET) as world, world.session() as client:
        assert await client.names("resources") == ["test://same"]
        assert await client.names("resourceTemplates") == ["test://same/{id}"]
        for uri in ("test://same", "test://same/1"):
            assert (await client.result("resources/read", {"uri": uri}))["contents"][0]["text"] == "east"
        assert backends["west"].calls("resources/read") == []
        found = {(each["name"], each["winner"], *each["losers"]) for each in (await world.status())["conflicts"]}
        assert found == {("test://same", "east", "west"), ("test://same/{id}", "east", "west")}


@pytest.mark.scenario("A-8")
async def test_a_prompt_name_that_two_backends_arrive_at_is_withheld_from_both_and_reported():
    backends = {
        "a": ScriptedBackend(prompts=[{"name": "b_c"}, {"name": "own"}]),
        "a_b": ScriptedBackend(prompts=[{"name": "c"}]),
    }
    async with scene(backends, config=QUIET) as world, world.session() as client:
        assert await client.names("prompts") == ["a_own"]
        assert (await client.request("prompts/get", {"name": "a_b_c"}))["error"]["code"] == -32602
        assert "a_b_c" in [each["name"] for each in (await world.status())["conflicts"]]


ODD = (
    '{"name":"NAME","zzz":{"b":1,"a":2},"inputSchema":{"$defs":{"z":{"type":"string"},"a":{}},"oneOf":[{"$ref":'
    '"#/$defs/z"},{}],"maximum":123456789012345678901234567890,"default":1.0,"x-unknown":[1e2,null]},'
    '"annotations":{"title":"\\u00e9"},"icons":[{"src":"x"}],"_meta":{"k":[]},"execution":{"taskSupport":"optional"}}'
)


@pytest.mark.scenario("A-9")
async def test_a_tool_arrives_byte_for_byte_and_a_malformed_one_is_dropped_alone_and_named():
    backend = ScriptedBackend()

    @backend.on("tools/list")
    async def listing(call):
        bad = '{"name":"bad","inputSchema":5},{"inputSchema":{}},7'
        return f'{{"tools":[{ODD.replace("NAME", "odd")},{bad}]}}'.encode()

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert ODD.replace("NAME", "one_odd") in answer.text
        assert await client.names() == ["one_odd"]
        dropped = (await world.status())["droppedTools"]
        assert [(each["backend"], each["name"]) for each in dropped] == [("one", "bad"), ("one", "#3"), ("one", "#4")]
        assert all(each["reason"] for each in dropped)


BAD = {
    "resources": (
        [{"uri": "test://bad"}, {"name": "bad"}, {"uri": 5, "name": "bad"}],
        {"uri": "test://a", "name": "a"},
    ),
    "resourceTemplates": ([{"uriTemplate": "test://{b}"}, {"name": "bad"}], {"uriTemplate": "test://{a}", "name": "a"}),
    "prompts": ([{"title": "bad"}, {"name": None}], {"name": "one_a"}),
}
READERS = {
    "resources": ("resources/list", ListResourcesResult, "test://bad"),
    "resourceTemplates": ("resources/templates/list", ListResourceTemplatesResult, "test://{b}"),
    "prompts": ("prompts/list", ListPromptsResult, "#1"),
}


@pytest.mark.scenario("A-9")
@pytest.mark.parametrize("kind", BAD)
async def test_an_entry_that_lacks_what_mcp_requires_goes_alone_so_that_clients_can_read_the_list(kind):
    bad, good = BAD[kind]
    method, model, label = READERS[kind]
    backend = ScriptedBackend(resources=[], prompts=[])

    @backend.on(method)
    async def listing(call):
        return {kind: [*bad, good | ({"name": "a"} if kind == "prompts" else {})]}

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        result = await client.result(method)
        model.model_validate(result)
        assert result[kind] == [good]
        dropped = (await world.status())["droppedTools"]
        assert (dropped[0]["backend"], dropped[0]["name"]) == ("one", label)
        assert len(dropped) == len(bad)


@pytest.mark.scenario("A-13")
async def test_long_and_odd_names_are_served_shortened_callable_and_the_same_after_a_restart():
    originals = ["n" * 200, "n" * 199 + "m", "späte Übung!", "fine"]
    backend = named("one", *originals)
    seen = []
    for _ in range(2):
        async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
            names = await client.names()
            seen.append(names)
            assert len(set(names)) == 4
            assert all(len(name) <= 64 and name.replace(".", "").replace("-", "").isascii() for name in names)
            assert sorted([await said(client, name) for name in names]) == sorted(f"one:{each}" for each in originals)
    assert seen[0] == seen[1]
    assert json.dumps(seen).isascii()


@pytest.mark.parametrize("name", ["Code review", "fran\u00e7ais", "a/b", "p" * 200])
async def test_a_prompt_keeps_a_name_that_no_tool_could_have(name):
    backend = ScriptedBackend(prompts=[{"name": name}])
    async with scene({"one": backend}) as world, world.session() as client:
        assert await client.names("prompts") == [f"one_{name}"]
        assert (await client.result("prompts/get", {"name": f"one_{name}"}))["messages"]
        assert backend.calls("prompts/get")[0].message["params"]["name"] == name
