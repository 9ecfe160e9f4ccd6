"""Every query of every panel returns data of a real proxy and a real operator, from a real Prometheus."""

import asyncio
import contextlib
import json
import re
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from benchmarks.ports import free_port
from charts import dashboards, metrics_page
from charts.generate import OPERATOR_CHART
from charts.panels import render
from tests.support.prometheus import INTERVAL, Prometheus, prometheus
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status, text
from tests.support.tcp import listening
from vmcp_operator.app import build_metrics
from vmcp_operator.telemetry import Telemetry
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import families
from vmcp_proxy.observability.metrics.family import Kind

LABELS = {"endpoint": {"namespace": "default", "job": "test"}, "operator": {"namespace": "vmcp-system", "job": "op"}}
WINDOW = f"{int(INTERVAL * 1000 * 20)}ms"
PATIENCE = 90.0
"""Seconds after which the panels without data are told: before the test is cut off, which tells nothing."""

RULES = """
@id("all") permit(principal, action, resource);
@id("err") forbid(principal, action, resource == Tool::"two_echo") when { context.nothing == 1 };
"""


def panels():
    """(dashboard, panel, query) of all committed files."""
    for path in sorted((OPERATOR_CHART / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield path.stem, panel["title"], target["expr"]


def names_in(query: str) -> set[str]:
    """The metrics that a query reads."""
    without = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|on \([^)]*\)|\"[^\"]*\"", " ", query)
    return set(re.findall(r"\b(?:vmcp|mcp|controller|workqueue|process|leader|rest)_\w+", without))


def sampled(name: str, kind: str) -> set[str]:
    return {f"{name}{suffix}" for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}


def exposed() -> set[str]:
    """All names that there are to ask for."""
    found = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    for family in families.ALL:
        found |= sampled(family.sampled, "histogram" if family.kind is Kind.HISTOGRAM else "number")
    for name, kind, _, _ in metrics_page.operator_families():
        found |= sampled(name, kind)
    return found


def test_the_committed_dashboards_are_those_of_the_tables():
    for dashboard in dashboards.ALL:
        path = OPERATOR_CHART / "dashboards" / f"{dashboard.name}.json"
        assert path.read_text(encoding="utf-8") == render(dashboard), "run: make crds"


@pytest.mark.scenario("O-6")
def test_dashboards_and_alerts_ask_for_what_there_is():
    rules = "".join(path.read_text(encoding="utf-8") for path in (OPERATOR_CHART / "rules").glob("*.yaml"))
    asked = {name for _, _, query in panels() for name in names_in(query)}
    alerted = {name for line in rules.splitlines() if "expr" in line or "(" in line for name in names_in(line)}
    assert asked <= exposed()
    assert {name for name in alerted if not name.endswith("_url")} <= exposed()


def unreliable() -> ScriptedBackend:
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def act(call):
        match call.params["arguments"].get("how"):
            case "failed":
                return text("no", isError=True)
            case "broken":
                raise Status(503)
        return text("yes")

    return backend


def silent() -> ScriptedBackend:
    """Lists too late, so that its deadline is missed."""
    backend = ScriptedBackend()

    @backend.on("tools/list")
    async def hang(call):
        await asyncio.Event().wait()

    return backend


@contextlib.asynccontextmanager
async def operator_metrics(telemetry: Telemetry):
    """What the operator's port answers to a scrape."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = telemetry.render()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async with listening(answer) as port:
        yield port


def work(telemetry: Telemetry) -> None:
    for result in ("success", "error"):
        telemetry.reconciles.labels("virtualmcpserver", result).inc()
    telemetry.errors.labels("virtualmcpserver").inc()
    telemetry.seconds.labels("virtualmcpserver").observe(0.01)
    telemetry.on_request("get", "api", 200)


async def use(world, proxy) -> None:
    """One of everything that is counted."""
    async with world.session() as client:
        await client.names()
        for name, how in (("one", "failed"), ("one", "broken"), ("two", "denied"), ("one", "fine")):
            params = {"name": f"{name}_echo", "arguments": {"how": how}}
            await client.post({"jsonrpc": "2.0", "id": how, "method": "tools/call", "params": params})
        for name, given in (("find_tool", {"query": "echo"}), ("call_tool", {"name": "one_echo", "arguments": {}})):
            await client.request("tools/call", {"name": name, "arguments": given})
        await client.delete()
    async with world.client() as client:
        await client.send("PUT")
    proxy.metrics.on_request("tools/call", 200, Outcome.SUCCESS, 0.01, ("a" * 32, "b" * 16))


def unanswered(found):
    return [f"{dashboard}: {panel}: {query}" for (dashboard, panel, query), series in found.items() if not series]


async def ask_all(server: Prometheus) -> dict[tuple[str, str, str], list]:
    found = {}
    for dashboard, panel, query in panels():
        labels = LABELS["operator" if dashboard == "operator" else "endpoint"]
        asked = query.replace("$__rate_interval", WINDOW)
        for name, value in labels.items():
            asked = asked.replace(f"${name}", value)
        found[dashboard, panel, query] = await server.ask(asked)
    return found


@pytest.mark.waits
@pytest.mark.scenario("O-6", "O-3")
async def test_every_panel_has_data_and_the_scrape_has_its_examples(tmp_path):
    breaker = {"enabled": True, "failureThreshold": 1000, "timeout": "1h"}
    config = operational(
        failureHandling={"healthCheckInterval": "1h", "circuitBreaker": breaker}, timeouts={"list": "200ms"}
    ) | {
        "rateLimiting": {"shared": {"maxTokens": 100_000, "refillPeriod": "1s"}},
        "optimizer": {"threshold": 0},
    }
    more = {
        "authorization": {"mode": "Enforce", "policies": [each for each in RULES.strip().splitlines() if each]},
        "telemetry": {
            "otlp": {"endpoint": f"http://127.0.0.1:{free_port()}", "insecure": True, "timeout": 1},
            "metrics": {"enabled": True, "interval": 1},
        },
    }
    backends = {"one": unreliable(), "two": ScriptedBackend(), "late": silent()}
    telemetry = Telemetry()
    build_metrics(telemetry, workers=1)
    telemetry.watch_up.set(1)
    telemetry.leads.labels("vmcp-operator").set(1)
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(scene(backends, config=config, **more))
        port = await stack.enter_async_context(operator_metrics(telemetry))
        targets = {
            f"127.0.0.1:{world.proxy.admin_port}": LABELS["endpoint"],
            f"127.0.0.1:{port}": LABELS["operator"],
        }
        server = await stack.enter_async_context(prometheus(targets, tmp_path))
        # Rates need two scrapes with work between them; Prometheus takes seconds until it begins to scrape.
        missing = ["not asked yet"]
        latest = time.monotonic() + PATIENCE
        while missing and time.monotonic() < latest:
            work(telemetry)
            await use(world, world.proxy)
            missing = unanswered(await ask_all(server))
        assert not missing, (await server.ask("up"), (tmp_path / "prometheus.log").read_text()[-2000:])
        names = {
            each["metric"]["__name__"]
            for each in await server.ask('{__name__=~"(vmcp|mcp)_.+", __name__!~".+_created"}')
        }
        examples = await server.exemplars("mcp_server_operation_duration_seconds_bucket")
        text_of_scrape, _ = world.proxy.metrics.snapshot().render("application/openmetrics-text; version=1.0.0")
    assert names <= exposed()
    assert {each["labels"]["trace_id"] for each in examples} == {"a" * 32}
    assert [family for family in parse_openmetrics(text_of_scrape.decode()) if family.name == "vmcp_sessions"]
