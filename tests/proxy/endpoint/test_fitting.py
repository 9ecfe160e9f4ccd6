"""What clients of each revision get of what only later revisions allow, to the byte."""

import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS

INPUT = '"inputSchema":{ },"x":[1e2,null]'
AS_LISTED = {
    "array": '{"name":"array","outputSchema":{"type":"array","properties":5},%s}',
    "escaped": '{"name":"escaped","output\\u0053chema":{"type":"string"},%s}',
    "open": '{"outputSchema":{"anyOf":[{"type":"object"}]},"name":"open",%s}',
    "sound": '{"name":"sound", "outputSchema": {"type":"object","z":1.0} ,%s}',
    "null": '{"name":"null","title":null,"outputSchema":{"type":"null"},%s}',
    "paged": '{"name":"paged","outputSchema":{},"_meta":{"ui":{"resourceUri":"ui://p"}},%s}',
}
AS_SERVED = {
    "array": '{"name":"one_array",%s}',
    "escaped": '{"name":"one_escaped",%s}',
    "null": '{"name":"one_null",%s}',
    "open": '{"name":"one_open",%s}',
    "paged": '{"name":"one_paged","_meta":{"ui":{"resourceUri":"ui://p"}},%s}',
    "sound": '{"name":"one_sound","outputSchema":{"type":"object","z":1.0},%s}',
}
STRUCTURED = (
    ('{"content":[],"structuredContent":[1.0], "own":1e2}', '{"content":[],"own":1e2}'),
    ('{"structuredContent":null,"_meta":{"vmcp.dev/x":1,"k":2}}', '{"_meta":{"k":2}}'),
    ('{"structured\\u0043ontent":"a","isError":true}', '{"isError":true}'),
    (
        '{"content":[{"type":"resource_link","uri":"ui://p","name":"p"}],"structuredContent":5}',
        '{"content":[{"type":"resource_link","uri":"ui://p","name":"p"}]}',
    ),
    ('{"content":[ ],"structuredContent":{"a":[1.0]}}', '{"content":[ ],"structuredContent":{"a":[1.0]}}'),
    ('{"content":[ ],"structuredContent":"\\ud83d"}', '{"content":[ ]}'),
)


def of_later_revisions() -> tuple[ScriptedBackend, list[bytes]]:
    """A backend that lists what no legacy client reads, and the results that its tools give in their order."""
    backend, results = ScriptedBackend(), []

    @backend.on("tools/list")
    async def listing(_call):
        return b'{"tools":[%b]}' % ",".join(each % INPUT for each in AS_LISTED.values()).encode()

    @backend.on("tools/call")
    async def call(_call):
        return results.pop(0)

    return backend, results


def answered(result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":7,"result":%b}' % result


@contextlib.asynccontextmanager
async def session_of(world, revision):
    async with world.client() as client:
        client.session = (await client.post(initialize(revision))).headers["mcp-session-id"]
        yield client


@pytest.mark.scenario("A-9")
async def test_every_legacy_revision_lists_tools_without_output_schemas_of_other_roots():
    backend, _ = of_later_revisions()
    expected = ",".join(each % INPUT for each in AS_SERVED.values())
    async with scene({"one": backend}, config=QUIET) as world:
        for revision in sorted(CLIENT_REVISIONS):
            async with session_of(world, revision) as client:
                for _ in range(2):
                    answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": "tools/list"})
                    assert answer.content == answered(b'{"tools":[%b]}' % expected.encode())


@pytest.mark.scenario("A-9")
async def test_every_legacy_revision_gets_results_without_structured_content_of_other_roots():
    backend, results = of_later_revisions()
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "one_array"}}
    async with scene({"one": backend}, config=QUIET) as world:
        for revision in sorted(CLIENT_REVISIONS):
            async with session_of(world, revision) as client:
                for given, expected in STRUCTURED:
                    results.append(given.encode())
                    answer = await client.post(message)
                    assert answer.content == answered(expected.encode())


@pytest.mark.scenario("A-9")
async def test_what_the_settings_say_of_such_a_tool_holds_and_its_schema_goes_all_the_same():
    backend, _ = of_later_revisions()
    overrides = {"array": {"name": "renamed", "description": "ours"}}
    tools = [{"workload": "one", "filter": ["renamed"], "overrides": overrides}]
    aggregation = {"tools": tools}
    config = {**QUIET, "aggregation": aggregation}
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": "tools/list"})
    tool = json.loads(answer.text)["result"]["tools"]
    assert [sorted(each) for each in tool] == [["description", "inputSchema", "name", "x"]]
