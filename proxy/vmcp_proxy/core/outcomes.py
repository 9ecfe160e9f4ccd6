"""What becomes of a call: the values that every layer of the core answers with.

They say what happened and nothing of how a client hears of it: codes, texts' form and HTTP statuses are chosen by the
tables of the eras (`vmcp_proxy.serve.eras.own_answers`, `vmcp_proxy.serve.modern.answers`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias, final

import msgspec

from vmcp_proxy.core.catalog.capabilities import Outcome
from vmcp_proxy.protocol.jsonrpc import Marks
from vmcp_proxy.protocol.kinds import Kind


@final
class Result(msgspec.Struct, frozen=True, gc=False):
    """A JSON-RPC result as raw JSON, and the backend that gave it; `marks` are its own, where they have been read."""

    raw: bytes | msgspec.Raw
    backend: str = ""
    marks: Marks | None = None


class RawFailure(msgspec.Struct, frozen=True, gc=False):
    """A backend's JSON-RPC error object as it came."""

    error: bytes | msgspec.Raw
    backend: str


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """Nothing of this name is in the caller's catalog; the same for hidden and for missing ones.

    `kind` is None where the operation does not tell.
    """

    kind: Kind | None
    name: str


class Unlisted(msgspec.Struct, frozen=True, gc=False):
    """Nothing of this name is known, but these backends may have it: what they offer is not known (ADR-0030)."""

    kind: Kind | None
    name: str
    silent: Mapping[str, Outcome]


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The backend that owns the name gave no answer; empty where it is one of the proxy's own tools.

    `category` is bounded, `message` fit for clients, `retry_after` the pause that was asked for, in seconds.
    """

    backend: str
    category: str
    message: str
    retry_after: int | None = None


class PartialFailure(msgspec.Struct, frozen=True, gc=False):
    """The group is served as a whole or not at all, and this backend is lacking."""

    backend: str
    category: str
    message: str


class Lost(msgspec.Struct, frozen=True, gc=False):
    """The call that the request would go on with does not wait for it: answered, given up, or gone with its process."""


class Invalid(msgspec.Struct, frozen=True, gc=False):
    """The request asks for what is not given; the reason is fit for the client."""

    reason: str


class Contradicted(msgspec.Struct, frozen=True, gc=False):
    """The headers of the request say something else of its arguments than it does; the reason is fit for the client."""

    reason: str


class InWords(msgspec.Struct, frozen=True, gc=False):
    """A tool call that is refused in words for the model that has made it; `is_denied` where policies refuse it."""

    text: str
    is_denied: bool = False


class Denied(msgspec.Struct, frozen=True, gc=False):
    """The caller may not, or there is no such thing: both look alike."""


class Limit(StrEnum):
    """The kinds of buckets that a request may belong to, in the words of metrics and answers."""

    SHARED = "shared"
    PER_USER = "per_user"
    TOOL_SHARED = "tool_shared"
    TOOL_PER_USER = "tool_per_user"


class Limited(msgspec.Struct, frozen=True, gc=False):
    """The caller, or all callers together, have asked as much as they may for now.

    `limit` is the bucket that has a token last of those that lack one, and `retry_after` when, in whole seconds.
    """

    limit: Limit
    retry_after: int


class Unchecked(msgspec.Struct, frozen=True, gc=False):
    """Nobody can say now whether the caller has asked too much, and then it may not ask."""

    retry_after: int


Unanswered: TypeAlias = (
    RawFailure
    | Unknown
    | Unlisted
    | Unavailable
    | PartialFailure
    | Lost
    | Invalid
    | Contradicted
    | InWords
    | Denied
    | Limited
    | Unchecked
)
"""Why there is no result."""

Reply: TypeAlias = Result | Unanswered
