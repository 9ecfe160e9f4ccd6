"""The text of an editor's server file, as far as its servers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vmcp_api.base import Json
from vmcp_api.editor.formats import name_entries, read_data
from vmcp_api.editor.keys import COMMANDS, ROOT_FILTERS, URLS, is_comment
from vmcp_api.manifests.problems import Loc, Problem, Problems, Severity, shorten
from vmcp_api.text.json_text import JsonText, read_json
from vmcp_api.text.suggest import fold, suggest

ROOTS: Final[tuple[tuple[str, ...], ...]] = (
    ("mcpServers",),
    ("servers",),
    ("context_servers",),
    ("mcp_servers",),
    ("mcp", "servers"),
    ("amp.mcpServers",),
    ("mcp",),
    (),
)
"""Where editors keep their servers: Claude, Cursor and most others; VS Code; Zed; Codex; VS Code's settings; Amp;
OpenCode; and the file as a whole, as plugins of Claude Code write it."""

MAX_SERVERS: Final = 256
_LISTED: Final = 8
_PROJECTS: Final = "projects"
_MANIFEST: Final = re.compile(r"^apiVersion:", re.MULTILINE)
_REMEDY: Final = 'write "name": {"command": …} or "name": {"url": …}'


@dataclass(frozen=True, slots=True)
class ServerFile:
    """The servers of a file by label, under the place ``root``; ``warnings`` are about the rest of it."""

    root: tuple[str, ...]
    entries: Mapping[str, Json] = field(repr=False)
    warnings: Problems
    text: JsonText


def is_server_file(text: str) -> bool:
    """Whether a text is an editor's server file and no manifest in JSON."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in {"{", "/"}:
        return False
    read = read_json(text)
    data = read.data if isinstance(read, JsonText) else None
    if not isinstance(data, dict) or "apiVersion" in data:
        return False
    root = _find_root(data)
    return root is not None and isinstance(_at(data, root), dict | list)


def read_servers(text: str) -> ServerFile | Problems:
    """The servers of a text, not read beyond their labels."""
    read = _manifest() if _MANIFEST.search(text) else read_data(text)
    if isinstance(read, Problems):
        return read
    known = read.data if isinstance(read.data, dict) else {}
    root = _find_root(known)
    if root is None or "apiVersion" in known:
        return _manifest() if "apiVersion" in known else read.place(_no_servers(known))
    entries = _at(known, root)
    if isinstance(entries, list):
        entries, read = name_entries(read, root, entries)
    if not isinstance(entries, Mapping):
        return read.place(Problems.of(Problem("must be a mapping of servers", _REMEDY, root)))
    if len(entries) > MAX_SERVERS:
        return read.place(Problems.of(Problem(f"names more than {MAX_SERVERS} servers", "split the file", root)))
    servers = {label: entry for label, entry in entries.items() if isinstance(entry, dict) or not is_comment(label)}
    return ServerFile(root, servers, Problems(tuple(_beside(known, root))) + read.repeated, read)


def refuse_entry(loc: Loc) -> Problem:
    """What is wrong with a server that is no mapping."""
    return Problem("must be a mapping", _REMEDY, loc)


def _find_root(known: Mapping[str, Json]) -> tuple[str, ...] | None:
    for root in ROOTS:
        entries = _at(known, root)
        if len(root) == 1 and root != ("mcp",):
            if root[0] in known:
                return root
        elif isinstance(entries, dict) and entries and (root == ("mcp", "servers") or all(_serves(entries))):
            return root
    return None


def _serves(entries: Mapping[str, Json]) -> Iterator[bool]:
    """Of each entry whether it is one of a server: where the key alone does not say what stands under it."""
    for label, entry in entries.items():
        if isinstance(entry, dict) or not is_comment(label):
            yield isinstance(entry, dict) and any(key in entry for key in (*COMMANDS, *URLS))


def _at(known: Mapping[str, Json], root: tuple[str, ...]) -> Any:
    found: Any = known
    for step in root:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _beside(known: Mapping[str, Json], root: tuple[str, ...]) -> Iterator[Problem]:
    """Warnings about what else a file holds: each filter of servers, and one about all the rest."""
    others = [key for key in known if root and key != root[0] and not is_comment(key)]
    for key in others:
        if key in ROOT_FILTERS:
            remedy = "write disabled: true into the entry of a server that is not to be served"
            yield Problem("does not filter here: every server is served", remedy, (key,), severity=Severity.WARNING)
    scoped = _of_projects(known)
    if scoped:
        message = f"holds servers of single projects, which are not served: {_name(scoped)}"
        remedy = f"copy those you want to be served under {root[0] if root else ROOTS[0][0]}"
        yield Problem(message, remedy, (_PROJECTS,), severity=Severity.WARNING)
    rest = [shorten(key) for key in others if key not in ROOT_FILTERS and not (scoped and key == _PROJECTS)]
    if rest:
        message = f"other settings of this file are not read here: {_name(rest)}"
        yield Problem(message, "nothing to do; only editors use them", severity=Severity.WARNING)


def _of_projects(known: Mapping[str, Json]) -> list[str]:
    """The labels of servers that Claude Code keeps for one project each, where `claude mcp add` puts them."""
    projects = _at(known, (_PROJECTS,))
    found = [_at(each, ("mcpServers",)) for each in projects.values()] if isinstance(projects, dict) else []
    return [shorten(label) for servers in found if isinstance(servers, dict) for label in servers]


def _name(words: list[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return f"{', '.join(words[:_LISTED])}{more}"


def _no_servers(known: Mapping[str, Json]) -> Problems:
    names = [root[0] for root in ROOTS if root]
    found = next((key for key in known if fold(key) in map(fold, names)), None)
    remedy = suggest(found, names, noun="keys") if found else "write the servers under mcpServers"
    return Problems.of(Problem("names no servers", remedy, (found,) if found else ()))


def _manifest() -> Problems:
    remedy = "leave --mcp-config out: `vmcp serve -f FILE`, `vmcp validate FILE`"
    return Problems.of(Problem("is a manifest and no editor's server file", remedy))
