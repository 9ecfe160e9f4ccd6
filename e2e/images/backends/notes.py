"""A server with tools, resources and prompts, whose notes can change."""

import asyncio

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

NOTES = {"welcome": "Many MCP servers, one endpoint.", "reload": "Edits take effect while it serves."}


def build_server(pod: str) -> MCPServer:
    """A server with notes of its own; `pod` says who answers."""
    server = MCPServer("notes", instructions=f"runs in {pod}", log_level="WARNING")
    notes = dict(NOTES)

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def write_note(name: str, text: str) -> str:
        """Keep a note for as long as this process lives."""
        notes[name] = text
        return f"{name} is written"

    @server.tool()
    async def wait(seconds: float, ctx: Context) -> str:
        """Answer after a while, with a report of progress ten times on the way."""
        for step in range(10):
            await ctx.report_progress(step, 10)
            await asyncio.sleep(seconds / 10)
        return f"waited in {pod}"

    @server.tool()
    def fail() -> str:
        """Fail as a tool does."""
        raise ValueError("this tool always fails")

    @server.tool()
    async def grow(ctx: Context) -> str:
        """Add a tool named `grown` and say so to the clients."""
        server.add_tool(lambda: "grown", name="grown", description="A tool that was not there before.")
        await ctx.notify_tools_changed()
        return "grown"

    _add_reading(server, notes)
    return server


def _add_reading(server: MCPServer, notes: dict[str, str]) -> None:
    @server.resource("notes://{name}")
    def note(name: str) -> str:
        """One note by its name."""
        return notes[name]

    @server.resource("notes://welcome")
    def welcome() -> str:
        """The first note."""
        return notes["welcome"]

    @server.prompt()
    def summarize(name: str) -> str:
        """Ask for a summary of a note."""
        return f"Summarize in five words: {notes[name]}"
