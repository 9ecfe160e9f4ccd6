"""The innermost layer of the core: routes a call to the backend that owns what it names."""

from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from vmcp_api.spec.aggregation import Aggregation
from vmcp_proxy.core.calls.forwarder import Forwarder
from vmcp_proxy.core.calls.pausing.rounds import Rounds
from vmcp_proxy.core.calls.replies import unavailable, unknown
from vmcp_proxy.core.calls.resolver import Resolver
from vmcp_proxy.core.calls.subscriptions import MOST_SUBSCRIPTIONS, SUBSCRIPTIONS
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.member import Bounds, Members
from vmcp_proxy.core.outcomes import Contradicted, Invalid, PartialFailure, Reply, Result, Unlisted
from vmcp_proxy.core.targets import find_target
from vmcp_proxy.core.virtual import (
    Caller,
    Composite,
    Exchange,
    Listed,
    Operation,
    OwnNames,
    Resolved,
    Target,
)
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import SUBSCRIBE, UNSUBSCRIBE, Era
from vmcp_proxy.protocol.modern.param_headers import find_mismatch
from vmcp_proxy.protocol.params import parse_members


class Aggregate:
    """Many backends as one MCP server, for any caller: no policy here (ADR-0011)."""

    def __init__(self, views: Views, resolver: Resolver, forwarder: Forwarder, rounds: Rounds) -> None:
        self._views: Final = views
        self._resolver: Final = resolver
        self._forwarder: Final = forwarder
        self._rounds: Final = rounds
        self._members: Members = {}

    def configure(self, members: Members, aggregation: Aggregation, bounds: Bounds) -> None:
        """Takes over a new config."""
        self._members = members
        self._resolver.configure(members, aggregation, bounds)
        self._forwarder.bounds = bounds

    async def view(self, caller: Caller) -> Catalog:
        """See `VirtualMCP.view`."""
        return await self._views.view(caller)

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`: every kind is read off the one view."""
        del kind
        return await self._views.view(caller)

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Resolved]:
        """See `VirtualMCP.resolve`."""
        return self._resolver.resolve(caller, operation)

    def perform(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Coroutine[Any, Any, Reply]:
        """See `VirtualMCP.perform`.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        if isinstance(resolved, Target) and operation.method not in SUBSCRIPTIONS:
            if caller.client.terms.era is Era.LEGACY:
                return self._forwarder.forward(caller, resolved, operation, exchange)
            if not resolved.capability.headers:
                return self._rounds.forward(caller, resolved, operation, exchange)
        return self._performed(caller, operation, resolved, exchange)

    async def _performed(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        if isinstance(resolved, OwnNames):
            resolved = resolved.targets[0] if len(resolved.targets) == 1 else None
        if not isinstance(resolved, Target):
            return self._unroutable(caller, operation, resolved)
        if operation.method in SUBSCRIPTIONS:
            return await self._subscription(caller, resolved, operation, exchange)
        if (wrong := _contradiction(operation, resolved)) is not None:
            return wrong
        return await self._rounds.forward(caller, resolved, operation, exchange)

    async def _subscription(self, caller: Caller, target: Target, operation: Operation, exchange: Exchange) -> Reply:
        """Subscribes or unsubscribes at the owner, and keeps what has to be said again in a new backend session."""
        capability, member = target.capability, target.member
        uri = operation.name if capability.kind is Kind.TEMPLATE else capability.original
        held = caller.client.subscriptions.setdefault(member.name, {})
        if operation.method == UNSUBSCRIBE:
            held.pop(uri, None)
            if caller.client.shares_subscription(member, uri):
                return Result(b"{}", member.name)
        elif len(held) >= MOST_SUBSCRIPTIONS and uri not in held:
            return Invalid(f"A session may subscribe to {MOST_SUBSCRIPTIONS} resources of a backend.")
        reply = await self._forwarder.forward(caller, target, operation, exchange)
        if operation.method == SUBSCRIBE and type(reply) is Result:
            held[uri] = msgspec.structs.replace(capability, raw=b"")
        return reply

    def _unroutable(
        self, caller: Caller, operation: Operation, resolved: Composite | Unlisted | PartialFailure | None
    ) -> Reply:
        """The answer where no backend has such a name for this caller."""
        if isinstance(resolved, PartialFailure):
            return resolved
        if len(caller.snapshot):
            # A backend that refuses the caller's headers has no list for it; say why it cannot be called.
            shared = find_target(self._views.shared(), operation)
            member = self._members.get(shared.backend) if shared is not None else None
            credentials = (
                None if member is None else caller.client.credentials_for(member, caller.identity, caller.snapshot)
            )
            if member is not None and isinstance(credentials, Collision):
                return unavailable(member.collision(credentials))
        return resolved if isinstance(resolved, Unlisted) else unknown(operation)


def _contradiction(operation: Operation, target: Target) -> Contradicted | None:
    """What a client's headers say otherwise than its arguments, by the tool's schema as the client sees it.

    Who may not call the tool has been told so before: its schema is nothing to learn about that way.
    """
    declared = target.capability.headers
    if not declared or operation.repeated is None:
        return None
    repeated = operation.repeated
    arguments = parse_members(operation.params).get("arguments")
    wrong = find_mismatch(declared, arguments, lambda name: repeated.get(name.lower().encode()))
    return Contradicted(wrong) if wrong else None
