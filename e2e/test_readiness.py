"""Ready speaks of the present generation, and what stands in its way is told once, in the words of its source."""

import json

import pytest

from e2e.cluster import ClusterError
from e2e.support.clients import call, connected
from e2e.support.installation import ROOT
from e2e.support.kube import Kube, condition
from e2e.support.manifests import group, server, vmcp

NOWHERE = {"podTemplateSpec": {"spec": {"nodeSelector": {"disk": "of-no-node"}}}}
STORE = {"provider": "redis", "address": "redis:6379", "passwordRef": {"name": "redis", "key": "password"}}
RESTARTS = 2
BY_REF = {"virtualmcpserver/one": "vmcp-one", "mcpserver/notes": "mcp-notes"}


@pytest.fixture(scope="module")
def endpoint(kube):
    kube.apply(group(), server("notes"), vmcp("one"))
    kube.until_phase("mcpserver/notes", "Ready")
    return kube.until_phase("virtualmcpserver/one", "Ready")


def ready(live):
    """The status and the reason of its condition Ready, if that speaks of the present generation."""
    said = condition(live, "Ready")
    is_present = said.get("observedGeneration") == live["metadata"]["generation"]
    return (said["status"], said["reason"]) if is_present else None


def events(kube, name):
    """The Events about a resource of ours, by reason."""
    selector = f"--field-selector=involvedObject.name={name},reportingComponent=vmcp.dev/operator"
    listed = json.loads(kube.kubectl("get", "events", selector, "--output=json"))["items"]
    return [each["reason"] for each in listed]


@pytest.mark.scenario("K-23")
@pytest.mark.parametrize("ref", BY_REF)
async def test_an_edit_whose_pods_no_node_takes_is_not_ready_while_the_former_pods_serve(kube: Kube, endpoint, ref):
    kube.patch(ref, {"spec": NOWHERE})
    try:
        live = kube.until(ref, lambda live: "node" in condition(live, "Ready").get("message", ""))
        assert ready(live) == ("False", "RollingOut")
        assert live["status"]["phase"] == "Pending"
        assert live["status"]["observedGeneration"] == live["metadata"]["generation"]
        (sentence,) = {
            said["message"]
            for pod in kube.list("pods", f"app.kubernetes.io/instance={ref.partition('/')[2]}")
            if (said := condition(pod, "PodScheduled"))["status"] == "False"
        }
        assert sentence in live["status"]["message"]
        assert "the former serve" in live["status"]["message"]
        with pytest.raises(ClusterError, match="timed out"):
            kube.kubectl("wait", "--for=condition=Ready", ref, "--timeout=2s")
        async with connected(endpoint["status"]["url"]) as (client, _):
            assert await call(client, "notes_add", a=1, b=2) == "3"
    finally:
        kube.patch(ref, {"spec": {"podTemplateSpec": None}})
    kube.kubectl("wait", "--for=condition=Ready", ref, "--timeout=60s")
    deployment = kube.get(f"deployment/{BY_REF[ref]}")
    assert "nodeSelector" not in deployment["spec"]["template"]["spec"]
    assert deployment["status"]["replicas"] == deployment["status"]["readyReplicas"] == 1


@pytest.mark.scenario("K-23")
def test_an_endpoint_whose_session_store_is_away_is_not_ready_until_it_is_back(kube: Kube):
    kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
    kube.kubectl("rollout", "status", "deployment/redis", "--timeout=60s")
    kube.apply(group("stored"), server("kept", group="stored"), vmcp("stored", "stored", sessionStorage=STORE))
    kube.until("virtualmcpserver/stored", lambda live: ready(live) == ("True", "Serving"))
    kube.kubectl("scale", "deployment/redis", "--replicas=0")
    away = kube.until("virtualmcpserver/stored", lambda live: ready(live) == ("False", "StoreUnavailable"))
    assert away["status"]["phase"] == "Degraded"
    assert "no client can begin a session" in away["status"]["message"]
    assert condition(away, "SessionStorageReady")["status"] == "False"
    assert "StoreUnavailable" in events(kube, "stored")
    kube.kubectl("scale", "deployment/redis", "--replicas=1")
    kube.until("virtualmcpserver/stored", lambda live: ready(live) == ("True", "Serving"))


@pytest.mark.scenario("K-23")
def test_a_crash_loop_is_failed_between_its_restarts_too_and_told_once(kube: Kube):
    kube.apply(server("crashing", "of-no-such-name", group=None))
    failed = kube.until_phase("mcpserver/crashing", "Failed")
    assert ready(failed) == ("False", "CrashLoop")
    assert "exit code 1" in failed["status"]["message"]
    (pod,) = kube.list("pods", "app.kubernetes.io/instance=crashing")

    def restarts(live):
        return live["status"]["containerStatuses"][0]["restartCount"]

    seen = restarts(pod)
    later = f"pod/{pod['metadata']['name']}"
    for number in range(1, RESTARTS + 1):
        kube.until(later, lambda live, least=seen + number: restarts(live) >= least)
        assert kube.get("mcpserver/crashing")["status"]["phase"] == "Failed"
    after = kube.get("mcpserver/crashing")
    assert condition(after, "Ready") == condition(failed, "Ready")
    # A phase that flips between two restarts posts an Event with each.
    assert events(kube, "crashing").count("CrashLoop") == 1
    assert len(events(kube, "crashing")) <= 2
