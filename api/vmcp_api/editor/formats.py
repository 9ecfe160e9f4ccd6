"""The text of a server file as data: JSON as most editors keep it, TOML as Codex does, YAML as Continue does."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.text.json_text import JsonText, read_json
from vmcp_api.text.yaml_text import parse_yaml

_TOML: Final = re.compile(r"^\[[A-Za-z0-9_.\"'-]+\]", re.MULTILINE)
_YAML: Final = re.compile(r"^(?:mcpServers|servers):", re.MULTILINE)
_LINE: Final = re.compile(r"at line ([0-9]+)")


def read_data(text: str) -> JsonText | Problems:
    """The data of a text in the form that it is written in; what is none of them is judged as JSON."""
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "/"}:
        return read_json(text)
    if _YAML.search(text):
        return _read_yaml(text)
    return _read_toml(text) if _TOML.search(text) else read_json(text)


def _read_toml(text: str) -> JsonText | Problems:
    try:
        return JsonText(tomllib.loads(text.removeprefix("\ufeff")), {})
    except tomllib.TOMLDecodeError as error:
        # Its text may hold what stands there.
        found = _LINE.search(str(error))
        line = int(found[1]) if found else None
        return Problems.of(Problem("is no TOML", "check quotes, brackets and keys that stand twice", line=line))
    except RecursionError:
        return Problems.of(Problem("is nested too deeply", "write it flatter"))


def _read_yaml(text: str) -> JsonText | Problems:
    documents, problems = parse_yaml(text)
    if problems.errors:
        return problems
    return JsonText(documents[0].data, documents[0].lines)


def name_entries(read: JsonText, root: Loc, entries: list[Json]) -> tuple[Mapping[str, Json], JsonText]:
    """A list of servers by their ``name``, and the text with the lines of its places by name."""
    named: dict[str, Json] = {}
    labels: dict[int, str] = {}
    for index, entry in enumerate(entries):
        label = entry.get("name") if isinstance(entry, dict) else None
        label = label if isinstance(label, str) and label not in named else f"server-{index}"
        named[label], labels[index] = entry, label
    depth = len(root)
    lines = dict(read.lines)
    for loc, line in read.lines.items():
        if len(loc) > depth and loc[:depth] == root and isinstance(step := loc[depth], int):
            lines[*root, labels[step], *loc[depth + 1 :]] = line
    return named, JsonText(read.data, lines)
