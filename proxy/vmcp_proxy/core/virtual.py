"""The one protocol that every layer of the core speaks: a caller's view, and a caller's call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.protocol.params import Members, parse_members

if TYPE_CHECKING:
    from vmcp_proxy.core.members.member import Member
    from vmcp_proxy.sessions import Session

DENIED_CODE: Final = 403
"""HTTP status and JSON-RPC code of `Denied`."""

DENIED_MESSAGE: Final = "Forbidden."
"""The one text of `Denied`: it must not tell whether the name exists."""


class Operation(msgspec.Struct, frozen=True, gc=False):
    """A request that a backend has to answer.

    `name` is the exposed tool or prompt name, or the URI; for a completion that of its reference; else empty.
    `parsed` are the members of `params`, where they have been read.
    """

    method: str
    name: str
    params: msgspec.Raw | None = None
    parsed: Members | None = None

    @property
    def members(self) -> Members:
        """The members of the params, as the caller's own to change.

        Raises:
            InvalidParamsError: the params are no object.
        """
        return parse_members(self.params) if self.parsed is None else self.parsed.copy()


class Target(msgspec.Struct, frozen=True, gc=False):
    """What an operation is about, found once: the decision and the act are about the same.

    `began` is when the search began, in loop time: the bound of the call counts from there.
    """

    capability: Capability
    member: "Member"
    began: float


class Unlisted(msgspec.Struct, frozen=True, gc=False):
    """Nothing of this name is known, but these backends may have it: what they offer is not known (ADR-0030)."""

    silent: Mapping[str, Outcome]


class OwnNames(msgspec.Struct, frozen=True, gc=False):
    """Nothing is exposed under this name, but these tools have it at their backends, and the backends have pages.

    A page calls the tools of its server by the server's own names (MCP Apps): good where only one may be meant.
    """

    targets: tuple[Target, ...]


Resolved: TypeAlias = Target | OwnNames | Unlisted | None
"""What an operation names; None where nothing does."""


class Result(msgspec.Struct, frozen=True, gc=False):
    """A JSON-RPC result as raw JSON, and the backend that gave it.

    `is_error` is what it says of itself under `isError`; None where nobody has looked. `is_ours` is a result that
    says why there is none: the backend did not answer.
    """

    raw: bytes | msgspec.Raw
    backend: str = ""
    is_error: bool | None = None
    is_ours: bool = False


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A JSON-RPC error of our own; `status` is the HTTP status where the transport allows one."""

    code: int
    message: str
    data: bytes | msgspec.Raw | None = None
    backend: str = ""
    status: int = 200


class RawFailure(msgspec.Struct, frozen=True, gc=False):
    """A backend's JSON-RPC error object as it came."""

    error: bytes | msgspec.Raw
    backend: str


class Denied(msgspec.Struct, frozen=True, gc=False):
    """The caller may not, or there is no such thing: both look alike."""


Reply: TypeAlias = Result | Failure | RawFailure | Denied


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in which session, and with which passthrough headers: the session's, or this request's own."""

    identity: Identity
    session: "Session"
    snapshot: HeaderSnapshot = EMPTY_SNAPSHOT


class Exchange(Protocol):
    """The client's side of one request."""

    @property
    def takes_messages(self) -> bool:
        """Whether the client takes messages before the answer."""

    def routed(self, backend: str) -> None:
        """Hears which backend gets the request, before it does: the request may end without a reply."""

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """Sends a server-to-client message on this request's own stream.

        `on_drop` hears that the client will never get it.
        """


class VirtualMCP(Protocol):
    """One MCP server made of many."""

    async def view(self, caller: Caller) -> Catalog:
        """What this caller may see."""

    async def resolve(self, caller: Caller, operation: Operation) -> Resolved:
        """What the operation is about; waits, within the bound of the call, for backends that may have it."""

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """The answer to one request of this caller.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
