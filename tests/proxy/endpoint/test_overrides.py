"""Overrides of tools and of their arguments, as clients and backends see them."""

from typing import Any

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

TOOLS = "notifications/tools/list_changed"
SEARCH = {
    "type": "object",
    "properties": {
        "query": {"type": "string"},
        "tenant": {"type": "string", "description": "whose data"},
        "limit": {"type": "integer"},
        "region": {"type": "string"},
        "debug": {"type": "boolean"},
    },
    "required": ["query", "tenant", "limit", "region"],
    "additionalProperties": False,
}
ALL_FORMS = {
    "tenant": {"fixed": "acme"},
    "limit": {"default": 10},
    "region": {"default": "eu", "hidden": True},
    "debug": {"hidden": True},
}


def search(**more: Any) -> ScriptedBackend:
    return ScriptedBackend(tools=[tool("search", inputSchema=SEARCH, **more), tool("other")])


def config(**override: Any) -> dict[str, Any]:
    """The settings of one override for the backend's tool `search`; nothing is probed in between."""
    tools = [{"workload": "one", "overrides": {"search": override}}]
    operational = {"failureHandling": {"healthCheckInterval": "1h"}}
    return {"aggregation": {"tools": tools}, "operational": operational}


def heard(backend: ScriptedBackend) -> list[dict[str, Any]]:
    """The params of the calls that the backend got."""
    return [each.message["params"] for each in backend.calls("tools/call")]


@pytest.mark.scenario("A-5")
async def test_an_override_replaces_name_description_and_single_hints_and_the_call_bears_the_original_name():
    hints = {"title": "Search", "readOnlyHint": False, "openWorldHint": True}
    backend = search(annotations=hints)
    override = {"name": "find", "description": "Finds things.", "annotations": {"readOnlyHint": True}}
    async with scene({"one": backend}, config=config(**override)) as world, world.session() as client:
        listed = {each["name"]: each for each in (await client.result("tools/list"))["tools"]}
        assert list(listed) == ["one_find", "one_other"]
        assert listed["one_find"]["description"] == "Finds things."
        assert listed["one_find"]["annotations"] == {**hints, "readOnlyHint": True}
        assert listed["one_find"]["inputSchema"] == SEARCH
        await client.call("one_find", {"query": "x"})
        assert heard(backend) == [{"name": "search", "arguments": {"query": "x"}}]
        for gone in ("one_search", "search", "find"):
            answer = await client.request("tools/call", {"name": gone})
            assert answer["error"] == {"code": -32602, "message": f"Unknown tool: {gone}"}


@pytest.mark.scenario("A-5")
async def test_fixed_default_and_hidden_arguments_shape_the_schema_and_every_call():
    backend = search()
    async with scene({"one": backend}, config=config(arguments=ALL_FORMS)) as world, world.session() as client:
        schema = (await client.result("tools/list"))["tools"][1]["inputSchema"]
        assert schema == {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "default": 10}},
            "required": ["query"],
            "additionalProperties": False,
        }
        await client.call("one_search", {"query": "x"})
        await client.call("one_search", {"query": "x", "limit": 3})
        ours = {"tenant": "acme", "region": "eu"}
        assert [each["arguments"] for each in heard(backend)] == [
            {"query": "x", "limit": 10, **ours},
            {"query": "x", "limit": 3, **ours},
        ]


@pytest.mark.scenario("A-5")
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
async def test_what_a_caller_sends_for_a_withheld_argument_never_reaches_the_backend(spelt):
    backend = search()
    async with scene({"one": backend}, config=config(arguments=ALL_FORMS)) as world, world.session() as client:
        forged = {spelt(name): "forged" for name in ("tenant", "region", "debug")}
        result = await client.call("one_search", {"query": "x", **forged})
        assert "isError" not in result
        assert heard(backend)[0]["arguments"] == {"query": "x", "limit": 10, "tenant": "acme", "region": "eu"}


@pytest.mark.scenario("A-5")
@pytest.mark.parametrize("params", [{}, {"arguments": None}, {"arguments": {}}])
async def test_a_call_without_arguments_gets_those_of_the_settings(params):
    backend = search()
    async with scene({"one": backend}, config=config(arguments=ALL_FORMS)) as world, world.session() as client:
        await client.result("tools/call", {"name": "one_search", **params})
        assert heard(backend)[0]["arguments"] == {"tenant": "acme", "limit": 10, "region": "eu"}


async def test_arguments_that_are_no_object_are_refused_before_any_backend_hears_of_them():
    backend = search()
    async with scene({"one": backend}, config=config(arguments=ALL_FORMS)) as world, world.session() as client:
        answer = await client.request("tools/call", {"name": "one_search", "arguments": ["tenant"]})
        assert answer["error"]["code"] == -32602
        assert "arguments" in answer["error"]["message"]
        assert heard(backend) == []


@pytest.mark.scenario("A-5")
async def test_a_tool_beside_an_overridden_one_is_left_alone():
    backend = search()
    async with scene({"one": backend}, config=config(arguments=ALL_FORMS)) as world, world.session() as client:
        assert (await client.result("tools/list"))["tools"][0] == {**tool("other"), "name": "one_other"}
        await client.call("one_other", {"tenant": "theirs"})
        assert heard(backend) == [{"name": "other", "arguments": {"tenant": "theirs"}}]


@pytest.mark.scenario("A-5")
async def test_an_edited_override_reaches_running_sessions_who_are_told_of_what_they_can_see():
    backend = search()
    async with (
        scene({"one": backend}, config=config(arguments={"tenant": {"fixed": "acme"}})) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        await client.names()
        await eventually(lambda: stream.comments)
        world.apply(config=config(arguments={"tenant": {"fixed": "globex"}}))
        await client.call("one_search", {"query": "x", "tenant": "theirs"})
        assert heard(backend)[-1]["arguments"] == {"query": "x", "tenant": "globex"}
        assert stream.methods.count(TOOLS) == 0

        world.apply(config=config(arguments={"tenant": {"fixed": "globex"}, "limit": {"default": 5}}))
        await stream.until(TOOLS)
        schema = (await client.result("tools/list"))["tools"][1]["inputSchema"]
        assert schema["properties"]["limit"] == {"type": "integer", "default": 5}

        world.apply(config=config())
        await stream.until(TOOLS, count=2)
        assert (await client.result("tools/list"))["tools"][1]["inputSchema"] == SEARCH
        await client.call("one_search", {"query": "x", "tenant": "theirs"})
        assert heard(backend)[-1]["arguments"] == {"query": "x", "tenant": "theirs"}
        assert stream.methods.count(TOOLS) == 2
