"""The application of the MCP port: the endpoint, what is well-known of it, and JSON 404 for everything else."""

from collections.abc import Awaitable

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from vmcp_proxy.protocol.jsonrpc import encode_error
from vmcp_proxy.serve.apps.well_known import PREFIX
from vmcp_proxy.serve.context import Receive, Scope, Send
from vmcp_proxy.serve.rejections import CRASHED, MCP_PATH, refused_by_framework

_PATHS = frozenset({MCP_PATH, f"{MCP_PATH}/"})
"""The second is what people type; it is served, for a redirect would lose the body of some clients."""


class McpApp(FastAPI):
    """The application, with a way past the framework for the one path that is hot.

    What FastAPI does around a route costs more than the whole chain; the chain does all that `/mcp` needs (ADR-0014).
    """

    endpoint: ASGIApp
    well_known: ASGIApp

    def __call__(  # type: ignore[override]  # the server awaits it, and asks for no more
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"] in _PATHS:
            return self.endpoint(scope, receive, send)
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            return self.well_known(scope, receive, send)
        return super().__call__(scope, receive, send)


def build_mcp_app(endpoint: ASGIApp, well_known: ASGIApp) -> FastAPI:
    """An application that serves `/mcp` and `/.well-known/*` with an ASGI application each.

    Nothing operational answers here, and every other path gets a JSON 404.
    """
    app = McpApp(
        title="vmcp",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # A mount would redirect /mcp to /mcp/.
        routes=[Route(path, endpoint=endpoint) for path in sorted(_PATHS)],
    )
    app.endpoint = endpoint
    app.well_known = well_known
    app.add_exception_handler(HTTPException, _refuse)
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    refusal = refused_by_framework(error.status_code if isinstance(error, HTTPException) else CRASHED.status)
    body = encode_error(None, refusal.code, refusal.message)
    return Response(body, status_code=refusal.status, media_type="application/json")
