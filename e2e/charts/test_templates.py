"""What helm makes of the charts."""

import json
import re

import pytest

from charts.generate import CHARTS
from vmcp_api.kinds import KINDS
from vmcp_operator.plan.objects.naming import INSTANCE_LABEL, PROXY_SELECTOR
from vmcp_operator.settings import parse_settings

CLUSTER = {"ClusterRole", "ClusterRoleBinding"}
LEASE = {"Role", "RoleBinding"}
ALWAYS = {"ServiceAccount", "Service", "Deployment"}
CLAIM = "vmcp-operator-claim"
ALL_ON = (
    "networkPolicy.enabled=true",
    "metrics.serviceMonitor.enabled=true",
    "metrics.serviceMonitor.interval=30s",
    "metrics.podMonitor.enabled=true",
    "metrics.podMonitor.interval=15s",
    "metrics.prometheusRule.enabled=true",
    "metrics.dashboards.enabled=true",
    "podDisruptionBudget.enabled=true",
)
DIGEST = f"sha256:{'0' * 64}"


def only(outcome, kind):
    """The one object of a kind; rights to the Lease, and what grants nothing, are not asked for by kind."""
    aside = ("-lease", f"/{CLAIM}")
    (found,) = [each for (of, name), each in outcome.objects.items() if of == kind and not name.endswith(aside)]
    return found


def kinds(outcome):
    return {kind for kind, _ in outcome.objects}


def pod(outcome):
    return only(outcome, "Deployment")["spec"]["template"]


def environment(outcome):
    return {each["name"]: each["value"] for each in pod(outcome)["spec"]["containers"][0]["env"] if "value" in each}


@pytest.mark.scenario("K-1")
@pytest.mark.parametrize("settings", [(), ALL_ON, ("rbac.scope=namespace",)], ids=["default", "all", "namespace"])
def test_both_charts_pass_lint(helm, settings):
    images = ("image.repository=r/o", "proxy.image.repository=r/p")
    assert "0 chart(s) failed" in helm.lint("vmcp-operator", *images, *settings).text
    assert "0 chart(s) failed" in helm.lint("vmcp-operator-crds").text


