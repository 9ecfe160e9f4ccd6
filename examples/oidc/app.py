"""The issuer, and the two MCP servers at /wiki/mcp and /tickets/mcp, in one application."""

import contextlib
from collections.abc import AsyncIterator

from backends import build_tickets, build_wiki
from issuer import Issuer
from starlette.applications import Starlette


def build_app(url: str) -> Starlette:
    """The application, for the address that it will listen on."""
    issuer = Issuer(url)
    servers = {"wiki": build_wiki(), "tickets": build_tickets(issuer)}
    apps = [server.streamable_http_app(streamable_http_path=f"/{name}/mcp") for name, server in servers.items()]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for server in servers.values():
                await stack.enter_async_context(server.session_manager.run())
            yield

    return Starlette(routes=[*issuer.routes(), *(route for app in apps for route in app.routes)], lifespan=lifespan)
