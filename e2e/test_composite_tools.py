"""Composite tools of an endpoint and of a definition: run, ask, follow edits, and are refused where they cannot run."""

import asyncio
import json

import pytest
from mcp import MCPError
from mcp_types import ElicitResult

from e2e.cluster import ClusterError
from e2e.support.clients import call, connected, tool_names, until
from e2e.support.kube import condition
from e2e.support.manifests import HEALTH, composite_tool, group, server, vmcp

ONE = "virtualmcpserver/one"
NOTE = "virtualmcpcompositetooldefinition/note"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
SWITCH = {"type": "object", "properties": {"enabled": {"type": "boolean", "default": False}}}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
RESULT = "{{.steps.last.output.result}}"
TRACE = "vmcp.dev/trace"


def step(name, tool, **fields):
    return {"id": name, "tool": tool, **fields}


GATHER = {
    "name": "gather",
    "description": "Waits twice at once and adds.",
    "parameters": NUMBER,
    "steps": [
        step("left", "notes.wait", arguments={"seconds": 2}),
        step("right", "notes.wait", arguments={"seconds": 2}),
        step("last", "notes.add", arguments={"a": 1, "b": "{{.params.n}}"}, dependsOn=["left", "right"]),
    ],
    "output": {"properties": {"sum": {"type": "integer", "value": RESULT}}, "required": ["sum"]},
}
MAYBE = {
    "name": "maybe",
    "description": "Adds once or twice.",
    "parameters": SWITCH,
    "steps": [
        step(
            "first",
            "notes.add",
            arguments={"a": 1, "b": 1},
            condition="{{ params.enabled }}",
            defaultResults={"result": 40},
        ),
        step("last", "notes_add", arguments={"a": "{{ steps.first.output.result }}", "b": 2}),
    ],
    "output": {"properties": {"sum": {"type": "integer", "value": RESULT}}},
}
ASKING = [
    {
        "id": "ask",
        "type": "elicitation",
        "message": "What does {{.params.name}} say?",
        "schema": TEXT,
        "onDecline": {"action": "skip_remaining"},
        "onCancel": {"action": "abort"},
    },
    step(
        "write",
        "notes.write_note",
        arguments={"name": "{{.params.name}}", "text": "{{.steps.ask.output.content.text}}"},
    ),
]


@pytest.fixture(scope="module")
def endpoint(kube):
    """An endpoint that shows one tool of its backend, and three that are put together of those that it hides too."""
    shown = {"aggregation": {"tools": [{"workload": "notes", "filter": ["add"]}]}, "operational": HEALTH}
    tools = {"compositeTools": [GATHER, MAYBE], "compositeToolRefs": [{"name": "note"}]}
    kube.apply(composite_tool("note", "write_down", ASKING, parameters=NAME))
    kube.apply(group(), server("notes"), vmcp("one", config={**shown, **tools}))
    ready = kube.until_phase(ONE, "Ready")
    assert condition(ready, "CompositeToolRefsValidated")["reason"] == "CompositeToolRefsValid"
    return ready["status"]["url"]


def pods(kube):
    return {pod["metadata"]["uid"] for pod in kube.list("pods", PODS)}


@pytest.mark.scenario("W-1", "A-6")
async def test_steps_run_as_soon_as_they_may_over_tools_that_clients_do_not_see(endpoint):
    async with connected(endpoint) as (client, _):
        assert sorted(await tool_names(client)) == ["gather", "maybe", "notes_add", "write_down"]
        result = await client.call_tool("gather", {"n": 41}, meta={TRACE: True})
    assert result.structured_content == {"sum": 42}
    spans = {each["id"]: (each["start"], each["start"] + each["milliseconds"]) for each in result.meta[TRACE]["steps"]}
    assert spans["left"][0] < spans["right"][1]
    assert spans["right"][0] < spans["left"][1]
    assert spans["last"][0] >= max(spans["left"][1], spans["right"][1]) - 1


@pytest.mark.scenario("W-3")
async def test_a_step_whose_condition_does_not_hold_is_skipped_and_has_its_default_results(endpoint):
    async with connected(endpoint) as (client, _):
        sums = [(await client.call_tool("maybe", {"enabled": each})).structured_content for each in (True, False)]
        assert sums == [{"sum": 4}, {"sum": 42}]
        assert (await client.call_tool("maybe", {})).structured_content == {"sum": 42}
        with pytest.raises(MCPError, match=r"arguments\.enabled"):
            await client.call_tool("maybe", {"enabled": "perhaps"})


