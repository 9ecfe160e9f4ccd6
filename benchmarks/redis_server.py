"""A redis-server of our own on a free port, counted by its own statistics."""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ports import free_port

_START_SECONDS = 10.0


class RedisServer:
    """One `redis-server` process; `start` after `stop` comes back on the same port, and empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @staticmethod
    def is_installed() -> bool:
        """Whether this machine has the program."""
        return shutil.which("redis-server") is not None

    def start(self) -> None:
        """Starts it and waits until it listens.

        Raises:
            TimeoutError: it does not.
        """
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder))
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                ("redis-server", "--port", str(self.port), *options), stdout=log, stderr=log
            )
        until = time.monotonic() + _START_SECONDS
        while not self._listens():
            if time.monotonic() > until:
                raise TimeoutError("redis-server does not listen")
            time.sleep(0.01)

    def stop(self) -> None:
        """Kills it, as a node that goes away does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_START_SECONDS)
            self._process = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def suspend(self) -> None:
        """Has it hang: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def info(self, section: str = "default") -> dict[str, str]:
        """What the server says of itself, by field."""
        with socket.create_connection(("127.0.0.1", self.port), _START_SECONDS) as connection:
            connection.sendall(f"INFO {section}\r\nQUIT\r\n".encode())
            text = b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))

    def calls(self) -> dict[str, int]:
        """How often each command was called since the start."""
        found = {}
        for field, figures in self.info("commandstats").items():
            if field.startswith("cmdstat_"):
                found[field.removeprefix("cmdstat_")] = int(figures.removeprefix("calls=").split(",")[0])
        return found

    def _listens(self) -> bool:
        with contextlib.closing(socket.socket()) as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def redis_address(folder: Path) -> Iterator[str | None]:
    """Where a Redis listens while the block runs; None on a machine without it."""
    if not RedisServer.is_installed():
        yield None
        return
    server = RedisServer(folder)
    server.start()
    try:
        yield server.address
    finally:
        server.stop()
