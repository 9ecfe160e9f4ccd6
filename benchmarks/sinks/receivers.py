"""The other ends of the sinks, which can be away, slow and lying; each knows every line that it was given."""

import asyncio
import contextlib
import gzip
import os
import random
import re
import resource
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks.ports import free_port

SINKS: Final = ("otlp", "syslog", "file", "pipe")


class Mood(StrEnum):
    """How a receiver behaves."""

    WELL = "well"
    AWAY = "away"
    SLOW = "slow"
    LYING = "lying"


class Receiver(Protocol):
    """`lines` are those that it has, in their order; `thrown_away` those that it took and did not keep.

    `writer` is the process that writes to it.
    """

    thrown_away: list[bytes]
    writer: int

    @property
    def lines(self) -> list[bytes]: ...

    def settings(self) -> dict[str, Any]: ...

    async def be(self, mood: Mood) -> None: ...

    async def finish(self) -> None: ...


_SLOW_SECONDS: Final = 0.2


class SyslogReceiver:
    """A server of octet-counted messages; stopped in order, it says so and reads on to the end.

    Lying: it answers with noise, reads and throws away.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.thrown_away: list[bytes] = []
        self.writer = 0
        self._port = free_port()
        self._mood = Mood.WELL
        self._server: asyncio.Server | None = None
        self._writers: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    def settings(self) -> dict[str, Any]:
        return {"sink": "syslog", "syslog": {"address": f"127.0.0.1:{self._port}"}}

    async def be(self, mood: Mood) -> None:
        self._mood = mood
        if mood is Mood.AWAY:
            await self.finish()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def finish(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            with contextlib.suppress(OSError):
                writer.write_eof()
        await asyncio.gather(*self._writers.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._writers[writer] = task
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            try:
                while True:
                    length = int(await reader.readuntil(b" "))
                    message = await reader.readexactly(length)
                    if self._mood is Mood.SLOW:
                        await asyncio.sleep(_SLOW_SECONDS / 20)
                    self._take(message, writer)
            finally:
                writer.close()
        self._writers.pop(writer, None)

    def _take(self, message: bytes, writer: asyncio.StreamWriter) -> None:
        line = message[message.index(b"{") :]
        if self._mood is Mood.LYING:
            self.thrown_away.append(line)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            self.lines.append(line)


class OtlpReceiver:
    """A collector of log records. Lying: statuses, noise and partial success, in turn by chance."""

    def __init__(self) -> None:
        # Imported here: the harness of calls does not need it.
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415

        self._kinds = logs_service_pb2
        self.lines: list[bytes] = []
        self.thrown_away: list[bytes] = []
        self.writer = 0
        self._port = free_port()
        self._mood = Mood.WELL
        self._chance = random.Random(7)
        self._kept: set[bytes] = set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def settings(self) -> dict[str, Any]:
        return {"sink": "otlp", "otlp": {"endpoint": f"http://127.0.0.1:{self._port}", "insecure": True}}

    async def be(self, mood: Mood) -> None:
        self._mood = mood
        if mood is Mood.AWAY:
            await self.finish()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=1 << 24)

    async def finish(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = gzip.decompress(await reader.readexactly(int(length[1]) if length else 0))
                status, answer = await self._take(body)
                fields = f"content-length: {len(answer)}\r\ncontent-type: application/x-protobuf\r\nretry-after: 0\r\n"
                writer.write(f"HTTP/1.1 {status} x\r\n{fields}\r\n".encode() + answer)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _take(self, body: bytes) -> tuple[int, bytes]:
        request = self._kinds.ExportLogsServiceRequest.FromString(body)
        scopes = [scope for group in request.resource_logs for scope in group.scope_logs]
        found = [record.body.string_value.encode() for scope in scopes for record in scope.log_records]
        if self._mood is Mood.SLOW:
            await asyncio.sleep(_SLOW_SECONDS)
        if self._mood is Mood.LYING:
            return self._lie(found)
        self._keep(found)
        return 200, b""

    def _keep(self, found: list[bytes]) -> None:
        self.lines += found
        self._kept.update(found)

    def _lie(self, found: list[bytes]) -> tuple[int, bytes]:
        match self._chance.randrange(4):
            case 0:
                return 500, b"<html>"
            case 1:
                return 503, b"\xff"
            case 2:
                self._keep(found)
                return 200, b"\xff noise"
        # It takes all but one event, and says so; never one that it has of an earlier attempt, which is not lost.
        refused = next((line for line in found if b"audit_lost" not in line and line not in self._kept), None)
        self._keep([line for line in found if line is not refused])
        partial = self._kinds.ExportLogsPartialSuccess(rejected_log_records=int(refused is not None))
        answer: bytes = self._kinds.ExportLogsServiceResponse(partial_success=partial).SerializeToString()
        return 200, answer


class FileReceiver:
    """A file. Away: its folder has gone. Slow: somebody rotates it all the time. Lying: the disk becomes full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "audit"
        self._folder.mkdir(parents=True)
        self._path = self._folder / "audit.log"
        self._parts = 0
        self._rotating: asyncio.Task[None] | None = None
        self.thrown_away: list[bytes] = []
        self.writer = 0

    @property
    def lines(self) -> list[bytes]:
        files = [self._folder / f"old.{number}" for number in range(self._parts)]
        return [line for file in [*files, self._path] if file.exists() for line in file.read_bytes().splitlines()]

    def settings(self) -> dict[str, Any]:
        return {"sink": "file", "file": {"path": str(self._path)}}

    async def be(self, mood: Mood) -> None:
        await self.finish()
        away = self._folder.with_name("away")
        if mood is Mood.AWAY:
            self._folder.rename(away)
        elif away.exists():
            away.rename(self._folder)
        if self.writer:
            # The limit on the size of files stands for a full disk.
            full = self._path.stat().st_size + 1000 if mood is Mood.LYING else resource.RLIM_INFINITY
            resource.prlimit(self.writer, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        if mood is Mood.SLOW:
            self._rotating = asyncio.create_task(self._rotate())

    async def finish(self) -> None:
        if self._rotating is not None:
            self._rotating.cancel()
            await asyncio.gather(self._rotating, return_exceptions=True)
            self._rotating = None

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(_SLOW_SECONDS)
            if self._path.exists():
                self._path.rename(self._folder / f"old.{self._parts}")
                self._parts += 1
                if self._parts % 2:
                    os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))


