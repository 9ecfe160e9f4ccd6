"""`subscriptions/listen`: what a client without a session asked to hear of, and nothing else (P-9, ADR-0062)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from tests.proxy.auth.oidc.helpers import door
from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_subscriptions import UPDATED, asked, owner
from tests.support import heap
from tests.support.eras import MODERN
from tests.support.modern_backend import ModernBackend
from tests.support.policies import NamePolicy
from tests.support.raw_client import RawClient, Stream, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import OFFERS, ScriptedBackend, tool
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOOLS, PROMPTS = "notifications/tools/list_changed", "notifications/prompts/list_changed"

CANARY = "canary-1f7d52"
URIS = "resourceSubscriptions"

pytestmark = pytest.mark.scenario("P-9")


class NotThe(NamePolicy):
    """Permits everything but one name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def admits(self, identity, action, capability, name) -> bool:
        return name != self.name


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


async def tell_changed(backend: ScriptedBackend, *methods: str) -> None:
    """Tells of other lists, once somebody listens: what is said before is lost."""
    await eventually(lambda: backend.streams)
    for method in methods:
        backend.push(method)


@contextlib.asynccontextmanager
async def listening(client: RawClient, *uris: str, **flags: bool) -> AsyncIterator[Stream]:
    """A stream that is acknowledged."""
    wanted: dict[str, Any] = {**flags, **({"resourceSubscriptions": list(uris)} if uris else {})}
    async with client.posting("subscriptions/listen", {"notifications": wanted}) as stream:
        await stream.until(ACKNOWLEDGED)
        yield stream


def honored(stream: Stream) -> dict[str, Any]:
    first = stream.messages[0]
    assert first["method"] == ACKNOWLEDGED
    return first["params"]["notifications"]


def subscription(message: dict[str, Any]) -> object:
    return (message.get("params") or message["result"])["_meta"][SUBSCRIPTION_ID]


async def test_the_first_message_says_what_the_stream_will_carry_and_each_bears_its_id():
    backend = owner("test://a")
    async with (
        scene({"one": backend, "two": owner("test://b")}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://a", "test://unknown", toolsListChanged=True) as stream,
    ):
        assert honored(stream) == {"toolsListChanged": True, "resourceSubscriptions": ["test://a"]}
        backend.tools.append(tool("new"))
        await tell_changed(backend, TOOLS)
        await stream.until(TOOLS)
        backend.push(UPDATED, backend.calls("resources/subscribe")[0].session, uri="test://a")
        [update] = await stream.until(UPDATED)
        assert update["params"]["uri"] == "test://a"
        assert {subscription(message) for message in stream.messages} == {subscription(stream.messages[0])}


async def test_the_capabilities_say_that_there_is_something_to_listen_to():
    async with scene({"one": owner("test://a")}, config=QUIET) as world, world.client() as client:
        said = (await client.open())["capabilities"]
        assert said["tools"] == said["prompts"] == {"listChanged": True}
        assert said["resources"] == {"listChanged": True, "subscribe": True}


async def test_nothing_comes_that_was_not_asked_for():
    backend = owner("test://a", "test://b")
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://a", promptsListChanged=True) as stream,
        listening(client, toolsListChanged=True) as other,
    ):
        assert asked(backend) == ["test://a"]
        backend.tools.append(tool("new"))
        await tell_changed(backend, TOOLS)
        await other.until(TOOLS)
        for uri in ("test://b", "test://abc", "test://a/part", "test://a"):
            backend.push(UPDATED, uri=uri)
        backend.push("notifications/message", level="error", data="a record")
        backend.push("notifications/x-own", a=1)
        updates = await stream.until(UPDATED, 2)
        assert [each["params"]["uri"] for each in updates] == ["test://a/part", "test://a"]
        assert set(stream.methods) == {ACKNOWLEDGED, UPDATED}
        assert set(other.methods) == {ACKNOWLEDGED, TOOLS}


async def test_a_list_that_is_the_same_again_is_not_told():
    backend = ScriptedBackend(prompts=[{"name": "ask"}])
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.client() as client,
        listening(client, toolsListChanged=True, promptsListChanged=True) as stream,
    ):
        backend.prompts.append({"name": "more"})
        await tell_changed(backend, TOOLS, PROMPTS)
        await stream.until(PROMPTS)
        assert TOOLS not in stream.methods


