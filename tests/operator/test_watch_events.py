import pytest

from vmcp_operator.plan.kinds import CONFIG_MAP, MCP_GROUP, POD, SERVER, VMCP, Ref
from vmcp_operator.reconcile.dependents import Change
from vmcp_operator.watch import read_change


def test_a_member_is_read_with_its_group_and_a_pod_with_its_owner():
    member = {"metadata": {"name": "files", "namespace": "a"}, "spec": {"groupRef": {"name": "tools"}}}
    assert read_change(SERVER, member) == Change(Ref(SERVER, "a", "files"), None, (Ref(MCP_GROUP, "a", "tools"),))
    labels = {
        "app.kubernetes.io/name": "vmcp",
        "app.kubernetes.io/instance": "one",
        "app.kubernetes.io/managed-by": "vmcp-operator",
    }
    pod = {"kind": "PartialObjectMetadata", "metadata": {"name": "p", "namespace": "a", "labels": labels}}
    assert read_change(POD, pod) == Change(Ref(POD, "a", "p"), Ref(VMCP, "a", "one"))


@pytest.mark.parametrize("spec", [None, {}, {"groupRef": None}, {"groupRef": {}}])
def test_a_resource_without_a_group_is_read_all_the_same(spec):
    manifest = {"metadata": {"name": "files", "namespace": "a"}, "spec": spec}
    assert read_change(SERVER, manifest) == Change(Ref(SERVER, "a", "files"))


def test_what_was_listed_has_no_version_and_what_happened_has():
    manifest = {"metadata": {"name": "ca", "namespace": "a", "resourceVersion": "7"}}
    assert read_change(CONFIG_MAP, manifest).version == "7"
    assert read_change(CONFIG_MAP, manifest, is_listed=True).version == ""
