"""Ctrl-C ends a command even where a library swallows the cancellation."""

import asyncio
import os
import signal

import pytest

from vmcp_proxy.cli.endpoint.interrupts import Interruption, cancelling_on_interrupt


async def wait_for_ever(swallowing: int) -> int:
    """Waits as a library that takes so many cancellations for its own; how many it has had stands in the error."""
    for number in range(swallowing):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
        raise AssertionError(number)
    return await asyncio.Event().wait()


@pytest.mark.parametrize("swallowing", [0, 1, 3])
async def test_a_cancellation_that_is_swallowed_comes_again(swallowing):
    async def command():
        with cancelling_on_interrupt(Interruption(), again=0.01):
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            await wait_for_ever(swallowing)

    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(command())


async def test_a_command_that_ends_is_cancelled_no_more():
    async def command():
        with cancelling_on_interrupt(Interruption(), again=0.01):
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.Event().wait()
        # Longer than the pause between two cancellations: what is cancelled after the block would show here.
        await asyncio.sleep(0.05)
        return "ended"

    assert await asyncio.create_task(command()) == "ended"
