"""What a peer without scruples sends to a real `vmcp serve`, bounded in bytes."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.raw_client import RawClient

POD_MIB = 512
"""What a process may hold without sessions: a pod's limit is 768 MiB by default, of which they take the rest."""

_PIECE = 64 << 10
_STILL = 10
"""Clients that are served while nothing moves, before it is taken to have ended."""


@dataclass
class Pod:
    """One process with the limits of a pod."""

    pid: int
    port: int

    @property
    def peak_mib(self) -> float:
        """The most memory that it has held so far."""
        return self._memory("VmHWM:")

    @property
    def held_mib(self) -> float:
        """The memory that it holds now."""
        return self._memory("VmRSS:")

    def _memory(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(name)[2].split(maxsplit=1)[0]) / 1024

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def head(self, *fields: str, verb: str = "POST") -> bytes:
        usual = ("content-type: application/json", "accept: application/json, text/event-stream")
        lines = (f"{verb} /mcp HTTP/1.1", f"host: 127.0.0.1:{self.port}", *usual, *fields)
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    async def answers(self) -> bool:
        """Whether a client that means well is served: a handshake, a call, a goodbye."""
        async with RawClient(self.url) as client, asyncio.timeout(60):
            await client.open()
            answer = await client.request("ping")
            return answer["result"] == {} and await client.delete() == 204

    async def serves_until_still(self, count: Callable[[], int]) -> None:
        """Serves others until what is counted grows no more.

        No time is waited for: a process that has served that many clients has had its turns to read what had come.
        """
        still, before = 0, count()
        while still < _STILL:
            assert await self.answers()
            still = still + 1 if count() == before else 0
            before = count()


@contextlib.asynccontextmanager
async def pod(folder: Path, *options: str, servers: dict[str, object] | None = None) -> AsyncIterator[Pod]:
    """`vmcp serve` as a process of its own."""
    file = folder / "servers.json"
    file.write_text(json.dumps({"mcpServers": servers or {}}))
    log = folder / "vmcp.log"
    command = (sys.executable, "-m", "vmcp_proxy", "serve", "--mcp-config", file, "--port", "0", "--admin-port", "0")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, *options, stdout=output, stderr=output)
    try:
        async with asyncio.timeout(60):
            while not (found := re.search(r"url=http://127\.0\.0\.1:(\d+)/mcp", log.read_text())):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield Pod(process.pid, int(found[1]))
        assert process.returncode is None, "the process has ended"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Flood:
    """What a peer sends that never reads: `first`, then the same `piece` up to `most` bytes; held open then."""

    def __init__(self, first: bytes, piece: bytes, most: int) -> None:
        self._first = first
        self._block = piece * max(_PIECE // len(piece), 1)
        self._most = most
        self._written = 0
        self._transport: asyncio.WriteTransport | None = None
        self.has_begun = False

    @property
    def taken(self) -> int:
        """How many bytes the other side and the kernel have taken."""
        waiting = self._transport.get_write_buffer_size() if self._transport else 0
        return self._written - waiting

    async def run(self, pod: Pod) -> None:
        """Goes on until it is cancelled or the pod ends the connection."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", pod.port, limit=1)
        finally:
            self.has_begun = True
        reader._transport.pause_reading()
        self._transport = writer.transport
        self._transport.set_write_buffer_limits(high=_PIECE)
        try:
            with contextlib.suppress(ConnectionError):
                await self._send(writer, self._first)
                while self._written < self._most + len(self._first):
                    await self._send(writer, self._block)
                await asyncio.Event().wait()
        finally:
            self._transport.abort()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self._written += len(data)
        writer.write(data)
        await writer.drain()


async def pour(pod: Pod, floods: Sequence[Flood]) -> None:
    """Sends all floods side by side, until the pod takes no more of any of them; others are served meanwhile."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(flood.run(pod)) for flood in floods]
        while not all(flood.has_begun for flood in floods):
            assert await pod.answers()
        await pod.serves_until_still(lambda: sum(flood.taken for flood in floods))
        for each in running:
            each.cancel()


async def status_of(pod: Pod, sent: bytes) -> int:
    """The status of the first answer; the connection is dropped then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pod.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(60):
            return int((await reader.readline()).split()[1])
    finally:
        writer.transport.abort()
