"""MCPToolConfigs of a server and of an endpoint: edits reach open sessions, and what is missing shows nothing."""

import asyncio
import json

import pytest

from e2e.cluster import ClusterError
from e2e.support.clients import call, connected, tool_names, until
from e2e.support.kube import condition
from e2e.support.manifests import HEALTH, group, server, tool_config, vmcp

ONE = "virtualmcpserver/one"
NOTES = "mcpserver/notes"
OWN, SHARED = "mcptoolconfig/own", "mcptoolconfig/shared"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
OF_SERVER = tool_config("own", "add", "fail", add={"name": "sum"})
OF_ENDPOINT = tool_config("shared", "wait")


@pytest.fixture(scope="module")
def endpoint(kube):
    """An endpoint with two servers: one says itself which of its tools are seen, of the other the endpoint says it."""
    tools = [{"workload": "other", "toolConfigRef": {"name": "shared"}}]
    kube.apply(OF_SERVER, OF_ENDPOINT, group(), server("notes", toolConfigRef={"name": "own"}), server("other"))
    kube.apply(vmcp("one", config={"aggregation": {"tools": tools}, "operational": HEALTH}))
    ready = kube.until_phase(ONE, "Ready")
    assert condition(ready, "ToolConfigRefsValidated")["reason"] == "ToolConfigRefsValid"
    return ready["status"]["url"]


def pods(kube):
    return {pod["metadata"]["uid"] for pod in kube.list("pods", PODS)}


async def lists(client, *names):
    return sorted(await tool_names(client)) == sorted(names)


@pytest.mark.scenario("K-6")
async def test_edits_of_a_tool_config_reach_an_open_session_and_roll_no_pod(kube, endpoint):
    before = await asyncio.to_thread(pods, kube)
    async with connected(endpoint) as (client, _):
        assert await lists(client, "notes_sum", "notes_fail", "other_wait")
        assert await call(client, "notes_sum", a=40, b=2) == "42"
        await asyncio.to_thread(kube.apply, tool_config("own", "add", add={"name": "plus"}))
        await until(lambda: lists(client, "notes_plus", "other_wait"))
        assert await call(client, "notes_plus", a=40, b=2) == "42"
        await asyncio.to_thread(kube.apply, tool_config("shared", "add"))
        await until(lambda: lists(client, "notes_plus", "other_add"))
        await asyncio.to_thread(kube.apply, OF_SERVER, OF_ENDPOINT)
        await until(lambda: lists(client, "notes_sum", "notes_fail", "other_wait"))
    assert await asyncio.to_thread(pods, kube) == before


def test_a_tool_config_says_who_refers_to_it(kube, endpoint):
    shown = kube.until(SHARED, lambda each: (each.get("status") or {}).get("referenceCount"))
    assert shown["status"]["referencingWorkloads"] == [{"kind": "VirtualMCPServer", "name": "one"}]
    assert condition(shown, "Valid")["status"] == "True"
    assert kube.get(OWN)["status"]["referencingWorkloads"] == [{"kind": "MCPServer", "name": "notes"}]
    assert kube.kubectl("get", "tc", "own", "--no-headers").split()[:2] == ["own", "True"]


def is_withheld(manifest):
    """Degraded, with the backend withheld that should be, and pods that run that."""
    told = [each for each in manifest["status"].get("backends", ()) if each.get("reason") == "ToolConfigNotFound"]
    return told and manifest["status"]["phase"] == "Degraded" and condition(manifest, "Ready")["status"] == "True"


@pytest.mark.scenario("K-7", "K-19")
@pytest.mark.parametrize("who", ["server", "endpoint"])
async def test_a_tool_config_that_is_deleted_in_use_shows_nothing_of_its_backend_until_it_is_back(kube, who):
    # An endpoint of its own: a status tells of so many recoveries and no more.
    config, ref = tool_config(f"of-{who}", "add"), {"toolConfigRef": {"name": f"of-{who}"}}
    backend, one = f"cut-{who}", f"virtualmcpserver/cut-{who}"
    tools = [{"workload": backend, **ref}] if who == "endpoint" else []
    kube.apply(config, group(who), server(f"kept-{who}", group=who))
    kube.apply(server(backend, group=who, **(ref if who == "server" else {})))
    kube.apply(vmcp(f"cut-{who}", group=who, config={"aggregation": {"tools": tools}, "operational": HEALTH}))
    ready = await asyncio.to_thread(kube.until_phase, one, "Ready")
    async with connected(ready["status"]["url"]) as (client, _):
        assert shown(backend, await tool_names(client)) == [f"{backend}_add"]
        await asyncio.to_thread(kube.delete, f"mcptoolconfig/of-{who}")
        degraded = await asyncio.to_thread(kube.until, one, is_withheld)
        said = condition(degraded, "ToolConfigRefsValidated")
        assert (said["status"], said["reason"]) == ("False", "ToolConfigNotFound")
        assert f"MCPToolConfig 'of-{who}' does not exist in this namespace; create it" in said["message"]
        names = await tool_names(client)
        assert shown(backend, names) == []
        assert shown(f"kept-{who}", names)
        if who == "server":
            own = await asyncio.to_thread(kube.until, f"mcpserver/{backend}", is_told)
            assert own["status"]["phase"] == "Ready", "its pods run all the same"
        await asyncio.to_thread(kube.apply, config)
        await asyncio.to_thread(kube.until_phase, one, "Ready")
        assert shown(backend, await tool_names(client)) == [f"{backend}_add"]
    for each in (one, f"mcpserver/{backend}", f"mcpserver/kept-{who}"):
        kube.delete(each)


def shown(backend, names):
    return [name for name in names if name.startswith(f"{backend}_")]


def is_told(manifest):
    return condition(manifest, "ToolConfigRefsValidated")["status"] == "False"


@pytest.mark.scenario("K-7")
def test_a_server_whose_tool_config_is_not_there_yet_is_served_once_it_is(kube, endpoint):
    kube.apply(group("late"), server("late", group="late", toolConfigRef={"name": "late"}), vmcp("late", group="late"))
    waits = kube.until(
        "virtualmcpserver/late",
        lambda each: any(
            told.get("reason") == "ToolConfigNotFound" for told in (each.get("status") or {}).get("backends", ())
        ),
    )
    assert condition(waits, "ToolConfigRefsValidated")["status"] == "False"
    kube.apply(tool_config("late", "add"))
    ready = kube.until_phase("virtualmcpserver/late", "Ready")
    assert ready["status"]["toolCount"] == 1
    kube.delete("virtualmcpserver/late")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"toolsFilter": ["read", "read"]}, "Duplicate value"),
        ({"toolsFilter": [""]}, "should be at least 1 chars long"),
        ({"toolsOverride": {"read": {"name": "no blanks"}}}, "has the wrong form; write letters, digits"),
        ({"toolsOverride": {"read": {"arguments": {"path": {}}}}}, "anyOf"),
        ({"toolFilter": ["read"]}, "unknown field"),
    ],
    ids=["twice", "empty", "a name with a blank", "an argument that changes nothing", "an unknown field"],
)
@pytest.mark.scenario("K-4")
def test_the_api_server_refuses_a_tool_config_that_cannot_be_meant(kube, spec, words):
    manifest = {**tool_config("refused"), "spec": spec}
    with pytest.raises(ClusterError, match=words):
        kube.kubectl("create", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(manifest))
