"""A server that tells which headers reached it."""

import json

from mcp.server import MCPServer
from mcp.server.mcpserver import Context


def build_server(pod: str) -> MCPServer:
    """Its tools answer with JSON; `pod` says who answers."""
    server = MCPServer("headers", instructions=f"runs in {pod}", log_level="WARNING")

    @server.tool()
    def show_headers(ctx: Context) -> str:
        """Show the headers of this very request, names in lower case, as a JSON object."""
        return json.dumps({name.lower(): value for name, value in (ctx.headers or {}).items()}, sort_keys=True)

    @server.tool()
    def whoami() -> str:
        """The name of the pod that answers."""
        return pod

    return server
