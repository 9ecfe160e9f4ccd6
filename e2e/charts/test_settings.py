"""How the operator's pods run, and what it hands to those of proxies: each value arrives where it belongs."""

import json

import pytest
import yaml

from charts.generate import CHARTS
from e2e.charts.test_templates import environment, kinds, only, pod
from vmcp_operator.settings import parse_settings


def settings_of(made, *arguments):
    return parse_settings(arguments, environment(made), in_cluster=True)


def test_settings_of_the_process_reach_it(helm):
    made = helm.operator(
        "resyncSeconds=120",
        "pollSeconds=2.5",
        "workers=16",
        "logFormat=console",
        "metrics.port=9443",
        "extraArgs={--workers=32}",
        "leaderElection.leaseDurationSeconds=30",
        "leaderElection.renewDeadlineSeconds=20",
    )
    (container,) = pod(made)["spec"]["containers"]
    assert container["args"] == ["--workers=32"]
    settings = settings_of(made, *container["args"])
    assert (settings.resync, settings.poll, settings.log_format) == (120.0, 2.5, "console")
    assert (settings.port, settings.workers) == (9443, 32)
    assert (settings.election.timing.lease, settings.election.timing.deadline) == (30, 20.0)
    assert container["ports"] == [{"name": "metrics", "containerPort": 9443, "protocol": "TCP"}]
    assert only(made, "Service")["spec"]["ports"][0]["port"] == 9443


def test_further_variables_may_come_from_anywhere(helm):
    made = helm.operator(
        "extraEnv[0].name=HTTPS_PROXY",
        "extraEnv[0].value=http://proxy.test:3128",
        "extraEnv[1].name=TOKEN",
        "extraEnv[1].valueFrom.secretKeyRef.name=s",
        "extraEnv[1].valueFrom.secretKeyRef.key=k",
    )
    first, second = pod(made)["spec"]["containers"][0]["env"][-2:]
    assert first == {"name": "HTTPS_PROXY", "value": "http://proxy.test:3128"}
    assert second["valueFrom"] == {"secretKeyRef": {"name": "s", "key": "k"}}


def test_volumes_are_mounted_beside_the_operators_own(helm):
    made = helm.operator(
        "volumes[0].name=ca", "volumes[0].configMap.name=ca", "volumeMounts[0].name=ca", "volumeMounts[0].mountPath=/ca"
    )
    spec = pod(made)["spec"]
    assert [each["name"] for each in spec["volumes"]] == ["tmp", "ca"]
    assert [each["mountPath"] for each in spec["containers"][0]["volumeMounts"]] == ["/tmp", "/ca"]


def test_numbers_that_a_platform_gives_itself_can_be_left_out(helm):
    fields = [f"podSecurityContext.{field}=null" for field in ("runAsUser", "runAsGroup", "fsGroup")]
    made = helm.operator(*fields, "containerSecurityContext.runAsNonRoot=true")
    spec = pod(made)["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert spec["containers"][0]["securityContext"] == {**own, "runAsNonRoot": True}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ((), (None, None)),
        (("hostNetwork=true",), (True, "ClusterFirstWithHostNet")),
        (("hostNetwork=true", "dnsPolicy=Default"), (True, "Default")),
        (("dnsPolicy=None", "dnsConfig.nameservers={192.0.2.1}"), (None, "None")),
    ],
    ids=lambda value: value[-1] if value and isinstance(value[-1], str) else "",
)
def test_the_pod_may_run_in_the_nodes_network_and_resolve_names_its_own_way(helm, settings, wanted):
    spec = pod(helm.operator(*settings))["spec"]
    assert (spec.get("hostNetwork"), spec.get("dnsPolicy")) == wanted
    assert ("dnsConfig" in spec) == any("dnsConfig" in each for each in settings)


