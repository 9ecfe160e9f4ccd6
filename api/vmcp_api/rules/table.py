"""Every rule between fields."""

import re
from typing import Any, Final

from vmcp_api.base import PORT_PATTERN
from vmcp_api.kinds import MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.mcpserver import MCPServerSpec
from vmcp_api.kinds.pods import PodDisruptionBudget
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerSpec
from vmcp_api.naming import MAX_MEMBER_NAME, MAX_SERVER_NAME, MAX_VMCP_NAME
from vmcp_api.rules.audit import AUDIT_RULES
from vmcp_api.rules.composite import COMPOSITE_RULES
from vmcp_api.rules.credentials import CREDENTIAL_RULES
from vmcp_api.rules.headers import HEADER_RULES
from vmcp_api.rules.network import NETWORK_PATTERN, NETWORK_RULES, NO_NETWORK, is_network
from vmcp_api.rules.optimizer import OPTIMIZER_RULES
from vmcp_api.rules.rate_limiting import RATE_LIMITING_RULES
from vmcp_api.rules.rule import Rule, require, require_each, require_form
from vmcp_api.rules.secrets import SECRET_RULES
from vmcp_api.rules.telemetry import TELEMETRY_RULES
from vmcp_api.spec.aggregation import Aggregation, ArgumentOverride
from vmcp_api.spec.operational import Operational, Timeouts
from vmcp_api.spec.sessions import SessionManagement, SessionStorage
from vmcp_api.text.durations import compare_durations

_ADDRESS: Final = rf"(\[[0-9A-Fa-f:.%]+\]|[^\s:,/\[\]]+)(:{PORT_PATTERN})?"
_ADDRESSES: Final = rf"^\s*{_ADDRESS}(\s*,\s*{_ADDRESS})*\s*$"


def _is_service_name(name: str, limit: int) -> bool:
    return len(name) <= limit and "." not in name


def _names_twice(spec: MCPServerSpec) -> bool:
    """Whether a Secret sets a variable that another one or ``env`` sets; ``env`` itself is a keyed list."""
    names = [secret.target_env_name or secret.key for secret in spec.secrets]
    names += {variable.name for variable in spec.env}
    return len(names) != len(set(names))


def _hidden(*, is_hidden: bool) -> dict[str, Any]:
    return {"required": ["hidden"], "properties": {"hidden": {"enum": [is_hidden]}}}


_NAMES: Final = (
    require(
        VirtualMCPServer,
        ("metadata", "name"),
        f"self.metadata.name.size() <= {MAX_VMCP_NAME} && !self.metadata.name.contains('.')",
        f"names a Service; choose a name of at most {MAX_VMCP_NAME} characters without dots",
        lambda vmcp: _is_service_name(vmcp.metadata.name, MAX_VMCP_NAME),
    ),
    require(
        MCPServer,
        ("metadata", "name"),
        f"self.metadata.name.size() <= {MAX_SERVER_NAME} && !self.metadata.name.contains('.')",
        f"names a Service and its pods; choose a name of at most {MAX_SERVER_NAME} characters without dots",
        lambda server: _is_service_name(server.metadata.name, MAX_SERVER_NAME),
    ),
    require(
        MCPServerEntry,
        ("metadata", "name"),
        f"self.metadata.name.size() <= {MAX_MEMBER_NAME}",
        f"names a backend; choose a name of at most {MAX_MEMBER_NAME} characters",
        lambda entry: len(entry.metadata.name) <= MAX_MEMBER_NAME,
    ),
)

_SESSIONS: Final = (
    require(
        VirtualMCPServerSpec,
        ("replicas",),
        "!has(self.replicas) || self.replicas <= 1 ||"
        " (has(self.sessionStorage) && self.sessionStorage.provider == 'redis')",
        "more than one replica shares its sessions; set sessionStorage.provider to redis",
        lambda spec: spec.replicas <= 1 or spec.session_storage.provider == "redis",
    ),
    require(
        SessionStorage,
        ("address",),
        "self.provider != 'redis' || has(self.address)",
        "is required for provider redis; write host:port",
        lambda storage: storage.provider != "redis" or storage.address is not None,
    ),
    require(
        SessionStorage,
        ("masterName",),
        "self.mode != 'sentinel' || has(self.masterName)",
        "is required for mode sentinel; write the name that the Sentinels watch",
        lambda storage: storage.mode != "sentinel" or storage.master_name is not None,
    ),
    require(
        SessionStorage,
        ("sentinelUsername",),
        "self.mode == 'sentinel' || !has(self.sentinelUsername)",
        "belongs to mode sentinel; remove it",
        lambda storage: storage.mode == "sentinel" or storage.sentinel_username is None,
    ),
    require(
        SessionStorage,
        ("sentinelPasswordRef",),
        "self.mode == 'sentinel' || !has(self.sentinelPasswordRef)",
        "belongs to mode sentinel; remove it",
        lambda storage: storage.mode == "sentinel" or storage.sentinel_password_ref is None,
    ),
    require(
        SessionStorage,
        ("db",),
        "self.mode != 'cluster' || self.db == 0",
        "must be 0 in mode cluster, which has no other database; remove it",
        lambda storage: storage.mode != "cluster" or storage.db == 0,
    ),
    require(
        SessionStorage,
        ("address",),
        f"!has(self.address) || self.address.matches(r'{_ADDRESSES}')",
        (
            "is no address; write host:port with a port of at most 65535, several separated by commas, IPv6 hosts in"
            " brackets, without redis://"
        ),
        lambda storage: storage.address is None or re.search(_ADDRESSES, storage.address) is not None,
    ),
    require(
        SessionManagement,
        ("ttl",),
        compare_durations("self.ttl", "<=", "self.maxLifetime"),
        "is longer than maxLifetime; lower ttl or raise maxLifetime",
        lambda management: management.ttl <= management.max_lifetime,
    ),
)

