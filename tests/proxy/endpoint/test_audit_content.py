"""Content of requests and answers in the audit of a whole proxy: off, on, masked, cut, and never copied as a whole."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_layers import events_in
from tests.support.raw_client import initialize
from tests.support.scene import scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, text, tool

pytestmark = pytest.mark.scenario("O-1", "H-7")
CANARY = "canary-77aa31"


def audited(path, **settings):
    return {**QUIET, "audit": {"enabled": True, "sink": "file", "path": str(path), **settings}}


BOTH = {"includeRequestData": True, "includeResponseData": True}


def backend_that_tells_all():
    backend = ScriptedBackend(tools=[tool("tell"), tool("fail")])

    @backend.on("tools/call")
    async def tell(call):
        if call.params["name"] == "fail":
            raise Refusal(-32000, "no", {"password": CANARY, "why": "closed"})
        if call.params["arguments"].get("talks"):
            await call.notify("notifications/progress", progressToken=1, progress=1)
        heard = {name: call.heard.headers.get(name, "") for name in ("x-api-key", "x-static", "x-tenant")}
        return text(json.dumps({"heard": heard, "secret": CANARY, "kept": "shown"}))

    return backend


async def test_without_a_setting_no_content_is_written_and_no_answer_kept(tmp_path):
    path = tmp_path / "audit.log"
    async with scene({"web": backend_that_tells_all()}, config=audited(path)) as world, world.session() as client:
        await client.call("web_tell")
        for event in await events_in(path, 3):
            assert "data" not in event
    assert "shown" not in path.read_text()


@pytest.mark.parametrize("talks", [False, True])
async def test_requests_and_answers_are_written_without_secrets_and_header_values(tmp_path, talks):
    path = tmp_path / "audit.log"
    static = {"addHeadersFromSecret": [{"headerName": "X-Static", "valueSecretRef": {"name": "k", "key": "s"}}]}
    settings = {
        "config": audited(path, **BOTH),
        "passthroughHeaders": ["X-Api-Key", "X-Tenant"],
        "more": {"web": {"headerForward": static}},
        "secrets": {("k", "s"): f"static-{CANARY}"},
    }
    headers = {"x_api_key": f"key-{CANARY}", "x_tenant": "tenant-of-somebody", "authorization": f"Bearer {CANARY}"}
    async with scene({"web": backend_that_tells_all()}, **settings) as world, world.session(**headers) as client:
        await events_in(path, 2)
        meta = {"progressToken": 1}
        arguments = {"talks": talks, "q": "asked", "password": CANARY}
        answer = await client.request("tools/call", {"name": "web_tell", "arguments": arguments, "_meta": meta})
        heard = json.loads(answer["result"]["content"][0]["text"])["heard"]
        assert heard["x-static"] == f"static-{CANARY}"
        await client.request("tools/call", {"name": "web_fail"})
        events = await events_in(path, 4)
    begun, _, told, failed = events
    assert begun["data"]["request"]["clientInfo"] == {"name": "t", "version": "1"}
    assert begun["data"]["response"]["serverInfo"]["name"] == "test"
    assert told["data"]["request"] == {
        "name": "web_tell",
        "arguments": {"talks": talks, "q": "asked", "password": "***"},
        "_meta": {"progressToken": 1},
    }
    (content,) = told["data"]["response"]["content"]
    assert json.loads(content["text"]) == {
        "heard": {"x-api-key": "***", "x-static": "***", "x-tenant": "***"},
        "secret": "***",
        "kept": "shown",
    }
    assert failed["data"]["error"] == {"code": -32000, "message": "no", "data": {"password": "***", "why": "closed"}}
    assert CANARY not in path.read_text()


async def test_parts_of_a_batch_have_their_content_and_the_batch_has_none(tmp_path):
    path = tmp_path / "audit.log"
    settings = audited(path, **BOTH)
    async with scene({"web": backend_that_tells_all()}, config=settings) as world, world.client() as client:
        answer = await client.post(initialize("2025-03-26"))
        client.session = answer.headers["mcp-session-id"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "web_tell", "arguments": {}}}
        await client.post([call, {"jsonrpc": "2.0", "id": 2, "method": "ping"}])
        events = (await events_in(path, 4))[1:]
    by_type = {event["type"]: event.get("data") for event in events}
    assert by_type["mcp_batch"] is None
    assert "content" in by_type["mcp_tool_call"]["response"]
    assert by_type["mcp_ping"] == {"response": {}}


async def test_a_result_of_any_size_costs_its_beginning(tmp_path):
    path, size = tmp_path / "audit.log", 24 << 20
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def much(_call):
        return text("x" * size)

    limits = {"limits": {"responseBody": 32 << 20}}
    config = audited(path, **BOTH, maxDataSize=1000)
    config["operational"] = {**config["operational"], **limits}
    async with scene({"web": backend}, config=config) as world, world.session() as client:
        await client.names()
        await client.call("web_echo")
        (event,) = (await events_in(path, 4))[3:]
    assert event["data"]["cut"]["response"] > size
    assert len(json.dumps(event["data"]["response"])) < 1100
