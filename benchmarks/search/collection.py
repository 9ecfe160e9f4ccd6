"""A test collection as it lies in a folder: tools, queries, and which tools fit which query."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OWN: Final = Path(__file__).resolve().parent / "collection"
"""The collection of this project."""
KINDS: Final = ("line", "agent", "task")
"""Queries of one line, queries of an agent (with keywords), and whole tasks that need several tools."""
UNSERVED: Final = "unserved"
"""The kind of those that no tool of the collection is for."""
_MEMBERS: Final = {"language", "query", "keywords", "tools"}


class CollectionError(Exception):
    """A collection cannot be read, or contradicts itself; says where and how."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: the name of its server and its descriptor as `tools/list` has it."""

    server: str
    name: str
    raw: bytes

    @property
    def key(self) -> str:
        """What judgements call it: `server/name`."""
        return f"{self.server}/{self.name}"


@dataclass(frozen=True, slots=True)
class Topic:
    """One query with the keys of all tools that fit it; none of them for an unserved one."""

    kind: str
    language: str
    query: str
    keywords: tuple[str, ...]
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything of one folder, in the order of the names of its files."""

    tools: tuple[Tool, ...]
    topics: tuple[Topic, ...]

    @property
    def served(self) -> tuple[Topic, ...]:
        """Topics with relevant tools."""
        return tuple(each for each in self.topics if each.relevant)

    @property
    def unserved(self) -> tuple[Topic, ...]:
        """Topics without."""
        return tuple(each for each in self.topics if not each.relevant)


def read_collection(folder: Path) -> Collection:
    """Reads `servers/<server>.jsonl` (a descriptor a line) and `queries/<kind>.jsonl` (a query a line).

    Raises:
        CollectionError: no folder of that form, or a query names a tool that is not there.
    """
    tools = tuple(_tools(folder / "servers"))
    topics = tuple(_topics(folder / "queries"))
    _check(tools, topics)
    return Collection(tools, topics)


def _tools(folder: Path) -> Iterator[Tool]:
    for path in _files(folder):
        for line, where in _lines(path):
            try:
                yield Tool(path.stem, str(json.loads(line)["name"]), line.encode())
            except (ValueError, KeyError, TypeError) as error:
                raise CollectionError(f"{where}: no descriptor with a name") from error


def _topics(folder: Path) -> Iterator[Topic]:
    for path in _files(folder):
        if path.stem not in (*KINDS, UNSERVED):
            raise CollectionError(f"{path}: the kinds of queries are {', '.join((*KINDS, UNSERVED))}")
        for line, where in _lines(path):
            try:
                read = json.loads(line)
                topic = Topic(
                    kind=path.stem,
                    language=str(read["language"]),
                    query=str(read["query"]),
                    keywords=tuple(filter(None, (word.strip() for word in read.get("keywords", "").split(",")))),
                    relevant=frozenset(read["tools"]),
                )
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CollectionError(f"{where}: a query has language, query, tools, and maybe keywords") from error
            if set(read) - _MEMBERS:
                raise CollectionError(f"{where}: unknown members {', '.join(sorted(set(read) - _MEMBERS))}")
            if bool(topic.relevant) == (topic.kind == UNSERVED):
                raise CollectionError(f"{where}: tools are for queries of {', '.join(KINDS)}, and for these alone")
            yield topic


def _check(tools: tuple[Tool, ...], topics: tuple[Topic, ...]) -> None:
    twice = [key for key, count in Counter(each.key for each in tools).items() if count > 1]
    if twice:
        raise CollectionError(f"more than once among the servers: {', '.join(sorted(twice))}")
    known = {each.key for each in tools}
    for topic in topics:
        if topic.relevant - known:
            raise CollectionError(f"{topic.query!r} names tools of no server: {', '.join(topic.relevant - known)}")


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.jsonl"))
    if not found:
        raise CollectionError(f"{folder} has no files *.jsonl")
    return found


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            yield line, f"{path}:{number}"
