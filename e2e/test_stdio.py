"""MCPServers of transport stdio: refused by default, and behind a bridge where the chart allows them."""

import asyncio

import pytest

from e2e.cluster import ClusterError
from e2e.support.clients import call, connected, tool_names, until
from e2e.support.installation import OPERATOR_CHART, RELEASE, SYSTEM, operator_values
from e2e.support.kube import Kube, backend, condition
from e2e.support.manifests import group, secret, server, vmcp

ONE = "virtualmcpserver/one"
NOTES = "mcpserver/notes"
STARTED_SECONDS = 150.0
"""Kubernetes waits longer each time before it starts a process again that has ended."""
BRIDGES = "app.kubernetes.io/name=mcp-server,app.kubernetes.io/component=backend,app.kubernetes.io/instance=notes"

PROCESSES = BRIDGES.replace("backend", "process")


def upgrade(cluster, *values: str) -> None:
    place = (f"--namespace={SYSTEM}", "--wait", "--timeout=120s")
    cluster.helm("upgrade", RELEASE, str(OPERATOR_CHART), *place, *operator_values(), *values)


def stdio(name: str, *more: str, **spec):
    return server(name, transport="stdio", **{"args": ["notes", "stdio", *more], **spec})


@pytest.fixture(scope="module")
def refused(kube: Kube):
    """What the operator says of a stdio server, and an endpoint of its backend, by default."""
    env = {"secrets": [{"name": "notes", "key": "token", "targetEnvName": "NOTES_TOKEN"}]}
    kube.apply(group(), secret("notes", token="canary-4711"), stdio("notes", **env), vmcp("one"))
    failed = kube.until_phase(NOTES, "Failed")
    withheld = kube.until(ONE, lambda live: backend(live, "notes").get("reason") == "UnsupportedTransport")
    return failed, withheld


@pytest.fixture(scope="module")
def endpoint(cluster, kube: Kube, refused):
    """The endpoint once stdio servers are allowed."""
    upgrade(cluster, "--set=stdio.enabled=true")
    yield kube.until(ONE, lambda live: backend(live, "notes").get("status") == "ready", seconds=STARTED_SECONDS)
    kube.kubectl("delete", "mcpserver", "--all", "--wait=true")
    upgrade(cluster)


@pytest.mark.scenario("K-18")
def test_a_stdio_server_and_its_endpoint_say_what_to_set_by_default(kube: Kube, refused):
    failed, withheld = refused
    assert condition(failed, "Valid")["reason"] == "UnsupportedTransport"
    for message in (failed["status"]["message"], backend(withheld, "notes")["message"]):
        assert "set stdio.enabled=true in the values of the operator's chart" in message


@pytest.mark.scenario("K-18")
async def test_a_client_calls_a_stdio_server_through_an_endpoint(kube: Kube, endpoint):
    live = await asyncio.to_thread(kube.until_phase, NOTES, "Ready")
    assert live["status"]["url"] == f"http://mcp-notes.{kube.namespace}.svc:8080/mcp"
    async with (
        connected(endpoint["status"]["url"]) as (client, _),
        connected(endpoint["status"]["url"]) as (other, _),
    ):
        assert "notes_add" in await tool_names(client)
        answers = await asyncio.gather(
            *(call(each, "notes_add", a=number, b=1000) for number in range(20) for each in (client, other))
        )
        assert answers == [str(number + 1000) for number in range(20) for _ in range(2)]
        assert await call(client, "notes_wait", seconds=1.0) == "waited in mcp-notes-0"
        await other.call_tool("notes_write_note", {"name": "shared", "text": "by all clients"})
        (content,) = (await client.read_resource("notes://shared")).contents
        assert content.text == "by all clients"


