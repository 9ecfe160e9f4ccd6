"""YAML text as plain data with line numbers, as Kubernetes reads it.

No tags, no dates, no sexagesimal numbers; keys are text and may not repeat; anchors and merge keys work
within a bound on what they expand to.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf
from typing import Final

import yaml

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, Problem, Problems, format_path
from vmcp_api.text.texts import has_half_character

_TAG: Final = "tag:yaml.org,2002:"
_TYPE: Final = ("apiVersion", "kind")
"""What every object of Kubernetes says once."""
_MAX_DEPTH: Final = 60
_MAX_NODES: Final = 200_000
_OCTAL: Final = re.compile(r"([-+]?)0o?([0-7]+)")


class _Loader(yaml.SafeLoader):
    """Composes nodes with the few implicit types that JSON has."""

    yaml_implicit_resolvers: Final[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]


_Loader.add_implicit_resolver(
    f"{_TAG}bool",
    re.compile(r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"),
    list("yYnNtTfFoO"),
)
_Loader.add_implicit_resolver(
    f"{_TAG}int", re.compile(r"[-+]?(?:[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?$"),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<$"), ["<"])


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document: its data, where it begins, and the line of every place in it."""

    data: Json = field(repr=False)
    line: int
    lines: Mapping[Loc, int] = field(repr=False)


def parse_yaml(text: str) -> tuple[tuple[YamlDocument, ...], Problems]:
    """All documents of a text up to the first that is no YAML, and what is wrong; lines count from 1."""
    documents: list[YamlDocument] = []
    problems = Problems()
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            for index, part in enumerate(_split(node)):
                builder = _Builder()
                data = builder.build(part, ())
                line = part.start_mark.line + 1
                if index:
                    message, remedy = "another object begins here", "put a line `---` before it"
                    problems += Problems.of(Problem(message, remedy, line=line))
                problems += Problems(tuple(builder.problems))
                documents.append(YamlDocument(data, line, builder.lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or "is not readable"
        problems += _unreadable(said, mark.line + 1 if mark else None)
    except yaml.reader.ReaderError as error:
        problems += _unreadable(error.reason, text.count("\n", 0, error.position) + 1)
    except RecursionError:
        # The parser gave up before there was a node that knows its line.
        problems += _too_large(None)
    except _TooLargeError as error:
        problems += _too_large(error.line)
    return tuple(documents), problems


def _split(node: yaml.Node) -> Iterator[yaml.Node]:
    """The objects that a document holds: several where the lines between them are missing."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    count = Counter(key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode))
    if not all(count[key] > 1 for key in _TYPE):
        yield node
        return
    begins = 0
    keys: set[str] = set()
    for index, (key, _) in enumerate(pairs):
        if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
            continue
        if key.value in keys:
            yield _part_of(node, pairs[begins:index])
            begins, keys = index, set()
        keys.add(key.value)
    yield _part_of(node, pairs[begins:])


def _part_of(node: yaml.Node, pairs: list[tuple[yaml.Node, yaml.Node]]) -> yaml.Node:
    return yaml.MappingNode(node.tag, pairs, pairs[0][0].start_mark, pairs[-1][1].end_mark)


def _unreadable(said: str, line: int | None) -> Problems:
    return Problems.of(Problem(f"is no YAML: {said}", "check indentation, quotes and tabs", line=line))


def _too_large(line: int | None) -> Problems:
    return Problems.of(Problem("the YAML is nested or repeated too much", "write it flatter", line=line))


class _TooLargeError(Exception):
    """Anchors expand to more than a document may hold; `line` is where that showed."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(f"too large at line {line}")


class _Builder:
    """Plain data of one document from its nodes, with the line of every place."""

    def __init__(self) -> None:
        self.lines: dict[Loc, int] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def build(self, node: yaml.Node, loc: Loc) -> Json:
        """The data of a node at a place.

        Raises:
            _TooLargeError: the document is too deep, endless or too large.
        """
        self._nodes += 1
        if len(loc) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _TooLargeError(node.start_mark.line + 1)
        self.lines.setdefault(loc, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(entry, (*loc, index)) for index, entry in enumerate(node.value)]
        return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> Json:
        own: dict[str, Json] = {}
        merged: dict[str, Json] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report("a key must be text", "write key: value", loc, key_node)
            elif key_node.tag == f"{_TAG}merge":
                for part in self._merge_parts(value_node, loc):
                    merged = {**part, **merged}
            elif has_half_character(key := key_node.value):
                self._report_half(loc, key_node)
            elif key in own:
                place = format_path((*loc, key))
                self._report(f"the key {place} stands here twice", "remove one of them", loc, key_node)
            else:
                self.lines[*loc, key] = key_node.start_mark.line + 1
                own[key] = self.build(value_node, (*loc, key))
        return {**merged, **own}

    def _merge_parts(self, node: yaml.Node, loc: Loc) -> Iterator[dict[str, Json]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for entry in nodes:
            part = self.build(entry, (*loc, "<<"))
            if isinstance(part, dict):
                yield part
            else:
                self._report("a merge key takes mappings", "name an anchor of a mapping", loc, entry)

    def _scalar(self, node: yaml.Node, loc: Loc) -> Json:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return self._text(text, loc, node)
            case "null":
                return None
            case "bool":
                return text.lower() in {"yes", "true", "on"}
            case "int":
                return _integer(text)
            case "float":
                return _float(text)
            case _:
                self._report("carries a YAML tag that is not supported", "remove the tag", loc, node)
                return None

    def _text(self, text: str, loc: Loc, node: yaml.Node) -> str:
        if not has_half_character(text):
            return text
        self._report_half(loc, node)
        return text.encode(errors="replace").decode()

    def _report_half(self, loc: Loc, node: yaml.Node) -> None:
        self._report("holds half a character", "write it without lone surrogates", loc, node)

    def _report(self, message: str, remedy: str, loc: Loc, node: yaml.Node) -> None:
        self.problems.append(Problem(message, remedy, loc, line=node.start_mark.line + 1))


def _integer(text: str) -> int:
    if found := _OCTAL.fullmatch(text):
        return int(found[1] + found[2], 8)
    return int(text, 16) if "x" in text else int(text)


def _float(text: str) -> float | str:
    """A number, or what Go's reader takes for text: as infinity it would be null in JSON."""
    number = float(text)
    return text if isinf(number) else number