_BEHAVIOUR: Final = (
    require(
        Aggregation,
        ("conflictResolutionConfig", "priorityOrder"),
        "self.conflictResolution != 'priority' || (has(self.conflictResolutionConfig) &&"
        " has(self.conflictResolutionConfig.priorityOrder) &&"
        " self.conflictResolutionConfig.priorityOrder.size() > 0)",
        "is required for conflictResolution priority; list the backends, the winner first",
        lambda aggregation: (
            aggregation.conflict_resolution != "priority" or bool(aggregation.conflict_resolution_config.priority_order)
        ),
    ),
    require(
        Timeouts,
        ("default",),
        compare_durations("self.default", "<=", "self.maximum"),
        "is longer than maximum; lower default or raise maximum",
        lambda timeouts: timeouts.default <= timeouts.maximum,
    ),
    require(
        Timeouts,
        ("perWorkload",),
        "!has(self.perWorkload) || self.perWorkload.all(name, "
        f"{compare_durations('self.perWorkload[name]', '<=', 'self.maximum')})",
        "holds a bound that is longer than maximum; lower it or raise maximum",
        lambda timeouts: all(bound <= timeouts.maximum for bound in timeouts.per_workload.values()),
    ),
    require_each(
        Operational,
        "trustedProxies",
        f"self.matches('{NETWORK_PATTERN}')",
        NO_NETWORK,
        is_network,
        values=lambda operational: operational.trusted_proxies,
    ),
    require_each(
        VirtualMCPServerSpec,
        "allowedHosts",
        r"self.matches('^[^/\\s]+$')",
        "is no host name; write one such as mcp.example.com, without scheme and path",
        lambda host: re.fullmatch(r"[^/\s]+", host) is not None,
        values=lambda spec: spec.allowed_hosts,
    ),
    require_each(
        VirtualMCPServerSpec,
        "allowedOrigins",
        r"self.matches('^[a-z][a-z0-9+.-]*://[^/\\s]+$')",
        "is no origin; write scheme and host, such as https://app.example.com, without path",
        lambda origin: re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin) is not None,
        values=lambda spec: spec.allowed_origins,
    ),
)

_ARGUMENTS: Final = (
    require_form(
        ArgumentOverride,
        {"anyOf": [{"required": ["fixed"]}, {"required": ["default"]}, _hidden(is_hidden=True)]},
        "changes nothing; set fixed, default or hidden: true",
        lambda argument: argument.value is not None or bool(argument.hidden),
    ),
    require_form(
        ArgumentOverride,
        {"not": {"required": ["fixed"], "anyOf": [{"required": ["default"]}, _hidden(is_hidden=False)]}},
        "sets fixed together with default or hidden: false; keep one of them",
        lambda argument: argument.fixed is None or (argument.default is None and argument.hidden is not False),
    ),
)

_PODS: Final = (
    require(
        PodDisruptionBudget,
        (),
        "has(self.minAvailable) != has(self.maxUnavailable)",
        "needs one of minAvailable and maxUnavailable; set exactly one",
        lambda budget: (budget.min_available is None) != (budget.max_unavailable is None),
    ),
    require(
        MCPServerSpec,
        ("replicas",),
        "self.transport != 'stdio' || !has(self.replicas) || self.replicas <= 1",
        "a stdio server is one process; set replicas to 1 or use an HTTP transport",
        lambda spec: spec.transport != "stdio" or spec.replicas <= 1,
    ),
    require(
        MCPServerSpec,
        ("secrets",),
        "!has(self.secrets) || self.secrets.all(a,"
        " self.secrets.exists_one(b, (has(a.targetEnvName) ? a.targetEnvName : a.key)"
        " == (has(b.targetEnvName) ? b.targetEnvName : b.key)) &&"
        " (!has(self.env) || !self.env.exists(e, e.name =="
        " (has(a.targetEnvName) ? a.targetEnvName : a.key))))",
        "a variable is set twice; give one another targetEnvName or remove it",
        lambda spec: not _names_twice(spec),
    ),
)

RULES: Final[tuple[Rule, ...]] = (
    *_NAMES,
    *_SESSIONS,
    *_BEHAVIOUR,
    *AUDIT_RULES,
    *_ARGUMENTS,
    *_PODS,
    *NETWORK_RULES,
    *HEADER_RULES,
    *CREDENTIAL_RULES,
    *SECRET_RULES,
    *TELEMETRY_RULES,
    *RATE_LIMITING_RULES,
    *COMPOSITE_RULES,
    *OPTIMIZER_RULES,
)
"""Every rule, for the validator and for the CRDs."""
