"""The text of an editor's server file, as far as its servers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vmcp_api.base import Json
from vmcp_api.jsontext import JsonText, read_json
from vmcp_api.problems import Problem, Problems, Severity
from vmcp_api.suggest import fold, suggest

ROOTS: Final = ("mcpServers", "servers")
"""Keys under which editors keep their servers."""

MAX_SERVERS: Final = 256
_MANIFEST: Final = re.compile(r"^apiVersion:", re.MULTILINE)
_REMEDY: Final = 'write "name": {"command": …} or "name": {"url": …}'


@dataclass(frozen=True, slots=True)
class ServerFile:
    """The servers of a file by label, under the key ``root``; ``warnings`` are about the rest of it."""

    root: str
    entries: Mapping[str, Json] = field(repr=False)
    warnings: Problems
    text: JsonText


def is_server_file(text: str) -> bool:
    """Whether a text is an editor's server file and no manifest in JSON."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in {"{", "/"}:
        return False
    read = read_json(text)
    data = read.data if isinstance(read, JsonText) else None
    return isinstance(data, dict) and "apiVersion" not in data and any(isinstance(data.get(key), dict) for key in ROOTS)


def read_servers(text: str) -> ServerFile | Problems:
    """The servers of a text, not read beyond their labels."""
    read = read_json(text)
    if isinstance(read, Problems):
        return _manifest() if _MANIFEST.search(text) else read
    known = read.data if isinstance(read.data, dict) else {}
    root = next((key for key in ROOTS if key in known), None)
    if root is None:
        return _manifest() if "apiVersion" in known else read.place(_no_servers(known))
    entries = known[root]
    if not isinstance(entries, dict):
        return read.place(Problems.of(Problem("must be a mapping of servers", _REMEDY, (root,))))
    if len(entries) > MAX_SERVERS:
        return read.place(Problems.of(Problem(f"names more than {MAX_SERVERS} servers", "split the file", (root,))))
    other = tuple(
        Problem("is not read here", "nothing to do; only editors use it", (key,), severity=Severity.WARNING)
        for key in known
        if key != root
    )
    return ServerFile(root, entries, Problems(other), read)


def refuse_entry(root: str, label: str) -> Problem:
    """What is wrong with a server that is no mapping."""
    return Problem("must be a mapping", _REMEDY, (root, label))


def _no_servers(known: Mapping[str, Json]) -> Problems:
    found = next((key for key in known if fold(key) == fold(ROOTS[0])), None)
    remedy = suggest(found, ROOTS, noun="keys") if found else "write the servers under mcpServers"
    return Problems.of(Problem("names no servers", remedy, (found,) if found else ()))


def _manifest() -> Problems:
    remedy = "leave --mcp-config out: `vmcp serve -f FILE`, `vmcp validate FILE`"
    return Problems.of(Problem("is a manifest and no editor's server file", remedy))
