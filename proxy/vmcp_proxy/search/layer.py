"""The layer of tool search: lists two tools in place of many, finds the others, and hands calls on (ADR-0065)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from vmcp_api.spec.optimizer import FIND_TOOL, Optimizer
from vmcp_proxy.core.calls.pausing.rounds import check_begins
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import InWords, Reply, Result
from vmcp_proxy.core.policy.rate_limit import RateLimit
from vmcp_proxy.core.virtual import (
    Caller,
    Charged,
    Composite,
    Exchange,
    Found,
    Listed,
    Looked,
    Operation,
    OwnNames,
    Resolved,
    VirtualMCP,
    act,
)
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.search.arguments import Asked, MisusedError, read_call, read_search
from vmcp_proxy.search.calling.taught import Teacher
from vmcp_proxy.search.finding.searching import search
from vmcp_proxy.search.lists.kept import KeptServed
from vmcp_proxy.search.lists.listing import Served, serve
from vmcp_proxy.search.lists.own_tools import CALL_CAPABILITY, OWN_NAMES
from vmcp_proxy.search.lists.visibility import is_for_models
from vmcp_proxy.search.observer import SearchOutcome, rank_of
from vmcp_proxy.search.services import SearchServices

logger: Final = logging.getLogger("vmcp.search")

_LONGEST: Final = 30.0
"""Seconds that a search takes at most, with the wait for its turn and for the index that it is the first to need."""

_BROKEN: Final = "The search does not work now; its log says why. Tools can still be called by their names."
_BUSY: Final = "The search is too busy now. Try again later; tools can still be called by their names."
_OURS: Final = "{name} is no tool that call_tool calls: it is called by itself."
_FIND_SELF: Final = Capability(Kind.TOOL, FIND_TOOL, "", FIND_TOOL, b"{}")


class Searching(Composite, frozen=True, gc=False):
    """A call of `find_tool`."""


class HandedOn(Composite, frozen=True, gc=False):
    """A call of `call_tool`: `operation` is that of the tool that it is about, and `looked` what came of looking it up.

    Without those it is refused for a `reason`. The `capability` is the tool's where it was found, else our own.
    """

    operation: Operation | None = None
    looked: Looked = None
    reason: str = ""


class ToolSearch:
    """A `VirtualMCP` whose lists of many tools hold two, by which the others are found and called.

    It stands around all other layers, so that it sees what its caller may see, and nothing else: neither an answer, nor
    a score, nor a count tells of more. `shared` is what the proxy itself sees.
    """

    def __init__(
        self,
        inner: VirtualMCP,
        limits: RateLimit | None,
        shared: Callable[[], Catalog],
        settings: Optimizer,
        services: SearchServices,
    ) -> None:
        self._inner: Final = inner
        self._limits: Final = limits
        self._shared: Final = shared
        self._settings: Final = settings
        self._services: Final = services
        self._teacher: Final = Teacher(inner, services.aside)
        self._served: Final = KeptServed(self._serve)

    async def view(self, caller: Caller) -> Catalog:
        """See `VirtualMCP.view`."""
        return self._listed(await self._inner.view(caller))

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        listed = await self._inner.list(caller, kind)
        return self._listed(listed) if isinstance(listed, Catalog) else listed

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Looked]:
        """See `VirtualMCP.resolve`."""
        is_ours = operation.kind is Kind.TOOL and operation.name in OWN_NAMES
        return self._resolved(caller, operation) if is_ours else self._inner.resolve(caller, operation)

    def perform(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Coroutine[Any, Any, Reply]:
        """See `VirtualMCP.perform`."""
        if type(resolved) is HandedOn:
            return self._call(caller, resolved, exchange)
        if type(resolved) is Searching:
            return self._find(caller, operation, exchange)
        return self._inner.perform(caller, operation, resolved, exchange)

    def _listed(self, catalog: Catalog) -> Catalog:
        listed = self._served.of(catalog).listed
        return catalog if listed is None else listed

    def _serve(self, catalog: Catalog) -> Served:
        self._services.shadowed.note(catalog)
        return serve(catalog, self._settings)

    async def _resolved(self, caller: Caller, operation: Operation) -> Looked:
        name = operation.name
        # Nobody waits for the lists of backends to find out what is hardly ever so.
        if self._services.shadowed.has(name) or self._shared().find(Kind.TOOL, name) is not None:
            catalog = await self._inner.view(caller)
            if catalog.find(Kind.TOOL, name) is not None and self._served.of(catalog).listed is None:
                return await self._inner.resolve(caller, operation)
        if name == FIND_TOOL:
            return Searching(_FIND_SELF)
        # What a call of `call_tool` is about is found once, as the call of that tool would be.
        try:
            chosen = read_call(operation.members if operation.parsed is None else operation.parsed)
        except MisusedError as error:
            return HandedOn(CALL_CAPABILITY, reason=str(error))
        # Its client knows the schema of `call_tool` alone, and says none of the tool's arguments in headers.
        handed_on = msgspec.structs.replace(
            operation, name=chosen.name, params=chosen.params, parsed=chosen.members, repeated=None
        )
        looked = await self._inner.resolve(caller, handed_on)
        found = _found_in(looked)
        if chosen.name in OWN_NAMES and found is None:
            return HandedOn(CALL_CAPABILITY, reason=_OURS.format(name=chosen.name))
        return HandedOn(CALL_CAPABILITY if found is None else found.capability, handed_on, looked)

    async def _call(self, caller: Caller, call: HandedOn, exchange: Exchange) -> Reply:
        operation = call.operation
        if operation is None:
            exchange.composed()
            return InWords(call.reason)
        exchange.called(operation.name)
        looked, capability = call.looked, call.capability
        if capability is not CALL_CAPABILITY:
            if not is_for_models(capability.raw):
                # It is for pages alone: told like one that is not there.
                return await self._teacher.misnamed(caller, operation.name, is_denied=False)
            self._services.observer.on_found_call(rank_of(operation.name, caller.client.last_found))
        if isinstance(looked, Found):
            # As `act`, without its frame.
            reply = await self._inner.perform(caller, operation, looked, exchange)
        else:
            reply = await act(self._inner, caller, operation, _for_models(looked), exchange)
        if type(reply) is Result and reply.marks is not None and not reply.marks.is_error:
            # Nothing is to be taught, as the teacher would find by a frame of its own.
            return reply
        return await self._teacher.taught(caller, operation, reply)

    async def _find(self, caller: Caller, operation: Operation, exchange: Exchange) -> Reply:
        exchange.composed()
        if caller.client.terms.era is Era.MODERN:
            check_begins(operation.members)
        try:
            asked = read_search(operation.members, self._settings.max_tools_to_return)
        except MisusedError as error:
            return InWords(str(error))
        if self._limits is not None and (refused := await self._limits.charge_listing(caller, FIND_TOOL)) is not None:
            return refused
        listed = await self._inner.list(caller, Kind.TOOL)
        return await self._search(caller, listed, asked) if isinstance(listed, Catalog) else listed

    async def _search(self, caller: Caller, catalog: Catalog, asked: Asked) -> Reply:
        services, served = self._services, self._served.of(catalog)
        try:
            async with asyncio.timeout(_LONGEST):
                searched = await search(services, catalog.version, served, asked)
        except TimeoutError:
            log_event(logger, logging.WARNING, "a search was given up", seconds=_LONGEST)
            services.observer.on_search(SearchOutcome.FAILED)
            return InWords(_BUSY)
        except Exception as error:  # noqa: BLE001 - the endpoint serves without its search
            log_event(logger, logging.ERROR, "a search failed", error=describe_exception(error))
            services.observer.on_search(SearchOutcome.FAILED)
            return InWords(_BROKEN)
        if isinstance(searched, InWords):
            return searched
        services.observer.on_search(searched.outcome)
        caller.client.last_found = searched.names
        return searched.result


def _found_in(looked: Looked) -> Found | None:
    resolved = looked.resolved if isinstance(looked, Charged) else looked
    return resolved if isinstance(resolved, Found) else None


def _for_models(looked: Looked) -> Looked:
    """What was found, without tools that are for pages alone and whose pages know them by this name."""
    match looked:
        case Charged(resolved):
            return msgspec.structs.replace(looked, resolved=_for_models(resolved))
        case OwnNames(targets):
            kept = tuple(each for each in targets if is_for_models(each.capability.raw))
            return OwnNames(kept) if kept else None
    return looked
