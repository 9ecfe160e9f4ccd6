"""Composite tools in a cluster: live, told where they are broken, and never in the way of the rest."""

import json

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import COMPOSITE_TOOL as DEFINITION
from tests.operator.manifests import ENTRY, GROUP, SERVER, VMCP
from vmcp_operator.plan.kinds import COMPOSITE_TOOL, CONFIG_MAP, Ref
from vmcp_operator.watch import read_change

REPORT = Ref(COMPOSITE_TOOL, "default", "report")
CONFIG = Ref(CONFIG_MAP, "default", "vmcp-one-c1")
WHOLE = VMCP + "  config: {compositeToolRefs: [{name: report}]}\n" + GROUP + SERVER + ENTRY + DEFINITION


def served(story):
    config = json.loads(story.cluster.objects[CONFIG]["data"]["config.json"]).get("config", {})
    return {tool["name"]: [step["tool"] for step in tool["steps"]] for tool in config.get("compositeTools", ())}


def told(story):
    condition = story.condition(ONE, "CompositeToolRefsValidated")
    return condition["status"], condition["reason"]


def steps(*written):
    return lambda each: each["spec"].update(steps=[*written])


async def test_a_definition_says_whether_it_is_valid_what_is_wrong_and_who_serves_it():
    story = Story(WHOLE)
    await story.reconcile(REPORT)
    status = story.status(REPORT)
    assert (status["validationStatus"], status["referencingVirtualServers"]) == ("Valid", ["one"])
    assert "validationErrors" not in status
    assert story.condition(REPORT, "Valid")["status"] == "True"
    story.cluster.edit(REPORT, steps({"id": "a", "tool": "t", "dependsOn": ["b"]}, {"id": "c", "type": "forEach"}))
    await story.reconcile(REPORT)
    assert story.status(REPORT)["validationStatus"] == "Invalid"
    assert story.status(REPORT)["validationErrors"] == [
        "spec.steps[0].dependsOn[0]: there is no step 'b'; known other steps: c",
        "spec.steps[1].collection: is required for type forEach; write a template of a list",
        "spec.steps[1].step: is required for type forEach; write the call that is made for each item",
    ]
    condition = story.condition(REPORT, "Valid")
    assert (condition["status"], condition["reason"]) == ("False", "Invalid")


@pytest.mark.scenario("K-6")
async def test_an_edit_reaches_the_config_and_rolls_nothing():
    story = await serving(WHOLE)
    assert served(story) == {"write_report": ["files.read"]}
    assert told(story) == ("True", "CompositeToolRefsValid")
    story.cluster.edit(REPORT, steps({"id": "read", "tool": "docs.read"}))
    assert ONE in story.woken_by(read_change(COMPOSITE_TOOL, story.cluster.objects[REPORT]))
    await story.reconcile(ONE)
    assert served(story) == {"write_report": ["docs.read"]}
    own = {"name": "own", "description": "Own.", "steps": [{"id": "a", "tool": "files.list"}]}
    story.cluster.edit(ONE, lambda each: each["spec"]["config"].update(compositeTools=[own]))
    await story.reconcile(ONE)
    assert served(story) == {"own": ["files.list"], "write_report": ["docs.read"]}
    assert {ref for verb, ref in story.cluster.writes if verb == "apply"} == {CONFIG}


BREAKS = {
    "gone": (lambda story: story.cluster.remove(REPORT), "CompositeToolRefNotFound", "'report' does not exist"),
    "invalid": (
        lambda story: story.cluster.edit(REPORT, steps({"id": "a", "tool": "t", "dependsOn": ["b"]})),
        "CompositeToolRefInvalid",
        "is not valid: VirtualMCPCompositeToolDefinition/report: spec.steps[0].dependsOn[0]: there is no step 'b'",
    ),
    "nested": (
        lambda story: story.cluster.edit(REPORT, steps({"id": "a", "tool": "own"})),
        "CompositeToolRefInvalid",
        "VirtualMCPCompositeToolDefinition/report: spec.steps[0].tool: calls the composite tool 'own', and steps",
    ),
}


@pytest.mark.scenario("K-19", "W-8")
@pytest.mark.parametrize("case", BREAKS)
async def test_a_broken_reference_takes_away_its_tool_alone_until_it_is_mended(case):
    break_it, reason, words = BREAKS[case]
    story = await serving(WHOLE)
    break_it(story)
    own = {"name": "own", "description": "Own.", "steps": [{"id": "a", "tool": "files.list"}]}
    story.cluster.edit(ONE, lambda each: each["spec"]["config"].update(compositeTools=[own]))
    for _ in range(2):
        await story.reconcile(ONE)
        story.run_pod(ONE, report=healthy(story, "files", "docs"))
        story.passes(10)
    assert served(story) == {"own": ["files.list"]}
    assert told(story) == ("False", reason)
    assert words in story.condition(ONE, "CompositeToolRefsValidated")["message"]
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["status"]) == ("Degraded", "True")
    assert words in story.status(ONE)["message"]

    story.apply(DEFINITION)
    for _ in range(2):
        await story.reconcile(ONE)
        story.run_pod(ONE, report=healthy(story, "files", "docs"))
        story.passes(10)
    assert sorted(served(story)) == ["own", "write_report"]
    assert told(story) == ("True", "CompositeToolRefsValid")
    assert story.status(ONE)["phase"] == "Ready"


FAULTS = {
    "steps[0].dependsOn[0]: there is no step 'b'": {"dependsOn": ["b"]},
    "steps[0].tool: calls its own composite tool, and steps cannot call composite tools": {"tool": "own"},
}


@pytest.mark.scenario("W-8")
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_endpoint_with_a_faulty_tool_of_its_own_keeps_what_its_pods_run(fault):
    story = await serving(WHOLE)
    own = {"name": "own", "description": "Own.", "steps": [{"id": "a", "tool": "t", **FAULTS[fault]}]}
    story.cluster.edit(ONE, lambda each: each["spec"]["config"].update(compositeTools=[own]))
    await story.reconcile(ONE)
    assert served(story) == {"write_report": ["files.read"]}
    assert story.status(ONE)["phase"] == "Failed"
    said = f"spec.config.compositeTools[0].{fault}"
    assert said in story.condition(ONE, "Valid")["message"]
