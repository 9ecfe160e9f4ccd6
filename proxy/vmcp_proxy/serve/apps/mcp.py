"""The application of the MCP port: the endpoint, what is well-known of it, and JSON 404 for everything else."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from vmcp_proxy.serve.apps.deferred import Deferred
from vmcp_proxy.serve.apps.well_known import PREFIX
from vmcp_proxy.serve.context import Receive, Scope, Send
from vmcp_proxy.serve.rejections import MCP_PATH

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

_PATHS: Final = frozenset({MCP_PATH, f"{MCP_PATH}/"})
"""The second is what people type; it is served, for a redirect would lose the body of some clients."""


class McpApp(Deferred):
    """The application: FastAPI's, with a way past it for the one path that is hot, and for those beside it.

    What FastAPI does around a route costs more than the whole chain; the chain does all that `/mcp` needs (ADR-0014).
    """

    def __init__(self, endpoint: "ASGIApp", well_known: "ASGIApp") -> None:
        super().__init__(self._routes)
        self._endpoint: Final = endpoint
        self._well_known: Final = well_known

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """See `Deferred.answer`; without a frame of its own."""
        path: str = scope["path"]
        if path in _PATHS:
            return self._endpoint(scope, receive, send)
        return (self._well_known if path.startswith(PREFIX) else self.framework)(scope, receive, send)

    def _routes(self) -> "FastAPI":
        from vmcp_proxy.serve.apps.mcp_routes import build_mcp_routes  # noqa: PLC0415

        return build_mcp_routes(sorted(_PATHS), self._endpoint)


def build_mcp_app(endpoint: "ASGIApp", well_known: "ASGIApp") -> McpApp:
    """An application that serves `/mcp` and `/.well-known/*` with an ASGI application each.

    Nothing operational answers here, and every other path gets a JSON 404.
    """
    return McpApp(endpoint, well_known)
