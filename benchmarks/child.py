"""Child processes of a run: started, spoken to in lines, ended by their id."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from benchmarks.procfs import Usage, usage_of

START_SECONDS = 60.0
_END_SECONDS = 5.0
_TAIL_BYTES = 2000
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "16777216", "MALLOC_MMAP_THRESHOLD_": "4194304"}
"""What the proxy's image sets; every contender gets it, or page faults of large buffers would decide."""


class Child:
    """A process that speaks to its parent in lines on its standard output; what it says on stderr goes to `log`.

    With `is_quiet` its standard output goes to the log as well.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        is_quiet: bool = False,
    ) -> None:
        self._command = command
        self._log = log
        self._pending = b""
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=sink if is_quiet else subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **_ALLOCATOR, **(env or {})},
                cwd=cwd,
            )

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def read_line(self, seconds: float) -> str:
        """The next line.

        Raises:
            TimeoutError: none came in time.
            EOFError: the process ended.
        """
        until = time.monotonic() + seconds
        descriptor = _open(self._process.stdout).fileno()
        while b"\n" not in self._pending:
            ready, _, _ = select.select((descriptor,), (), (), max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"no line within {seconds:.0f} s from: {self}")
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                raise EOFError(f"ended early: {self}\n{self.tail()}")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()

    def write_line(self, line: str) -> None:
        """Says one line to it."""
        stream = _open(self._process.stdin)
        stream.write(line.encode() + b"\n")
        stream.flush()

    def usage(self) -> Usage:
        """What it and its descendants have used so far."""
        return usage_of(self.pid)

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")

    def last_words(self) -> str:
        """The last line of its log."""
        return (self.tail().strip().splitlines() or ["it said nothing"])[-1]

    def ask_to_end(self) -> None:
        """Lets the process begin to end; `end` waits for it."""
        self._process.terminate()

    def end(self) -> None:
        """Ends the process, by force where it does not go."""
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def __str__(self) -> str:
        return " ".join(self._command)


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("this child was started without a pipe")
    return stream


@contextlib.contextmanager
def running(child: Child) -> Iterator[Child]:
    """A child for the time of a block."""
    try:
        yield child
    finally:
        child.end()


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of this package with this interpreter."""
    return (sys.executable, "-m", f"benchmarks.{module}", *arguments)
