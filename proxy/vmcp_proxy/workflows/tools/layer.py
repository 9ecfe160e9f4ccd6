"""The layer of composite tools: lists them beside the tools of the backends, and runs them (ADR-0051)."""

import time
from collections.abc import Callable, Coroutine
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.calls.pausing.rounds import check_begins
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Reply
from vmcp_proxy.core.policy.by_identity import ByIdentity
from vmcp_proxy.core.stack import StepLayers
from vmcp_proxy.core.virtual import Caller, Composite, Exchange, Listed, Looked, Operation, Resolved, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.workflows.arguments import InputShapes
from vmcp_proxy.workflows.engine import WorkflowRunner
from vmcp_proxy.workflows.tools.acts import CallActs
from vmcp_proxy.workflows.tools.audit import AuditedRun
from vmcp_proxy.workflows.tools.call import CompositeCall
from vmcp_proxy.workflows.tools.definition import Definition, Definitions
from vmcp_proxy.workflows.tools.listing import Placed, Placement, extended, place
from vmcp_proxy.workflows.tools.shadowed import Shadowed, find_shadowed


class CompositeTarget(Composite, frozen=True, gc=False):
    """A composite tool that a call is about: it runs by this definition to its end, whatever is configured then."""

    definition: Definition


class CompositeTools:
    """A `VirtualMCP` with the composite tools of a config beside the tools of the inner one.

    A caller sees those whose steps can call all of their tools for it; `shared` says which names are theirs. `shadowed`
    hears which tools of the caller's own stand behind them.
    """

    def __init__(
        self,
        inner: VirtualMCP,
        steps: StepLayers,
        shared: Callable[[], Catalog],
        definitions: Definitions,
        runner: WorkflowRunner,
        shapes: InputShapes,
        shadowed: Shadowed,
    ) -> None:
        self._inner: Final = inner
        self._steps: Final = steps
        self._shared: Final = shared
        self._definitions: Final = definitions
        self._runner: Final = runner
        self._shapes: Final = shapes
        self._shadowed: Final = shadowed
        self._placed: Final[WeakKeyDictionary[Catalog, tuple[str, Placed]]] = WeakKeyDictionary()
        self._views: Final = ByIdentity(steps.budget)
        self._catalogs: Final[WeakValueDictionary[tuple[str, str, tuple[str, ...]], Catalog]] = WeakValueDictionary()

    async def view(self, caller: Caller) -> Catalog:
        """See `VirtualMCP.view`."""
        return self._extended(caller.identity, await self._inner.view(caller))

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        listed = await self._inner.list(caller, kind)
        return self._extended(caller.identity, listed) if isinstance(listed, Catalog) else listed

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Looked]:
        """See `VirtualMCP.resolve`."""
        is_composite = operation.kind is Kind.TOOL and operation.name in self._definitions.by_name
        return self._found(caller, operation) if is_composite else self._inner.resolve(caller, operation)

    def perform(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Coroutine[Any, Any, Reply]:
        """See `VirtualMCP.perform`."""
        if not isinstance(resolved, CompositeTarget):
            return self._inner.perform(caller, operation, resolved, exchange)
        return self._run(caller, operation, resolved.definition, exchange)

    async def _found(self, caller: Caller, operation: Operation) -> Looked:
        """The composite tool; one with a step that its caller may not take is not there, so that none ends halfway.

        What no backend lists now may be there when its step is: that is found out then.
        """
        placement = self._place(await self._inner.view(caller)).by_name.get(operation.name)
        if placement is None:
            return await self._inner.resolve(caller, operation)
        if not self._may_take(caller.identity, placement):
            return None
        return CompositeTarget(placement.capability, placement.definition)

    async def _run(self, caller: Caller, operation: Operation, definition: Definition, exchange: Exchange) -> Reply:
        exchange.composed()
        if caller.client.terms.era is Era.MODERN:
            check_begins(operation.members)
        call = CompositeCall.of(operation)
        steps = self._steps.judged if definition.tool.authorize_steps else self._steps.unjudged
        acts = CallActs(steps, caller, exchange, call, self._shapes, definition.title)
        observer = AuditedRun(definition, acts, exchange)
        began = time.perf_counter()
        try:
            outcome = await self._runner.run(definition.workflow, call.arguments, acts, observer)
        except BaseException as end:
            observer.broke(end, time.perf_counter() - began)
            raise
        observer.over(outcome, time.perf_counter() - began)
        return call.reply(definition.workflow, outcome)

    def _place(self, catalog: Catalog) -> Placed:
        """Kept with the catalog: it holds what steps call of it."""
        shared = self._shared()
        version, placed = self._placed.get(catalog, ("", None))
        if placed is None or version != shared.version:
            placed = place(self._definitions, catalog, shared)
            self._placed[catalog] = (shared.version, placed)
            self._shadowed.note(find_shadowed(catalog, frozenset(placed.by_name)))
        return placed

    def _extended(self, identity: Identity, catalog: Catalog) -> Catalog:
        shared = self._shared().version
        version = f"{catalog.version}/{shared}/{self._steps.version}"
        kept = self._views.find(version, identity)
        if kept is None:
            placed = self._place(catalog)
            names = [name for name, each in placed.by_name.items() if each.is_whole and self._may_take(identity, each)]
            kept = self._views.keep(version, identity, self._with_tools(catalog, shared, placed, tuple(names)))
        return kept

    def _with_tools(self, catalog: Catalog, shared: str, placed: Placed, names: tuple[str, ...]) -> Catalog:
        """One catalog for all who see the same; `shared` is the version of the names."""
        key = (catalog.version, shared, names)
        kept = self._catalogs.get(key)
        if kept is None:
            kept = self._catalogs[key] = extended(catalog, placed, (placed.by_name[name] for name in names))
        return kept

    def _may_take(self, identity: Identity, placement: Placement) -> bool:
        """Whether policies admit the identity to some call of every tool that is known of its steps."""
        if not placement.definition.tool.authorize_steps:
            return True
        return all(self._steps.shows(identity, placement.tools))
