"""Relayed headers: the named ones of the caller reach one backend and no other, for the session, in this process."""

import contextlib
import json

import pytest

from tests.proxy.auth.oidc.helpers import oidc
from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.outgoing.helpers import Guarded, relay, stage
from tests.proxy.outgoing.test_failures import holders_of
from tests.support.idp import Idp
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
async def test_the_named_headers_of_the_caller_reach_one_backend_and_no_other(both_eras):
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
async def test_where_each_request_has_its_own_headers_it_has_its_own_relayed_ones(both_eras):
    async with anonymous("Cookie", passthroughHeaderMode="Request") as (world, one, _):
        async with world.session(cookie="id=1") as client:
            client.headers["cookie"] = "id=2"
            await client.call("one_echo")
            client.headers["cookie"] = "id=3"
            await client.call("one_echo")
        assert [each.headers["cookie"] for each in one.calls("tools/call")] == ["id=2", "id=3"]


@pytest.mark.scenario("I-9")
async def test_what_the_caller_does_not_send_is_not_sent_and_the_backends_401_is_an_error_of_that_backend(both_eras):
    async with anonymous("Authorization") as (world, one, _):
        async with world.session() as client:
            await client.names()
            one.lets_in = lambda headers: "authorization" in headers
            answer = await client.call("one_echo")
        assert answer["isError"]
        assert "backend 'one' refused the credentials" in answer["content"][0]["text"]


@pytest.mark.scenario("I-9")
async def test_lists_are_apart_for_the_backend_that_can_tell_callers_apart_and_shared_for_the_others(both_eras):
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
async def test_under_oidc_they_are_relayed_only_if_the_callers_token_is_for_that_backend_too(
    both_eras, aud, audience, is_relayed
):
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


def denied(answer, why):
    """Whether a call failed because nothing of the caller may go to the backend."""
    return why in json.dumps(answer)


NOT_FOR_IT = "this caller's token is not for it"
BEGUN_WITH_ANOTHER = "the token they came with is not for it; begin a new session"


@contextlib.asynccontextmanager
async def two_tokens(*headers, **config):
    """Alice's token for this endpoint alone, and one that is for `one` as well, both with one and the same cookie."""
    strategies = {"one": relay(*headers, audience="one"), "two": {}}
    async with stage(lambda _: strategies, **config) as at:
        narrow, wide = at.idp.mint("alice"), at.idp.mint("alice", aud=["vmcp", "one"])
        async with at.bearing(narrow, cookie=CANARY) as client:
            yield at, client, {"authorization": f"Bearer {narrow}"}, {"authorization": f"Bearer {wide}"}


def relayed_to(backend):
    """The requests that carried anything of the caller."""
    return [each.method or each.verb for each in backend.heard if {"authorization", "cookie"} & each.headers.keys()]


async def asked(client):
    return await client.request("tools/call", {"name": "one_echo", "arguments": {}})


@pytest.mark.scenario("I-9", "H-2")
@pytest.mark.parametrize("headers", [["Authorization", "Cookie"], ["Authorization"], ["Cookie"]])
async def test_a_later_token_for_the_backend_does_not_send_it_what_came_with_one_that_is_not(headers):
    async with two_tokens(*headers) as (at, client, narrow, wide):
        await client.open()
        assert await client.names() == ["two_echo"]
        cookie = client.headers["cookie"]
        for later in (wide, wide | {"cookie": cookie}):
            client.headers = later
            assert await client.names() == ["two_echo"]
            assert denied(await asked(client), BEGUN_WITH_ANOTHER)
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            await client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
        assert await client.delete() == 204
        async with at.world.client(**wide, cookie=cookie) as anew:
            await anew.open()
            assert sorted(await anew.names()) == ["one_echo", "two_echo"]
        assert at.heard_anywhere(narrow["authorization"]) == []
        assert at.backends["one"].calls("tools/call") == []


