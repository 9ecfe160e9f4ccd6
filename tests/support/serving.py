"""Runs ASGI applications and whole proxies on loopback ports for the time of a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import uvicorn

from benchmarks.ports import free_port
from vmcp_api.config import ProxyConfig
from vmcp_api.secret import SecretBytes
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.settings import Settings

START_SECONDS = 20.0


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serve(app, port: int = 0) -> AsyncIterator[int]:
    """Serves an ASGI application on a loopback port and yields the port."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port or free_port(),
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(START_SECONDS):
        await server.listening.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        await task


def load(config: Mapping[str, object], secrets: Mapping[tuple[str, str], str] | None = None) -> Loaded:
    """A config as a file would hold it (camelCase), with the secrets that it names."""
    document = {"name": "test", "incomingAuth": {"type": "anonymous"}, **config}
    parsed = ProxyConfig.model_validate(document, by_alias=True, by_name=False)
    return Loaded(parsed, {key: SecretBytes(value.encode()) for key, value in (secrets or {}).items()})


def http_backend(name: str, port: int, **more: object) -> dict[str, object]:
    """The config of a backend on a loopback port."""
    return {
        "name": name,
        "kind": "MCPServerEntry",
        "transport": "streamable-http",
        "url": f"http://127.0.0.1:{port}/mcp",
        "network": "local",
        **more,
    }


@contextlib.asynccontextmanager
async def running(
    loaded: Loaded, *, settings: Settings | None = None, admitter: Admitter | None = None
) -> AsyncIterator[Proxy]:
    """A proxy on two free ports, from its first listening to its last answer."""
    chosen = settings or Settings(port=0, admin_port=0, handles_signals=False)
    proxy = Proxy(chosen, loaded, admitter=admitter)
    task = asyncio.create_task(proxy.run())
    starting = asyncio.create_task(proxy.started.wait())
    await asyncio.wait((task, starting), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    if task.done():
        task.result()
    try:
        yield proxy
    finally:
        if not task.done():
            proxy.stop()
        await task


def url_of(proxy: Proxy) -> str:
    """The endpoint of a running proxy."""
    return f"http://127.0.0.1:{proxy.mcp_port}/mcp"


def admin_of(proxy: Proxy) -> str:
    """The admin address of a running proxy, without a path."""
    return f"http://127.0.0.1:{proxy.admin_port}"
