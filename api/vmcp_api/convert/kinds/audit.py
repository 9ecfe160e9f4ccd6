"""The audit of a VirtualMCPServer: the same settings, and event types of which some are called otherwise."""

from types import MappingProxyType
from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.manifests.problems import Loc
from vmcp_api.spec.audit import EVENT_TYPES

_AUDIT: Final[Loc] = ("spec", "config", "audit")
_SAME: Final = MappingProxyType({"sse_connection": "mcp_stream", "mcp_request": "mcp_other"})
_WIDER: Final = MappingProxyType(
    {
        **dict.fromkeys(("mcp_tools_list", "mcp_resources_list", "mcp_prompts_list"), "mcp_list"),
        "mcp_roots_list_changed": "mcp_notification",
    }
)
"""Types that are a part of one here: to write more of them is no loss, to leave out more of them would be."""


def convert_audit(draft: Draft) -> None:
    """What a VirtualMCPServer says of its audit."""
    draft.drop((*_AUDIT, "component"), "is the name of the VirtualMCPServer")
    if draft.get(*_AUDIT, "detectApplicationErrors") is True:
        draft.drop((*_AUDIT, "detectApplicationErrors"), "is so always")
    if draft.has((*_AUDIT, "logFile")):
        draft.move((*_AUDIT, "logFile"), (*_AUDIT, "path"), "is the path of the sink file")
        draft.add((*_AUDIT, "sink"), "file", "is where logFile leads")
    if draft.get(*_AUDIT, "enabled") is True:
        draft.add((*_AUDIT, "maxDataSize"), 1024, "is what ToolHive takes where nothing is said")
    _convert_types(draft, (*_AUDIT, "eventTypes"), leaves_out=False)
    _convert_types(draft, (*_AUDIT, "excludeEventTypes"), leaves_out=True)


def _convert_types(draft: Draft, holder: Loc, *, leaves_out: bool) -> None:
    names = draft.get(*holder)
    if not isinstance(names, list):
        return
    known = dict(_SAME) if leaves_out else {**_SAME, **_WIDER}
    # From the end, so that the positions of the others stay.
    for index, name in reversed(list(enumerate(names))):
        place: Loc = (*holder, index)
        if not isinstance(name, str) or name in EVENT_TYPES:
            continue
        if name in known:
            draft.put(place, place, known[name], "is a type of another name")
        elif name in _WIDER:
            why = f"is a part of {_WIDER[name]} here, of which nothing else may go"
            draft.lose(place, why, f"write {_WIDER[name]} if all of it may be left out")
        else:
            draft.lose(place, "no event is of this type here", "docs/how-to/audit.md has the types")
