"""An API server that lets one attach to the process of one pod, as Kubernetes does with `stdin` and `stdinOnce`.

The process is started again when it has ended, and its input ends with the first attachment that ends. Whoever is
attached at that time goes on to hear what it writes, as all do who are attached together.
"""

import asyncio
import contextlib
import json
import ssl
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from aiohttp import WSMsgType, web

from vmcp_api.config import Network
from vmcp_proxy.backends.attached.kubernetes import KubernetesPod

POD = "/api/v1/namespaces/ns/pods/mcp-one-0"
QUERY = {"container": "mcp", "stdin": "1", "stdout": "1", "stderr": "1", "tty": "0"}
TOKEN = "token-canary-4711"
_FRAME_BYTES = 32 << 10


class AttachServer:
    """Takes `token` alone; `processes` are all that there were, `deleted` says how often the pod was.

    `spoken` are the subprotocols of the attachments. While it `is_away` the pod is not there.
    """

    def __init__(self, command: Sequence[str], *, protocols: Sequence[str] = ("v5.channel.k8s.io",)) -> None:
        self.command = command
        self.protocols = protocols
        self.token = TOKEN
        self.spoken: list[str | None] = []
        self.processes: list[Process] = []
        self.deleted = 0
        self.is_away = False
        self.port = 0
        self._attached: list[web.Request] = []
        self._running: _Running | None = None

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["AttachServer"]:
        app = web.Application(middlewares=[self._authorize])
        app.router.add_get(f"{POD}/attach", self._attach)
        app.router.add_delete(POD, self._delete)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await self.cut()
            for process in self.processes:
                await _kill(process)
            await runner.cleanup()

    def pod(self, folder: Path, ca: str | None = None) -> KubernetesPod:
        """The pod as a bridge with the credentials in that folder sees it."""
        (folder / "token").write_text(f"{TOKEN}\n")
        (folder / "ca.crt").write_text(ca or "")
        url = f"{'https' if ca else 'http'}://127.0.0.1:{self.port}"
        return KubernetesPod(url, folder, "ns", "mcp-one-0", "mcp", Network.LOCAL)

    async def cut(self) -> None:
        """Breaks every attachment without a word."""
        for request in tuple(self._attached):
            if request.transport is not None:
                request.transport.abort()

    def end_input(self) -> None:
        """Ends the process's input, as the end of another attachment does."""
        assert self._running is not None
        assert self._running.process.stdin is not None
        self._running.process.stdin.close()

    @web.middleware
    async def _authorize(self, request: web.Request, handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _status(403, 'pods "mcp-one-0" is forbidden')
        return await handler(request)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self.deleted += 1
        running, self._running = self._running, None
        if running is not None:
            await _kill(running.process)
        return web.json_response({"kind": "Pod"})

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        assert dict(request.query) == QUERY
        if self.is_away:
            return _status(404, 'pods "mcp-one-0" not found')
        connection = web.WebSocketResponse(protocols=self.protocols, max_msg_size=1 << 20, compress=False)
        await connection.prepare(request)
        self.spoken.append(connection.ws_protocol)
        self._attached.append(request)
        running = await self._process()
        running.attached.append(connection)
        feeding = asyncio.create_task(_feed(running.process, connection))
        try:
            await asyncio.wait([feeding, *running.pumps], return_when=asyncio.FIRST_COMPLETED)
            if not feeding.done():
                await asyncio.wait(running.pumps)
                with contextlib.suppress(ConnectionError):
                    await connection.send_bytes(b"\x03" + json.dumps({"status": "Success"}).encode())
        finally:
            self._attached.remove(request)
            running.attached.remove(connection)
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        return connection

    async def _process(self) -> "_Running":
        if self._running is None or self._running.process.returncode is not None:
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=1 << 20
            )
            self._running = _Running(process)
            self.processes.append(process)
        return self._running


class _Running:
    """A process, and the connections that hear what it writes."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.attached: list[web.WebSocketResponse] = []
        streams = enumerate((process.stdout, process.stderr), 1)
        self.pumps = [asyncio.create_task(self._pump(number, stream)) for number, stream in streams]

    async def _pump(self, number: int, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while data := await stream.read(_FRAME_BYTES):
            for connection in tuple(self.attached):
                with contextlib.suppress(ConnectionError):
                    await connection.send_bytes(bytes((number,)) + data)


async def _feed(process: Process, connection: web.WebSocketResponse) -> None:
    assert process.stdin is not None
    try:
        async for message in connection:
            assert message.type is WSMsgType.BINARY
            assert message.data[0] == 0
            if not process.stdin.is_closing():
                with contextlib.suppress(OSError):
                    process.stdin.write(message.data[1:])
                    await process.stdin.drain()
    finally:
        # As `stdinOnce` has it.
        process.stdin.close()


async def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "message": message}, status=code)
