"""Lines to a descriptor: standard output, a pipe, or a file that is rotated by its size and by others (logrotate)."""

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import select
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError
from vmcp_proxy.observability.logs import log_event

_CHUNK: Final = 64 << 10
_PATIENCE_SECONDS: Final = 1.0
"""How long a full pipe that does not block is waited for before the attempt counts as failed."""

_MODE: Final = 0o600
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Not blocking: to open a FIFO that nobody reads would stop everything. Regular files do not care."""

_TRY_AGAIN_SECONDS: Final = 60.0
"""Between two attempts to rotate a file in a folder that does not let us."""


class StreamSink:
    """Writes to a descriptor that somebody else has opened."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._begun = 0

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        self._write(lines)
        return 0

    def close(self) -> None:
        """See `Sink`; the descriptor stays open."""

    def _write(self, lines: Sequence[bytes]) -> None:
        """Writes lines, the first of which may have begun.

        Raises:
            SinkAwayError: it takes no more; a file has whole lines only, a pipe may have the beginning of one.
        """
        text = memoryview(b"".join(lines))
        at, self._begun = self._begun, 0
        descriptor = self._descriptor
        if descriptor is None:
            raise SinkAwayError("not open")
        try:
            while at < len(text):
                at += _write_some(descriptor, text[at : at + _CHUNK])
        except OSError as error:
            whole, begun = _split(lines, at)
            if begun and not self._take_back(descriptor, begun):
                self._begun = begun
            raise SinkAwayError(error.strerror or type(error).__name__, sent=whole) from None

    @staticmethod
    def _take_back(descriptor: int, count: int) -> bool:
        """Takes the beginning of a line out of a file again, so that no line is ever in two of them."""
        with contextlib.suppress(OSError):
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                os.ftruncate(descriptor, max(found.st_size - count, 0))
                return True
        return False


def _write_some(descriptor: int, text: memoryview) -> int:
    try:
        return os.write(descriptor, text)
    except BlockingIOError:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(_PATIENCE_SECONDS * 1000):
            raise OSError(errno.EAGAIN, "nobody reads") from None
        return 0


def _split(lines: Sequence[bytes], at: int) -> tuple[int, int]:
    """How many lines end at or before a place in the text of them all, and how much of the next stands before it."""
    whole = 0
    for end in itertools.accumulate(map(len, lines)):
        if end > at:
            return whole, at - (end - len(lines[whole]))
        whole += 1
    return whole, 0


class FileSink(StreamSink):
    """Appends to a file for its owner's eyes only.

    With `most_bytes` it is rotated before it would grow beyond: `<path>.1` is the newest of the `keep` former ones.
    Where somebody else has renamed or removed it (logrotate without `copytruncate`), the next line goes to a new one:
    it is looked for before every batch, so that no signal is needed. What is written is left to the kernel; a file that
    is left is synced first. Processes that share one file rotate it once.
    """

    def __init__(self, path: Path, logger: logging.Logger, *, most_bytes: int | None = None, keep: int = 1) -> None:
        super().__init__(-1)
        self._descriptor = None
        self._path: Final = path
        self._logger: Final = logger
        self._most: Final = most_bytes
        self._keep: Final = keep
        self._no_rotation_before = 0.0

    def open(self) -> None:
        """Opens the file before the first line comes, to find out whether that can be done.

        Raises:
            OSError: it cannot.
        """
        try:
            self._open()
        except OSError as error:
            # A FIFO that nobody reads yet is no mistake.
            if error.errno != errno.ENXIO:
                raise

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        sent = 0
        while sent < len(lines):
            part = lines[sent : sent + self._fitting(lines, sent)]
            try:
                self._write(part)
            except SinkAwayError as away:
                self._leave_pipe()
                raise SinkAwayError(away.reason, sent=sent + away.sent) from None
            sent += len(part)
        return 0

    def close(self) -> None:
        """See `Sink`."""
        self._leave()

    def _fitting(self, lines: Sequence[bytes], start: int) -> int:
        """How many of the lines go to the file as it is, which is another one if it has to be."""
        size = self._current_size(start)
        if self._most is None or size is None:
            return len(lines)
        if size and size + len(lines[start]) > self._most and time.monotonic() >= self._no_rotation_before:
            size = self._rotate(start)
        count = 0
        for line in itertools.islice(lines, start, None):
            size += len(line)
            if count and size > self._most and time.monotonic() >= self._no_rotation_before:
                break
            count += 1
        return count

    def _current_size(self, sent: int) -> int | None:
        """The size of the file at the path, opened again where it is another one; None where it is no file."""
        try:
            if not self._is_current():
                self._leave()
                self._open()
            found = os.fstat(self._descriptor if self._descriptor is not None else -1)
        except OSError as error:
            raise SinkAwayError(error.strerror or type(error).__name__, sent=sent) from None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def _is_current(self) -> bool:
        if self._descriptor is None:
            return False
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._path, _FLAGS)
        except FileNotFoundError:
            self._descriptor = os.open(self._path, _FLAGS | os.O_CREAT, _MODE)

    def _rotate(self, sent: int) -> int:
        """Makes room; the size of the file that is written to from here on."""
        try:
            if not self._is_ours_to_rotate():
                return self._current_size(sent) or 0
            for number in range(self._keep - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._numbered(number).replace(self._numbered(number + 1))
            self._path.replace(self._numbered(1))
        except OSError as error:
            # Better a long file than a lost line.
            self._no_rotation_before = time.monotonic() + _TRY_AGAIN_SECONDS
            log_event(self._logger, logging.ERROR, "audit file cannot be rotated, it grows", reason=error.strerror)
        return self._current_size(sent) or 0

    def _is_ours_to_rotate(self) -> bool:
        """Whether no other process rotates the file, or has done so since it was looked at; until the file is left."""
        if self._descriptor is None:
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # A file system without locks: one process alone, we hope.
            return True
        return self._is_current()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _leave_pipe(self) -> None:
        """A pipe whose reader has gone never comes back; the next reader gets whole lines."""
        if self._descriptor is not None and not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            readable = select.poll()
            readable.register(self._descriptor, 0)
            if any(event & (select.POLLERR | select.POLLHUP) for _, event in readable.poll(0)):
                self._begun = 0
                self._leave()

    def _leave(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # what cannot be synced is none
                os.fdatasync(self._descriptor)
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None