def test_the_default_is_one_operator_for_the_whole_cluster(helm):
    made = helm.operator()
    assert kinds(made) == ALWAYS | CLUSTER | LEASE
    assert environment(made) == {
        "VMCP_PROXY_IMAGE": "registry.test/vmcp-proxy:0.1.0",
        "VMCP_PROXY_PULL_POLICY": "IfNotPresent",
        "VMCP_STDIO": "false",
        "VMCP_MCP_LIFECYCLE": "true",
        "VMCP_NAMESPACES": "",
        "VMCP_LOG_LEVEL": "info",
        "VMCP_LOG_FORMAT": "json",
        "VMCP_RESYNC": "600",
        "VMCP_POLL": "5",
        "VMCP_WORKERS": "8",
        "VMCP_PORT": "8080",
        "VMCP_LEADER_ELECT": "true",
        "VMCP_LEADER_ELECT_RESOURCE_NAME": "vmcp-operator",
        "VMCP_LEADER_ELECT_RESOURCE_NAMESPACE": "vmcp-system",
        "VMCP_LEADER_ELECT_LEASE_DURATION": "15",
        "VMCP_LEADER_ELECT_RENEW_DEADLINE": "10",
        "VMCP_LEADER_ELECT_RETRY_PERIOD": "2",
    }
    assert only(made, "Deployment")["spec"]["replicas"] == 1
    assert only(made, "Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"


@pytest.mark.scenario("K-27")
def test_rights_to_servers_of_another_operator_go_with_their_value(helm):
    def groups(*settings):
        rules = only(helm.operator(*settings), "ClusterRole")["rules"]
        return {group for rule in rules for group in rule["apiGroups"]}

    assert "mcp.x-k8s.io" in groups()
    assert "mcp.x-k8s.io" not in groups("mcpLifecycle.enabled=false")


@pytest.mark.scenario("K-15")
def test_scope_namespace_has_rights_in_its_namespaces_and_none_in_the_cluster(helm):
    made = helm.operator("rbac.scope=namespace", "rbac.namespaces={red,blue}")
    names = {f"{place}/vmcp-vmcp-operator" for place in ("red", "blue")}
    lease = {"vmcp-system/vmcp-vmcp-operator-lease"}
    claims = {f"{place}/{CLAIM}" for place in ("red", "blue")}
    assert {name for kind, name in made.objects if kind == "Role"} == names | lease
    assert {name for kind, name in made.objects if kind == "ConfigMap"} == claims
    assert made.objects["ConfigMap", f"red/{CLAIM}"]["data"] == {"operator": "vmcp-system/vmcp-vmcp-operator"}
    assert {name for kind, name in made.objects if kind == "RoleBinding"} == names | lease
    assert not kinds(made) & CLUSTER
    assert environment(made)["VMCP_NAMESPACES"] == "red,blue"
    for place in ("red", "blue"):
        (subject,) = made.objects["RoleBinding", f"{place}/vmcp-vmcp-operator"]["subjects"]
        assert (subject["name"], subject["namespace"]) == ("vmcp-vmcp-operator", "vmcp-system")


def test_scope_namespace_without_names_is_the_releases_own(helm):
    made = helm.operator("rbac.scope=namespace", namespace="mine")
    assert ("Role", "mine/vmcp-vmcp-operator") in made.objects
    assert environment(made)["VMCP_NAMESPACES"] == "mine"


@pytest.mark.scenario("K-11")
@pytest.mark.parametrize(("scope", "kind"), [("cluster", "ClusterRole"), ("namespace", "Role")])
def test_secrets_can_be_created_and_not_read(helm, scope, kind):
    rules = only(helm.operator(f"rbac.scope={scope}"), kind)["rules"]
    (secrets,) = [rule for rule in rules if "secrets" in rule["resources"]]
    assert secrets == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    assert "*" not in str(rules)


@pytest.mark.scenario("K-12")
def test_the_operators_pod_is_restricted(helm):
    spec = pod(helm.operator())["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [each["mountPath"] for each in container["volumeMounts"]] == ["/tmp"]
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "startupProbe")} == {"/healthz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_release_in_another_name_shares_one_object_with_the_first_which_keeps_it_out(helm):
    first, second = helm.operator(release="one"), helm.operator(release="two")
    # Both would write: helm refuses the second, as it refuses any object of another release.
    assert set(first.objects) & set(second.objects) == {("ClusterRole", f"/{CLAIM}")}
    assert first.objects["ClusterRole", f"/{CLAIM}"]["rules"] == []
    assert only(second, "ClusterRoleBinding")["roleRef"]["name"] == "two-vmcp-operator"


@pytest.mark.scenario("K-25")
def test_releases_of_namespace_scope_may_stand_side_by_side_unless_they_share_a_namespace(helm):
    red = helm.operator("rbac.scope=namespace", "rbac.namespaces={red}", release="one")
    blue = helm.operator("rbac.scope=namespace", "rbac.namespaces={blue}", release="two")
    both = helm.operator("rbac.scope=namespace", "rbac.namespaces={blue,red}", release="three")
    assert not set(red.objects) & set(blue.objects)
    assert set(red.objects) & set(both.objects) == {("ConfigMap", f"red/{CLAIM}")}
    leases = {environment(each)["VMCP_LEADER_ELECT_RESOURCE_NAME"] for each in (red, blue, both)}
    assert len(leases) == 3


@pytest.mark.scenario("K-25")
def test_releases_that_name_the_namespace_of_one_lease_share_it(helm):
    shared = "leaderElection.namespace=shared"
    first, second = helm.operator(shared, release="one"), helm.operator(shared, release="two", namespace="other")
    assert not set(first.objects) & set(second.objects)
    keys = ("VMCP_LEADER_ELECT_RESOURCE_NAME", "VMCP_LEADER_ELECT_RESOURCE_NAMESPACE")
    assert {tuple(environment(each)[key] for key in keys) for each in (first, second)} == {("vmcp-operator", "shared")}
    for release, made in (("one", first), ("two", second)):
        rules = made.objects["Role", f"shared/{release}-vmcp-operator-lease"]["rules"]
        assert [rule.get("resourceNames") for rule in rules] == [["vmcp-operator"], None]
        assert [rule["verbs"] for rule in rules] == [["get", "update"], ["create"]]
        (subject,) = made.objects["RoleBinding", f"shared/{release}-vmcp-operator-lease"]["subjects"]
        assert subject["name"] == f"{release}-vmcp-operator"


def test_without_an_election_there_is_one_replica_and_the_old_one_ends_first(helm):
    made = helm.operator("leaderElection.enabled=false")
    assert only(made, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert environment(made)["VMCP_LEADER_ELECT"] == "false"
    assert not kinds(made) & LEASE
    refused = helm.operator("leaderElection.enabled=false", "replicas=2")
    assert "all of them would write at the same time" in refused.errors


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ((), {"minAvailable": 1}),
        (("podDisruptionBudget.minAvailable=0",), {"minAvailable": 0}),
        (("podDisruptionBudget.maxUnavailable=50%",), {"maxUnavailable": "50%"}),
        (("podDisruptionBudget.maxUnavailable=1",), {"maxUnavailable": 1}),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) and value else "",
)
def test_a_budget_says_how_many_pods_stay_or_may_be_away(helm, settings, wanted):
    made = helm.operator("podDisruptionBudget.enabled=true", "replicas=2", *settings)
    spec = only(made, "PodDisruptionBudget")["spec"]
    assert {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec} == wanted


