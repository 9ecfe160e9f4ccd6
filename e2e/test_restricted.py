"""What runs where: every pod at Pod Security level `restricted`, the proxy with nothing to take over."""

import json

import pytest

from e2e.support.installation import RELEASE, SYSTEM
from e2e.support.kube import Kube
from e2e.support.manifests import group, server, vmcp

PODS = "app.kubernetes.io/name=vmcp"
PROBE = """
import json, os, pathlib

def may_write(folder):
    try:
        pathlib.Path(folder, "probe").write_text("x")
    except OSError:
        return False
    return True

status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "user": os.getuid(),
    "groups": os.getgroups(),
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "writes": [folder for folder in ("/", "/etc", "/etc/vmcp/config", "/opt", "/tmp") if may_write(folder)],
    "capabilities": int(status["CapEff"], 16),
    "privileges": int(status["NoNewPrivs"]),
}))
"""


@pytest.fixture(scope="module")
def pod(kube):
    """The proxy's pod, in a namespace that admits nothing less."""
    kube.apply(group(), server("notes"), vmcp("one"))
    kube.until_phase("virtualmcpserver/one", "Ready")
    (pod,) = kube.list("pods", PODS)
    return pod


@pytest.mark.scenario("K-12")
def test_no_namespace_of_ours_admits_less_than_restricted(cluster, kube, pod):
    for name in (kube.namespace, SYSTEM):
        labels = json.loads(cluster.kubectl("get", "namespace", name, "--output=jsonpath={.metadata.labels}"))
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    deployment = Kube(cluster, SYSTEM).get(f"deployment/{RELEASE}")
    assert deployment["status"]["readyReplicas"] == 1


@pytest.mark.scenario("K-12")
def test_the_proxy_has_no_token_of_the_api_server(kube, pod):
    assert pod["spec"]["automountServiceAccountToken"] is False
    for volume in pod["spec"]["volumes"]:
        sources = (volume.get("projected") or {}).get("sources") or ()
        assert not any("serviceAccountToken" in source for source in sources)


@pytest.mark.scenario("K-12")
def test_inside_the_proxy_there_is_no_token_no_privilege_and_nothing_to_write_but_tmp(kube, pod):
    name = pod["metadata"]["name"]
    python = "/opt/vmcp/bin/python"
    seen = json.loads(kube.kubectl("exec", name, "--container=vmcp", "--", python, "-c", PROBE))
    assert seen == {
        "user": 65532,
        "groups": [65532],
        "token": False,
        "writes": ["/tmp"],
        "capabilities": 0,
        "privileges": 1,
    }


@pytest.mark.scenario("K-12")
def test_the_proxys_service_account_has_no_rights_of_its_own(kube, pod):
    own, nobody = (rights(kube, account) for account in (pod["spec"]["serviceAccountName"], "default"))
    assert own == nobody


def rights(kube, account):
    """What a service account may do, as the API server lists it."""
    name = f"--as=system:serviceaccount:{kube.namespace}:{account}"
    return sorted(kube.kubectl("auth", "can-i", "--list", "--no-headers", name).splitlines())
