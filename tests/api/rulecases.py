"""An accepted and a rejected example of every rule, for the validator and for a real API server."""

from typing import Any

from tests.api.authcases import AUTH_CASES
from tests.api.compositecases import COMPOSITE_CASES
from tests.api.formcases import FORM_CASES
from tests.api.limitcases import LIMIT_CASES
from tests.api.optimizercases import OPTIMIZER_CASES
from tests.api.rulecase import RuleCase
from tests.api.telemetrycases import TELEMETRY_CASES


def _scraped_by(*labels: dict[str, Any]) -> dict[str, Any]:
    return {"networkPolicy": {"metricsFrom": [{"podSelector": {"matchExpressions": list(labels)}}]}}


def _operational(**part: Any) -> dict[str, Any]:
    return {"config": {"operational": part}}


def _argument(**override: Any) -> dict[str, Any]:
    entry = {"workload": "a", "overrides": {"t": {"arguments": {"x": override}}}}
    return {"config": {"aggregation": {"tools": [entry]}}}


def _renamed(name: str) -> dict[str, Any]:
    return {"config": {"aggregation": {"tools": [{"workload": "a", "overrides": {"t": {"name": name}}}]}}}


def _syslog(**settings: Any) -> dict[str, Any]:
    return {"config": {"audit": {"sink": "syslog", "syslog": {"address": "logs:514", **settings}}}}


def _secret(name: str, key: str, target: str | None = None) -> dict[str, str]:
    return {"name": name, "key": key} | ({"targetEnvName": target} if target else {})


def _from_secret(*names: str) -> list[dict[str, Any]]:
    return [{"headerName": name, "valueSecretRef": {"name": "s", "key": "k"}} for name in names]


