"""A server that tells by which ways a trace reached it."""

import json

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

NAMES = ("traceparent", "tracestate", "baggage")


def build_server(pod: str) -> MCPServer:
    """Its tool answers with JSON."""
    server = MCPServer("context", instructions=f"runs in {pod}", log_level="WARNING")

    @server.tool()
    def show_context(ctx: Context) -> str:
        """Show the trace context of this very request, of its headers and of its `_meta`, as a JSON object."""
        ways = {"headers": ctx.headers or {}, "meta": ctx.request_context.meta or {}}
        return json.dumps({way: {name: found[name] for name in NAMES if name in found} for way, found in ways.items()})

    return server
