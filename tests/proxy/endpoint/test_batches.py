"""Clients of revisions before 2025-06-18: what they negotiate, and arrays of messages."""

import asyncio
import json

import pytest

from tests.support.raw_client import events_of, eventually, initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text
from vmcp_proxy.protocol.jsonrpc import MOST_BATCH_BYTES, MOST_BATCHED
from vmcp_proxy.protocol.versions import LATEST
from vmcp_proxy.serve.legacy.batch import MOST_HELD

OLD = ["2024-11-05", "2025-03-26"]


def call(number, name="one_echo", **arguments):
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments, "_meta": {"progressToken": number}},
    }


def ping(number):
    return {"jsonrpc": "2.0", "id": number, "method": "ping"}


async def opened(client, version):
    answer = await client.post(initialize(version))
    assert answer.json()["result"]["protocolVersion"] == version
    client.session = answer.headers["mcp-session-id"]


async def test_an_array_of_requests_is_answered_with_an_array_in_which_each_finds_its_answer():
    backend = ScriptedBackend()
    async with scene({"one": backend}) as world, world.client() as client:
        for version in OLD:
            await opened(client, version)
            message = [
                ping(1),
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
                call("b", x=1),
                {"jsonrpc": "2.0", "id": 7},
                3,
            ]
            answer = await client.post(message)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            found = answer.json()
            by_id = {each["id"]: each for each in found if each["id"] is not None}
            assert by_id[1]["result"] == {}
            assert "content" in by_id["b"]["result"]
            assert by_id[7]["error"]["code"] == -32600
            assert [each["error"]["code"] for each in found if each["id"] is None] == [-32600]


async def test_what_is_said_before_the_answers_makes_the_answer_a_stream_of_single_messages():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def _report(call):
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=token, progress=1)
        return text("done")

    async with scene({"one": backend}) as world, world.client() as client:
        await opened(client, "2025-03-26")
        answer = await client.post([ping(1), call(2), call(3)])
        assert answer.headers["content-type"].startswith("text/event-stream")
        messages = events_of(answer.content)
        assert sorted(each["id"] for each in messages if "id" in each) == [1, 2, 3]
        told = [each["params"]["progressToken"] for each in messages if each.get("method") == "notifications/progress"]
        assert sorted(told) == [2, 3]


async def test_without_requests_a_batch_is_accepted_and_says_what_it_could_not_take():
    async with scene({"one": ScriptedBackend()}) as world, world.client() as client:
        await opened(client, "2025-03-26")
        note = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
        assert (await client.post([note, note])).status_code == 202
        answer = await client.post([note, {"jsonrpc": "2.0", "id": "nobody asked", "result": {}}])
        assert answer.status_code == 400
        assert "another id" in answer.json()["error"]["message"]


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
@pytest.mark.scenario("C-4")
async def test_since_2025_06_18_a_batch_is_refused_with_the_reason(version):
    backend = ScriptedBackend()
    async with scene({"one": backend}) as world, world.client() as client:
        await opened(client, version)
        answer = await client.post([call(1)])
        assert answer.status_code == 400
        assert answer.json()["error"] == {
            "code": -32600,
            "message": "Batches left MCP with revision 2025-06-18; send one message per request.",
        }
        assert not [each for each in backend.heard if each.method == "tools/call"]


async def test_initialize_must_come_alone_and_a_batch_needs_a_session():
    async with scene({}) as world, world.client() as client:
        assert (await client.post([initialize("2025-03-26")])).status_code == 400
        await opened(client, "2025-03-26")
        [error, answer] = sorted((await client.post([initialize("2025-03-26"), ping(1)])).json(), key=lambda e: e["id"])
        assert error["error"]["message"] == "Send initialize in a request of its own."
        assert answer["result"] == {}
        client.session = "v1.a.forged"
        assert (await client.post([ping(1)])).status_code == 404


async def test_a_batch_is_bounded_in_messages_and_in_bytes():
    async with scene({}) as world, world.client() as client:
        await opened(client, "2025-03-26")
        assert len((await client.post([ping(n) for n in range(MOST_BATCHED)])).json()) == MOST_BATCHED
        for content in (b"[]", json.dumps([ping(1)] * (MOST_BATCHED + 1)).encode(), b"[" + b"1," * MOST_BATCH_BYTES):
            answer = await client.post(content)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == -32600
        assert (await client.post(b"[1, 2")).json()["error"]["code"] == -32700


async def test_answers_that_are_too_long_to_wait_go_out_as_events_or_are_named_where_none_are_taken():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def _long(_call):
        return text("x" * (MOST_HELD * 3 // 4))

    async with scene({"one": backend}) as world, world.client() as client:
        await opened(client, "2025-03-26")
        calls = [call(n) for n in range(4)]
        assert sorted(each["id"] for each in events_of((await client.post(calls)).content)) == [0, 1, 2, 3]
        answers = (await client.post(calls, accept="application/json")).json()
        errors = [each["error"]["message"] for each in answers if "error" in each]
        assert len(answers) == 4
        assert len(errors) == 3
        assert "send the request alone" in errors[0]


@pytest.mark.scenario("C-7", "C-8")
async def test_each_message_of_a_batch_is_audited_and_counted_as_if_it_had_come_alone(tmp_path):
    path = tmp_path / "audit.log"
    audit = {"audit": {"enabled": True, "sink": "file", "path": str(path)}}
    async with scene({"one": ScriptedBackend()}, config=audit) as world, world.client() as client:
        await opened(client, "2025-03-26")
        await client.post([call(1), call(2, name="unknown"), ping(3)])
        counted = await world.metrics()
        await eventually(lambda: "mcp_batch" in path.read_text())
        events = [json.loads(line) for line in path.read_text().splitlines()]
        kinds = [(each["type"], each["target"].get("name", ""), each["outcome"]) for each in events[-4:]]
        assert ("mcp_tool_call", "one_echo", "success") in kinds
        assert ("mcp_tool_call", "unknown", "failure") in kinds
        assert kinds[-1][0] == "mcp_batch"
        assert len({each["id"] for each in events[-4:]}) == 4
        calls = [value for name, value in counted.items() if "vmcp_requests_total" in name and "tools/call" in name]
        assert sum(calls) == 2


async def test_messages_of_a_batch_run_side_by_side_and_one_can_cancel_another():
    backend = ScriptedBackend()
    began = asyncio.Event()

    @backend.on("tools/call")
    async def _hang(_call):
        began.set()
        await asyncio.Event().wait()

    async with scene({"one": backend}) as world, world.client() as client:
        await opened(client, "2025-03-26")
        async with client.sending([call(1), ping(2)]) as task:
            await began.wait()
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            assert (await client.post([cancel])).status_code == 202
            answers = {each["id"]: each for each in (await task).json()}
        assert answers[1]["error"]["code"] == -32800
        assert answers[2]["result"] == {}


@pytest.mark.parametrize(("version", "told"), [(version, False) for version in [*OLD, "2025-06-18"]] + [(LATEST, True)])
async def test_the_end_of_a_stream_says_when_to_come_back_only_to_clients_that_read_events_without_data(version, told):
    async with scene({}) as world, world.client() as client:
        await opened(client, version)
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            world.inside.close_streams()
            await eventually(lambda: stream.ended)
        assert bool(stream.retries) is told
        assert not stream.messages
