"""Examples on both sides of the rules on rate limits."""

from typing import Any

from tests.api.rulecase import RuleCase

BUCKET = {"maxTokens": 10, "refillPeriod": "1m"}
_OIDC = {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "vmcp"}}
_CLUSTER = {"provider": "redis", "address": "redis:6379", "mode": "cluster"}


def _limits(**part: Any) -> dict[str, Any]:
    return {"config": {"rateLimiting": part}}


LIMIT_CASES = (
    RuleCase(
        "VirtualMCPServer",
        "spec.config.rateLimiting",
        "write shared, perUser or tools",
        _limits(onStoreFailure="deny"),
        _limits(onStoreFailure="deny", shared=BUCKET),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.rateLimiting.tools[0]",
        "write shared or perUser",
        _limits(tools=[{"name": "t"}]),
        _limits(tools=[{"name": "t", "shared": BUCKET}]),
    ),
    *(
        RuleCase(
            "VirtualMCPServer",
            "spec.config.rateLimiting",
            "anonymous callers cannot be told apart",
            _limits(**limits),
            {**_limits(**limits), "incomingAuth": _OIDC},
        )
        for limits in ({"perUser": BUCKET}, {"shared": BUCKET, "tools": [{"name": "t", "perUser": BUCKET}]})
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.sessionStorage.keyPrefix",
        "choose a prefix without it",
        {**_limits(shared=BUCKET), "sessionStorage": {**_CLUSTER, "keyPrefix": "a{}b:"}},
        {**_limits(shared=BUCKET), "sessionStorage": {**_CLUSTER, "keyPrefix": "a{b}:"}},
    ),
)
