"""The admission layer: one decision for lists and calls, which can only take away (ADR-0011)."""

import dataclasses
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from vmcp_proxy.auth.decision import ALLOW
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.ui_pages import pages_of, rename_pages
from vmcp_proxy.core.outcomes import Denied, Reply, Result
from vmcp_proxy.core.policy.by_identity import ByIdentity
from vmcp_proxy.core.policy.completions import without_unusable
from vmcp_proxy.core.policy.judge import Judge, Known, only_shown, question_of
from vmcp_proxy.core.policy.questions import Action, Admitter, DecisionObserver, Question, judged_name
from vmcp_proxy.core.virtual import Caller, Exchange, Listed, Looked, Operation, OwnNames, Resolved, Target, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import COMPLETION, UNSUBSCRIBE


class Admission:
    """A `VirtualMCP` without what the caller is not admitted to; it knows at most `max_views` views again."""

    def __init__(
        self,
        inner: VirtualMCP,
        admitter: Admitter,
        observer: DecisionObserver,
        known: Known,
        budget: CatalogBudget | None = None,
        *,
        max_views: int = 1024,
    ) -> None:
        self._inner = inner
        self._admitter = admitter
        self._judge = Judge(observer, known)
        self._views: Final = ByIdentity(CatalogBudget() if budget is None else budget, max_views)

    async def view(self, caller: Caller) -> Catalog:
        """See `VirtualMCP.view`."""
        return await self._reduced(caller.identity, await self._inner.view(caller))

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        listed = await self._inner.list(caller, kind)
        return await self._reduced(caller.identity, listed) if isinstance(listed, Catalog) else listed

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Looked]:
        """See `VirtualMCP.resolve`: what is there is found before it is decided on."""
        return self._inner.resolve(caller, operation)

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """Decides first, whether or not the name exists; only then may the inner layer look at the call.

        Of several tools with one name of their own, the caller means the only one that it is admitted to.
        """
        if type(resolved) is not Target and isinstance(resolved, OwnNames):
            resolved = only_shown(self._admitter, caller.identity, resolved.targets)
        kind = operation.kind
        if operation.method == UNSUBSCRIBE:
            return await self._unsubscribed(caller, operation, resolved, exchange)
        if kind is None:
            # What names nothing is about the client itself; a name that nobody knows how to judge is refused.
            admits = not operation.name
        else:
            question, operation = self._judge.asked(caller.identity, operation, resolved)
            decision = await self._admitter.decide(question)
            admits = self._judge.told(decision, question, operation, resolved, exchange).outcome == ALLOW
        if not admits:
            return Denied()
        reply = await self._inner.perform(caller, operation, resolved, exchange)
        if operation.method == COMPLETION and type(reply) is Result and type(resolved) is Target:
            return await without_unusable(self._admitter, caller.identity, operation, resolved.capability, reply)
        return reply

    async def _unsubscribed(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Reply:
        """Who may not read a resource any more may still end its subscription, made here or on another pod.

        Nobody is denied that; of what the client has not subscribed to and may not read, all names get one answer.
        """
        subscriptions = caller.client.subscriptions
        if type(resolved) is Target:
            capability = resolved.capability
            uri = operation.name if capability.kind is Kind.TEMPLATE else capability.original
            if uri in subscriptions.get(capability.backend, ()):
                return await self._inner.perform(caller, operation, resolved, exchange)
            question = question_of(caller.identity, operation, resolved)
            if question is not None and (await self._admitter.decide(question)).outcome == ALLOW:
                return await self._inner.perform(caller, operation, resolved, exchange)
        for held in subscriptions.values():
            held.pop(operation.name, None)
        return Result(b"{}")

    async def _reduced(self, identity: Identity, catalog: Catalog) -> Catalog:
        version = f"{catalog.version}/{self._admitter.version}"
        kept = self._views.find(version, identity)
        if kept is None:
            kept = await self._without_pages(identity, self._without_refused(identity, catalog))
            kept = self._views.keep(version, identity, kept)
        return kept

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
        return (await self._admitter.decide(question)).outcome == ALLOW
