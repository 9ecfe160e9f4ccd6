"""Questions of the proxy's own to a client go the way of those that it relays."""

import asyncio
import contextlib
import json

import msgspec
import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_server_requests import reply
from tests.proxy.endpoint.test_two_pods import moved, pod
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.clients.server_requests import MOST_OPEN
from vmcp_proxy.core.calls.receivers import tell_during
from vmcp_proxy.core.outcomes import Result

ELICITATION = {"elicitation": {}}
QUESTION = {"message": "Deploy?", "requestedSchema": {"type": "object", "properties": {}}}
ASK = "elicitation/create"


class Prompts:
    """A layer that asks the client during each call of the tool `ask`, and answers with what it heard."""

    def __init__(self, inner):
        self.inner = inner
        self.seconds = 30.0

    async def view(self, caller):
        return await self.inner.view(caller)

    async def list(self, caller, kind):
        return await self.inner.list(caller, kind)

    async def resolve(self, caller, operation):
        return await self.inner.resolve(caller, operation) if operation.name != "ask" else None

    async def perform(self, caller, operation, resolved, exchange):
        if operation.name != "ask":
            return await self.inner.perform(caller, operation, resolved, exchange)
        deadline = Deadline.after(asyncio.get_running_loop().time(), self.seconds)
        params = msgspec.Raw(json.dumps(QUESTION).encode())
        client = caller.client
        heard = await client.prompt(ASK, params, tell_during(exchange, client), deadline)
        text = heard if isinstance(heard, str) else bytes(heard.result or heard.error).decode()
        return Result(json.dumps({"content": [{"type": "text", "text": text}]}).encode())


@contextlib.asynccontextmanager
async def asked(capabilities=ELICITATION, seconds=30.0):
    """A client that is being asked in a call, with the stream of the call and the question."""
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.client() as client:
        await client.open(capabilities)
        world.inside.around_core(Prompts).seconds = seconds
        async with client.posting("tools/call", {"name": "ask"}) as stream:
            [request] = await stream.until(ASK)
            yield world, client, stream, request


async def heard(stream) -> str:
    """What the layer got, as its tool said."""
    return (await stream.answer())["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    "answer", [{"result": {"action": "accept", "content": {}}}, {"error": {"code": -1, "message": "no"}}]
)
async def test_the_answer_of_the_client_is_the_reply(answer):
    async with asked() as (world, client, stream, request):
        assert request["params"] == QUESTION
        assert await reply(client, request, **answer) == 202
        [expected] = answer.values()
        assert json.loads(await heard(stream)) == expected
        assert not world.inside.client.server_requests
        # A second answer comes too late, as MCP allows.
        assert await reply(client, request, **answer) == 202


async def test_an_answer_that_reaches_another_pod_gets_to_the_one_that_asks(redis_server):
    backend = ScriptedBackend()
    async with (
        backend.running(),
        pod(redis_server, backend) as a,
        pod(redis_server, backend) as b,
        a.client(x_api_key="k") as client,
    ):
        await client.open(ELICITATION)
        a.inside.around_core(Prompts)
        async with moved(client, b) as there, client.posting("tools/call", {"name": "ask"}) as stream:
            [request] = await stream.until(ASK)
            await there.names()
            assert await reply(there, request, result={"action": "decline"}) == 202
            assert json.loads(await heard(stream)) == {"action": "decline"}


async def test_a_client_that_takes_too_long_is_told_not_to_answer():
    async with asked(seconds=0.2) as (world, _, stream, request):
        [cancelled] = await stream.until("notifications/cancelled")
        assert cancelled["params"]["requestId"] == request["id"]
        assert await heard(stream) == "overdue"
        assert not world.inside.client.server_requests


async def test_a_call_that_is_cancelled_takes_its_question_back():
    async with asked() as (world, client, stream, request):
        [call] = world.inside.client.in_flight.values()
        await client.post(
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": json.loads(call)}}
        )
        [cancelled] = await stream.until("notifications/cancelled")
        assert cancelled["params"]["requestId"] == request["id"]
        await eventually(lambda: not world.inside.client.server_requests)


async def test_the_end_of_the_session_ends_the_question():
    async with asked() as (world, client, _, _request):
        held = world.inside.client
        await client.delete()
        await eventually(lambda: not held.server_requests and not held.in_flight)


@pytest.mark.scenario("W-6")
async def test_who_has_not_declared_it_or_is_asked_too_much_already_is_not_asked():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.client() as client:
        await client.open({"sampling": {}})
        world.inside.around_core(Prompts)
        assert (await client.call("ask"))["content"][0]["text"] == "undeclared"
        assert not client.said
    async with asked() as (world, client, stream, request):
        held = world.inside.client
        opened = next(iter(held.server_requests.values()))
        held.server_requests |= {-number: opened for number in range(1, MOST_OPEN)}
        assert (await client.call("ask"))["content"][0]["text"] == "crowded"
        for number in range(1, MOST_OPEN):
            del held.server_requests[-number]
        await reply(client, request, result={"action": "decline"})
        assert json.loads(await heard(stream)) == {"action": "decline"}


async def test_a_question_that_gives_way_before_the_client_gets_it_is_overdue():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.client() as client:
        await client.open(ELICITATION)
        await client.names()
        held = world.inside.client
        deadline = Deadline.after(asyncio.get_running_loop().time(), 30)
        asking = asyncio.create_task(held.prompt(ASK, None, held.say, deadline))
        await eventually(held.stream.outbox.waiting)
        held.stream.outbox.close()
        assert await asking == "overdue"
