"""Each alert fires once while something is wrong, clears when it is mended, and says what to do."""

import re
from dataclasses import dataclass, field

import pytest
import yaml

from charts.generate import OPERATOR_CHART, ROOT
from tests.support.prometheus import promtool

RUNBOOKS = "https://docs.test/alerts"
RUNBOOK_PAGE = ROOT / "docs" / "how-to" / "alerts.md"
OF_OPERATOR = 'job="op", namespace="vmcp-system"'
OPERATOR = f'{{{OF_OPERATOR}, instance="o"}}'
WELL, WRONG, END = 20, 100, 170
"""Minutes: all is well first, then something is wrong for so long, and at the end all has long been well again."""


@dataclass(frozen=True)
class Case:
    """What goes wrong: series by name and further labels, each with its values while all is well and while it is not.

    Counters (`grows`) grow by these in a minute; gauges have them. `labels` are those of the alert.
    """

    series: dict[str, tuple[float, float]]
    labels: dict[str, str] = field(default_factory=dict)
    grows: bool = True


def of(metric: str, **labels: str) -> str:
    """A sample of an endpoint's pod."""
    more = "".join(f', {key}="{value}"' for key, value in labels.items())
    return f'{metric}{{namespace="n", job="e", instance="i"{more}}}'


SERVED, CALLED = "mcp_server_operation_duration_seconds", "mcp_client_operation_duration_seconds"
CALL = {"mcp_method_name": "tools/call"}
ENDPOINT = {"namespace": "n", "job": "e"}
BACKEND = {**ENDPOINT, "backend": "b"}
UP = f'up{{{OF_OPERATOR}, instance="o"}}'

CASES = {
    "VmcpOperatorDown": Case({UP: (1, 0)}, grows=False),
    "VmcpOperatorWithoutLeader": Case(
        {f'leader_election_master_status{{{OF_OPERATOR}, instance="o", name="vmcp-operator"}}': (1, 0)}, grows=False
    ),
    "VmcpOperatorDeaf": Case({f"vmcp_operator_watch_up{OPERATOR}": (1, 0)}, grows=False),
    "VmcpOperatorResyncErrors": Case(
        {f"vmcp_operator_resync_errors_total{OPERATOR}": (0, 1)},
        {"job": "op", "namespace": "vmcp-system", "instance": "o"},
    ),
    "VmcpOperatorReconcileErrors": Case(
        {f'controller_runtime_reconcile_errors_total{{{OF_OPERATOR}, controller="mcpgroup"}}': (0, 1)},
        {"controller": "mcpgroup"},
    ),
    "VmcpOperatorQueueStuck": Case(
        {f'workqueue_depth{{{OF_OPERATOR}, name="mcpgroup", controller="mcpgroup"}}': (0, 3)},
        {"job": "op", "namespace": "vmcp-system", "name": "mcpgroup", "controller": "mcpgroup"},
        grows=False,
    ),
    "VmcpEndpointDown": Case({of("up", container="vmcp"): (1, 0)}, ENDPOINT, grows=False),
    "VmcpEndpointErrors": Case(
        {of(f"{SERVED}_count", error_type="error"): (1, 10), of(f"{SERVED}_count", error_type=""): (90, 90)}, ENDPOINT
    ),
    "VmcpEndpointSlow": Case(
        {
            of(f"{SERVED}_sum", **CALL): (3, 30),
            of(f"{SERVED}_count", **CALL): (60, 60),
            of(f"{CALLED}_sum", **CALL): (2, 2),
            of(f"{CALLED}_count", **CALL): (60, 60),
        },
        ENDPOINT,
    ),
    "VmcpBackendUnhealthy": Case(
        {of("vmcp_backends", status="unhealthy"): (0, 1)}, {**ENDPOINT, "status": "unhealthy"}, grows=False
    ),
    "VmcpBackendErrors": Case(
        {
            of("vmcp_backend_errors_total", backend="b", category="timeout"): (1, 30),
            of("vmcp_backend_requests_total", backend="b", method="tools/call"): (60, 60),
        },
        BACKEND,
    ),
    "VmcpBackendSlow": Case(
        {
            of(f"{CALLED}_bucket", backend="b", le="1.0"): (60, 0),
            of(f"{CALLED}_bucket", backend="b", le="30.0"): (60, 60),
            of(f"{CALLED}_bucket", backend="b", le="+Inf"): (60, 60),
        },
        BACKEND,
    ),
    "VmcpCircuitOpen": Case({of("vmcp_circuit_state", backend="b"): (0, 2)}, BACKEND, grows=False),
    "VmcpToolFails": Case(
        {
            of("vmcp_tool_errors_total", backend="b", tool="t"): (1, 50),
            of("vmcp_tool_calls_total", backend="b", tool="t", category=""): (60, 60),
        },
        {**BACKEND, "tool": "t"},
    ),
    "VmcpListsLate": Case({of("vmcp_list_deadline_missed_total", backend="b"): (0, 1)}, BACKEND),
    "VmcpSessionStoreDown": Case({of("vmcp_session_store_up"): (1, 0)}, ENDPOINT, grows=False),
    "VmcpConfigRefused": Case({of("vmcp_config_refused"): (0, 1)}, ENDPOINT, grows=False),
    "VmcpPolicyFails": Case(
        {of("vmcp_policy_decisions_total", policy="p", outcome="error", mode="Enforce"): (0, 1)},
        {**ENDPOINT, "policy": "p"},
    ),
    "VmcpAuditWaiting": Case({of("vmcp_audit_waiting"): (0, 3)}, ENDPOINT, grows=False),
    "VmcpAuditLost": Case({of("vmcp_audit_dropped_total"): (0, 5)}, ENDPOINT),
    "VmcpTelemetryLost": Case(
        {of("vmcp_metrics_exports_total", outcome="failed"): (0, 1), of("vmcp_spans_dropped_total"): (0, 9)}, ENDPOINT
    ),
    "VmcpCallersLimited": Case(
        {
            of("vmcp_rate_limit_decisions_total", limit="shared", outcome="limited"): (1, 40),
            of("vmcp_rate_limit_decisions_total", limit="shared", outcome="allowed"): (60, 60),
        },
        {**ENDPOINT, "limit": "shared"},
    ),
    "VmcpRateLimitsDown": Case({of("vmcp_rate_limits_up"): (1, 0)}, ENDPOINT, grows=False),
    "VmcpContextLarge": Case({of("vmcp_context_tokens", backend="b", kind="tool"): (9e3, 6e4)}, ENDPOINT, grows=False),
}


