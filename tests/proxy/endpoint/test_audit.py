"""The audit of a whole proxy with two real backends: every event names its own caller, target, backend and outcome."""

import asyncio
import json
import random

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, Status, text, tool

CALLS = 24
KINDS = ("fine", "failing", "refusing", "broken")
OUTCOME = {
    "fine": "success",
    "failing": "application_error",
    "refusing": "application_error",
    "broken": "error",
}


def audited(path):
    limits = operational(failureHandling={"healthCheckInterval": "1h"}, timeouts={"list": "10s"})
    return {**limits, "audit": {"enabled": True, "sink": "file", "path": str(path), "eventTypes": ["mcp_tool_call"]}}


def meeting_backend(meeting, order):
    """Its tools answer only once every call of the test is in flight, in an order of chance, each in its own way."""
    backend = ScriptedBackend(tools=[tool(f"{kind}-{number}") for kind in KINDS for number in range(CALLS)])

    @backend.on("tools/call")
    async def answer(call):
        await meeting.wait()
        await asyncio.sleep(order.random() / 20)
        name = call.params["name"]
        match name.split("-")[0]:
            case "failing":
                return text(name, isError=True)
            case "refusing":
                raise Refusal(-32000, name)
            case "broken":
                raise Status(400)
        return text(name)

    return backend


@pytest.mark.scenario("C-7", "O-1")
async def test_concurrent_calls_of_two_callers_to_two_backends_are_audited_each_with_its_own_facts(tmp_path):
    path = tmp_path / "audit.log"
    order = random.Random(7)
    meeting = asyncio.Barrier(2 * CALLS)
    backends = {name: meeting_backend(meeting, order) for name in ("one", "two")}
    async with (
        scene(backends, config=audited(path)) as world,
        world.session() as hers,
        world.session(authorization="Bearer x") as his,
    ):
        await asyncio.gather(hers.names(), his.names())

        async def call(client, number):
            backend, kind = ("one", "two")[number % 2], KINDS[number // 2 % len(KINDS)]
            name = f"{backend}_{kind}-{number}"
            answer = await client.request("tools/call", {"name": name})
            said = json.dumps(answer)
            if kind != "broken":
                assert f"{kind}-{number}" in said
            return name

        own = {
            "hers": asyncio.gather(*(call(hers, number) for number in range(CALLS))),
            "his": asyncio.gather(*(call(his, CALLS - 1 - number) for number in range(CALLS))),
        }
        names = {who: await calls for who, calls in own.items()}
        assert sorted(names["hers"]) == sorted(names["his"])
        # One more call each, alone, shows which session is whose.
        for backend in backends.values():
            backend.handlers.clear()
        await hers.call("one_fine-0")
        await his.call("one_fine-0")
        await eventually(lambda: len(path.read_text().splitlines()) == 2 * CALLS + 2)

    *events, hers_alone, his_alone = (json.loads(line) for line in path.read_text().splitlines())
    sessions = (hers_alone["session"], his_alone["session"])
    assert len(set(sessions)) == 2
    for session in sessions:
        mine = [event for event in events if event["session"] == session]
        assert sorted(event["target"]["name"] for event in mine) == sorted(names["hers"])
    for event in events:
        backend, rest = event["target"]["name"].split("_")
        kind = rest.split("-")[0]
        assert event["backend"] == backend
        assert (event["outcome"], event["status"]) == (OUTCOME[kind], 200)
        assert event["source"] == "127.0.0.1"
    assert len({event["request_id"] for event in events}) == 2 * CALLS


@pytest.mark.scenario("C-7", "C-8", "O-1")
async def test_a_call_that_its_client_cancels_is_audited_and_counted_with_its_backend(tmp_path):
    path = tmp_path / "audit.log"
    backend = ScriptedBackend()
    come, hold = asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(_call):
        come.set()
        await hold.wait()
        return text("late")

    async with scene({"one": backend}, config=audited(path)) as world, world.session() as client:
        await client.names()
        calling = asyncio.create_task(client.request("tools/call", {"name": "one_echo"}, request_id="mine"))
        await come.wait()
        await client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}})
        assert "error" in await calling
        await eventually(lambda: path.read_text().count("\n") == 1)
        event = json.loads(path.read_text())
        assert (event["backend"], event["outcome"]) == ("one", "failure")
        metrics = await world.metrics()
        assert metrics['vmcp_backend_errors_total{backend="one",category="cancelled"}'] == 1
        hold.set()
