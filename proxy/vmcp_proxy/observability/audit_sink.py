"""Where audit lines go, without ever holding up a request."""

import contextlib
import logging
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO, Final, Self

from vmcp_proxy.observability.logs import log_event

_GATHER_SECONDS: Final = 0.02
_MAX_LINES: Final = 100_000


class AuditSink:
    """Writes lines to a binary stream from a thread of its own.

    A reader that stalls (a full pipe, a slow disk) must not stop the event loop, so lines wait in a bounded
    queue and go out in batches, at most 20 ms late. Lines that do not fit or cannot be written are dropped
    and counted; the log says when that begins and when it is over.
    """

    __slots__ = (
        "_closing",
        "_failed",
        "_failing",
        "_lines",
        "_logger",
        "_overflowed",
        "_owned",
        "_stream",
        "_thread",
        "_wake",
    )

    def __init__(self, stream: BinaryIO, logger: logging.Logger, *, owned: bool = False) -> None:
        self._stream: Final = stream
        self._logger: Final = logger
        self._owned: Final = owned
        self._lines: deque[bytes] = deque()
        self._overflowed = 0
        self._failed = 0
        self._failing = False
        self._wake: Final = threading.Event()
        self._closing: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @classmethod
    def to_file(cls, path: Path, logger: logging.Logger) -> Self:
        """A sink that appends to a file, which is made for the owner's eyes only.

        Raises:
            OSError: the file cannot be opened.
        """
        path.touch(mode=0o600, exist_ok=True)
        return cls(path.open("ab"), logger, owned=True)

    @property
    def dropped(self) -> int:
        """How many events were lost so far, because too many waited or the stream failed."""
        # Each counter is written by one thread only.
        return self._overflowed + self._failed

    def write(self, line: bytes) -> None:
        """Takes one line with its line end; never blocks, never raises."""
        if len(self._lines) >= _MAX_LINES:
            self._overflowed += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Writes what waits, for at most `timeout` seconds, and ends; what is left counts as dropped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._overflowed += len(self._lines)
        elif self._owned:
            with contextlib.suppress(OSError):  # what could not be written is counted already
                self._stream.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            closing = self._closing.wait(_GATHER_SECONDS)
            self._wake.clear()
            batch = [self._lines.popleft() for _ in range(len(self._lines))]
            if batch:
                self._flush(batch)
            if closing and not self._lines:
                return

    def _flush(self, batch: list[bytes]) -> None:
        try:
            self._stream.write(b"".join(batch))
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._failed += len(batch)
            if not self._failing:
                log_event(self._logger, logging.ERROR, "audit sink fails; events are lost", error=error)
            self._failing = True
            return
        if self._failing:
            log_event(self._logger, logging.WARNING, "audit sink works again", lost=self._failed)
            self._failing = False