def test_the_release_gives_its_name_where_that_says_enough(helm):
    assert ("Deployment", "vmcp-system/vmcp-operator") in helm.operator(release="vmcp-operator").objects
    assert ("Deployment", "vmcp-system/mine") in helm.operator("fullnameOverride=mine").objects


def test_names_of_digits_stay_text(helm):
    made = helm.operator("rbac.scope=namespace", release="1", namespace="2")
    assert only(made, "Deployment")["metadata"]["labels"]["app.kubernetes.io/instance"] == "1"
    assert only(made, "Deployment")["metadata"]["namespace"] == "2"
    assert environment(made)["VMCP_NAMESPACES"] == "2"


def test_a_long_release_name_is_cut_to_what_a_service_may_have(helm):
    name = only(helm.operator(release="a" * 53), "Service")["metadata"]["name"]
    assert len(name) <= 63
    assert not name.endswith("-")


def test_a_digest_wins_over_a_tag(helm):
    made = helm.operator("image.tag=v1", f"image.digest={DIGEST}", "proxy.image.tag=v2")
    assert pod(made)["spec"]["containers"][0]["image"] == f"registry.test/vmcp-operator@{DIGEST}"
    assert environment(made)["VMCP_PROXY_IMAGE"] == "registry.test/vmcp-proxy:v2"


def test_the_pod_goes_where_it_is_sent(helm):
    made = helm.operator(
        "nodeSelector.disk=ssd",
        "tolerations[0].key=spot",
        "tolerations[0].operator=Exists",
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
        "priorityClassName=high",
        "podAnnotations.note=yes-please",
        "podLabels.team=mcp",
        "imagePullSecrets[0].name=pull",
        "image.pullPolicy=Always",
        "logLevel=debug",
    )
    spec = pod(made)["spec"]
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]
    assert list(spec["affinity"]) == ["nodeAffinity"]
    assert spec["priorityClassName"] == "high"
    assert pod(made)["metadata"]["annotations"]["note"] == "yes-please"
    assert pod(made)["metadata"]["labels"]["team"] == "mcp"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert environment(made)["VMCP_LOG_LEVEL"] == "debug"


