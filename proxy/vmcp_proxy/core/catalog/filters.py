"""Which tools of one backend clients get to see."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from vmcp_api.spec.aggregation import Aggregation, Visibility, WorkloadTools


class ToolNames(msgspec.Struct, frozen=True, gc=False):
    """The names of one tool: the backend's, the overridden one, and the exposed one (None where withheld)."""

    original: str
    overridden: str
    exposed: str | None


class FilterSetting(StrEnum):
    """The member of `spec.config.aggregation` that decides which tools of a backend are served."""

    DEFAULT = "defaultToolVisibility"
    EXCLUDE_ALL_TOOLS = "excludeAllTools"
    ENTRY = "tools"
    """The backend's entry, which leaves nothing out; the next two are members of it."""
    EXCLUDE_ALL = "excludeAll"
    FILTER = "filter"


class Selection(msgspec.Struct, frozen=True, gc=False):
    """Original names of the tools that are served, by which setting, and the filter entries that fit no tool."""

    served: frozenset[str]
    setting: FilterSetting
    unmatched: tuple[str, ...] = ()


def select_tools(aggregation: Aggregation, entry: WorkloadTools | None, tools: Sequence[ToolNames]) -> Selection:
    """The tools of one backend that pass its entry in the settings (None where it has none).

    A filter entry means the tool of this original name; only where the backend has none, the one that is
    overridden to it; and only where there is none either, the one that is exposed under it.
    """
    everything = frozenset(tool.original for tool in tools)
    matched, unmatched = _match(entry.filter if entry is not None else (), everything, tools)
    if aggregation.exclude_all_tools:
        return Selection(frozenset(), FilterSetting.EXCLUDE_ALL_TOOLS, unmatched)
    if entry is None:
        denied = aggregation.default_tool_visibility is Visibility.DENY
        return Selection(frozenset() if denied else everything, FilterSetting.DEFAULT)
    if entry.exclude_all:
        return Selection(frozenset(), FilterSetting.EXCLUDE_ALL, unmatched)
    if not entry.filter:
        return Selection(everything, FilterSetting.ENTRY)
    return Selection(matched, FilterSetting.FILTER, unmatched)


def _match(
    entries: Sequence[str], originals: frozenset[str], tools: Sequence[ToolNames]
) -> tuple[frozenset[str], tuple[str, ...]]:
    overridden: dict[str, list[str]] = {}
    exposed: dict[str, list[str]] = {}
    for tool in tools:
        overridden.setdefault(tool.overridden, []).append(tool.original)
        if tool.exposed is not None:
            exposed.setdefault(tool.exposed, []).append(tool.original)
    matched: set[str] = set()
    unmatched: list[str] = []
    for entry in dict.fromkeys(entries):
        hits = [entry] if entry in originals else overridden.get(entry) or exposed.get(entry)
        if hits:
            matched.update(hits)
        else:
            unmatched.append(entry)
    return frozenset(matched), tuple(unmatched)
