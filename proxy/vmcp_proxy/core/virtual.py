"""The one protocol that every layer of the core speaks: a caller's view, and a caller's call."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.core.catalog.arguments import ArgumentPlan, apply_arguments
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Limited, PartialFailure, Reply, Unchecked, Unlisted
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.observability.audit import Outcome, Reason, WorkflowPart, WorkflowType
from vmcp_proxy.observability.tracing.spans import Trace
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import Members, parse_members

if TYPE_CHECKING:
    from vmcp_proxy.core.client import ClientContext
    from vmcp_proxy.core.members.member import Member


class Inner(msgspec.Struct, frozen=True, gc=False):
    """Marks a call that a layer makes on behalf of a caller's call: it may be about a tool that clients cannot name.

    `seconds` is its bound, in place of that of its backend; neither progress nor a question to the client moves it.
    """

    seconds: float


class Operation(msgspec.Struct, frozen=True, gc=False):
    """A request that a backend has to answer.

    `kind` and `name` are of what it is about (`protocol.methods.Reference`): None and empty where it names nothing.
    `parsed` are the members of `params`, where they have been read; `is_prepared` where its arguments are those that
    the backend gets. `trace` is that of the client's request; None where tracing is off. `inner` marks calls of layers.
    `charged` where it has had its tokens before it was looked up. `log_level` is the least severe level of records that
    the client wants to hear of this request; None where its `ClientContext` says. `repeated` are the headers
    that say arguments again, by their names in lower case; None where the client's protocol has none.
    """

    method: str
    kind: Kind | None
    name: str
    params: msgspec.Raw | None = None
    parsed: Members | None = None
    is_prepared: bool = False
    trace: Trace | None = None
    inner: Inner | None = None
    charged: "Charged | None" = None
    log_level: str | None = None
    repeated: Mapping[bytes, bytes] | None = None

    def prepared(self, plan: ArgumentPlan) -> "Operation":
        """The same with the arguments that the backend gets (ADR-0022): they are judged, and sent.

        Raises:
            InvalidParamsError: the params are no object, or their arguments are none.
        """
        members = self.members
        apply_arguments(members, plan)
        return msgspec.structs.replace(self, parsed=members, is_prepared=True)

    @property
    def members(self) -> Members:
        """The members of the params, as the caller's own to change.

        Raises:
            InvalidParamsError: the params are no object.
        """
        return parse_members(self.params) if self.parsed is None else self.parsed.copy()


class Found(msgspec.Struct, frozen=True, gc=False):
    """What an operation is about, found once: the decision and the act are about the same."""

    capability: Capability


class Target(Found, frozen=True, gc=False):
    """Something of a backend.

    `began` is when the search began, in loop time: the bound of the call counts from there.
    """

    member: "Member"
    began: float


class Composite(Found, frozen=True, gc=False):
    """A tool of the proxy's own: the layer that has found it acts on it, and no backend has it.

    That layer subclasses it with what it acts by, so that a call ends by the definition that it was found under.
    """


class OwnNames(msgspec.Struct, frozen=True, gc=False):
    """Nothing is exposed under this name, but these tools have it at their backends, and the backends have pages.

    A page calls the tools of its server by the server's own names (MCP Apps): good where only one may be meant.
    """

    targets: tuple[Target, ...]


Resolved: TypeAlias = Target | Composite | OwnNames | Unlisted | PartialFailure | None
"""What an operation names; a failure where nobody may look, None where nothing bears the name."""


class Charged(msgspec.Struct, frozen=True, gc=False):
    """What was found by asking backends for their lists, which took the tokens of the request first (ADR-0045).

    `tool` is the name by which they were taken, where it is a call of one.
    """

    resolved: Resolved
    tool: str | None = None


Looked: TypeAlias = Resolved | Charged | Limited | Unchecked
"""What came of looking an operation up; the last two where backends would have been asked, and no token was there."""


Listed: TypeAlias = Catalog | PartialFailure | Limited | Unchecked
"""What a list request is answered from, or why there is no answer."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks, through which client, and with which passthrough headers: the client's, or this request's own."""

    identity: Identity
    client: "ClientContext"
    snapshot: HeaderSnapshot = EMPTY_SNAPSHOT


class WorkflowEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of the run of a composite tool, or of a step of it (`workflow.step`).

    `tool` is what the step called, by the name that clients know or would know; `decision` is what policies said of it.
    """

    type: WorkflowType
    outcome: Outcome
    workflow: WorkflowPart
    seconds: float
    reason: Reason | None = None
    tool: str = ""
    backend: str = ""
    decision: DecisionRecord | None = None


class Exchange(Protocol):
    """The client's side of one request."""

    @property
    def takes_messages(self) -> bool:
        """Whether the client takes messages before the answer."""

    def routed(self, backend: str, credentials: Credentials) -> None:
        """Hears which backend gets the request with what, before it does: the request may end without a reply."""

    def composed(self) -> None:
        """Hears that a composite tool answers the request, and no backend."""

    def called(self, tool: str) -> None:
        """Hears which tool the request calls, where its client has named one that hands the call on (ADR-0065)."""

    def presented(self, credentials: Credentials) -> None:
        """Hears what a call on behalf of this request is made with: the answer may repeat it, and no event may."""

    def decided(self, record: DecisionRecord) -> None:
        """Hears what policies have decided on the request; nothing where none are asked."""

    def ran(self, event: WorkflowEvent) -> None:
        """Hears what became of a composite tool that the request calls, step by step."""

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """Sends a server-to-client message on this request's own stream.

        `on_drop` hears that the client will never get it.
        """


class VirtualMCP(Protocol):
    """One MCP server made of many."""

    async def view(self, caller: Caller) -> Catalog:
        """What this caller may see."""

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """The view that a list request of one kind is answered from, or why there is no answer."""

    async def resolve(self, caller: Caller, operation: Operation) -> Looked:
        """What the operation is about; waits, within the bound of the call, for backends that may have it."""

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """The answer to one request of this caller.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """


async def call(virtual: VirtualMCP, caller: Caller, operation: Operation, exchange: Exchange) -> Reply:
    """The answer to one request of this caller: what it is about is found once, then decided on and acted on.

    Layers that call on a caller's behalf come this way too, with a `ChildExchange`: admission is asked each time.

    Raises:
        InvalidParamsError: the params do not have the shape of the method.
    """
    looked = await virtual.resolve(caller, operation)
    if type(looked) is Target or isinstance(looked, Found):
        # As `act`, without its frame.
        return await virtual.perform(caller, operation, looked, exchange)
    return await act(virtual, caller, operation, looked, exchange)


async def act(virtual: VirtualMCP, caller: Caller, operation: Operation, looked: Looked, exchange: Exchange) -> Reply:
    """The answer to a request that has been looked up.

    Raises:
        InvalidParamsError: the params do not have the shape of the method.
    """
    match looked:
        case Limited() | Unchecked():
            return looked
        case Charged(resolved):
            operation = msgspec.structs.replace(operation, charged=looked)
            return await virtual.perform(caller, operation, resolved, exchange)
    return await virtual.perform(caller, operation, looked, exchange)