def test_a_service_account_of_other_hands_is_used_and_not_made(helm):
    made = helm.operator("serviceAccount.create=false", "serviceAccount.name=theirs")
    assert "ServiceAccount" not in kinds(made)
    assert pod(made)["spec"]["serviceAccountName"] == "theirs"
    assert only(made, "ClusterRoleBinding")["subjects"][0]["name"] == "theirs"


def test_common_labels_stand_on_every_object_and_change_no_selector(helm):
    made = helm.operator("commonLabels.team=mcp", "podLabels.team=other", *ALL_ON)
    assert all(each["metadata"]["labels"]["team"] == "mcp" for each in made.objects.values())
    assert pod(made)["metadata"]["labels"]["team"] == "other"
    selector = only(made, "Deployment")["spec"]["selector"]["matchLabels"]
    assert "team" not in selector
    assert selector.items() <= pod(made)["metadata"]["labels"].items()
    assert only(made, "Service")["spec"]["selector"] == selector
    crds = helm.template("vmcp-operator-crds", "commonLabels.team=mcp")
    assert all(each["metadata"]["labels"]["team"] == "mcp" for each in crds.objects.values())


def test_what_is_optional_is_there_when_asked_for(helm):
    made = helm.operator(*ALL_ON, "metrics.prometheusRule.labels.prometheus=main")
    monitoring = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ConfigMap"}
    assert kinds(made) == ALWAYS | CLUSTER | LEASE | monitoring | {"PodDisruptionBudget", "NetworkPolicy"}
    assert only(made, "ServiceMonitor")["spec"]["endpoints"] == [
        {"port": "metrics", "path": "/metrics", "interval": "30s"}
    ]
    assert only(made, "PrometheusRule")["metadata"]["labels"]["prometheus"] == "main"
    operator, endpoints = only(made, "PrometheusRule")["spec"]["groups"]
    job = 'job="vmcp-vmcp-operator", namespace="vmcp-system"'
    assert all(job in rule["expr"] for rule in operator["rules"])
    links = [rule["annotations"]["runbook_url"] for rule in (*operator["rules"], *endpoints["rules"])]
    assert all(re.fullmatch(r"https://vmcp\.dev/docs/how-to/alerts#vmcp[a-z]+", link) for link in links)


def test_dashboards_reach_grafana_as_they_are(helm):
    made = helm.operator("metrics.dashboards.enabled=true", "metrics.dashboards.labels.grafana_dashboard=yes")
    for path in sorted((CHARTS / "vmcp-operator" / "dashboards").glob("*.json")):
        found = made.objects["ConfigMap", f"vmcp-system/vmcp-vmcp-operator-{path.stem}"]
        assert found["metadata"]["labels"]["grafana_dashboard"] == "yes"
        (text,) = found["data"].values()
        assert json.loads(text) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("settings", "where"),
    [((), {"any": True}), (("rbac.scope=namespace", "rbac.namespaces={red,blue}"), {"matchNames": ["red", "blue"]})],
    ids=["cluster", "namespace"],
)
def test_endpoints_are_scraped_where_the_operator_works(helm, settings, where):
    monitor = only(helm.operator("metrics.podMonitor.enabled=true", *settings), "PodMonitor")["spec"]
    assert monitor["namespaceSelector"] == where
    assert monitor["selector"]["matchLabels"] == PROXY_SELECTOR
    (port,) = monitor["podMetricsEndpoints"]
    assert (port["port"], monitor["jobLabel"]) == ("admin", INSTANCE_LABEL)


