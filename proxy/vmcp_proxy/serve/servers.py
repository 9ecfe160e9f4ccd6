"""The fronts of one process, from the first bind to the last answer."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from vmcp_proxy.serve.http.listener import Listener

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_BREAK_OFF_SECONDS: Final = 1.0
"""How long the calls that a crash of the process cuts may take to say so."""


class Front(Protocol):
    """Where clients come in: a port, or the pipes of one client; `port` is 0 where there is none."""

    @property
    def port(self) -> int: ...

    @property
    def listening(self) -> asyncio.Event: ...

    async def run_until_closed(self) -> None:
        """Serves until `close_within` was called and the last answer is given."""

    def leave(self) -> None:
        """Serves on, but sends clients elsewhere where it can."""

    def close_within(self, seconds: float) -> None:
        """Takes nothing new; what is in flight may end, for `seconds` at most."""

    def discard(self) -> None:
        """Lets go of what it holds without having served."""


class Opens(Protocol):
    """What a front is made from."""

    def open(self) -> Front:
        """The front; raises as `Listener.bind` does."""


class Servers:
    """The front of the endpoint, and the admin port where there is one.

    `drain` is how long, in seconds, calls in flight may go on once the end began (it may be replaced any time);
    `drained` returns when none is left, `cut` ends all that is left, streams too.
    """

    def __init__(
        self,
        mcp: Opens,
        admin: Listener | None,
        *,
        drain: float,
        drained: Callable[[], Awaitable[None]],
        cut: Callable[[], object],
    ) -> None:
        self.drain = drain
        self.started: Final = asyncio.Event()
        self.mcp_port = 0
        self.admin_port = 0
        self._opens_mcp: Final = mcp
        self._opens_admin: Final = admin
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
        """Serves until `stop` or a signal to end, and for `delay` seconds more, then drains and closes.

        In order: `on_stop` (it turns readiness off), everything is served for `delay` seconds while Services learn
        that this pod is leaving, each answer as the last one of its connection, `on_drain` (it tells streams to go
        elsewhere), no new connections on the MCP port, calls in flight end or are cut after `drain` seconds, the MCP
        port closes, the admin port closes. `started` is set and the ports are known once both listen; without an
        admin port, and for a front without one, the number is 0.

        Where it is cancelled, because a part of the process has crashed, everything is cut at once, so that what asks
        until the end hears why.

        Raises:
            PortInUseError: a port is taken; nothing was started.
            ExceptionGroup: an application did not come up (`StartError`), or a listener ended by itself.
        """
        mcp, admin = self._bind()
        self.mcp_port, self.admin_port = mcp.port, 0 if admin is None else admin.port
        loop = asyncio.get_running_loop()
        if handle_signals:
            for number in _SIGNALS:
                loop.add_signal_handler(number, self.stop)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means to outlive its terminal
                # It stays until the loop closes: a shell sends it again while the last audit lines go out.
                loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            async with asyncio.TaskGroup() as group:
                serving_mcp = group.create_task(mcp.run_until_closed())
                serving_admin = None if admin is None else group.create_task(admin.run_until_closed())
                await mcp.listening.wait()
                if admin is not None:
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
                if admin is not None and serving_admin is not None:
                    admin.close_within(0)
                    await serving_admin
        except BaseException:
            await self._break_off()
            raise
        finally:
            if handle_signals:
                for number in _SIGNALS:
                    loop.remove_signal_handler(number)

    def _hang_up(self) -> None:
        """The terminal has gone, which ends the process as SIGTERM does; without one, somebody asks for a reload.

        Files are watched, and a rotated audit file is noticed, without it. Repeated, as shells do, it hurries nothing.
        """
        if not self._stopping.is_set() and os.isatty(0):
            self.stop()

    def _bind(self) -> tuple[Front, Front | None]:
        mcp = self._opens_mcp.open()
        try:
            admin = None if self._opens_admin is None else self._opens_admin.open()
        except BaseException:
            mcp.discard()
            raise
        return mcp, admin

    async def _break_off(self) -> None:
        """Answers what is in flight: nobody may find what it needs gone, and take that for the fault."""
        self._cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BREAK_OFF_SECONDS):
                await self._drained()

    async def _end(self, mcp: Front, serving: "asyncio.Task[None]") -> None:
        mcp.close_within(self.drain)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.drain):
                await self._drained()
        self._cut()
        await serving
