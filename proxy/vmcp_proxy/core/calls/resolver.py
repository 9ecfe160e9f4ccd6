"""The one look-up of what an operation is about: it waits for backends that may have it (ADR-0030)."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from vmcp_api.spec.aggregation import Aggregation
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.catalog.capabilities import Capability, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.ui_pages import parse_own_uri
from vmcp_proxy.core.catalog.uri_template import LONGEST_NAME
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Bounds, Members
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.core.outcomes import Unlisted
from vmcp_proxy.core.owners.owner import find_owner, resource_of
from vmcp_proxy.core.owners.silence import may_own, may_own_for_step
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.core.targets import find_step_tool
from vmcp_proxy.core.virtual import Caller, Operation, OwnNames, Resolved, Target
from vmcp_proxy.protocol.kinds import Kind


class Resolver:
    """Finds targets in the caller's catalog; `configure` takes over what names are composed by."""

    def __init__(self, links: OwnLinks, views: Views, reach: Reach) -> None:
        self._links: Final = links
        self._views: Final = views
        self._reach: Final = reach
        self._members: Members = {}
        self._aggregation = Aggregation()
        self._bounds: Bounds | None = None

    def configure(self, members: Members, aggregation: Aggregation, bounds: Bounds) -> None:
        """Takes over a new config."""
        self._members = members
        self._aggregation = aggregation
        self._bounds = bounds

    async def resolve(self, caller: Caller, operation: Operation) -> Resolved:
        """See `VirtualMCP.resolve`; a name that no list can hold is looked for nowhere (ADR-0028)."""
        if len(operation.name) > LONGEST_NAME:
            return None
        began = asyncio.get_running_loop().time()
        client = caller.client
        catalog = self._views.current(caller)
        if catalog is None:
            catalog = await self._views.for_call(caller)
        found = self._find(client, catalog, operation, began)
        return found if found is not None else await self._awaited(caller, client, operation, began)

    def _find(self, client: ClientContext, catalog: Catalog, operation: Operation, began: float) -> Target | None:
        capability = find_owner(catalog, client.handed_out_by, operation)
        if capability is None and operation.inner is not None and operation.kind is Kind.TOOL:
            capability = find_step_tool(catalog, operation.name)
        return None if capability is None else self._target(capability, began)

    def _target(self, capability: Capability, began: float) -> Target | None:
        member = self._members.get(capability.backend)
        return None if member is None else Target(capability, member, began)

    async def _awaited(self, caller: Caller, client: ClientContext, operation: Operation, began: float) -> Resolved:
        """Looks again whenever a listing comes that may have the name, up to the bound of the call.

        Only backends are waited for that may have it as something that policies could permit: else who is denied would
        be told sooner than who asks for what is not there.
        """
        identity = caller.identity

        while True:
            # Perhaps it is new: what a backend has declared out of date is worth the wait now.
            catalog = await self._views.with_news(caller, lambda name: self._may_have(identity, name, operation))
            if (found := self._find(client, catalog, operation, began)) is not None:
                return found
            silent = self._silent(identity, self._views.silent(caller), catalog, operation)
            until = began + (self._bound(silent) if operation.inner is None else operation.inner.seconds)
            if not await self._views.answered(caller, silent, until):
                members = self._views.within_reach(identity)
                return self._unfound(members, silent, catalog, operation, began)

    def look_up(self, identity: Identity, operation: Operation) -> Resolved:
        """What the operation is about by what the proxy itself sees now, for a client that nothing was handed out to.

        Nothing is waited for.
        """
        catalog = self._views.shared(identity)
        capability = find_owner(catalog, _nobody, operation)
        found = None if capability is None else self._target(capability, 0.0)
        if found is not None:
            return found
        silent = self._silent(identity, self._views.shared_silent(identity), catalog, operation)
        return self._unfound(self._views.within_reach(identity), silent, catalog, operation, 0.0)

    def known(self, operation: Operation) -> Capability | None:
        """What bears the name by what the proxy itself sees of all backends now."""
        return find_owner(self._views.shared(), _nobody, operation)

    def _unfound(
        self, members: Members, silent: Mapping[str, Outcome], catalog: Catalog, operation: Operation, began: float
    ) -> Resolved:
        if silent:
            return Unlisted(operation.kind, operation.name, silent)
        return self._unlisted(members, catalog, operation, began)

    def _unlisted(self, members: Members, catalog: Catalog, operation: Operation, began: float) -> Resolved:
        """What the operation means although nobody lists it: a page's own tool, or the only resource server's."""
        kind = operation.kind
        if operation.inner is not None:
            return None
        if kind is Kind.TOOL:
            with_pages = catalog.claims.claimants
            tools = (tool for tool in catalog.tools if tool.original == operation.name and tool.backend in with_pages)
            targets = tuple(target for tool in tools if (target := self._target(tool, began)) is not None)
            return OwnNames(targets) if targets else None
        if kind is not Kind.RESOURCE or parse_own_uri(operation.name) is not None:
            return None
        # Whose page a claimed URI is has been decided: it must not lead elsewhere while its backends are away.
        if operation.name in catalog.claims.owners:
            return None
        hellos = self._links.hellos(members)
        # Of a backend that is away it is not known, so it counts as one that has resources.
        backends = [name for name in members if name not in hellos or "resources" in hellos[name].offers]
        only = backends[0] if len(backends) == 1 else None
        return self._target(resource_of(operation.name, only), began) if only in hellos and only is not None else None

    def _silent(
        self, identity: Identity, silent: Mapping[str, Outcome], catalog: Catalog, operation: Operation
    ) -> dict[str, Outcome]:
        """Those of the silent backends that may have what the operation names, and why that is not known."""
        kind = operation.kind
        if kind is None:
            return {}
        silent = dict(silent)
        kinds = (Kind.RESOURCE, Kind.TEMPLATE) if kind in (Kind.RESOURCE, Kind.TEMPLATE) else (kind,)
        for entry in catalog.incomplete:
            if entry.kind in kinds:
                silent.setdefault(entry.backend, catalog.outcomes[entry.backend])
        return {
            name: outcome
            for name, outcome in silent.items()
            if self._may_own(name, kind, operation) and self._may_have(identity, name, operation)
        }

    def _may_own(self, backend: str, kind: Kind, operation: Operation) -> bool:
        if operation.inner is not None:
            return may_own_for_step(self._aggregation, backend, operation.name)
        return may_own(self._aggregation, backend, kind, operation.name)

    def _may_have(self, identity: Identity, backend: str, operation: Operation) -> bool:
        """Whether the backend may have it as something that policies could permit; a URI of ours says whose it is."""
        own = parse_own_uri(operation.name) if operation.kind is Kind.RESOURCE else None
        return own[0] == backend if own is not None else self._reach.may_have(identity, backend, operation)

    def _bound(self, names: Collection[str]) -> float:
        bounds = self._bounds
        return max((bounds.call(name) for name in names), default=0.0) if bounds is not None else 0.0


def _nobody(uri: str) -> str | None:
    del uri
    return None
