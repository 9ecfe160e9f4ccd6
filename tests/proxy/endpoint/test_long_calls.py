"""Calls that take long: kept alive by progress, ended by silence or by the hard bound, and told to the backend."""

import asyncio
import time

import httpx2
import pytest

from tests.support.raw_client import WAIT_SECONDS, events_of, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, text

SILENT = {"failureHandling": {"healthCheckInterval": "1h"}}


def steps(count, pause):
    """A handler that reports progress so many times, with a pause before each."""

    async def run(call):
        for number in range(count):
            await asyncio.sleep(pause)
            token = call.params["_meta"]["progressToken"]
            await call.notify("notifications/progress", progressToken=token, progress=number, total=count)
        return text("done")

    return run


def call_of(name, request_id=1):
    params = {"name": name, "arguments": {}, "_meta": {"progressToken": "p"}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def cancelled(backend):
    """The calls that were taken back; on a busy machine a list may be as well, of the same session or another one."""
    asked = [each for method in ("tools/call", "resources/read", "prompts/get") for each in backend.calls(method)]
    numbers = {(each.session, each.message["id"]) for each in asked}
    told = backend.calls("notifications/cancelled")
    return [
        each.message["params"]["requestId"]
        for each in told
        if (each.session, each.message["params"]["requestId"]) in numbers
    ]


@pytest.mark.timeout(120)
@pytest.mark.waits
@pytest.mark.scenario("B-3")
async def test_a_call_of_45_seconds_with_progress_succeeds_under_a_timeout_of_8():
    backend, other = ScriptedBackend(), ScriptedBackend()
    backend.handlers["tools/call"] = steps(9, 5.0)
    config = operational(timeouts={"default": "8s"}, **SILENT)
    async with scene({"slow": backend, "other": other}, config=config) as world, world.session() as client:
        began = time.monotonic()
        calling = asyncio.create_task(client.post(call_of("slow_echo")))
        await eventually(lambda: backend.calls("tools/call"))
        assert (await client.call("other_echo"))["content"]
        messages = events_of((await calling).content)
        assert time.monotonic() - began >= 45
        assert messages[-1]["result"]["content"][0]["text"] == "done"
        progress = [each["params"] for each in messages[:-1]]
        assert [(each["progressToken"], each["progress"]) for each in progress] == [("p", n) for n in range(9)]
        assert cancelled(backend) == []
        assert len(backend.calls("tools/call")) == 1


@pytest.mark.scenario("B-3")
async def test_a_call_whose_progress_stops_is_cancelled_upstream_and_names_its_backend():
    backend = ScriptedBackend()
    hold = asyncio.Event()

    @backend.on("tools/call")
    async def stop(call):
        await steps(4, 0.5)(call)
        await hold.wait()
        return text("late")

    config = operational(timeouts={"default": "20s", "perWorkload": {"slow": "1500ms"}}, **SILENT)
    async with scene({"slow": backend}, config=config) as world, world.session() as client:
        began = time.monotonic()
        *before, last = events_of((await client.post(call_of("slow_echo"))).content)
        # Four steps of half a second, then one and a half of silence.
        assert time.monotonic() - began > 3.3
        assert len(before) == 4
        assert last["result"]["isError"]
        assert "'slow'" in last["result"]["content"][0]["text"]
        assert last["result"]["_meta"] == {"vmcp.dev/backend": "slow", "vmcp.dev/category": "timeout"}
        await eventually(lambda: cancelled(backend))
        assert cancelled(backend) == [backend.calls("tools/call")[0].message["id"]]
        hold.set()
        assert len(backend.calls("tools/call")) == 1


@pytest.mark.scenario("B-3", "C-3")
async def test_progress_without_end_does_not_move_the_hard_bound_and_the_backend_is_told():
    backend = ScriptedBackend()
    backend.handlers["tools/call"] = steps(100, 0.1)
    config = operational(timeouts={"default": "500ms", "maximum": "1s"}, **SILENT)
    async with scene({"slow": backend}, config=config) as world, world.session() as client:
        began = time.monotonic()
        try:
            *_, last = events_of((await client.post(call_of("slow_echo"))).content)
            assert last["result"]["_meta"] == {"vmcp.dev/backend": "slow", "vmcp.dev/category": "timeout"}
        except httpx2.RemoteProtocolError:
            # The bound on the request as a whole came first: a stream that has begun can only be cut.
            pass
        assert time.monotonic() - began > 0.9
        await eventually(lambda: cancelled(backend))
        assert cancelled(backend) == [backend.calls("tools/call")[0].message["id"]]
        backend.handlers.clear()
        assert (await client.call("slow_echo"))["content"]


@pytest.mark.scenario("B-3")
@pytest.mark.parametrize(
    ("method", "params"), [("resources/read", {"uri": "test://r"}), ("prompts/get", {"name": "slow_p"})]
)
async def test_reads_and_prompts_expire_by_the_timeout_of_their_workload_too(method, params):
    backend = ScriptedBackend(resources=[{"uri": "test://r", "name": "r"}], prompts=[{"name": "p"}])
    hold = asyncio.Event()

    async def hang(call):
        await hold.wait()
        return text("late")

    backend.handlers[method] = hang
    config = operational(timeouts={"default": "1h", "perWorkload": {"slow": "1s"}}, **SILENT)
    async with scene({"slow": backend}, config=config) as world, world.session() as client:
        async with asyncio.timeout(WAIT_SECONDS):
            error = (await client.request(method, params))["error"]
        assert error["code"] == -32603
        assert error["data"] == {"vmcp.dev/backend": "slow", "vmcp.dev/category": "timeout"}
        await eventually(lambda: cancelled(backend))
        assert cancelled(backend) == [backend.calls(method)[0].message["id"]]
        hold.set()
