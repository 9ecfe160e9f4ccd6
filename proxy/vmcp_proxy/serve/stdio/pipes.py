"""The two descriptors that a client talks through, without a thread and without changing their flags.

They may be pipes, sockets, terminals or files, and others may share what is open behind them: set to non-blocking,
a terminal would stay so for the shell.
"""

import asyncio
import contextlib
import os
import select
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

_CHUNK_BYTES: Final = 64 << 10
_HIGH_BYTES: Final = 1 << 20
"""From so many unread bytes on, who writes waits."""
_AT_ONCE: Final = 64
"""Writes between two looks at the rest of the loop."""
_GONE: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


@dataclass(frozen=True, slots=True)
class Pipes:
    """Descriptors to read messages from and to write them to; whoever takes them closes them."""

    reading: int
    writing: int


def take_standard_streams() -> Pipes:
    """Takes standard input and output for messages alone, before anything else can use them.

    Descriptor 1 leads to standard error from then on (nowhere, where that is closed) and descriptor 0 to nothing, so
    that neither a stray `print` nor a program that inherits them can write or eat a message.

    Raises:
        OSError: one of the two is closed.
    """
    pipes = Pipes(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(nothing, 0)
        try:
            os.dup2(2, 1)
        except OSError:
            os.dup2(nothing, 1)
    finally:
        os.close(nothing)
    return pipes


class Input:
    """Reads chunks as they come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        try:
            loop.add_reader(self._descriptor, _resolve, readable)
        except PermissionError:
            # A regular file or /dev/null: reading never waits.
            return os.read(self._descriptor, _CHUNK_BYTES)
        try:
            await readable
        finally:
            loop.remove_reader(self._descriptor)
        try:
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:
            return b""

    def close(self) -> None:
        """Lets go of the descriptor."""
        os.close(self._descriptor)


class Output:
    """Writes whole messages in their order; one that has begun is never cut off by the end of who wrote it.

    `on_broken` hears that nobody reads any more; what is written from then on is lost.
    """

    def __init__(self, descriptor: int, on_broken: Callable[[], None]) -> None:
        self._descriptor: Final = descriptor
        self._on_broken: Final = on_broken
        self._poll: Final = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._waiting: Final[deque[memoryview]] = deque()
        self._size = 0
        self._has_room: Final = asyncio.Event()
        self._has_room.set()
        self._is_empty: Final = asyncio.Event()
        self._is_empty.set()
        self._is_watching = False
        self.is_broken = False

    async def write(self, parts: Iterable[bytes | memoryview]) -> None:
        """Writes a message and waits while the client reads too slowly."""
        if self.is_broken:
            return
        for part in parts:
            view = memoryview(part).cast("B")
            if view:
                self._waiting.append(view)
                self._size += len(view)
        self._is_empty.clear()
        if not self._is_watching:
            self._flush()
        if self._size > _HIGH_BYTES:
            self._has_room.clear()
            await self._has_room.wait()

    async def flushed(self, seconds: float) -> None:
        """Returns once everything is written, or after some time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_empty.wait()

    def has_gone(self) -> bool:
        """Whether nobody can read any more."""
        return self.is_broken or any(event & _GONE for _, event in self._poll.poll(0))

    def close(self) -> None:
        """Lets go of the descriptor."""
        self._watch(wanted=False)
        os.close(self._descriptor)

    def _flush(self) -> None:
        try:
            self._write_ready(_AT_ONCE)
            try:
                self._watch(wanted=bool(self._waiting))
            except PermissionError:
                # A regular file: writing never waits.
                self._write_ready(sys.maxsize)
        except OSError:
            self._break()
            return
        if self._size <= _HIGH_BYTES:
            self._has_room.set()
        if not self._waiting:
            self._is_empty.set()

    def _write_ready(self, most: int) -> None:
        for _ in range(most):
            if not self._waiting or not self._poll.poll(0):
                return
            self._write_some()

    def _write_some(self) -> None:
        # A descriptor that is ready takes this much without waiting; more might wait for the reader.
        view = self._waiting[0][: select.PIPE_BUF]
        written = os.write(self._descriptor, view)
        self._size -= written
        if written == len(self._waiting[0]):
            self._waiting.popleft()
        else:
            self._waiting[0] = self._waiting[0][written:]

    def _watch(self, *, wanted: bool) -> None:
        if wanted == self._is_watching:
            return
        loop = asyncio.get_running_loop()
        if wanted:
            loop.add_writer(self._descriptor, self._flush)
        else:
            loop.remove_writer(self._descriptor)
        self._is_watching = wanted

    def _break(self) -> None:
        self.is_broken = True
        self._waiting.clear()
        self._size = 0
        self._watch(wanted=False)
        self._has_room.set()
        self._is_empty.set()
        self._on_broken()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
