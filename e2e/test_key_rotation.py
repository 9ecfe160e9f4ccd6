"""The keys of sessions: one that is added signs once every pod has it, and what the former ones signed goes on."""

import asyncio
import base64
import secrets
from contextlib import AsyncExitStack

import pytest

from e2e.support.clients import until
from e2e.support.installation import ROOT
from e2e.support.manifests import group, server, vmcp
from e2e.support.network import tunnel
from tests.support.raw_client import RawClient

STORE = {"provider": "redis", "address": "redis:6379", "passwordRef": {"name": "redis", "key": "password"}}
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=rotated"
KUBELET_SECONDS = 180.0
"""A kubelet looks at a pod's volumes when it syncs the pod, on top of that its own cache of Secrets."""


@pytest.fixture(scope="module")
def endpoint(kube):
    kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
    kube.apply(group(), server("headers", "headers"), vmcp("rotated", replicas=2, sessionStorage=STORE))
    return kube.until(
        "virtualmcpserver/rotated",
        lambda live: (live.get("status") or {}).get("phase") == "Ready" and live["status"].get("readyReplicas") == 2,
    )


def kid_of(client):
    return client.session.split(".")[1]


async def is_served(client, url):
    client.url = url
    answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
    return answer.status_code == 200


@pytest.mark.scenario("K-11", "K-15")
async def test_a_key_that_is_added_signs_once_every_pod_believes_it_and_no_session_is_refused_meanwhile(kube, endpoint):
    pods = kube.list("pods", PODS)
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(tunnel(pod["status"]["podIP"], 4483)) for pod in pods]
        urls = [f"http://127.0.0.1:{port}/mcp" for port in ports]
        former = await stack.enter_async_context(RawClient(urls[0]))
        await former.open()
        added = str(int(kid_of(former)) + 1)
        value = base64.b64encode(secrets.token_bytes(32)).decode()
        await asyncio.to_thread(kube.patch, "secret/vmcp-rotated-keys", {"data": {added: value}})

        async def signed_at(url):
            """The key of a new session, which every pod serves at once."""
            async with RawClient(url) as client:
                await client.open()
                assert [await is_served(client, each) for each in urls] == [True, True], client.session
                return kid_of(client)

        async def all_sign_anew():
            return {await signed_at(url) for url in urls} == {added}

        await until(all_sign_anew, KUBELET_SECONDS)
        assert [await is_served(former, url) for url in urls] == [True, True]
    assert {pod["metadata"]["uid"] for pod in kube.list("pods", PODS)} == {pod["metadata"]["uid"] for pod in pods}
