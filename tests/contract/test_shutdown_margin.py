"""The end of a proxy fits what the operator gives a pod for it, whatever hangs behind it."""

import asyncio

import pytest

from tests.proxy.endpoint.tracing import telemetry
from tests.support.otlp import OtlpReceiver
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_operator.plan.vmcp.workload import SHUTDOWN_MARGIN


async def silent(_):
    await asyncio.Event().wait()


def messages(caplog):
    return {record.getMessage(): getattr(record, "vmcp_fields", {}) for record in caplog.records}


@pytest.mark.scenario("O-1", "O-4")
async def test_collectors_and_backends_that_hang_cost_one_wait_within_the_pods_margin(caplog):
    backend = ScriptedBackend()
    backend.on("DELETE")(silent)
    async with OtlpReceiver(silent).running() as collector:
        audit = {"enabled": True, "sink": "otlp", "otlp": collector.endpoint}
        metrics = {"metrics": {"enabled": True, "interval": "1h"}}
        settings = {"telemetry": telemetry(collector, **metrics), "config": {"audit": audit}}
        async with scene({"one": backend}, **settings) as world:
            client = world.client()
            async with client:
                await client.open()
                await client.call("one_echo")
                # A former output has spans to send as well.
                world.apply(telemetry=telemetry(collector, **metrics, serviceName="other"))
                await client.call("one_echo")
            inside, audited = world.inside, world.inside.audit
            begun = asyncio.get_running_loop().time()
        # This test is about time: formerly the waits came one after the other.
        assert asyncio.get_running_loop().time() - begun < SHUTDOWN_MARGIN
    told = messages(caplog)
    assert told["audit sink is stuck at the end; events are lost"]["lost"] == audited.dropped > 0
    assert "the last metrics are lost" in told
    assert inside.spans.dropped > 0 == inside.spans.sent
    assert "traces cannot be sent at the end, spans are lost" in told
