"""The hard time limit: every request but streams."""

import asyncio

import httpx2
import pytest

from tests.proxy.serve.harness import answer_empty, call, eventually
from vmcp_proxy.serve.chain.chain import build_chain

SHORT = 0.15


async def hang(context):
    await asyncio.Event().wait()


@pytest.mark.scenario("C-3")
async def test_a_call_that_takes_too_long_gets_504(world):
    world.dispatch = hang
    async with world.serving(maximum=SHORT):
        answer = await world.post()
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == -32603
        assert answer.json()["id"] == 1
        world.dispatch = answer_empty
        assert (await world.post()).status_code == 200
    assert world.scrape()['vmcp_requests_total{method="tools/call",status="504"}'] == 1


@pytest.mark.scenario("C-3")
async def test_a_call_of_a_session_that_takes_too_long_is_an_error_that_leaves_its_client_connected(world):
    world.dispatch = hang
    async with world.serving(maximum=SHORT):
        answer = await world.post(mcp_session_id="some")
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (200, 1, -32603)
    assert world.scrape()['vmcp_requests_total{method="tools/call",status="504"}'] == 1


@pytest.mark.scenario("C-3")
async def test_a_get_stream_outlives_the_limit_and_the_calls_beside_it(world):
    release = asyncio.Event()

    async def stream(context):
        if context.http_method != "GET":
            await hang(context)
        await context.start_stream()
        await context.write(b": open\n\n")
        await release.wait()
        await context.write(b"data: end\n\n")
        await context.finish()

    world.dispatch = stream
    async with world.serving(maximum=SHORT):
        headers = {"accept": "text/event-stream"}
        async with world.client.stream("GET", "/mcp", headers=headers) as answer:
            assert (await world.post()).status_code == 504
            assert (await world.post()).status_code == 504
            release.set()
            received = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert received == b": open\n\ndata: end\n\n"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"


@pytest.mark.scenario("C-3")
async def test_a_call_whose_answer_streams_is_cut_by_closing_the_connection(world):
    async def trickle(context):
        await context.start_stream()
        await hang(context)

    world.dispatch = trickle
    async with world.serving(maximum=SHORT):
        with pytest.raises(httpx2.RemoteProtocolError):
            await world.post()


@pytest.mark.scenario("C-3")
async def test_a_body_that_never_comes_is_bounded_by_the_same_limit(world):
    async with world.serving(maximum=SHORT):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        async with asyncio.timeout(30):
            status = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert b" 504 " in status
    assert world.scrape()['vmcp_http_rejected_total{layer="stream_timeout",status="504"}'] == 1


async def test_an_answer_that_the_dispatch_marks_as_stream_is_not_cut(world):
    cut = asyncio.Event()

    async def listen(context):
        context.is_stream = context.target == "stream"
        if not context.is_stream:
            try:
                await hang(context)
            finally:
                cut.set()
        await context.start_stream()
        await cut.wait()
        await context.finish()

    world.dispatch = listen
    async with world.serving(maximum=SHORT):
        answers = await asyncio.gather(world.post(call("stream")), world.post(call("other")))
    assert [answer.status_code for answer in answers] == [200, 504]


@pytest.mark.parametrize("is_cut_too", [False, True])
async def test_a_cancellation_from_elsewhere_is_not_swallowed(world, is_cut_too):
    chain = build_chain(world.settings, hang, world.services)
    scope = {"type": "http", "method": "DELETE", "headers": []}
    sent = []
    task = asyncio.create_task(chain(scope, hang, sent.append))
    await eventually(lambda: len(world.in_flight) == 1)
    if is_cut_too:
        world.in_flight.cut_all()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (sent, world.log_lines, len(world.in_flight)) == ([], [], 0)


async def test_the_drain_waits_for_calls_and_not_for_streams(world):
    release = asyncio.Event()
    arrived = asyncio.Semaphore(0)

    async def wait(context):
        if context.http_method == "GET":
            await context.start_stream()
        arrived.release()
        await release.wait()
        if context.http_method == "GET":
            await context.finish()
        else:
            await answer_empty(context)

    world.dispatch = wait
    async with world.serving(), asyncio.TaskGroup() as group:
        waiting = group.create_task(world.post())
        stream = group.create_task(world.client.get("/mcp", headers={"accept": "text/event-stream"}))
        await arrived.acquire()
        await arrived.acquire()
        drained = group.create_task(world.in_flight.drained())
        done, _ = await asyncio.wait({drained}, timeout=0.1)
        assert not done
        assert (len(world.in_flight), world.in_flight.calls) == (2, 1)
        release.set()
        await drained
        assert (await waiting).status_code == (await stream).status_code == 200
    assert len(world.in_flight) == 0


async def test_what_is_left_at_the_end_is_cut_with_503(world):
    arrived = asyncio.Event()

    async def hang_loudly(context):
        arrived.set()
        await hang(context)

    world.dispatch = hang_loudly
    async with world.serving(), asyncio.TaskGroup() as group:
        waiting = group.create_task(world.post())
        await arrived.wait()
        assert world.in_flight.cut_all() == 1
        assert (await waiting).status_code == 503