@pytest.mark.scenario("W-6")
async def test_a_person_is_asked_and_what_is_answered_decides(endpoint):
    asked = []
    answers = {
        "accept": ElicitResult(action="accept", content={"text": "Hello"}),
        "decline": ElicitResult(action="decline"),
        "cancel": ElicitResult(action="cancel"),
    }

    async def answer(_context, params):
        asked.append((params.message, params.requested_schema["properties"]))
        return answers[params.message.split()[3]]

    async with connected(endpoint, elicitation_callback=answer) as (client, _):
        results = {name: await client.call_tool("write_down", {"name": name}) for name in answers}
    assert asked == [(f"write_down: What does {name} say?", TEXT["properties"]) for name in answers]
    assert not results["accept"].is_error
    assert results["accept"].content[0].text == "accept is written"
    assert not results["decline"].is_error
    assert "is written" not in str(results["decline"].content)
    assert results["cancel"].is_error
    assert "ask" in results["cancel"].content[0].text

    async with connected(endpoint) as (client, _):
        unasked = await client.call_tool("write_down", {"name": "accept"})
    assert unasked.is_error
    assert "elicitation" in unasked.content[0].text


@pytest.mark.scenario("K-6")
async def test_an_edit_of_a_definition_reaches_an_open_session_and_rolls_no_pod(kube, endpoint):
    before = await asyncio.to_thread(pods, kube)
    async with connected(endpoint) as (client, _):
        edited = composite_tool("note", "jot_down", [step("write", "notes.add", arguments={"a": 1, "b": 1})])
        await asyncio.to_thread(kube.apply, edited)
        await until(lambda: has(client, "jot_down"))
        assert await call(client, "jot_down") == "2"
        await asyncio.to_thread(kube.apply, composite_tool("note", "write_down", ASKING, parameters=NAME))
        await until(lambda: has(client, "write_down"))
    assert await asyncio.to_thread(pods, kube) == before


async def has(client, name):
    return name in await tool_names(client)


@pytest.mark.scenario("W-8")
@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("a", "t", dependsOn=["b"])], "waits for one that does not exist"),
        ([step("a", "t"), step("a", "t")], "Duplicate value"),
        ([step(f"s{number}", "t") for number in range(101)], "must have at most 100 items"),
        ([{"id": "a", "type": "elicitation"}], "is required for type elicitation"),
    ],
    ids=["unknown dependency", "duplicate id", "too many steps", "a question without a message"],
)
def test_the_api_server_refuses_a_workflow_that_can_be_seen_not_to_run(kube, steps, words):
    manifest = composite_tool("refused", "refused", steps)
    with pytest.raises(ClusterError, match=words):
        kube.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(manifest))


def is_serving_in_part(manifest):
    """Not Ready for the moment in which pods take the config over."""
    return manifest["status"]["phase"] == "Degraded" and condition(manifest, "Ready")["status"] == "True"


@pytest.mark.scenario("W-8")
def test_a_workflow_that_cannot_run_says_why_and_takes_only_its_tool_away(kube, endpoint):
    circle = [
        step("a", "t", dependsOn=["b"]),
        step("b", "t", arguments={"x": "{{ steps.a.output.x }}", "y": "{{ params.y }}"}),
    ]
    kube.apply(
        composite_tool(
            "note", "write_down", circle, parameters={"type": "object", "properties": {"a": {"type": "text"}}}
        )
    )
    invalid = kube.until(NOTE, lambda each: (each.get("status") or {}).get("validationStatus") == "Invalid")
    said = "\n".join(invalid["status"]["validationErrors"])
    assert "spec.parameters.properties.a.type: names no type of JSON Schema" in said
    assert "spec.steps[1].arguments.y: reads the parameter 'y', which is not declared" in said
    assert "steps wait for each other in a circle: a → b → a" in said
    assert invalid["status"]["referencingVirtualServers"] == ["one"]
    degraded = kube.until(ONE, is_serving_in_part)
    assert condition(degraded, "CompositeToolRefsValidated")["reason"] == "CompositeToolRefInvalid"
    kube.apply(composite_tool("note", "write_down", ASKING, parameters=NAME))
    kube.until_phase(ONE, "Ready")
