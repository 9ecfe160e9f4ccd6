"""What a policy answers."""

from typing import Final, Literal

import msgspec

from vmcp_api.spec.authorization import PolicyMode

ALLOW: Final = "allow"
DENY: Final = "deny"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer; `policies` are the ids of those that decided it, `errors` of those that failed and so deny."""

    admits: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    mode: PolicyMode = PolicyMode.ENFORCE

    @property
    def outcome(self) -> Literal["allow", "deny"]:
        """What it comes to: a policy that failed might have forbidden it."""
        return ALLOW if self.admits and not self.errors else DENY
