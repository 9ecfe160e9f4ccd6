"""Input that a modern backend asks for in rounds, from a client that is asked in a session (ADR-0060)."""

import asyncio
import json
from typing import Any

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.modern_backend import ModernBackend, asking
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import scene
from tests.support.scripted_backend import Call, text

QUESTION = {"messages": [{"role": "user", "content": {"type": "text", "text": "capital?"}}], "maxTokens": 100}
FORM = {"message": "name?", "requestedSchema": {"type": "object", "properties": {}}}
ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
METHODS = {"name": "elicitation/create", "capital": "sampling/createMessage", "where": "roots/list"}


class Rounds(ModernBackend):
    """Its tool asks what a test wants it to ask, round by round, and says at last what it has heard."""

    def __init__(self, *rounds: dict[str, Any], method: str = "tools/call") -> None:
        super().__init__(resources=[{"uri": "test://a", "name": "a"}], prompts=[{"name": "ask"}])
        self.rounds = list(rounds)
        self.on(method)(self._answer_round)

    async def _answer_round(self, call: Call) -> dict[str, Any]:
        if self.rounds:
            return self.rounds.pop(0)
        heard = {name: call.params.get(name) for name in ("inputResponses", "requestState", "arguments")}
        return text(json.dumps(heard))


def heard_of(answer: dict[str, Any]) -> dict[str, Any]:
    return json.loads(answer["result"]["content"][0]["text"])


async def reply(client: RawClient, request: dict[str, Any], **answer: Any) -> None:
    assert (await client.post({"jsonrpc": "2.0", "id": request["id"], **answer})).status_code == 202


@pytest.mark.scenario("P-3")
async def test_all_that_is_asked_for_goes_to_the_client_and_all_answers_go_back_together():
    asked = asking(
        "state-1",
        name=("elicitation/create", FORM),
        capital=("sampling/createMessage", QUESTION),
        where=("roots/list", {}),
    )
    backend = Rounds(asked)
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(ALL)
        async with client.posting("tools/call", {"name": "one_echo", "arguments": {"a": 2**70}}) as stream:
            replies = {key: {"said": key} for key in METHODS}
            for key, method in METHODS.items():
                [request] = await stream.until(method)
                assert len(backend.modern_calls("tools/call")) == 1
                await reply(client, request, result=replies[key])
            heard = heard_of(await stream.answer())
    assert heard == {"inputResponses": replies, "requestState": "state-1", "arguments": {"a": 2**70}}
    first, second = backend.modern_calls("tools/call")
    assert first.message["id"] != second.message["id"]


@pytest.mark.scenario("P-3")
@pytest.mark.parametrize(
    ("method", "params"), [("prompts/get", {"name": "one_ask"}), ("resources/read", {"uri": "test://a"})]
)
async def test_prompts_and_resources_ask_as_well(method, params):
    backend = Rounds(asking(name=("elicitation/create", FORM)), method=method)
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(ALL)
        async with client.posting(method, params) as stream:
            [request] = await stream.until("elicitation/create")
            await reply(client, request, result={"action": "accept", "content": {}})
            heard = heard_of(await stream.answer())
    assert heard["inputResponses"] == {"name": {"action": "accept", "content": {}}}
    assert heard["requestState"] is None


async def test_a_result_that_asks_for_nothing_but_a_retry_is_retried_with_its_latest_state():
    backend = Rounds(asking("a"), asking("b"))
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.request(
            "tools/call", {"name": "one_echo", "inputResponses": {"x": {}}, "Requeststate": 1}
        )
    assert heard_of(answer) == {"inputResponses": None, "requestState": "b", "arguments": None}
    assert "Requeststate" not in backend.modern_calls("tools/call")[0].message["params"]


