"""One call's way to the backend that owns what it names."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from vmcp_proxy.backends.client import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.attachments import Attachment
from vmcp_proxy.core.capabilities import Capability, Kind
from vmcp_proxy.core.changes import Changes
from vmcp_proxy.core.links import Links
from vmcp_proxy.core.members import Bounds, Member
from vmcp_proxy.core.receivers import CallReceiver
from vmcp_proxy.core.replies import broken, gone
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, RawFailure, Reply, Result
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import Members as RawMembers
from vmcp_proxy.protocol.params import inbound_result, parse_members, raw_text

_REFERENCE: Final = "ref"


class CallMeter(Protocol):
    """Hears how calls to backends went; `category` is None for an answer, seconds are wall time."""

    def on_backend(self, backend: str, method: str, category: str | None, seconds: float) -> None:
        """Counts one request to a backend."""


class Forwarder:
    """Sends calls to backends; every outcome feeds the health of its backend."""

    def __init__(self, links: Links, changes: Changes, meter: CallMeter, on_health: Callable[[], None]) -> None:
        self._links: Final = links
        self._changes: Final = changes
        self._meter: Final = meter
        self._on_health: Final = on_health
        self.bounds: Bounds | None = None

    async def forward(
        self,
        caller: Caller,
        attachment: Attachment,
        member: Member,
        capability: Capability,
        operation: Operation,
        exchange: Exchange,
    ) -> Reply:
        """The backend's answer, or ours where it gives none.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        bounds = self.bounds
        headers = attachment.headers_for(member, caller.snapshot)
        name = capability.backend
        if isinstance(headers, Collision):
            return broken(operation, member.collision(headers))
        if bounds is None:
            return gone(name)
        members = parse_members(operation.params)
        name_target(members, operation, capability)
        receiver = CallReceiver(attachment, member, members, exchange, self._changes)
        link = self._links.of(attachment, member)
        now = asyncio.get_running_loop().time()
        deadline = Deadline.after(now, bounds.call(name), bounds.maximum)
        began = time.perf_counter()
        try:
            answer = await link.request(operation.method, receiver.params_for, headers, deadline, receiver)
        except BackendError as error:
            self._failed(member, operation, error, began, caller.snapshot)
            return broken(operation, error)
        self._meter.on_backend(name, operation.method, None, time.perf_counter() - began)
        if member.health.succeeded():
            self._on_health()
        if answer.result is not None:
            return Result(inbound_result(answer.result), name)
        return RawFailure(answer.error or b"{}", name)

    def _failed(
        self, member: Member, operation: Operation, error: BackendError, began: float, snapshot: HeaderSnapshot
    ) -> None:
        seconds = time.perf_counter() - began
        self._meter.on_backend(member.name, operation.method, error.category.value, seconds)
        # A client that shows a wrong key must not make the backend look broken to everybody else.
        is_callers = error.category is Category.TIMEOUT or (error.category is Category.AUTH and len(snapshot) > 0)
        if not is_callers and member.health.failed(error.category, str(error)):
            self._on_health()


def name_target(members: RawMembers, operation: Operation, capability: Capability) -> None:
    """Puts the original name in place of the exposed one; URIs are never rewritten."""
    if capability.exposed == capability.original or capability.kind not in (Kind.TOOL, Kind.PROMPT):
        return
    if operation.method == "completion/complete":
        reference = parse_members(members[_REFERENCE])
        reference["name"] = raw_text(capability.original)
        members[_REFERENCE] = msgspec.Raw(params.encode_members(reference))
    else:
        members["name"] = raw_text(capability.original)
