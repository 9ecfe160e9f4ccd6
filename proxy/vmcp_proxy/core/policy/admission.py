"""The admission layer: one decision for lists and calls, which can only take away (ADR-0011)."""

import dataclasses
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.arguments import apply_arguments
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.ui_pages import pages_of, rename_pages
from vmcp_proxy.core.outcomes import Denied, PartialFailure, Reply
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, Admitter, Decision, Question, judged_name
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, OwnNames, Resolved, Target, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import InvalidParamsError

_WITH_ARGUMENTS: Final = frozenset({Kind.TOOL, Kind.PROMPT})


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
        """See `VirtualMCP.view`."""
        return await self._reduced(caller.identity, await self._inner.view(caller))

    async def list(self, caller: Caller, kind: Kind) -> Catalog | PartialFailure:
        """See `VirtualMCP.list`."""
        listed = await self._inner.list(caller, kind)
        return listed if isinstance(listed, PartialFailure) else await self._reduced(caller.identity, listed)

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Resolved]:
        """See `VirtualMCP.resolve`: what is there is found before it is decided on."""
        return self._inner.resolve(caller, operation)

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """Decides first, whether or not the name exists; only then may the inner layer look at the call.

        Of several tools with one name of their own, the caller means the only one that it is admitted to.
        """
        if isinstance(resolved, OwnNames):
            resolved = only_shown(self._admitter, caller.identity, resolved.targets)
        if not await self._is_admitted(caller.identity, operation, resolved):
            return Denied()
        return await self._inner.perform(caller, operation, resolved, exchange)

    async def _is_admitted(self, identity: Identity, operation: Operation, resolved: Resolved) -> bool:
        question = question_of(identity, operation, resolved)
        if question is None:
            # What names nothing is about the client itself; a name that nobody knows how to judge is refused.
            return not operation.name
        # What nobody has told yet may be heard of by those who may do this whoever it belongs to.
        return is_admitted(await self._admitter.decide(question)) and resolved is not None

    async def _reduced(self, identity: Identity, catalog: Catalog) -> Catalog:
        key = (catalog.version, self._admitter.version, identity)
        kept = self._views.get(key)
        if kept is not None and kept.is_for(identity):
            self._views.move_to_end(key)
            return kept.catalog
        reduced = await self._without_pages(identity, self._without_refused(identity, catalog))
        self._views[key] = _View(identity.claims, identity.scopes, reduced)
        self._views.move_to_end(key)
        if len(self._views) > self._max_views:
            self._views.popitem(last=False)
        return reduced

    def _without_refused(self, identity: Identity, catalog: Catalog) -> Catalog:
        everything = [capability for kind in Kind for capability in catalog.of(kind)] + list(catalog.pages)
        shown = self._admitter.shows(identity, everything)
        kept = {id(capability) for capability, is_shown in zip(everything, shown, strict=True) if is_shown}
        return catalog.reduced(lambda capability: id(capability) in kept)

    async def _without_pages(self, identity: Identity, catalog: Catalog) -> Catalog:
        """The catalog without the pages of tools that the caller may call but whose page it may not read."""
        named = [(tool, pages_of(tool.raw)) for tool in catalog.tools]
        uris = sorted({uri for _, pages in named for uri in pages})
        readable = {uri for uri in uris if await self._may_read(identity, catalog, uri)}
        tools = tuple(
            msgspec.structs.replace(tool, raw=rename_pages(tool.raw, lambda uri: uri if uri in readable else None))
            if pages
            else tool
            for tool, pages in named
        )
        return catalog if tools == catalog.tools else dataclasses.replace(catalog, tools=tools)

    async def _may_read(self, identity: Identity, catalog: Catalog, uri: str) -> bool:
        page = catalog.owner_of(uri)
        if page is None:
            return False
        question = Question(identity, Action.READ_RESOURCE, page, judged_name(page, uri))
        return is_admitted(await self._admitter.decide(question))


def only_shown(admitter: Admitter, identity: Identity, targets: Sequence[Target]) -> Target | None:
    """Of several tools with one name of their own the one that the caller means; None where that is not clear."""
    shown = admitter.shows(identity, [target.capability for target in targets])
    admitted = [target for target, is_shown in zip(targets, shown, strict=True) if is_shown]
    return admitted[0] if len(admitted) == 1 else None


def question_of(identity: Identity, operation: Operation, resolved: Resolved) -> Question | None:
    """What policies are asked about a call; None where it names nothing that they judge."""
    kind = operation.kind
    if kind is None:
        return None
    capability = resolved.capability if type(resolved) is Target else None
    name = operation.name if capability is None else judged_name(capability, operation.name)
    arguments = _arguments_of(operation, capability) if kind in _WITH_ARGUMENTS else None
    return Question(identity, ACTION_ON[kind], capability, name, arguments)


def is_admitted(decision: Decision) -> bool:
    """Whether it admits: a policy that failed might have forbidden it."""
    return decision.admits and not decision.errors


def _arguments_of(operation: Operation, capability: Capability | None) -> bytes | None:
    """The arguments as the backend gets them (ADR-0022); none where they are no object: nobody will carry that out."""
    try:
        members = operation.members
        if capability is not None and capability.arguments is not None:
            apply_arguments(members, capability.arguments)
    except InvalidParamsError:
        return None
    arguments = members.get("arguments")
    return None if arguments is None else bytes(arguments)
