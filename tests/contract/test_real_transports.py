"""One SDK server over every transport that MCP has had: the same catalog, the same calls, its stream taken up again."""

import asyncio
import contextlib
import sys
import textwrap

import pytest

from tests.contract.sdk_server import STEPS, MemoryEventStore, sdk_server
from tests.support.raw_client import WAIT_SECONDS, eventually
from tests.support.scene import operational, scene
from tests.support.serving import http_backend, load, serve
from tests.support.terms import legacy
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.http_client import HttpClient
from vmcp_proxy.run.parts.members import Assembler

QUIET = operational(timeouts={"list": "10s"}, failureHandling={"healthCheckInterval": "1h"})
PROGRAM = """
from tests.contract.sdk_server import sdk_server
sdk_server().run("stdio")
"""


@contextlib.asynccontextmanager
async def reachable(transport, tmp_path):
    """The config of the server, running over a transport."""
    if transport == "stdio":
        path = tmp_path / "server.py"
        path.write_text(textwrap.dedent(PROGRAM))
        command = [sys.executable, str(path)]
        yield {
            "name": "real",
            "kind": "MCPServer",
            "transport": "stdio",
            "command": command,
            "env": {"PYTHONPATH": ":".join(sys.path)},
        }
    elif transport == "sse":
        async with serve(sdk_server().sse_app()) as port:
            yield http_backend("real", port, transport="sse", url=f"http://127.0.0.1:{port}/sse")
    else:
        app = sdk_server().streamable_http_app(
            json_response=transport == "json", event_store=MemoryEventStore() if transport == "resumable" else None
        )
        async with serve(app) as port:
            yield http_backend("real", port)


@pytest.mark.scenario("B-1")
@pytest.mark.parametrize("transport", ["json", "events", "resumable", "sse", "stdio"])
async def test_a_server_is_the_same_over_every_transport(transport, tmp_path):
    async with (
        reachable(transport, tmp_path) as config,
        scene({}, extra=(config,), config=QUIET) as world,
        world.session() as client,
    ):
        assert await client.names() == ["real_add", "real_ask", "real_grow", "real_nap", "real_steps"]
        assert await client.names("resources") == ["memo://one"]
        assert await client.names("prompts") == ["real_greet"]
        results = await asyncio.gather(*(client.call("real_add", {"a": n, "b": 1}) for n in range(10)))
        assert [each["structuredContent"]["result"] for each in results] == list(range(1, 11))
        assert (await client.call("real_steps", _meta={"progressToken": "p"}))["content"][0]["text"] == "done"
        seen = [(each["params"]["progressToken"], each["params"]["message"]) for each in client.said]
        if transport != "json":  # it drops what is not the answer
            assert seen == [("p", f"step {n}") for n in range(3)]
        read = await client.result("resources/read", {"uri": "memo://one"})
        assert read["contents"][0]["text"] == "memo"
        prompt = await client.result("prompts/get", {"name": "real_greet", "arguments": {"who": "you"}})
        assert prompt["messages"][0]["content"]["text"] == "Hello you"
        failed = await client.call("real_add", {"a": "x"})
        assert failed["isError"]
        if transport in ("sse", "stdio"):  # the others say it on the stream of the session, which nobody holds here
            await client.call("real_grow")
            await until_listed(client, "real_grown")


async def until_listed(client, name):
    async with asyncio.timeout(WAIT_SECONDS):
        while name not in await client.names():  # noqa: ASYNC110 - the state of the product has no event to wait on
            await asyncio.sleep(0.02)


@pytest.mark.scenario("B-1", "P-10")
async def test_a_stream_that_an_sdk_server_closes_is_taken_up_again_for_the_rest_of_the_call():
    store = MemoryEventStore()
    app = sdk_server(store).streamable_http_app(event_store=store, retry_interval=50)
    async with (
        serve(app) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        world.session() as client,
    ):
        result = await client.call("real_nap", _meta={"progressToken": "p"})
        assert result["content"][0]["text"] == "rested"
        told = [each["params"]["progress"] for each in client.said]
        # What the SDK's server says between the replay and the live stream is lost in it (its own comment says so).
        assert (told[0], told[-1]) == (1, STEPS)
        assert told == sorted(told)
        assert store.resumed.is_set()


class Answering:
    """A receiver that answers every question as Ann and hears the rest."""

    log_level = None
    takes_rounds = False

    def __init__(self):
        self.asked = []
        self.heard = []

    async def on_notification(self, method, params):
        self.heard.append(method)

    async def on_request(self, request, reply):
        self.asked.append(request.method)
        await reply(b'{"jsonrpc":"2.0","id":%b,"result":{"action":"accept","content":{"name":"Ann"}}}' % request.id)


@pytest.mark.scenario("B-1")
@pytest.mark.parametrize("transport", ["events", "resumable", "sse", "stdio"])
async def test_what_a_server_asks_during_a_call_is_asked_of_the_caller_over_every_transport(transport, tmp_path):
    async with reachable(transport, tmp_path) as config, asyncio.TaskGroup() as tasks:
        client = HttpClient()
        loaded = load({"backends": [config]})
        assembler = Assembler(client, tasks, "0")
        (member,) = assembler.assemble(loaded, {}).members.values()
        deadline = Deadline.after(asyncio.get_running_loop().time(), 20)
        receiver = Answering()
        # A client's: the proxy's own session is in the other protocol, where a server speaks that too.
        session = await member.backend.open(legacy(b'{"elicitation":{}}'), (), deadline, owner=receiver)
        number = session.next_id()
        answer = await session.request(number, "tools/call", b'{"name":"ask","arguments":{}}', (), deadline, receiver)
        assert b"Ann" in bytes(answer.result)
        assert receiver.asked == ["elicitation/create"]
        await session.close(())
        await member.backend.aclose()
        await assembler.aclose()
        await client.aclose()


@pytest.mark.scenario("B-1", "P-1")
@pytest.mark.parametrize("transport", ["events", "resumable", "sse", "stdio"])
async def test_two_clients_at_once_are_each_asked_for_their_own_call_over_every_transport(transport, tmp_path):
    async with (
        reachable(transport, tmp_path) as config,
        scene({}, extra=(config,), config=QUIET) as world,
        world.client() as ann,
        world.client() as bob,
    ):
        for client in (ann, bob):
            await client.open({"elicitation": {}})
        call = ("tools/call", {"name": "real_ask", "arguments": {}})
        async with ann.posting(*call) as first, bob.posting(*call) as second:
            for client, stream, name in ((bob, second, "Bob"), (ann, first, "Ann")):
                (question,) = await stream.until("elicitation/create")
                answer = {"action": "accept", "content": {"name": name}}
                told = await client.post({"jsonrpc": "2.0", "id": question["id"], "result": answer})
                assert told.status_code == 202
            said = [(await stream.answer())["result"]["content"][0]["text"] for stream in (first, second)]
        assert said == ["Ann", "Bob"]
        backend = world.inside.backend("real")
        if transport == "stdio":
            assert len(backend._running) == 3
            assert await ann.delete() == 204
            await eventually(lambda: len(backend._running) == 2)
