import pytest

from vmcp_operator import settings as settings_module
from vmcp_operator.errors import SettingsError
from vmcp_operator.leader.candidate import Timing
from vmcp_operator.plan.kinds import LEASE, Ref
from vmcp_operator.settings import Election, parse_settings, read_namespace


def test_flags_win_over_the_environment_and_defaults_fill_in():
    environ = {"VMCP_PROXY_IMAGE": "env:1", "VMCP_NAMESPACES": "b, a", "VMCP_WORKERS": "3"}
    settings = parse_settings(["--proxy-image=flag:1", "--leader-elect=false"], environ, in_cluster=True)
    assert settings.pods.image == "flag:1"
    assert settings.scope.namespaces == ("a", "b")
    assert not settings.scope.is_cluster
    assert (settings.workers, settings.resync, settings.kubeconfig) == (3, 600.0, None)
    assert settings.election is None


@pytest.mark.scenario("K-25")
def test_it_works_only_with_the_lease_of_its_own_namespace_unless_told_otherwise():
    environ = {"VMCP_PROXY_IMAGE": "a", "POD_NAME": "vmcp-operator-7", "POD_UID": "u-1"}
    own = parse_settings([], environ, in_cluster=True, namespace="vmcp-system").election
    assert own == Election(Ref(LEASE, "vmcp-system", "vmcp-operator"), "vmcp-operator-7_u-1", Timing(15, 10, 2))
    names = ["--leader-elect-resource-namespace=there", "--leader-elect-resource-name=ours"]
    there = parse_settings(names, environ, in_cluster=True, namespace="vmcp-system").election
    assert there.place == Ref(LEASE, "there", "ours")
    # Outside of a pod nothing tells two processes apart.
    del environ["POD_UID"]
    identities = {parse_settings(names, environ, in_cluster=True).election.identity for _ in range(2)}
    assert len(identities) == 2


def test_the_operators_own_namespace_is_that_of_its_service_account(monkeypatch, tmp_path):
    written = tmp_path / "namespace"
    monkeypatch.setattr(settings_module, "SERVICE_ACCOUNT_NAMESPACE", written)
    assert read_namespace() == ""
    written.write_text("vmcp-system\n", encoding="utf-8")
    assert read_namespace() == "vmcp-system"
    settings = parse_settings(["--proxy-image=a"], {}, in_cluster=True, namespace=read_namespace())
    assert settings.pods.namespace == "vmcp-system"


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        ([], {"KUBECONFIG": "x"}, "--proxy-image"),
        (["--proxy-image=a", "--workers=0"], {"KUBECONFIG": "x"}, "--workers must be more than 0"),
        (["--proxy-image=a"], {}, "KUBECONFIG"),
        (["--proxy-image=a"], {"KUBECONFIG": "x"}, "--leader-elect-resource-namespace to where the Lease is kept, or"),
        (
            ["--proxy-image=a", "--leader-elect-resource-namespace=a", "--leader-elect-lease-duration=10"],
            {"KUBECONFIG": "x"},
            "--leader-elect-.*: the lease duration must be longer than the renew deadline",
        ),
        (["--proxy-image=a", "--metrics-from=x"], {"KUBECONFIG": "x"}, "no list of NetworkPolicyPeers: Invalid JSON"),
        (["--proxy-image=a", "--proxy-template={"], {"KUBECONFIG": "x"}, "--proxy-template is no JSON"),
        (
            ["--proxy-image=a", '--proxy-template={"x": 1}'],
            {"KUBECONFIG": "x"},
            "--proxy-template has an unknown field 'x'",
        ),
        (
            ["--proxy-image=a"],
            {"KUBECONFIG": "x", "VMCP_METRICS_FROM": '[{"podSelectors": {}}]'},
            "no list of NetworkPolicyPeers: 0.podSelectors",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(arguments, environ, words):
    with pytest.raises(SettingsError, match=words):
        parse_settings(arguments, environ, in_cluster=False)