def rules():
    """Every rule by its alert, as the chart renders it for one operator."""
    found = {}
    for path in sorted((OPERATOR_CHART / "rules").glob("*.yaml")):
        text = path.read_text(encoding="utf-8").replace("OPERATOR", OF_OPERATOR).replace("RUNBOOKS", RUNBOOKS)
        for group in yaml.safe_load(text)["groups"]:
            found |= {rule["alert"]: rule for rule in group["rules"]}
    return found


def values(case: Case, well: float, wrong: float) -> str:
    """Well, wrong, and well again, in promtool's notation."""
    if not case.grows:
        return f"{well:g}x{WELL - 1} {wrong:g}x{WRONG - 1} {well:g}x{END}"
    start = WELL * well
    end = start + WRONG * wrong
    return f"0+{well:g}x{WELL} {start + wrong:g}+{wrong:g}x{WRONG - 1} {end + well:g}+{well:g}x{END}"


def filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def described(alert: str, case: Case, rule: dict) -> dict:
    """The test of one alert as promtool takes it."""
    labels = {**case.labels, "severity": rule["labels"]["severity"]}
    annotations = {name: filled(text, labels) for name, text in rule["annotations"].items()}
    fires = [{"exp_labels": labels, "exp_annotations": annotations}]
    moments = ((f"{WELL - 2}m", []), (f"{WELL + WRONG - 2}m", fires), (f"{END}m", []))
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values(case, *both)} for name, both in case.series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": seen} for at, seen in moments],
    }


@pytest.mark.scenario("O-6")
async def test_every_alert_fires_once_and_clears(tmp_path):
    found = rules()
    assert set(CASES) == set(found)
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "all", "rules": list(found.values())}]}), encoding="utf-8"
    )
    tests = [described(alert, case, found[alert]) for alert, case in CASES.items()]
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert "SUCCESS" in await promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert "SUCCESS" in await promtool("test", "rules", str(tmp_path / "tests.yaml"))


@pytest.mark.scenario("O-6")
def test_every_alert_names_its_remedy_and_has_a_runbook():
    page = RUNBOOK_PAGE.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) >= set(rules())
    for alert, rule in rules().items():
        said = rule["annotations"]
        assert set(said) == {"summary", "description", "runbook_url"}
        assert said["runbook_url"] == f"{RUNBOOKS}#{alert.lower()}"
        assert said["description"].endswith(".")
        for part in ("**Means**", "**See**", "**Do**"):
            assert part in sections[alert], f"{alert} lacks {part}"