def test_who_may_scrape_every_endpoint_reaches_the_operator_as_it_was_written(helm):
    base = "proxy.networkPolicy.metricsFrom"
    made = helm.operator(f"{base}[0].namespaceSelector.matchLabels.team=obs", f"{base}[1].ipBlock.cidr=192.0.2.0/24")
    settings = parse_settings([], environment(made), in_cluster=True)
    first, second = settings.pods.metrics_from
    assert first.namespace_selector.match_labels == {"team": "obs"}
    assert second.ip_block.cidr == "192.0.2.0/24"


@pytest.mark.scenario("K-15")
@pytest.mark.parametrize(("keep", "policy"), [("true", "keep"), ("false", None)])
def test_crds_are_templates_that_helm_upgrades_and_keeps(helm, keep, policy):
    made = helm.template("vmcp-operator-crds", f"keep={keep}")
    crds = [each for (kind, _), each in made.objects.items() if kind == "CustomResourceDefinition"]
    assert len(crds) == len(KINDS)
    for crd in crds:
        assert crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == policy


def test_roles_of_users_are_merged_into_those_of_kubernetes(helm):
    made = helm.template("vmcp-operator-crds")
    edit, view = made.objects["ClusterRole", "/vmcp-edit"], made.objects["ClusterRole", "/vmcp-view"]
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert kinds(helm.template("vmcp-operator-crds", "userRoles.enabled=false")) == {"CustomResourceDefinition"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("image.tagg=1",), "'tagg' not allowed"),
        (("replicas=two",), "at '/replicas'"),
        (("leaderElection.retry=2",), "'retry' not allowed"),
        (("leaderElection.renewDeadlineSeconds=15",), "less than leaderElection.leaseDurationSeconds"),
        (("leaderElection.leaseDurationSeconds=10",), "less than leaderElection.leaseDurationSeconds"),
        (("leaderElection.retryPeriodSeconds=8.5",), "more than 1.2 times leaderElection.retryPeriodSeconds"),
        (("podDisruptionBudget.enabled=true", "podDisruptionBudget.maxUnavailable=half"), "/maxUnavailable'"),
        (("image.repository=",), "image.repository is empty"),
        (("proxy.image.repository=",), "proxy.image.repository is empty"),
        (("image.repository=Upper/Case:1",), "at '/image/repository'"),
        (("image.digest=sha256:1",), "at '/image/digest'"),
        (("rbac.scope=all",), "must be one of 'cluster', 'namespace'"),
        (("rbac.namespaces={a}",), "set rbac.scope=namespace"),
        (("rbac.scope=namespace", "rbac.namespaces={A}"), "at '/rbac/namespaces/0'"),
        (("serviceAccount.create=false",), "name the ServiceAccount that exists"),
        (("metrics.prometheusRule.enabled=true",), "metrics.serviceMonitor.enabled=true"),
        (("resources.limits.mem=1Gi",), "'mem' not allowed"),
        (("logLevel=loud",), "at '/logLevel'"),
        (("podLabels.app\\.kubernetes\\.io/name=x",), "at '/podLabels/app.kubernetes.io~1name'"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_a_bad_value_is_refused_with_its_place(helm, settings, said):
    made = helm.operator(*settings)
    assert made.code != 0
    assert said in made.errors


def test_a_chart_that_depends_on_ours_may_pass_its_own(helm):
    assert helm.operator("global.x=1", "enabled=true").code == 0
    assert helm.template("vmcp-operator-crds", "global.x=1", "enabled=true").code == 0


def test_the_notes_end_with_the_next_command(helm):
    assert (
        helm.notes("vmcp-operator-crds").rstrip().splitlines()[-2].startswith("  helm upgrade --install vmcp-operator ")
    )
    notes = helm.notes("vmcp-operator", "rbac.scope=namespace", "rbac.namespaces={red,blue}")
    assert "looks after red, blue." in notes
    assert notes.rstrip().splitlines()[-1].startswith("  helm upgrade --install vmcp-operator-crds ")
