"""A real Redis of the test's own: on a free port, without persistence, with outages on demand."""

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.ports import free_port

START_SECONDS = 10.0


class RedisServer:
    """One `redis-server` process; `start` after `stop` comes back on the same port, and empty."""

    def __init__(self, folder: Path, *options: str, port: int | None = None, sentinel: bool = False) -> None:
        self.port = port or free_port()
        self.host = "127.0.0.1"
        self._folder = folder
        self._options = options
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is not installed"
        with (self._folder / f"redis-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen([program, *self._arguments()], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            assert self._process.poll() is None, "redis-server ended at once; see its log"
            assert time.monotonic() < deadline, "redis-server does not listen"
            time.sleep(0.005)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(START_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Keep the connections but answer nothing, as behind a network that drops packets."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *parts: str | bytes) -> bytes:
        """The raw answer to one command."""
        with socket.create_connection((self.host, self.port), START_SECONDS) as connection:
            connection.sendall(encode_command(parts))
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def _arguments(self) -> Iterator[str]:
        if self._sentinel:
            config = self._folder / f"sentinel-{self.port}.conf"
            config.write_text("\n".join(self._options) + "\n")
            yield str(config)
        yield from ("--port", str(self.port), "--bind", self.host, "--dir", str(self._folder))
        if self._sentinel:
            yield "--sentinel"
        else:
            yield from ("--save", "", "--appendonly", "no", *self._options)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.host, self.port)) == 0


def encode_command(parts: Sequence[str | bytes]) -> bytes:
    """One command as an array of bulk strings (RESP)."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in raw)


@contextmanager
def running(server: RedisServer) -> Iterator[RedisServer]:
    """A server for the length of a block."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Monitor:
    """Everything that clients say to a Redis, by MONITOR."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._seen: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._server.host, self._server.port)
        self._writer.write(encode_command(["MONITOR"]))
        async with asyncio.timeout(START_SECONDS):
            assert await self._reader.readline() == b"+OK\r\n"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def lines(self) -> list[bytes]:
        """What was said so far."""
        mark = b"end of what the test wants to see"
        await asyncio.to_thread(self._server.command, "PING", mark)
        async with asyncio.timeout(START_SECONDS):
            while mark not in (line := await self._reader.readline()):
                self._seen.append(line)
        return self._seen
