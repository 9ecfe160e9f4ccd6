"""What the MCP port answers with the framework: JSON 404 for every path that there is not."""

from collections.abc import Iterable

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from vmcp_proxy.protocol.jsonrpc import encode_error
from vmcp_proxy.serve.rejections import CRASHED, refused_by_framework


def build_mcp_routes(paths: Iterable[str], endpoint: ASGIApp) -> FastAPI:
    """An application with a route for each of these paths."""
    app = FastAPI(
        title="vmcp",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # A mount would redirect /mcp to /mcp/.
        routes=[Route(path, endpoint=endpoint) for path in paths],
    )
    app.add_exception_handler(HTTPException, _refuse)
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    refusal = refused_by_framework(error.status_code if isinstance(error, HTTPException) else CRASHED.status)
    body = encode_error(None, refusal.code, refusal.message)
    return Response(body, status_code=refusal.status, media_type="application/json")
