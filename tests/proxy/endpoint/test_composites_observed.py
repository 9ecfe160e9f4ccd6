"""What the operator sees of composite tools: spans, counts and lines of the audit."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_composites import ECHO, composite, echoing, having
from tests.proxy.endpoint.test_layers import events_in
from tests.proxy.endpoint.tracing import traced
from tests.support.eras import Era
from tests.support.scene import scene

TWO = [ECHO, {"id": "bad", "tool": "one_gone", "dependsOn": ["say"], "onError": {"action": "continue"}}]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("W-11")
async def test_the_spans_of_backends_are_below_their_step_and_that_below_the_workflow():
    async def use(client):
        await client.call("repeat", {"text": "x"})
        await client.request("tools/call", {"name": "invented"})

    spans, backend, _ = await traced(use, backend=echoing(), config=having(composite(steps=TWO)))
    # As of any tool: what nothing bears stands in no name, as clients may invent any number.
    assert "tools/call" in spans
    assert not any("invented" in name for name in spans)
    server, workflow = spans["tools/call repeat"], spans["workflow repeat"]
    assert server.attributes["gen_ai.tool.name"] == "repeat"
    step, call, bad = spans["step say"], spans["tools/call echo"], spans["step bad"]
    assert (workflow.parent, step.parent, call.parent) == (server.id, workflow.id, step.id)
    assert [each.attributes.get("error.type", "") for each in (step, bad, workflow)] == ["", "unknown", ""]
    [heard] = backend.calls("tools/call")
    assert call.id in heard.headers["traceparent"]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("W-11")
async def test_runs_are_counted_by_workflow_and_steps_as_calls_of_their_tools():
    config = having(composite(), composite("broken", [{"id": "a", "tool": "one_gone"}]))
    async with scene({"one": echoing()}, config=config) as world, world.session() as client:
        await client.call("repeat", {"text": "x"})
        await client.call("broken")
        values = await world.metrics()
        assert values['vmcp_workflow_executions_total{workflow="repeat"}'] == 1
        assert values['vmcp_workflow_executions_total{workflow="broken"}'] == 1
        assert values['vmcp_workflow_errors_total{workflow="broken"}'] == 1
        assert values['vmcp_workflow_duration_seconds_count{workflow="repeat"}'] == 1
        assert values['vmcp_tool_calls_total{backend="one",category="",tool="one_echo"}'] == 1
        # Edits do not add up to series without end.
        world.apply(config=having(composite()))
        assert not any('workflow="broken"' in name for name in await world.metrics())


@pytest.mark.scenario("W-12")
@pytest.mark.scenario("Z-5")
async def test_each_step_has_a_line_with_its_decision_and_the_request_of_its_call(both_eras, tmp_path):
    path = tmp_path / "audit.log"
    audit = {"enabled": True, "sink": "file", "path": str(path)}
    steps = [
        {**ECHO, "tool": "one.echo"},
        {"id": "never", "tool": "one_echo", "condition": "false"},
        {"id": "denied", "tool": "one_hidden", "dependsOn": ["say"]},
    ]
    config = {**having(composite(steps=steps)), "audit": audit}
    deny = 'context has arg_text && context.arg_text == "no"'
    policies = [f'@id("some") permit(principal, action, resource) unless {{ {deny} }};']
    steps[2]["arguments"] = {"text": "no"}
    async with (
        scene({"one": echoing()}, config=config, authorization={"policies": policies}, name="p") as world,
        world.session() as client,
    ):
        await client.call("repeat", {"text": "x"})
        opening = 2 if both_eras is Era.LEGACY else 1
        events = (await events_in(path, opening + 5))[-5:]
    by_step = {each.get("workflow", {}).get("step", each["type"]): each for each in events}
    say, never, denied = by_step["say"], by_step["never"], by_step["denied"]
    assert (say["type"], say["outcome"]) == ("workflow_step_completed", "success")
    assert (say["target"], say["backend"]) == ({"method": "tools/call", "name": "one_echo"}, "one")
    assert (say["decision"]["outcome"], say["decision"]["policies"]) == ("allow", ["some"])
    assert (never["type"], never["outcome"]) == ("workflow_step_skipped", "success")
    assert "decision" not in never
    assert (denied["type"], denied["outcome"], denied["decision"]["outcome"]) == (
        "workflow_step_failed",
        "denied",
        "deny",
    )
    assert denied["workflow"]["error"] == "denied"
    failed, call = events[-2:]
    assert (failed["type"], failed["workflow"]["name"]) == ("workflow_failed", "repeat")
    assert (call["type"], call["outcome"]) == ("mcp_tool_call", "application_error")
    assert {each["request_id"] for each in events} == {call["request_id"]}
    assert len({each["id"] for each in events}) == len(events)
    assert len({each["workflow"]["run"] for each in events[:-1]}) == 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-5")
async def test_that_steps_are_not_authorised_stands_in_the_audit_and_beginnings_only_where_asked_for(
    both_eras, tmp_path
):
    path = tmp_path / "audit.log"
    types = ["workflow_started", "workflow_completed", "workflow_step_completed"]
    audit = {"enabled": True, "sink": "file", "path": str(path), "eventTypes": types}
    config = {**QUIET, "compositeTools": [composite(authorizeSteps=False)], "audit": audit}
    async with scene({"one": echoing()}, config=config) as world, world.session() as client:
        await client.call("repeat", {"text": "x"})
        events = await events_in(path, 3)
    assert [each["type"] for each in events] == ["workflow_started", "workflow_step_completed", "workflow_completed"]
    assert [each["workflow"]["authorizes_steps"] for each in events] == [False, False, False]
