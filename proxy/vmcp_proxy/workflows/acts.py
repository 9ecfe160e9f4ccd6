"""What a running workflow asks of the world, and the answers: the one seam between the engine and the core.

The engine decides and waits; whoever implements `Acts` resolves names, asks admission and rate limits, and speaks to
backends and to the client. None of its methods raises for what a peer does: that is a value here.
"""

from collections.abc import Hashable
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from vmcp_api.base import Json

Arguments: TypeAlias = dict[str, Json]
"""The arguments of one call by name."""

ElicitAction: TypeAlias = Literal["accept", "decline", "cancel"]
"""What a person does with a question, in the words of MCP."""


class StepRef(msgspec.Struct, frozen=True, gc=False):
    """Which call or question of which run: `iteration` counts the items of a `forEach` from 0, `attempt` from 1."""

    run: str
    step: str
    iteration: int | None = None
    attempt: int = 1


class ToolResult(msgspec.Struct, frozen=True, gc=False):
    """A `CallToolResult` as raw JSON, `isError` ones too: the engine reads it, once."""

    raw: bytes | msgspec.Raw


class FailureKind(StrEnum):
    """Why a call has no result."""

    DENIED = "denied"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    """The backend answered with a JSON-RPC error."""


FINAL: Final = frozenset({FailureKind.DENIED, FailureKind.UNKNOWN, FailureKind.INVALID})
"""What another attempt would meet again."""


class ToolFailure(msgspec.Struct, frozen=True, gc=False):
    """A call without a result: `text` is fit for the client and names no hidden tool, `retry_after` is in seconds."""

    kind: FailureKind
    text: str
    retry_after: int | None = None


ToolReply: TypeAlias = ToolResult | ToolFailure
"""What becomes of the call of a step."""


class ElicitReply(msgspec.Struct, frozen=True, gc=False):
    """What a person answered; `content` is empty but for `accept`, and nobody has checked it yet.

    `weight` are the bytes that it takes.
    """

    action: ElicitAction
    content: dict[str, Json] = {}
    weight: int = 0


class Unasked(msgspec.Struct, frozen=True, gc=False):
    """Nobody could be asked: the client takes no such questions, or it is gone; `text` is fit for it."""

    text: str


class Acts(Protocol):
    """What one run may do.

    Cancellation of each method reaches whoever is being waited for: the backend, or the client's question.
    """

    @property
    def holder(self) -> Hashable:
        """Whom the run is for: one caller must not take the places, the memory and the turns of all others."""

    async def call_tool(self, step: StepRef, tool: str, arguments: Arguments, seconds: float) -> ToolReply:
        """Calls a tool by the name that the step has for it, as a call of this caller like any other.

        The arguments are what the templates gave: `arguments.fitted` makes them what the tool's schema declares.
        `seconds` is what is left to the step; the engine cancels the call then.
        """

    async def ask(self, step: StepRef, message: str, schema: dict[str, Json], seconds: float) -> ElicitReply | Unasked:
        """Asks the person behind the client (`elicitation/create`); the engine cancels it after `seconds`."""

    async def progressed(self, done: int, total: int, message: str) -> None:
        """Tells the client how many steps are over; does nothing where it has not asked for progress."""
