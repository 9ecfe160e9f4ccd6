"""FastMCP's own search for tools, run by an interpreter that has `fastmcp`; imports nothing else of this project.

Reads `{"tools": [descriptor], "queries": [text], "limit": n}` on standard input, and writes the names that each of them
found.
"""

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client, FastMCP  # type: ignore[import-not-found,unused-ignore]
from fastmcp.server.transforms.search import BM25SearchTransform  # type: ignore[import-not-found,unused-ignore]
from fastmcp.tools import Tool  # type: ignore[import-not-found,unused-ignore]


async def search(asked: dict[str, Any]) -> list[list[str]]:
    """What `search_tools` answers to each query, through a client as any other."""
    server = FastMCP("search")
    for each in asked["tools"]:
        server.add_tool(Tool(name=each["name"], description=each.get("description"), parameters=each["inputSchema"]))
    server.add_transform(BM25SearchTransform(max_results=asked["limit"]))
    found = []
    async with Client(server) as client:
        for query in asked["queries"]:
            answer = await client.call_tool("search_tools", {"query": query})
            found.append([tool["name"] for tool in json.loads(answer.content[0].text)] if answer.content else [])
    return found


if __name__ == "__main__":
    json.dump(asyncio.run(search(json.load(sys.stdin))), sys.stdout)
