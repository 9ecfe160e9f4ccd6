"""Arguments that clients say again in headers: what contradicts the schema is refused, and told to nobody else."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_composites import composite, having
from tests.support import eras
from tests.support.eras import Era
from tests.support.modern_backend import ModernBackend
from tests.support.plain_http import http_client
from tests.support.policies import NamePolicy
from tests.support.raw_client import ACCEPT, WAIT_SECONDS
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "free": {"type": "string"},
    },
}


class OnlyPlain(NamePolicy):
    def admits(self, identity, action, capability, name):
        return name == "one_plain"


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


def backend() -> ScriptedBackend:
    return ScriptedBackend(tools=[tool("place", inputSchema=SCHEMA), tool("plain")])


async def code(client, name, arguments, **headers):
    """The status, and the code of the error where there is one."""
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    answer = await client.post(client.asking("tools/call", {"name": name, "arguments": arguments}), **headers)
    return answer.status_code, answer.json().get("error", {}).get("code")


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize(
    ("arguments", "headers", "is_good"),
    [
        ({"region": "eu"}, {"mcp_param_region": "eu"}, True),
        ({"region": "eu"}, {"mcp_param_region": "=?base64?ZXU=?="}, True),
        ({"region": "eu", "count": 5}, {"mcp_param_region": "eu", "mcp_param_count": "5"}, True),
        ({"count": 5}, {"mcp_param_count": "5.0"}, True),
        ({"free": "x"}, {}, True),
        ({"region": None}, {}, True),
        ({"free": "x"}, {"mcp_param_other": "y"}, True),
        ({"region": "eu"}, {}, False),
        ({"region": "eu"}, {"mcp_param_region": "us"}, False),
        ({"region": "eu"}, {"mcp_param_region": "EU"}, False),
        ({"region": "eu"}, {"mcp_param_region": "=?base64?ZX?="}, False),
        ({}, {"mcp_param_region": "eu"}, False),
        ({"count": 5}, {"mcp_param_count": "6"}, False),
    ],
)
async def test_headers_say_what_the_arguments_say_or_the_call_is_refused(arguments, headers, is_good):
    one = backend()
    async with scene({"one": one}, config=QUIET) as world, world.client() as client:
        found = await code(client, "one_place", arguments, **headers)
        assert found == ((200, None) if is_good else (400, -32020))
        assert len(one.calls("tools/call")) == int(is_good)
        assert await code(client, "one_plain", arguments, **headers) == (200, None)


@pytest.mark.scenario("P-8", "C-9", "Z-2")
async def test_who_may_not_call_a_tool_learns_nothing_of_its_headers():
    async with (
        scene({"one": backend()}, config=QUIET, admitter=OnlyPlain()) as world,
        world.client() as client,
    ):
        asked = client.asking("tools/call", {"name": "one_place", "arguments": {"region": "eu"}}, request_id=1)
        denied = await client.post(asked)
        asked = client.asking("tools/call", {"name": "nothing", "arguments": {"region": "eu"}}, request_id=1)
        unknown = await client.post(asked)
    assert (denied.status_code, denied.content) == (unknown.status_code, unknown.content)
    assert denied.json()["error"]["code"] == 403


@pytest.mark.scenario("P-8")
async def test_the_check_is_by_the_schema_that_clients_see():
    overrides = {"place": {"arguments": {"region": {"fixed": "eu"}}}}
    aggregation = {"tools": [{"workload": "one", "overrides": overrides}]}
    one = backend()
    async with scene({"one": one}, config={**QUIET, "aggregation": aggregation}) as world, world.client() as client:
        assert await code(client, "one_place", {}) == (200, None)
        (called,) = one.calls("tools/call")
        assert called.message["params"]["arguments"] == {"region": "eu"}


@pytest.mark.scenario("P-8")
async def test_a_header_that_comes_twice_is_refused_whatever_it_says():
    async with scene({"one": backend()}, config=QUIET) as world, world.client() as client:
        asked = client.asking("tools/call", {"name": "one_place", "arguments": {"region": "eu"}})
        fields = [*eras.headers_of(asked).items(), *[("mcp-param-region", "eu")] * 2, ("accept", ACCEPT)]
        async with http_client(timeout=WAIT_SECONDS) as http:
            answer = await http.post(world.url, json=eras.modern(asked), headers=fields)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


@pytest.mark.scenario("W-4", "P-8")
async def test_a_step_whose_argument_is_too_long_for_its_header_has_failed_and_is_named():
    steps = [{"id": "place", "tool": "one_place", "arguments": {"region": "{{.params.text}}"}}]
    placed = ModernBackend(tools=[tool("place", inputSchema=SCHEMA)])
    config = having(composite(steps=steps))
    async with scene({"one": placed}, config=config) as world, world.client() as client:
        result = await client.call("repeat", {"text": "x" * 9000})
        assert result["isError"]
        assert "place" in result["content"][0]["text"]
        assert "Mcp-Param-Region" in result["content"][0]["text"]
        assert not (await client.call("repeat", {"text": "here"})).get("isError")
