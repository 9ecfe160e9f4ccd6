"""From a former version to this one: what runs goes on, and no client notices."""

import asyncio

import pytest

from e2e.images.catalog import OPERATOR, PROXY
from e2e.support.clients import until
from e2e.support.former import build_former, checked_out, former, former_commit
from e2e.support.installation import OPERATOR_CHART, RELEASE, ROOT, SYSTEM, operator_values
from e2e.support.manifests import group, server, vmcp
from e2e.support.network import reachable
from tests.support.raw_client import RawClient

STORE = {"provider": "redis", "address": "redis:6379", "passwordRef": {"name": "redis", "key": "password"}}
ENDPOINT = "virtualmcpserver/kept"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=kept"
UPGRADE = (f"--namespace={SYSTEM}", "--wait", "--timeout=120s", "--reset-values")


def upgrade(cluster, charts, *values):
    """As the documentation says: the CRDs first."""
    cluster.helm("upgrade", "vmcp-operator-crds", str(charts / "vmcp-operator-crds"), *UPGRADE)
    cluster.helm("upgrade", RELEASE, str(charts / "vmcp-operator"), *UPGRADE, *values)


@pytest.fixture(scope="module")
def former_release(cluster, tmp_path_factory):
    """The cluster with the version of some commits ago."""
    commit = former_commit()
    source = checked_out(commit, tmp_path_factory.mktemp("former"))
    cluster.load_image(*build_former(source, tmp_path_factory.mktemp("images")))
    upgrade(cluster, source / "charts", *operator_values(former(OPERATOR).name, former(PROXY).name))
    yield commit
    upgrade(cluster, OPERATOR_CHART.parent, *operator_values())


@pytest.fixture(scope="module")
def endpoint(former_release, kube):
    kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
    kube.apply(group(), server("notes"))
    kube.apply(vmcp("kept", replicas=2, sessionStorage=STORE, sessionAffinity="None"))
    return kube.until(ENDPOINT, is_complete)


def is_complete(live):
    status = live.get("status") or {}
    is_told = status.get("observedGeneration") == live["metadata"]["generation"]
    return is_told and status.get("phase") == "Ready" and status.get("readyReplicas") == 2


def images(kube):
    return {pod["spec"]["containers"][0]["image"] for pod in kube.list("pods", PODS)}


@pytest.mark.scenario("K-15")
@pytest.mark.timeout(600, func_only=True)
async def test_an_upgrade_loses_no_request_and_keeps_sessions_and_resources(cluster, kube, endpoint):
    assert images(kube) == {former(PROXY).name}
    servers = [pod["metadata"]["uid"] for pod in kube.list("pods", "app.kubernetes.io/name=mcp-server")]

    def roll():
        upgrade(cluster, OPERATOR_CHART.parent, *operator_values())
        kube.until("deployment/vmcp-kept", lambda live: live["status"].get("observedGeneration", 0) > 1)
        kube.until_so("new proxies alone", lambda: images(kube) == {PROXY.name})

    async with reachable(endpoint["status"]["url"]) as url, RawClient(url) as client:
        await client.open()
        rolling = asyncio.create_task(asyncio.to_thread(roll))
        try:
            while not rolling.done():
                # A connection of its own for each request: one to a port that is closed already fails the test.
                result = await client.request("tools/list", {}, connection="close")
                assert result["result"]["tools"]
        finally:
            await rolling
        await until(lambda: asyncio.to_thread(lambda: is_complete(kube.get(ENDPOINT))), 90)
    assert kube.get(ENDPOINT)["metadata"]["uid"] == endpoint["metadata"]["uid"]
    # Of an MCPServer the image is the user's: its pod goes on.
    assert [pod["metadata"]["uid"] for pod in kube.list("pods", "app.kubernetes.io/name=mcp-server")] == servers
