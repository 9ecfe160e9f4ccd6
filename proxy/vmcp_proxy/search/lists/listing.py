"""Which list is served in place of a caller's tools, and which of them a search finds; pure."""

from dataclasses import dataclass, replace

from vmcp_api.spec.optimizer import Optimizer
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.search.lists.own_tools import CALL_CAPABILITY, OWN_NAMES, find_tool
from vmcp_proxy.search.lists.visibility import is_for_models

_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Served:
    """What becomes of one catalog: `listed` is the list in its place, None where that is served as it is.

    `found` are the tools that a search finds, in the catalog's order, `backends` whose they are, sorted. `tokens` of
    all tools and `listed_tokens` of those that are listed are estimates, one for every 4 bytes. It does not hold the
    catalog, with which it is kept.
    """

    listed: Catalog | None
    found: tuple[Capability, ...]
    backends: tuple[str, ...]
    tokens: int
    listed_tokens: int


def serve(catalog: Catalog, settings: Optimizer) -> Served:
    """The list for whoever sees this catalog, or that it is short enough as it is.

    Tools that are for pages alone stay listed, for hosts find them there (MCP Apps), and are never found. A tool with
    a name of ours is not listed, and found like any other.
    """
    found = tuple(tool for tool in catalog.tools if is_for_models(tool.raw))
    backends = tuple(sorted({tool.backend for tool in found if tool.backend}))
    tokens = tokens_of(catalog.tools)
    if len(found) < settings.threshold:
        return Served(None, found, backends, tokens, tokens)
    stays = {tool.exposed for tool in catalog.tools}.difference(tool.exposed for tool in found)
    stays = stays.union(settings.always_visible).difference(OWN_NAMES)
    ours = (find_tool(backends, settings.max_tools_to_return, settings.description), CALL_CAPABILITY)
    kept = (*ours, *(tool for tool in catalog.tools if tool.exposed in stays))
    tools = tuple(sorted(kept, key=lambda tool: tool.exposed))
    return Served(
        replace(catalog, tools=tools, searched=frozenset(backends)), found, backends, tokens, tokens_of(tools)
    )


def tokens_of(tools: tuple[Capability, ...]) -> int:
    """An estimate of the tokens that a model reads of these tools."""
    return -(-sum(len(tool.raw) for tool in tools) // _BYTES_PER_TOKEN)
