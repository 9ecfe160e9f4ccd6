"""What ranking costs in a process of its own: `python -m benchmarks.search.cost 1000 fused` prints one line of JSON.

The tools are those of the collection, again and again with a word of their own; the queries are its queries, once each.
Times are CPU time, which is what one waits for on a machine that has nothing else to do.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice

from benchmarks.figures import MIB
from benchmarks.procfs import resident_of
from benchmarks.search.collection import OWN, Collection, read_collection
from vmcp_proxy.search.ranking.tool_text import ToolText, read_tool_text

FUSED = "fused"
WORDS = "words"
_LIMIT = 8


def main() -> None:
    count, mode = int(sys.argv[1]), sys.argv[2]
    collection = read_collection(OWN)
    texts = list(islice(_texts(collection), count))
    gc.collect()
    before = resident_of(os.getpid())
    print(json.dumps(_measure(collection, texts, mode, before)))


def _texts(collection: Collection) -> Iterator[ToolText]:
    """Each time round with a word of its own, so that no two are the same."""
    for number, tool in enumerate(cycle(collection.tools)):
        text = read_tool_text(tool.raw, tool.server)
        own = f" variant{number // len(collection.tools)}"
        yield ToolText(text.name, text.title, text.description + own, text.arguments, text.server)


def _measure(collection: Collection, texts: list[ToolText], mode: str, before: int) -> dict[str, float]:
    began = time.process_time()
    # Here, so that what they cost is seen.
    from vmcp_proxy.search.ranking.analysis import Analyzer  # noqa: PLC0415
    from vmcp_proxy.search.ranking.index import Index  # noqa: PLC0415
    from vmcp_proxy.search.ranking.static_files import Unavailable, load_static_table  # noqa: PLC0415

    table = load_static_table() if mode == FUSED else None
    if isinstance(table, Unavailable):
        raise SystemExit(table.reason)
    analyzer = Analyzer(table)
    loaded = time.process_time()
    documents = [analyzer.analyze(text) for text in texts]
    index = Index.build(documents)
    first = time.process_time()
    documents[0] = analyzer.analyze(texts[0])
    index = Index.build(documents)
    again = time.process_time()
    searches = []
    for topic in collection.topics:
        start = time.process_time()
        index.search(analyzer.query(topic.query, topic.keywords), _LIMIT)
        searches.append((time.process_time() - start) * 1000)
    gc.collect()
    return {
        "load": (loaded - began) * 1000,
        "first": (first - loaded) * 1000,
        "again": (again - first) * 1000,
        "p50": statistics.median(searches),
        "p99": statistics.quantiles(searches, n=100)[-1],
        "rss": (resident_of(os.getpid()) - before) / MIB,
    }


if __name__ == "__main__":
    main()
