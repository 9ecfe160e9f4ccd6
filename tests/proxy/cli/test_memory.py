"""The memory of a `vmcp serve` process while a backend answers far beyond the cap: it stays what it was."""

import asyncio
import contextlib
import re
import sys
from pathlib import Path

import pytest

from tests.proxy.cli.commands import endpoint, newly_serving, write
from tests.proxy.cli.test_shutdown import entry
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import Die, ScriptedBackend

MIB = 1 << 20
CAP = 16 * MIB
OFFERED = 192 * MIB
PIECE = b"x" * MIB
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Memory:
    """The resident memory of one process, in bytes; the peak counts from the last `forget_peak`."""

    def __init__(self, pid):
        self._folder = Path("/proc") / str(pid)

    def forget_peak(self):
        (self._folder / "clear_refs").write_text("5")

    @property
    def peak(self):
        return self._read("VmHWM")

    @property
    def now(self):
        return self._read("VmRSS")

    def _read(self, name):
        found = re.search(rf"^{name}:\s+(\d+) kB$", (self._folder / "status").read_text(), re.MULTILINE)
        return int(found[1]) * 1024


def json_start(call):
    return b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"' % call.heard.message["id"]


async def declared(call):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    await call.write(head % (OFFERED + 100) + json_start(call))
    return call.write


async def chunked(call):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    await call.write(head)
    await call.write_chunks(json_start(call))
    return call.write_chunks


async def one_event(call):
    await call.notify("notifications/x")
    await call.write_chunks(b"data: " + json_start(call))
    return call.write_chunks


async def event_of_lines(call):
    await call.notify("notifications/x")

    async def line(data):
        await call.write_chunks(b"data: " + data + b"\n")

    return line


@pytest.mark.scenario("B-4")
async def test_memory_stays_flat_while_a_backend_answers_beyond_the_cap_in_every_form(tmp_path):
    backend = ScriptedBackend()
    sent = []
    config = {
        "operational": {
            "limits": {"responseBody": CAP},
            "timeouts": {"default": "30s"},
            "failureHandling": {"healthCheckInterval": "1h"},
        }
    }
    async with backend.running():
        file = write(tmp_path / "v.yaml", *endpoint(config=config), entry("one", backend.port))
        async with newly_serving("-f", file) as served, RawClient(await served.url()) as client:
            await client.open()
            for _ in range(20):
                assert (await client.call("one_echo", {"text": "x" * 1000}))["content"]
            memory = Memory(served.process.pid)
            before = memory.now

            async def pour(begin):
                """One call that the backend answers by so much; how far the peak stood above what it began with."""

                @backend.on("tools/call")
                async def answer(call):
                    write = await begin(call)
                    sent.append(0)
                    with contextlib.suppress(ConnectionError):
                        for _ in range(OFFERED // MIB):
                            await write(PIECE)
                            sent[-1] += MIB
                    raise Die

                memory.forget_peak()
                memory.forget_peak()
                start = memory.now
                result = await client.call("one_echo")
                assert result["_meta"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "response_too_large"}
                return memory.peak - start

            # A length that is too much is refused by its number: not even the cap is ever read.
            assert await pour(declared) < CAP / 2
            # What has no length is read up to the cap and no further.
            for begin in (chunked, one_event, event_of_lines):
                assert await pour(begin) < 3 * CAP, begin.__name__
                assert sent[-1] < OFFERED / 2
            # And nothing of it is kept, however often it happens.
            for _ in range(5):
                await pour(chunked)
            async with asyncio.timeout(30):
                while memory.now - before > 2 * CAP:  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(0.05)
            backend.handlers.clear()
            assert (await client.call("one_echo"))["content"]
