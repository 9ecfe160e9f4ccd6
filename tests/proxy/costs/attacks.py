"""What a peer without scruples sends to a real `vmcp serve`, bounded in bytes and in time."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.raw_client import RawClient

POD_MIB = 512
"""The memory limit of a pod by default."""

SECONDS = 20.0
_PIECE = 64 << 10


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


async def pour(pod: Pod, first: bytes, piece: bytes, most: int, *, seconds: float = SECONDS) -> int:
    """Sends and reads nothing; how many bytes were taken before the peer stopped to, or ended it."""
    sent = 0
    block = piece * max(_PIECE // len(piece), 1)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", pod.port, limit=1)
            reader._transport.pause_reading()
            writer.transport.set_write_buffer_limits(high=_PIECE)
            try:
                writer.write(first)
                await writer.drain()
                while sent < most:
                    writer.write(block)
                    await writer.drain()
                    sent += len(block)
            finally:
                writer.transport.abort()
    return sent


async def status_of(pod: Pod, sent: bytes, *, seconds: float = SECONDS) -> int:
    """The status of the first answer; the connection is dropped then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pod.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(seconds):
            return int((await reader.readline()).split()[1])
    finally:
        writer.transport.abort()
