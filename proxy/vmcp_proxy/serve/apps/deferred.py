"""An application whose framework is loaded when the first request needs it (ADR-0014)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from vmcp_proxy.serve.context import Receive, Scope, Send

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Deferred:
    """The ASGI application around a framework that `build` makes, in a thread and once; `answer` may do without it."""

    def __init__(self, build: "Callable[[], ASGIApp]") -> None:
        self._build: Final = build
        self._building: Final = asyncio.Lock()
        self._framework: ASGIApp | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serves one request, or the start and end of the server, of which nothing here has to hear."""
        return _live(receive, send) if scope["type"] == "lifespan" else self.answer(scope, receive, send)

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answers one request."""
        return self.framework(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Has the framework answer a request."""
        async with self._building:
            if self._framework is None:
                self._framework = await asyncio.to_thread(self._build)
        await self._framework(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def answer_json(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """A whole answer in JSON; an empty body is none."""
    fields = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")] if body else []
    await send({"type": "http.response.start", "status": status, "headers": [*fields, *headers]})
    await send({"type": "http.response.body", "body": body})
