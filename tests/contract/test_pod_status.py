"""What `/status` says, byte for byte, and that both halves read it as one contract."""

import json
from pathlib import Path

import pytest

from tests.proxy.auth.oidc.helpers import oidc
from tests.support.idp import Idp, Key, says
from tests.support.raw_client import initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_api.manifests.problems import Problem, Problems

GOLDEN = Path(__file__).parent.parent / "golden" / "status" / "everything.json"


def everything():
    """A document with every member that a proxy writes."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def compact(document):
    """The bytes of a document on the wire."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.scenario("K-6")
async def test_a_status_with_every_member_is_on_the_wire_what_it_always_was(tmp_path):
    shown = {"uri": "test://same", "name": "r"}
    east = ScriptedBackend(resources=[shown], prompts=[{"name": "größe"}])
    west = ScriptedBackend(tools=[tool("echo")], resources=[shown], templates=[{"uriTemplate": "x://{y}", "name": "t"}])

    @east.on("tools/list")
    async def listing(call):
        return {"tools": [tool("echo"), tool("show"), {"name": "bad", "inputSchema": 5}], "nextCursor": "loop"}

    secret = {
        "addHeadersFromSecret": [
            {"headerName": f"X-{key}", "valueSecretRef": {"name": "billing", "key": key}} for key in ("api", "other")
        ]
    }
    lacking = {
        "name": "lacking",
        "kind": "MCPServerEntry",
        "transport": "streamable-http",
        "url": "https://lacking.example/mcp",
        "headerForward": secret,
    }
    config = {
        "aggregation": {"conflictResolution": "manual", "tools": [{"workload": "gone"}]},
        "rateLimiting": {"shared": {"maxTokens": 1000, "refillPeriod": "1m"}},
        "audit": {"enabled": True, "sink": "file", "path": str(tmp_path / "audit.log")},
        "operational": {"failureHandling": {"healthCheckInterval": "1h", "circuitBreaker": {"enabled": True}}},
    }
    backends = {"east": east, "west": west}
    empty = {("billing", "other"): "\n"}
    async with (
        Idp().running() as idp,
        scene(backends, extra=(lacking,), config=config, secrets=empty, incomingAuth=oidc(idp)) as world,
        world.session(authorization=f"Bearer {idp.mint('alice')}") as client,
    ):
        idp.acts["jwks"] = says(500)
        async with world.client(authorization=f"Bearer {idp.mint('bob', key=Key('new'))}") as other:
            await other.post(initialize())
        assert await client.names() == ["show"]
        await client.names("resources")
        await client.names("prompts")
        await client.names("resourceTemplates")
        world.proxy.refuse(Problems.of(Problem("no such backend", loc=("backends", 0))))
        said = await world.admin("/status")
        digest = world.proxy.state.loaded.digest
    assert said == compact(everything() | {"configHash": digest})