@pytest.mark.parametrize(
    ("asked", "declared", "lack"),
    [
        (("sampling/createMessage", QUESTION), {"roots": {}}, "sampling"),
        (("roots/list", {}), {"sampling": {}}, "roots"),
        (("elicitation/create", FORM), {}, "elicitation"),
        (("elicitation/create", FORM), {"elicitation": {"url": {}}}, "elicitation.form"),
        (("elicitation/create", {"mode": "url", "url": "https://x"}), {"elicitation": {}}, "elicitation.url"),
    ],
)
async def test_what_the_client_has_not_declared_ends_the_call_and_nothing_is_asked(asked, declared, lack):
    backend = Rounds(asking(key=asked, other=("elicitation/create", FORM)))
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(declared)
        answer = await client.call("one_echo")
    assert answer["isError"]
    assert f"it asks for {lack}, which this client has not declared" in answer["content"][0]["text"]
    assert not client.said


@pytest.mark.parametrize(
    "asked",
    [
        {"resultType": "input_required"},
        {"resultType": "input_required", "inputRequests": {}},
        {"resultType": "input_required", "inputRequests": [], "requestState": "s"},
        {"resultType": "input_required", "requestState": 7},
        {"resultType": "input_required", "inputRequests": {"k": {}}},
        {"resultType": "input_required", "inputRequests": {"k": {"method": "tools/call"}}},
        {"resultType": "input_required", "inputRequests": {"k": {"method": "roots/list", "params": 1}}},
    ],
)
async def test_a_malformed_question_is_no_answer(asked):
    backend = Rounds(asked)
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(ALL)
        answer = await client.call("one_echo")
    assert answer["isError"]
    assert "not valid MCP" in answer["content"][0]["text"]


async def test_a_list_that_asks_for_input_is_no_list():
    backend = Rounds(asking(name=("elicitation/create", FORM)), method="tools/list")
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert await client.names() == []


async def test_there_are_ten_rounds_and_no_more():
    backend = Rounds(*(asking(str(number)) for number in range(50)))
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.call("one_echo")
    assert "more than 10 rounds" in answer["content"][0]["text"]
    assert len(backend.modern_calls("tools/call")) == 11


async def test_an_error_of_the_client_ends_the_call_and_takes_back_the_other_questions():
    backend = Rounds(asking(name=("elicitation/create", FORM), capital=("sampling/createMessage", QUESTION)))
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(ALL)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("sampling/createMessage")
            [open_one] = await stream.until("elicitation/create")
            error = {"code": -1, "message": "User rejected", "data": {"why": None}}
            await reply(client, request, error=error)
            assert (await stream.answer())["error"] == error
            [cancelled] = [each for each in stream.messages if each.get("method") == "notifications/cancelled"]
            assert cancelled["params"]["requestId"] == open_one["id"]
    assert len(backend.modern_calls("tools/call")) == 1


async def test_a_cancelled_call_takes_its_questions_back_and_asks_the_backend_no_more():
    backend = Rounds(asking(name=("elicitation/create", FORM)))
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(ALL)
        message = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": "one_echo"}}
        async with client.listening() as stream, client.sending(message) as sending:
            await eventually(lambda: len(backend.modern_calls("tools/call")) == 1)
            await asyncio.sleep(0.05)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}
            await client.post(cancel)
            answer = client.read(await sending)
            del stream
        assert "error" in answer
    assert len(backend.modern_calls("tools/call")) == 1


async def test_a_question_by_url_gets_the_id_that_former_revisions_need():
    backend = Rounds(asking(name=("elicitation/create", {"mode": "url", "message": "m", "url": "https://x.test"})))
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open(ALL)
        async with client.posting("tools/call", {"name": "one_echo"}) as stream:
            [request] = await stream.until("elicitation/create")
            assert request["params"].pop("elicitationId")
            assert request["params"] == {"mode": "url", "message": "m", "url": "https://x.test"}
            await reply(client, request, result={"action": "accept"})
            assert heard_of(await stream.answer())["inputResponses"] == {"name": {"action": "accept"}}