async def test_lists_that_differ_by_what_a_client_declares_are_heard_of_in_a_session_of_its_own():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open({"roots": {}})
        async with listening(client, toolsListChanged=True) as stream:
            sessions = [each for each in backend.calls("initialize") if each.message["params"]["capabilities"]]
            assert sessions
            await eventually(lambda: len(set(backend.streams)) > 1)
            backend.tools.append(tool("new"))
            for session in set(backend.streams):
                backend.push(TOOLS, session)
            await stream.until(TOOLS)


async def test_what_a_caller_may_not_read_is_neither_acknowledged_nor_asked_of_its_backend():
    backend = owner("test://a", "test://b")
    policy = NotThe("test://a")
    async with (
        scene({"one": backend}, config=QUIET, admitter=policy) as world,
        world.client() as client,
        listening(client, "test://a", "test://b") as stream,
    ):
        assert honored(stream) == {"resourceSubscriptions": ["test://b"]}
        assert asked(backend) == ["test://b"]
        for uri in ("test://a", "test://b"):
            backend.push(UPDATED, uri=uri)
        [update] = await stream.until(UPDATED)
        assert update["params"]["uri"] == "test://b"


async def test_a_denied_uri_is_audited_whatever_stands_behind_it_and_a_closed_stream_is_no_failure(tmp_path):
    path = tmp_path / "audit.jsonl"
    audit = {"enabled": True, "sink": "file", "path": str(path), "eventTypes": ["mcp_subscription"]}
    async with (
        scene(
            {"one": owner("test://a", "test://b")}, config={**QUIET, "audit": audit}, admitter=NotThe("test://a")
        ) as w,
        w.client() as client,
        listening(client, "test://a", "test://b"),
    ):
        pass
    (event,) = map(json.loads, path.read_text().splitlines())
    assert (event["outcome"], event["decision"]["outcome"]) == ("success", "deny")


async def test_a_stream_ends_with_a_result_when_policies_change():
    async with (
        scene({"one": owner("test://a")}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://a") as stream,
    ):
        world.apply()
        world.apply(admitter=NotThe("test://a"))
        answer = await stream.answer()
        assert answer["result"]["resultType"] == "complete"
        assert subscription(answer) == answer["id"]
        await eventually(lambda: stream.ended)


async def test_a_stream_ends_with_a_result_when_the_process_does():
    async with (
        scene({"one": owner("test://a")}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://a", toolsListChanged=True) as stream,
    ):
        world.proxy.stop()
        assert subscription(await stream.answer())


async def test_a_stream_ends_with_a_result_when_the_token_of_its_caller_expires(monkeypatch):
    async with door() as it, it.world.client(authorization=f"Bearer {it.idp.mint('alice')}") as client:
        left = iter([10.0, 0.05, 0.0])
        monkeypatch.setattr("vmcp_proxy.serve.modern.listen_stream.credentials_hold", lambda _: next(left))
        async with listening(client, toolsListChanged=True) as stream:
            it.backend.tools.append(tool("new"))
            await tell_changed(it.backend, TOOLS)
            assert subscription(await stream.answer())


async def test_nothing_is_held_for_a_client_that_has_gone():
    backend = owner("test://a")
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        async with listening(client, "test://a"):
            [heard] = backend.calls("resources/subscribe")
            assert len(world.inside.listening) == 1
        await eventually(lambda: not world.inside.listening)
        await eventually(lambda: heard.session in [each.session for each in backend.deletes])


def is_held() -> bool:
    """Whether anything in the process has the value; not what is found, which would be held by the test."""
    return bool(heap.held_with(CANARY.encode()))


@pytest.mark.scenario("H-6", "H-11")
@pytest.mark.parametrize("end", ["the client goes", "policies change"])
async def test_nothing_in_the_process_holds_the_headers_of_a_stream_that_has_ended(end):
    backend, other = owner("test://a"), ModernBackend()
    async with scene(
        {"one": backend, "two": other},
        config=operational(keepAliveInterval="50ms", failureHandling={"healthCheckInterval": "1h"}),
        passthroughHeaders=["X-Api-Key"],
        sessionManagement={"ttl": "200ms"},
    ) as world:
        async with (
            world.client(x_api_key=CANARY) as client,
            listening(client, "test://a", toolsListChanged=True) as stream,
        ):
            await eventually(lambda: len(other.listening) > 1 and stream.comments)
            assert is_held()
            if end == "policies change":
                world.apply(admitter=NotThe("test://b"))
                await stream.answer()
        # What the test itself has sent does not count.
        client = stream = None
        await eventually(lambda: not world.inside.listening)
        # Before the search, which holds the loop longer than a busy machine gives a DELETE.
        await eventually(lambda: CANARY in [heard.headers.get("x-api-key") for heard in backend.deletes])
        await eventually(lambda: not is_held())


async def test_a_caller_may_have_as_many_streams_as_sessions():
    async with (
        scene({"one": ScriptedBackend()}, config=QUIET, sessionManagement={"maxSessionsPerIdentity": 2}) as world,
        world.client() as client,
        listening(client, toolsListChanged=True),
    ):
        async with listening(client, toolsListChanged=True):
            refused = await client.request("subscriptions/listen", {"notifications": {}})
            assert refused["error"]["message"] == "Too many streams are open (you may have 2); end some first."
        await eventually(lambda: len(world.inside.listening) == 1)
        async with listening(client, toolsListChanged=True):
            pass


async def test_after_a_gap_every_resource_may_have_changed():
    backend = owner("test://a", "test://b")
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://a", "test://b") as stream,
    ):
        backend.forget_sessions()
        backend.drop_streams()
        updates = await stream.until(UPDATED, 2)
        assert {each["params"]["uri"] for each in updates} == {"test://a", "test://b"}
        await eventually(lambda: sorted(asked(backend)) == ["test://a"] * 2 + ["test://b"] * 2)


async def test_a_backend_without_sessions_is_listened_to_for_each_stream_and_what_it_asked_for():
    backend = ModernBackend(
        resources=[{"uri": "test://a", "name": "a"}, {"uri": "test://b", "name": "b"}],
        offers=OFFERS | {"resources": {"subscribe": True, "listChanged": True}},
    )
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://a") as stream,
        listening(client, "test://b", toolsListChanged=True) as other,
    ):
        assert honored(stream) == {"resourceSubscriptions": ["test://a"]}
        for uri in ("test://a", "test://b"):
            await eventually(lambda uri=uri: any(uri in each.get(URIS, ()) for each, _ in backend.listening))
            await backend.tell(UPDATED, uri=uri)
        [update] = await stream.until(UPDATED)
        assert update["params"] == {"uri": "test://a", "_meta": {SUBSCRIPTION_ID: subscription(stream.messages[0])}}
        assert [each["params"]["uri"] for each in await other.until(UPDATED)] == ["test://b"]
        backend.tools.append(tool("new"))
        await backend.tell(TOOLS)
        await other.until(TOOLS)
        assert TOOLS not in stream.methods


