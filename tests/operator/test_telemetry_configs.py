"""What an endpoint sends by OTLP: live, kept where its reference breaks, and never in the way of service."""

import json

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ENTRY, GROUP, SERVER, TELEMETRY, VMCP
from tests.support.certificates import CA_CERTIFICATE
from vmcp_operator.plan.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, TELEMETRY_CONFIG, Ref
from vmcp_operator.watch import read_change

OTEL = Ref(TELEMETRY_CONFIG, "default", "otel")
CONFIG = Ref(CONFIG_MAP, "default", "vmcp-one-c1")
ROOTS = Ref(CONFIG_MAP, "default", "roots")
TOLD = VMCP.replace("  incomingAuth", "  telemetryConfigRef: {name: otel, serviceName: front}\n  incomingAuth")
WHOLE = TOLD + GROUP + SERVER + ENTRY + TELEMETRY
TRUST = {"caBundleRef": {"configMapRef": {"name": "roots"}}}


def sent(story):
    return json.loads(story.cluster.objects[CONFIG]["data"]["config.json"]).get("telemetry")


def told(story):
    condition = story.condition(ONE, "TelemetryConfigured")
    return condition["status"], condition["reason"]


def settings(**changed):
    return lambda each: each["spec"]["openTelemetry"].update(changed)


async def test_what_is_sent_is_in_the_config_and_its_secrets_are_mounted_and_not_read():
    story = await serving(WHOLE)
    assert sent(story) == {
        "otlp": {
            "endpoint": "https://collector.example.com:4318",
            "sensitiveHeaders": [{"name": "X-Api-Key", "secretKeyRef": {"name": "collector", "key": "token"}}],
        },
        "tracing": {"enabled": True, "samplingRate": "0.1"},
        "serviceName": "front",
        "resourceAttributes": {"deployment.environment": "test"},
    }
    assert told(story) == ("True", "Configured")
    volumes = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]["volumes"]
    (secrets,) = [each["projected"]["sources"] for each in volumes if each["name"] == "secrets"]
    assert [each["secret"]["name"] for each in secrets] == ["collector"]
    await story.reconcile(OTEL)
    assert story.condition(OTEL, "Valid")["status"] == "True"
    assert story.status(OTEL)["referencingWorkloads"] == [{"kind": "VirtualMCPServer", "name": "one"}]


@pytest.mark.scenario("K-6")
async def test_an_edit_reaches_the_config_and_rolls_nothing():
    story = await serving(WHOLE)
    before = story.live(DEPLOYMENT, "vmcp-one")["spec"]
    story.cluster.edit(OTEL, settings(tracing={"enabled": True, "samplingRate": "1"}, metrics={"enabled": True}))
    assert ONE in story.woken_by(read_change(TELEMETRY_CONFIG, story.cluster.objects[OTEL]))
    await story.reconcile(ONE)
    assert (sent(story)["tracing"]["samplingRate"], sent(story)["metrics"]) == ("1", {"enabled": True})
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"] == before
    assert {ref for verb, ref in story.cluster.writes if verb == "apply"} == {CONFIG}
    story.cluster.edit(OTEL, settings(enabled=False))
    story.passes(10)
    await story.reconcile(ONE)
    assert sent(story) is None
    assert told(story) == ("True", "Off")
    # Its Secret stays mounted, so that nothing rolls for it.
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"] == before


BREAKS = {
    "gone": (lambda story: story.cluster.remove(OTEL), "TelemetryConfigNotFound", "'otel' does not exist"),
    "invalid": (
        lambda story: story.cluster.edit(OTEL, settings(endpoint="http://collector.example.com:4318")),
        "TelemetryConfigInvalid",
        "is not valid: MCPTelemetryConfig/otel: spec.openTelemetry.endpoint: goes over the network without TLS",
    ),
    "no CA bundle": (
        lambda story: story.cluster.edit(OTEL, settings(**TRUST)),
        "CaBundleNotFound",
        "MCPTelemetryConfig/otel: spec.openTelemetry.caBundleRef.configMapRef.name: ConfigMap 'roots' does not",
    ),
}


