"""What a policy is asked, and what it answers: the two sides of the admission seam (ADR-0011)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.protocol.kinds import Kind


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
    know it by (`judged_name`). Where the capability is a template and `name` is the template itself, the question is
    whether any expansion of it could be admitted (completions ask that). `arguments` are JSON, as the backend would
    get them (ADR-0022); None where there are none.
    """

    identity: Identity
    action: Action
    capability: Capability | None
    name: str
    arguments: bytes | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer; `policies` are the ids of those that decided it, `errors` of those that failed and so deny."""

    admits: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class Admitter(Protocol):
    """Decides who may do what.

    `version` changes when a decision could. `enforcing` is False where everything is admitted and unknown names may
    get an answer of their own: such a policy is asked nothing.
    """

    @property
    def version(self) -> str:
        """Equal versions decide alike."""

    @property
    def enforcing(self) -> bool:
        """Whether denied, unknown and hidden names must look alike."""

    async def decide(self, question: Question) -> Decision:
        """The decision on one call; it may wait, and whoever asked acts on the very target that it was about."""

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        """For each of these whether a list shows it to the identity: where some call of it could be admitted."""


class AllowAll:
    """Admits everyone to everything."""

    version: Final = "allow-all"
    enforcing: Final = False

    async def decide(self, question: Question) -> Decision:
        """See `Admitter.decide`."""
        del question
        return Decision(admits=True)

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        """See `Admitter.shows`."""
        del identity
        return [True] * len(capabilities)


def judged_name(capability: Capability, name: str) -> str:
    """What policies know it by that a caller calls `name`.

    A resource goes by its backend's own URI, which clients may know by one of ours; a tool that a page calls by its
    own name goes by the name that is exposed.
    """
    match capability.kind:
        case Kind.RESOURCE:
            return capability.original
        case Kind.TOOL | Kind.PROMPT:
            return capability.exposed
        case Kind.TEMPLATE:
            return name
