"""Servers of the MCP Lifecycle Operator join groups, by the group's list and by their own wish (K-27)."""

import asyncio
import json

import pytest

from e2e.support.clients import call, connected, tool_names, until
from e2e.support.kube import backend, condition
from e2e.support.lifecycle import (
    BINDINGS,
    SERVERS,
    gateway_binding,
    lifecycle_kinds,
    lifecycle_server,
    remove_kinds,
    serve_by,
)
from e2e.support.manifests import group, server, vmcp

pytestmark = pytest.mark.scenario("K-27")

ONE = "virtualmcpserver/one"
GROUP = "mcpgroup/tools"
ISSUES, WIKI = f"{SERVERS}/issues", f"{SERVERS}/wiki"
BINDING = f"{BINDINGS}/issues-gateway-binding"
KINDS_SECONDS = 60.0
"""The operator asks every half minute whether such kinds are served, and hears of their objects from then on."""

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gateway"}, "data": {"group": "tools"}}


@pytest.fixture(scope="module")
def endpoint(kube):
    """An endpoint whose group names a server of a kind that the cluster does not know yet.

    A server of ours, in no group, plays the pods and the Service that the other operator makes.
    """
    kube.apply(group(), server("pods", group=None), vmcp("one"))
    kube.patch(GROUP, {"spec": {"serverRefs": [{"name": "wiki"}], "allowGatewayBindings": True}})
    kube.until("mcpservers.vmcp.dev/pods", lambda live: (live.get("status") or {}).get("phase") == "Ready")
    ready = kube.until(ONE, lambda live: (live.get("status") or {}).get("url"))
    yield ready["status"]["url"]
    remove_kinds(kube)


def lists(client, *backends):
    async def check():
        return {name.partition("_")[0] for name in await tool_names(client)} == set(backends)

    return check


def test_a_cluster_without_such_kinds_is_told_what_is_missing(kube, endpoint):
    live = kube.until(GROUP, lambda each: condition(each, "ServerRefsValidated").get("status") == "False")
    message = condition(live, "ServerRefsValidated")["message"]
    assert "MCPServer.mcp.x-k8s.io 'wiki' cannot be reached: the cluster does not serve mcpservers" in message


async def test_a_server_that_a_group_names_is_served_once_its_kind_and_its_service_are_there(cluster, kube, endpoint):
    for kind in lifecycle_kinds():
        await asyncio.to_thread(cluster.kubectl, "apply", "--filename=-", stdin=json.dumps(kind))
        name = kind["metadata"]["name"]
        await asyncio.to_thread(cluster.kubectl, "wait", "--for=condition=Established", f"crd/{name}")
    await asyncio.to_thread(kube.apply, lifecycle_server("wiki"))
    waits = await asyncio.to_thread(
        kube.until,
        GROUP,
        lambda each: "its own operator" in condition(each, "ServerRefsValidated").get("message", ""),
    )
    assert condition(waits, "ServerRefsValidated")["reason"] == "ServerNotReachable"
    async with connected(endpoint) as (client, _):
        await asyncio.to_thread(serve_by, kube, "wiki", "mcp-pods")
        await until(lists(client, "wiki"), KINDS_SECONDS)
        assert await call(client, "wiki_add", a=40, b=2) == "42"
    one = await asyncio.to_thread(kube.until, ONE, lambda each: backend(each, "wiki").get("status") == "ready")
    assert backend(one, "wiki")["url"] == f"http://mcp-pods.{kube.namespace}.svc:8080/mcp"
    told = await asyncio.to_thread(kube.get, GROUP)
    assert told["status"]["entries"] == ["wiki"]
    assert condition(told, "ServerRefsValidated")["status"] == "True"


async def test_a_binding_is_fulfilled_and_told_with_the_url_of_the_endpoint(kube, endpoint):
    await asyncio.to_thread(kube.apply, CONFIG, lifecycle_server("issues"), gateway_binding("issues", "gateway"))
    async with connected(endpoint) as (client, _):
        await asyncio.to_thread(serve_by, kube, "issues", "mcp-pods")
        await until(lists(client, "issues", "wiki"))
        assert await call(client, "issues_add", a=1, b=2) == "3"
    told = await asyncio.to_thread(
        kube.until, BINDING, lambda each: condition(each, "Registered").get("status") == "True"
    )
    assert told["status"]["url"] == endpoint
    # The other operator puts our URL into its server's address; an endpoint that took that would call itself.
    patch = {"status": {"address": {"url": endpoint}}}
    await asyncio.to_thread(
        kube.kubectl, "patch", ISSUES, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}"
    )
    async with connected(endpoint) as (client, _):
        assert await call(client, "issues_add", a=2, b=2) == "4"
    assert backend(await asyncio.to_thread(kube.get, ONE), "issues")["url"].startswith("http://mcp-pods.")


async def test_a_group_that_takes_bindings_no_more_lets_the_server_go_and_says_why(kube, endpoint):
    async with connected(endpoint) as (client, _):
        await until(lists(client, "issues", "wiki"))
        await asyncio.to_thread(kube.patch, GROUP, {"spec": {"allowGatewayBindings": False}})
        await until(lists(client, "wiki"))
    told = await asyncio.to_thread(
        kube.until, BINDING, lambda each: condition(each, "Registered").get("reason") == "BindingNotAllowed"
    )
    assert "url" not in told["status"]


async def test_a_server_that_is_deleted_leaves_and_so_does_its_entry(kube, endpoint):
    async with connected(endpoint) as (client, _):
        await until(lists(client, "wiki"))
        await asyncio.to_thread(kube.delete, WIKI)
        await until(lists(client))
    await asyncio.to_thread(kube.until_gone, "mcpserverentry/wiki")


def test_a_cluster_that_loses_such_kinds_is_looked_after_as_before(kube, endpoint):
    kube.patch(GROUP, {"spec": {"serverRefs": None}})
    remove_kinds(kube)
    # The group heard of it once it says that it is empty; what happens after that is heard as well.
    kube.until(GROUP, lambda each: condition(each, "Ready").get("reason") == "Empty")
    kube.patch("mcpservers.vmcp.dev/pods", {"spec": {"groupRef": {"name": "tools"}}})
    kube.until(ONE, lambda each: backend(each, "pods").get("status") == "ready")
