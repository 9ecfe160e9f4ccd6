"""A client on the SDK of May 2025: prints the revision, the tools, and what one call gave, a line each."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(url: str, tool: str, arguments: str) -> None:
    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as session:
        hello = await session.initialize()
        print(hello.protocolVersion)
        print(json.dumps([each.name for each in (await session.list_tools()).tools]))
        result = await session.call_tool(tool, json.loads(arguments))
        print(result.content[0].text)


asyncio.run(main(*sys.argv[1:]))
