"""Relayed headers: the named ones of the caller reach one backend and no other, for the session, in this process."""

import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.outgoing.helpers import Guarded, relay, stage
from tests.proxy.outgoing.test_failures import holders_of
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import scene
from tests.support.serving import http_backend
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

CANARY = "canary-8e61f0"
KEYS = Keyring.of({"1": bytes(range(32))})


@contextlib.asynccontextmanager
async def anonymous(*headers, **config):
    """Callers without tokens; `one` is relayed these headers, `two` nothing."""
    one, two = Guarded(), Guarded()
    more = {"one": relay(*headers)}
    async with scene({"one": one, "two": two}, more=more, **{"config": QUIET, **config}) as world:
        yield world, one, two


@pytest.mark.scenario("I-9")
async def test_the_named_headers_of_the_caller_reach_one_backend_and_no_other():
    async with anonymous("authorization", "Cookie", passthroughHeaders=["X-Tenant"]) as (world, one, two):
        headers = {"authorization": f"Bearer {CANARY}", "cookie": "id=1", "x-tenant": "blue", "x-other": CANARY}
        async with RawClient(world.url, headers) as client:
            await client.open()
            assert sorted(await client.names()) == ["one_echo", "two_echo"]
            await client.call("one_echo")
            await client.call("two_echo")
        for method in ("initialize", "tools/list", "tools/call"):
            (own, *rest) = [each.headers for each in one.calls(method) if "x-tenant" in each.headers]
            assert (own["authorization"], own["cookie"], own["x-tenant"]) == (f"Bearer {CANARY}", "id=1", "blue")
            assert all(each["authorization"] == own["authorization"] for each in rest)
        assert two.shown("x-tenant", "tools/call") == {"blue"}
        assert two.shown("authorization") == two.shown("cookie") == {""}
        assert one.shown("x-other") == two.shown("x-other") == {""}


@pytest.mark.scenario("I-9", "B-10")
async def test_probes_and_shared_lists_show_nobodys_headers():
    quick = {"operational": {"failureHandling": {"healthCheckInterval": "50ms"}}}
    async with anonymous("Authorization", config=quick) as (world, one, _):
        async with world.session(authorization=CANARY) as client:
            one.lets_in = lambda headers: headers.get("authorization") == CANARY
            await client.call("one_echo")
            one.refused.clear()
            await eventually(lambda: len(one.refused) > 3)
            assert await client.call("one_echo") == {"content": [{"type": "text", "text": "called echo"}]}
        assert one.shown("authorization", "ping") == {""}


@pytest.mark.scenario("I-9", "H-2")
async def test_they_are_those_of_the_sessions_first_request_whatever_comes_later():
    async with anonymous("Cookie") as (world, one, _):
        async with world.session(cookie="id=1") as client:
            client.headers["cookie"] = "id=2"
            await client.call("one_echo")
            del client.headers["cookie"]
            await client.call("one_echo")
        assert one.shown("cookie", "tools/call") == {"id=1"}


@pytest.mark.scenario("I-9")
async def test_where_each_request_has_its_own_headers_it_has_its_own_relayed_ones():
    async with anonymous("Cookie", passthroughHeaderMode="Request") as (world, one, _):
        async with world.session(cookie="id=1") as client:
            client.headers["cookie"] = "id=2"
            await client.call("one_echo")
            client.headers["cookie"] = "id=3"
            await client.call("one_echo")
        assert [each.headers["cookie"] for each in one.calls("tools/call")] == ["id=2", "id=3"]


@pytest.mark.scenario("I-9")
async def test_what_the_caller_does_not_send_is_not_sent_and_the_backends_401_is_an_error_of_that_backend():
    async with anonymous("Authorization") as (world, one, _):
        async with world.session() as client:
            await client.names()
            one.lets_in = lambda headers: "authorization" in headers
            answer = await client.call("one_echo")
        assert answer["isError"]
        assert "backend 'one' refused the credentials" in answer["content"][0]["text"]


@pytest.mark.scenario("I-9")
async def test_lists_are_apart_for_the_backend_that_can_tell_callers_apart_and_shared_for_the_others():
    async with anonymous("Authorization") as (world, one, two):

        @one.on("tools/list")
        async def by_caller(call):
            name = call.heard.headers.get("authorization", "nobody")
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}}]}

        async with world.session(authorization="alice") as alice, world.session(authorization="bob") as bob:
            assert sorted(await alice.names()) == ["one_alice", "two_echo"]
            assert sorted(await bob.names()) == ["one_bob", "two_echo"]
        assert len(two.calls("tools/list")) == 1


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize(
    ("aud", "audience", "is_relayed"),
    [
        (["vmcp", "https://one.example"], "https://one.example", True),
        ("vmcp", "https://one.example", False),
        (["vmcp", "https://one.example/"], "https://one.example", False),
        (["vmcp", "https://one.example"], None, False),
        (["vmcp"], "vmcp", False),
    ],
)
async def test_under_oidc_they_are_relayed_only_if_the_callers_token_is_for_that_backend_too(aud, audience, is_relayed):
    more = {} if audience is None else {"audience": audience}
    strategies = {"one": relay("Authorization", "X-Key", **more), "two": {}}
    async with stage(lambda _: strategies) as at:
        token = at.idp.mint("alice", aud=aud)
        async with at.bearing(token, x_key=CANARY) as client:
            await client.open()
            names = await client.names()
            assert await client.call("two_echo")
            answer = await client.request("tools/call", {"name": "one_echo"})
        assert at.heard_anywhere(token) == at.heard_anywhere(CANARY) == (["one"] if is_relayed else [])
        if is_relayed:
            assert sorted(names) == ["one_echo", "two_echo"]
            assert at.backends["one"].shown("authorization", "tools/call") == {f"Bearer {token}"}
        else:
            assert names == ["two_echo"]
            assert "token is not for it" in json.dumps(answer)
            assert at.backends["one"].calls("tools/call") == []


@contextlib.asynccontextmanager
async def pod(redis, backend):
    settings = Settings(port=0, admin_port=0, handles_signals=False, keyring=KEYS)
    storage = {"provider": "redis", "address": redis.address}
    extra = (http_backend("one", backend.port, **relay("Authorization")),)
    async with scene({}, extra=extra, settings=settings, config=QUIET, sessionStorage=storage) as world:
        yield world


@pytest.mark.scenario("I-9", "H-8")
async def test_another_pod_takes_the_session_over_with_the_same_headers_only(redis_server):
    backend = Guarded()
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}}
    async with (
        backend.running(),
        pod(redis_server, backend) as a,
        pod(redis_server, backend) as b,
        a.session(authorization="Bearer alice") as client,
    ):
        await client.call("one_echo")
        for sent, status in ((None, 404), ("Bearer bob", 404), ("Bearer alice", 200)):
            async with RawClient(b.url, {} if sent is None else {"authorization": sent}) as there:
                there.session = client.session
                assert (await there.post(message)).status_code == status
        assert backend.shown("authorization", "tools/call") == {"Bearer alice"}
        assert len(backend.calls("tools/call")) == 2


@pytest.mark.scenario("I-9", "H-6")
async def test_nothing_of_them_is_in_memory_after_the_session():
    async with anonymous("Authorization") as (world, one, _):
        async with world.session(authorization=f"Bearer {CANARY}") as client:
            await client.call("one_echo")
            canary = CANARY.encode()
            assert holders_of(canary)
            await client.delete()
        await eventually(lambda: not holders_of(canary))
        assert one.shown("authorization", "tools/call") == {f"Bearer {CANARY}"}
