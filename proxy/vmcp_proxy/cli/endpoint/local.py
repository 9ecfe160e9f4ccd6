"""A group that a command starts within its own process and talks to like any client: no port, no other process."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import anyio
import click
from mcp import ClientSession
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp_types import Implementation, jsonrpc_message_adapter

from vmcp_api.manifests.problems import Problems
from vmcp_api.pod_status import Health
from vmcp_proxy.cli.checks.served import enter
from vmcp_proxy.cli.endpoint.conversation import EVENT_BYTES, Conversation
from vmcp_proxy.cli.endpoint.failures import Progress
from vmcp_proxy.cli.output import clean
from vmcp_proxy.cli.serve.process import invalid
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.reload import ConfigSource
from vmcp_proxy.run.settings import SOFTWARE_VERSION, Settings
from vmcp_proxy.serve.stdio.pipes import Pipes

SETTLE_SECONDS: Final = 30.0
"""How long servers may take to come up."""

_LOOK_SECONDS: Final = 0.05

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class LocalGroup:
    """The servers of files."""

    source: ConfigSource
    files: tuple[Path, ...]

    @property
    def shown(self) -> str:
        """Names the group in messages."""
        return ", ".join(map(str, self.files))

    def connect(self, progress: Progress) -> AbstractAsyncContextManager[Conversation]:
        """A session with the group; it ends with the block, and so do its programs."""
        enter(self.files, os.environ)
        return _connect(self.source, progress)

    async def run(self, work: Callable[[Proxy], Awaitable[ResultT]]) -> ResultT:
        """What `work` returns of the running group, once its servers are up or have failed."""
        enter(self.files, os.environ)
        async with _running(self.source) as (proxy, ours):
            with ours:
                return await work(proxy)


@asynccontextmanager
async def _running(source: ConfigSource) -> AsyncIterator[tuple[Proxy, socket.socket]]:
    outcome = source.load()
    if isinstance(outcome, Problems):
        raise invalid(outcome)
    for problem in outcome.warnings:
        click.echo(str(problem), err=True)
    ours, theirs = socket.socketpair()
    descriptor = theirs.detach()
    pipes = Pipes(descriptor, os.dup(descriptor))
    proxy = Proxy(Settings(admin_port=None, handles_signals=False, pipes=pipes), outcome.loaded)
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(proxy.run())
            try:
                await proxy.started.wait()
                await _settle(proxy)
                yield proxy, ours
                _tell(proxy)
            finally:
                if proxy.started.is_set() and not serving.done():
                    # Twice: nobody waits for what is still in flight.
                    proxy.stop()
                    proxy.stop()
    finally:
        ours.close()


async def _settle(proxy: Proxy) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            # Health has no event to wait on: whoever serves looks at it as well.
            while any(member.health.state is Health.UNKNOWN for member in proxy.members.values()):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)


def _tell(proxy: Proxy) -> None:
    """Names what does not serve: an answer without it would look whole."""
    for backend in proxy.status().backends:
        if backend.status != Health.HEALTHY:
            said = clean(backend.message or "no answer")
            click.echo(f"vmcp: {backend.name} is {backend.status}: {said}", err=True)


@asynccontextmanager
async def _connect(source: ConfigSource, progress: Progress) -> AsyncIterator[Conversation]:
    async with _running(source) as (_, ours):
        reader, writer = await asyncio.open_connection(sock=ours, limit=EVENT_BYTES)
        incoming, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_stream, outgoing = anyio.create_memory_object_stream[SessionMessage](0)

        async def read() -> None:
            async with incoming:
                while line := await reader.readline():
                    await incoming.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))

        async def write() -> None:
            async with outgoing:
                async for message in outgoing:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    writer.write(text.encode() + b"\n")
                    await writer.drain()

        async with asyncio.TaskGroup() as tasks:
            pumps = (tasks.create_task(read()), tasks.create_task(write()))
            dispatcher = JSONRPCDispatcher(read_stream, write_stream)
            info = Implementation(name="vmcp", version=SOFTWARE_VERSION)
            async with ClientSession(dispatcher=dispatcher, client_info=info) as session:
                await session.initialize()
                progress.connected = True
                yield Conversation(dispatcher)
            for pump in pumps:
                pump.cancel()
        for stream in (incoming, read_stream, write_stream, outgoing):
            stream.close()
        writer.close()
