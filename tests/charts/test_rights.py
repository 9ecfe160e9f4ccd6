"""What the charts let the operator and users do, against what the operator's code does."""

import asyncio
import json
import re
from dataclasses import replace

import pytest
import yaml

from charts.generate import CRDS_CHART, OPERATOR_CHART, ROOT
from tests.operator.harness import SETTINGS, Story
from tests.operator.manifests import GROUP, SERVER
from vmcp_api.generate.crds import build_crd
from vmcp_api.kinds import KINDS
from vmcp_operator.leader.candidate import Timing
from vmcp_operator.logs import FORMATS
from vmcp_operator.plan import kinds
from vmcp_operator.plan.kinds import Ref
from vmcp_operator.settings import HEALTH_PORT, LEVELS, Election, parse_settings

FILES = Ref(kinds.SERVER, "default", "files")
ALWAYS = [kind for kind in kinds.ALL if kind not in (kinds.LEASE, *kinds.STDIO_OWNED, *kinds.LIFECYCLE)]
READ = {"get", "list", "watch"}
WRITE = {"create", "patch"}


LIFECYCLE, STDIO = 1, 2
"""Parts of the rights that `mcpLifecycle.enabled` and `stdio.enabled` add."""


def rules(part=0):
    """The rights that the operator always has, or a part that a value adds."""
    text = (OPERATOR_CHART / "templates" / "_rules.tpl").read_text(encoding="utf-8")
    text = re.split(r"\{\{- if \.Values\.(?:mcpLifecycle|stdio)\.enabled \}\}", text)[part]
    found: dict[tuple[str, str], set[str]] = {}
    for rule in yaml.safe_load(re.sub(r"\{\{.*?\}\}", "", text)):
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                assert (group, resource) not in found
                found[group, resource] = set(rule["verbs"])
    return found


def template(name, chart=OPERATOR_CHART):
    return (chart / "templates" / name).read_text(encoding="utf-8")


@pytest.mark.scenario("K-11")
def test_the_operator_may_create_secrets_and_never_read_them():
    assert rules()["", "secrets"] == {"create"}


def test_the_operator_may_do_nothing_with_kinds_that_it_does_not_know():
    known = {(kind.group, kind.plural) for kind in ALWAYS}
    assert {key for key in rules() if "/" not in key[1]} == known
    assert {key for key in rules() if "/" in key[1]} == {
        *((kind.group, f"{kind.plural}/status") for kind in kinds.OWN),
        *((kind.group, f"{kind.plural}/finalizers") for kind in (kinds.VMCP, kinds.SERVER)),
    }


def test_the_operator_watches_what_it_needs_to_and_writes_only_children():
    found = {kind: rules()[kind.group, kind.plural] for kind in ALWAYS}
    assert all(found[kind] == READ for kind in kinds.OWN)
    assert found[kinds.POD] == {"list", "watch", "patch"}
    assert found[kinds.REPLICA_SET] == {"list"}
    assert found[kinds.EVENT] == {"create"}
    assert all(found[kind] == READ | WRITE for kind in (kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP))
    optional = (kinds.SERVICE_ACCOUNT, kinds.NETWORK_POLICY, kinds.DISRUPTION_BUDGET)
    assert all(found[kind] == READ | WRITE | {"delete"} for kind in optional)


def test_the_page_of_rights_says_the_same():
    page = (ROOT / "docs" / "reference" / "rbac.md").read_text(encoding="utf-8")
    own = [kind.plural for kind in kinds.OWN]
    found = {}
    always = page.split("`mcpLifecycle.enabled`", 1)[0] + page.split("in the namespace of the Lease", 1)[1]
    for group, resources, verbs in re.findall(r"^\| (\S+) \| (.*?) \| (.*?) \|", always, re.MULTILINE):
        suffix = re.fullmatch(r"the same with `(/\w+)`", resources)
        names = [f"{name}{suffix[1]}" for name in own] if suffix else re.findall(r"`(.*?)`", resources)
        found |= {("" if group == "core" else group.strip("`"), name): set(verbs.split(", ")) for name in names}
    stdio = page.split("`stdio.enabled`", 1)[1].split("in the namespace of the Lease")[0]
    added = dict(re.findall(r"^\| \S+ \| `(.*?)` \| (.*?) \|", stdio, re.MULTILINE))
    assert {name: set(verbs.split(", ")) for name, verbs in added.items()} == {
        name: verbs for (_, name), verbs in rules(STDIO).items()
    }
    lifecycle = page.split("`mcpLifecycle.enabled`", 1)[1].split("`stdio.enabled`", 1)[0]
    granted = {}
    for group, resources, verbs in re.findall(r"^\| `(\S+)` \| (.*?) \| (.*?) \|", lifecycle, re.MULTILINE):
        granted |= {(group, name): set(verbs.split(", ")) for name in re.findall(r"`(.*?)`", resources)}
    assert granted == rules(LIFECYCLE)
    lease = found.pop((kinds.LEASE.group, kinds.LEASE.plural))
    assert lease == set(re.findall(r"\b(get|update|create)\b", template("role-lease.yaml")))
    assert found == rules()


@pytest.mark.scenario("K-18")
def test_stdio_servers_add_what_they_need_and_what_their_bridges_are_granted():
    added = rules(STDIO)
    for kind in kinds.STDIO_OWNED:
        assert added.pop((kind.group, kind.plural)) == READ | WRITE | {"delete"}
    story = Story(SERVER + GROUP, replace(SETTINGS, stdio=True))
    story.cluster.edit(FILES, lambda each: each["spec"].update(transport="stdio"))
    asyncio.run(story.reconcile(FILES))
    granted = story.live(kinds.ROLE, "mcp-files-bridge")["rules"]
    # Nobody grants what he does not hold.
    assert added == {("", each["resources"][0]): set(each["verbs"]) for each in granted}
    assert all(each["resourceNames"] == ["mcp-files-0"] for each in granted)


