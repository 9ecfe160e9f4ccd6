"""Examples of texts of a wrong form, one for each form that a field may have (`vmcp_api.text.forms`)."""

from typing import Any, Final

from tests.api.rulecase import RuleCase

WRONG: Final = "has the wrong form; write "
_TOOL: Final = {"name": "report", "description": "Writes a report."}


def _server(path: str, words: str, wrong: dict[str, Any], right: dict[str, Any]) -> RuleCase:
    return RuleCase("MCPServer", f"spec.{path}", WRONG + words, wrong, right)


def _vmcp(path: str, words: str, wrong: dict[str, Any], right: dict[str, Any]) -> RuleCase:
    return RuleCase("VirtualMCPServer", f"spec.{path}", WRONG + words, wrong, right)


def _oidc(**settings: Any) -> dict[str, Any]:
    return {"incomingAuth": {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "vmcp", **settings}}}


def _timeout(text: str) -> dict[str, Any]:
    return {"config": {"operational": {"timeouts": {"default": text}}}}


def _prefix(text: str) -> dict[str, Any]:
    return {"config": {"aggregation": {"conflictResolutionConfig": {"prefixFormat": text}}}}


def _audit(**settings: Any) -> dict[str, Any]:
    return {"config": {"audit": {"enabled": True, **settings}}}


def _budget(share: str) -> dict[str, Any]:
    return {"podDisruptionBudget": {"minAvailable": share}}


def _step(**step: Any) -> dict[str, Any]:
    return {**_TOOL, "steps": [{"id": "read", **({} if "type" in step else {"tool": "notes.read"}), **step}]}


def _each(variable: str) -> dict[str, Any]:
    inner = {"tool": "notes.read"}
    return _step(type="forEach", collection="[1]", itemVar=variable, step=inner)


FORM_CASES: Final = (
    _vmcp(
        "groupRef.name", "lower-case letters", {"groupRef": {"name": "My Team"}}, {"groupRef": {"name": "my.team-1"}}
    ),
    _vmcp(
        "incomingAuth.oidcConfigRef.scopes[0]",
        "a scope without blanks, quotes and backslashes",
        _oidc(scopes=["a b"]),
        _oidc(scopes=["a:b"]),
    ),
    _vmcp(
        "incomingAuth.oidcConfigRef.resourceUrl",
        "a URL such as https://host:8443/path",
        _oidc(resourceUrl="mcp.example.com/mcp"),
        _oidc(resourceUrl="https://mcp.example.com/mcp"),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.operational.timeouts.default",
        "is no duration; write a number with a unit, such as 500ms, 30s or 1h30m",
        _timeout("30 seconds"),
        _timeout("30s"),
    ),
    _vmcp(
        "config.aggregation.conflictResolutionConfig.prefixFormat",
        "letters, digits, '_', '.', '-' around one '{workload}'",
        _prefix("{backend}_"),
        _prefix("{workload}."),
    ),
    _vmcp(
        "config.audit.syslog.address",
        "an address such as syslog.example:514 or [fd00::1]:514",
        _audit(sink="syslog", syslog={"address": "udp://syslog.example"}),
        _audit(sink="syslog", syslog={"address": "syslog.example:514"}),
    ),
    _vmcp(
        "config.audit.syslog.appName",
        "printable ASCII without blanks",
        _audit(sink="syslog", syslog={"address": "syslog.example:514", "appName": "my app"}),
        _audit(sink="syslog", syslog={"address": "syslog.example:514", "appName": "my-app"}),
    ),
    _vmcp(
        "config.audit.otlp.endpoint",
        "a URL such as https://host:4318 or host:4318",
        _audit(sink="otlp", otlp={"endpoint": "grpc://collector"}),
        _audit(sink="otlp", otlp={"endpoint": "collector:4318"}),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.podDisruptionBudget.minAvailable",
        "is no number of pods; write one from 0 to 1000, or a share such as 50%",
        _budget("half"),
        _budget("50%"),
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addHeadersFromSecret[0].headerName",
        "is no header name; use letters, digits and hyphens, such as X-Api-Key",
        {
            "headerForward": {
                "addHeadersFromSecret": [{"headerName": "X Key", "valueSecretRef": {"name": "s", "key": "k"}}]
            }
        },
        {
            "headerForward": {
                "addHeadersFromSecret": [{"headerName": "X-Key", "valueSecretRef": {"name": "s", "key": "k"}}]
            }
        },
    ),
    RuleCase(
        "MCPServerEntry",
        "spec.headerForward.addHeadersFromSecret[0].valueSecretRef.key",
        WRONG + "letters, digits, '-', '_' and '.'",
        {
            "headerForward": {
                "addHeadersFromSecret": [{"headerName": "X-K", "valueSecretRef": {"name": "s", "key": "a/b"}}]
            }
        },
        {
            "headerForward": {
                "addHeadersFromSecret": [{"headerName": "X-K", "valueSecretRef": {"name": "s", "key": "a.b"}}]
            }
        },
    ),
    _server("path", "a path that begins with '/'", {"path": "mcp?x=1"}, {"path": "/mcp"}),
    _server("args[0]", "text without NUL characters", {"args": ["a\0b"]}, {"args": ["a\tb"]}),
    _server(
        "env[0].name",
        "letters, digits, '_', '.' and '-', not beginning with a digit",
        {"env": [{"name": "1ST", "value": "x"}]},
        {"env": [{"name": "_1ST", "value": "x"}]},
    ),
    _server(
        "resources.limits.memory",
        "an amount such as 500m, 2 or 256Mi",
        {"resources": {"limits": {"memory": "256 MB"}}},
        {"resources": {"limits": {"memory": "256Mi"}}},
    ),
    RuleCase(
        "MCPToolConfig",
        "spec.toolsOverride.read.name",
        WRONG + "letters, digits, '_', '.' and '-'",
        {"toolsOverride": {"read": {"name": "read it"}}},
        {"toolsOverride": {"read": {"name": "read.it"}}},
    ),
    RuleCase(
        "VirtualMCPCompositeToolDefinition",
        "spec.steps[0].id",
        WRONG + "letters, digits, '_' and '-'",
        _step(id="read it"),
        _step(id="read_it"),
    ),
    RuleCase(
        "VirtualMCPCompositeToolDefinition",
        "spec.steps[0].itemVar",
        WRONG + "letters, digits and '_', not beginning with a digit",
        _each("1st"),
        _each("first"),
    ),
    RuleCase(
        "MCPTelemetryConfig",
        "spec.openTelemetry.endpoint",
        WRONG + "a URL such as https://host:4318 or host:4318",
        {"openTelemetry": {"endpoint": "collector 4318"}},
        {"openTelemetry": {"endpoint": "collector:4318"}},
    ),
    RuleCase(
        "MCPTelemetryConfig",
        "spec.openTelemetry.tracing.samplingRate",
        WRONG + "a share from 0 to 1 as text",
        {"openTelemetry": {"endpoint": "collector:4318", "tracing": {"enabled": True, "samplingRate": "5%"}}},
        {"openTelemetry": {"endpoint": "collector:4318", "tracing": {"enabled": True, "samplingRate": "0.05"}}},
    ),
)
