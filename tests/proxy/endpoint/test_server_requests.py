"""Requests of backends to clients: sampling, elicitation, roots, and what belongs to them."""

import asyncio
import json
from typing import Any

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, Die, ScriptedBackend, text

SAMPLING = {"sampling": {}}
QUESTION = {"messages": [{"role": "user", "content": {"type": "text", "text": "capital?"}}], "maxTokens": 100}


class Asker:
    """A backend whose tool asks the client something in the middle of a call, and waits for the answer.

    A call that is cancelled waits no longer: the next answer is for another one.
    """

    def __init__(self, method: str = "sampling/createMessage", params: Any = None, request_id: object = 7) -> None:
        self.backend = ScriptedBackend()
        self.request: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            self.request["params"] = params
        self.answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._waiting: dict[tuple[str, object], asyncio.Future[dict[str, Any]]] = {}
        self.backend.on("tools/call")(self._call)
        self.backend.on("notifications/cancelled")(self._cancel)
        self.backend.on("")(self._hear)

    async def _call(self, call: Call) -> dict[str, Any]:
        await call.say(self.request)
        key = call.heard.session, call.heard.message["id"]
        answer = self._waiting[key] = asyncio.ensure_future(self.answers.get())
        try:
            await asyncio.wait({answer})
            if answer.cancelled():
                raise Die
            return text(json.dumps(answer.result()))
        finally:
            answer.cancel()
            del self._waiting[key]

    async def _cancel(self, call: Call) -> dict[str, Any]:
        if (answer := self._waiting.get((call.heard.session, call.params["requestId"]))) is not None:
            answer.cancel()
        return {}

    async def _hear(self, call: Call) -> dict[str, Any]:
        self.answers.put_nowait(call.heard.message)
        return {}


def answer_of(message: dict[str, Any]) -> dict[str, Any]:
    """What the backend got, as its tool said."""
    return json.loads(message["result"]["content"][0]["text"])


async def reply(client: RawClient, request: dict[str, Any], **answer: Any) -> int:
    return (await client.post({"jsonrpc": "2.0", "id": request["id"], **answer})).status_code


@pytest.mark.scenario("P-1")
@pytest.mark.parametrize(
    ("method", "capabilities", "params", "result"),
    [
        ("sampling/createMessage", SAMPLING, QUESTION, {"role": "assistant", "model": "m", "big": 2**70}),
        ("elicitation/create", {"elicitation": {"form": {}}}, {"message": "name?"}, {"action": "accept"}),
        (
            "elicitation/create",
            {"elicitation": {"url": {}}},
            {"mode": "url", "url": "https://x.test"},
            {"action": "decline"},
        ),
        ("roots/list", {"roots": {"listChanged": True}}, None, {"roots": [{"uri": "file:///a"}]}),
    ],
)
async def test_a_question_in_a_call_reaches_the_caller_and_the_answer_goes_back(method, capabilities, params, result):
    asker = Asker(method, params, request_id="seven")
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(capabilities)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until(method)
            assert request.get("params") == params
            assert request["id"] != "seven"
            assert await reply(client, request, result=result) == 202
            assert answer_of(await stream.answer()) == {"jsonrpc": "2.0", "id": "seven", "result": result}


async def test_an_error_of_the_client_goes_back_as_it_is():
    asker = Asker(params=QUESTION)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            error = {"code": -1, "message": "User rejected", "data": {"why": None}}
            await reply(client, request, error=error)
            assert answer_of(await stream.answer()) == {"jsonrpc": "2.0", "id": 7, "error": error}


@pytest.mark.parametrize("capabilities", [{}, {"roots": {}}])
async def test_what_the_client_has_not_declared_is_refused_without_asking_it(capabilities):
    asker = Asker(params=QUESTION)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(capabilities)
        answer = await client.request("tools/call", {"name": "one_echo"})
        assert answer_of(answer)["error"]["code"] == -32601
        assert "has not declared the capability" in answer_of(answer)["error"]["message"]
        assert not client.said


async def test_a_backend_hears_the_capabilities_of_each_client_and_no_more():
    backend = ScriptedBackend()
    declared = {"sampling": {"tools": {}}, "elicitation": {"form": {}}, "roots": {"listChanged": True}}
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client, world.client() as plain:
        await client.open(declared | {"tasks": {"list": {}}, "extensions": {"x": {}}})
        await client.call("one_echo")
        await plain.open()
        await plain.call("one_echo")
    sessions = {call.session for call in backend.calls("tools/call")}
    heard = [call.message["params"]["capabilities"] for call in backend.calls("initialize")]
    assert len(sessions) == 2
    assert [each for each in heard if each] == [declared]


