"""What a client hears of backends that it has dealt with is judged when it is delivered, by the policies of then."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_subscriptions import UPDATED, asked, owner, subscribe
from tests.support.raw_client import eventually
from tests.support.scene import scene

pytestmark = pytest.mark.scenario("Z-2", "Z-4")

LOG = "notifications/message"


def permits(*conditions):
    return {"mode": "Enforce", "policies": [f"permit(principal, action, resource{each});" for each in conditions]}


EVERYTHING = permits("")


def unsubscribing(uri):
    return {"jsonrpc": "2.0", "id": 5, "method": "resources/unsubscribe", "params": {"uri": uri}}


async def test_an_update_is_for_who_may_read_the_resource_now_and_all_may_unsubscribe():
    one, two = owner("test://a", "test://b"), owner("test://c")
    policies = permits(' == Resource::"test://b"', ' in Backend::"two"')
    async with (
        scene({"one": one, "two": two}, config=QUIET, authorization=EVERYTHING) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        await subscribe(client, "test://a")
        await subscribe(client, "test://b")
        await eventually(lambda: len(one.streams) == 2)
        world.apply(authorization=policies)
        session = one.calls("resources/subscribe")[0].session
        one.push(UPDATED, session, uri="test://a")
        one.push(UPDATED, session, uri="test://b")
        [message] = await stream.until(UPDATED)
        assert message["params"] == {"uri": "test://b"}
        again = {**unsubscribing("test://a"), "method": "resources/subscribe"}
        assert (await client.post(again)).json()["error"]["code"] == 403
        for uri, told in (("test://a", ["test://a"]), ("test://nobody", ["test://a"]), ("test://a", ["test://a"])):
            answer = await client.post(unsubscribing(uri))
            assert (answer.status_code, answer.json()["result"]) == (200, {})
            assert asked(one, "resources/unsubscribe") == told


async def test_what_is_said_again_in_another_session_of_a_backend_is_what_may_still_be_read():
    one = owner("test://a", "test://b")
    async with scene({"one": one}, config=QUIET, authorization=EVERYTHING) as world, world.session() as client:
        await subscribe(client, "test://a")
        await subscribe(client, "test://b")
        world.apply(authorization=permits(' == Resource::"test://b"', ' == Tool::"one_echo"'))
        one.forget_sessions()
        await client.call("one_echo")
        await eventually(lambda: asked(one) == ["test://a", "test://b", "test://b"])


async def test_a_backend_that_an_edit_puts_out_of_reach_is_neither_heard_nor_told_anything_more():
    one, two = owner("test://a"), owner("test://c")
    async with (
        scene({"one": one, "two": two}, config=QUIET, authorization=EVERYTHING) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        await subscribe(client, "test://a")
        await subscribe(client, "test://c")
        await eventually(lambda: len(one.streams) == len(two.streams) == 2)
        session = one.calls("resources/subscribe")[0].session
        world.apply(authorization=permits(' in Backend::"two"'))
        # Its session has ended there, and with it the stream that it spoke on.
        await eventually(lambda: session not in one.sessions)
        heard = len(one.heard)
        await client.result("logging/setLevel", {"level": "info"})
        await client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
        two.push(LOG, two.calls("resources/subscribe")[0].session, level="info", data="from two")
        [message] = await stream.until(LOG)
        assert message["params"]["logger"] == "two"
        assert (await client.post(unsubscribing("test://a"))).json()["result"] == {}
        assert [each for each in one.heard[heard:] if each.session == session] == []
