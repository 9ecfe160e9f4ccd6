"""What a policy answers, and what it was asked about."""

from typing import Final, Literal

import msgspec

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations

ALLOW: Final = "allow"
DENY: Final = "deny"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer; `policies` are the ids of those that decided it, `errors` of those that failed and so deny.

    `why` says of each of those what failed, in their order, and holds nothing of claims and arguments. `flaw` is what
    keeps policies from being asked: what is wrong with the URI.
    """

    admits: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    mode: PolicyMode = PolicyMode.ENFORCE
    why: tuple[str, ...] = ()
    flaw: str = ""

    @property
    def outcome(self) -> Literal["allow", "deny"]:
        """What it comes to: a policy that failed might have forbidden it."""
        return ALLOW if self.admits and not self.errors else DENY


class DecisionRecord(msgspec.Struct, frozen=True, gc=False):
    """A decision on a call and all of the call that policies could see, so that others can judge it again (ADR-0042).

    `name` is what policies know it by, `original` what its backend calls it, None for what has no other name than that;
    `backend` is None where nothing bears the name. `arguments` are JSON, as the backend would get them.
    """

    decision: Decision
    action: str
    name: str
    original: str | None = None
    backend: str | None = None
    annotations: Annotations = NO_ANNOTATIONS
    arguments: bytes | None = None
