"""A running proxy that many generated examples are sent to, and a watch over what it logs meanwhile."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import ScriptedBackend

CANARY = "canary-5b1e07"
"""A header value of the one client that behaves; nobody else may ever see it."""

WAIT_SECONDS = 45.0


class LogWatch(logging.Handler):
    """Keeps what must not be logged: errors and tracebacks of the product."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.faults: list[str] = []
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(("httpx2", "httpcore2", "asyncio")) and not record.exc_info:
            return
        said = f"{record.name}: {record.getMessage()} {record.__dict__.get('vmcp_fields', '')}"
        self.text.append(said)
        if record.levelno >= logging.ERROR or record.exc_info:
            self.faults.append(f"{said} {record.exc_info or ''}")


@contextlib.contextmanager
def log_watch() -> Iterator[LogWatch]:
    """Everything that is logged while the block runs."""
    watch, root = LogWatch(), logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    try:
        yield watch
    finally:
        root.removeHandler(watch)
        root.setLevel(level)


@dataclass
class Standing:
    """The proxy, its backend, and a client of good manners that has a session with a canary header."""

    runner: asyncio.Runner
    scene: Scene
    backend: ScriptedBackend
    client: RawClient
    log: LogWatch

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs some work on the proxy's loop, bounded."""
        return self.runner.run(asyncio.wait_for(work, WAIT_SECONDS))

    async def check(self) -> None:
        """The next good request works, and nothing went wrong inside."""
        assert (await self.client.call("one_echo", {"x": 1}))["content"]
        faults, self.log.faults = self.log.faults, []
        assert faults == []

    async def exchange(self, request: bytes) -> bytes:
        """What a raw connection gets back until the proxy closes it; our side is closed once all is sent."""
        return await exchange(self.scene.proxy.mcp_port, request)


@contextlib.contextmanager
def standing(backend: ScriptedBackend, **config: Any) -> Iterator[Standing]:
    """One proxy in front of one backend for the length of a block, outside of any event loop."""
    with log_watch() as log, asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()

        async def begin() -> Standing:
            settings = {"passthroughHeaders": ["X-Api-Key"], **config}
            world = await stack.enter_async_context(scene({"one": backend}, **settings))
            client = await stack.enter_async_context(world.session(x_api_key=CANARY))
            return Standing(runner, world, backend, client, log)

        try:
            yield runner.run(begin())
        finally:
            runner.run(stack.aclose())


async def exchange(port: int, request: bytes) -> bytes:
    """What comes back for these bytes until the other side closes; ours is half closed after the last one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if b"connection: close\r\n" not in request.lower():
            writer.write_eof()
        async with asyncio.timeout(WAIT_SECONDS):
            return await reader.read()
    except ConnectionError:
        # The other side gave up before it had read everything.
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
