"""A server on the SDK with a bit of everything; imports nothing else, for it is started as a program too."""

import asyncio
import itertools

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventMessage, EventStore
from pydantic import BaseModel

STEPS = 20
"""Of the call that outlives its stream."""


class MemoryEventStore(EventStore):
    """Keeps every event of a test."""

    def __init__(self):
        self.events = []
        self.numbers = itertools.count(1)
        self.resumed = asyncio.Event()

    async def store_event(self, stream_id, message):
        event_id = f"é{next(self.numbers)} "  # the id must come back byte for byte
        self.events.append((event_id.strip(), stream_id, message))
        return event_id.strip()

    async def replay_events_after(self, last_event_id, send_callback):
        last_event_id = last_event_id.encode("latin-1").decode()
        self.resumed.set()
        ids = [each[0] for each in self.events]
        start = ids.index(last_event_id)
        stream = self.events[start][1]
        for event_id, owner, message in self.events[start + 1 :]:
            if owner == stream and message is not None:
                await send_callback(EventMessage(message, event_id))
        return stream


class Person(BaseModel):
    name: str


def add_nap(server: MCPServer, store: MemoryEventStore) -> None:
    """A tool that goes on once its stream was closed and taken up again."""

    @server.tool()
    async def nap(ctx: Context) -> str:
        await ctx.report_progress(1, STEPS)
        while not store.resumed.is_set():
            await ctx.close_sse_stream()  # it does nothing before the server has begun to write the stream
            await asyncio.sleep(0.02)
        for number in range(2, STEPS + 1):
            await asyncio.sleep(0.02)
            await ctx.report_progress(number, STEPS)
        return "rested"


def sdk_server(store: MemoryEventStore | None = None) -> MCPServer:
    server = MCPServer("real")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def steps(ctx: Context) -> str:
        for number in range(3):
            await ctx.report_progress(number, 3, f"step {number}")
        return "done"

    @server.tool()
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("Who?", Person)).data.name

    @server.tool()
    async def grow(ctx: Context) -> str:
        server.add_tool(lambda: "grown", name="grown")
        await ctx.session.send_tool_list_changed()
        return "done"

    @server.resource("memo://one")
    def memo() -> str:
        return "memo"

    @server.prompt()
    def greet(who: str) -> str:
        return f"Hello {who}"

    add_nap(server, store or MemoryEventStore())
    return server
