"""What goes to and fro beside results: progress, log records, cancellation, completions, ids, pings."""

import asyncio
import json

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, text


@pytest.mark.scenario("P-1")
@pytest.mark.parametrize("token", ["7", 7, "abc", 0, "", 2**60])
async def test_progress_comes_back_under_the_clients_own_token_of_the_very_same_type(token):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def steps(call):
        ours = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=ours, progress=0.5, total=1, message="half")
        return text("done")

    async with scene({"one": backend}) as world, world.session() as client:
        message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call"}
        message["params"] = {"name": "one_echo", "_meta": {"progressToken": token}}
        answer = await client.post(message)
        assert client.read(answer)["result"]["content"][0]["text"] == "done"
        (progress,) = client.said
        assert json.dumps(progress["params"]["progressToken"]) == json.dumps(token)
        assert progress["params"] == {"progressToken": token, "progress": 0.5, "total": 1, "message": "half"}
        assert backend.calls("tools/call")[0].message["params"]["_meta"]["progressToken"] == 1


async def test_concurrent_calls_get_their_own_progress_under_one_shared_token():
    backend = ScriptedBackend()
    both = asyncio.Barrier(2)

    @backend.on("tools/call")
    async def steps(call):
        await both.wait()
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=token, progress=call.params["arguments"]["n"])
        return text("done")

    async with scene({"one": backend}) as world, world.session() as first, world.session() as second:
        meta = {"progressToken": "same"}
        await asyncio.gather(
            first.call("one_echo", {"n": 1}, _meta=meta),
            second.call("one_echo", {"n": 2}, _meta=meta),
        )
        assert [each["params"]["progress"] for each in first.said] == [1]
        assert [each["params"]["progress"] for each in second.said] == [2]


async def test_progress_that_nobody_asked_for_is_not_relayed():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def steps(call):
        await call.notify("notifications/progress", progressToken=1, progress=1)
        return text("done")

    async with scene({"one": backend}) as world, world.session() as client:
        await client.call("one_echo")
        assert client.said == []


@pytest.mark.scenario("P-1")
async def test_the_log_level_reaches_every_backend_of_the_session_and_filters_what_comes_back():
    one, two = ScriptedBackend(), ScriptedBackend()

    async def noisy(call):
        await call.notify("notifications/message", level="debug", data="low")
        await call.notify("notifications/message", level="error", logger="db", data={"k": 1})
        await call.notify("notifications/message", level="warning", data="plain")
        return text("done")

    one.handlers["tools/call"] = two.handlers["tools/call"] = noisy
    async with scene({"one": one, "two": two}) as world, world.session() as client:
        await client.call("one_echo")
        assert len(client.said) == 3
        client.said.clear()
        assert await client.result("logging/setLevel", {"level": "warning"}) == {}
        assert [each.message["params"] for each in one.calls("logging/setLevel")] == [{"level": "warning"}]
        assert two.calls("logging/setLevel") == []
        await client.call("two_echo")
        assert [each.message["params"] for each in two.calls("logging/setLevel")] == [{"level": "warning"}]
        assert [each["params"] for each in client.said] == [
            {"level": "error", "logger": "two/db", "data": {"k": 1}},
            {"level": "warning", "logger": "two", "data": "plain"},
        ]
        error = (await client.request("logging/setLevel", {"level": "loud"}))["error"]
        assert error["code"] == -32602


@pytest.mark.scenario("P-1")
@pytest.mark.parametrize("request_id", ["77", 77])
async def test_a_cancellation_reaches_the_backend_under_its_own_id_and_ends_the_post(request_id):
    backend = ScriptedBackend()
    came, hold = asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(call):
        came.set()
        await hold.wait()
        return text("late")

    async with scene({"one": backend}) as world, world.session() as client:
        await client.names()
        calling = asyncio.create_task(client.request("tools/call", {"name": "one_echo"}, request_id=request_id))
        await came.wait()
        other = 77 if isinstance(request_id, str) else "77"
        for cancelled in (other, request_id):
            message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": cancelled}}
            assert (await client.post(message)).status_code == 202
            if cancelled == other:
                assert await client.result("ping") == {}
                assert not calling.done()
        answer = await asyncio.wait_for(calling, 30)
        assert answer["id"] == request_id
        assert "error" in answer
        await eventually(lambda: backend.calls("notifications/cancelled"))
        told = backend.calls("notifications/cancelled")[0].message["params"]
        assert told["requestId"] == backend.calls("tools/call")[0].message["id"]
        hold.set()
        backend.handlers.clear()
        assert (await client.call("one_echo"))["content"][0]["text"] == "called echo"


async def test_another_sessions_cancellation_touches_nothing():
    backend = ScriptedBackend()
    came, hold = asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(call):
        came.set()
        await hold.wait()
        return text("done")

    async with scene({"one": backend}) as world, world.session() as client, world.session() as stranger:
        calling = asyncio.create_task(client.request("tools/call", {"name": "one_echo"}, request_id=5))
        await came.wait()
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        assert (await stranger.post(message)).status_code == 202
        assert await stranger.result("ping") == {}
        hold.set()
        assert (await calling)["result"]["content"][0]["text"] == "done"
        assert backend.calls("notifications/cancelled") == []


@pytest.mark.scenario("P-1")
async def test_a_client_that_hangs_up_does_not_cancel_its_call():
    backend = ScriptedBackend()
    came, hold, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def slow(call):
        came.set()
        await hold.wait()
        done.set()
        return text("done")

    async with scene({"one": backend}) as world, world.session() as client:
        calling = asyncio.create_task(client.call("one_echo"))
        await came.wait()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        assert await client.result("ping") == {}
        hold.set()
        await asyncio.wait_for(done.wait(), 30)
        assert backend.calls("notifications/cancelled") == []


