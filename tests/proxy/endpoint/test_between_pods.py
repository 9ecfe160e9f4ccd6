"""What reaches the wrong pod is handed to the right one: answers, messages for a stream, news of a session."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.endpoint.test_server_requests import QUESTION, SAMPLING, Asker, answer_of, reply
from tests.proxy.endpoint.test_two_pods import moved, pod
from tests.support.raw_client import eventually
from tests.support.scripted_backend import ScriptedBackend

LOGGED = "notifications/message"


@contextlib.asynccontextmanager
async def asked_at_a(redis, asker):
    """A client of pod A with sampling, and the same client at pod B."""
    async with (
        asker.backend.running(),
        pod(redis, asker.backend) as a,
        pod(redis, asker.backend) as b,
        a.client(x_api_key="k") as client,
    ):
        await client.open(SAMPLING)
        async with moved(client, b) as there:
            await there.names()
            yield client, there


@pytest.mark.scenario("S-5")
async def test_an_answer_that_reaches_another_pod_gets_to_the_call_that_waits_for_it(redis_server):
    asker = Asker(params=QUESTION)
    async with (
        asked_at_a(redis_server, asker) as (client, there),
        client.posting("tools/call", {"name": "b0_echo"}) as stream,
    ):
        [request] = await stream.until("sampling/createMessage")
        assert await reply(there, request, result={"from": "elsewhere"}) == 202
        assert answer_of(await stream.answer()) == {"jsonrpc": "2.0", "id": 7, "result": {"from": "elsewhere"}}


async def test_progress_that_reaches_another_pod_gets_to_the_backend(redis_server):
    asker = Asker(params=QUESTION | {"_meta": {"progressToken": 5}})
    async with (
        asked_at_a(redis_server, asker) as (client, there),
        client.posting("tools/call", {"name": "b0_echo"}) as stream,
    ):
        [request] = await stream.until("sampling/createMessage")
        progress = {"progressToken": request["id"], "progress": 1}
        await there.post({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        await eventually(lambda: asker.backend.calls("notifications/progress"))
        [heard] = asker.backend.calls("notifications/progress")
        assert heard.message["params"] == {"progressToken": 5, "progress": 1}
        await reply(client, request, result={})
        await stream.answer()


async def test_an_answer_for_a_pod_that_is_gone_is_refused_in_words(redis_server):
    asker = Asker(params=QUESTION)
    life_of_a = contextlib.AsyncExitStack()
    async with asker.backend.running(), pod(redis_server, asker.backend) as b, life_of_a:
        a = await life_of_a.enter_async_context(pod(redis_server, asker.backend))
        client = await life_of_a.enter_async_context(a.client(x_api_key="k"))
        await client.open(SAMPLING)
        stream = await life_of_a.enter_async_context(client.posting("tools/call", {"name": "b0_echo"}))
        [request] = await stream.until("sampling/createMessage")
        asker.answers.put_nowait({})
        await stream.answer()
        await life_of_a.aclose()
        async with moved(client, b) as there:
            answer = await there.post({"jsonrpc": "2.0", "id": request["id"], "result": {}})
            assert answer.status_code == 400
            assert "the pod that sent it is gone" in answer.json()["error"]["message"]


async def test_a_question_that_cannot_be_put_in_the_call_comes_on_the_stream_that_another_pod_holds(redis_server):
    asker = Asker(params=QUESTION)
    async with asked_at_a(redis_server, asker) as (client, there), client.listening() as stream:
        await eventually(lambda: stream.comments)
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b0_echo"}}
        async with there.sending(body, accept="application/json") as answering:
            [request] = await stream.until("sampling/createMessage")
            assert await reply(client, request, result={"ok": 1}) == 202
            answer = await answering
        assert json.loads(answer.json()["result"]["content"][0]["text"])["result"] == {"ok": 1}


async def test_the_pod_with_the_stream_hears_a_backend_that_another_pod_opened(redis_server):
    backend = ScriptedBackend()
    async with (
        backend.running(),
        pod(redis_server, backend) as a,
        pod(redis_server, backend) as b,
        a.session(x_api_key="k") as client,
        client.listening() as stream,
        moved(client, b) as there,
    ):
        await eventually(lambda: stream.comments)
        opened = set(backend.sessions)
        await there.call("b0_echo")
        mine = backend.calls("tools/call")[0].session
        assert opened <= set(backend.sessions)
        await eventually(lambda: mine in backend.streams)
        backend.push(LOGGED, mine, level="error", data="heard")
        [message] = await stream.until(LOGGED)
        assert message["params"]["data"] == "heard"


async def test_a_log_level_that_was_set_on_one_pod_holds_on_the_other(redis_server):
    backend = ScriptedBackend()
    async with (
        backend.running(),
        pod(redis_server, backend) as a,
        pod(redis_server, backend) as b,
        a.session(x_api_key="k") as client,
        client.listening() as stream,
        moved(client, b) as there,
    ):
        await client.call("b0_echo")
        mine = backend.calls("tools/call")[0].session
        await there.result("logging/setLevel", {"level": "error"})
        await eventually(lambda: mine in backend.streams)
        await eventually(lambda: a.inside.clients[0].log_level == "error")
        backend.push(LOGGED, mine, level="info", data="quiet")
        backend.push(LOGGED, mine, level="error", data="loud")
        [message] = await stream.until(LOGGED)
        assert message["params"]["data"] == "loud"


async def test_a_question_that_waits_on_one_pod_reaches_the_stream_that_opens_on_another(redis_server):
    asker = Asker(params=QUESTION)
    async with asked_at_a(redis_server, asker) as (client, there):
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b0_echo"}}
        async with client.sending(message, accept="application/json") as answering:
            await eventually(lambda: asker.backend.calls("tools/call"))
            async with there.listening() as stream:
                [request] = await stream.until("sampling/createMessage")
                assert await reply(there, request, result={"ok": 2}) == 202
                answer = await answering
        assert json.loads(answer.json()["result"]["content"][0]["text"])["result"] == {"ok": 2}


@pytest.mark.scenario("S-5")
async def test_a_call_is_cancelled_by_a_word_that_reaches_another_pod(redis_server):
    asker = Asker(params=QUESTION)
    backend = asker.backend
    async with asked_at_a(redis_server, asker) as (client, there):
        message = {"jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": {"name": "b0_echo"}}
        async with client.sending(message):
            await eventually(lambda: backend.calls("tools/call"))
            for request_id in ("other", "mine"):
                params = {"requestId": request_id, "reason": "enough"}
                told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
                assert (await there.post(told)).status_code == 202
            await eventually(lambda: backend.calls("notifications/cancelled"))
        [heard] = backend.calls("notifications/cancelled")
        assert heard.message["params"]["requestId"] == backend.calls("tools/call")[0].message["id"]
        assert "enough" not in str(heard.message)


async def test_a_question_is_not_lost_on_a_pod_that_held_the_stream_and_has_let_go_of_the_session(redis_server):
    asker = Asker(params=QUESTION)
    async with (
        asker.backend.running(),
        pod(redis_server, asker.backend) as a,
        pod(redis_server, asker.backend) as b,
        b.client(x_api_key="k") as client,
    ):
        await client.open(SAMPLING)
        async with moved(client, a) as there:
            await there.names()
            async with there.listening() as stream:
                await eventually(lambda: stream.comments)
            session = a.inside.clients[0].session
            await eventually(lambda: session.stream is None and not session.streams_unsaved)
            a.inside.forget_client(session)
        await a.inside.shared_state.take_stream(session, a.inside.pod)
        assert await b.inside.shared_state.stream_pod(session) == a.inside.pod
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b0_echo"}}
        async with client.sending(message, accept="application/json") as answering:
            await eventually(lambda: asker.backend.calls("tools/call"))
            async with client.listening() as stream:
                [request] = await stream.until("sampling/createMessage")
                assert await reply(client, request, result={"ok": 3}) == 202
            answer = await answering
        assert json.loads(answer.json()["result"]["content"][0]["text"])["result"] == {"ok": 3}


async def test_a_question_finds_the_stream_that_opens_on_another_pod_in_the_same_moment(redis_server):
    asker = Asker(params=QUESTION)
    async with (
        asker.backend.running(),
        pod(redis_server, asker.backend) as a,
        pod(redis_server, asker.backend) as b,
        a.client(x_api_key="k") as client,
        contextlib.AsyncExitStack() as opened,
    ):
        await client.open(SAMPLING)
        there = await opened.enter_async_context(moved(client, b))
        await there.names()
        claim = a.inside.own("claim_stream")
        streams = []

        async def late(session, name):
            if not streams:
                streams.append(await opened.enter_async_context(there.listening()))
                b_has_it = b.inside.shared_state.stream_pod
                async with asyncio.timeout(10):
                    while await b_has_it(session) != b.inside.pod:  # noqa: ASYNC110 - no event tells
                        await asyncio.sleep(0.01)
            return await claim(session, name)

        opened.enter_context(a.inside.replaced("claim_stream", late))
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b0_echo"}}
        async with client.sending(message, accept="application/json") as answering:
            await eventually(lambda: streams)
            [request] = await streams[0].until("sampling/createMessage")
            assert await reply(there, request, result={"ok": 4}) == 202
            answer = await answering
        assert json.loads(answer.json()["result"]["content"][0]["text"])["result"] == {"ok": 4}
        assert streams[0].methods.count("sampling/createMessage") == 1
