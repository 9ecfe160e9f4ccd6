"""Runs a server as its entry in an editor's file says, and the proxy in front of all of them."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from tests.servers.clients import Asks, over_http, over_sse, over_stdio
from tests.servers.table import Server

READY_SECONDS = 60.0
VMCP = Path(sys.executable).parent / "vmcp"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy of a server runs: its programs, a folder of its own, a port of its own."""

    server: Server
    programs: Path
    tmp: Path
    port: int = field(default=0)

    def filled(self, value: Any) -> Any:
        """A value of the table with the names of this place in it."""
        if isinstance(value, str):
            return value.replace("{tmp}", str(self.tmp)).replace("{port}", str(self.port))
        if isinstance(value, dict):
            return {name: self.filled(each) for name, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value

    @property
    def command(self) -> list[str]:
        program, *arguments = self.filled(self.server.command).split()
        return [str(self.programs / program), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        named = {name: self.filled(value) for name, value in self.server.env}
        return {**named, "NO_UPDATE_NOTIFIER": "1", "PORT": str(self.port)}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.server.path}"

    @property
    def entry(self) -> dict[str, Any]:
        """What stands in the editor's file."""
        if self.server.path:
            return {"url": self.url, "type": self.server.transport}
        command, *arguments = self.command
        return {"command": command, "args": arguments, "env": self.environment, "cwd": str(self.tmp)}


def place(server: Server, programs: Path, folder: Path) -> Place:
    """A new place in a folder."""
    tmp = folder / server.name
    tmp.mkdir(parents=True)
    return Place(server, programs, tmp, free_port())


@contextlib.asynccontextmanager
async def serving(place: Place) -> AsyncIterator[None]:
    """Runs a server that is reached by HTTP; those over stdio are started by whoever uses them."""
    if not place.server.path:
        yield
        return
    async with program(place.command, {**os.environ, **place.environment}, place.tmp / "server.log"):
        await listening(place.port)
        yield


@contextlib.asynccontextmanager
async def program(command: list[str], environment: Mapping[str, str], log: Path) -> AsyncIterator[None]:
    """A program for the time of the block, in a group of its own."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=log.parent, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, 9)
            await process.wait()


@contextlib.asynccontextmanager
async def direct(place: Place) -> AsyncIterator[Asks]:
    """A client of the server itself."""
    match (place.server.path, place.server.transport):
        case ("", _):
            client = over_stdio(place.command, {**os.environ, **place.environment}, str(place.tmp))
        case (_, "sse"):
            client = over_sse(place.url)
        case _:
            client = over_http(place.url)
    async with client as asks:
        yield asks


@contextlib.asynccontextmanager
async def gateway(places: list[Place], folder: Path) -> AsyncIterator[Asks]:
    """A session at one `vmcp serve` in front of all of them."""
    file = folder / "servers.json"
    file.write_text(json.dumps({"mcpServers": {place.server.name: place.entry for place in places}}))
    port = free_port()
    command = [VMCP, "serve", "--mcp-config", file, "--port", port, "--admin-port", free_port()]
    async with program([str(each) for each in command], os.environ, folder / "vmcp.log"):
        await listening(port)
        async with over_http(f"http://127.0.0.1:{port}/mcp") as client:
            yield client


async def listening(port: int) -> None:
    """Waits until somebody listens at a port."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
