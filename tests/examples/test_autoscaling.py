"""The example of an autoscaler: what it scales is there, and a real Prometheus has what it goes by of each pod."""

import asyncio
from pathlib import Path

import pytest
import yaml

from tests.support.prometheus import prometheus
from tests.support.raw_client import WAIT_SECONDS
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_api.generate.crds import build_crd

EXAMPLES = Path(__file__).parents[2] / "examples" / "kubernetes"
HPA = yaml.safe_load((EXAMPLES / "autoscaling" / "hpa.yaml").read_text())
RULES = yaml.safe_load((EXAMPLES / "autoscaling" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
POD = {"namespace": "mcp", "pod": "vmcp-replicas-1", "container": "vmcp"}
OURS = {"namespace": "mcp", "pod": "other|vmcp-replicas-1"}


def exposed(rule):
    """The name that the adapter gives the metric of a rule."""
    return rule.get("name", {}).get("as") or rule["seriesQuery"].partition("{")[0]


def asked(rule, **labels):
    """The query that the adapter makes of a rule for some pods."""
    matchers = ",".join(f'{name}=~"{value}"' for name, value in labels.items())
    parts = {"Series": rule["seriesQuery"].partition("{")[0], "LabelMatchers": matchers, "GroupBy": "pod"}
    query = rule["metricsQuery"]
    for name, value in parts.items():
        query = query.replace(f"<<.{name}>>", value)
    assert "<<" not in query
    return query


def test_the_autoscaler_scales_the_endpoint_of_the_example_beside_it():
    target = HPA["spec"]["scaleTargetRef"]
    documents = yaml.safe_load_all((EXAMPLES / "replicas.yaml").read_text())
    (endpoint,) = [each for each in documents if each["kind"] == target["kind"]]
    assert (target["apiVersion"], target["name"]) == (endpoint["apiVersion"], endpoint["metadata"]["name"])
    assert endpoint["spec"]["sessionStorage"]["provider"] == "redis"
    (version,) = build_crd(target["kind"])["spec"]["versions"]
    assert "scale" in version["subresources"]


def test_the_autoscaler_goes_by_what_the_rules_expose():
    metrics = [each["pods"] for each in HPA["spec"]["metrics"] if each["type"] == "Pods"]
    assert [each["metric"]["name"] for each in metrics] == [exposed(rule) for rule in RULES]
    assert {each["target"]["type"] for each in metrics} == {"AverageValue"}


@pytest.mark.waits
async def test_the_rules_find_a_number_for_each_pod_in_a_real_prometheus(tmp_path):
    async with scene({"one": ScriptedBackend()}) as world, world.session() as client:
        targets = {f"127.0.0.1:{world.proxy.admin_port}": POD}
        async with prometheus(targets, tmp_path) as server:
            found = {}
            async with asyncio.timeout(WAIT_SECONDS):
                # A rate needs two scrapes with work between them.
                while not found or not all(found.values()):
                    await client.call("one_echo")
                    found = {exposed(rule): await server.ask(asked(rule, **OURS)) for rule in RULES}
            for rule in RULES:
                assert await server.ask(rule["seriesQuery"])
                assert not await server.ask(asked(rule, **{**OURS, "namespace": "other"}))
    assert [[each["metric"] for each in series] for series in found.values()] == [[{"pod": POD["pod"]}]] * 2
    assert float(found["vmcp_cpu_cores"][0]["value"][1]) > 0
    assert float(found["vmcp_sessions"][0]["value"][1]) == 1
