"""Asks the library, and reads what it answers."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cedarpy import Decision as Verdict
from cedarpy import Entities, PolicySet, is_authorized

from vmcp_proxy.core.policy.cedar.entities import TYPE_ON, Principal, Thing
from vmcp_proxy.core.policy.cedar.failures import UNTOLD, describe_failure

LIBRARY: Final = "cedar"
"""Stands among the errors where the library itself failed, and names no policy."""

NO_ERRORS: Final[Mapping[str, str]] = MappingProxyType({})
_FAILED: Final = re.compile(r"policy `(\w+)`")


def evaluate(
    policies: PolicySet, principal: Principal, thing: Thing, entities: Entities, context: dict[str, object]
) -> tuple[bool, Sequence[str], Mapping[str, str]]:
    """Cedar's answer: whether it allows, the policies that decided, and those that failed, with why."""
    request = {
        "principal": principal.entity["uid"],
        "action": {"type": "Action", "id": thing.action.value},
        "resource": {"type": TYPE_ON[thing.action], "id": thing.name},
        "context": context,
    }
    try:
        answer = is_authorized(request, policies, entities)
    except ValueError:
        return False, (), {LIBRARY: UNTOLD}
    errors = NO_ERRORS
    if said := answer.diagnostics.errors:
        errors = {(_FAILED.findall(text) or (LIBRARY,))[0]: describe_failure(text) for text in said}
    elif answer.decision is Verdict.NoDecision:
        errors = {LIBRARY: UNTOLD}
    return answer.decision is Verdict.Allow, answer.diagnostics.reasons, errors
