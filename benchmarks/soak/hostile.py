"""Two hostile clients beside the callers of a soak, from an address of their own.

One has no session: slow heads, bodies that stay unfinished, pipelines, trailers and chunk extensions without end,
floods of headers, connections that say nothing. The other has a session and reads nothing: results, streams. Each
attack is bounded in bytes and in time, and being cut off is what they expect.
"""

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TypeAlias

from benchmarks.mcp_client import VERSION
from benchmarks.soak.callers import Scene

ADDRESS = "127.0.0.66"
"""Bounds for each address must not cut off the callers as well."""

_ATTACK_BYTES = 8 << 20
_ATTACK_SECONDS = 6.0
_WIDTH = 24
"""Connections of one attack side by side."""

_PAUSE_SECONDS = 1.0
_PIECE = 64 << 10

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Attack: TypeAlias = Callable[[Scene, asyncio.StreamWriter], Coroutine[None, None, None]]

_POST = "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\naccept: application/json\r\n"


async def hostile(scene: Scene, sessions: "Counter[str]") -> None:
    """Attacks one after the other until the soak stops; counts what it did in `sessions`."""
    while not scene.stopping.is_set():
        attack = scene.chance.choice(ATTACKS)
        sessions[attack.__name__.strip("_")] += 1
        async with asyncio.TaskGroup() as group:
            for _ in range(_WIDTH):
                group.create_task(_run(scene, attack))
        await asyncio.sleep(_PAUSE_SECONDS)


async def _run(scene: Scene, attack: Attack) -> None:
    """One connection of an attack; reads nothing until it is over."""
    with contextlib.suppress(OSError, TimeoutError, EOFError):
        async with asyncio.timeout(_ATTACK_SECONDS), _connected(scene) as (_, writer):
            await attack(scene, writer)
            # What is owed to a peer that does not read stays where it is for the rest of the time.
            await asyncio.sleep(_ATTACK_SECONDS)


@contextlib.asynccontextmanager
async def _connected(scene: Scene) -> AsyncIterator[Streams]:
    connection = socket.socket()
    connection.setblocking(False)  # noqa: FBT003 - the library's signature
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind((ADDRESS, 0))
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", scene.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=_PIECE)
    writer.transport.set_write_buffer_limits(high=_PIECE)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _head(scene: Scene, fields: str, session: bytes = b"") -> bytes:
    text = (_POST % scene.port + fields).encode()
    return text + (b"mcp-session-id: " + session + b"\r\n" if session else b"") + b"\r\n"


async def _pour(writer: asyncio.StreamWriter, piece: bytes, most: int = _ATTACK_BYTES) -> None:
    """The same bytes again and again, no faster than they are taken."""
    block = piece * max(_PIECE // len(piece), 1)
    sent = 0
    while sent < most:
        writer.write(block)
        await writer.drain()
        sent += len(block)


async def _slow_head(scene: Scene, writer: asyncio.StreamWriter) -> None:
    for byte in (_POST % scene.port).encode()[:60]:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.1)


async def _half_body(scene: Scene, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(scene, f"content-length: {_ATTACK_BYTES}\r\n"))
    await _pour(writer, b" ", _ATTACK_BYTES - _PIECE)


async def _pipeline(scene: Scene, writer: asyncio.StreamWriter) -> None:
    await _pour(writer, b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n\r\n" % scene.port)


async def _trailers(scene: Scene, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(scene, "transfer-encoding: chunked\r\n") + b"2\r\n{}\r\n0\r\n")
    await _pour(writer, b"x: y\r\n")


async def _one_trailer(scene: Scene, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(scene, "transfer-encoding: chunked\r\n") + b"2\r\n{}\r\n0\r\nx: ")
    await _pour(writer, b"y")


async def _chunk_extensions(scene: Scene, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(scene, "transfer-encoding: chunked\r\n"))
    await _pour(writer, b"1;" + b"x" * 4000 + b"\r\n \r\n")


async def _headers(scene: Scene, writer: asyncio.StreamWriter) -> None:
    writer.write((_POST % scene.port).encode())
    await _pour(writer, b"x-flood: " + b"y" * 100 + b"\r\n")


async def _silence(scene: Scene, writer: asyncio.StreamWriter) -> None:
    del scene, writer


async def _slow_reader(scene: Scene, writer: asyncio.StreamWriter) -> None:
    """Opens a session on a connection that is read, then asks on this one again and again and reads nothing."""
    session = await _session(scene)
    call = {"name": f"{scene.backends[0]}_say", "arguments": {"text": "h" * 60_000}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode()
    await _pour(writer, _head(scene, f"content-length: {len(body)}\r\n", session) + body)


async def _streams(scene: Scene, writer: asyncio.StreamWriter) -> None:
    session = await _session(scene)
    head = f"GET /mcp HTTP/1.1\r\nhost: 127.0.0.1:{scene.port}\r\naccept: text/event-stream\r\nmcp-session-id: "
    writer.write(head.encode() + session + b"\r\n\r\n")


async def _session(scene: Scene) -> bytes:
    hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "hostile", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).encode()
    async with _connected(scene) as (reader, writer):
        writer.write(_head(scene, f"content-length: {len(body)}\r\n") + body)
        while line := (await reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"mcp-session-id":
                return value.strip()
    raise EOFError


ATTACKS: tuple[Attack, ...] = (
    _slow_head,
    _half_body,
    _pipeline,
    _trailers,
    _one_trailer,
    _chunk_extensions,
    _headers,
    _silence,
    _slow_reader,
    _streams,
)