def test_pods_are_spread_by_their_own_labels_unless_others_are_named(helm):
    base = "topologySpreadConstraints"
    made = helm.operator(
        "replicas=2",
        *(f"{base}[{each}].{rest}" for each in (0, 1) for rest in ("maxSkew=1", "whenUnsatisfiable=DoNotSchedule")),
        f"{base}[0].topologyKey=kubernetes.io/hostname",
        f"{base}[1].topologyKey=topology.kubernetes.io/zone",
        f"{base}[1].labelSelector.matchLabels.app=x",
    )
    host, zone = pod(made)["spec"][base]
    assert host["labelSelector"]["matchLabels"] == only(made, "Deployment")["spec"]["selector"]["matchLabels"]
    assert (host["topologyKey"], host["maxSkew"]) == ("kubernetes.io/hostname", 1)
    assert zone["labelSelector"]["matchLabels"]["app"] == "x"


def test_annotations_labels_and_the_rest_stand_where_they_are_named_for(helm):
    made = helm.operator(
        "deploymentAnnotations.a=1x",
        "serviceAccount.labels.b=2x",
        "service.annotations.c=3x",
        "service.labels.d=4x",
        "revisionHistoryLimit=5",
        "terminationGracePeriodSeconds=45",
    )
    deployment = only(made, "Deployment")
    assert deployment["metadata"]["annotations"] == {"a": "1x"}
    assert (deployment["spec"]["revisionHistoryLimit"], pod(made)["spec"]["terminationGracePeriodSeconds"]) == (5, 45)
    assert only(made, "ServiceAccount")["metadata"]["labels"]["b"] == "2x"
    assert only(made, "Service")["metadata"]["annotations"] == {"c": "3x"}
    assert only(made, "Service")["metadata"]["labels"]["d"] == "4x"


def test_what_every_proxy_gets_reaches_the_operator_as_a_partial_template(helm):
    spread = "proxy.topologySpreadConstraints[0]"
    made = helm.operator(
        "proxy.resources.limits.cpu=2",
        "proxy.imagePullSecrets[0].name=pull",
        "proxy.podLabels.team=mcp",
        "proxy.podAnnotations.note=yes-please",
        "proxy.nodeSelector.disk=ssd",
        "proxy.tolerations[0].key=spot",
        "proxy.priorityClassName=high",
        "proxy.runtimeClassName=gvisor",
        "proxy.affinity.nodeAffinity.a=b",
        "proxy.dnsConfig.searches={corp.example.com}",
        "proxy.extraEnv[0].name=HTTPS_PROXY",
        "proxy.extraEnv[0].value=http://proxy.test:3128",
        "proxy.startupProbe.failureThreshold=300",
        "proxy.livenessProbe.periodSeconds=20",
        "proxy.readinessProbe.timeoutSeconds=5",
        *(f"{spread}.{rest}" for rest in ("maxSkew=1", "topologyKey=rack", "whenUnsatisfiable=DoNotSchedule")),
        f"{spread}.labelSelector.matchLabels.team=mcp",
    )
    container = {
        "name": "vmcp",
        "resources": {"limits": {"cpu": 2}},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.test:3128"}],
        "startupProbe": {"failureThreshold": 300},
        "livenessProbe": {"periodSeconds": 20},
        "readinessProbe": {"timeoutSeconds": 5},
    }
    by_rack = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    assert settings_of(made).pods.template == {
        "metadata": {"labels": {"team": "mcp"}, "annotations": {"note": "yes-please"}},
        "spec": {
            "containers": [container],
            "imagePullSecrets": [{"name": "pull"}],
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "spot"}],
            "priorityClassName": "high",
            "runtimeClassName": "gvisor",
            "affinity": {"nodeAffinity": {"a": "b"}},
            "dnsConfig": {"searches": ["corp.example.com"]},
            "topologySpreadConstraints": [by_rack | {"labelSelector": {"matchLabels": {"team": "mcp"}}}],
        },
    }
    assert "VMCP_PROXY_TEMPLATE" not in environment(helm.operator())


