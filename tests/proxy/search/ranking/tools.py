"""Descriptors of tools as backends write them, and the names of those that a query finds."""

import json
from functools import cache
from typing import Any

from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.ranking.index import Index
from vmcp_proxy.search.ranking.static_files import load_static_table
from vmcp_proxy.search.ranking.static_table import StaticTable
from vmcp_proxy.search.ranking.tool_text import ToolText, read_tool_text


def descriptor(name: str, description: str = "", *arguments: str, **members: Any) -> bytes:
    schema = {"type": "object", "properties": {argument: {"type": "string"} for argument in arguments}}
    return json.dumps({"name": name, "description": description, "inputSchema": schema, **members}).encode()


def text(name: str, description: str = "", *arguments: str, server: str = "", title: str = "") -> ToolText:
    return ToolText(name, title, description, arguments, server)


def index(texts: list[ToolText], analyzer: Analyzer) -> Index:
    return Index.build([analyzer.analyze(each) for each in texts])


def found(
    texts: list[ToolText], query: str, *keywords: str, limit: int = 8, table: StaticTable | None = None
) -> list[str]:
    analyzer = Analyzer(table)
    hits = index(texts, analyzer).search(analyzer.query(query, keywords), limit)
    return [texts[hit.position].name for hit in hits]


def read(raw: bytes, server: str = "") -> ToolText:
    return read_tool_text(raw, server)


@cache
def installed_table() -> StaticTable:
    """The table of the extra, which the tests have."""
    table = load_static_table()
    assert isinstance(table, StaticTable), table
    return table
