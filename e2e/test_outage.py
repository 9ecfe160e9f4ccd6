"""The API server goes away for a minute: the operator stops, begins again by itself, and writes little."""

import time

import pytest

from e2e.cluster import ClusterError
from e2e.support.kube import Kube
from e2e.support.manifests import group, server, vmcp
from e2e.support.operators import Operators

pytestmark = pytest.mark.usefixtures("unsettling")

OUTAGE = 60.0
KINDS = "virtualmcpservers.vmcp.dev,mcpgroups.vmcp.dev,mcpservers.vmcp.dev,mcpserverentries.vmcp.dev"
WRITES_FOR_EACH = 4
"""A pod may turn unready while nobody can say that it is not, which is told and taken back."""


@pytest.fixture(scope="module")
def operators(cluster):
    return Operators(cluster)


def restarts(operators):
    return [each["restartCount"] for each in operators.pod()["status"]["containerStatuses"]]


def is_served(kube):
    try:
        return kube.kubectl("get", "--raw", "/readyz") == "ok"
    except ClusterError:
        return False


@pytest.mark.scenario("K-13")
@pytest.mark.timeout(600, func_only=True)
def test_after_a_minute_without_an_api_server_it_works_on_in_the_same_process_and_writes_little(
    operators, cluster, kube: Kube
):
    kube.apply(group(), server("notes"), vmcp("one"))
    kube.until_phase("virtualmcpserver/one", "Ready")
    pod, before = operators.pod(), restarts(operators)
    ready_at = kube.get("virtualmcpserver/one")["metadata"]["generation"]
    system = operators.system
    # Those of other modules, whose namespaces may be on their way out, are written of too.
    resources = len(system.kubectl("get", KINDS, "--all-namespaces", "--output=name").splitlines())
    written = operators.writes(pod)
    began = time.monotonic()
    cluster.hold("kube-apiserver")
    try:
        system.until_so("end of work", lambda: operators.metric(pod, "leader_election_master_status") == 0)
        # Not ready, and alive: a restart would help nobody.
        system.until_so("reasons", lambda: operators.reasons(pod) != [])
        assert '"ok": true' in operators.ask(pod, "/healthz")
        assert operators.writes(pod) == written
        system.until_so("a minute", lambda: time.monotonic() > began + OUTAGE)
    finally:
        cluster.release("kube-apiserver")
    system.until_so("API server", lambda: is_served(system))
    kube.apply(group("after"))
    kube.until_phase("mcpgroup/after", "Ready")
    system.until_so("readiness", lambda: operators.reasons(pod) == [])
    assert operators.metric(pod, "leader_election_master_status") == 1
    assert operators.metric(pod, "vmcp_operator_watch_up") == 1
    assert restarts(operators) == before
    # An edit reaches the pods, so that each watch and the pods' reports are heard.
    kube.patch("virtualmcpserver/one", {"spec": {"config": {"operational": {"timeouts": {"default": "20s"}}}}})
    live = kube.until_phase("virtualmcpserver/one", "Ready")
    assert live["metadata"]["generation"] == ready_at + 1
    assert operators.writes(pod) - written <= (resources + 1) * WRITES_FOR_EACH
    codes = {labels["code"] for labels, _ in operators.samples(pod, "rest_client_requests_total")}
    assert "<error>" in codes
