"""The admission seam: one decision for lists and calls, which can only take away (ADR-0011)."""

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability, Kind
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.ui_pages import pages_of, rename_pages
from vmcp_proxy.core.outcomes import Denied, Reply
from vmcp_proxy.core.targets import target_kind
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, OwnNames, Resolved, Target, VirtualMCP


class Action(StrEnum):
    """What a caller may be admitted to."""

    CALL_TOOL = "call_tool"
    READ_RESOURCE = "read_resource"
    GET_PROMPT = "get_prompt"


_ACTION_ON: Final[Mapping[Kind, Action]] = MappingProxyType(
    {
        Kind.TOOL: Action.CALL_TOOL,
        Kind.RESOURCE: Action.READ_RESOURCE,
        Kind.TEMPLATE: Action.READ_RESOURCE,
        Kind.PROMPT: Action.GET_PROMPT,
    }
)


class Admitter(Protocol):
    """Decides who may do what.

    `version` changes when a decision could. `enforcing` is False where everything is admitted and unknown
    names may get an answer of their own.
    """

    @property
    def version(self) -> str:
        """Equal versions decide alike."""

    @property
    def enforcing(self) -> bool:
        """Whether denied, unknown and hidden names must look alike."""

    def admits(self, identity: Identity, action: Action, capability: Capability | None, name: str) -> bool:
        """Whether the identity may do this to what bears the exposed name or URI.

        `capability` is None where nothing bears it. Where it is a template and `name` is the template itself,
        the question is whether any expansion of it could be admitted (lists and completions ask that).
        """


class AllowAll:
    """Admits everyone to everything."""

    version: Final = "allow-all"
    enforcing: Final = False

    def admits(
        self,
        identity: Identity,  # noqa: ARG002 - the protocol's signature
        action: Action,  # noqa: ARG002
        capability: Capability | None,  # noqa: ARG002
        name: str,  # noqa: ARG002
    ) -> bool:
        return True


def _judged_name(capability: Capability, name: str) -> str:
    """What policies know it by.

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


class _View(msgspec.Struct, frozen=True):
    claims: Mapping[str, Any]
    scopes: frozenset[str]
    catalog: Catalog

    def is_for(self, identity: Identity) -> bool:
        """Whether it was made for this very token: identities are equal by issuer and subject alone."""
        return self.claims == identity.claims and self.scopes == identity.scopes


class Admission:
    """A `VirtualMCP` without what the caller is not admitted to; it keeps at most `max_views` views."""

    def __init__(self, inner: VirtualMCP, admitter: Admitter, *, max_views: int = 1024) -> None:
        self._inner = inner
        self._admitter = admitter
        self._max_views = max_views
        self._views: OrderedDict[tuple[str, str, Identity], _View] = OrderedDict()

    async def view(self, caller: Caller) -> Catalog:
        catalog = await self._inner.view(caller)
        if not self._admitter.enforcing:
            return catalog
        identity = caller.identity
        key = (catalog.version, self._admitter.version, identity)
        kept = self._views.get(key)
        if kept is not None and kept.is_for(identity):
            self._views.move_to_end(key)
            return kept.catalog
        reduced = self._without_pages(
            identity, catalog.reduced(lambda capability: self._is_listed(identity, capability))
        )
        self._views[key] = _View(identity.claims, identity.scopes, reduced)
        self._views.move_to_end(key)
        if len(self._views) > self._max_views:
            self._views.popitem(last=False)
        return reduced

    async def resolve(self, caller: Caller, operation: Operation) -> Resolved:
        """Of several tools with one name of their own, the caller means the only one that it is admitted to."""
        resolved = await self._inner.resolve(caller, operation)
        if not isinstance(resolved, OwnNames):
            return resolved
        admitted = [target for target in resolved.targets if self._is_listed(caller.identity, target.capability)]
        return admitted[0] if len(admitted) == 1 else None

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """Decides first, whether or not the name exists; only then may the inner layer look at the call."""
        if self._admitter.enforcing and not self._is_admitted(caller.identity, operation, resolved):
            return Denied()
        return await self._inner.perform(caller, operation, resolved, exchange)

    def _without_pages(self, identity: Identity, catalog: Catalog) -> Catalog:
        """The catalog without the pages of tools that the caller may call but whose page it may not read."""

        def admitted(uri: str) -> str | None:
            page = catalog.owner_of(uri)
            may = page is not None and self._admitter.admits(
                identity, Action.READ_RESOURCE, page, _judged_name(page, uri)
            )
            return uri if may else None

        tools = tuple(
            msgspec.structs.replace(tool, raw=rename_pages(tool.raw, admitted)) if pages_of(tool.raw) else tool
            for tool in catalog.tools
        )
        return catalog if tools == catalog.tools else dataclasses.replace(catalog, tools=tools)

    def _is_listed(self, identity: Identity, capability: Capability) -> bool:
        action = _ACTION_ON[capability.kind]
        return self._admitter.admits(identity, action, capability, _judged_name(capability, capability.exposed))

    def _is_admitted(self, identity: Identity, operation: Operation, resolved: Resolved) -> bool:
        kind = target_kind(operation)
        if kind is None:
            # What names nothing is about the session; a name that nobody knows how to judge is refused.
            return not operation.name
        capability = resolved.capability if type(resolved) is Target else None
        name = operation.name if capability is None else _judged_name(capability, operation.name)
        admitted = self._admitter.admits(identity, _ACTION_ON[kind], capability, name)
        # What nobody has told yet may be heard of by those who may do this whoever it belongs to.
        return admitted and resolved is not None
