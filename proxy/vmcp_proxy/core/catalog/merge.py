"""Many listings and the aggregation settings become one catalog; a pure function of both."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from vmcp_api.spec.aggregation import Aggregation
from vmcp_proxy.core.catalog.arguments import build_plan
from vmcp_proxy.core.catalog.capabilities import Capability, Incomplete, Listing, Outcome, Unmatched
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.conflict import Claim
from vmcp_proxy.core.catalog.overrides import property_names, rewrite_descriptor
from vmcp_proxy.core.catalog.selection import Selected, select_entries
from vmcp_proxy.core.catalog.ui_pages import PageClaims, pages_of, rename_pages
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, read_annotations
from vmcp_proxy.protocol.kinds import WIRE, Kind
from vmcp_proxy.protocol.modern.param_headers import BadAnnotation, ParamHeaders, read_param_headers


def merge(
    listings: Sequence[Listing],
    aggregation: Aggregation,
    outcomes: Mapping[str, Outcome],
    claims: PageClaims | None = None,
) -> Catalog:
    """The catalog of these listings, one per backend, in any order: the result does not depend on it.

    `select_entries` says what is served and under which names. `outcomes` says how listing each backend went; the
    catalog's add those whose list of some kind is incomplete. Settings for a backend whose tools may be missing are
    not reported as unmatched. `claims` are those of all backends whose lists are known, also of those that are not
    served for now.
    """
    selected = select_entries(listings, aggregation, claims)
    ordered, claims = selected.listings, selected.claims
    shown = tuple(claim for claim in selected.kept(Kind.TOOL) if selected.is_shown(claim))
    hidden = tuple(claim for claim in selected.kept(Kind.TOOL) if not selected.is_shown(claim))
    resources = selected.kept(Kind.RESOURCE)
    incomplete = tuple(entry for listing in ordered for entry in listing.incomplete)
    unjudged = {name for name, outcome in outcomes.items() if outcome.is_missing}
    unjudged.update(entry.backend for entry in incomplete if entry.kind is Kind.TOOL)
    return Catalog(
        tools=_build_capabilities(shown, claims),
        resources=_build_capabilities(resources, claims),
        templates=_build_capabilities(selected.kept(Kind.TEMPLATE), claims),
        prompts=_build_capabilities(selected.kept(Kind.PROMPT), claims),
        hidden=_build_capabilities(hidden, claims),
        pages=_build_pages(shown, resources, claims),
        claims=claims,
        conflicts=tuple(conflict for kind in Kind for conflict in selected.conflicts[kind]),
        dropped=tuple(entry for listing in ordered for entry in listing.dropped),
        incomplete=incomplete,
        unmatched=tuple(entry for entry in selected.unmatched if entry.workload not in unjudged)
        + _unknown_workloads(selected, aggregation, outcomes),
        outcomes=_complete_outcomes(outcomes, incomplete),
    )


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
    selected: Selected, aggregation: Aggregation, outcomes: Mapping[str, Outcome]
) -> tuple[Unmatched, ...]:
    known = {listing.backend for listing in selected.listings} | outcomes.keys()
    workloads = {entry.workload for entry in aggregation.tools}
    return tuple(Unmatched(name, "workload", name) for name in sorted(workloads - known))


def _build_pages(tools: Iterable[Claim], listed: Iterable[Claim], claims: PageClaims) -> tuple[Capability, ...]:
    """The pages of these tools that nobody lists."""
    known = {claim.exposed for claim in listed}
    pages: dict[str, Capability] = {}
    for tool in tools:
        for uri in pages_of(tool.descriptor.raw):
            exposed = claims.exposed(tool.backend, uri)
            if exposed not in known:
                pages[exposed] = Capability(Kind.RESOURCE, exposed, tool.backend, uri, b"", is_listed=True)
    return tuple(pages[exposed] for exposed in sorted(pages))


def _build_capabilities(kept: Iterable[Claim], claims: PageClaims) -> tuple[Capability, ...]:
    return tuple(sorted((build_capability(each, claims) for each in kept), key=lambda capability: capability.exposed))


def build_capability(claim: Claim, claims: PageClaims) -> Capability:
    """What clients see of an entry that keeps its name, or would see if it did."""
    override, raw = claim.override, claim.descriptor.raw
    if claim.descriptor.kind is Kind.TOOL and pages_of(raw):
        raw = rename_pages(raw, lambda uri: claims.exposed(claim.backend, uri))
    name = claim.exposed if claim.exposed != claim.original else None
    arguments = override.arguments if override is not None else {}
    shown = rewrite_descriptor(raw, member=WIRE[claim.descriptor.kind].member, name=name, override=override)
    is_tool = claim.descriptor.kind is Kind.TOOL
    return Capability(
        claim.descriptor.kind,
        claim.exposed,
        claim.backend,
        claim.original,
        shown,
        build_plan(arguments, property_names(raw)) if arguments else None,
        read_annotations(shown) if is_tool else NO_ANNOTATIONS,
        is_listed=True,
        renamed=(override.name if override is not None else None) or "",
        headers=_headers_of(shown) if is_tool else (),
    )


def _headers_of(tool: bytes) -> ParamHeaders:
    """By what clients see of it; of a tool that says it wrongly they are told nothing of the kind."""
    declared = read_param_headers(tool)
    return () if isinstance(declared, BadAnnotation) else declared
