"""Clients that come and go by the thousand leave a proxy as it was."""

import asyncio
import contextlib
import json
from collections import Counter

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support import heap
from tests.support.raw_client import eventually, initialize
from tests.support.scene import scene

CLIENTS = 8
PER_CONNECTION = 50


class Visitor:
    """Opens a session, asks something, ends it; over a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextlib.asynccontextmanager
    async def connected(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        yield
        self.writer.close()
        await self.writer.wait_closed()

    async def send(self, verb, content=None, session=""):
        body = b"" if content is None else json.dumps(content).encode()
        head = [f"{verb} /mcp HTTP/1.1", f"host: 127.0.0.1:{self.port}", f"content-length: {len(body)}"]
        head += ["accept: application/json, text/event-stream", "x-api-key: k"]
        if content is not None:
            head.append("content-type: application/json")
        if session:
            head.append(f"mcp-session-id: {session}")
        self.writer.write("\r\n".join((*head, "", "")).encode() + body)
        raw = await self.reader.readuntil(b"\r\n\r\n")
        lines = raw.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        session_id = next((line[16:] for line in lines if line.lower().startswith("mcp-session-id: ")), "")
        await self.reader.readexactly(int(fields.get("content-length", "0")))
        return int(lines[0].split()[1]), session_id

    async def visit(self):
        status, session = await self.send("POST", initialize())
        assert (status, bool(session)) == (200, True)
        call = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert (await self.send("POST", call, session))[0] == 200
        assert (await self.send("DELETE", None, session))[0] == 204


async def visits(port, count):
    async def come_and_go(times):
        for first in range(0, times, PER_CONNECTION):
            async with (visitor := Visitor(port)).connected():
                for _ in range(first, min(first + PER_CONNECTION, times)):
                    await visitor.visit()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(come_and_go(count // CLIENTS))


def population():
    """Objects of the product by type, and all others in one number."""
    kinds = Counter(map(type, heap.objects()))
    ours = {kind.__qualname__: count for kind, count in kinds.items() if "vmcp_proxy." in str(kind.__module__)}
    return ours, kinds.total()


@pytest.mark.scenario("S-9", "H-6")
@pytest.mark.timeout(300)
async def test_ten_thousand_clients_that_came_and_went_leave_nothing():
    async with scene({"one": everything()}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        port = world.proxy.mcp_port
        await visits(port, 400)
        inside = world.inside
        await eventually(lambda: not inside.clients and not inside.snapshots)
        before, all_before = population()
        await visits(port, 10_000)
        await eventually(lambda: not inside.clients and not inside.snapshots)

        def grown():
            """Types of the product of which there are more, and the change of all the others in one number."""
            ours, total = population()
            more = {kind: (before.get(kind, 0), count) for kind, count in ours.items() if count > before.get(kind, 0)}
            return more, total - all_before

        # The server hears of connections that their clients have closed a moment later.
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: not grown()[0], 20.0)
        assert inside.sessions == 0
        more, others = grown()
        assert more == {}
        assert others < 2000
