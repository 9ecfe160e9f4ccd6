"""Many listings and the aggregation settings become one catalog; a pure function of both."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from vmcp_api.spec.aggregation import Aggregation, ConflictResolution, ToolOverride, WorkloadTools
from vmcp_proxy.core.catalog.annotations import NO_ANNOTATIONS, read_annotations
from vmcp_proxy.core.catalog.arguments import build_plan
from vmcp_proxy.core.catalog.capabilities import Capability, Descriptor, Incomplete, Listing, Outcome, Unmatched
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.conflict import (
    Claim,
    Resolution,
    rank_by_priority,
    resolve_names,
    resolve_uris,
    without_hidden_winners,
)
from vmcp_proxy.core.catalog.exposed_names import add_prefix, fit_name
from vmcp_proxy.core.catalog.filters import ToolNames, select_tools
from vmcp_proxy.core.catalog.overrides import property_names, rewrite_descriptor
from vmcp_proxy.core.catalog.ui_pages import PageClaims, claims_of, pages_of, rename_pages
from vmcp_proxy.protocol.kinds import WIRE, Kind

_Entries = Mapping[str, WorkloadTools]


def merge(
    listings: Sequence[Listing],
    aggregation: Aggregation,
    outcomes: Mapping[str, Outcome],
    claims: PageClaims | None = None,
) -> Catalog:
    """The catalog of these listings, one per backend, in any order: the result does not depend on it.

    Tools go through override, conflict resolution, filter and sort, in this order: what a filter hides keeps
    its claim to a name, so that editing a filter never changes what another name means (and composite tools
    can use what it hides). `outcomes` says how listing each backend went; the catalog's add those whose list of
    some kind is incomplete. Settings for a backend whose tools may be missing are not reported as unmatched.
    `claims` are those of all backends whose lists are known, also of those that are not served for now.
    """
    ordered = sorted(listings, key=lambda listing: listing.backend)
    entries = {entry.workload: entry for entry in reversed(aggregation.tools)}
    tools = _resolve_tools(ordered, aggregation, entries)
    prompts = _resolve_prompts(ordered, aggregation)
    if claims is None:
        claims = claims_of(ordered, is_alone=len(ordered) <= 1)
    resources = resolve_uris(Kind.RESOURCE, _uri_claims(Kind.RESOURCE, ordered, claims))
    templates = resolve_uris(Kind.TEMPLATE, _uri_claims(Kind.TEMPLATE, ordered, claims))
    served, unmatched = _filter_tools(ordered, tools.kept, aggregation, entries)
    shown = tuple(claim for claim in tools.kept if claim.original in served[claim.backend])
    hidden = tuple(claim for claim in tools.kept if claim.original not in served[claim.backend])
    tool_conflicts = without_hidden_winners(tools.conflicts, shown)
    incomplete = tuple(entry for listing in ordered for entry in listing.incomplete)
    unjudged = {name for name, outcome in outcomes.items() if outcome.is_missing}
    unjudged.update(entry.backend for entry in incomplete if entry.kind is Kind.TOOL)
    return Catalog(
        tools=_build_capabilities(shown, claims),
        resources=_build_capabilities(resources.kept, claims),
        templates=_build_capabilities(templates.kept, claims),
        prompts=_build_capabilities(prompts.kept, claims),
        hidden=_build_capabilities(hidden, claims),
        pages=_build_pages(shown, resources.kept, claims),
        claims=claims,
        conflicts=tool_conflicts + resources.conflicts + templates.conflicts + prompts.conflicts,
        dropped=tuple(entry for listing in ordered for entry in listing.dropped),
        incomplete=incomplete,
        unmatched=tuple(entry for entry in unmatched if entry.workload not in unjudged)
        + _unknown_workloads(entries, ordered, outcomes),
        outcomes=_complete_outcomes(outcomes, incomplete),
    )


def _resolve_tools(ordered: Sequence[Listing], aggregation: Aggregation, entries: _Entries) -> Resolution:
    strategy = aggregation.conflict_resolution
    config = aggregation.conflict_resolution_config
    prefixed = strategy is ConflictResolution.PREFIX
    is_ranked = strategy is ConflictResolution.PRIORITY
    ranks = rank_by_priority(config.priority_order if is_ranked else ())
    claims: list[Claim] = []
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
            claims.append(Claim(listing.backend, tool, wanted, exposed, rank, override))
    return _resolve(Kind.TOOL, claims, prefixed=prefixed, unranked_lose=True)


def _resolve_prompts(ordered: Sequence[Listing], aggregation: Aggregation) -> Resolution:
    """Prompts bear their backend's prefix, but those of backends in the priority order are bare.

    People choose them, no model provider reads their names: those may be anything (MCP, "Prompts").
    """
    config = aggregation.conflict_resolution_config
    is_ranked = aggregation.conflict_resolution is ConflictResolution.PRIORITY
    ranks = rank_by_priority(config.priority_order if is_ranked else ())
    claims: list[Claim] = []
    for listing in ordered:
        rank = ranks.get(listing.backend)
        prefix = add_prefix(config.prefix_format, listing.backend, "") if rank is None else ""
        for prompt in listing.prompts:
            wanted = prefix + prompt.name
            claims.append(Claim(listing.backend, prompt, wanted, wanted, rank))
    return _resolve(Kind.PROMPT, claims, prefixed=not is_ranked, unranked_lose=False)


def _resolve(kind: Kind, claims: list[Claim], *, prefixed: bool, unranked_lose: bool) -> Resolution:
    """Conflicts over the wanted names, then over what became of them.

    Two backends that share a bare name are in conflict even where its tag would tell them apart once fitted.
    Prefixed names that differ only by their tags are no conflict: nobody asked for the same name.
    """
    if prefixed:
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
) -> tuple[dict[str, frozenset[str]], list[Unmatched]]:
    """Original names of the served tools by backend, and the settings that fit no tool."""
    exposed = {(claim.backend, claim.original): claim.exposed for claim in kept}
    served: dict[str, frozenset[str]] = {}
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
        served[listing.backend] = selection.served
        unmatched += (Unmatched(listing.backend, "filter", name) for name in selection.unmatched)
        unmatched += _unmatched_overrides(listing, overrides)
    return served, unmatched


def _unmatched_overrides(listing: Listing, overrides: Mapping[str, ToolOverride]) -> Iterator[Unmatched]:
    """Overrides of tools that the backend does not have, and of arguments that its tools do not have."""
    tools = {tool.name: tool for tool in listing.tools}
    for name, override in sorted(overrides.items()):
        if name not in tools:
            yield Unmatched(listing.backend, "overrides", name)
        elif override.arguments:
            unknown = override.arguments.keys() - property_names(tools[name].raw)
            yield from (Unmatched(listing.backend, "arguments", f"{name}.{argument}") for argument in sorted(unknown))


def _complete_outcomes(outcomes: Mapping[str, Outcome], incomplete: Iterable[Incomplete]) -> Mapping[str, Outcome]:
    """The outcomes, with a backend that is fine but for some kind's list named as incomplete."""
    reasons: dict[str, list[str]] = {}
    for entry in incomplete:
        reasons.setdefault(entry.backend, []).append(f"{WIRE[entry.kind].list_method}: {entry.reason}")
    ok = Outcome()
    added = {
        name: Outcome("incomplete", "; ".join(texts))
        for name, texts in reasons.items()
        if not outcomes.get(name, ok).is_missing
    }
    return MappingProxyType({**outcomes, **added})


