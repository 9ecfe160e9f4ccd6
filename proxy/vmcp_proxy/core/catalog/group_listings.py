"""What is made of all listings of a group: the catalog, and what became of single entries on their way into it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from vmcp_api.spec.aggregation import Aggregation
from vmcp_proxy.core.catalog.capabilities import Listing, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.merge import merge
from vmcp_proxy.core.catalog.selection import select_entries
from vmcp_proxy.core.catalog.trace import Traced, trace_entries
from vmcp_proxy.core.catalog.ui_pages import PageClaims, claims_of
from vmcp_proxy.protocol.kinds import Kind


@dataclass(frozen=True, slots=True)
class GroupListings:
    """The listings of a group by backend, None where there is none.

    `shown` are served. By `known` it is told whose a name is, also while its backend is away (ADR-0030).
    """

    shown: Mapping[str, Listing | None]
    known: Mapping[str, Listing | None]

    @property
    def digests(self) -> tuple[tuple[str, bytes | None, bytes | None], ...]:
        """Equal where what is listed is."""
        return tuple((name, _digest(self.shown[name]), _digest(self.known[name])) for name in self.shown)

    def merged(self, aggregation: Aggregation, outcomes: Mapping[str, Outcome]) -> Catalog:
        """The catalog; names of backends that are away stay theirs."""
        claims = self._claims
        catalog = merge(_there(self.shown), aggregation, outcomes, claims)
        away = {name for name, listing in self.known.items() if listing is not None and self.shown[name] is None}
        if not away:
            return catalog
        return catalog.beside(merge(_there(self.known), aggregation, outcomes, claims), away)

    def traced(self, aggregation: Aggregation, kind: Kind, names: Collection[str]) -> tuple[Traced, ...]:
        """What became of the entries of these names, those of backends that are away last."""
        claims = self._claims
        served = trace_entries(select_entries(_there(self.shown), aggregation, claims), kind, names)
        if all(self.shown[name] is not None for name, listing in self.known.items() if listing is not None):
            return served
        everything = trace_entries(select_entries(_there(self.known), aggregation, claims), kind, names)
        away = (each for each in everything if self.shown[each.capability.backend] is None)
        return (*served, *(msgspec.structs.replace(each, is_away=True) for each in away))

    @property
    def _claims(self) -> PageClaims:
        return claims_of(_there(self.known), is_alone=len(self.known) <= 1)


def _there(listings: Mapping[str, Listing | None]) -> list[Listing]:
    return [each for each in listings.values() if each is not None]


def _digest(listing: Listing | None) -> bytes | None:
    return listing.digest if listing is not None else None
