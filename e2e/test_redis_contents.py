"""What a whole session leaves in Redis and in logs: nothing that opens a session or a backend."""

import asyncio

import pytest

from e2e.support.installation import ROOT
from e2e.support.manifests import HEALTH, server
from e2e.support.network import reachable
from e2e.support.redis import Redis
from tests.support.raw_client import RawClient

EXAMPLES = ROOT / "examples/kubernetes"
ENDPOINT = "virtualmcpserver/replicas"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=replicas"
SHOW = {"name": "headers_show_headers", "arguments": {}}
CANARY = "canary-3f1c9a5e-of-a-credential"


@pytest.fixture(scope="module")
def endpoint(kube):
    kube.kubectl("apply", f"--filename={EXAMPLES / 'redis.yaml'}", f"--filename={EXAMPLES / 'replicas.yaml'}")
    kube.apply(server("headers", "headers", group="replicas"))
    operational = {**HEALTH, "logLevel": "debug"}
    kube.patch(ENDPOINT, {"spec": {"config": {"operational": operational}}})
    return kube.until(
        ENDPOINT,
        lambda live: live.get("status", {}).get("readyReplicas") == 2 and live["status"].get("backendSummary") == "2/2",
    )


@pytest.mark.scenario("S-8", "H-7")
async def test_no_secret_of_a_session_is_in_redis_in_its_traffic_or_in_a_log(kube, endpoint):
    traffic: list[str] = []
    async with (
        reachable(endpoint["status"]["url"]) as url,
        Redis.connected(kube) as redis,
        redis.listening(traffic),
        RawClient(url, {"X-Api-Key": CANARY}) as client,
    ):
        await client.open()
        for _ in range(8):
            assert CANARY in str(await client.request("tools/call", SHOW, connection="close"))
        seen = await redis.contents()
        session = client.session
        assert await client.delete() in {200, 202, 204}
        seen += await redis.contents()
    assert b"vmcp:session:" in seen
    assert any("vmcp:session:" in command for command in traffic)
    logs = await asyncio.to_thread(kube.kubectl, "logs", f"--selector={PODS}", "--tail=-1", "--prefix")
    status = await asyncio.to_thread(kube.kubectl, "get", "vmcp,configmaps,events", "--output=yaml")
    assert all(pod["metadata"]["name"] in logs for pod in kube.list("pods", PODS))
    for secret in (CANARY, session, session.rpartition(".")[2]):
        assert secret.encode() not in seen
        assert not any(secret in command for command in traffic)
        assert secret not in logs
        assert secret not in status
    assert b"show_headers" not in seen
    assert not any("show_headers" in command for command in traffic)
