"""What a policy is asked, and what it answers: the two sides of the admission seam (ADR-0011)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.protocol.kinds import Kind

UNUSABLE: Final = "policies"
"""Stands among the errors where the policies as a whole cannot be used."""


class Action(StrEnum):
    """What a caller may be admitted to."""

    CALL_TOOL = "call_tool"
    READ_RESOURCE = "read_resource"
    GET_PROMPT = "get_prompt"


ACTION_ON: Final[Mapping[Kind, Action]] = MappingProxyType(
    {
        Kind.TOOL: Action.CALL_TOOL,
        Kind.RESOURCE: Action.READ_RESOURCE,
        Kind.TEMPLATE: Action.READ_RESOURCE,
        Kind.PROMPT: Action.GET_PROMPT,
    }
)


class Question(msgspec.Struct, frozen=True, gc=False):
    """Whether an identity may do something now, to what bears a name or URI.

    `capability` is what bears it, with its owner and annotations; None where nothing does. `name` is what policies
    know it by (`judged_name`). `arguments` are JSON, as the backend would get them (ADR-0022); None where there are
    none. With `is_open` the question is whether any call could be admitted that has these arguments, among others; of
    a template, any expansion of `name`, which is the template or what has become of it so far. So it is where `name` is
    the template itself.
    """

    identity: Identity
    action: Action
    capability: Capability | None
    name: str
    arguments: bytes | None = None
    is_open: bool = False


class Prospect(msgspec.Struct, frozen=True, gc=False):
    """Something that a backend may have, as far as is known before the backend is asked (ADR-0044).

    `name` is what policies would know it by, or with `is_beginning` what that begins with; `backend` is empty for a
    tool of the proxy's own. What it says of itself, and the arguments of its calls, are not known.
    """

    action: Action
    backend: str
    name: str = ""
    is_beginning: bool = False


class DecisionObserver(Protocol):
    """Hears every decision on a call: for metrics and the log."""

    def on_decision(self, decision: Decision) -> None:
        """Hears one; it must not raise."""


class Admitter(Protocol):
    """Decides who may do what.

    `version` changes when a decision could. Under `Enforce` denied, unknown and hidden names must look alike, under
    `Shadow` no answer changes; `mode` is None where everything is admitted: such a policy is asked nothing.
    """

    @property
    def version(self) -> str:
        """Equal versions decide alike."""

    @property
    def mode(self) -> PolicyMode | None:
        """Whether its decisions bind."""

    async def decide(self, question: Question) -> Decision:
        """The decision on one call; it may wait, and whoever asked acts on the very target that it was about."""

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        """For each of these whether a list shows it to the identity: where some call of it could be admitted."""

    def could(self, identity: Identity, prospects: Sequence[Prospect]) -> bool:
        """Whether some call of some of these could be admitted; what is listed or decided is never more than this."""


class RefuseAll:
    """Admits nobody to anything: stands in for policies that cannot be used where no former ones are in force."""

    version: Final = "refuse-all"

    def __init__(self, mode: PolicyMode) -> None:
        self.mode: Final[PolicyMode | None] = mode
        self._decision: Final = Decision(admits=False, errors=(UNUSABLE,), mode=mode)

    async def decide(self, question: Question) -> Decision:
        """See `Admitter.decide`."""
        del question
        return self._decision

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        """See `Admitter.shows`."""
        del identity
        return [False] * len(capabilities)

    def could(self, identity: Identity, prospects: Sequence[Prospect]) -> bool:
        """See `Admitter.could`."""
        del identity, prospects
        return False


class AllowAll:
    """Admits everyone to everything."""

    version: Final = "allow-all"
    mode: Final[PolicyMode | None] = None

    async def decide(self, question: Question) -> Decision:
        """See `Admitter.decide`."""
        del question
        return Decision(admits=True)

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        """See `Admitter.shows`."""
        del identity
        return [True] * len(capabilities)

    def could(self, identity: Identity, prospects: Sequence[Prospect]) -> bool:
        """See `Admitter.could`."""
        del identity, prospects
        return True


def judged_name(capability: Capability, name: str) -> str:
    """What policies know it by that a caller calls `name`.

    A resource goes by its backend's own URI, which clients may know by one of ours; a tool that a page calls by its
    own name goes by the name that is exposed.
    """
    kind = capability.kind
    if kind is Kind.TOOL or kind is Kind.PROMPT:
        return capability.exposed
    return capability.original if kind is Kind.RESOURCE else name


def original_name(capability: Capability, judged: str) -> str:
    """What its backend calls what policies know by a name; of resources that is the URI that is read."""
    return capability.original if capability.kind in (Kind.TOOL, Kind.PROMPT) else judged
