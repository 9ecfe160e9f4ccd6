"""What an explanation says: the steps in their order, and what follows from them."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from vmcp_proxy.protocol.kinds import Kind


class Stage(StrEnum):
    """Who decided, in the order in which it is decided."""

    GROUP = "group"
    """All backends or none (`partialFailureMode: fail`); in the chain only where that is set."""
    BACKEND = "backend"
    CONFLICT = "conflict"
    FILTER = "filter"
    STEPS = "steps"
    """Whether the steps of a composite tool can call their tools."""
    ADMISSION = "admission"
    LIMIT = "limit"


class Verdict(StrEnum):
    """What one step says."""

    PASS = "pass"  # noqa: S105 - no password
    STOP = "stop"
    DEPENDS = "depends"
    """On the arguments, and none were given."""


class Conclusion(StrEnum):
    """What the caller gets."""

    ALLOWED = "allowed"
    DEPENDS = "depends"
    """Lists show it; a call is allowed or denied by its arguments."""
    DENIED = "denied"
    HIDDEN = "hidden"
    """A filter leaves it out."""
    WITHHELD = "withheld"
    """Others claim the name too, and it was not the one to get it."""
    UNAVAILABLE = "unavailable"
    """Its backend, or the group, does not serve now, or its limits cannot be checked."""
    UNKNOWN = "unknown"

    @property
    def is_allowed(self) -> bool:
        """Whether some call reaches a backend."""
        return self in (Conclusion.ALLOWED, Conclusion.DEPENDS)


class Step(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """One step: what it says and why, and, unless all is well, what would change it.

    `policies` and `errors` are ids of policies that decided or failed.
    """

    stage: Stage
    verdict: Verdict
    reason: str
    change: str = ""
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class Chain(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """The steps of one entry of a backend; `backend` and `original` are empty where nothing has the name.

    A composite tool has no `backend` either, and its own name as `original`.

    All steps are there, those after the first that stops too: they say what would stop it next. `enforced` is the
    conclusion as it would be in mode Enforce, where the policies are on trial.
    """

    backend: str
    original: str
    exposed: str
    conclusion: Conclusion
    listed: bool
    steps: tuple[Step, ...]
    enforced: Conclusion | None = None


class Explanation(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """The answer to whether a caller may use a name, and why.

    `conclusion`, `listed` and `enforced` are of the name as it was asked for; the first of the `chains` belongs to it.
    The others are of entries that may have been meant. `notes` are what a reader should know besides.
    """

    kind: Kind
    name: str
    issuer: str
    subject: str
    conclusion: Conclusion
    listed: bool
    chains: tuple[Chain, ...]
    notes: tuple[str, ...] = ()
    enforced: Conclusion | None = None


_CONCLUSIONS = (
    (Stage.GROUP, Conclusion.UNAVAILABLE),
    (Stage.CONFLICT, Conclusion.WITHHELD),
    (Stage.FILTER, Conclusion.HIDDEN),
    (Stage.ADMISSION, Conclusion.DENIED),
    (Stage.STEPS, Conclusion.UNAVAILABLE),
    (Stage.LIMIT, Conclusion.UNAVAILABLE),
    (Stage.BACKEND, Conclusion.UNAVAILABLE),
)
"""By the first of these that stops: a call is admitted before its backend is asked, so that who may not hears that."""


def conclude(steps: Sequence[Step]) -> Conclusion:
    """What follows from the steps of an entry."""
    stopped = {step.stage for step in steps if step.verdict is Verdict.STOP}
    for stage, conclusion in _CONCLUSIONS:
        if stage in stopped:
            return conclusion
    depends = any(step.verdict is Verdict.DEPENDS for step in steps)
    return Conclusion.DEPENDS if depends else Conclusion.ALLOWED
