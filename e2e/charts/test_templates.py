"""What helm makes of the charts."""

import json
import re

import pytest

from charts.generate import CHARTS
from vmcp_api.kinds import KINDS
from vmcp_operator.plan.objects.naming import INSTANCE_LABEL, PROXY_SELECTOR
from vmcp_operator.settings import parse_settings

CLUSTER = {"ClusterRole", "ClusterRoleBinding"}
ALWAYS = {"ServiceAccount", "Service", "Deployment"}
ALL_ON = (
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
    (found,) = [each for (of, _), each in outcome.objects.items() if of == kind]
    return found


def kinds(outcome):
    return {kind for kind, _ in outcome.objects}


def pod(outcome):
    return only(outcome, "Deployment")["spec"]["template"]


def environment(outcome):
    return {each["name"]: each["value"] for each in pod(outcome)["spec"]["containers"][0]["env"]}


@pytest.mark.scenario("K-1")
@pytest.mark.parametrize("settings", [(), ALL_ON, ("rbac.scope=namespace",)], ids=["default", "all", "namespace"])
def test_both_charts_pass_lint(helm, settings):
    images = ("image.repository=r/o", "proxy.image.repository=r/p")
    assert "0 chart(s) failed" in helm.lint("vmcp-operator", *images, *settings).text
    assert "0 chart(s) failed" in helm.lint("vmcp-operator-crds").text


def test_the_default_is_one_operator_for_the_whole_cluster(helm):
    made = helm.operator()
    assert kinds(made) == ALWAYS | CLUSTER
    assert environment(made) == {
        "VMCP_PROXY_IMAGE": "registry.test/vmcp-proxy:0.1.0",
        "VMCP_PROXY_PULL_POLICY": "IfNotPresent",
        "VMCP_NAMESPACES": "",
        "VMCP_LOG_LEVEL": "info",
    }
    assert only(made, "Deployment")["spec"]["replicas"] == 1
    assert only(made, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.scenario("K-15")
def test_scope_namespace_has_rights_in_its_namespaces_and_none_in_the_cluster(helm):
    made = helm.operator("rbac.scope=namespace", "rbac.namespaces={red,blue}")
    names = {f"{place}/vmcp-vmcp-operator" for place in ("red", "blue")}
    assert {name for kind, name in made.objects if kind == "Role"} == names
    assert {name for kind, name in made.objects if kind == "RoleBinding"} == names
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


def test_a_release_in_another_name_shares_no_object_with_the_first(helm):
    first, second = helm.operator(release="one"), helm.operator(release="two")
    assert not set(first.objects) & set(second.objects)
    assert only(second, "ClusterRoleBinding")["roleRef"]["name"] == "two-vmcp-operator"


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
    assert kinds(made) == ALWAYS | CLUSTER | monitoring | {"PodDisruptionBudget"}
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
        (("replicas=2",), "'replicas' not allowed"),
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
