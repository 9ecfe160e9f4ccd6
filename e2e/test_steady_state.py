"""An operator with nothing to do writes nothing, not even what changes nothing."""

import json
import re

import pytest

from e2e.support.installation import RELEASE, SYSTEM
from e2e.support.kube import Kube
from e2e.support.manifests import group, server, vmcp

RESYNCS = 2
KINDS = (
    "virtualmcpservers,mcpgroups,mcpservers,deployments,services,configmaps,serviceaccounts,"
    "replicasets,pods,poddisruptionbudgets,networkpolicies,events"
)
WRITES = {"APPLY", "PATCH", "POST", "PUT", "DELETE"}
WRITTEN = {"virtualmcpservers", "mcpgroups", "mcpservers", "mcpserverentries", "deployments", "services"}
WRITTEN |= {"configmaps", "serviceaccounts", "poddisruptionbudgets", "networkpolicies", "secrets", "events", "pods"}
REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@pytest.fixture(scope="module")
def busy_operator(cluster):
    """The operator with a resync every other second."""
    system = Kube(cluster, SYSTEM)
    restart(system, "VMCP_RESYNC=2")
    yield system
    restart(system, "VMCP_RESYNC-")


@pytest.fixture(scope="module")
def settled(kube):
    budget = {"maxUnavailable": 1}
    kube.apply(group(), server("notes"), vmcp("one", podDisruptionBudget=budget, networkPolicy={"enabled": True}))
    kube.until_phase("mcpserver/notes", "Ready")
    return kube.until_phase("virtualmcpserver/one", "Ready")


@pytest.mark.scenario("K-3")
def test_two_resyncs_write_nothing(cluster, kube, settled, busy_operator):
    # Namespaces of tests before this one may still be on their way out.
    others = cluster.kubectl("get", "namespaces", "--field-selector=status.phase=Terminating", "--output=name").split()
    if others:
        cluster.kubectl("wait", "--for=delete", *others, "--timeout=120s")
    seen = reconciles(busy_operator, kube)
    busy_operator.until_so("reconciles after the start", lambda: reconciles(busy_operator, kube) >= seen + RESYNCS)

    before, written = versions(kube), writes(cluster)
    seen = reconciles(busy_operator, kube)
    busy_operator.until_so("resyncs", lambda: reconciles(busy_operator, kube) >= seen + RESYNCS + 1)
    assert versions(kube) == before
    assert {key: count for key, count in writes(cluster).items() if count != written.get(key)} == {}


def restart(system, variable):
    """Sets or drops a variable of the operator, and waits for the pod that has it."""
    system.kubectl("set", "env", f"deployment/{RELEASE}", variable)
    system.kubectl("rollout", "status", f"deployment/{RELEASE}", "--timeout=60s")


def reconciles(system, kube):
    """How often the operator has looked at the endpoint, by its log."""
    log = system.kubectl("logs", f"deployment/{RELEASE}", "--tail=-1")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    key = f"VirtualMCPServer {kube.namespace}/one"
    return sum(line["event"] == "reconciled" and line["key"] == key for line in lines)


def versions(kube):
    """Every object of the namespace with its version; Events are objects too."""
    items = json.loads(kube.kubectl("get", KINDS, "--output=json"))["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in items}


def writes(cluster):
    """How many writes the API server has answered, by verb and resource; a write that changed nothing counts."""
    counts = {}
    for found in REQUESTS.finditer(cluster.kubectl("get", "--raw", "/metrics")):
        labels = dict(LABEL.findall(found["labels"]))
        # A kubelet asks for tokens all the time.
        if labels["verb"] in WRITES and labels["resource"] in WRITTEN and labels["subresource"] != "token":
            key = f"{labels['verb']} {labels['resource']}/{labels['subresource']}"
            counts[key] = counts.get(key, 0) + float(found["count"])
    return counts
