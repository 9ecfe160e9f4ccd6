"""The stage of a soak: Redis, backends, and the proxy as a pod runs it, in one folder."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import START_SECONDS, Child, python
from benchmarks.contenders.ours import backend_config, command_for, write_keys
from benchmarks.contenders.site import answers
from benchmarks.ports import free_port
from benchmarks.redis_server import RedisServer
from benchmarks.soak.backend import Backend
from benchmarks.soak.hostile_backend import NAME as HOSTILE
from benchmarks.soak.hostile_backend import HostileBackend
from benchmarks.soak.judge import CALL_TIMEOUT, LIST_TIMEOUT
from benchmarks.soak.plan import REDIS, Fault, Outage
from vmcp_api.config import CONTRACT

STDIO = "prog"
TTL_SECONDS = 15
CATALOG_SECONDS = 20
_HTTP = (("json1", False), ("json2", False), ("sse1", True), ("sse2", True))
_ALL_FAULTS = (Fault.DIE, Fault.HANG, Fault.GARBAGE, Fault.FORGET)


@dataclass(slots=True)
class Stage:
    """Everything that runs beside the callers."""

    folder: Path
    backends: dict[str, Backend]
    hostile: HostileBackend
    redis: RedisServer
    proxy: Child
    port: int
    admin_port: int

    @property
    def task_file(self) -> Path:
        """Where the proxy writes how many tasks it has."""
        return self.folder / "tasks"

    @property
    def names(self) -> tuple[str, ...]:
        """All backends that are called."""
        return (*self.backends, STDIO)

    async def begin(self, outage: Outage) -> None:
        """Breaks what an outage names."""
        if outage.name == REDIS:
            await asyncio.to_thread(self.redis.stop)
        elif outage.name == STDIO:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int((self.folder / "stdio.pid").read_text()), signal.SIGKILL)
        else:
            await self.backends[outage.name].begin(outage.fault)

    async def end(self, outage: Outage) -> None:
        """Makes it whole again; a program is started again by the proxy itself."""
        if outage.name == REDIS:
            await asyncio.to_thread(self.redis.start)
        elif outage.name != STDIO and outage.fault is not Fault.FORGET:
            await self.backends[outage.name].end()


def breakable() -> Sequence[tuple[str, Sequence[Fault]]]:
    """The backends with the faults they know."""
    return (*((name, _ALL_FAULTS) for name, _ in _HTTP), (STDIO, (Fault.DIE,)))


@contextlib.asynccontextmanager
async def staged(folder: Path, chance: random.Random) -> AsyncIterator[Stage]:
    """Starts all of it; the proxy is ready when the block begins.

    Raises:
        TimeoutError: it was not in time.
    """
    redis = RedisServer(folder)
    await asyncio.to_thread(redis.start)
    backends = {name: Backend(name, is_sse, chance) for name, is_sse in _HTTP}
    for backend in backends.values():
        await backend.start()
    hostile = HostileBackend(chance)
    await hostile.start()
    port, admin_port = free_port(), free_port()
    config = folder / "config.json"
    config.write_text(json.dumps(config_of(folder, backends, hostile, redis), indent=1))
    command = command_for(config, write_keys(folder), port, admin_port)
    # The same command under the module that counts tasks.
    command = (*python("soak.proxy", str(folder / "tasks")), *command[command.index("vmcp_proxy") + 1 :])
    proxy = Child(command, folder / "proxy.log", is_quiet=True)
    try:
        await _await_ready(proxy, admin_port)
        yield Stage(folder, backends, hostile, redis, proxy, port, admin_port)
    finally:
        await asyncio.to_thread(proxy.end)
        hostile.stop()
        for backend in backends.values():
            backend.stop()
        await asyncio.to_thread(redis.stop)


def config_of(
    folder: Path, backends: dict[str, Backend], hostile: HostileBackend, redis: RedisServer
) -> dict[str, object]:
    """Everything on, and bounds that are short enough for a soak."""
    program = {
        "name": STDIO,
        "kind": "MCPServer",
        "transport": "stdio",
        "network": "local",
        "command": [sys.executable, str(Path(__file__).with_name("stdio_backend.py")), str(folder / "stdio.pid")],
    }
    operational = {
        "timeouts": {"default": f"{CALL_TIMEOUT:g}s", "list": f"{LIST_TIMEOUT:g}s", "connect": "1s"},
        "failureHandling": {"healthCheckInterval": "1s", "healthCheckTimeout": "1s"},
        "limits": {"responseBody": 16 << 20},
        "catalogTtl": f"{CATALOG_SECONDS}s",
    }
    audit = {"enabled": True, "sink": "file", "path": str(folder / "audit.log")}
    ports = {name: each.port for name, each in backends.items()} | {HOSTILE: hostile.port}
    endpoints = [backend_config(name, f"http://127.0.0.1:{port}/mcp") for name, port in ports.items()]
    return {
        "contract": CONTRACT,
        "name": "soak",
        "incomingAuth": {"type": "anonymous"},
        "passthroughHeaders": ["X-Canary"],
        "sessionStorage": {"provider": "redis", "address": redis.address},
        "sessionManagement": {"ttl": f"{TTL_SECONDS}s"},
        "config": {"operational": operational, "audit": audit},
        "backends": [*endpoints, program],
    }


async def _await_ready(proxy: Child, admin_port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not await asyncio.to_thread(answers, admin_port, "/readyz"):
            if not proxy.is_running:
                raise EOFError(f"the proxy ended: {proxy.last_words()}")
            await asyncio.sleep(0.05)
