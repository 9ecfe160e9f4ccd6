"""Traces on their way to a collector: swapped live, never in the way, and shown to those who look elsewhere."""

import asyncio
import json

import pytest

from tests.proxy.endpoint.tracing import OTHER, PARENT, TRACE, telemetry
from tests.support.otlp import OtlpReceiver, accept, answers
from tests.support.plain_http import http_client
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import admin_of
from vmcp_proxy.run.telemetry import tracing


@pytest.mark.scenario("O-4")
async def test_another_collector_takes_over_with_the_config_and_none_is_missed():
    backend = ScriptedBackend()

    async def call(client, parent):
        await client.request("tools/call", {"name": "one_echo"}, traceparent=parent)

    async with OtlpReceiver().running() as first, OtlpReceiver().running() as second:
        async with scene({"one": backend}, telemetry=telemetry(first)) as world, world.session() as client:
            await call(client, PARENT)
            world.apply(telemetry=telemetry(second, resourceAttributes={}))
            await call(client, OTHER)
            world.apply(telemetry=None)
            await call(client, PARENT)
            assert len(backend.calls("tools/call")[-1].headers.keys() & {"traceparent"}) == 0
            counted = await world.metrics()
        assert {each.trace for each in first.spans if each.kind == "CLIENT"} >= {TRACE}
        assert {each.trace for each in second.spans} == {OTHER.split("-")[1]}
        assert len([each for each in (*first.spans, *second.spans) if each.name == "tools/call one_echo"]) == 2
        assert counted["vmcp_spans_dropped_total"] == 0


@pytest.mark.scenario("O-4")
@pytest.mark.parametrize("act", ["away", "silent", "broken"])
async def test_calls_go_on_whatever_becomes_of_the_collector_and_every_span_is_counted(act, monkeypatch):
    async def silent(_):
        await asyncio.Event().wait()

    acts = {"away": accept, "silent": silent, "broken": answers(500, b"x" * 200_000)}
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.3)
    async with OtlpReceiver(acts[act]).running() as collector:
        endpoint = {"timeout": "1s"} | ({"endpoint": "http://127.0.0.1:9"} if act == "away" else {})
        settings = telemetry(collector, otlp=endpoint)
        async with scene({"one": ScriptedBackend()}, telemetry=settings) as world, world.session() as client:
            for _ in range(20):
                await client.call("one_echo")
            counts = world.inside.spans
    # initialize and its notice; each call twice, the first with a handshake.
    assert (counts.sent, counts.dropped) == (0, 2 + 2 * 20 + 1)


async def test_without_the_collectors_secret_calls_go_on_and_the_log_says_so(caplog):
    header = {"name": "X-Key", "secretKeyRef": {"name": "s", "key": "k"}}
    async with OtlpReceiver().running() as collector:
        settings = telemetry(collector, otlp={"sensitiveHeaders": [header]})
        async with scene({"one": ScriptedBackend()}, telemetry=settings) as world, world.session() as client:
            await client.call("one_echo")
            assert "traces are not sent" in caplog.text
            assert "no key 'k'" in str(caplog.records[0].vmcp_fields)
            world.apply()
    assert collector.asked == []


def audit_to(folder):
    return {"enabled": True, "sink": "file", "path": str(folder / "audit.log")}


async def test_audit_and_scrapes_name_the_trace_of_what_is_recorded(tmp_path):
    backend = ScriptedBackend()
    async with OtlpReceiver().running() as collector:
        settings = {"telemetry": telemetry(collector, "0"), "config": {"audit": audit_to(tmp_path)}}
        async with scene({"one": backend}, **settings) as world, world.session() as client:
            await client.request("tools/call", {"name": "one_echo"}, traceparent=PARENT)
            async with http_client() as http:
                accept = {"accept": "application/openmetrics-text; version=1.0.0"}
                shown = (await http.get(f"{admin_of(world.proxy)}/metrics", headers=accept)).text.splitlines()
        spans = {each.kind: each for each in collector.spans if each.trace == TRACE}
    for kind, name in (("SERVER", "mcp_server_operation_duration"), ("CLIENT", "mcp_client_operation_duration")):
        examples = [line for line in shown if line.startswith(name) and f'span_id="{spans[kind].id}"' in line]
        assert [TRACE in line for line in examples] == [True]
    events = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert {each["type"]: each.get("trace_id") for each in events} == {
        "mcp_initialize": None,
        "mcp_notification": None,
        "mcp_tool_call": TRACE,
    }