def _unknown_workloads(
    entries: _Entries, ordered: Sequence[Listing], outcomes: Mapping[str, Outcome]
) -> tuple[Unmatched, ...]:
    known = {listing.backend for listing in ordered} | outcomes.keys()
    return tuple(Unmatched(name, "workload", name) for name in sorted(entries.keys() - known))


def _build_pages(tools: Iterable[Claim], listed: Iterable[Claim], claims: PageClaims) -> tuple[Capability, ...]:
    """The pages of these tools that nobody lists."""
    known = {claim.exposed for claim in listed}
    pages: dict[str, Capability] = {}
    for tool in tools:
        for uri in pages_of(tool.descriptor.raw):
            exposed = claims.exposed(tool.backend, uri)
            if exposed not in known:
                pages[exposed] = Capability(Kind.RESOURCE, exposed, tool.backend, uri, b"")
    return tuple(pages[exposed] for exposed in sorted(pages))


def _build_capabilities(kept: Iterable[Claim], claims: PageClaims) -> tuple[Capability, ...]:
    return tuple(sorted((_build_capability(each, claims) for each in kept), key=lambda capability: capability.exposed))


def _build_capability(claim: Claim, claims: PageClaims) -> Capability:
    override, raw = claim.override, claim.descriptor.raw
    if claim.descriptor.kind is Kind.TOOL and pages_of(raw):
        raw = rename_pages(raw, lambda uri: claims.exposed(claim.backend, uri))
    name = claim.exposed if claim.exposed != claim.original else None
    arguments = override.arguments if override is not None else {}
    shown = rewrite_descriptor(raw, member=WIRE[claim.descriptor.kind].member, name=name, override=override)
    return Capability(
        claim.descriptor.kind,
        claim.exposed,
        claim.backend,
        claim.original,
        shown,
        build_plan(arguments, property_names(raw)) if arguments else None,
        read_annotations(shown) if claim.descriptor.kind is Kind.TOOL else NO_ANNOTATIONS,
    )
