"""Requests that are traced, and what a collector gets of them."""

from tests.support.otlp import OtlpReceiver
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def telemetry(collector, rate="1", *, otlp=None, baggage=(), **more):
    """The config that sends traces to a collector."""
    return {
        "otlp": {**collector.endpoint, **(otlp or {})},
        "tracing": {"enabled": True, "samplingRate": rate, "baggage": list(baggage)},
        "serviceName": "front",
        "resourceAttributes": {"deployment.environment": "test"},
        **more,
    }


async def traced(use, *, backend=None, rate="1", baggage=(), **config):
    """The spans, by name, of what a client does with a proxy in front of one backend; and what the backend heard."""
    backend = backend or ScriptedBackend()
    async with OtlpReceiver().running() as collector:
        settings = telemetry(collector, rate, baggage=baggage)
        async with scene({"one": backend}, telemetry=settings, **config) as world, world.session() as client:
            await use(client)
        spans = collector.spans
    return {each.name: each for each in spans}, backend, spans
