"""`vmcp tools` and `vmcp call` against an endpoint whose answers no model of MCP fits: shown, as they came."""

import asyncio
import json
from typing import Any

import pytest

from tests.proxy.cli.commands import call_vmcp
from tests.support.scripted_backend import Die, ScriptedBackend, tool
from vmcp_proxy.cli.exits import Exit

ODD_TOOLS = [
    {"zeta": 1, "name": "bare", "inputSchema": {}, "description": 5, "annotations": "x", "x-more": {"b": 1, "a": [2]}},
    tool("fine", annotations={"readOnlyHint": True, "destructiveHint": "yes"}),
    {"name": "schemaless", "inputSchema": {"properties": []}},
    {"description": "has no name"},
    5,
]


@pytest.fixture
async def backend():
    async with ScriptedBackend().running() as scripted:
        yield scripted


@pytest.fixture
def vmcp(capsys, backend):
    """The command in a thread beside the endpoint that this test serves."""

    async def run(command: str, *arguments: str):
        url = f"http://127.0.0.1:{backend.port}/mcp"
        return await asyncio.to_thread(call_vmcp, capsys, command, url, *arguments)

    return run


def answer(backend: ScriptedBackend, result: Any) -> None:
    @backend.on("tools/call")
    async def call(_: Any) -> bytes:
        return json.dumps(result).encode()


async def test_tools_that_fit_no_model_are_listed_with_what_can_be_shown(backend, vmcp):
    backend.tools = ODD_TOOLS
    done = await vmcp("tools")
    assert done.code == Exit.OK, done.err
    assert [line.split() for line in done.out.splitlines()] == [
        ["TOOL", "DESCRIPTION"],
        ["bare"],
        ["fine", "does", "fine"],
        ["schemaless"],
        ["?", "has", "no", "name"],
        ["?"],
    ]
    done = await vmcp("tools", "-o", "wide")
    assert done.code == Exit.OK, done.err
    assert done.out.splitlines()[2].split() == ["fine", "read-only", "does", "fine"]


async def test_tools_for_programs_are_as_the_endpoint_describes_them(backend, vmcp):
    backend.tools = ODD_TOOLS
    done = await vmcp("tools", "-o", "json")
    assert done.code == Exit.OK, done.err
    assert json.dumps(json.loads(done.out)) == json.dumps(ODD_TOOLS)


async def test_one_odd_tool_does_not_keep_the_others_from_being_called(backend, vmcp):
    backend.tools = ODD_TOOLS
    done = await vmcp("call", "fine")
    assert (done.code, done.out) == (Exit.OK, "called fine\n"), done.err
    done = await vmcp("call", "bare", "--arg", "n=1")
    assert (done.code, done.out) == (Exit.OK, "called bare\n"), done.err
    assert backend.calls("tools/call")[-1].message["params"]["arguments"] == {"n": 1}


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"content": [{"type": "hologram", "x": 1}]}, "[hologram]\n"),
        ({"content": [{"x": 1}, 5, {"type": "text", "text": 5}]}, "[?]\n[?]\n[text]\n"),
        ({"content": [], "structuredContent": [1]}, "[\n  1\n]\n"),
        ({"structuredContent": {"a": None, "b": "ä"}}, '{\n  "a": null,\n  "b": "ä"\n}\n'),
        ({"structuredContent": "text"}, '"text"\n'),
        ({"content": 5}, "5\n"),
        ({"content": [{"type": "image", "data": "QUJD", "mimeType": 5}]}, "[image]\n"),
        ({}, "\n"),
    ],
)
async def test_a_result_that_fits_no_model_is_shown_and_for_programs_as_it_came(backend, vmcp, result, shown):
    answer(backend, result)
    done = await vmcp("call", "echo")
    assert (done.code, done.out) == (Exit.OK, shown), done.err
    done = await vmcp("call", "echo", "-o", "json")
    assert (done.code, json.dumps(json.loads(done.out))) == (Exit.OK, json.dumps(result)), done.err


