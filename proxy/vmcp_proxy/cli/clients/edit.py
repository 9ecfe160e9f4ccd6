"""One more entry in a client's file, with every other byte as it was; pure."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Problems
from vmcp_api.text.json_text import read_json

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*.*?\*/|[{}\[\],:]|[^\s{}\[\],:"/]+', re.DOTALL)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class CannotEditError(Exception):
    """A file that the entry cannot be put into; the message says why."""


@dataclass(slots=True)
class _Object:
    """An object in the text: where its last member (or its brace) ends, and where it closes."""

    last: int
    close: int = -1
    is_empty: bool = True
    ends_in_comma: bool = False


def add_json(text: str, root: str, name: str, entry: Mapping[str, Json]) -> str:
    """The text with an entry under a root key; comments and everything else stay. The same entry changes nothing.

    Raises:
        CannotEditError: it is no JSON object, or has another entry of this name.
    """
    if not text.strip("\ufeff \t\r\n"):
        return json.dumps({root: {name: entry}}, indent=2, ensure_ascii=False) + "\n"
    data = _read(text)
    servers = data.get(root)
    if servers is not None and not isinstance(servers, dict):
        raise CannotEditError(f"{root} is no object")
    if servers is not None and name in servers:
        if servers[name] == entry:
            return text
        raise CannotEditError(f"there is another entry {name!r} already; remove it, or choose another name by --name")
    top, inner = _find(text, root)
    if inner is not None:
        changed = _insert(text, inner, name, entry, depth=2)
    else:
        changed = _insert(text, top, root, {name: dict(entry)}, depth=1)
    if _read(changed) != {**data, root: {**(servers or {}), name: entry}}:
        raise CannotEditError("its form is not understood")
    return changed


def add_toml(text: str, root: str, name: str, entry: Mapping[str, Json]) -> str:
    """The same for TOML: a table at the end.

    Raises:
        CannotEditError: as above.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotEditError(f"it is no TOML: {error}") from None
    servers = data.get(root, {})
    if isinstance(servers, dict) and name in servers:
        if servers[name] == entry:
            return text
        raise CannotEditError(f"there is another entry {name!r} already; remove it, or choose another name by --name")
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    changed = text + gap + toml_entry(root, name, entry)
    try:
        if tomllib.loads(changed) == {**data, root: {**servers, name: entry}}:
            return changed
    except (tomllib.TOMLDecodeError, TypeError):
        pass
    raise CannotEditError(f"{root} has a form that cannot be added to")


def toml_entry(root: str, name: str, entry: Mapping[str, Json]) -> str:
    """An entry as a table; JSON's texts and lists are TOML's, but for characters that TOML wants escaped."""
    key = name if _BARE.fullmatch(name) else json.dumps(name)
    lines = [f"{each} = {json.dumps(value)}".replace("\x7f", "\\u007f") for each, value in entry.items()]
    return "\n".join((f"[{root}.{key}]", *lines, ""))


def _read(text: str) -> dict[str, Json]:
    read = read_json(text)
    if isinstance(read, Problems):
        raise CannotEditError("; ".join(str(problem) for problem in read))
    if not isinstance(read.data, dict):
        raise CannotEditError("it holds no object")
    return read.data


def _find(text: str, root: str) -> tuple[_Object, _Object | None]:
    """The object of the whole text, and the one under the root key."""
    top: _Object | None = None
    inner: _Object | None = None
    depth, key, previous = 0, "", ""
    for token in _TOKEN.finditer(text):
        said = token[0]
        if said.startswith(("//", "/*")):
            continue
        open_objects = [each for each in (top, inner) if each is not None and each.close < 0]
        if said == "}" and open_objects and depth == (2 if open_objects[-1] is inner else 1):
            open_objects[-1].close = token.start()
            open_objects.pop()
        for each in open_objects:
            each.last, each.is_empty, each.ends_in_comma = token.end(), False, said == ","
        if said == "{" and depth == 0:
            top = _Object(token.end())
        elif said == "{" and depth == 1 and key == root and previous == ":":
            inner = _Object(token.end())
        depth += (said in "{[") - (said in "}]")
        if depth == 1 and said.startswith('"') and previous in {"{", ","}:
            key = json.loads(said)
        previous = said
    if top is None:
        raise CannotEditError("it holds no object")
    return top, inner


def _insert(text: str, place: _Object, name: str, value: Mapping[str, Json], *, depth: int) -> str:
    indent = re.search(r"\n([ \t]+)\S", text)
    unit = "\t" if indent and indent[1].startswith("\t") else indent[1] if indent else "  "
    newline = "\r\n" if "\r\n" in text else "\n"
    body = json.dumps(value, indent=unit, ensure_ascii=False)
    lines = f"{json.dumps(name, ensure_ascii=False)}: {body}".split("\n")
    member = "".join(f"{newline}{unit * depth}{line}" for line in lines)
    comma = "" if place.is_empty or place.ends_in_comma else ","
    rest = text[place.last : place.close]
    end = "" if "\n" in rest else f"{newline}{unit * (depth - 1)}"
    return f"{text[: place.last]}{comma}{member}{rest}{end}{text[place.close :]}"
