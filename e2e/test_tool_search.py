"""Tool search on two replicas: by rights, over live changes, with composite tools, and with a Secret that is late."""

import asyncio
import time

import pytest
from mcp import MCPError

from e2e.support.clients import FOLLOW_SECONDS, connected, tool_names, until
from e2e.support.identity import bearer, provider
from e2e.support.installation import ROOT
from e2e.support.kube import condition
from e2e.support.manifests import HEALTH, authz_config, composite_tool, group, oidc_config, secret, server, vmcp

ONE = "virtualmcpserver/one"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
SEARCH = ["call_tool", "find_tool"]
READERS = 'permit(principal, action == Action::"call_tool", resource == Tool::"notes_add");'
WRITERS = 'permit(principal in Group::"writers", action == Action::"call_tool", resource);'
ALICE_WRITES = (
    'permit(principal == Client::"alice", action == Action::"call_tool", resource == Tool::"notes_write_note");'
)
NOTE = {"name": "n", "text": "t"}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
WRITE = [{"id": "w", "tool": "notes.write_note", "arguments": {"name": "{{.params.name}}", "text": "kept"}}]
REDIS = {
    "provider": "redis",
    "address": "redis:6379",
    "passwordRef": {"name": "redis", "key": "password"},
}


@pytest.fixture(scope="module")
def idp(cluster):
    with provider(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def endpoint(kube, idp):
    """Two replicas that search however few tools there are, one of them a composite one."""
    kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
    auth = {"oidcConfigRef": {"name": "idp", "audience": idp.audience}, "authzConfigRef": {"name": "policies"}}
    renamed = {"fail": {"name": "collapse", "description": "Break down on purpose, for drills."}}
    config = {
        "operational": HEALTH,
        "optimizer": {"threshold": 0},
        "compositeToolRefs": [{"name": "remember"}],
        "aggregation": {"tools": [{"workload": "notes", "overrides": renamed}]},
    }
    kube.apply(oidc_config("idp", idp.issuer), authz_config("policies", READERS, WRITERS), group(), server("notes"))
    kube.apply(composite_tool("remember", "keep_in_mind", WRITE, parameters=NAME))
    spec = {"incomingAuth": {"type": "oidc", **auth}, "config": config, "replicas": 2, "sessionStorage": REDIS}
    kube.apply(vmcp("one", **spec))
    ready = kube.until(ONE, lambda live: is_complete(live) and "listedContextBytes" in live["status"])
    assert condition(ready, "ToolSearchConfigured")["status"] == "True"
    return ready["status"]["url"]


@pytest.fixture(autouse=True)
async def policies(kube, endpoint, idp):
    """Each test begins with the same policies in force, whatever became of them in the one before."""
    await asyncio.to_thread(kube.apply, authz_config("policies", READERS, WRITERS))
    async with connected(endpoint, alice(idp)) as (client, _):
        await until(lambda: finds_only(client, "write a note", {"notes_add"}))


def is_complete(live):
    status = live.get("status") or {}
    return status.get("phase") == "Ready" and status.get("readyReplicas") == 2


def pods(kube):
    return {pod["metadata"]["uid"]: pod for pod in kube.list("pods", PODS)}


def alice(idp):
    return bearer(idp.mint("alice", lifetime=3600))


def bob(idp):
    return bearer(idp.mint("bob", lifetime=3600, groups=["writers"]))


async def find(client, query):
    """The answer to a search, and the names of the tools in it, best first."""
    result = await client.call_tool("find_tool", {"query": query})
    assert not result.is_error, result.content
    answer = result.structured_content
    return answer, [each["name"] for each in answer["tools"]]


async def finds_only(client, query, names):
    return set((await find(client, query))[1]) == names


async def finds(client, query, name):
    return name in (await find(client, query))[1]


async def perform(client, name, /, **arguments):
    return await client.call_tool("call_tool", {"name": name, "arguments": arguments})


@pytest.mark.scenario("T-1", "T-3")
async def test_two_callers_list_the_same_two_tools_and_find_what_each_may_use(kube, endpoint, idp):
    told = await asyncio.to_thread(kube.until, ONE, lambda live: live["status"].get("toolCount", 0) >= 6)
    status = told["status"]
    assert status["listedContextBytes"] > 0
    async with connected(endpoint, alice(idp)) as (reader, _), connected(endpoint, bob(idp)) as (writer, _):
        assert await tool_names(reader) == await tool_names(writer) == SEARCH
        hers, names = await find(reader, "write a note")
        assert names == ["notes_add"]
        assert (hers["searched"], hers["backends"]) == (1, ["notes"])
        his, names = await find(writer, "write a note")
        assert names[0] == "notes_write_note"
        assert his["searched"] == status["toolCount"]
        assert his["tools"][0]["inputSchema"]["required"] == ["name", "text"]

        assert (await perform(reader, "notes_add", a=1, b=2)).content[0].text == "3"
        assert (await perform(writer, "notes_write_note", **NOTE)).content[0].text == "n is written"
        told = [await refused(reader, name) for name in ("notes_write_note", "notes_write_nota")]
        assert told[0].replace("notes_write_note", "X") == told[1].replace("notes_write_nota", "X")
        assert await tool_names(reader) == SEARCH


async def refused(client, name):
    """What is said of a tool that cannot be called; what one may not use answers like what does not exist."""
    try:
        result = await perform(client, name, **NOTE)
    except MCPError as error:
        return str(error)
    assert result.is_error
    return result.content[0].text


@pytest.mark.scenario("T-6")
async def test_composite_and_renamed_tools_are_found_by_what_clients_read_of_them(endpoint, idp):
    async with connected(endpoint, bob(idp)) as (client, _):
        _, names = await find(client, "runs a workflow to keep in mind")
        assert names[0] == "keep_in_mind"
        assert not (await perform(client, "keep_in_mind", name="errand")).is_error
        _, names = await find(client, "break down on purpose for a drill")
        assert names[0] == "notes_collapse"
        assert "notes_fail" not in names
        assert (await perform(client, "notes_collapse")).is_error


@pytest.mark.scenario("T-6")
async def test_either_replica_searches_and_what_one_has_found_is_called_at_the_other(kube, endpoint, idp):
    running = (await asyncio.to_thread(pods, kube)).values()
    urls = [f"http://{pod['status']['podIP']}:4483/mcp" for pod in running]
    for found_at, called_at in (urls, reversed(urls)):
        async with connected(found_at, bob(idp)) as (client, _):
            _, names = await find(client, "add two numbers")
        async with connected(called_at, bob(idp)) as (client, _):
            assert (await perform(client, names[0], a=20, b=22)).content[0].text == "42"


@pytest.mark.scenario("T-6", "K-6")
async def test_live_changes_are_found_at_once_in_an_open_session_and_roll_no_pod(kube, endpoint, idp):
    before = (await asyncio.to_thread(pods, kube)).keys()
    async with connected(endpoint, alice(idp)) as (reader, _), connected(endpoint, bob(idp)) as (writer, said):
        began = time.monotonic()
        await asyncio.to_thread(kube.apply, authz_config("policies", READERS, WRITERS, ALICE_WRITES))
        await until(lambda: finds(reader, "write a note", "notes_write_note"))
        assert time.monotonic() - began < FOLLOW_SECONDS

        await asyncio.to_thread(kube.apply, server("more"))
        await until(lambda: finds(writer, "more: add two numbers", "more_add"), 60)
        assert await tool_names(writer) == SEARCH
        assert not await finds(reader, "more: add two numbers", "more_add")
        await asyncio.to_thread(kube.delete, "mcpserver/more")

        said.clear()
        off = {"spec": {"config": {"optimizer": {"enabled": False}}}}
        await asyncio.to_thread(kube.patch, ONE, off)
        await until(lambda: sees(writer, "notes_add"))
        assert not {*SEARCH} & {*await tool_names(writer)}
        live = await asyncio.to_thread(kube.until, ONE, lambda each: "listedContextBytes" not in each["status"])
        assert condition(live, "ToolSearchConfigured")["reason"] == "Off"
        on = {"spec": {"config": {"optimizer": {"enabled": True, "alwaysVisible": ["notes_add", "notes_ad"]}}}}
        await asyncio.to_thread(kube.patch, ONE, on)
        await until(lambda: lists(writer, ["call_tool", "find_tool", "notes_add"]))
        told = await asyncio.to_thread(kube.until, ONE, lambda each: each["status"].get("unmatched"))
        assert told["status"]["unmatched"] == [{"backend": "", "setting": "optimizer", "name": "notes_ad"}]
        await asyncio.to_thread(kube.patch, ONE, {"spec": {"config": {"optimizer": {"alwaysVisible": None}}}})
        await until(lambda: lists(writer, SEARCH))
    assert (await asyncio.to_thread(pods, kube)).keys() == before


async def sees(client, name):
    return name in await tool_names(client)


async def lists(client, names):
    return sorted(await tool_names(client)) == names


@pytest.mark.scenario("T-7")
async def test_without_its_key_and_without_its_server_of_embeddings_an_endpoint_finds_tools(kube, endpoint, idp):
    key = {"name": "embeddings", "key": "apiKey"}
    asked = {"url": "http://nobody:8080/v1", "allowPrivateEndpoint": True, "insecureAllowHTTP": True}
    patch = {"spec": {"config": {"optimizer": {"embeddings": {**asked, "apiKeySecretRef": key}}}}}
    await asyncio.to_thread(kube.patch, ONE, patch)

    def is_said(reason):
        return lambda live: condition(live, "ToolSearchConfigured")["reason"] == reason

    async def tells_while_searched(reason):
        assert (await find(client, "write a note"))[1][0] == "notes_write_note"
        live = await asyncio.to_thread(kube.get, ONE)
        assert "canary" not in str(live)
        return is_said(reason)(live)

    # Pods roll for a Secret that they did not mount before.
    lacking = await asyncio.to_thread(kube.until, ONE, is_said("SecretNotFound"), 180)
    assert "embeddings/apiKey" in condition(lacking, "ToolSearchConfigured")["message"]
    async with connected(endpoint, bob(idp)) as (client, _):
        assert (await find(client, "write a note"))[1][0] == "notes_write_note"
        await asyncio.to_thread(kube.apply, secret("embeddings", apiKey="canary-embeddings-71c3"))
        # Nobody asks a server of embeddings while nobody searches.
        await until(lambda: tells_while_searched("EmbeddingsUnavailable"), 180)
    config = await asyncio.to_thread(kube.get, "configmap/vmcp-one-c1")
    assert "canary" not in str(config)
    await asyncio.to_thread(kube.patch, ONE, {"spec": {"config": {"optimizer": {"embeddings": None}}}})
    await asyncio.to_thread(kube.until, ONE, is_said("Configured"))