class PipeReceiver:
    """A FIFO: away and lying nobody reads, slow somebody reads little at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "fifo"
        os.mkfifo(self._path)
        # One descriptor for all of the run: with the last reader the pipe would lose what is in it.
        self._reader = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        self._mood = Mood.WELL
        self._got = bytearray()
        self._reading = asyncio.create_task(self._read())
        self.thrown_away: list[bytes] = []
        self.writer = 0

    @property
    def lines(self) -> list[bytes]:
        return bytes(self._got).splitlines()

    def settings(self) -> dict[str, Any]:
        return {"sink": "file", "path": str(self._path)}

    async def be(self, mood: Mood) -> None:
        self._mood = mood

    async def finish(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        while self._take(1 << 20):
            pass
        os.close(self._reader)

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(_SLOW_SECONDS / 10)
            if self._mood is Mood.WELL:
                self._take(1 << 20)
            elif self._mood is Mood.SLOW:
                self._take(4096)

    def _take(self, most: int) -> int:
        try:
            found = os.read(self._reader, most)
        except BlockingIOError:
            return 0
        self._got += found
        return len(found)


@contextlib.asynccontextmanager
async def receiving(name: str, folder: Path) -> AsyncIterator[Receiver]:
    """The other end of a sink, well when the block begins."""
    receiver: Receiver
    match name:
        case "otlp":
            receiver = OtlpReceiver()
        case "syslog":
            receiver = SyslogReceiver()
        case "file":
            receiver = FileReceiver(folder)
        case _:
            receiver = PipeReceiver(folder)
    await receiver.be(Mood.WELL)
    try:
        yield receiver
    finally:
        await receiver.finish()
