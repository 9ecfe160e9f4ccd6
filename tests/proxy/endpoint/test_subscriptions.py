"""Subscriptions to resources: told to the owner, updates told to who subscribed."""

from typing import Any

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import scene
from tests.support.scripted_backend import OFFERS, Call, ScriptedBackend

UPDATED = "notifications/resources/updated"


def owner(*uris: str) -> ScriptedBackend:
    backend = ScriptedBackend(
        resources=[{"uri": uri, "name": uri} for uri in uris],
        offers=OFFERS | {"resources": {"subscribe": True, "listChanged": True}},
    )

    async def accept(_call: Call) -> dict[str, Any]:
        return {}

    backend.on("resources/subscribe")(accept)
    backend.on("resources/unsubscribe")(accept)
    return backend


def asked(backend: ScriptedBackend, method: str = "resources/subscribe") -> list[str]:
    return [each.message["params"]["uri"] for each in backend.calls(method)]


async def subscribe(client: RawClient, uri: str) -> None:
    assert await client.result("resources/subscribe", {"uri": uri}) == {}


@pytest.mark.scenario("P-1", "H-1")
async def test_an_update_reaches_the_session_that_subscribed_and_no_other():
    backends = {"one": owner("test://a"), "two": owner("test://b")}
    async with (
        scene(backends, config=QUIET, passthroughHeaders=["X-Key"]) as world,
        world.session(X_Key="mine") as client,
        world.session(X_Key="other") as other,
        client.listening() as stream,
        other.listening() as others,
    ):
        await subscribe(client, "test://b")
        await other.call("two_echo")
        [heard] = backends["two"].calls("resources/subscribe")
        assert heard.headers["x-key"] == "mine"
        assert asked(backends["one"]) == []
        await eventually(lambda: len(backends["two"].streams) == 3)
        backends["two"].push(UPDATED, heard.session, uri="test://b")
        [message] = await stream.until(UPDATED)
        assert message["params"] == {"uri": "test://b"}
        assert UPDATED not in others.methods


async def test_subscriptions_are_offered_only_while_a_backend_takes_them():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.client() as client:
        assert "subscribe" not in (await client.open())["capabilities"]["resources"]
    async with scene({"one": owner("test://a")}, config=QUIET) as world, world.client() as client:
        assert (await client.open())["capabilities"]["resources"]["subscribe"] is True


async def test_unsubscribing_is_told_to_the_owner():
    backend = owner("test://a")
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await subscribe(client, "test://a")
        assert await client.result("resources/unsubscribe", {"uri": "test://a"}) == {}
        assert asked(backend, "resources/unsubscribe") == ["test://a"]


async def test_a_resource_that_nobody_has_cannot_be_subscribed_to():
    # The only one that has resources would be asked: it need not list them.
    backends = {"one": owner("test://a"), "two": owner("test://b")}
    async with scene(backends, config=QUIET) as world, world.session() as client:
        answer = await client.request("resources/subscribe", {"uri": "test://unknown"})
        assert answer["error"]["code"] == -32002
        assert answer["error"]["data"] == {"uri": "test://unknown"}


@pytest.mark.scenario("B-2")
async def test_a_backend_session_that_is_healed_hears_the_subscriptions_again():
    backend = owner("test://a", "test://b")
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await subscribe(client, "test://a")
        await subscribe(client, "test://b")
        await client.result("resources/unsubscribe", {"uri": "test://b"})
        backend.forget_sessions()
        await client.call("one_echo")
        await eventually(lambda: asked(backend) == ["test://a", "test://b", "test://a"])
        assert backend.calls("resources/subscribe")[-1].session == backend.calls("tools/call")[-1].session


async def test_a_refused_subscription_is_relayed_and_forgotten():
    backend = owner("test://a")
    backend.handlers.pop("resources/subscribe")
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.request("resources/subscribe", {"uri": "test://a"})
        assert answer["error"] == {"code": -32601, "message": "no resources/subscribe"}
        backend.forget_sessions()
        await client.call("one_echo")
        assert asked(backend) == ["test://a"]


@pytest.mark.scenario("P-1", "K-5")
@pytest.mark.parametrize("leaves", [True, False], ids=["it was away", "it has moved"])
async def test_a_backend_that_comes_back_is_subscribed_to_again_without_a_call(leaves):
    former, other, now = owner("test://a"), ScriptedBackend(), owner("test://a")
    async with (
        scene({"one": former, "two": other}, config=QUIET) as world,
        now.running(),
        world.session() as client,
        client.listening() as stream,
    ):
        await subscribe(client, "test://a")
        if leaves:
            world.apply({"two": other})
        world.apply({"one": now, "two": other})
        await eventually(lambda: now.calls("resources/subscribe"))
        now.push(UPDATED, now.calls("resources/subscribe")[0].session, uri="test://a")
        await stream.until(UPDATED)