async def test_ids_come_back_exactly_as_they_were():
    methods = (("ping", {}), ("tools/list", {}), ("tools/call", {"name": "one_echo"}), ("nope", {}))
    async with scene({"one": ScriptedBackend()}) as world, world.session() as client:
        for request_id in ("1", 1, 0, -5, 2**63, "", "a\u00e9\u20ac", "x" * 500):
            for method, params in methods:
                answer = await client.request(method, params, request_id=request_id)
                assert json.dumps(answer["id"]) == json.dumps(request_id)


@pytest.mark.scenario("P-1")
async def test_completions_go_to_the_owner_of_the_prompt_or_template_and_are_empty_for_nobodys():
    one = ScriptedBackend(prompts=[{"name": "ask"}])
    two = ScriptedBackend(templates=[{"uriTemplate": "test://{id}/x", "name": "t"}])
    async with scene({"one": one, "two": two}) as world, world.session() as client:
        argument = {"name": "a", "value": "v"}

        async def complete(**ref):
            params = {"ref": ref, "argument": argument, "context": {"arguments": {"k": "v"}}}
            return (await client.result("completion/complete", params))["completion"]

        assert (await complete(type="ref/prompt", name="one_ask"))["values"] == ["done"]
        arrived = one.calls("completion/complete")[0].message["params"]
        assert arrived == {
            "ref": {"type": "ref/prompt", "name": "ask"},
            "argument": argument,
            "context": {"arguments": {"k": "v"}},
        }
        assert (await complete(type="ref/resource", uri="test://{id}/x"))["values"] == ["done"]
        assert two.calls("completion/complete")[0].message["params"]["ref"]["uri"] == "test://{id}/x"
        assert await complete(type="ref/prompt", name="nobody_ask") == {"values": [], "hasMore": False}
        assert await complete(type="ref/resource", uri="test://nobody") == {"values": [], "hasMore": False}
        # A reference by URI is about a template, never about a prompt that bears the same letters.
        assert await complete(type="ref/resource", uri="one_ask") == {"values": [], "hasMore": False}
        assert len(one.calls("completion/complete")) == 1


async def test_resources_are_read_by_uri_and_unknown_ones_are_answered_by_the_revisions_code():
    one = ScriptedBackend(
        resources=[{"uri": "test://a", "name": "a"}], templates=[{"uriTemplate": "test://t/{id}", "name": "t"}]
    )
    # The only one that has resources would be asked: it need not list them.
    async with scene({"one": one, "two": ScriptedBackend()}) as world, world.session() as client:
        assert await client.names("resources") == ["test://a"]
        assert await client.names("resourceTemplates") == ["test://t/{id}"]
        assert (await client.result("resources/read", {"uri": "test://a"}))["contents"][0]["text"] == "read"
        assert (await client.result("resources/read", {"uri": "test://t/9"}))["contents"][0]["uri"] == "test://t/9"
        error = (await client.request("resources/read", {"uri": "test://none"}))["error"]
        assert (error["code"], error["data"]) == (-32002, {"uri": "test://none"})
        error = (await client.request("prompts/get", {"name": "none"}))["error"]
        assert error["code"] == -32602


async def test_params_of_the_wrong_shape_are_invalid_and_reach_no_backend():
    wrong = [
        ("tools/call", {}),
        ("tools/call", {"name": 5}),
        ("tools/call", {"name": "one_echo", "_meta": 5}),
        ("resources/read", {"name": "x"}),
        ("prompts/get", {"name": None}),
        ("completion/complete", {}),
        ("completion/complete", {"ref": "x"}),
        ("tools/list", {"cursor": 5}),
        ("tools/list", {"cursor": ""}),
        ("tools/list", {"cursor": "garbage"}),
        ("logging/setLevel", {}),
    ]
    backend = ScriptedBackend()
    async with scene({"one": backend}) as world, world.session() as client:
        await client.names()
        heard = len(backend.heard)
        for method, params in wrong:
            assert (await client.request(method, params))["error"]["code"] == -32602, (method, params)
        assert not [each for each in backend.heard[heard:] if each.method == "tools/call"]


async def test_a_backend_that_asks_what_no_client_can_answer_is_answered_here():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def ask(call):
        await call.say({"jsonrpc": "2.0", "id": "ping-1", "method": "ping"})
        await call.say({"jsonrpc": "2.0", "id": 9, "method": "roots/list"})
        return text("done")

    async with scene({"one": backend}) as world, world.session() as client:
        await client.call("one_echo")
        replies = {each.message["id"]: each.message for each in backend.calls("") if "id" in each.message}
        assert replies["ping-1"]["result"] == {}
        assert replies[9]["error"]["code"] == -32601
        assert client.said == []


async def test_a_long_call_is_kept_open_by_comments_and_answered_on_the_same_stream():
    backend = ScriptedBackend()
    hold = asyncio.Event()

    @backend.on("tools/call")
    async def slow(call):
        await hold.wait()
        raise Refusal(-32000, "own words")

    async with (
        scene({"one": backend}, config=operational(keepAliveInterval="100ms")) as world,
        world.session() as client,
    ):
        await client.names()
        message = {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "one_echo"}}
        posting = asyncio.create_task(client.post(message))
        await eventually(lambda: any(each._stream is not None for each in world.inside.exchanges))
        hold.set()
        answer = await posting
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.content.startswith(b"id: ")
        assert b"\n: keep-alive\n" in answer.content
        assert client.read(answer)["error"]["message"] == "own words"
