"""Whoever ends `vmcp call` ends the call at the endpoint, and says so in the exit code."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.proxy.cli.commands import SECONDS
from tests.support import forked
from tests.support.scripted_backend import ScriptedBackend, text
from vmcp_proxy.cli.exits import Exit


class Waiting:
    """An endpoint whose tool answers when its call is cancelled, or when a test says so."""

    def __init__(self, backend: ScriptedBackend) -> None:
        self.backend, self.called, self.cancelled, self.may_end = backend, *(asyncio.Event() for _ in range(3))

        @backend.on("tools/call")
        async def call(_: Any) -> dict[str, Any]:
            self.called.set()
            ends = [asyncio.create_task(each.wait()) for each in (self.cancelled, self.may_end)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                each.cancel()
            return text("done")

        @backend.on("notifications/cancelled")
        async def cancel(_: Any) -> dict[str, Any]:
            self.cancelled.set()
            return {}

    @asynccontextmanager
    async def calling(self, stdout: int = forked.PIPE, ignored: Collection[int] = ()) -> AsyncIterator[forked.Running]:
        """The command, when its call has come in."""
        url = f"http://127.0.0.1:{self.backend.port}/mcp"
        async with forked.running("call", url, "echo", stdout=stdout, ignored=ignored) as process:
            async with asyncio.timeout(SECONDS):
                await self.called.wait()
                yield process


@pytest.fixture
async def endpoint():
    async with ScriptedBackend().running() as backend:
        yield Waiting(backend)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, Exit.INTERRUPTED, "interrupted"),
        (signal.SIGTERM, Exit.TERMINATED, "ended by SIGTERM"),
        (signal.SIGHUP, Exit.HUNG_UP, "ended by SIGHUP"),
    ],
)
async def test_a_signal_cancels_the_call_and_ends_with_a_code_of_its_own(endpoint, number, code, said):
    async with endpoint.calling() as process:
        process.send_signal(number)
        out, err = await process.communicate()
        await endpoint.cancelled.wait()
    assert (process.returncode, out, err.decode()) == (code, b"", f"vmcp: {said}\n")
    assert len(endpoint.backend.deletes) == 1


async def test_a_signal_that_whoever_started_it_ignores_cancels_nothing(endpoint):
    async with endpoint.calling(ignored=[signal.SIGHUP]) as process:
        process.send_signal(signal.SIGHUP)
        endpoint.may_end.set()
        out, _ = await process.communicate()
    assert (process.returncode, out) == (Exit.OK, b"done\n")


async def test_a_call_whose_output_nobody_reads_any_more_is_cancelled(endpoint):
    reading, writing = os.pipe()
    async with endpoint.calling(stdout=writing) as process:
        for end in (writing, reading):
            os.close(end)
        await endpoint.cancelled.wait()
        _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (Exit.FAILED, "vmcp: nobody reads the output any more\n")
