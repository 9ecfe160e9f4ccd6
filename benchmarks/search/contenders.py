"""Who ranks: a textbook's BM25, our own ranking by words, by vectors and by both, and FastMCP where it is named."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.contenders.fast_mcp import version_in
from benchmarks.search.collection import Tool, Topic
from benchmarks.search.measures import DEPTH, Answer
from benchmarks.search.plain import PlainBm25, text_of
from vmcp_proxy.search.ranking.analysis import Analyzer, Query
from vmcp_proxy.search.ranking.index import Index
from vmcp_proxy.search.ranking.static_files import Unavailable, load_static_table
from vmcp_proxy.search.ranking.static_table import StaticTable
from vmcp_proxy.search.ranking.tool_text import read_tool_text

PLAIN: Final = "plain BM25"
WORDS: Final = "ours, words"
VECTORS: Final = "ours, vectors"
FUSED: Final = "ours, fused"
_FASTMCP_SECONDS: Final = 300.0

Search: TypeAlias = Callable[[Sequence[Topic]], list[Answer]]


class ContenderError(Exception):
    """A contender cannot take part; says why."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One ranking of the tools of a collection; `marks` where it tells weak answers from others."""

    name: str
    search: Search
    marks: bool = False


def contenders(tools: Sequence[Tool], fastmcp: Path | None = None) -> list[Contender]:
    """All who take part; `fastmcp` is a Python environment that has it.

    Raises:
        ContenderError: the static table is not installed, or `fastmcp` has none.
    """
    table = load_static_table()
    if isinstance(table, Unavailable):
        raise ContenderError(f"no vectors: {table.reason}")
    ours = _Ours(tools, table)
    plain = PlainBm25([text_of(tool.raw) for tool in tools])
    return [
        Contender(PLAIN, lambda topics: [_named(tools, plain.search(_text(each), DEPTH)) for each in topics]),
        *([_fastmcp(fastmcp, tools)] if fastmcp is not None else []),
        Contender(WORDS, ours.by_words, marks=True),
        Contender(VECTORS, ours.by_vectors),
        Contender(FUSED, ours.fused, marks=True),
    ]


class _Ours:
    """Our ranking; a query without a vector is ranked by words alone, one without words by vectors alone."""

    def __init__(self, tools: Sequence[Tool], table: StaticTable) -> None:
        self._tools: Final = tools
        texts = [read_tool_text(tool.raw, tool.server) for tool in tools]
        self._both: Final = Analyzer(table)
        self._words: Final = Analyzer()
        self._fused: Final = Index.build([self._both.analyze(text) for text in texts])
        self._by_words: Final = Index.build([self._words.analyze(text) for text in texts])

    def by_words(self, topics: Sequence[Topic]) -> list[Answer]:
        return [self._answer(self._by_words, self._words.query(each.query, each.keywords)) for each in topics]

    def by_vectors(self, topics: Sequence[Topic]) -> list[Answer]:
        return [self._answer(self._fused, Query(weights={}, vector=query.vector)) for query in self._queries(topics)]

    def fused(self, topics: Sequence[Topic]) -> list[Answer]:
        return [self._answer(self._fused, query) for query in self._queries(topics)]

    def _queries(self, topics: Sequence[Topic]) -> Iterator[Query]:
        return (self._both.query(each.query, each.keywords) for each in topics)

    def _answer(self, index: Index, query: Query) -> Answer:
        hits = index.search(query, DEPTH)
        return _named(self._tools, [hit.position for hit in hits], is_weak=not hits or hits[0].is_weak)


def _fastmcp(environment: Path, tools: Sequence[Tool]) -> Contender:
    interpreter = environment / "bin" / "python"
    number = version_in(interpreter, "fastmcp") if interpreter.exists() else None
    if number is None:
        raise ContenderError(f"no fastmcp in {environment}")
    return Contender(f"FastMCP {number}", lambda topics: _asked_fastmcp(interpreter, tools, topics))


def _asked_fastmcp(interpreter: Path, tools: Sequence[Tool], topics: Sequence[Topic]) -> list[Answer]:
    exposed = {f"{tool.server}_{tool.name}": tool.key for tool in tools}
    asked = {
        "tools": [{**json.loads(tool.raw), "name": name} for name, tool in zip(exposed, tools, strict=True)],
        "queries": [_text(each) for each in topics],
        "limit": DEPTH,
    }
    script = Path(__file__).with_name("fastmcp_script.py")
    done = subprocess.run(
        [interpreter, script],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        timeout=_FASTMCP_SECONDS,
        check=True,
    )
    return [Answer(tuple(exposed[name] for name in names), is_weak=not names) for names in json.loads(done.stdout)]


def _text(topic: Topic) -> str:
    return " ".join([topic.query, *topic.keywords])


def _named(tools: Sequence[Tool], positions: Sequence[int], *, is_weak: bool | None = None) -> Answer:
    keys = tuple(tools[position].key for position in positions)
    return Answer(keys, is_weak=not keys if is_weak is None else is_weak)