@pytest.mark.scenario("K-27")
def test_servers_of_another_operator_add_what_they_need():
    group = kinds.GATEWAY_BINDING.group
    assert rules(LIFECYCLE) == {
        **{(group, kind.plural): READ for kind in kinds.LIFECYCLE},
        (group, "mcpgatewaybindings/status"): {"patch"},
        (group, "mcpgatewaybindings/finalizers"): {"update"},
        (kinds.ENTRY.group, kinds.ENTRY.plural): WRITE | {"delete"},
        (kinds.MCP_GROUP.group, "mcpgroups/finalizers"): {"update"},
    }


def test_no_right_is_a_wildcard():
    found = [right for part in (0, LIFECYCLE, STDIO) for right in rules(part).items()]
    assert "*" not in {part for (group, resource), verbs in found for part in (group, resource, *verbs)}


def test_both_scopes_grant_the_same_rules():
    for name in ("clusterrole.yaml", "role.yaml"):
        assert 'include "vmcp-operator.rules"' in template(name)
        assert "resources:" not in template(name)


def test_users_may_edit_every_kind_and_no_status():
    resources = re.search(r"resources: \[(.*)\]", template("clusterrole-edit.yaml", CRDS_CHART)).group(1).split(", ")
    plurals = {build_crd(kind)["spec"]["names"]["plural"] for kind in KINDS}
    assert set(resources) == plurals | {"virtualmcpservers/scale"}


def test_the_environment_of_the_pod_is_what_the_operator_reads():
    text = template("deployment.yaml")
    environ = {
        "VMCP_PROXY_IMAGE": "proxy:1",
        "VMCP_PROXY_PULL_POLICY": "Never",
        "VMCP_METRICS_FROM": json.dumps([{"ipBlock": {"cidr": "192.0.2.0/24"}}]),
        "VMCP_PROXY_TEMPLATE": json.dumps({"metadata": {"labels": {"team": "x"}}}),
        "VMCP_STDIO": "true",
        "VMCP_MCP_LIFECYCLE": "false",
        "VMCP_NAMESPACES": "a,b",
        "VMCP_LOG_LEVEL": "debug",
        "VMCP_LOG_FORMAT": "console",
        "VMCP_RESYNC": "60",
        "VMCP_POLL": "2.5",
        "VMCP_WORKERS": "16",
        "VMCP_PORT": "9443",
        "VMCP_LEADER_ELECT": "true",
        "VMCP_LEADER_ELECT_RESOURCE_NAME": "lease",
        "VMCP_LEADER_ELECT_RESOURCE_NAMESPACE": "there",
        "VMCP_LEADER_ELECT_LEASE_DURATION": "30",
        "VMCP_LEADER_ELECT_RENEW_DEADLINE": "20.5",
        "VMCP_LEADER_ELECT_RETRY_PERIOD": "4",
        "POD_NAME": "vmcp-operator-1",
        "POD_UID": "uid",
    }
    assert re.findall(r"- name: ((?:VMCP|POD)_\w+)", text) == list(environ)
    settings = parse_settings((), environ, in_cluster=True)
    assert (settings.pods.image, settings.pods.pull_policy) == ("proxy:1", "Never")
    assert (settings.scope.namespaces, settings.log_level) == (("a", "b"), "debug")
    assert len(settings.pods.metrics_from) == 1
    assert settings.pods.stdio is settings.scope.stdio is True
    assert settings.pods.lifecycle is settings.scope.lifecycle is False
    assert settings.pods.template == {"metadata": {"labels": {"team": "x"}}}
    assert (settings.log_format, settings.resync, settings.poll) == ("console", 60.0, 2.5)
    assert (settings.workers, settings.port) == (16, 9443)
    place = Ref(kinds.LEASE, "there", "lease")
    assert settings.election == Election(place, "vmcp-operator-1_uid", Timing(30, 20.5, 4.0))


def test_the_choices_are_those_that_the_operator_takes():
    schema = yaml.safe_load((OPERATOR_CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["logLevel"]["enum"] == list(LEVELS)
    assert schema["properties"]["logFormat"]["enum"] == list(FORMATS)


def test_the_defaults_of_the_chart_are_those_of_the_process():
    values = yaml.safe_load((OPERATOR_CHART / "values.yaml").read_text(encoding="utf-8"))
    settings = parse_settings((), {"VMCP_PROXY_IMAGE": "a"}, in_cluster=True, namespace="here")
    assert settings.pods.lifecycle is settings.scope.lifecycle is values["mcpLifecycle"]["enabled"]
    told = (values["resyncSeconds"], values["pollSeconds"], values["workers"], values["logLevel"], values["logFormat"])
    assert told == (settings.resync, settings.poll, settings.workers, settings.log_level, settings.log_format)
    election = values["leaderElection"]
    times = (election["leaseDurationSeconds"], election["renewDeadlineSeconds"], election["retryPeriodSeconds"])
    assert Timing(*times) == settings.election.timing
    assert values["metrics"]["port"] == settings.port == HEALTH_PORT


def test_the_operators_pods_carry_the_label_by_which_proxies_let_it_in():
    labels = re.search(
        r'define "vmcp-operator.selectorLabels" -\}\}\n(.*?)\{\{- end', template("_helpers.tpl"), re.DOTALL
    )
    assert "app.kubernetes.io/name: vmcp-operator\n" in labels.group(1)