@pytest.mark.scenario("K-19")
@pytest.mark.parametrize("case", BREAKS)
@pytest.mark.parametrize("was_in_force", [True, False], ids=["it was in force", "it never was"])
async def test_a_broken_reference_stops_nothing_and_what_was_in_force_stays(case, was_in_force):
    break_it, reason, words = BREAKS[case]
    story = await serving(WHOLE) if was_in_force else Story(WHOLE)
    before = sent(story) if was_in_force else None
    break_it(story)
    story.cluster.edit(ONE, lambda each: each["spec"].update(allowedHosts=["mcp.example.com"]))
    story.passes(10)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    story.passes(10)
    await story.reconcile(ONE)
    assert sent(story) == before
    assert json.loads(story.cluster.objects[CONFIG]["data"]["config.json"])["allowedHosts"] == ["mcp.example.com"]
    assert told(story) == ("False", reason)
    message = story.condition(ONE, "TelemetryConfigured")["message"]
    assert words in message
    assert message.endswith("; what was in force stays" if was_in_force else "; nothing is sent before")
    assert story.status(ONE)["phase"] == "Ready"
    assert words in story.status(ONE)["message"]
    assert not [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT and each["type"] == "Warning"]

    metadata = {"name": "roots", "namespace": "default"}
    data = {"ca.crt": CA_CERTIFICATE}
    story.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    if case != "no CA bundle":
        story.apply(TELEMETRY)
    await story.reconcile(ONE)
    # A Secret that was not mounted before rolls pods.
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    story.passes(10)
    await story.reconcile(ONE)
    assert told(story) == ("True", "Configured")
    assert sent(story)["otlp"].get("caBundle") == (CA_CERTIFICATE if case == "no CA bundle" else None)


async def test_a_secret_of_a_collector_that_pods_miss_is_no_matter_of_authentication():
    story = await serving(WHOLE)
    for names, auth in ((("collector/token",), "True"), (("collector/token", "keys/token"), "False")):
        story.run_pod(ONE, report=healthy(story, "files", "docs", missing_secrets=names))
        story.passes(10)
        await story.reconcile(ONE)
        assert told(story) == ("False", "SecretNotFound")
        assert (
            "Secret keys are not there: collector/token; create"
            in story.condition(ONE, "TelemetryConfigured")["message"]
        )
        assert story.condition(ONE, "AuthConfigured")["status"] == auth
        assert "collector" not in story.condition(ONE, "AuthConfigured")["message"]
    assert story.status(ONE)["phase"] == "Ready"


async def test_settings_without_a_collector_are_valid_and_both_resources_say_that_nothing_is_sent():
    story = Story(WHOLE)
    story.cluster.edit(OTEL, lambda each: each["spec"]["openTelemetry"].pop("endpoint"))
    await story.reconcile(OTEL)
    said = "spec.openTelemetry.endpoint: is absent, so that nothing is sent by OTLP; write the URL of the collector"
    valid = story.condition(OTEL, "Valid")
    assert (valid["status"], said in valid["message"]) == ("True", True)
    await story.reconcile(ONE)
    told = story.condition(ONE, "TelemetryConfigured")
    assert (told["status"], told["reason"], said in told["message"]) == ("True", "Off", True)


async def test_settings_with_a_ca_bundle_of_no_use_say_so_themselves():
    story = Story(TELEMETRY)
    story.cluster.edit(OTEL, settings(**TRUST))
    await story.reconcile(OTEL)
    assert story.condition(OTEL, "Valid")["reason"] == "CaBundleNotFound"
    change = read_change(CONFIG_MAP, {"metadata": {"name": ROOTS.name, "namespace": "default"}})
    assert OTEL in story.woken_by(change)