def test_the_operators_probes_have_their_numbers_from_the_values(helm):
    (container,) = pod(helm.operator())["spec"]["containers"]
    numbers = ("periodSeconds", "timeoutSeconds", "failureThreshold")
    probes = {
        name: tuple(container[f"{name}Probe"][each] for each in numbers)
        for name in ("startup", "liveness", "readiness")
    }
    assert probes == {"startup": (1, 2, 60), "liveness": (10, 2, 3), "readiness": (5, 2, 2)}
    made = helm.operator(
        "startupProbe.failureThreshold=600", "livenessProbe.timeoutSeconds=9", "readinessProbe.periodSeconds=3"
    )
    (container,) = pod(made)["spec"]["containers"]
    assert container["startupProbe"]["failureThreshold"] == 600
    assert container["livenessProbe"]["timeoutSeconds"] == 9
    assert container["readinessProbe"]["periodSeconds"] == 3


def test_rights_may_be_given_by_other_hands(helm):
    assert not kinds(helm.operator("rbac.create=false")) & {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    assert not kinds(helm.operator("rbac.create=false", "rbac.scope=namespace")) & {"Role", "RoleBinding"}


def test_a_network_policy_lets_scrapes_in_and_bounds_egress_only_where_rules_are_named(helm):
    on = "networkPolicy.enabled=true"
    anybody = only(helm.operator(on), "NetworkPolicy")["spec"]
    assert anybody["policyTypes"] == ["Ingress"]
    assert anybody["ingress"] == [{"ports": [{"port": "metrics", "protocol": "TCP"}]}]
    made = helm.operator(
        on,
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=obs",
        "networkPolicy.egress[0].ports[0].port=443",
    )
    bound = only(made, "NetworkPolicy")["spec"]
    assert bound["policyTypes"] == ["Ingress", "Egress"]
    assert bound["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": {"team": "obs"}}}]
    assert bound["egress"] == [{"ports": [{"port": 443}]}]
    assert bound["podSelector"] == only(made, "Deployment")["spec"]["selector"]


@pytest.mark.parametrize(("kind", "value"), [("ServiceMonitor", "serviceMonitor"), ("PodMonitor", "podMonitor")])
def test_scrapes_may_be_bounded_and_labels_changed(helm, kind, value):
    base = f"metrics.{value}"
    rule = {"action": "replace", "targetLabel": "cluster", "replacement": "west"}
    made = helm.operator(
        f"{base}.enabled=true",
        f"{base}.scrapeTimeout=5s",
        *(f"{base}.relabelings[0].{key}={each}" for key, each in rule.items()),
        f"{base}.metricRelabelings[0].action=labeldrop",
        f"{base}.metricRelabelings[0].regex=le",
    )
    spec = only(made, kind)["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    assert endpoint["scrapeTimeout"] == "5s"
    assert endpoint["relabelings"] == [rule]
    assert endpoint["metricRelabelings"] == [{"action": "labeldrop", "regex": "le"}]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("workers=0", "at '/workers'"),
        ("logFormat=xml", "at '/logFormat'"),
        ("metrics.port=80", "at '/metrics/port'"),
        ("extraEnv[0].value=x", "at '/extraEnv/0'"),
        ("proxy.podLabels.app\\.kubernetes\\.io/instance=x", "at '/proxy/podLabels/app.kubernetes.io~1instance'"),
        ("metrics.serviceMonitor.relabelings[0].target=x", "'target' not allowed"),
        ("topologySpreadConstraints[0].topologyKey=x", "at '/topologySpreadConstraints/0'"),
    ],
)
def test_a_bad_setting_is_refused_with_its_place(helm, setting, said):
    assert said in helm.operator(setting).errors


@pytest.mark.parametrize("chart", ["vmcp-operator", "vmcp-operator-crds"])
def test_a_chart_says_what_it_is_and_its_page_names_values_that_exist(chart):
    meta = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text(encoding="utf-8"))
    assert meta["home"].startswith("https://")
    assert meta["sources"]
    assert (CHARTS / chart / "README.md").read_text(encoding="utf-8").startswith(f"# {chart}\n")
    json.loads((CHARTS / chart / "values.schema.json").read_text(encoding="utf-8"))