@pytest.mark.scenario("K-18")
async def test_sessions_outlive_the_pod_of_the_process(kube: Kube, endpoint):
    async with connected(endpoint["status"]["url"]) as (client, _):
        assert await call(client, "notes_add", a=1, b=2) == "3"
        has_begun = asyncio.Event()

        async def note(*_progress):
            has_begun.set()

        call_of_two_minutes = client.call_tool("notes_wait", {"seconds": 120.0}, progress_callback=note)
        waiting = asyncio.create_task(call_of_two_minutes)
        before = await asyncio.to_thread(kube.get, "pod/mcp-notes-0")
        await has_begun.wait()
        await asyncio.to_thread(kube.delete, "pod/mcp-notes-0", "--wait=false")
        lost = await waiting
        assert lost.is_error
        assert "whether it did what was asked is not known" in str(lost.content)
        await until(lambda: adds(client), STARTED_SECONDS)
        after = await asyncio.to_thread(kube.get, "pod/mcp-notes-0")
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
    await asyncio.to_thread(kube.until_phase, NOTES, "Ready")


@pytest.mark.scenario("K-18")
async def test_sessions_outlive_the_bridge_and_the_process_begins_anew(kube: Kube, endpoint):
    async with connected(endpoint["status"]["url"]) as (client, _):
        assert await call(client, "notes_add", a=1, b=2) == "3"
        (bridge,) = kube.list("pods", BRIDGES)
        await asyncio.to_thread(kube.delete, f"pod/{bridge['metadata']['name']}")
        await until(lambda: adds(client), STARTED_SECONDS)
        pod = await asyncio.to_thread(kube.get, "pod/mcp-notes-0")
        assert pod["status"]["containerStatuses"][0]["restartCount"] > 0
    await asyncio.to_thread(kube.until_phase, NOTES, "Ready")


@pytest.mark.scenario("K-18")
def test_a_bridge_may_attach_to_its_own_pod_and_to_no_other(kube: Kube, endpoint):
    who = f"--as=system:serviceaccount:{kube.namespace}:mcp-notes-bridge"

    def may(verb: str, what: str, *more: str) -> bool:
        try:
            return kube.kubectl("auth", "can-i", verb, what, who, *more).strip() == "yes"
        except ClusterError:
            return False

    assert may("create", "pods/mcp-notes-0", "--subresource=attach")
    assert not may("create", "pods/other", "--subresource=attach")
    assert not may("list", "pods")
    assert not may("get", "secrets")
    assert not may("delete", "pods/other")
    assert may("delete", "pods/mcp-notes-0")


@pytest.mark.scenario("K-18")
async def test_a_process_that_goes_on_without_its_input_is_replaced_pod_and_all(kube: Kube, endpoint):
    await asyncio.to_thread(kube.apply, stdio("stays", "stays"))
    await asyncio.to_thread(kube.until_phase, "mcpserver/stays", "Ready")
    before = await asyncio.to_thread(kube.get, "pod/mcp-stays-0")
    (bridge,) = kube.list("pods", BRIDGES.replace("notes", "stays"))
    await asyncio.to_thread(kube.delete, f"pod/{bridge['metadata']['name']}")

    def is_replaced() -> bool:
        pods = kube.list("pods", PROCESSES.replace("notes", "stays"))
        return any(each["metadata"]["uid"] != before["metadata"]["uid"] for each in pods)

    # A bridge that has not heard the process before gives it the time of a first start.
    await asyncio.to_thread(kube.until_so, "another pod", is_replaced, 235.0)
    await asyncio.to_thread(kube.until_phase, "mcpserver/stays", "Ready")
    await asyncio.to_thread(kube.delete, "mcpserver/stays")


@pytest.mark.scenario("K-18")
def test_more_than_one_replica_is_refused_at_admission(kube: Kube, endpoint):
    with pytest.raises(ClusterError, match="a stdio server is one process"):
        kube.kubectl("scale", NOTES, "--replicas=2")


@pytest.mark.scenario("K-18")
def test_another_transport_and_back_take_the_same_children(kube: Kube, endpoint):
    kube.patch(NOTES, {"spec": {"transport": "streamable-http", "args": ["notes"]}})
    kube.until_phase(NOTES, "Ready", STARTED_SECONDS)
    assert not kube.exists("statefulset/mcp-notes")
    assert not kube.exists("role/mcp-notes-bridge")
    kube.patch(NOTES, {"spec": {"transport": "stdio", "args": ["notes", "stdio"]}})
    kube.until_phase(NOTES, "Ready", STARTED_SECONDS)
    assert kube.exists("statefulset/mcp-notes")


async def adds(client) -> bool:
    result = await client.call_tool("notes_add", {"a": 2, "b": 2})
    return not result.is_error
