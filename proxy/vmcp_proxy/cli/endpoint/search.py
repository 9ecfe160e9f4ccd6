"""Finds tools of an endpoint for a person: by its `find_tool` where it has one, and by ranking its list where not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vmcp_api.base import Json
from vmcp_api.spec.optimizer import CALL_TOOL, FIND_TOOL
from vmcp_proxy.cli.endpoint.conversation import Conversation, Listing, Object
from vmcp_proxy.cli.endpoint.unknown import names_of
from vmcp_proxy.cli.exits import CommandError, Exit

MOST: Final = 8
"""Tools that are found where the endpoint does not say how many it has."""

_QUERIES: Final = ("query", "tool_description")
"""What the query is called: here, and in ToolHive."""


@dataclass(frozen=True, slots=True)
class Found:
    """A tool as it is described, without the search's own members."""

    tool: dict[str, Json]
    backend: str = ""
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, best first, and how."""

    found: tuple[Found, ...]
    how: str


def finds_tools(tools: Listing) -> Object | None:
    """The `find_tool` of a list under tool search; None where the list is all there is."""
    known = names_of(tools, "name")
    return known.get(FIND_TOOL) if CALL_TOOL in known else None


async def search(conversation: Conversation, tools: Listing, query: str) -> Answer:
    """The tools of an endpoint, which lists these, that a query is about.

    Raises:
        CommandError: the endpoint's answer is an error, or none that can be read.
    """
    finder = finds_tools(tools)
    if finder is not None:
        return Answer(await _ask(conversation, finder, query), f"found by {FIND_TOOL} of the endpoint")
    return _rank(tools, query)


async def tools_for(conversation: Conversation, tools: Listing, name: str) -> dict[str, dict[str, Json]]:
    """Listed tools by their names, and where this name is not among them and tools are searched for, what it finds.

    Raises:
        CommandError: as for `search`.
    """
    known = names_of(tools, "name")
    finder = finds_tools(tools)
    if name in known or finder is None:
        return known
    found = await _ask(conversation, finder, name)
    return known | {called: each.tool for each in found if isinstance(called := each.tool.get("name"), str)}


async def _ask(conversation: Conversation, finder: Object, query: str) -> tuple[Found, ...]:
    schema = finder.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    named = properties if isinstance(properties, Mapping) else {}
    argument = next((each for each in _QUERIES if each in named), _QUERIES[0])
    arguments: Object = {argument: query}
    result = await conversation.ask("tools/call", {"name": FIND_TOOL, "arguments": dict(arguments)})
    said = result.get("structuredContent") or _text_of(result)
    entries = said.get("tools") if isinstance(said, Mapping) else None
    if result.get("isError") is True or not isinstance(entries, Sequence):
        text = _words_of(result) or "nothing that can be read"
        raise CommandError(Exit.FAILED, f"{FIND_TOOL} answers: {text}", "search in other words")
    return tuple(map(_read, (each for each in entries if isinstance(each, dict))))


def _read(entry: dict[str, Any]) -> Found:
    tool = {key: value for key, value in entry.items() if key not in ("backend", "rank", "score", "weak")}
    backend = entry.get("backend")
    return Found(tool, backend if isinstance(backend, str) else "", entry.get("weak") is True)


def _words_of(result: Object) -> str:
    content = result.get("content")
    blocks = (each for each in content if isinstance(each, Mapping)) if isinstance(content, Sequence) else ()
    return "\n".join(text for each in blocks if isinstance(text := each.get("text"), str))


def _text_of(result: Object) -> Json:
    """What a result holds that has its JSON as text alone."""
    try:
        value: Json = json.loads(_words_of(result))
    except (ValueError, RecursionError):
        return None
    return value


def _rank(tools: Listing, query: str) -> Answer:
    # What ranks is half a second for whoever only lists tools.
    from vmcp_proxy.search.ranking.analysis import Analyzer  # noqa: PLC0415
    from vmcp_proxy.search.ranking.index import Index  # noqa: PLC0415
    from vmcp_proxy.search.ranking.static_files import Unavailable, load_static_table  # noqa: PLC0415
    from vmcp_proxy.search.ranking.tool_text import read_tool_text  # noqa: PLC0415

    table = load_static_table()
    analyzer = Analyzer(None if isinstance(table, Unavailable) else table)
    known = list(names_of(tools, "name").values())
    index = Index.build([analyzer.analyze(read_tool_text(json.dumps(each).encode(), "")) for each in known])
    hits = index.search(analyzer.query(query), MOST)
    by = f"words alone, as {table.reason}" if isinstance(table, Unavailable) else "words and vectors"
    how = f"the endpoint lists all its tools; ranked here by {by}"
    return Answer(tuple(Found(known[hit.position], is_weak=hit.is_weak) for hit in hits), how)