@pytest.mark.scenario("I-9", "H-2")
async def test_a_later_token_that_is_not_for_the_backend_neither_sends_nor_sees_what_an_earlier_one_opened():
    async with two_tokens("Authorization", "Cookie") as (at, client, narrow, wide):
        client.headers |= wide
        await client.open()
        for _ in range(2):
            client.headers |= wide
            assert sorted(await client.names()) == ["one_echo", "two_echo"]
            assert not (await asked(client))["result"].get("isError")
            sent = relayed_to(at.backends["one"])
            client.headers |= narrow
            assert await client.names() == ["two_echo"]
            assert denied(await asked(client), NOT_FOR_IT)
            assert relayed_to(at.backends["one"]) == sent
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
        assert await client.delete() == 204
        assert relayed_to(at.backends["one"]) == sent
        assert at.heard_anywhere(narrow["authorization"]) == []


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("first", ["narrow", "wide"])
async def test_where_each_request_has_its_own_headers_each_token_is_judged_and_listed_by_itself(first):
    async with two_tokens("Cookie", passthroughHeaderMode="Request") as (at, client, narrow, wide):
        seen = {"narrow": (narrow, ["two_echo"]), "wide": (wide, ["one_echo", "two_echo"])}
        second = ({*seen} - {first}).pop()
        client.headers |= seen[first][0]
        await client.open()
        for which in (first, second, first, second):
            token, names = seen[which]
            client.headers |= token
            assert sorted(await client.names()) == names
            assert denied(await asked(client), NOT_FOR_IT) is (which == "narrow")
        assert len(at.backends["one"].calls("tools/call")) == 2
        assert at.backends["one"].shown("cookie", "tools/call") == {CANARY}


@pytest.mark.scenario("I-9")
async def test_a_list_refused_to_one_token_is_not_refused_to_another_of_the_same_caller(both_eras):
    async with two_tokens("Cookie") as (at, client, _, wide):
        await client.open()
        assert await client.names() == ["two_echo"]
        async with at.world.client(**wide, cookie=CANARY) as other:
            await other.open()
            assert sorted(await other.names()) == ["one_echo", "two_echo"]
        assert await client.names() == ["two_echo"]


@contextlib.asynccontextmanager
async def pod(redis, backend, strategy=None, **config):
    settings = Settings(port=0, admin_port=0, handles_signals=False, keyring=KEYS)
    storage = {"provider": "redis", "address": redis.address}
    extra = (http_backend("one", backend.port, **(strategy or relay("Authorization"))),)
    async with scene({}, extra=extra, settings=settings, config=QUIET, sessionStorage=storage, **config) as world:
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


@pytest.mark.scenario("I-9", "H-8")
async def test_another_pod_relays_a_cookie_for_those_tokens_alone_that_it_saw_it_come_with(redis_server):
    backend, idp = Guarded(), Idp()
    async with idp.running(), backend.running():
        settings = (redis_server, backend, relay("Cookie", audience="one"))
        tokens = {"narrow": idp.mint("alice"), "wide": idp.mint("alice", aud=["vmcp", "one"])}
        headers = {name: {"authorization": f"Bearer {token}", "cookie": CANARY} for name, token in tokens.items()}
        async with pod(*settings, incomingAuth=oidc(idp)) as a, pod(*settings, incomingAuth=oidc(idp)) as b:
            for began, restored in (("narrow", "wide"), ("wide", "narrow")):
                async with a.client(**headers[began]) as client, b.client(**headers[restored]) as there:
                    await client.open()
                    there.session = client.session
                    sent = len(backend.calls("tools/call"))
                    assert denied(await asked(there), NOT_FOR_IT) is (restored == "narrow")
                    there.headers = headers["wide"]
                    assert denied(await asked(there), BEGUN_WITH_ANOTHER) is (restored == "narrow")
                    client.headers = headers["wide"]
                    assert denied(await asked(client), BEGUN_WITH_ANOTHER) is (began == "narrow")
                    assert len(backend.calls("tools/call")) - sent == (1 if restored == "narrow" else 2)


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
