"""Two listeners in one process, from the first bind to the last answer."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from vmcp_proxy.serve.listener import Listener, ListenerServer

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Servers:
    """The MCP port and the admin port.

    `drain` is how long, in seconds, calls in flight may go on once the end began (it may be replaced any time);
    `drained` returns when none is left, `cut` ends all that is left, streams too.
    """

    def __init__(
        self,
        mcp: Listener,
        admin: Listener,
        *,
        drain: float,
        drained: Callable[[], Awaitable[None]],
        cut: Callable[[], object],
    ) -> None:
        self.drain = drain
        self.started: Final = asyncio.Event()
        self.mcp_port = 0
        self.admin_port = 0
        self._listeners: Final = (mcp, admin)
        self._drained: Final = drained
        self._cut: Final = cut
        self._stopping: Final = asyncio.Event()
        self._hurrying: Final = asyncio.Event()

    def stop(self) -> None:
        """Begins the end; a second call waits neither for the delay nor for calls in flight."""
        if self._stopping.is_set():
            self._hurrying.set()
            self._cut()
        self._stopping.set()

    async def run(
        self,
        *,
        on_stop: Callable[[], object],
        on_drain: Callable[[], object],
        delay: float = 0.0,
        handle_signals: bool = True,
    ) -> None:
        """Serves until `stop`, SIGTERM or SIGINT, and for `delay` seconds more, then drains and closes.

        In order: `on_stop` (it turns readiness off), everything is served for `delay` seconds while Services learn
        that this pod is leaving, each answer as the last one of its connection, `on_drain` (it tells streams to go
        elsewhere), no new connections on the MCP port, calls in flight end or are cut after `drain` seconds, the MCP
        port closes, the admin port closes. `started` is set and the ports are known once both listen.

        Raises:
            PortInUseError: a port is taken; nothing was started.
            ExceptionGroup: an application did not come up (`StartError`), or a listener ended by itself.
        """
        mcp, admin = self._bind()
        self.mcp_port, self.admin_port = mcp.port, admin.port
        loop = asyncio.get_running_loop()
        if handle_signals:
            for number in _SIGNALS:
                loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                serving_mcp = group.create_task(mcp.run_until_closed())
                serving_admin = group.create_task(admin.run_until_closed())
                await mcp.listening.wait()
                await admin.listening.wait()
                self.started.set()
                await self._stopping.wait()
                on_stop()
                mcp.leave()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._hurrying.wait()
                on_drain()
                await self._end(mcp, serving_mcp)
                admin.close_within(0)
                await serving_admin
        finally:
            if handle_signals:
                for number in _SIGNALS:
                    loop.remove_signal_handler(number)

    def _bind(self) -> tuple[ListenerServer, ListenerServer]:
        first, second = self._listeners
        mcp = first.bind()
        try:
            admin = second.bind()
        except BaseException:
            mcp.close()
            raise
        return ListenerServer(first, mcp), ListenerServer(second, admin)

    async def _end(self, mcp: ListenerServer, serving: "asyncio.Task[None]") -> None:
        mcp.close_within(self.drain)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.drain):
                await self._drained()
        self._cut()
        await serving
