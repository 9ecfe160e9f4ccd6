"""Whether two endpoints serve the same: what counts, and what two real ones answer."""

import asyncio
import json

import pytest
from mcp.server.lowlevel import Server
from mcp_types import ListToolsResult, Tool

from tests.proxy.cli.commands import endpoint, run_vmcp, server, serving, write
from tests.support.serving import serve
from vmcp_proxy.cli.convert.differences import find_differences
from vmcp_proxy.cli.exits import Exit

pytestmark = [pytest.mark.scenario("K-17"), pytest.mark.timeout(300)]

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]}
TOOL = {"name": "t", "description": "Does.", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}}


def differences(old, new, kind="tool"):
    return [(each.change.value, each.name, each.members) for each in find_differences({kind: old}, {kind: new})]


@pytest.mark.parametrize(
    ("changes", "members"),
    [
        ({}, None),
        ({"inputSchema": {**SCHEMA, "required": ["b", "a"]}}, None),
        ({"_meta": {"a": 1}, "icons": []}, None),
        ({"title": ""}, None),
        ({"outputSchema": {}}, None),
        ({"inputSchema": {**SCHEMA, "required": ["a"]}}, ("inputSchema",)),
        ({"description": "Did."}, ("description",)),
        ({"annotations": {"readOnlyHint": False}}, ("annotations",)),
        ({"annotations": {}}, ("annotations",)),
        ({"annotations": {"readOnlyHint": 1}}, ("annotations",)),
        ({"title": "T", "outputSchema": {"type": "object"}}, ("title", "outputSchema")),
    ],
)
def test_what_means_the_same_is_no_difference_and_all_else_is(changes, members):
    expected = [] if members is None else [("changed", "t", members)]
    assert differences([TOOL], [{**TOOL, **changes}]) == expected


def test_what_is_missing_and_what_is_new_is_told_by_name_for_each_kind():
    assert differences([TOOL], [{**TOOL, "name": "u"}]) == [("missing", "t", ()), ("added", "u", ())]
    resource = {"uri": "a://b", "name": "b"}
    assert differences([resource], [], "resource") == [("missing", "a://b", ())]
    prompt = {"name": "p", "arguments": [{"name": "x"}, {"name": "y"}]}
    turned = {**prompt, "arguments": prompt["arguments"][::-1]}
    assert differences([prompt], [turned], "prompt") == [("changed", "p", ("arguments",))]
    assert differences(["odd", {"name": 1}], [None]) == []


async def test_two_endpoints_are_asked_and_compared(tmp_path):
    config = {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPToolConfig",
        "metadata": {"name": "curated"},
        "spec": {"toolsFilter": ["echo"], "toolsOverride": {"echo": {"description": "Repeats."}}},
    }
    narrowed = server("one")
    narrowed["spec"]["toolConfigRef"] = {"name": "curated"}
    old = write(tmp_path / "old.yaml", *endpoint(), server("one"))
    new = write(tmp_path / "new.yaml", *endpoint(), narrowed, config)
    async with serving("-f", old) as first, serving("-f", new) as second:
        urls = await first.url(), await second.url()
        for each in (first, second):
            await each.line("backend is up", "name=one")
        same = await compare(urls[0], urls[0])
        assert same.code == Exit.OK, same.err
        assert same.out.splitlines()[-1].startswith("0 differences; the new endpoint has 2 tools, 0 resources")
        done = await compare(*urls)
        assert done.code == Exit.INCOMPLETE
        assert done.out.splitlines()[:2] == [
            "tool one_add: is missing at the new endpoint",
            "tool one_echo: differs in description",
        ]
        told = json.loads((await compare(*urls, "-o", "json")).out)
        assert told["same"] is False
        assert {"kind": "tool", "name": "one_echo", "change": "changed", "members": ["description"]} in told[
            "differences"
        ]


async def test_a_server_of_the_sdk_without_prompts_and_resources_has_none_to_compare():
    async def list_tools(_context, _params):
        return ListToolsResult(tools=[Tool(name="t", input_schema=SCHEMA)])

    def other(tools):
        return Server("other", on_list_tools=tools)

    async with serve(other(list_tools).streamable_http_app()) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        done = await compare(url, url, "--new-header", "X-Tenant: a")
    assert done.code == Exit.OK, done.err
    assert done.out == "0 differences; the new endpoint has 1 tool, 0 resources, 0 resource templates, 0 prompts\n"


async def test_an_endpoint_that_lists_a_search_in_place_of_its_tools_is_named():
    async def list_tools(_context, _params):
        return ListToolsResult(tools=[Tool(name=name, input_schema=SCHEMA) for name in ("find_tool", "call_tool")])

    async def list_one(_context, _params):
        return ListToolsResult(tools=[Tool(name="find_tool", input_schema=SCHEMA)])

    old, new = Server("old", on_list_tools=list_one), Server("new", on_list_tools=list_tools)
    async with serve(old.streamable_http_app()) as before, serve(new.streamable_http_app()) as after:
        urls = [f"http://127.0.0.1:{port}/mcp" for port in (before, after)]
        done = await compare(*urls)
    assert done.code == Exit.INCOMPLETE
    assert done.err == (
        f"vmcp: {urls[1]} lists find_tool and call_tool: tools that are found by these alone are not compared\n"
    )


async def compare(*arguments):
    return await asyncio.to_thread(run_vmcp, "convert", "--diff", *arguments)


def test_an_endpoint_that_is_not_there_cannot_be_compared():
    done = run_vmcp("convert", "--diff", "http://127.0.0.1:9/mcp", "http://127.0.0.1:9/mcp")
    assert done.code == Exit.UNAVAILABLE
    assert done.out == ""
