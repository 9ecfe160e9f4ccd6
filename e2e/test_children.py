"""What the operator makes of an endpoint: names, labels, owners; what it puts right and what it leaves alone."""

import pytest

from e2e.cluster import ClusterError
from e2e.support.kube import Manifest
from e2e.support.manifests import group, server, vmcp

NAME = "one"
READABLE = ("deployment/vmcp-one", "service/vmcp-one", "configmap/vmcp-one-c1", "serviceaccount/vmcp-one")
BUDGET = "poddisruptionbudget/vmcp-one"
POLICY = "networkpolicy/vmcp-one"
KEYS = "secret/vmcp-one-keys"
CHILDREN = (*READABLE, BUDGET, POLICY, KEYS)
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
LABELS = {
    "app.kubernetes.io/name": "vmcp",
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/component": "proxy",
    "app.kubernetes.io/managed-by": "vmcp-operator",
}
SECONDS = 30.0


@pytest.fixture(scope="module")
def endpoint(kube):
    budget = {"podDisruptionBudget": {"maxUnavailable": 1}}
    kube.apply(group(), server("notes"), vmcp(NAME, networkPolicy={"enabled": True}, **budget))
    return kube.until_phase(f"virtualmcpserver/{NAME}", "Ready")


@pytest.mark.scenario("K-2")
@pytest.mark.parametrize("ref", CHILDREN)
def test_a_child_has_its_documented_name_labels_and_owner(kube, endpoint, ref):
    metadata = kube.metadata(ref)
    assert LABELS.items() <= metadata["labels"].items()
    (owner,) = metadata["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"], owner["name"]) == ("vmcp.dev/v1beta1", "VirtualMCPServer", NAME)
    assert owner["uid"] == endpoint["metadata"]["uid"]
    assert owner["controller"] is True


@pytest.mark.scenario("K-2")
def test_the_servers_children_are_owned_by_the_server(kube, endpoint):
    uid = kube.metadata("mcpserver/notes")["uid"]
    for ref in ("deployment/mcp-notes", "service/mcp-notes", "serviceaccount/mcp-notes"):
        metadata = kube.metadata(ref)
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == [uid]
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "vmcp-operator"


@pytest.mark.scenario("K-2")
@pytest.mark.parametrize(
    "ref", ["service/vmcp-one", "configmap/vmcp-one-c1", "serviceaccount/vmcp-one", BUDGET, POLICY]
)
def test_a_deleted_child_comes_back(kube, endpoint, ref):
    before = kube.metadata(ref)["uid"]
    kube.delete(ref, "--wait=false")
    kube.until(ref, lambda live: live["metadata"]["uid"] != before, SECONDS)


@pytest.mark.scenario("K-2")
def test_a_foreign_edit_of_an_owned_field_is_reverted_and_a_foreign_label_is_kept(kube, endpoint):
    kube.patch("service/vmcp-one", {"metadata": {"labels": {"team": "red"}}, "spec": {"sessionAffinity": "None"}})
    live = kube.until("service/vmcp-one", lambda live: live["spec"]["sessionAffinity"] == "ClientIP", SECONDS)
    assert live["metadata"]["labels"]["team"] == "red"


@pytest.mark.scenario("K-2")
def test_a_foreign_edit_of_the_config_is_reverted(kube, endpoint):
    config = kube.get("configmap/vmcp-one-c1")["data"]["config.json"]
    kube.patch("configmap/vmcp-one-c1", {"data": {"config.json": "{}"}})
    kube.until("configmap/vmcp-one-c1", lambda live: live["data"]["config.json"] == config, SECONDS)


@pytest.mark.scenario("K-2")
def test_a_deleted_deployment_comes_back_and_its_pods_serve_again(kube, endpoint):
    before = kube.metadata("deployment/vmcp-one")["uid"]
    # Without the keys no pod starts: they have to come back too.
    kube.delete(KEYS)
    kube.delete("deployment/vmcp-one")
    kube.until(
        "deployment/vmcp-one",
        lambda live: live["metadata"]["uid"] != before and live.get("status", {}).get("readyReplicas") == 1,
        60,
    )
    assert kube.exists(KEYS)
    kube.until_phase(f"virtualmcpserver/{NAME}", "Ready")


@pytest.mark.scenario("K-2")
def test_deleting_the_endpoint_removes_every_child_and_nothing_else(kube, endpoint):
    kube.delete(f"virtualmcpserver/{NAME}")
    for ref in CHILDREN:
        kube.until_gone(ref)
    kube.kubectl("wait", "--for=delete", "pod", f"--selector={PODS}", "--timeout=60s")
    assert names(kube.list("deployments")) == {"mcp-notes"}
    kube.until_phase("mcpserver/notes", "Ready")
    # Nothing of it holds the resource, and nothing brings a child back.
    with pytest.raises(ClusterError, match="NotFound"):
        kube.get(f"virtualmcpserver/{NAME}")


def names(objects: list[Manifest]) -> set[str]:
    return {each["metadata"]["name"] for each in objects}
