"""What tool search makes of an explanation: lists hold two tools, and the others are found (ADR-0065)."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.optimizer import SEARCH_TOOLS
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.explanation import Conclusion, Explanation
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.protocol.kinds import Kind

_OURS: Final = "a tool of tool search: whoever lists it may call it, and it finds or calls what its caller may"
_FOUND: Final = (
    "tool search: lists do not show it; find_tool finds it, and it is called by call_tool or by its own name"
)


class Searches(Protocol):
    """Tool search as it is configured now."""

    def whole(self, catalog: Catalog) -> Catalog:
        """A catalog of backends' tools with the other tools that are searched with them."""

    def listed(self, catalog: Catalog) -> Catalog | None:
        """The list that is served in place of a catalog; None where that is served as it is."""


def with_search(
    explained: Explanation, searches: Searches, catalog: Catalog, admitter: Admitter, identity: Identity
) -> Explanation:
    """The same of a tool as lists show it to this caller, who sees the catalog but for what policies hide."""
    whole = searches.whole(catalog)
    listed = None if explained.kind is not Kind.TOOL else searches.listed(_shown(whole, admitter, identity))
    if listed is None:
        return explained
    if explained.name in SEARCH_TOOLS and whole.find(Kind.TOOL, explained.name) is None:
        return msgspec.structs.replace(explained, conclusion=Conclusion.ALLOWED, listed=True, notes=(_OURS,))
    if not explained.listed or _is_listed(listed, explained.name):
        return explained
    chains = tuple(
        msgspec.structs.replace(each, listed=each.listed and _is_listed(listed, each.exposed))
        for each in explained.chains
    )
    return msgspec.structs.replace(explained, listed=False, chains=chains, notes=(*explained.notes, _FOUND))


def _is_listed(listed: Catalog, name: str) -> bool:
    return name not in SEARCH_TOOLS and listed.find(Kind.TOOL, name) is not None


def _shown(catalog: Catalog, admitter: Admitter, identity: Identity) -> Catalog:
    if admitter.mode is not PolicyMode.ENFORCE:
        return catalog
    tools = catalog.tools
    shown: Sequence[bool] = admitter.shows(identity, tools)
    names = {tool.exposed for tool, is_shown in zip(tools, shown, strict=True) if is_shown}
    return catalog.reduced(lambda each: each.kind is not Kind.TOOL or each.exposed in names)
