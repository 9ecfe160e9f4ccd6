"""The two tools that clients list in place of all the others, as `tools/list` has them; pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vmcp_api.spec.optimizer import CALL_TOOL, FIND_TOOL, SEARCH_TOOLS
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.protocol.kinds import Kind

OWN_NAMES: Final = frozenset(SEARCH_TOOLS)

_LONGEST_NAMES: Final = 1000
"""Characters of the backends' names in the description, which every request of a model has in it."""

_DESCRIPTION: Final = (
    "Finds tools by what they are for. This server has more tools than it lists{of}: search here before you conclude "
    "that something cannot be done, and again in other words where nothing fits. The answer has the best tools with "
    "their schemas; call them with call_tool."
)
_CALL_DESCRIPTION: Final = (
    "Calls a tool that find_tool has found, by its name and with arguments that fit its inputSchema. "
    "The answer is the tool's own."
)


def find_tool(backends: Iterable[str], most: int, description: str | None) -> Capability:
    """`find_tool` for whoever may find tools of these backends, `most` of them in one answer.

    A description that is set takes the place of the one that names the backends.
    """
    text = _DESCRIPTION.format(of=_of(sorted(backends))) if description is None else description
    properties = {
        "query": {"type": "string", "description": "What you want to do, in a few words or a sentence."},
        "keywords": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Words that names or descriptions of the tools should have.",
        },
        "backend": {"type": "string", "description": "Search the tools of this backend alone."},
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": most,
            "description": f"Most tools in the answer, {most} where you leave it out.",
        },
    }
    return _own(
        FIND_TOOL,
        text,
        {"type": "object", "properties": properties, "required": ["query"]},
        {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
        _OUTPUT,
    )


def _of(names: list[str]) -> str:
    """The names in brackets, as many as there is room for."""
    named: list[str] = []
    for name in names:
        if sum(map(len, named)) + len(name) > _LONGEST_NAMES:
            break
        named.append(name)
    left = len(names) - len(named)
    if not named:
        return ""
    return f" (backends: {', '.join(named)}{f' and {left} more' if left else ''})"


def _own(
    name: str, description: str, schema: dict[str, Any], hints: dict[str, bool], output: dict[str, Any] | None = None
) -> Capability:
    described: dict[str, Any] = {"name": name, "description": description, "inputSchema": schema}
    if output is not None:
        described["outputSchema"] = output
    described["annotations"] = hints
    return Capability(Kind.TOOL, name, "", name, msgspec.json.encode(described), is_listed=True)


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_RANKED: Final = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "backend": _TEXT,
        "rank": _WHOLE,
        "score": {"type": "number"},
        "weak": {"type": "boolean"},
        "description": _TEXT,
        "inputSchema": {"type": "object"},
    },
    "required": ["name", "rank", "score"],
}
_OUTPUT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "tools": {"type": "array", "items": _RANKED},
        "more": {"type": "array", "items": {"type": "object"}},
        "backends": {"type": "array", "items": _TEXT},
        "searched": _WHOLE,
        "tokens_saved": _WHOLE,
        "note": _TEXT,
    },
    "required": ["tools", "backends", "searched", "tokens_saved"],
}
"""What an answer holds: the tools found with their descriptors, and `more` that have no room for theirs.

`weak` are those that have little in common with the query; `backend` is absent for composite tools. `tokens_saved` is
an estimate: those of all tools, less those that are listed and those of this answer.
"""

CALL_CAPABILITY: Final = _own(
    CALL_TOOL,
    _CALL_DESCRIPTION,
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The tool's name as find_tool gives it."},
            "arguments": {"type": "object", "description": "The tool's arguments, by its inputSchema."},
        },
        "required": ["name"],
    },
    {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True},
)
