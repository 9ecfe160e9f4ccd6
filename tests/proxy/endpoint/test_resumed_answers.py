"""Clients that lose the stream of a call and come back for its answer."""

import asyncio
import contextlib
import json

import httpx2
import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.resuming import CUSTOM, LOST, Steps, answer_of, numbers, say, stream_headers
from tests.support.plain_http import http_client
from tests.support.raw_client import ACCEPT, eventually, initialize
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, text
from vmcp_proxy.protocol.event_ids import encode_prefix


@pytest.mark.scenario("P-10")
async def test_a_call_goes_on_when_its_client_is_gone_and_the_rest_of_its_stream_is_there_for_the_asking():
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        async with client.listening() as own:
            steps.steps.put_nowait(1)
            async with client.posting("tools/call", {"name": "one_echo"}) as broken:
                await broken.until(CUSTOM)
                assert broken.retries == [1000]
                assert len(set(broken.ids)) == 2
                steps.steps.put_nowait(2)
                await broken.until(CUSTOM, 2)
            steps.steps.put_nowait(3)
            async with client.listening(**{"last-event-id": broken.ids[1]}) as rest:
                await rest.until(CUSTOM, 2)
                steps.steps.put_nowait(4)
                await rest.until(CUSTOM, 3)
                steps.steps.put_nowait("done")
                await eventually(lambda: rest.ended)
            assert numbers(rest) == [2, 3, 4]
            assert answer_of(rest)["result"] == text("done")
            assert answer_of(rest)["id"] == 1
            assert not own.ended
            assert own.messages == []
        assert len(steps.backend.calls("tools/call")) == 1
        assert steps.backend.calls("notifications/cancelled") == []


@pytest.mark.scenario("P-10")
async def test_an_answer_that_came_while_the_client_was_away_is_kept_and_comes_as_often_as_it_is_asked_for():
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        steps.steps.put_nowait(1)
        async with client.posting("tools/call", {"name": "one_echo"}) as broken:
            await broken.until(CUSTOM)
        steps.steps.put_nowait(2)
        steps.steps.put_nowait("done")
        await eventually(lambda: world.inside.expiring_answers)
        for _ in range(2):
            async with client.listening(**{"last-event-id": broken.ids[0]}) as rest:
                await eventually(lambda rest=rest: rest.ended)
            assert numbers(rest) == [1, 2]
            assert answer_of(rest)["result"] == text("done")
        over = await client.send("GET", accept="text/event-stream", last_event_id=rest.ids[-1])
        assert (over.status_code, over.headers["allow"]) == (405, "POST, DELETE, OPTIONS")
        assert "nothing follows" in over.json()["error"]["message"]


@pytest.mark.scenario("P-10")
async def test_an_answer_that_is_kept_no_longer_is_an_error_for_the_request_and_not_a_hang():
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        world.inside.keep_answers_for(0.05)
        steps.steps.put_nowait(1)
        async with client.posting("tools/call", {"name": "one_echo"}) as broken:
            await broken.until(CUSTOM)
        steps.steps.put_nowait("done")
        inside = world.inside
        await eventually(lambda: not inside.answers)
        assert inside.replay_budget.used == 0
        async with client.listening() as own:
            await eventually(lambda: own.comments)
            for last in (broken.ids[-1], encode_prefix(b"deadbeef", 1, b'"a-b"').decode() + "4"):
                async with client.listening(**{"last-event-id": last}) as rest:
                    await eventually(lambda rest=rest: rest.ended)
                assert answer_of(rest)["error"]["code"] == LOST
                assert answer_of(rest)["id"] == (1 if last == broken.ids[-1] else "a-b")
                (end,) = rest.ids
                over = await client.send("GET", accept="text/event-stream", last_event_id=end)
                assert over.status_code == 405, "or the client asks for ever"
            assert not own.ended, "it is not the session's own stream that was asked for"


@pytest.mark.scenario("P-10", "C-3")
async def test_a_client_that_does_not_read_does_not_keep_the_stream_from_its_successor():
    steps = Steps()
    big = "x" * 300_000

    @steps.backend.on("tools/call")
    async def flood(call):
        steps.come.set()
        await call.notify(CUSTOM, k=0)
        await steps.steps.get()
        for k in range(1, 40):
            await call.notify(CUSTOM, k=k, big=big)
        return text("done")

    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "one_echo"}}
        reader, writer = await _post(world.proxy.mcp_port, client.session, message)
        async with asyncio.timeout(30):
            head = await reader.readuntil(b'"k": 0')
        first = [line for line in head.decode().splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")
        writer.transport.pause_reading()
        steps.steps.put_nowait(1)
        stream = world.inside.answer_stream
        await eventually(lambda: stream.is_busy and stream._log.last > 3)
        stuck = stream._log.last
        async with client.listening(**{"last-event-id": first}) as rest:
            await eventually(lambda: rest.ended)
        assert stuck < 40
        got = numbers(rest)
        assert got == list(range(got[0], 40)), "in order and without a gap"
        assert got[0] <= stuck, "also what could not be written"
        assert answer_of(rest)["result"] == text("done")
        writer.transport.abort()


async def _post(port: int, session: str, message: dict):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    body = json.dumps(message).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: {ACCEPT}\r\ncontent-type: application/json\r\n"
        f"mcp-session-id: {session}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    return reader, writer


@pytest.mark.scenario("P-10")
async def test_clients_of_earlier_revisions_get_ids_but_no_event_without_data():
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world, world.client() as client:
        opened = await client.post(initialize("2025-06-18"))
        client.session = opened.headers["mcp-session-id"]
        calling = asyncio.create_task(
            client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}})
        )
        await steps.come.wait()
        steps.steps.put_nowait(1)
        steps.steps.put_nowait("done")
        lines = (await calling).text.splitlines()
        assert "data: " not in lines
        assert not [line for line in lines if line.startswith("retry")]
        assert len([line for line in lines if line.startswith("id: ")]) == 2
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            say(world, 1)
            await stream.until(CUSTOM)
            assert (len(stream.ids), stream.retries) == (1, [])
        async with client.listening(**{"last-event-id": stream.ids[0]}) as again:
            say(world, 2)
            await again.until(CUSTOM)
            assert numbers(again) == [2]


