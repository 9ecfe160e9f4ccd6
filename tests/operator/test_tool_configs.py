"""MCPToolConfigs in a cluster: live, told where they are missing, and never open."""

import json

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ENTRY, GROUP, SERVER, TOOL_CONFIG, VMCP
from vmcp_operator.plan import kinds
from vmcp_operator.plan.kinds import CONFIG_MAP, Ref
from vmcp_operator.watch import read_change

CURATED = Ref(kinds.TOOL_CONFIG, "default", "curated")
FILES = Ref(kinds.SERVER, "default", "files")
DOCS = Ref(kinds.ENTRY, "default", "docs")
CONFIG = Ref(CONFIG_MAP, "default", "vmcp-one-c1")
REFERENCE = "  toolConfigRef: {name: curated}\n"
BY_ENTRY = "  config: {aggregation: {tools: [{workload: files, toolConfigRef: {name: curated}}]}}\n"
WORLDS = {
    "the server": VMCP + GROUP + SERVER + REFERENCE + ENTRY + TOOL_CONFIG,
    "the endpoint": VMCP + BY_ENTRY + GROUP + SERVER + ENTRY + TOOL_CONFIG,
}


def filters(story):
    """The filter of each backend that is served, None where it has none."""
    config = json.loads(story.cluster.objects[CONFIG]["data"]["config.json"])
    tools = config.get("config", {}).get("aggregation", {}).get("tools", ())
    by_name = {each["workload"]: each.get("filter") for each in tools}
    return {backend["name"]: by_name.get(backend["name"]) for backend in config.get("backends", ())}


def told(story, key=ONE):
    condition = story.condition(key, "ToolConfigRefsValidated")
    return condition["status"], condition["reason"]


async def settle(story, *names):
    for _ in range(2):
        await story.reconcile(ONE)
        story.run_pod(ONE, report=healthy(story, *names))
        story.passes(10)


@pytest.mark.scenario("K-6")
@pytest.mark.parametrize("who", WORLDS)
async def test_an_edit_of_a_tool_config_reaches_the_config_and_rolls_nothing(who):
    story = await serving(WORLDS[who])
    assert filters(story) == {"docs": None, "files": ["read", "list"]}
    assert told(story) == ("True", "ToolConfigRefsValid")
    story.cluster.edit(CURATED, lambda each: each["spec"].update(toolsFilter=["list"]))
    assert ONE in story.woken_by(read_change(kinds.TOOL_CONFIG, story.cluster.objects[CURATED]))
    await story.reconcile(ONE)
    assert filters(story) == {"docs": None, "files": ["list"]}
    assert {ref for verb, ref in story.cluster.writes if verb == "apply"} == {CONFIG}


@pytest.mark.scenario("K-7", "K-19")
@pytest.mark.parametrize("who", WORLDS)
@pytest.mark.parametrize("how", ["gone", "invalid"])
async def test_a_backend_whose_tool_config_is_broken_is_withheld_and_comes_back(who, how):
    story = await serving(WORLDS[who])
    if how == "gone":
        story.cluster.remove(CURATED)
    else:
        story.cluster.edit(CURATED, lambda each: each["spec"].update(toolsFilter=["read", "read"]))
    await settle(story, "docs")
    assert filters(story) == {"docs": None}
    reason = "ToolConfigNotFound" if how == "gone" else "ToolConfigInvalid"
    assert told(story) == ("False", reason)
    assert "files: " in story.condition(ONE, "ToolConfigRefsValidated")["message"]
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["status"]) == ("Degraded", "True")
    files = next(each for each in story.status(ONE)["backends"] if each["name"] == "files")
    assert (files["status"], files["reason"]) == ("unavailable", reason)

    story.cluster.objects.pop(CURATED, None)
    story.apply(TOOL_CONFIG)
    assert ONE in story.woken_by(read_change(kinds.TOOL_CONFIG, story.cluster.objects[CURATED]))
    await settle(story, "docs", "files")
    assert filters(story) == {"docs": None, "files": ["read", "list"]}
    assert told(story) == ("True", "ToolConfigRefsValid")
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("K-7")
async def test_members_say_so_themselves_and_a_server_runs_all_the_same():
    story = Story(GROUP + SERVER + REFERENCE + ENTRY + REFERENCE)
    story.passes(60)
    for key in (FILES, DOCS):
        await story.reconcile(key)
    assert told(story, FILES) == ("False", "ToolConfigNotFound")
    assert story.has(kinds.DEPLOYMENT, "mcp-files")
    assert story.status(DOCS)["phase"] == "Failed"
    assert "spec.toolConfigRef.name: MCPToolConfig 'curated' does not exist" in story.status(DOCS)["message"]
    story.apply(TOOL_CONFIG)
    assert {FILES, DOCS} <= story.woken_by(read_change(kinds.TOOL_CONFIG, story.cluster.objects[CURATED]))
    story.passes(10)
    for key in (FILES, DOCS):
        await story.reconcile(key)
    assert told(story, FILES) == ("True", "ToolConfigRefsValid")
    assert story.status(DOCS)["phase"] == "Valid"


async def test_a_tool_config_says_whether_it_is_valid_who_refers_to_it_and_what_is_odd_about_it():
    story = Story(VMCP + BY_ENTRY + GROUP + SERVER + REFERENCE + ENTRY + TOOL_CONFIG)
    await story.reconcile(CURATED)
    status = story.status(CURATED)
    assert story.condition(CURATED, "Valid")["status"] == "True"
    assert status["referenceCount"] == len(status["referencingWorkloads"])
    assert status["referencingWorkloads"] == [
        {"kind": "MCPServer", "name": "files"},
        {"kind": "VirtualMCPServer", "name": "one"},
    ]
    twice = {"read": {"name": "get"}, "fetch": {"name": "get"}}
    story.cluster.edit(CURATED, lambda each: each["spec"].update(toolsOverride=twice))
    story.passes(10)
    await story.reconcile(CURATED)
    condition = story.condition(CURATED, "Valid")
    assert condition["status"] == "True"
    assert "gives the tool the name of the tool" in condition["message"]
    story.cluster.edit(CURATED, lambda each: each["spec"].update(toolsFilter=["a", "a"]))
    story.passes(10)
    await story.reconcile(CURATED)
    assert story.condition(CURATED, "Valid")["reason"] == "Invalid"


async def test_an_endpoint_without_tool_configs_says_so():
    story = await serving(VMCP + GROUP + SERVER + ENTRY)
    assert told(story) == ("True", "NoToolConfigs")


@pytest.mark.scenario("K-23")
async def test_while_pods_take_over_that_a_backend_is_gone_nobody_is_told_of_a_rollout():
    story = await serving(WORLDS["the server"])
    story.cluster.remove(CURATED)
    told = []
    for _ in range(3):
        # The pod still runs the config of before.
        await story.reconcile(ONE)
        story.passes(1)
        told.append((story.status(ONE)["phase"], story.condition(ONE, "Ready")["reason"]))
    assert set(told) == {("Degraded", "ConfigLoading")}
    await settle(story, "docs")
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["status"]) == ("Degraded", "True")