async def test_only_the_client_that_was_asked_can_answer():
    asker = Asker(params=QUESTION)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client, world.client() as thief:
        await client.open(SAMPLING)
        await thief.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            assert await reply(thief, request, result={"stolen": True}) == 400
            assert await reply(client, request, result={"mine": True}) == 202
            assert answer_of(await stream.answer())["result"] == {"mine": True}


@pytest.mark.parametrize("request_id", [1, 7, "7", "A" * 68, ""])
async def test_an_answer_that_nobody_asked_for_is_refused(request_id):
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        answer = await client.post({"jsonrpc": "2.0", "id": request_id, "result": {}})
        assert answer.status_code == 400
        assert "could not be delivered" in answer.json()["error"]["message"]


async def test_a_second_answer_is_dropped():
    asker = Asker(params=QUESTION)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            assert await reply(client, request, result={"n": 1}) == 202
            assert await reply(client, request, result={"n": 2}) == 202
            await stream.answer()
        assert asker.answers.empty()


async def test_progress_of_the_client_reaches_the_backend_under_its_own_token():
    asker = Asker(params=QUESTION | {"_meta": {"progressToken": "mine", "note": 1}})
    heard: list[dict[str, Any]] = []

    async def hear(call: Call) -> dict[str, Any]:
        heard.append(call.heard.message)
        return {}

    asker.backend.on("notifications/progress")(hear)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            meta = request["params"]["_meta"]
            assert meta == {"note": 1, "progressToken": request["id"]}
            odd = {"_meta": {"baggage": "user=alice"}, "_Meta": {"baggage": "user=bob"}}
            progress = {"progressToken": meta["progressToken"], "progress": 0.5, **odd}
            await client.post({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
            await eventually(lambda: heard)
            await reply(client, request, result={})
            await stream.answer()
    assert [each["params"] for each in heard] == [{"progressToken": "mine", "progress": 0.5}]


async def test_a_backend_that_withdraws_its_question_has_the_client_told():
    asker = Asker(params=QUESTION)
    withdrawn = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7, "reason": "late"}}

    async def call_tool(call: Call) -> dict[str, Any]:
        await call.say(asker.request)
        await call.say(withdrawn)
        return text("done without")

    asker.backend.on("tools/call")(call_tool)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            await stream.answer()
            [request] = await stream.until("sampling/createMessage")
            [cancelled] = await stream.until("notifications/cancelled")
            assert cancelled["params"]["requestId"] == request["id"]
            assert await reply(client, request, result={}) == 202
        assert asker.answers.empty()


async def test_a_call_that_ends_takes_its_open_question_back():
    asker = Asker(params=QUESTION)

    async def call_tool(call: Call) -> dict[str, Any]:
        await call.say(asker.request)
        return text("did not wait")

    asker.backend.on("tools/call")(call_tool)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            await stream.answer()
            [request] = await stream.until("sampling/createMessage")
            [cancelled] = await stream.until("notifications/cancelled")
            assert cancelled["params"]["requestId"] == request["id"]


async def test_the_clock_of_a_call_stands_still_while_people_think():
    asker = Asker(params=QUESTION)
    settings = operational(timeouts={"default": "1500ms"}, failureHandling={"healthCheckInterval": "1h"})
    async with scene({"one": asker.backend}, config=settings) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            loop = asyncio.get_running_loop()
            over = loop.time() + 1.6
            await eventually(lambda: loop.time() > over)
            await reply(client, request, result={})
            assert "result" in answer_of(await stream.answer())


async def test_a_backend_that_hangs_after_the_answer_is_cut_off_in_time():
    asker = Asker(params=QUESTION)

    async def call_tool(call: Call) -> dict[str, Any]:
        await call.say(asker.request)
        await asker.answers.get()
        await asyncio.Event().wait()
        return {}

    asker.backend.on("tools/call")(call_tool)
    settings = operational(timeouts={"default": "300ms"}, failureHandling={"healthCheckInterval": "1h"})
    async with scene({"one": asker.backend}, config=settings) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            await reply(client, request, result={})
            answer = await stream.answer()
            assert answer["result"]["_meta"]["vmcp.dev/category"] == "timeout"