async def test_nothing_of_a_result_is_lost_added_or_moved(backend, vmcp):
    result = {
        "x-first": None,
        "content": [{"text": "t", "zeta": {"b": 1, "a": None}, "type": "text"}],
        "isError": False,
        "ttlMs": -5,
        "_meta": {"k": [1, 2.5, 123456789012345678901234567890]},
    }
    answer(backend, result)
    done = await vmcp("call", "echo", "-o", "json")
    assert json.dumps(json.loads(done.out)) == json.dumps(result)


@pytest.mark.parametrize("is_error", [1, "true", None])
async def test_only_true_makes_an_error_of_a_result(backend, vmcp, is_error):
    answer(backend, {"content": [{"type": "text", "text": "t"}], "isError": is_error})
    done = await vmcp("call", "echo")
    assert (done.code, done.out) == (Exit.OK, "t\n")


async def test_a_result_of_many_megabytes_arrives_whole(backend, vmcp):
    backend.answers_events = True
    answer(backend, {"content": [{"type": "text", "text": "x" * 3_000_000}]})
    done = await vmcp("call", "echo")
    assert (done.code, len(done.out)) == (Exit.OK, 3_000_001), done.err[:300]


@pytest.mark.parametrize("listing", [{"tools": 5}, {}, {"tools": [], "nextCursor": "x"}])
async def test_a_list_that_is_none_or_never_ends_is_told(backend, vmcp, listing):
    @backend.on("tools/list")
    async def tools(_: Any) -> dict[str, Any]:
        return listing

    done = await vmcp("tools")
    assert done.code == Exit.FAILED
    assert "tools/list" in done.err
    assert "internal error" not in done.err


@pytest.mark.parametrize("answered", [{}, {"protocolVersion": 5}, {"protocolVersion": "1999-01-01"}])
async def test_an_endpoint_that_opens_no_session_is_told_as_unavailable(backend, vmcp, answered):
    @backend.on("initialize")
    async def initialize(_: Any) -> dict[str, Any]:
        return {"capabilities": {}, "serverInfo": {"name": "x", "version": "1"}, **answered}

    done = await vmcp("tools")
    assert done.code == Exit.UNAVAILABLE
    assert "initialize" in done.err
    assert "internal error" not in done.err


@pytest.mark.parametrize("raw", [b'{"a":' * 300 + b"1" + b"}" * 300, b'{"a":"\\ud800"}', b"5"])
async def test_json_that_the_sdk_cannot_read_is_told_without_its_content(backend, vmcp, raw):
    @backend.on("tools/call")
    async def call(_: Any) -> bytes:
        return raw

    done = await vmcp("call", "echo")
    assert done.code == Exit.FAILED
    assert done.err.endswith("/mcp is no JSON-RPC that can be read\n")


async def test_an_endpoint_that_goes_away_or_sends_nonsense_in_a_call_is_no_internal_error(backend, vmcp):
    @backend.on("tools/call")
    async def leave(_: Any) -> dict[str, Any]:
        raise Die

    done = await vmcp("call", "echo")
    assert (done.code, "internal error" in done.err) == (Exit.UNAVAILABLE, False), done.err

    @backend.on("tools/call")
    async def huge(call: Any) -> dict[str, Any]:
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=token, progress=10**400)
        return {"content": []}

    done = await vmcp("call", "echo")
    assert (done.code, "internal error" in done.err) == (Exit.FAILED, False), done.err


async def test_text_that_json_cannot_carry_is_refused(backend, vmcp):
    for arguments in (("--json", '{"a": "\\ud800"}'), ("--arg", "a=\udcff")):
        done = await vmcp("call", "echo", *arguments)
        assert done.code == Exit.USAGE
        assert "Unicode" in done.err
    assert backend.calls("tools/call") == []
