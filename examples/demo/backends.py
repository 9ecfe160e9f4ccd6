"""Two MCP servers over HTTP for the demo, by the MCP SDK: `python backends.py PORT`."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from starlette.applications import Starlette

NOTES = {
    "welcome": "Many MCP servers, one endpoint.",
    "headers": "A session sends the headers it began with.",
    "reload": "Edit the manifests while the endpoint serves.",
}


def build_headers() -> MCPServer:
    """A server that shows which headers reached it; values are masked but for the demo's own fake key."""
    server = MCPServer("headers", log_level="ERROR")

    @server.tool()
    def show(ctx: Context) -> str:
        """Show the X- headers that reached this server."""
        found = sorted((ctx.headers or {}).items())
        lines = [f"{name.title()}: {mask(value)}" for name, value in found if name.lower().startswith("x-")]
        return "\n".join(lines) or "none"

    return server


def mask(value: str) -> str:
    """A header value that may be shown."""
    return value if value.startswith("demo-") else f"{'*' * 8} ({len(value)} characters)"


def build_notes() -> MCPServer:
    """A server with tools that report progress, resources and prompts."""
    server = MCPServer("notes", log_level="ERROR")

    @server.tool()
    async def search(word: str, ctx: Context) -> str:
        """Search the notes for a word, telling how far it is."""
        found = []
        for number, (name, text) in enumerate(NOTES.items(), 1):
            await ctx.report_progress(number, len(NOTES), f"reading {name}")
            await asyncio.sleep(0.2)
            if word.lower() in text.lower():
                found.append(f"{name}: {text}")
        return "\n".join(found) or f"no note has {word!r}"

    @server.resource("notes://{name}")
    def note(name: str) -> str:
        """One note by its name."""
        return NOTES[name]

    @server.resource("notes://welcome")
    def welcome() -> str:
        """The first note."""
        return NOTES["welcome"]

    @server.prompt()
    def summarize(name: str) -> str:
        """Ask for a summary of a note."""
        return f"Summarize the note {name!r} in five words: {NOTES[name]}"

    return server


def build_app() -> Starlette:
    """Both servers in one application: /headers/mcp and /notes/mcp."""
    servers = {"headers": build_headers(), "notes": build_notes()}
    apps = [server.streamable_http_app(streamable_http_path=f"/{name}/mcp") for name, server in servers.items()]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for server in servers.values():
                await stack.enter_async_context(server.session_manager.run())
            yield

    return Starlette(routes=[route for app in apps for route in app.routes], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(build_app(), port=int(sys.argv[1]), log_level="error", timeout_graceful_shutdown=1)
