"""Examples on both sides of the rules on telemetry settings."""

from typing import Any

from tests.api.rulecase import RuleCase

SECRET = {"name": "collector", "key": "token"}


def otel(**changed: Any) -> dict[str, Any]:
    """The spec of telemetry settings with some of them replaced."""
    settings = {"enabled": True, "endpoint": "https://collector.example.com:4318", "tracing": {"enabled": True}}
    return {"openTelemetry": {**settings, **changed}}


def _sensitive(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "secretKeyRef": SECRET} for name in names]


def _case(path: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    return RuleCase("MCPTelemetryConfig", f"spec.openTelemetry.{path}", words, otel(**rejected), otel(**accepted))


_TRUST = {"caBundleRef": {"configMapRef": {"name": "roots"}}}
_PLAIN = {"endpoint": "http://collector:4318"}

TELEMETRY_CASES = (
    _case("enabled", "sends nothing", {"tracing": {"enabled": False}}, {"enabled": False, "tracing": {}}),
    _case("enabled", "sends nothing", {"tracing": {}}, {"tracing": {}, "metrics": {"enabled": True}}),
    _case(
        "endpoint",
        "names one signal",
        {"endpoint": "https://collector/v1/traces"},
        {"endpoint": "https://collector/base"},
    ),
    _case("enabled", "remove the endpoint", {"tracing": {}}, {"tracing": {}, "endpoint": ""}),
    _case("endpoint", "without TLS", _PLAIN, {**_PLAIN, "insecure": True}),
    _case("endpoint", "without TLS", _PLAIN, {**_PLAIN, "enabled": False}),
    _case("insecure", "contradicts the endpoint", {"insecure": True}, {"endpoint": "collector:4318", "insecure": True}),
    _case("insecure", "contradicts the endpoint", {"insecure": True}, {"enabled": False, "insecure": True}),
    _case(
        "caBundleRef",
        "verifies nothing beside insecure",
        {"endpoint": "collector:4318", "insecure": True, **_TRUST},
        {"endpoint": "collector:4318", **_TRUST},
    ),
    _case("headers['X Y']", "such as X-Api-Key", {"headers": {"X Y": "x"}}, {"headers": {"X_Y": "x"}}),
    _case("headers.Host", "remove it", {"headers": {"Host": "x"}}, {"headers": {"Authorization": "x"}}),
    _case("headers['X-A']", "line break", {"headers": {"X-A": "a\nb"}}, {"headers": {"X-A": "a b"}}),
    _case(
        "sensitiveHeaders[0].name",
        "remove it",
        {"sensitiveHeaders": _sensitive("Content-Length")},
        {"sensitiveHeaders": _sensitive("Authorization")},
    ),
    _case(
        "sensitiveHeaders[0].name",
        "set twice",
        {"headers": {"x-a": "b"}, "sensitiveHeaders": _sensitive("X-A")},
        {"headers": {"x-a": "b"}, "sensitiveHeaders": _sensitive("X-B")},
    ),
    _case(
        "sensitiveHeaders[1].name",
        "set twice",
        {"sensitiveHeaders": _sensitive("X-A", "x-a")},
        {"sensitiveHeaders": _sensitive("X-A", "X-B")},
    ),
    _case(
        "sensitiveHeaders[0].secretKeyRef.name",
        "session keys of an endpoint",
        {"sensitiveHeaders": [{"name": "X-A", "secretKeyRef": {"name": "vmcp-front-keys", "key": "1"}}]},
        {"sensitiveHeaders": _sensitive("X-A")},
    ),
)
