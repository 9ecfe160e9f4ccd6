"""The telemetry part of a proxy's config."""

import json

import pytest
from pydantic import ValidationError

from vmcp_api.config import ProxyConfig
from vmcp_api.render import decode_config, encode_config, secret_refs
from vmcp_api.rules.otlp import OTLP_HEADER_RULES, otlp_rules
from vmcp_api.spec.telemetry import OtlpEndpoint, Telemetry

HEADER = {"name": "Authorization", "secretKeyRef": {"name": "s", "key": "k"}}


def telemetry(**part):
    return Telemetry.model_validate_json(json.dumps(part), by_alias=True, by_name=False)


def test_a_config_with_telemetry_is_whole_again_after_its_text():
    made = telemetry(
        otlp={"endpoint": "otel:4318", "insecure": True, "sensitiveHeaders": [HEADER], "timeout": "3s"},
        tracing={"enabled": True, "samplingRate": "0.5", "baggage": ["tenant"]},
        serviceName="front",
        resourceAttributes={"deployment.environment": "test"},
    )
    config = ProxyConfig(name="one", incoming_auth={"type": "anonymous"}, telemetry=made)
    assert decode_config(encode_config(config), "test") == config
    assert [(each.name, each.key) for each in secret_refs(config)] == [("s", "k")]
    assert made.tracing.ratio == 0.5


@pytest.mark.parametrize("enabled", ["tracing", "metrics"])
def test_what_is_enabled_goes_somewhere(enabled):
    with pytest.raises(ValidationError, match="needs otlp"):
        telemetry(**{enabled: {"enabled": True}})


@pytest.mark.parametrize("rate", ["1.5", "-1", "", "50%", "1e-3", "nan"])
def test_a_share_is_from_0_to_1(rate):
    with pytest.raises(ValidationError):
        telemetry(tracing={"samplingRate": rate})


@pytest.mark.parametrize("endpoint", ["", "grpc://a", "http://u:p@a", "http://a?x=1", "a b", "http://a#b"])
def test_what_is_no_endpoint_is_refused(endpoint):
    with pytest.raises(ValidationError):
        telemetry(otlp={"endpoint": endpoint})


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"endpoint": "http://a:4318/v1/traces", "insecure": True}, "names one signal"),
        ({"endpoint": "http://a:4318"}, "without TLS"),
        ({"endpoint": "https://a", "insecure": True}, "contradicts the endpoint"),
        ({"endpoint": "a:4318", "insecure": True, "caBundle": "x"}, "verifies nothing"),
        ({"endpoint": "a", "headers": {"Content-Type": "x"}}, "to the collector"),
        ({"endpoint": "a", "headers": {"a b": "x"}}, "no header name"),
        ({"endpoint": "a", "headers": {"X-A": "1", "x-a": "2"}}, "set twice"),
        ({"endpoint": "a", "headers": {"authorization": "1"}, "sensitiveHeaders": [HEADER]}, "set twice"),
        ({"endpoint": "a", "headers": {"X-A": "a\nb"}}, "line break"),
        ({"endpoint": "https://a:4318/base", "headers": {"X-A": "1"}, "sensitiveHeaders": [HEADER]}, ""),
        ({"endpoint": "http://a", "insecure": True}, ""),
    ],
)
def test_a_collector_is_named_so_that_it_can_be_reached(part, words):
    made = OtlpEndpoint.model_validate(part, by_alias=True, by_name=False)
    found = [text for rule in otlp_rules(OtlpEndpoint, ca="caBundle") for _, text in rule.find(made)]
    assert [words in text for text in found] == ([True] if words else [])
    assert not [text for rule in OTLP_HEADER_RULES for each in made.sensitive_headers for _, text in rule.find(each)]
