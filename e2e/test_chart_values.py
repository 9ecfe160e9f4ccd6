"""What helm makes of every value at once is taken by the API server, and the operator's pod runs like that."""

import pytest

from e2e.support.installation import OPERATOR_CHART, operator_values
from e2e.support.kube import Kube

NAMESPACE = "vmcp-values"
VALUES = (
    "replicas=2",
    f"leaderElection.namespace={NAMESPACE}",
    "leaderElection.leaseDurationSeconds=8",
    "leaderElection.renewDeadlineSeconds=5",
    "leaderElection.retryPeriodSeconds=1.5",
    "podDisruptionBudget.enabled=true",
    "podDisruptionBudget.maxUnavailable=50%",
    "rbac.scope=namespace",
    f"rbac.namespaces={{{NAMESPACE}}}",
    "serviceAccount.labels.a=b",
    "logFormat=console",
    "resyncSeconds=60.5",
    "pollSeconds=2",
    "workers=4",
    "extraArgs={--workers=3}",
    "extraEnv[0].name=NODE",
    "extraEnv[0].valueFrom.fieldRef.fieldPath=spec.nodeName",
    "deploymentAnnotations.a=b",
    "podAnnotations.a=b",
    "podLabels.a=b",
    "volumes[0].name=more",
    "volumes[0].emptyDir.sizeLimit=1Mi",
    "volumeMounts[0].name=more",
    "volumeMounts[0].mountPath=/more",
    "topologySpreadConstraints[0].maxSkew=1",
    "topologySpreadConstraints[0].topologyKey=kubernetes.io/hostname",
    "topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway",
    "tolerations[0].operator=Exists",
    "dnsPolicy=ClusterFirst",
    "dnsConfig.options[0].name=edns0",
    "networkPolicy.enabled=true",
    "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b",
    "networkPolicy.egress[0].ports[0].port=6444",
    "service.annotations.a=b",
    "metrics.port=9443",
    "metrics.dashboards.enabled=true",
    "proxy.resources.limits.memory=256Mi",
    "proxy.podLabels.team=mcp",
)


@pytest.mark.scenario("K-14", "K-15")
def test_an_operator_with_every_value_set_runs(cluster):
    """In namespace scope, where it and the one for the whole cluster are kept apart: it gets no resource to work on."""
    kube = Kube(cluster, NAMESPACE)
    kube.create_namespace()
    flags = [f"--set={value}" for value in VALUES]
    place = f"--namespace={NAMESPACE}"
    try:
        cluster.helm(
            "install", "all", str(OPERATOR_CHART), place, "--wait", "--timeout=90s", *operator_values(), *flags
        )
        assert kube.get("deployment/all-vmcp-operator")["status"]["readyReplicas"] == 2
        lease = kube.get("lease/all-vmcp-operator")["spec"]
        assert (lease["leaseDurationSeconds"], lease["leaseTransitions"]) == (8, 0)
        assert lease["holderIdentity"].startswith("all-vmcp-operator-")
        logs = kube.kubectl("logs", "--selector=app.kubernetes.io/instance=all", "--tail=-1")
        assert "INFO    leads logger=vmcp_operator.leader.elector" in logs
        assert f"scope=('{NAMESPACE}',)" in logs
        assert " ERROR " not in logs
        # The strategy of the Deployment follows, both ways.
        for election, replicas, strategy in (("false", 1, "Recreate"), ("true", 2, "RollingUpdate")):
            changed = (f"--set=leaderElection.enabled={election}", f"--set=replicas={replicas}")
            cluster.helm("upgrade", "all", str(OPERATOR_CHART), place, "--reuse-values", "--wait", *changed)
            live = kube.get("deployment/all-vmcp-operator")
            assert (live["spec"]["strategy"]["type"], live["status"]["readyReplicas"]) == (strategy, replicas)
    finally:
        cluster.helm("uninstall", "all", place, "--ignore-not-found", "--wait")
        kube.delete_namespace()
