"""The catalogs that have been made for single callers, known again for as long as their tokens say the same."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary, ref

import msgspec

from vmcp_proxy.auth.claims import are_same
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.catalog import Catalog


class _Known(msgspec.Struct, frozen=True):
    claims: Mapping[str, Any]
    scopes: frozenset[str]
    catalog: ref[Catalog]


class ByIdentity:
    """Catalogs by version and identity, at most so many: those asked for longest ago give way.

    Identities are equal by issuer and subject alone: a catalog is for a token that says the same as when it was made.
    The budget keeps them, those of equal content once (ADR-0067).
    """

    def __init__(self, budget: CatalogBudget, most: int = 1024) -> None:
        self._budget: Final = budget
        self._most: Final = most
        self._known: Final[OrderedDict[tuple[str, Identity], _Known]] = OrderedDict()
        self._by_content: Final[WeakValueDictionary[Hashable, Catalog]] = WeakValueDictionary()

    def find(self, version: str, identity: Identity) -> Catalog | None:
        """The catalog that was made, where it still holds and has not given way."""
        key = (version, identity)
        known = self._known.get(key)
        if known is None or known.scopes != identity.scopes or not are_same(known.claims, identity.claims):
            return None
        self._known.move_to_end(key)
        catalog = known.catalog()
        if catalog is not None:
            self._budget.touch(catalog)
        return catalog

    def keep(self, version: str, identity: Identity, made: Catalog) -> Catalog:
        """Keeps a catalog, or one that is the same, which is returned.

        With the caller alone: for what is kept beyond the session must not keep its token.
        """
        catalog = self._by_content.setdefault((made.version, *sorted(made.outcomes)), made)
        if not catalog.is_same(made):
            catalog = made
        key = (version, identity.caller)
        self._known[key] = _Known(identity.claims, identity.scopes, ref(catalog))
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        self._budget.keep(catalog)
        return catalog