async def test_a_silent_stream_is_kept_open_by_comments():
    config = operational(keepAliveInterval="200ms", failureHandling={"healthCheckInterval": "1h"})
    async with (
        scene({"one": ScriptedBackend()}, config=config) as world,
        world.client() as client,
        listening(client, toolsListChanged=True) as stream,
    ):
        await eventually(lambda: len(stream.comments) > 1)
        assert stream.methods == [ACKNOWLEDGED]


async def test_what_cannot_be_streamed_or_read_is_refused():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.client() as client:
        message = client.asking("subscriptions/listen", {"notifications": {}})
        answer = await client.post(message, accept="application/json")
        assert answer.json()["error"]["message"] == "The answer to this method is a stream; accept text/event-stream."
        for wrong in ({}, {"notifications": 1}, {"notifications": {"toolsListChanged": "yes"}}):
            assert (await client.request("subscriptions/listen", wrong))["error"]["code"] == -32602
        assert not world.inside.listening


async def test_backends_that_do_not_accept_a_subscription_in_time_hold_up_no_stream(monkeypatch):
    monkeypatch.setattr("vmcp_proxy.serve.modern.listen_stream._ACKNOWLEDGE_SECONDS", 1.5)
    slow, fast = owner("test://slow"), owner("test://fast")

    @slow.on("resources/subscribe")
    async def hang(_call):
        await asyncio.Event().wait()
        return {}

    async with (
        scene({"slow": slow, "fast": fast}, config=QUIET) as world,
        world.client() as client,
        listening(client, "test://slow", "test://fast") as stream,
    ):
        assert honored(stream) == {"resourceSubscriptions": ["test://fast"]}


@pytest.mark.scenario("P-13")
async def test_the_sdk_client_hears_of_changes_and_of_the_end():
    backend = owner("test://a")
    async with (
        scene({"one": backend}, config=QUIET) as world,
        Client(world.url, mode=MODERN) as client,
        client.listen(tools_list_changed=True, resource_subscriptions=["test://a"]) as events,
    ):
        backend.push(UPDATED, backend.calls("resources/subscribe")[0].session, uri="test://a")
        assert (await anext(aiter(events))).uri == "test://a"
        world.apply(admitter=NotThe("test://b"))
        assert [event async for event in events] == []
