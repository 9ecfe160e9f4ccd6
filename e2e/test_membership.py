"""Backends join and leave while clients are connected: everything follows, no pod is replaced."""

import asyncio
import time

import pytest

from e2e.support.clients import FOLLOW_SECONDS, call, connected, tool_names, until
from e2e.support.kube import backend, condition
from e2e.support.manifests import group, server, vmcp

PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
ONE = "virtualmcpserver/one"


def pods(kube):
    """Each proxy pod with the restarts of its container."""
    return {
        pod["metadata"]["uid"]: [each["restartCount"] for each in pod["status"]["containerStatuses"]]
        for pod in kube.list("pods", PODS)
    }


@pytest.fixture(scope="module")
def endpoint(kube):
    """An endpoint with one backend; another server runs already and is in no group."""
    kube.apply(group(), server("first"), server("second", group=None), vmcp("one"))
    kube.until_phase("mcpserver/second", "Ready")
    return kube.until_phase(ONE, "Ready")


@pytest.mark.scenario("K-5", "A-14")
async def test_catalog_status_and_open_sessions_follow_a_backend_that_joins_and_leaves(kube, endpoint):
    before = pods(kube)
    async with connected(endpoint["status"]["url"]) as (client, said):
        assert {name.partition("_")[0] for name in await tool_names(client)} == {"first"}

        await asyncio.to_thread(kube.patch, "mcpserver/second", {"spec": {"groupRef": {"name": "tools"}}})
        began = time.monotonic()
        await until(lambda: any(heard(said)))
        await until(lambda: sees(client, {"first", "second"}))
        assert time.monotonic() - began < FOLLOW_SECONDS
        assert await call(client, "second_add", a=1, b=2) == "3"
        joined = await asyncio.to_thread(kube.until, ONE, lambda live: backend(live, "second").get("status") == "ready")
        assert joined["status"]["backendSummary"] == "2/2"
        said.clear()

        await asyncio.to_thread(kube.patch, "mcpserver/second", {"spec": {"groupRef": None}})
        began = time.monotonic()
        await until(lambda: any(heard(said)))
        await until(lambda: sees(client, {"first"}))
        assert time.monotonic() - began < FOLLOW_SECONDS
        assert await call(client, "first_add", a=2, b=2) == "4"
    left = kube.until(ONE, lambda live: not backend(live, "second"))
    assert left["status"]["backendSummary"] == "1/1"
    assert pods(kube) == before


@pytest.mark.scenario("K-5")
def test_an_empty_group_is_ready_and_says_that_it_is_empty(kube, endpoint):
    before = pods(kube)
    kube.patch("mcpserver/first", {"spec": {"groupRef": None}})
    empty = kube.until(ONE, lambda live: live["status"].get("backendCount") == 0)
    assert empty["status"]["phase"] == "Ready"
    assert condition(empty, "Ready")["reason"] == "NoBackends"
    kube.patch("mcpserver/first", {"spec": {"groupRef": {"name": "tools"}}})
    kube.until(ONE, lambda live: backend(live, "first").get("status") == "ready")
    assert pods(kube) == before


def heard(said):
    """The notifications about tools among what the endpoint sent unasked."""
    return (getattr(message, "method", None) == "notifications/tools/list_changed" for message in said)


async def sees(client, backends):
    return {name.partition("_")[0] for name in await tool_names(client)} == backends
