"""A pod at its default memory limit lives, and serves others, whatever a peer sends that never has a session."""

import asyncio
import json

import pytest

from tests.proxy.costs.attacks import POD_MIB, Flood, pod, pour, status_of
from tests.support.raw_client import RawClient, eventually
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.serve.http.bounds import MOST_BODY_BYTES

MIB = 1 << 20
ROOM_MIB = 100
"""More than a process that serves nobody holds; an attack of 64 MiB that is kept goes far beyond."""

pytestmark = [pytest.mark.scenario("C-10"), pytest.mark.timeout(240)]


async def held_after(pod, *floods):
    """The memory that floods side by side made the process hold, in MiB more than before; others were served."""
    before = pod.peak_mib
    await pour(pod, floods)
    assert await pod.answers()
    assert pod.peak_mib < POD_MIB
    return pod.peak_mib - before


async def test_pipelined_requests_are_not_read_before_those_in_front_of_them_are_answered(tmp_path):
    async with pod(tmp_path) as target:
        request = b"GET /x HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        grown = await held_after(target, *(Flood(b"", request, 64 * MIB) for _ in range(4)))
        assert grown < ROOM_MIB


@pytest.mark.parametrize(
    "tail",
    [b"x: y\r\n", b"y", b"1;" + b"e" * 4000 + b"\r\n \r\n", b"1;" + b"e" * 900],
    ids=["fields", "one value without end", "chunk extensions", "one extension without end"],
)
async def test_trailers_and_chunk_extensions_without_end_are_cost_neither_memory_nor_time(tmp_path, tail):
    async with pod(tmp_path) as target:
        first = target.head("transfer-encoding: chunked")
        if not tail.startswith(b"1;"):
            first += b"2\r\n{}\r\n0\r\nx: "
        before = target.cpu
        floods = (Flood(first, tail, 64 * MIB) for _ in range(4))
        assert await held_after(target, *floods) < ROOM_MIB
        # A parser that buffers one value without end takes minutes for so much: its time grows with the square.
        assert target.cpu - before < 30


async def test_bodies_that_stay_unfinished_are_bounded_over_all_connections_and_need_a_session(tmp_path):
    async with pod(tmp_path) as target:
        length = 8 * MIB
        first = target.head(f"content-length: {length}")
        floods = (Flood(first, b" ", length - 1) for _ in range(64))
        assert await held_after(target, *floods) < ROOM_MIB
        assert await status_of(target, first) == 413


async def test_half_bodies_in_a_session_give_way_to_newer_ones_beyond_the_bound(tmp_path):
    async with pod(tmp_path) as target, RawClient(target.url) as client:
        await client.open()
        length = 8 * MIB
        first = target.head(f"content-length: {length}", f"mcp-session-id: {client.session}")
        # 64 times 8 MiB, each a piece short of its end.
        floods = (Flood(first, b" " * 65536, length - 65536) for _ in range(64))
        assert await held_after(target, *floods) < MOST_BODY_BYTES / MIB + ROOM_MIB


async def test_long_calls_that_a_backend_does_not_answer_are_held_as_they_came_and_as_they_were_sent(tmp_path):
    backend = ScriptedBackend()

    async def never(_call):
        await asyncio.Event().wait()

    backend.handlers["tools/call"] = never
    async with backend.running():
        servers = {"one": {"type": "http", "url": f"http://127.0.0.1:{backend.port}/mcp"}}
        async with pod(tmp_path, servers=servers) as target, RawClient(target.url) as client:
            await client.open()
            params = {"name": "one_echo", "arguments": {"text": "x" * 7 * MIB}}
            writers = []

            async def held_with(count: int) -> float:
                """MiB in memory once so many calls are with the backend."""
                while len(writers) < count:
                    body = json.dumps(client.asking("tools/call", params)).encode()
                    _, writer = await asyncio.open_connection("127.0.0.1", target.port)
                    writers.append(writer)
                    writer.write(
                        target.head(f"content-length: {len(body)}", f"mcp-session-id: {client.session}") + body
                    )
                    await writer.drain()
                await eventually(lambda: len(backend.calls("tools/call")) == count)
                assert await target.answers()
                return target.held_mib

            try:
                # The first ones also make room for what is needed only while one comes or goes.
                before = await held_with(4)
                # With a third copy of each, as of their params, it is over three times.
                assert await held_with(12) - before < 2.6 * 8 * 7
            finally:
                for writer in writers:
                    writer.transport.abort()


async def test_connections_that_say_nothing_are_bounded_and_cost_little(tmp_path):
    async with pod(tmp_path) as target:
        idle = [await asyncio.open_connection("127.0.0.1", target.port) for _ in range(400)]
        try:
            assert await target.answers()
            assert target.peak_mib < POD_MIB
        finally:
            for _, writer in idle:
                writer.transport.abort()
