"""One task serves the requests of a connection, as long as each comes to its end before the next."""

import asyncio
import contextlib

import pytest

from tests.proxy.serve.harness import World, call
from tests.proxy.serve.test_http_protocol import answered, request
from tests.support.raw_client import WAIT_SECONDS
from vmcp_proxy.protocol.jsonrpc import encode_result


@contextlib.asynccontextmanager
async def connected(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answer(context) -> None:
    await context.respond(200, encode_result(context.message.id, b"{}"))


async def over(task: asyncio.Task) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.wait([task])


async def test_requests_one_after_the_other_have_one_task_that_ends_with_the_connection():
    tasks = []

    async def dispatch(context):
        tasks.append(asyncio.current_task())
        await answer(context)

    async with World(dispatch=dispatch).serving() as served:
        async with connected(served.port) as (reader, writer):
            for number in range(3):
                writer.write(request(call(request_id=number)))
                await answered(reader)
            assert len(set(tasks)) == 1
            assert not tasks[0].done()
        await over(tasks[0])
        assert not tasks[0].cancelled()


async def test_a_request_is_answered_while_what_the_one_before_it_does_behind_its_answer_goes_on():
    tasks, is_free = [], asyncio.Event()

    async def dispatch(context):
        tasks.append(asyncio.current_task())
        await answer(context)
        if len(tasks) == 1:
            await is_free.wait()

    async with World(dispatch=dispatch).serving() as served, connected(served.port) as (reader, writer):
        for number in range(2):
            writer.write(request(call(request_id=number)))
            await answered(reader)
        assert len(set(tasks)) == 2
        is_free.set()
        await over(tasks[0])
        writer.write(request(call(request_id=3)))
        await answered(reader)
        assert tasks[2] is tasks[1]


@pytest.mark.parametrize("is_swallowed", [True, False])
async def test_a_cancellation_of_one_request_is_none_of_the_next(is_swallowed):
    counts = []

    async def dispatch(context):
        task = asyncio.current_task()
        counts.append(task.cancelling())
        if len(counts) == 1:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError) if is_swallowed else contextlib.nullcontext():
                await asyncio.sleep(0)
        await answer(context)

    async with World(dispatch=dispatch).serving() as served:
        async with connected(served.port) as (reader, writer):
            writer.write(request(call(request_id=1)))
            if is_swallowed:
                await answered(reader)
                writer.write(request(call(request_id=2)))
                await answered(reader)
        async with connected(served.port) as (reader, writer):
            writer.write(request(call(request_id=3)))
            await answered(reader)
    assert set(counts) == {0}
