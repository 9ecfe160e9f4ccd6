"""Who sets the number of pods: the scale subresource, an HPA by it, a hand on the Deployment."""

import json

import pytest

from e2e.cluster import ClusterError
from e2e.support.installation import ROOT
from e2e.support.kube import Kube, condition
from e2e.support.manifests import group, server, vmcp

STORE = {"provider": "redis", "address": "redis:6379", "passwordRef": {"name": "redis", "key": "password"}}
KINDS = {"VirtualMCPServer": ("shared", "vmcp-shared"), "MCPServer": ("notes", "mcp-notes")}


@pytest.fixture(scope="module")
def resources(kube):
    """One of each kind, none of which names a number."""
    kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
    kube.apply(group(), server("notes"), vmcp("shared", sessionStorage=STORE), vmcp("memory"))
    for kind, (name, _) in KINDS.items():
        kube.kubectl("wait", "--for=condition=Ready", f"{kind}/{name}", "--timeout=90s")
    kube.kubectl("wait", "--for=condition=Ready", "virtualmcpserver/memory", "--timeout=90s")


def scale_of(kube, kind, name):
    path = f"/apis/vmcp.dev/v1beta1/namespaces/{kube.namespace}/{kind.lower()}s/{name}/scale"
    return json.loads(kube.kubectl("get", "--raw", path))


def autoscaler(kind, name):
    """An HPA whose least number is above what runs: it acts before any metric comes."""
    target = {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "name": name}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": [cpu]}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.mark.scenario("K-24")
@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_that_names_no_number_is_scaled_by_hand_and_by_an_autoscaler(kube: Kube, resources, kind):
    name, deployment = KINDS[kind]
    scale = scale_of(kube, kind, name)
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    assert len(kube.list("pods", scale["status"]["selector"])) == 1
    kube.kubectl("scale", f"{kind}/{name}", "--replicas=2")
    kube.until(f"deployment/{deployment}", lambda live: live["status"].get("readyReplicas") == 2)
    kube.until(f"{kind}/{name}", lambda live: live["status"].get("readyReplicas") == 2)
    kube.kubectl("scale", f"{kind}/{name}", "--replicas=1")
    kube.until(f"deployment/{deployment}", lambda live: live["status"].get("replicas") == 1)

    kube.apply(autoscaler(kind, name))
    hpa = f"horizontalpodautoscaler/{name}"
    live = kube.until(
        hpa, lambda live: condition(live, "AbleToScale").get("reason") in {"SucceededRescale", "FailedGetScale"}
    )
    assert condition(live, "AbleToScale")["reason"] == "SucceededRescale"
    kube.until(f"deployment/{deployment}", lambda live: live["spec"]["replicas"] == 2)
    kube.delete(hpa)


@pytest.mark.scenario("K-24")
def test_the_example_of_an_autoscaler_is_taken_as_it_stands(kube: Kube):
    example = ROOT / "examples/kubernetes/autoscaling/hpa.yaml"
    said = kube.kubectl("create", "--dry-run=server", "--validate=strict", f"--filename={example}")
    assert "horizontalpodautoscaler.autoscaling/replicas created" in said


@pytest.mark.scenario("K-24")
def test_two_pods_that_keep_sessions_in_memory_are_refused_or_told(kube: Kube, resources):
    with pytest.raises(ClusterError, match="redis"):
        kube.kubectl("scale", "virtualmcpserver/memory", "--replicas=2")
    kube.kubectl("scale", "deployment/vmcp-memory", "--replicas=2")
    told = kube.until_phase("virtualmcpserver/memory", "Degraded")
    assert condition(told, "SessionStorageReady")["reason"] == "MemoryNotShared"
    assert condition(told, "Ready")["reason"] == "SessionsNotShared"
    assert "set sessionStorage.provider to redis" in told["status"]["message"]
    assert kube.get("deployment/vmcp-memory")["spec"]["replicas"] == 2
    kube.kubectl("scale", "deployment/vmcp-memory", "--replicas=1")
    back = kube.until_phase("virtualmcpserver/memory", "Ready")
    assert condition(back, "SessionStorageReady")["status"] != "False"