async def test_a_question_outside_of_a_call_comes_on_the_stream_of_the_session():
    asker = Asker(params=QUESTION)
    backend = asker.backend
    backend.handlers.pop("tools/call")
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        await client.call("one_echo")
        mine = backend.calls("tools/call")[0].session
        async with client.listening() as stream:
            await eventually(lambda: mine in backend.streams)
            backend.send_raw(asker.request, mine)
            [request] = await stream.until("sampling/createMessage")
            await reply(client, request, result={"ok": True})
            heard = await asyncio.wait_for(asker.answers.get(), 10)
            assert heard == {"jsonrpc": "2.0", "id": 7, "result": {"ok": True}}


async def test_changed_roots_reach_every_backend_of_the_session():
    backends = {"one": ScriptedBackend(), "two": ScriptedBackend()}
    async with scene(backends, config=QUIET) as world, world.client() as client:
        await client.open({"roots": {"listChanged": True}})
        for name in backends:
            await client.call(f"{name}_echo")
        meta = {"_meta": {"baggage": "user=alice", "note": 1}}
        await client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed", "params": meta})
        for backend in backends.values():
            mine = backend.calls("tools/call")[0].session
            [heard] = backend.calls("notifications/roots/list_changed")
            assert heard.session == mine
            assert "params" not in heard.message


async def test_a_backend_cannot_pile_up_questions_without_end():
    asker = Asker(params=QUESTION)
    refused: list[dict[str, Any]] = []

    async def call_tool(call: Call) -> dict[str, Any]:
        for number in range(300):
            await call.say(asker.request | {"id": number})
        refused.append(await asker.answers.get())
        return text("done")

    asker.backend.on("tools/call")(call_tool)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            await stream.answer()
            assert stream.methods.count("sampling/createMessage") == 256
        assert refused[0]["error"]["code"] == -32603


async def until_open(world, count: int) -> None:
    async with asyncio.timeout(10):
        while (await world.metrics())["vmcp_server_requests_open"] != count:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


async def test_a_question_that_is_withdrawn_before_the_client_listens_never_reaches_it():
    asker = Asker(params=QUESTION)
    backend = asker.backend
    backend.handlers.pop("tools/call")
    withdrawn = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        await client.call("one_echo")
        mine = backend.calls("tools/call")[0].session
        async with client.listening():
            await eventually(lambda: mine in backend.streams)
        # The backend is heard for some seconds more, in case the client comes back.
        await eventually(lambda: not world.inside.clients[0].stream.is_listening)
        backend.send_raw(asker.request, mine)
        backend.send_raw(asker.request | {"id": 8}, mine)
        await until_open(world, 2)
        backend.send_raw(withdrawn, mine)
        await until_open(world, 1)
        async with client.listening() as stream:
            [request] = await stream.until("sampling/createMessage")
            assert await reply(client, request, result={}) == 202
            assert (await asyncio.wait_for(asker.answers.get(), 10))["id"] == 8
            assert "notifications/cancelled" not in stream.methods


async def test_a_backend_hears_when_its_question_gave_way_to_other_messages():
    asker = Asker(params=QUESTION)
    backend = asker.backend
    backend.handlers.pop("tools/call")
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        await client.call("one_echo")
        mine = backend.calls("tools/call")[0].session
        async with client.listening():
            await eventually(lambda: mine in backend.streams)
        await eventually(lambda: not world.inside.clients[0].stream.is_listening)
        large = asker.request | {"params": QUESTION | {"pad": "x" * 200_000}}
        for number in range(10):
            backend.send_raw(large | {"id": number}, mine)
        answer = await asyncio.wait_for(asker.answers.get(), 10)
        assert answer["id"] == 0
        assert answer["error"]["code"] == -32603


async def test_a_backend_hears_when_its_question_on_a_calls_own_stream_gave_way_while_the_client_was_away():
    asker = Asker(params=QUESTION)
    has_left = asyncio.Event()
    refused: list[dict[str, Any]] = []

    async def call_tool(call: Call) -> dict[str, Any]:
        await call.say(asker.request | {"id": "seen"})
        await has_left.wait()
        large = asker.request | {"params": QUESTION | {"pad": "x" * 200_000}}
        for number in range(10):
            await call.say(large | {"id": number})
        refused.append(await asker.answers.get())
        return text("done")

    asker.backend.on("tools/call")(call_tool)
    async with scene({"one": asker.backend}, config=QUIET) as world, world.client() as client:
        await client.open(SAMPLING)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            await stream.until("sampling/createMessage")
            (exchange,) = world.inside.exchanges
        await eventually(lambda: exchange._context.has_gone)
        has_left.set()
        await eventually(lambda: refused)
        assert refused[0]["id"] == 0
        assert refused[0]["error"]["code"] == -32603
        async with client.listening(**{"last-event-id": stream.ids[-1]}) as rest:
            assert (await rest.answer())["result"] == text("done")
