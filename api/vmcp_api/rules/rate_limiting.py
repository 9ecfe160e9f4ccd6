"""The rules on rate limits."""

from typing import Final

from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerSpec
from vmcp_api.rules.rule import require
from vmcp_api.spec.incoming import IncomingAuthType
from vmcp_api.spec.rate_limiting import RateLimiting, ToolLimits
from vmcp_api.spec.sessions import RedisMode

_LIMITS: Final = "self.config.rateLimiting"
_ABSENT: Final = f"!has(self.config) || !has({_LIMITS})"


def _tells_callers_apart(spec: VirtualMCPServerSpec) -> bool:
    limits = spec.config.rate_limiting
    return limits is None or not limits.has_per_user or spec.incoming_auth.type is not IncomingAuthType.ANONYMOUS


def _has_one_slot(spec: VirtualMCPServerSpec) -> bool:
    storage = spec.session_storage
    return spec.config.rate_limiting is None or storage.mode is not RedisMode.CLUSTER or "{}" not in storage.key_prefix


RATE_LIMITING_RULES: Final = (
    require(
        RateLimiting,
        (),
        "has(self.shared) || has(self.perUser) || (has(self.tools) && self.tools.size() > 0)",
        "limits nothing; write shared, perUser or tools, or remove it",
        lambda limits: limits.shared is not None or limits.per_user is not None or bool(limits.tools),
    ),
    require(
        ToolLimits,
        (),
        "has(self.shared) || has(self.perUser)",
        "limits nothing; write shared or perUser, or remove the entry",
        lambda tool: tool.shared is not None or tool.per_user is not None,
    ),
    require(
        VirtualMCPServerSpec,
        ("config", "rateLimiting"),
        f"{_ABSENT} || self.incomingAuth.type != 'anonymous' || (!has({_LIMITS}.perUser) &&"
        f" (!has({_LIMITS}.tools) || {_LIMITS}.tools.all(tool, !has(tool.perUser))))",
        "holds perUser, and anonymous callers cannot be told apart; identify them by incomingAuth, or use shared",
        _tells_callers_apart,
    ),
    require(
        VirtualMCPServerSpec,
        ("sessionStorage", "keyPrefix"),
        f"{_ABSENT} || !has(self.sessionStorage) || self.sessionStorage.mode != 'cluster' ||"
        " !self.sessionStorage.keyPrefix.contains('{}')",
        "holds {}, so that a Cluster would spread the buckets of one request; choose a prefix without it",
        _has_one_slot,
    ),
)
"""The rules on rate limits."""