RULE_CASES = (
    RuleCase(
        "VirtualMCPServer",
        "spec.config.aggregation.tools[0].overrides.t.name",
        "letters, digits, '_', '.' and '-'",
        _renamed("a b"),
        _renamed("a-b"),
    ),
    RuleCase("VirtualMCPServer", "metadata.name", "at most 58", {}, {}, "a" * 59, "a" * 58),
    RuleCase("VirtualMCPServer", "metadata.name", "without dots", {}, {}, "a.b", "a-b"),
    RuleCase("MCPServer", "metadata.name", "at most 48", {}, {}, "a" * 49, "a" * 48),
    RuleCase("MCPServerEntry", "metadata.name", "at most 63", {}, {}, "a" * 64, "a" * 63),
    RuleCase(
        "VirtualMCPServer",
        "spec.replicas",
        "set sessionStorage.provider to redis",
        {"replicas": 2},
        {"replicas": 2, "sessionStorage": {"provider": "redis", "address": "redis:6379"}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.address",
        "is required for provider redis",
        {"sessionStorage": {"provider": "redis"}},
        {"sessionStorage": {"provider": "redis", "address": "redis:6379"}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.masterName",
        "is required for mode sentinel",
        {"sessionStorage": {"provider": "redis", "address": "r:1", "mode": "sentinel"}},
        {"sessionStorage": {"provider": "redis", "address": "r:1", "mode": "sentinel", "masterName": "m"}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.sentinelUsername",
        "belongs to mode sentinel",
        {"sessionStorage": {"sentinelUsername": "u"}},
        {"sessionStorage": {"mode": "sentinel", "masterName": "m", "sentinelUsername": "u"}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.sentinelPasswordRef",
        "belongs to mode sentinel",
        {"sessionStorage": {"sentinelPasswordRef": {"name": "a", "key": "b"}}},
        {"sessionStorage": {"mode": "sentinel", "masterName": "m", "sentinelPasswordRef": {"name": "a", "key": "b"}}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.db",
        "must be 0 in mode cluster",
        {"sessionStorage": {"provider": "redis", "address": "r:1", "mode": "cluster", "db": 1}},
        {"sessionStorage": {"provider": "redis", "address": "r:1", "mode": "cluster", "db": 0}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.address",
        "is no address",
        {"sessionStorage": {"provider": "redis", "address": "redis://redis:6379"}},
        {"sessionStorage": {"provider": "redis", "address": "redis, 10.0.0.1:6379, [fd00::1]:6379"}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionManagement.ttl",
        "longer than maxLifetime",
        {"sessionManagement": {"ttl": "2h", "maxLifetime": "1h"}},
        {"sessionManagement": {"ttl": "1h", "maxLifetime": "1h"}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.aggregation.conflictResolutionConfig.priorityOrder",
        "is required for conflictResolution priority",
        {"config": {"aggregation": {"conflictResolution": "priority"}}},
        {
            "config": {
                "aggregation": {
                    "conflictResolution": "priority",
                    "conflictResolutionConfig": {"priorityOrder": ["a"]},
                }
            }
        },
    ),
    *(
        RuleCase(
            "VirtualMCPServer",
            "spec.config.aggregation.tools[0].overrides.t.arguments.x",
            words,
            _argument(**rejected),
            _argument(**accepted),
            answer=answer,
        )
        for words, answer, rejected, accepted in (
            ("changes nothing", "must validate at least one schema", {}, {"hidden": True}),
            (
                "changes nothing",
                "must validate at least one schema",
                {"hidden": False},
                {"default": 1, "hidden": False},
            ),
            ("keep one of them", "must not validate the schema", {"fixed": 1, "default": None}, {"fixed": None}),
            (
                "keep one of them",
                "must not validate the schema",
                {"fixed": [], "hidden": False},
                {"fixed": [], "hidden": True},
            ),
            (
                "keep one of them",
                "must not validate the schema",
                {"fixed": None, "default": 1, "hidden": True},
                {"default": None, "hidden": True},
            ),
        )
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.audit.path",
        "is required for sink file",
        {"config": {"audit": {"sink": "file"}}},
        {"config": {"audit": {"sink": "file", "path": "/tmp/audit"}}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.audit.path",
        "stands beside file",
        {"config": {"audit": {"sink": "file", "path": "/a", "file": {"path": "/a"}}}},
        {"config": {"audit": {"sink": "file", "file": {"path": "/a", "maxBytes": 1 << 20, "keep": 3}}}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.audit.otlp",
        "is required for sink otlp",
        {"config": {"audit": {"sink": "otlp"}}},
        {"config": {"audit": {"sink": "otlp", "otlp": {"endpoint": "https://collector:4318"}}}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.audit.syslog",
        "is required for sink syslog",
        {"config": {"audit": {"sink": "syslog"}}},
        {"config": {"audit": {"sink": "syslog", "syslog": {"address": "[fd00::1]:514"}}}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.audit.syslog.caBundle",
        "belongs to transport tls",
        _syslog(caBundle="x"),
        _syslog(caBundle="x", transport="tls"),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.audit.syslog.clientCertificateRef",
        "belongs to transport tls",
        _syslog(clientCertificateRef={"name": "x"}),
        _syslog(clientCertificateRef={"name": "x"}, transport="tls"),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.operational.timeouts.default",
        "longer than maximum",
        _operational(timeouts={"default": "2h"}),
        _operational(timeouts={"default": "2h", "maximum": "2h"}),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.operational.timeouts.perWorkload",
        "longer than maximum",
        _operational(timeouts={"perWorkload": {"a": "2h"}}),
        _operational(timeouts={"perWorkload": {"a": "30m"}}),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.operational.timeouts.list",
        "must be more than 0s",
        _operational(timeouts={"list": "0s"}),
        _operational(timeouts={"list": "1ms"}),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.operational.timeouts.list",
        "must be at most 5m",
        _operational(timeouts={"list": "301s"}),
        _operational(timeouts={"list": "5m"}),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.operational.trustedProxies[0]",
        "is no network",
        _operational(trustedProxies=["10.0.0.1"]),
        _operational(trustedProxies=["10.0.0.0/8"]),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.allowedHosts[0]",
        "is no host name",
        {"allowedHosts": ["https://mcp.example.com"]},
        {"allowedHosts": ["mcp.example.com"]},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.allowedOrigins[0]",
        "is no origin",
        {"allowedOrigins": ["app.example.com"]},
        {"allowedOrigins": ["https://app.example.com"]},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.podDisruptionBudget",
        "set exactly one",
        {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}},
        {"podDisruptionBudget": {"maxUnavailable": 1}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.networkPolicy.metricsFrom[0].ipBlock",
        "make it an entry of its own",
        {"networkPolicy": {"metricsFrom": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}},
        {"networkPolicy": {"metricsFrom": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.networkPolicy.ingressFrom[0].ipBlock.cidr",
        "is no network",
        {"networkPolicy": {"ingressFrom": [{"ipBlock": {"cidr": "10.0.0.1"}}]}},
        {"networkPolicy": {"ingressFrom": [{"ipBlock": {"cidr": "fd00::/8", "except": ["fd01::/16"]}}]}},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.networkPolicy.metricsFrom[0].podSelector.matchExpressions[0].values",
        "write both or neither",
        _scraped_by({"key": "app", "operator": "In"}),
        _scraped_by({"key": "app", "operator": "NotIn", "values": ["a"]}, {"key": "b", "operator": "Exists"}),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.passthroughHeaders[1]",
        "remove it",
        {"passthroughHeaders": ["X-Ok", "aUTHORIZATION"]},
        {"passthroughHeaders": ["X-Ok", "X-Authorization"]},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.passthroughHeaders[0]",
        "remove it",
        {"passthroughHeaders": ["mcp-session-id"]},
        {"passthroughHeaders": ["mcpsession"]},
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.passthroughHeaders[1]",
        "listed twice",
        {"passthroughHeaders": ["X-Team", "x-team"]},
        {"passthroughHeaders": ["X-Team", "X-Teams"]},
    ),
    RuleCase(
        "MCPServer",
        "spec.replicas",
        "a stdio server is one process",
        {"transport": "stdio", "replicas": 2},
        {"transport": "stdio", "replicas": 1},
    ),
    RuleCase(
        "MCPServer",
        "spec.secrets",
        "a variable is set twice",
        {"env": [{"name": "TOKEN", "value": "x"}], "secrets": [_secret("s", "TOKEN")]},
        {"env": [{"name": "TOKEN", "value": "x"}], "secrets": [_secret("s", "TOKEN", "OTHER")]},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addPlaintextHeaders.Host",
        "remove it",
        {"headerForward": {"addPlaintextHeaders": {"Host": "x"}}},
        {"headerForward": {"addPlaintextHeaders": {"Authorization": "x"}}},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addPlaintextHeaders['X Y']",
        "such as X-Api-Key",
        {"headerForward": {"addPlaintextHeaders": {"X Y": "x"}}},
        {"headerForward": {"addPlaintextHeaders": {"X_Y": "x"}}},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addPlaintextHeaders['X-A']",
        "line break",
        {"headerForward": {"addPlaintextHeaders": {"X-A": "a\r\nHost: b"}}},
        {"headerForward": {"addPlaintextHeaders": {"X-A": "a\tb ~"}}},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addPlaintextHeaders['X-A']",
        "is empty",
        {"headerForward": {"addPlaintextHeaders": {"X-A": " \t"}}},
        {"headerForward": {"addPlaintextHeaders": {"X-A": " a\t"}}},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addHeadersFromSecret[0].headerName",
        "remove it",
        {"headerForward": {"addHeadersFromSecret": _from_secret("Content-Length")}},
        {"headerForward": {"addHeadersFromSecret": _from_secret("X-Length")}},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addHeadersFromSecret[0].headerName",
        "set twice",
        {"headerForward": {"addPlaintextHeaders": {"X-A": "b"}, "addHeadersFromSecret": _from_secret("x-a")}},
        {"headerForward": {"addPlaintextHeaders": {"X-A": "b"}, "addHeadersFromSecret": _from_secret("x-b")}},
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addHeadersFromSecret[1].headerName",
        "set twice",
        {"headerForward": {"addHeadersFromSecret": _from_secret("X-A", "x-a")}},
        {"headerForward": {"addHeadersFromSecret": _from_secret("X-A", "x-b")}},
    ),
    *FORM_CASES,
    *AUTH_CASES,
    *TELEMETRY_CASES,
    *LIMIT_CASES,
    *OPTIMIZER_CASES,
    *COMPOSITE_CASES,
)
