"""What became of single entries on their way into the catalog, for whoever asks why a name is not served."""

from collections.abc import Collection, Iterable

import msgspec

from vmcp_proxy.core.catalog.capabilities import Capability, Conflict
from vmcp_proxy.core.catalog.conflict import Claim
from vmcp_proxy.core.catalog.filters import FilterSetting
from vmcp_proxy.core.catalog.merge import build_capability
from vmcp_proxy.core.catalog.selection import Selected
from vmcp_proxy.protocol.kinds import Kind


class Traced(msgspec.Struct, frozen=True, gc=False):
    """One entry of a backend, as clients see it or would see it.

    `wanted` is its name before it was made to fit, `conflict` the one that it had a part in, won or lost (`is_kept`).
    `setting` is what decides whether it is shown (None where there are no filters); `is_away`: its backend is not
    served for now.
    """

    capability: Capability
    wanted: str
    conflict: Conflict | None
    is_kept: bool
    setting: FilterSetting | None
    is_shown: bool
    is_away: bool = False

    @property
    def is_served(self) -> bool:
        """Whether clients find it under its exposed name, policies aside."""
        return self.is_kept and self.is_shown


def trace_entries(selected: Selected, kind: Kind, names: Collection[str]) -> tuple[Traced, ...]:
    """What became of the entries of a kind that have one of these names, at their backend or at any later step."""
    kept = {(claim.backend, claim.original) for claim in selected.kept(kind)}
    conflicts = selected.conflicts[kind]
    return tuple(
        Traced(
            build_capability(claim, selected.claims),
            claim.wanted,
            _conflict_of(claim, conflicts),
            (claim.backend, claim.original) in kept,
            selected.selections[claim.backend].setting if kind is Kind.TOOL else None,
            selected.is_shown(claim),
        )
        for claim in selected.claimed[kind]
        if not _names_of(claim).isdisjoint(names)
    )


def _names_of(claim: Claim) -> set[str]:
    renamed = claim.override.name if claim.override is not None else None
    return {claim.exposed, claim.wanted, claim.original, *((renamed,) if renamed else ())}


def _conflict_of(claim: Claim, conflicts: Iterable[Conflict]) -> Conflict | None:
    return next(
        (
            each
            for each in conflicts
            if each.name in (claim.wanted, claim.exposed) and claim.backend in (each.winner, *each.losers)
        ),
        None,
    )
