"""Who failed: a tool that says so, or a backend that did not answer; metrics and audit tell them apart."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, Status, text


@pytest.mark.scenario("C-7", "O-1")
async def test_a_backend_that_does_not_answer_is_no_tool_error_in_metrics_and_audit(both_eras, tmp_path):
    path = tmp_path / "audit.log"
    backend = ScriptedBackend(resources=[{"uri": "test://a", "name": "a"}])
    audit = {"enabled": True, "sink": "file", "path": str(path), "eventTypes": ["mcp_tool_call", "mcp_resource_read"]}

    @backend.on("tools/call")
    async def answer(call):
        match call.params["arguments"].get("how"):
            case "broken":
                raise Status(503)
            case "refused":
                raise Refusal(-32000, "no")
            case "failed":
                return text("no", isError=True)
        return text("yes")

    @backend.on("resources/read")
    async def read(call):
        raise Status(503)

    async with scene({"one": backend}, config={**QUIET, "audit": audit}) as world, world.session() as client:
        for how in ("broken", "failed", "refused", "fine"):
            await client.request("tools/call", {"name": "one_echo", "arguments": {"how": how}})
        await client.request("resources/read", {"uri": "test://a"})
        await eventually(lambda: len(path.read_text().splitlines()) == 5)
        metrics = await world.metrics()
    assert metrics['vmcp_tool_errors_total{backend="one",tool="one_echo"}'] == 1
    assert metrics['vmcp_backend_errors_total{backend="one",category="failed"}'] == 2
    calls = {name: value for name, value in metrics.items() if name.startswith("vmcp_tool_calls_total")}
    assert calls == {
        'vmcp_tool_calls_total{backend="one",category="",tool="one_echo"}': 3,
        'vmcp_tool_calls_total{backend="one",category="failed",tool="one_echo"}': 1,
    }
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["outcome"] for event in events] == [
        "error",
        "application_error",
        "application_error",
        "success",
        "error",
    ]
    assert {event["backend"] for event in events} == {"one"}
