"""One listening socket with a uvicorn server on it."""

import asyncio
import contextlib
import errno
import logging
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp

from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.serve.http.bounds import Bounds
from vmcp_proxy.serve.http.protocol import BoundedHttpProtocol
from vmcp_proxy.serve.http.refusal_log import RefusalLog
from vmcp_proxy.serve.http.repeating import RepeatingHttpProtocol
from vmcp_proxy.serve.http.unread import UnreadAnswers

logger: Final = logging.getLogger("vmcp.serve")

BACKLOG: Final = 2048
_HANDLES: Final = 8
"""On one listening socket: uvloop takes one connection for each of them in a turn of the loop.

With a single one, whoever connects queues, turn by turn, behind everybody who opens many connections.
"""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the 60 s of common load balancers, so that they close idle connections first."""

CONNECTION: Final = "connection"
"""Stands for the layer, in metrics, where a request is refused before there is an application to refuse it."""

_REAP_TICKS: Final = 50
_LOOK_TICKS: Final = 10
"""Of a tenth of a second each; while somebody waits for room the look is at each."""
_CLOSE_SECONDS: Final = 3


def _uncounted(status: int) -> None:
    """Nobody counts."""


class PortInUseError(Exception):
    """Another process listens on the address already."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is in use; stop the process that listens there or choose another port")
        self.host = host
        self.port = port


class StartError(Exception):
    """The application of a listener did not come up, or the listener ended by itself."""


@dataclass(frozen=True, slots=True)
class Listener:
    """An application and where it listens; port 0 takes a free one, `fd` a socket that is bound already.

    `on_refused` hears the status of each request that never reaches the application; `reads` are the answers of
    backends, which wait while clients do not read what they have.
    """

    app: ASGIApp
    host: str = "127.0.0.1"
    port: int = 0
    fd: int | None = None
    on_refused: Callable[[int], object] = _uncounted
    reads: ReadBudget = field(default_factory=ReadBudget)

    def bind(self) -> socket.socket:
        """The bound socket.

        Raises:
            PortInUseError: the port is taken.
            OSError: the address cannot be bound for another reason; the message names it.
        """
        if self.fd is not None:
            return socket.socket(fileno=self.fd)
        family, kind, protocol, _, address = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            # At once: two sockets with SO_REUSEADDR may both bind, and only the second to listen is refused.
            listening.listen(BACKLOG)
            listening.setblocking(False)  # noqa: FBT003 - the standard library's signature
        except OSError as error:
            listening.close()
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(self.host, self.port) from None
            raise
        return listening

    def open(self) -> "ListenerServer":
        """The server, with the socket bound; raises as `bind` does."""
        return ListenerServer(self, self.bind())


class ListenerServer(uvicorn.Server):
    """A uvicorn server that leaves signals to us and closes connections whose request never comes."""

    def __init__(self, listener: Listener, listening: socket.socket) -> None:
        self._leaving: Final = asyncio.Event()
        self.bounds: Final = Bounds()
        self.unread: Final = UnreadAnswers(listener.reads)
        log = RefusalLog(logger, listener.on_refused)
        shared = {"leaving": self._leaving, "bounds": self.bounds, "unread": self.unread, "log": log}
        self._connection: Final = partial(RepeatingHttpProtocol, **shared)
        super().__init__(
            uvicorn.Config(
                listener.app,
                http=cast("type[asyncio.Protocol]", self._connection),
                ws="none",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._closing = False
        self._socket: Final = listening
        self.listening: Final = asyncio.Event()
        self.port: Final[int] = listening.getsockname()[1]

    async def run_until_closed(self) -> None:
        """Serves until `close_within` was called and the last connection is gone; `listening` tells when.

        Raises:
            StartError: the application's lifespan failed, or the server ended unasked.
        """
        sockets = [self._socket, *(self._socket.dup() for _ in range(_HANDLES - 1))]
        try:
            await self.serve(sockets=sockets)
        except SystemExit:  # that is how uvicorn tells that the lifespan failed
            raise StartError("the application did not start") from None
        finally:
            self.leave()
            for server in getattr(self, "servers", ()):
                server.close()
            for connection in tuple(self.server_state.connections):
                # Where the process has crashed: whose request is being answered hears of it, and nobody asks again.
                connection.shutdown()
            for each in sockets:
                each.close()
        if not self._closing:
            raise StartError("the listener ended by itself")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends as the server's own method does, but nobody is reset who has connected since the loop last looked."""
        waiting = tuple(self._accepted())
        for server in self.servers:
            server.close()
        settings = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        for each in waiting:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(partial(self._connection, **settings), each)
        await super().shutdown(sockets)

    def _accepted(self) -> Iterator[socket.socket]:
        for _ in range(BACKLOG):
            try:
                yield self._socket.accept()[0]
            except OSError:
                return

    def discard(self) -> None:
        """Lets go of the socket without having served."""
        self._socket.close()

    def leave(self) -> None:
        """Goes on as before, but every answer closes its connection, so that clients make their next one elsewhere."""
        self._leaving.set()

    def close_within(self, seconds: float) -> None:
        """Stops accepting connections; those with a request in flight may end it, for `seconds` at most."""
        self.config.timeout_graceful_shutdown = math.ceil(seconds) + _CLOSE_SECONDS
        self._closing = True
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signal handlers alone: two servers in one process cannot both own them."""
        yield

    async def on_tick(self, counter: int) -> bool:
        self.unread.look(asyncio.get_running_loop().time(), is_due=counter % _LOOK_TICKS == 0)
        if counter % _REAP_TICKS == 0:
            self._reap()
        return await super().on_tick(counter)

    def _reap(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, BoundedHttpProtocol) and connection.is_stalled(now):
                connection.abort()
