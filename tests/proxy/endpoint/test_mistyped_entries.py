"""Backends whose entries and results have members of wrong types: real clients still read everybody else's."""

import json

import pytest
from mcp import Client

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text, tool

TOOLS = [
    tool("sound", outputSchema={"type": "object"}),
    tool("none", title=None, outputSchema=None, annotations=None, icons=None, execution=None, _meta=None),
    tool("array", outputSchema={"type": "array", "items": {}}),
    tool("described") | {"description": 5},
    tool("hinted", annotations={"readOnlyHint": "yes"}),
    tool("output", outputSchema="no"),
    tool("schema") | {"inputSchema": {"type": "object", "properties": []}},
]
RESOURCES = [
    {"uri": "test://b", "name": "b", "mimeType": None, "size": None},
    {"uri": "test://typed", "name": "b", "mimeType": 5},
    {"uri": "test://sized", "name": "b", "size": "x"},
    {"uri": "test://meant", "name": "b", "annotations": {"audience": ["everybody"]}},
]
TEMPLATES = [
    {"uriTemplate": "test://b/{id}", "name": "b", "description": None},
    {"uriTemplate": "test://n/{id}", "name": "b", "annotations": {"priority": "high"}},
]
PROMPTS = [
    {"name": "fine", "arguments": [{"name": "a", "description": None, "required": None}]},
    {"name": "counted", "arguments": 5},
    {"name": "nameless", "arguments": [{"description": "a"}]},
]
DROPPED = {
    ("tool", "described", "its description is no text"),
    ("tool", "hinted", "its annotations.readOnlyHint is no boolean"),
    ("tool", "output", "its outputSchema is no object"),
    ("tool", "schema", "its inputSchema.properties is no object"),
    ("resource", "test://typed", "its mimeType is no text"),
    ("resource", "test://sized", "its size is no whole number"),
    ("resource", "test://meant", 'its annotations.audience[0] is no "assistant" or "user"'),
    ("template", "test://n/{id}", "its annotations.priority is no number from 0 to 1"),
    ("prompt", "counted", "its arguments is no list"),
    ("prompt", "nameless", "its arguments[0] has no name"),
}


def mistyped() -> ScriptedBackend:
    return ScriptedBackend(tools=TOOLS, resources=RESOURCES, templates=TEMPLATES, prompts=PROMPTS)


@pytest.mark.scenario("A-9")
async def test_a_real_client_reads_the_lists_without_the_entries_that_would_blind_it_and_status_names_them():
    async with scene({"good": everything(), "odd": mistyped()}, config=QUIET) as world:
        async with Client(world.url, mode="legacy", cache=None) as client:
            tools = (await client.list_tools()).tools
            resources = (await client.list_resources()).resources
            templates = (await client.list_resource_templates()).resource_templates
            prompts = (await client.list_prompts()).prompts
        assert [each.name for each in tools] == ["good_echo", "odd_array", "odd_none", "odd_sound"]
        assert [each.output_schema for each in tools] == [None, None, None, {"type": "object"}]
        assert [each.uri for each in resources] == ["test://a", "test://b"]
        assert [each.uri_template for each in templates] == ["test://b/{id}", "test://t/{id}"]
        assert [each.name for each in prompts] == ["good_ask", "odd_fine"]
        dropped = (await world.status())["droppedTools"]
        assert {each["backend"] for each in dropped} == {"odd"}
        assert {(each["kind"], each["name"], each["reason"]) for each in dropped} == DROPPED
        assert len(dropped) == len(DROPPED)


@pytest.mark.scenario("A-9")
async def test_what_is_taken_out_of_an_entry_leaves_the_rest_of_it_as_it_was():
    backend = ScriptedBackend()
    rest = '"zzz":null,"inputSchema":{"default":1.0,"maximum":123456789012345678901},"x":[1e2,null]'

    @backend.on("tools/list")
    async def listing(call):
        return f'{{"tools":[{{"name":"t","title":null,{rest},"outputSchema":{{"type":"string"}}}}]}}'.encode()

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert f'{{"name":"one_t",{rest}}}' in answer.text


@pytest.mark.scenario("A-9")
async def test_an_entry_so_deep_that_not_every_reader_gets_through_costs_nobody_the_others():
    backend = ScriptedBackend()
    depths = (100, 300, 700, 800, 900)

    @backend.on("tools/list")
    async def listing(call):
        deep = (b'{"name":"t%d","inputSchema":{},"x":%b%b}' % (each, b"[" * each, b"]" * each) for each in depths)
        return b'{"tools":[%b]}' % b",".join(deep)

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert await client.names() == ["one_t100", "one_t300"]
        dropped = (await world.status())["droppedTools"]
        assert [(each["name"], each["reason"]) for each in dropped] == [
            (f"#{position}", "it is nested too deeply") for position in (3, 4, 5)
        ]


@pytest.mark.parametrize("answers_events", [False, True], ids=["json", "events"])
@pytest.mark.parametrize("structured", [[1, 2], "text", None, 5])
async def test_a_real_client_reads_the_result_beside_structured_content_that_is_no_object(structured, answers_events):
    backend = ScriptedBackend(answers_events=answers_events)

    @backend.on("tools/call")
    async def answer(call):
        return text("said", structuredContent=structured, isError=True, own=[None, 1.0])

    async with scene({"one": backend}, config=QUIET) as world:
        async with Client(world.url, mode="legacy", cache=None) as client:
            result = await client.call_tool("one_echo", {})
            assert (result.content[0].text, result.structured_content, result.is_error) == ("said", None, True)
        async with world.session() as raw:
            assert await raw.call("one_echo") == text("said", isError=True, own=[None, 1.0])


async def test_structured_content_that_is_an_object_stays_to_the_byte_and_so_does_what_is_no_tools_result():
    backend = ScriptedBackend(prompts=[{"name": "ask"}])
    sound = '{"content":[],  "structuredContent" : {"b":1.0,"a":[null]} , "own":1e2}'
    prompt = '{"messages":[], "structuredContent":[1]}'

    @backend.on("tools/call")
    async def call(call):
        return sound.encode()

    @backend.on("prompts/get")
    async def get(call):
        return prompt.encode()

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        for method, name, expected in (("tools/call", "one_echo", sound), ("prompts/get", "one_ask", prompt)):
            answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name}})
            assert expected in answer.text
            assert json.loads(answer.text)["result"] == json.loads(expected)
