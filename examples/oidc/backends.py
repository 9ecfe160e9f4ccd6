"""Two MCP servers to protect: `wiki` asks nobody, `tickets` wants a token of the user that is for it."""

import jwt
from issuer import Issuer
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

TICKETS = {"alice": {1: "printer", 2: "coffee"}, "bob": {3: "chair"}}


def build_wiki() -> MCPServer:
    """Pages for everybody."""
    server = MCPServer("wiki", log_level="ERROR")

    @server.tool()
    def read(page: str, ctx: Context) -> str:
        """Read a page."""
        reached = "a token" if "authorization" in {name.lower() for name in ctx.headers or {}} else "no token"
        return f"{page}: nothing yet (this server got {reached})"

    return server


def build_tickets(issuer: Issuer) -> MCPServer:
    """The tickets of the user that the token speaks of."""
    server = MCPServer("tickets", log_level="ERROR")

    def user_of(ctx: Context) -> str:
        token = dict(ctx.headers or {}).get("authorization", "").removeprefix("Bearer ")
        try:
            return str(issuer.read(token, "tickets")["sub"])
        except jwt.PyJWTError:
            raise ValueError("a token for the audience 'tickets' is needed") from None

    @server.tool()
    def mine(ctx: Context) -> str:
        """List the tickets of the caller."""
        user = user_of(ctx)
        return "\n".join(f"{user} has {number}: {what}" for number, what in TICKETS[user].items()) or "none"

    @server.tool()
    def close(number: int, ctx: Context) -> str:
        """Close a ticket of the caller."""
        return f"{user_of(ctx)} has closed {TICKETS[user_of(ctx)].pop(number, 'nothing')}"

    @server.tool()
    def delete(number: int, ctx: Context) -> str:
        """Delete a ticket, whosever it is."""
        return f"{user_of(ctx)} has deleted {number}"

    return server
