"""The connections to one origin under one trust setting and network."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from vmcp_proxy.http_client.connection import Connection, Owner
from vmcp_proxy.http_client.errors import PoolClosed, Timeout
from vmcp_proxy.http_client.limits import ClientLimits

Dial: TypeAlias = Callable[[Owner, float], Awaitable[Connection]]
"""Open a connection for an owner before a deadline (event loop time)."""
_CLOSING_SECONDS: Final = 1.0


class Pool:
    """Hands out idle connections, last used first, and opens up to ``max_connections``.

    A *slot* is the right to one connection. When all are taken, callers queue; the first in the queue gets
    what comes free: a connection (served) or a slot (dials itself). So nobody waits while a slot is free,
    and nobody overtakes the queue.
    """

    __slots__ = (
        "_callers", "_connections", "_dial", "_idle", "_is_closed", "_keeps_from", "_limits", "_slots", "_waiters",
    )  # fmt: skip

    def __init__(self, dial: Dial, limits: ClientLimits) -> None:
        self._dial = dial
        self._limits = limits
        self._slots = 0
        self._callers = 0
        self._idle: list[Connection] = []
        self._connections: dict[Connection, asyncio.Future[None]] = {}
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._is_closed = False
        self._keeps_from = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nobody has, wants or opens a connection."""
        return not (self._slots or self._callers)

    @property
    def is_full(self) -> bool:
        """Whether a newcomer would have to wait for another's connection."""
        return not self._idle and self._slots >= self._limits.max_connections

    def keep_none(self, until: float) -> None:
        """Uses every connection once, until that loop time."""
        self._keeps_from = until
        for connection in tuple(self._idle):
            connection.close()

    def take_idle(self) -> Connection | None:
        """Return an idle connection, to which the caller must write before it awaits anything."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_old:
                connection.close()
            elif connection.is_usable:
                return connection
        return None

    async def acquire(self, deadline: float) -> Connection:
        """Return a usable connection, to which the caller must write before it awaits anything else.

        Timeout for a queue that does not move, and what dialling raises.
        """
        self._callers += 1
        try:
            while True:
                if self._is_closed:
                    raise PoolClosed(sent=False)
                if self._slots < self._limits.max_connections:
                    self._slots += 1
                    return await self._open(deadline)
                connection = await self._queue(deadline)
                if connection is None:
                    return await self._open(deadline)
                if connection.is_usable:
                    return connection
                # It died on the way here and gave its slot back: queue again.
        finally:
            self._callers -= 1

    def release(self, connection: Connection) -> None:
        if connection.is_old or (self._keeps_from and asyncio.get_running_loop().time() < self._keeps_from):
            connection.close()
            return
        waiter = self._next_waiter() if self._waiters else None
        if waiter is not None:
            waiter.set_result(connection)
        elif len(self._idle) < self._limits.max_idle:
            self._idle.append(connection)
            connection.go_idle()
        else:
            connection.close()

    def retire(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._connections:
            self._free_slot()

    def forget(self, connection: Connection) -> None:
        closed = self._connections.pop(connection, None)
        if closed is not None:
            closed.set_result(None)

    async def aclose(self) -> None:
        """Close all connections, fail all waits, return when the sockets are gone."""
        self._is_closed = True
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(PoolClosed(sent=False))
        gone = list(self._connections.values())
        for connection in list(self._connections):
            connection.close()
        if gone:
            await asyncio.wait(gone, timeout=_CLOSING_SECONDS)

    async def _open(self, deadline: float) -> Connection:
        try:
            connection = await self._dial(self, deadline)
        except BaseException:
            self._free_slot()
            raise
        if self._is_closed:
            connection.close()
        if connection.error is not None:  # closed before this task went on, by us or by the peer
            self._free_slot()
            raise connection.error
        self._connections[connection] = asyncio.get_running_loop().create_future()
        return connection

    async def _queue(self, deadline: float) -> Connection | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_at(min(deadline, loop.time() + self._limits.pool_timeout), _expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise
        finally:
            timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _give_back(self, granted: Connection | None) -> None:
        if granted is None:
            self._free_slot()
        elif granted.is_usable:
            self.release(granted)

    def _free_slot(self) -> None:
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(None)
        else:
            self._slots -= 1

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def __repr__(self) -> str:
        busy = self._slots - len(self._idle)
        return f"<Pool {busy} busy, {len(self._idle)} idle, {len(self._waiters)} waiting>"


def _expire(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(Timeout("pool", sent=False))
