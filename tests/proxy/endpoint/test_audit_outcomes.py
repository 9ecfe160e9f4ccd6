"""The outcome of every way in which a request ends, as the audit tells it, seen at real sockets."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.serve.harness import TokenAuthenticator
from tests.support.eras import Era
from tests.support.raw_client import eventually, initialize
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import Die, Refusal, ScriptedBackend, Status, text, tool

pytestmark = pytest.mark.scenario("C-7", "O-1")

WAYS = ("fine", "failing", "refusing", "broken", "dying", "hanging", "secret")
RAISES = {"refusing": Refusal(-32000, "no"), "broken": Status(503), "dying": Die()}
POLICIES = [
    "permit(principal, action, resource);",
    '@id("hush") forbid(principal, action, resource) when { resource.name == "web_secret" };',
]


@dataclass
class Stage:
    """A proxy with one backend, whose tools end each in its own way, and what it writes down."""

    world: Scene
    path: Path
    reached: asyncio.Event
    release: asyncio.Event
    seen: int = 0

    async def events(self, count=1):
        """The events since the last look, once there are so many."""

        def lines():
            return self.path.read_text().splitlines()[self.seen :]

        await eventually(lambda: len(lines()) >= count)
        found = [json.loads(line) for line in lines()]
        self.seen += len(found)
        return found

    async def event(self):
        (found,) = await self.events()
        return found

    async def call(self):
        """The event of the next call, whatever was told before it."""
        while True:
            for each in await self.events():
                if each["type"] == "mcp_tool_call":
                    return each

    async def begin(self, client, request_id=1, *, talks=False, way="hanging"):
        """A call that is at the backend when this returns, and has said something if it talks."""
        self.reached.clear()
        self.release.clear()
        task = asyncio.create_task(client.post(calling(way, request_id, talks=talks)))
        await self.reached.wait()
        begun = self.world.inside.exchanges
        await eventually(lambda: not talks or all(each._context.response_started for each in begun))
        return task


def calling(way, request_id=1, *, talks=False):
    params = {"name": f"web_{way}", "arguments": {"talks": talks}, "_meta": {"progressToken": request_id}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def backend_of_all_ways(reached, release):
    resource = {"uri": "test://a", "name": "a"}
    backend = ScriptedBackend(tools=[tool(way) for way in WAYS], resources=[resource], prompts=[{"name": "p"}])

    async def hang():
        reached.set()
        await release.wait()

    @backend.on("tools/call")
    async def act(call):
        if call.params["arguments"].get("talks"):
            await call.notify("notifications/progress", progressToken=call.params["_meta"]["progressToken"], progress=1)
        way = call.params["name"]
        if way in RAISES:
            raise RAISES[way]
        if way == "hanging":
            await hang()
        return text("said", isError=way == "failing")

    @backend.on("prompts/get")
    async def refuse(_call):
        raise Refusal(-32000, "no")

    @backend.on("resources/read")
    async def read(call):
        if call.params["uri"] == "test://a":
            return {"contents": []}
        raise Refusal(-32002, "no")

    return backend


@contextlib.asynccontextmanager
async def staged(folder, config=None, **settings):
    path = folder / "audit.log"
    path.touch()
    reached, release = asyncio.Event(), asyncio.Event()
    backend = backend_of_all_ways(reached, release)
    audit = {"enabled": True, "sink": "file", "path": str(path)}
    async with scene({"web": backend}, config={**QUIET, **(config or {}), "audit": audit}, **settings) as world:
        yield Stage(world, path, reached, release)
        release.set()


def facts(event):
    return (event["outcome"], event.get("reason"), event["status"], event["backend"])


SAYS = {
    "fine": ("success", None, 200, "web"),
    "failing": ("application_error", None, 200, "web"),
    "refusing": ("application_error", None, 200, "web"),
    "broken": ("error", None, 200, "web"),
    "dying": ("error", None, 200, "web"),
}


async def test_a_tool_call_has_the_same_outcome_as_json_as_a_stream_and_in_a_batch(tmp_path):
    async with staged(tmp_path) as stage, stage.world.client() as client:
        answer = await client.post(initialize("2025-03-26"))
        client.session = answer.headers["mcp-session-id"]
        await client.names()
        await stage.events(2)
        for way, expected in SAYS.items():
            for talks in (False, True):
                answer = await client.post(calling(way, talks=talks))
                is_stream = answer.headers["content-type"].startswith("text/event-stream")
                # What has said something has answered with status 200 already.
                assert (way, is_stream) == (way, talks and way != "broken")
                event = await stage.event()
                assert (way, talks, facts(event)) == (way, talks, expected)
                assert (event["type"], event["target"]["name"]) == ("mcp_tool_call", f"web_{way}")
        for talks in (False, True):
            await client.post([calling(way, number, talks=talks) for number, way in enumerate(SAYS)])
            *parts, whole = await stage.events(len(SAYS) + 1)
            found = {event["target"]["name"].removeprefix("web_"): facts(event) for event in parts}
            assert found == SAYS
            assert (whole["type"], facts(whole)) == ("mcp_batch", ("success", None, 200, ""))


async def test_every_other_request_has_the_outcome_of_how_it_ended(tmp_path):
    def ask(method, **params):
        return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}

    table = {
        ("mcp_tool_call", "failure", 200): ask("tools/call", name="web_nothing"),
        ("mcp_tool_call", "failure", 200, ""): ask("tools/call", name=5),
        ("mcp_resource_read", "success", 200): ask("resources/read", uri="test://a"),
        ("mcp_resource_read", "application_error", 200): ask("resources/read", uri="test://b"),
        ("mcp_prompt_get", "application_error", 200): ask("prompts/get", name="web_p"),
        ("mcp_completion", "success", 200): ask("completion/complete", ref={"type": "ref/prompt", "name": "no"}),
        ("mcp_list", "failure", 200): ask("tools/list", cursor="not ours"),
        ("mcp_list", "success", 200): ask("tools/list"),
        ("mcp_logging", "failure", 200): ask("logging/setLevel", level="loud"),
        ("mcp_other", "failure", 200): ask("vendor/method"),
        ("mcp_ping", "success", 200): ask("ping"),
        ("mcp_notification", "success", 202): {"jsonrpc": "2.0", "method": "notifications/initialized"},
        ("mcp_response", "failure", 400): {"jsonrpc": "2.0", "id": 5, "result": {}},
        ("mcp_batch", "failure", 400): [ask("ping")],
        ("http_rejected", "failure", 400): b"{",
    }
    async with staged(tmp_path) as stage, stage.world.session() as client:
        await client.names()
        await stage.events(3)
        for expected, message in table.items():
            answer = await client.post(message)
            event = await stage.event()
            assert (event["type"], event["outcome"], event["status"]) == expected[:3]
            assert answer.status_code == event["status"]


async def test_who_may_not_is_denied_by_policies_tokens_and_sessions(tmp_path):
    async with staged(tmp_path, authorization={"policies": POLICIES}) as stage, stage.world.session() as client:
        await client.names()
        await stage.events(3)
        assert (await client.post(calling("secret"))).json()["error"]["code"] == 403
        event = await stage.event()
        assert facts(event)[:3] == ("denied", None, 200)
        assert (event["decision"]["outcome"], event["decision"]["policies"]) == ("deny", ["hush"])
        await client.post(calling("fine"))
        assert facts(await stage.event()) == SAYS["fine"]

        # A session of another caller is denied, one that nobody has is not there: clients hear the same.
        assert (await client.post(calling("fine"), authorization="Bearer other")).status_code == 404
        assert facts(await stage.event())[:3] == ("denied", None, 404)
        client.session = "made-up"
        assert (await client.post(calling("fine"))).status_code == 404
        assert facts(await stage.event())[:3] == ("failure", None, 404)

        with stage.world.inside.authenticated_by(TokenAuthenticator()):
            stage.world.apply()
        assert (await client.post(calling("fine"))).status_code == 401
        event = await stage.event()
        assert (*facts(event)[:3], event["rejected_by"]) == ("denied", None, 401, "authentication")


@pytest.mark.parametrize("talks", [False, True])
async def test_a_call_that_does_not_come_to_its_end_says_what_came_between(tmp_path, talks):
    async with staged(tmp_path) as stage, stage.world.session() as client, stage.world.session() as other:
        await asyncio.gather(client.names(), other.names())
        await stage.events(6)

        async def ended(task, expected):
            event = await stage.call()
            assert facts(event) == expected
            assert event["target"]["name"] == "web_hanging"
            await asyncio.gather(task, return_exceptions=True)

        task = await stage.begin(client, "mine", talks=talks)
        await client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}})
        await task
        found = {event["type"]: event for event in await stage.events(2)}
        assert facts(found["mcp_tool_call"]) == ("failure", "cancelled", 200, "web")

        # The session goes on without its connection, so the call goes on too, and is a success that nobody hears.
        task = await stage.begin(client, talks=talks)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: all(exchange._context.has_gone for exchange in stage.world.inside.exchanges))
        stage.release.set()
        await ended(task, ("success", "disconnected", 200, "web"))

        task = await stage.begin(client, talks=talks)
        stage.world.inside.cut_calls(older_than=float("inf"))
        await ended(task, ("error", "timeout", 200 if talks else 504, "web"))

        task = await stage.begin(client, talks=talks)
        await client.delete()
        await task
        found = {event["type"]: event for event in await stage.events(2)}
        assert facts(found["mcp_tool_call"]) == ("failure", "cancelled", 200, "web")
        assert facts(found["mcp_session_end"]) == ("success", None, 204, "")

        task = await stage.begin(other, talks=talks)
        stage.world.inside.cut_calls()
        await ended(task, ("error", "shutdown", 200 if talks else 503, "web"))


async def test_a_stream_of_a_client_succeeds_however_it_ends(tmp_path):
    async with staged(tmp_path) as stage, stage.world.session() as client:
        await stage.events(2)
        async with client.listening() as stream:
            await eventually(lambda: stream.response.status_code == 200)
        assert facts(await stage.event()) == ("success", None, 200, "")
        async with client.listening() as stream:
            await client.delete()
            await eventually(lambda: stream.ended)
        found = {event["type"]: facts(event) for event in await stage.events(2)}
        assert found == {"mcp_stream": ("success", None, 200, ""), "mcp_session_end": ("success", None, 204, "")}


@pytest.mark.parametrize("end", ["its client goes", "it is ended here", "the process ends"])
async def test_a_listen_stream_of_a_client_succeeds_however_it_ends(tmp_path, monkeypatch, end):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    async with staged(tmp_path) as stage, stage.world.client() as client:
        wanted = {"notifications": {"toolsListChanged": True}}
        async with client.posting("subscriptions/listen", wanted) as stream:
            await stream.until("notifications/subscriptions/acknowledged")
            if end == "it is ended here":
                for each in stage.world.inside.listening:
                    each.finish()
            elif end == "the process ends":
                stage.world.proxy.stop()
            if end != "its client goes":
                await stream.answer()
        event = await stage.event()
        assert (event["type"], *facts(event)) == ("mcp_subscription", "success", None, 200, "")


async def test_what_a_rate_limit_refuses_is_denied_and_says_by_what(tmp_path, both_eras):
    limit = {"shared": {"maxTokens": 1, "refillPeriod": "1h"}}
    async with staged(tmp_path, {"rateLimiting": limit}) as stage, stage.world.session() as client:
        for _ in range(2):
            await client.post(calling("fine"))
        opening = 2 if both_eras is Era.LEGACY else 1
        *_, first, second = await stage.events(opening + 2)
        assert facts(first) == SAYS["fine"]
        assert (*facts(second), second["rejected_by"]) == ("denied", None, 200, "", "rate_limit")
        assert second["target"]["name"] == "web_fine"


@pytest.mark.usefixtures("both_eras")
async def test_a_call_that_its_time_limit_cuts_says_so(tmp_path):
    limits = {"timeouts": {"default": "200ms"}}
    async with staged(tmp_path, {"operational": limits}) as stage, stage.world.session() as client:
        await client.post(calling("hanging"))
        assert facts(await stage.call()) == ("error", "timeout", 200, "web")
