"""Child processes of a run: started, watched through /proc, ended by their id."""

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

START_SECONDS = 60.0
_END_SECONDS = 5.0
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PORT = "port "


def announce_port(port: int) -> None:
    """Tells the parent that this process listens."""
    print(f"{_PORT}{port}", flush=True)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used: CPU seconds since their start, resident bytes now."""

    cpu: float
    rss: int


class Child:
    """A process that speaks to its parent in lines."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._pending = b""

    def read_line(self, seconds: float) -> str:
        """The next line.

        Raises:
            TimeoutError: none came in time.
            EOFError: the process ended.
        """
        until = time.monotonic() + seconds
        descriptor = self._stream(self._process.stdout).fileno()
        while b"\n" not in self._pending:
            ready, _, _ = select.select((descriptor,), (), (), max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"no line within {seconds:.0f} s from: {' '.join(self._command)}")
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                raise EOFError(f"ended early: {' '.join(self._command)}")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()

    def write_line(self, line: str) -> None:
        stream = self._stream(self._process.stdin)
        stream.write(line.encode() + b"\n")
        stream.flush()

    def port(self) -> int:
        """The port that the process announces; other lines before it are skipped."""
        until = time.monotonic() + START_SECONDS
        while True:
            line = self.read_line(until - time.monotonic())
            if line.startswith(_PORT):
                return int(line.removeprefix(_PORT))

    def usage(self) -> Usage:
        """What it and its descendants have used so far."""
        fields = [_stat(pid) for pid in _family(self._process.pid)]
        ticks = sum(int(each[11]) + int(each[12]) for each in fields)
        return Usage(ticks / _TICK, sum(int(each[21]) for each in fields) * _PAGE)

    def end(self) -> None:
        """Ends the process, by force where it does not go."""
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                self._stream(stream).close()

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream


@contextlib.contextmanager
def running(*command: str) -> Iterator[Child]:
    """A child for the time of a block."""
    child = Child(command)
    try:
        yield child
    finally:
        child.end()


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
