"""The operator's own HTTP port: `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import web

from vmcp_operator.telemetry import Telemetry

STUCK_SECONDS: Final = 180.0
"""Age of the oldest unfinished reconcile at which the process counts as stuck; each is bounded by less."""


class Probed(Protocol):
    """Who answers the probes."""

    def problems(self) -> tuple[str, ...]:
        """Why the process should be started again."""

    def missing(self) -> tuple[str, ...]:
        """Why the process does not do its part yet."""


@dataclass(slots=True)
class Health:
    """How the work fares, for as long as this process leads; times are those of the loop's clock, in seconds."""

    clock: Callable[[], float]
    not_watched: Callable[[], tuple[str, ...]]
    is_synced: bool = False
    began: dict[object, float] = field(default_factory=dict)

    def problems(self) -> tuple[str, ...]:
        """Why the process should be started again."""
        oldest = min(self.began.values(), default=self.clock())
        return ("a reconcile does not end",) if self.clock() - oldest > STUCK_SECONDS else ()

    def missing(self) -> tuple[str, ...]:
        """Why the operator does not do its work yet."""
        return (
            *self.not_watched(),
            *(() if self.is_synced else ("the resources have not been listed",)),
        )


@dataclass(slots=True)
class Standby:
    """How a process fares that works, or waits until it may: `waiting` says why it could not take over.

    One that only waits is ready: it does its part.
    """

    waiting: Callable[[], tuple[str, ...]]
    work: Health | None = None

    def problems(self) -> tuple[str, ...]:
        """See `Probed`."""
        return () if self.work is None else self.work.problems()

    def missing(self) -> tuple[str, ...]:
        """See `Probed`."""
        return self.waiting() if self.work is None else self.work.missing()


def build_app(health: Probed, telemetry: Telemetry) -> web.Application:
    """The application; nothing in its answers is secret."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.problems())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.missing())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=telemetry.render(), headers={"content-type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serves for as long as the context lasts; yields the port, which may have been 0."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _answer(reasons: tuple[str, ...]) -> web.Response:
    return web.json_response({"ok": not reasons, "reasons": reasons}, status=503 if reasons else 200)
