"""The innermost layer of the core: routes a call to the backend that owns what it names."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from vmcp_proxy.backends.client import Deadline, OnNotification
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.attachments import Attachment, Attachments
from vmcp_proxy.core.capabilities import Capability, Kind
from vmcp_proxy.core.catalog import Catalog
from vmcp_proxy.core.links import Links
from vmcp_proxy.core.listings import SHARED, Listings
from vmcp_proxy.core.members import Bounds, Member, Members
from vmcp_proxy.core.relay import CHANGED_KINDS, relayed
from vmcp_proxy.core.replies import NO_COMPLETION, broken, gone, unknown
from vmcp_proxy.core.targets import find_target
from vmcp_proxy.core.views import Views
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, RawFailure, Reply, Result
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import Members as RawMembers
from vmcp_proxy.protocol.params import inbound_result, outbound_meta, parse_members, raw_text

_REFERENCE: Final = "ref"


class CallMeter(Protocol):
    """Hears how calls to backends went; `category` is None for an answer, seconds are wall time."""

    def on_backend(self, backend: str, method: str, category: str | None, seconds: float) -> None:
        """Counts one request to a backend."""


class Aggregate:
    """Many backends as one MCP server, for any caller: no policy here (ADR-0011)."""

    def __init__(
        self,
        attachments: Attachments,
        views: Views,
        links: Links,
        listings: Listings,
        meter: CallMeter,
        on_health: Callable[[], None],
    ) -> None:
        self._attachments = attachments
        self._views = views
        self._links = links
        self._listings = listings
        self._meter = meter
        self._on_health = on_health
        self._members: Members = {}
        self._bounds: Bounds | None = None

    def configure(self, members: Members, bounds: Bounds) -> None:
        """Takes over a new config."""
        self._members = members
        self._bounds = bounds

    async def view(self, caller: Caller) -> Catalog:
        """See `VirtualMCP.view`."""
        attachment = self._attachments.of(caller.session)
        return await self._views.view(attachment, caller.snapshot)

    async def call(self, caller: Caller, operation: Operation, exchange: Exchange) -> Reply:
        """See `VirtualMCP.call`.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        attachment = self._attachments.of(caller.session)
        catalog = self._views.current(attachment, caller.snapshot)
        if catalog is None:
            catalog = await self._views.for_call(attachment, caller.snapshot)
        capability = find_target(catalog, operation)
        if capability is None:
            # Perhaps it is new: what a backend has declared out of date is worth the wait now.
            capability = find_target(await self._views.view(attachment, caller.snapshot), operation)
        member = self._members.get(capability.backend) if capability is not None else None
        if capability is None or member is None:
            return self._unroutable(caller, attachment, operation)
        return await self._forward(caller, attachment, member, capability, operation, exchange)

    def _unroutable(self, caller: Caller, attachment: Attachment, operation: Operation) -> Reply:
        """The answer where this caller's catalog has no such name."""
        if operation.method == "completion/complete":
            return NO_COMPLETION
        if len(caller.snapshot):
            # A backend that refuses the caller's headers has no list for it; say why it cannot be called.
            shared = find_target(self._views.shared(), operation)
            member = self._members.get(shared.backend) if shared is not None else None
            headers = attachment.headers_for(member, caller.snapshot) if member is not None else ()
            if member is not None and isinstance(headers, Collision):
                return broken(operation, member.collision(headers))
        return unknown(operation)

    async def _forward(
        self,
        caller: Caller,
        attachment: Attachment,
        member: Member,
        capability: Capability,
        operation: Operation,
        exchange: Exchange,
    ) -> Reply:
        bounds = self._bounds
        headers = attachment.headers_for(member, caller.snapshot)
        name = capability.backend
        if isinstance(headers, Collision):
            return broken(operation, member.collision(headers))
        if bounds is None:
            return gone(name)
        members = parse_members(operation.params)
        name_target(members, operation, capability)
        relay = _CallRelay(self, attachment, member, members, exchange)
        link = self._links.of(attachment, member)
        now = asyncio.get_running_loop().time()
        deadline = Deadline.after(now, bounds.call(name), bounds.maximum)
        began = time.perf_counter()
        try:
            answer = await link.request(operation.method, relay.params_for, headers, deadline, relay.on_notification)
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

    def receiver(self, attachment: Attachment, member: Member) -> OnNotification:
        """The receiver of what a backend says to one client session outside of calls."""

        async def on_notification(method: str, raw: msgspec.Raw | None) -> None:
            self.lists_changed(method, member, attachment)
            message = relayed(method, raw, backend=member.name, client_token=None, log_level=attachment.log_level)
            if message is not None and attachment.outbox is not None:
                attachment.outbox.put(message)

        return on_notification

    def lists_changed(self, method: str, member: Member, attachment: Attachment) -> None:
        """Marks what a backend declares out of date, in the scope of the session that heard of it."""
        if method not in CHANGED_KINDS:
            return
        snapshot = attachment.view_snapshot
        private = len(snapshot) and member.backend.takes_headers
        self._listings.invalidate(member, self._views.scope_of(snapshot) if private else SHARED)
        self._views.changed()
        self._on_health()


class _CallRelay:
    """One call's way there and back: `members` are its params, `exchange` is the stream of the client's request.

    The backend gets a progress token of ours, the client its own one back.
    """

    __slots__ = ("_aggregate", "_attachment", "_exchange", "_member", "_members", "_token")

    def __init__(
        self, aggregate: Aggregate, attachment: Attachment, member: Member, members: RawMembers, exchange: Exchange
    ) -> None:
        self._aggregate = aggregate
        self._attachment = attachment
        self._member = member
        self._members = members
        self._exchange = exchange
        self._token: msgspec.Raw | None = None

    def params_for(self, request_id: int) -> bytes:
        """The params as the backend gets them, with `request_id` as progress token where the client gave one."""
        if "_meta" not in self._members:
            return params.encode_members(self._members)
        copy = dict(self._members)
        self._token = outbound_meta(copy, request_id)
        return params.encode_members(copy)

    async def on_notification(self, method: str, raw: msgspec.Raw | None) -> None:
        """Relays what the backend says during the call."""
        self._aggregate.lists_changed(method, self._member, self._attachment)
        message = relayed(
            method,
            raw,
            backend=self._member.name,
            client_token=self._token,
            log_level=self._attachment.log_level,
        )
        if message is not None:
            await self._exchange.send(message)


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
