"""A pod at its default limit relays large results of many calls at once, read or not; others are served meanwhile."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.costs.attacks import POD_MIB, pod
from tests.support.raw_client import RawClient, eventually, initialize
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.clients.streaming.event_log import MOST_BYTES_OF_ALL

MIB = 1 << 20
CALLS = 10

pytestmark = [pytest.mark.scenario("B-4"), pytest.mark.timeout(240)]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n%b\r\n"
NOTICE = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"%b"}}\n\n'
FRAMES = {
    "a body of known length": (b"application/json", b"", b""),
    "a body in chunks": (b"application/json", b"", b""),
    "an event": (b"text/event-stream", b"data: ", b"\n\n"),
    "an event behind a message": (b"text/event-stream", NOTICE % b"x" + b"data: ", b"\n\n"),
    "an event behind a long message": (b"text/event-stream", NOTICE % (b"x" * 8 * MIB) + b"data: ", b"\n\n"),
}
"""Their media type, and what is before and behind the answer. A message before it begins a stream to the client."""


def answer(frame, size, written):
    """Writes a result of so many bytes in pieces, as servers do that build it while they send it; notes each piece."""
    kind, before, after = FRAMES[frame]

    async def write(call):
        number = json.dumps(call.heard.message["id"]).encode()
        start = before + b'{"jsonrpc":"2.0","id":%b,"result":{"content":[{"type":"text","text":"' % number
        end = b'"}]}}' + after
        is_chunked = frame != "a body of known length"
        length = len(start) + size + len(end)
        fields = b"transfer-encoding: chunked\r\n" if is_chunked else b"content-length: %d\r\n" % length
        await call.write(HEAD % (kind, fields))
        for piece in (start, *([b"x" * MIB] * (size // MIB)), end):
            await call.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            written.append(len(piece))
        if is_chunked:
            await call.write(b"0\r\n\r\n")
        await asyncio.Event().wait()  # until the proxy hangs up: a reset would take the rest with it

    return write


@contextlib.asynccontextmanager
async def pod_before(tmp_path, handler):
    large, small = ScriptedBackend(), ScriptedBackend()
    large.handlers["tools/call"] = handler
    async with large.running(), small.running():
        servers = {
            name: {"type": "http", "url": f"http://127.0.0.1:{each.port}/mcp"}
            for name, each in (("large", large), ("small", small))
        }
        async with pod(tmp_path, "--call-timeout", "120s", servers=servers) as target:
            yield target, large


@pytest.mark.parametrize("frame", FRAMES)
async def test_results_that_nobody_reads_do_not_end_the_process(tmp_path, frame):
    written = []
    handler = answer(frame, 60 * MIB, written)
    async with pod_before(tmp_path, handler) as (target, large), RawClient(target.url) as client:
        await client.open()
        before = target.held_mib
        writers = []
        for number in range(CALLS):
            _, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=1)
            writers.append(writer)
            message = {"jsonrpc": "2.0", "id": f"c{number}", "method": "tools/call", "params": {"name": "large_echo"}}
            body = json.dumps(message).encode()
            fields = (f"mcp-session-id: {client.session}", f"content-length: {len(body)}")
            writer.write(target.head(*fields) + body)
            writer.transport.pause_reading()
        try:
            async with asyncio.timeout(120):
                while len(large.calls("tools/call")) < CALLS:  # noqa: ASYNC110 - the backend tells nobody
                    await asyncio.sleep(0.05)
            await target.serves_until_still(lambda: len(written))
            assert target.peak_mib < POD_MIB
            # All of it would be 600 MiB; what the kernel holds of ten connections on either side is in it.
            assert sum(written) < 400 * MIB
        finally:
            for writer in writers:
                writer.transport.abort()
        # A kept connection to a backend outlives the answer that it carried; a client may come back for a stream.
        await eventually(lambda: target.held_mib < before + 150 + MOST_BYTES_OF_ALL / MIB)


async def test_results_of_a_batch_that_nobody_reads_do_not_end_the_process(tmp_path):
    written = []
    handler = answer("an event behind a message", 60 * MIB, written)
    async with pod_before(tmp_path, handler) as (target, large), RawClient(target.url) as client:
        opened = await client.post(initialize(version="2025-03-26"))
        client.session = opened.headers["mcp-session-id"]
        calls = [client.asking("tools/call", {"name": "large_echo"}) for _ in range(CALLS)]
        body = json.dumps(calls).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=1)
        try:
            writer.transport.pause_reading()
            fields = (f"mcp-session-id: {client.session}", f"content-length: {len(body)}")
            writer.write(target.head(*fields) + body)
            await eventually(lambda: written, 120)
            await target.serves_until_still(lambda: len(written))
            assert sum(written) < 400 * MIB
        finally:
            writer.transport.abort()
        # The client has gone, as when it is cut off for reading nothing: the rest is called, and goes nowhere.
        await eventually(lambda: len(large.calls("tools/call")) == CALLS, 120)
        await target.serves_until_still(lambda: len(written))
        assert target.peak_mib < POD_MIB


@pytest.mark.parametrize("frame", [frame for frame in FRAMES if "behind" not in frame])
async def test_large_results_side_by_side_all_arrive_in_a_pod_of_the_default_size(tmp_path, frame):
    size = 20 * MIB
    async with pod_before(tmp_path, answer(frame, size, [])) as (target, _), RawClient(target.url) as client:
        client._http.timeout = 120.0
        await client.open()

        async def called():
            result = await client.call("large_echo")
            assert len(result["content"][0]["text"]) == size

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLS):
                group.create_task(called())
        assert target.peak_mib < POD_MIB
