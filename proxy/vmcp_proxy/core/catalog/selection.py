"""Which entries of the listings are served, under which names: one decision for catalogs and explanations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vmcp_api.spec.aggregation import Aggregation, ConflictResolution, ToolOverride, WorkloadTools
from vmcp_proxy.core.catalog.capabilities import Conflict, Descriptor, Listing, Unmatched
from vmcp_proxy.core.catalog.conflict import (
    Claim,
    Resolution,
    rank_by_priority,
    resolve_names,
    resolve_uris,
    without_hidden_winners,
)
from vmcp_proxy.core.catalog.exposed_names import add_prefix, fit_name
from vmcp_proxy.core.catalog.filters import Selection, ToolNames, select_tools
from vmcp_proxy.core.catalog.overrides import property_names
from vmcp_proxy.core.catalog.ui_pages import PageClaims, claims_of
from vmcp_proxy.protocol.kinds import Kind

_Entries = Mapping[str, WorkloadTools]


@dataclass(frozen=True, slots=True)
class Selected:
    """What became of every entry of the `listings`, which are in the sorted order of their backends.

    `claimed` is all that is listed, with the names that it wants, `resolved` what keeps its name; `selections` are
    what the filters say of each backend's tools, `unmatched` the settings that fit no tool.
    """

    listings: Sequence[Listing]
    claims: PageClaims
    claimed: Mapping[Kind, tuple[Claim, ...]]
    resolved: Mapping[Kind, Resolution]
    conflicts: Mapping[Kind, tuple[Conflict, ...]]
    selections: Mapping[str, Selection]
    unmatched: tuple[Unmatched, ...]

    def kept(self, kind: Kind) -> tuple[Claim, ...]:
        """The entries of a kind that keep their names, hidden tools among them."""
        return self.resolved[kind].kept

    def is_shown(self, claim: Claim) -> bool:
        """Whether the filters let an entry through; only tools have filters."""
        return claim.descriptor.kind is not Kind.TOOL or claim.original in self.selections[claim.backend].served


def select_entries(listings: Iterable[Listing], aggregation: Aggregation, claims: PageClaims | None) -> Selected:
    """Tools go through override, conflict resolution and filter, in this order.

    What a filter hides keeps its claim to a name, so that editing a filter never changes what another name means
    (and composite tools can use what it hides). Where `claims` are None, those of these listings count.
    """
    ordered = sorted(listings, key=lambda listing: listing.backend)
    entries = {entry.workload: entry for entry in reversed(aggregation.tools)}
    if claims is None:
        claims = claims_of(ordered, is_alone=len(ordered) <= 1)
    claimed = {
        Kind.TOOL: tuple(_tool_claims(ordered, aggregation, entries)),
        Kind.RESOURCE: tuple(_uri_claims(Kind.RESOURCE, ordered, claims)),
        Kind.TEMPLATE: tuple(_uri_claims(Kind.TEMPLATE, ordered, claims)),
        Kind.PROMPT: tuple(_prompt_claims(ordered, aggregation)),
    }
    resolved = {kind: _resolve(kind, claimed[kind], aggregation) for kind in Kind}
    selections, unmatched = _filter_tools(ordered, resolved[Kind.TOOL].kept, aggregation, entries)
    shown = (claim for claim in resolved[Kind.TOOL].kept if claim.original in selections[claim.backend].served)
    conflicts = {kind: resolved[kind].conflicts for kind in Kind}
    conflicts[Kind.TOOL] = without_hidden_winners(conflicts[Kind.TOOL], shown)
    return Selected(ordered, claims, claimed, resolved, conflicts, selections, tuple(unmatched))


def _tool_claims(ordered: Sequence[Listing], aggregation: Aggregation, entries: _Entries) -> Iterator[Claim]:
    config = aggregation.conflict_resolution_config
    prefixed = aggregation.conflict_resolution is ConflictResolution.PREFIX
    ranks = _ranks(aggregation)
    for listing in ordered:
        entry = entries.get(listing.backend)
        overrides = entry.overrides if entry is not None else {}
        prefix = add_prefix(config.prefix_format, listing.backend, "") if prefixed else ""
        for tool in listing.tools:
            override = overrides.get(tool.name)
            renamed = override.name if override is not None else None
            wanted = prefix + (renamed or tool.name)
            exposed = _fit(wanted, listing.backend, tool, aggregation)
            rank = ranks.get(listing.backend)
            yield Claim(listing.backend, tool, wanted, exposed, rank, override)


def _prompt_claims(ordered: Sequence[Listing], aggregation: Aggregation) -> Iterator[Claim]:
    """Prompts bear their backend's prefix, but those of backends in the priority order are bare.

    People choose them, no model provider reads their names: those may be anything (MCP, "Prompts").
    """
    config = aggregation.conflict_resolution_config
    ranks = _ranks(aggregation)
    for listing in ordered:
        rank = ranks.get(listing.backend)
        prefix = add_prefix(config.prefix_format, listing.backend, "") if rank is None else ""
        for prompt in listing.prompts:
            wanted = prefix + prompt.name
            yield Claim(listing.backend, prompt, wanted, wanted, rank)


def _ranks(aggregation: Aggregation) -> Mapping[str, int]:
    is_ranked = aggregation.conflict_resolution is ConflictResolution.PRIORITY
    return rank_by_priority(aggregation.conflict_resolution_config.priority_order if is_ranked else ())


def _resolve(kind: Kind, claims: tuple[Claim, ...], aggregation: Aggregation) -> Resolution:
    """Conflicts over the wanted names, then over what became of them.

    Two backends that share a bare name are in conflict even where its tag would tell them apart once fitted.
    Prefixed names that differ only by their tags are no conflict: nobody asked for the same name.
    """
    strategy, unranked_lose = aggregation.conflict_resolution, kind is Kind.TOOL
    if kind in (Kind.RESOURCE, Kind.TEMPLATE):
        return resolve_uris(kind, claims)
    bare = strategy is ConflictResolution.PRIORITY or (kind is Kind.TOOL and strategy is ConflictResolution.MANUAL)
    if not bare:
        return resolve_names(kind, claims, _exposed, unranked_lose=unranked_lose)
    wanted = resolve_names(kind, claims, _wanted, unranked_lose=unranked_lose)
    fitted = resolve_names(kind, wanted.kept, _exposed, unranked_lose=unranked_lose)
    return Resolution(fitted.kept, wanted.conflicts + fitted.conflicts)


def _wanted(claim: Claim) -> str:
    return claim.wanted


def _exposed(claim: Claim) -> str:
    return claim.exposed


def _fit(wanted: str, backend: str, descriptor: Descriptor, aggregation: Aggregation) -> str:
    return fit_name(wanted, backend=backend, original=descriptor.name, limit=aggregation.tool_name_limit)


def _uri_claims(kind: Kind, ordered: Sequence[Listing], claims: PageClaims) -> Iterator[Claim]:
    """Pages that several backends claim are no conflict: each has a URI of its own."""
    return (
        Claim(
            listing.backend,
            descriptor,
            descriptor.name,
            claims.exposed(listing.backend, descriptor.name) if kind is Kind.RESOURCE else descriptor.name,
            None,
        )
        for listing in ordered
        for descriptor in listing.of(kind)
    )


def _filter_tools(
    ordered: Sequence[Listing], kept: Iterable[Claim], aggregation: Aggregation, entries: _Entries
) -> tuple[dict[str, Selection], list[Unmatched]]:
    """What the filters say of each backend's tools, and the settings that fit no tool."""
    exposed = {(claim.backend, claim.original): claim.exposed for claim in kept}
    selections: dict[str, Selection] = {}
    unmatched: list[Unmatched] = []
    for listing in ordered:
        entry = entries.get(listing.backend)
        overrides = entry.overrides if entry is not None else {}
        names = [
            ToolNames(
                tool.name,
                (overrides[tool.name].name if tool.name in overrides else None) or tool.name,
                exposed.get((listing.backend, tool.name)),
            )
            for tool in listing.tools
        ]
        selection = select_tools(aggregation, entry, names)
        selections[listing.backend] = selection
        unmatched += (Unmatched(listing.backend, "filter", name) for name in selection.unmatched)
        unmatched += _unmatched_overrides(listing, overrides)
    return selections, unmatched


def _unmatched_overrides(listing: Listing, overrides: Mapping[str, ToolOverride]) -> Iterator[Unmatched]:
    """Overrides of tools that the backend does not have, and of arguments that its tools do not have."""
    tools = {tool.name: tool for tool in listing.tools}
    for name, override in sorted(overrides.items()):
        if name not in tools:
            yield Unmatched(listing.backend, "overrides", name)
        elif override.arguments:
            unknown = override.arguments.keys() - property_names(tools[name].raw)
            yield from (Unmatched(listing.backend, "arguments", f"{name}.{argument}") for argument in sorted(unknown))
