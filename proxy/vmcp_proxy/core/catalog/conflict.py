"""Who gets a name that more than one backend claims."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from vmcp_api.spec.aggregation import ToolOverride
from vmcp_proxy.core.catalog.capabilities import Conflict, ConflictReason, Descriptor
from vmcp_proxy.protocol.kinds import Kind


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A backend's entry that wants a name.

    `rank` is the backend's place in the priority order (0 is first) where a bare name may be won by it; None
    where rank does not count: under another strategy, for a backend that is not listed, for a prefixed name.
    """

    backend: str
    descriptor: Descriptor
    wanted: str
    exposed: str
    rank: int | None
    override: ToolOverride | None = None

    @property
    def original(self) -> str:
        """The backend's own name for it."""
        return self.descriptor.name


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """The claims that keep their names, in the order in which they came, and what was in conflict."""

    kept: tuple[Claim, ...]
    conflicts: tuple[Conflict, ...] = ()


def resolve_names(
    kind: Kind, claims: Iterable[Claim], name_of: Callable[[Claim], str], *, unranked_lose: bool
) -> Resolution:
    """Each name goes to its only claimant, or to the one that stands highest in the priority order.

    Everything else is withheld from all who claim it: nobody has a rank, two entries of one backend share the
    best one, or, without `unranked_lose`, some claimant has none.
    """
    by_name: dict[str, list[Claim]] = {}
    ordered = tuple(claims)
    for claim in ordered:
        by_name.setdefault(name_of(claim), []).append(claim)
    if len(by_name) == len(ordered):
        return Resolution(ordered)
    contested = {name: group for name, group in by_name.items() if len(group) > 1}
    winners = {name: _winner(group, unranked_lose=unranked_lose) for name, group in contested.items()}
    kept = tuple(claim for claim in ordered if winners.get(name_of(claim), claim) is claim)
    conflicts = (_conflict(kind, name, contested[name], winners[name]) for name in sorted(contested))
    return Resolution(kept, tuple(conflicts))


def resolve_uris(kind: Kind, claims: Iterable[Claim]) -> Resolution:
    """Each URI goes to its first claimant; `claims` come in the sorted order of their backends."""
    first: dict[str, Claim] = {}
    losers: dict[str, list[str]] = {}
    for claim in claims:
        if first.setdefault(claim.exposed, claim) is not claim:
            losers.setdefault(claim.exposed, []).append(claim.backend)
    conflicts = (
        Conflict(kind, uri, first[uri].backend, tuple(losers[uri]), ConflictReason.DUPLICATE) for uri in sorted(losers)
    )
    return Resolution(tuple(first.values()), tuple(conflicts))


def without_hidden_winners(conflicts: Iterable[Conflict], served: Iterable[Claim]) -> tuple[Conflict, ...]:
    """The conflicts, without a winner where none of the `served` claims is the one that won."""
    conflicts = tuple(conflicts)
    if not conflicts:
        return ()
    names = {(claim.backend, name) for claim in served for name in (claim.wanted, claim.exposed)}
    return tuple(
        conflict
        if conflict.winner is None or (conflict.winner, conflict.name) in names
        else msgspec.structs.replace(
            conflict,
            winner=None,
            losers=tuple(sorted({conflict.winner, *conflict.losers})),
            reason=ConflictReason.HIDDEN,
        )
        for conflict in conflicts
    )


def rank_by_priority(order: Iterable[str]) -> Mapping[str, int]:
    """Each listed backend's place; of a repeated name the first place counts."""
    return {name: place for place, name in enumerate(dict.fromkeys(order))}


def _winner(group: list[Claim], *, unranked_lose: bool) -> Claim | None:
    ranked = [claim for claim in group if claim.rank is not None]
    if not ranked or (len(ranked) < len(group) and not unranked_lose):
        return None
    best = min(claim.rank for claim in ranked if claim.rank is not None)
    first, *more = (claim for claim in ranked if claim.rank == best)
    return None if more else first


def _conflict(kind: Kind, name: str, group: list[Claim], winner: Claim | None) -> Conflict:
    losers = tuple(sorted({claim.backend for claim in group if claim is not winner}))
    if winner is None:
        return Conflict(kind, name, None, losers, ConflictReason.AMBIGUOUS)
    return Conflict(kind, name, winner.backend, losers, ConflictReason.LOWER_PRIORITY)
