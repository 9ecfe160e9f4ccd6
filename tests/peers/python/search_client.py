"""A client on the Python SDK 1 that lists, finds and calls: search_client.py URL; prints what it has seen as JSON."""

import asyncio
import json
import sys

from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client


async def elicited(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def main(url: str) -> None:
    progress = []

    async def on_progress(done, *_more) -> None:
        progress.append(done)

    async with (
        streamable_http_client(url) as (read, write, _),
        ClientSession(read, write, elicitation_callback=elicited) as session,
    ):
        await session.initialize()
        listed = [tool.name for tool in (await session.list_tools()).tools]
        # The SDK checks what is structured by the schema that was listed.
        found = (await session.call_tool("find_tool", {"query": "ask for a name"})).structuredContent
        wanted = {"name": found["tools"][0]["name"], "arguments": {}}
        called = await session.call_tool("call_tool", wanted, progress_callback=on_progress)
        wrong = await session.call_tool("call_tool", {"name": "one_nothing"})
    seen = {
        "listed": listed,
        "found": wanted["name"],
        "answer": called.content[0].text,
        "progress": progress,
        "wrong": [wrong.isError, wrong.content[0].text],
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
