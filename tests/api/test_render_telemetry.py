"""Rendering of what is sent by OTLP: the reference followed, and broken ones told without stopping anything."""

import pytest

from tests.api.manifests import build, team
from tests.api.telemetrycases import SECRET, otel
from vmcp_api.kinds.foreign.core import Secret
from vmcp_api.render import Mode, Rendered, render
from vmcp_api.secret import SecretBytes

TOLD = {"telemetryConfigRef": {"name": "otel"}}
SENSITIVE = {"sensitiveHeaders": [{"name": "X-A", "secretKeyRef": SECRET}]}


def rendered(*objects, mode: Mode = Mode.CLUSTER, **spec) -> Rendered:
    result = render(team(*objects, reads_secrets=mode is Mode.LOCAL, **spec), "front", mode=mode)
    assert isinstance(result, Rendered), str(result)
    return result


def settings(**changed):
    return build("MCPTelemetryConfig", "otel", **otel(**changed))


@pytest.mark.parametrize("mode", Mode)
def test_the_same_settings_are_told_to_a_pod_and_to_a_process_on_this_machine(mode):
    secret = Secret("collector", "ns", {"token": SecretBytes(b"canary")})
    result = rendered(settings(**SENSITIVE), secret, mode=mode, telemetryConfigRef={"name": "otel", "serviceName": "f"})
    telemetry = result.config.telemetry
    assert telemetry
    assert (telemetry.otlp.endpoint, telemetry.service_name) == ("https://collector.example.com:4318", "f")
    assert telemetry.tracing.enabled
    assert not telemetry.metrics.enabled
    assert set(result.secrets) == ({("collector", "token")} if mode is Mode.LOCAL else set())
    assert not result.warnings


@pytest.mark.parametrize("objects", [(), (build("MCPTelemetryConfig", "otel"),), (settings(enabled=False),)])
def test_without_settings_that_are_enabled_nothing_is_sent(objects):
    assert rendered(*objects, **(TOLD if objects else {})).config.telemetry is None


def whole(**telemetry):
    return build("MCPTelemetryConfig", "otel", openTelemetry=telemetry)


SIGNALS = {"enabled": True, "tracing": {"enabled": True}}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("config", "is_doubtful"),
    [
        (whole(), False),
        (whole(enabled=True), False),
        (whole(enabled=True, endpoint=""), False),
        (whole(**SIGNALS), True),
        (whole(**SIGNALS, endpoint=""), True),
        (whole(enabled=True, metrics={"enabled": True}, insecure=True), True),
        (whole(tracing={"enabled": True}), False),
        # As ToolHive's guide for upgrades has it: off, so that it goes nowhere without TLS.
        (whole(endpoint="http://otel-collector:4317", tracing={"enabled": True}), False),
    ],
)
def test_settings_of_toolhive_without_a_collector_send_nothing_and_say_so_where_it_may_not_be_meant(
    config, is_doubtful, mode
):
    result = rendered(config, mode=mode, **TOLD)
    assert result.config.telemetry is None
    assert not result.telemetry
    said = [str(each) for each in result.warnings]
    wanted = "MCPTelemetryConfig/otel: spec.openTelemetry.endpoint: is absent, so that nothing is sent by OTLP"
    assert [wanted in each for each in said] == ([True] if is_doubtful else [])


@pytest.mark.parametrize(
    ("objects", "path", "words"),
    [
        ((), "spec.telemetryConfigRef.name", "MCPTelemetryConfig 'otel' does not exist"),
        (
            (settings(**SENSITIVE),),
            "spec.openTelemetry.sensitiveHeaders[0].secretKeyRef.name",
            "Secret 'collector' does not exist",
        ),
        (
            (settings(**SENSITIVE), Secret("collector", "ns", {"token": SecretBytes(b"")})),
            "spec.openTelemetry.sensitiveHeaders[0].secretKeyRef.key",
            "is empty",
        ),
        (
            (settings(caBundleRef={"configMapRef": {"name": "roots"}}),),
            "spec.openTelemetry.caBundleRef.configMapRef.name",
            "ConfigMap 'roots' does not exist",
        ),
    ],
)
def test_a_broken_reference_is_a_warning_and_sends_nothing(objects, path, words):
    result = rendered(*objects, mode=Mode.LOCAL, **TOLD)
    assert result.config.telemetry is None
    (problem,) = result.warnings
    assert problem.path == path
    assert words in problem.message
    assert result.telemetry