@pytest.mark.scenario("P-10")
async def test_nothing_is_kept_for_a_client_that_takes_no_event_streams_or_has_an_endless_id():
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        inside = world.inside
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}}
        for step in (1, "done"):
            steps.steps.put_nowait(step)
        answer = await client.post(message, accept="application/json")
        assert answer.json()["result"] == text("done")
        for step in (1, "done"):
            steps.steps.put_nowait(step)
        streamed = await client.post({**message, "id": "x" * 200})
        assert streamed.headers["content-type"] == "text/event-stream"
        assert "id: " not in streamed.text
        assert client.read(streamed)["result"] == text("done")
        assert (inside.answers, inside.replay_budget.used) == (0, 0)


@pytest.mark.scenario("P-10")
async def test_of_one_session_only_so_many_finished_answers_are_kept():
    backend = ScriptedBackend(answers_events=True)
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        inside = world.inside
        for _ in range(40):
            await client.call("one_echo")
        assert inside.answers == 16

        @backend.on("tools/call")
        async def large(call):
            return text("x" * 600_000)

        for _ in range(3):
            await client.call("one_echo")
        assert inside.answers == 1
        assert 600_000 < inside.replay_budget.used < 700_000


@pytest.mark.scenario("P-10", "C-3")
async def test_a_call_that_is_cut_ends_the_stream_of_whoever_resumed_it():
    steps = Steps()
    config = operational(timeouts={"maximum": "1s", "default": "1s"}, failureHandling={"healthCheckInterval": "1h"})
    async with scene({"one": steps.backend}, config=config) as world, world.session() as client:
        steps.steps.put_nowait(1)
        async with client.posting("tools/call", {"name": "one_echo"}) as broken:
            await broken.until(CUSTOM)
        async with client.listening(**{"last-event-id": broken.ids[0]}) as rest:
            await eventually(lambda: rest.ended)
        inside = world.inside
        await eventually(lambda: not inside.calls)
        if not [message for message in rest.messages if "method" not in message]:
            async with client.listening(**{"last-event-id": broken.ids[0]}) as rest:
                await eventually(lambda: rest.ended)
        assert "error" in answer_of(rest) or answer_of(rest)["result"]["isError"]


@pytest.mark.scenario("P-10", "C-3")
async def test_comments_keep_a_resumed_answer_open_and_make_no_events_of_their_own():
    steps = Steps()
    config = operational(keepAliveInterval="150ms", failureHandling={"healthCheckInterval": "1h"})
    async with scene({"one": steps.backend}, config=config) as world, world.session() as client:
        async with client.posting("tools/call", {"name": "one_echo"}) as broken:
            await eventually(lambda: broken.comments)
            assert len(broken.ids) == 1, "a stream begins with an event to resume from, also before the first message"
        async with client.listening(**{"last-event-id": broken.ids[0]}) as rest:
            await eventually(lambda: len(rest.comments) > 2)
            assert rest.ids == []
            steps.steps.put_nowait("done")
            await eventually(lambda: rest.ended)
        assert answer_of(rest)["result"] == text("done")
        http = http_client(timeout=10)
        async with http, http.stream("GET", world.url, headers={**stream_headers(client)}) as response:
            events = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    async for event in httpx2.EventSource(response):
                        events.append(event)  # noqa: PERF401 - the time runs out in the middle
        assert [event.data for event in events] == [""], "only the priming event, whatever comments came"


@pytest.mark.scenario("P-10", "P-13")
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
@pytest.mark.parametrize("loses", [False, True], ids=["told", "lost"])
async def test_a_client_that_takes_only_results_for_answers_asks_once_more_and_disturbs_nothing(version, loses):
    # The TypeScript SDK (1.x) resumes after an error, without an id where it has none, and stays away after 405.
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def fail(call):
        await call.notify(CUSTOM, k=1)
        raise Refusal(-32099, "as asked")

    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        opened = await client.post(initialize(version))
        client.session = opened.headers["mcp-session-id"]
        async with client.listening() as own:
            await eventually(lambda: own.comments)
            async with client.posting("tools/call", {"name": "one_echo"}) as stream:
                await eventually(lambda: stream.ended)
            assert answer_of(stream)["error"]["code"] == -32099
            if loses:
                # As if the connection had broken before the answer, and the client had come back too late.
                world.inside.drop_answer()
                stream.ids.pop()
            statuses = []
            while True:
                last = {"last-event-id": stream.ids[-1]} if stream.ids else {}
                async with client.listening(**last) as stream:
                    statuses.append(stream.response.status_code)
                    if statuses[-1] == 405:
                        break
                    await eventually(lambda stream=stream: stream.ended)
            assert statuses == ([200, 405] if loses else [405])
            say(world, 2)
            await own.until(CUSTOM)
            assert not own.ended
