"""Each backend gets exactly the credential of its strategy, and nobody the caller's own."""

import asyncio
import json
import time

import pytest

from tests.proxy.outgoing.helpers import (
    Guarded,
    bearer_token,
    client_credentials,
    header_injection,
    identity_assertion,
    issued_by,
    stage,
    token_exchange,
)
from tests.support.idp import Idp
from tests.support.raw_client import eventually


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-6", "I-10")
async def test_each_backend_gets_its_credential_and_none_the_callers_token():
    server = Idp(clients={"at-server": "server-secret"})

    def strategies(idp):
        server.trusts = [idp]
        return {
            "plain": {"outgoingAuth": {"type": "unauthenticated"}},
            "header": header_injection("X-Api-Key"),
            "bearer": bearer_token(),
            "client": client_credentials(idp, scopes=["read"]),
            "exchange": token_exchange(idp, audience="exchange"),
            "elsewhere": token_exchange(idp, externalTokenHeaderName="x-upstream-token"),
            "assertion": identity_assertion(idp, server),
        }

    async with server.running(), stage(strategies) as at, at.signed_in("alice") as client:
        token = client.headers["authorization"].removeprefix("Bearer ")
        for name in at.backends:
            assert await client.call(f"{name}_echo")
        shown = {name: backend.shown("authorization", "tools/call") for name, backend in at.backends.items()}
        assert shown["plain"] == shown["header"] == shown["elsewhere"] == {""}
        assert at.backends["header"].shown("x-api-key", "tools/call") == {"canary-header"}
        assert shown["bearer"] == {"Bearer canary-bearer"}
        (of_client,) = shown["client"]
        assert at.idp.known[of_client.removeprefix("Bearer ")]["sub"] == "proxy"
        (of_exchange,) = shown["exchange"]
        claims = at.idp.known[of_exchange.removeprefix("Bearer ")]
        assert (claims["sub"], claims["aud"]) == ("alice", "exchange")
        (elsewhere,) = at.backends["elsewhere"].shown("x-upstream-token", "tools/call")
        assert at.idp.known[elsewhere.removeprefix("Bearer ")]["sub"] == "alice"
        (of_assertion,) = shown["assertion"]
        assert server.known[of_assertion.removeprefix("Bearer ")]["sub"] == "alice"
        assert at.heard_anywhere(token) == []
        for canary in ("canary-header", "canary-bearer", of_client, of_exchange, elsewhere, of_assertion):
            assert len(at.heard_anywhere(canary)) == 1
        types = {each["name"]: each["authType"] for each in (await at.world.status())["backends"]}
    assert types == {
        "plain": "unauthenticated",
        "header": "headerInjection",
        "bearer": "bearerToken",
        "client": "clientCredentials",
        "exchange": "tokenExchange",
        "elsewhere": "tokenExchange",
        "assertion": "identityAssertion",
    }


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-7")
async def test_a_hundred_calls_of_a_session_at_once_make_one_token_request():
    async with stage(lambda idp: {"one": token_exchange(idp)}) as at, at.signed_in() as client:
        await asyncio.gather(*(client.call("one_echo") for _ in range(100)))
        assert len(at.idp.requests()) == 1
        assert len(at.backends["one"].calls("tools/call")) == 100


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-7")
async def test_sessions_of_one_token_share_what_was_got_for_it_and_those_of_another_do_not():
    async with stage(lambda idp: {"one": token_exchange(idp)}) as at:
        token = at.idp.mint("alice")
        async with at.bearing(token) as first, at.bearing(token) as second, at.signed_in("bob") as other:
            for client in (first, second):
                await client.open()
            for client in (first, second, other):
                await client.call("one_echo")
        assert [each.form["subject_token"] == token for each in at.idp.requests()].count(True) == 1
        assert len(at.idp.requests()) == 2


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-7")
async def test_a_token_that_the_backend_refuses_is_replaced_once_and_the_call_is_sent_again():
    backend = Guarded()
    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}) as at, at.signed_in() as client:
        await client.call("one_echo")
        (first,) = backend.shown("authorization", "tools/call")
        backend.lets_in = lambda headers: headers.get("authorization") != first
        assert await client.call("one_echo")
        assert len(at.idp.requests()) == 2
        assert backend.refused.count("tools/call") == 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-7")
async def test_a_backend_that_refuses_every_token_is_an_error_that_names_it_and_no_401_of_ours():
    backend = Guarded()
    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}) as at, at.signed_in() as client:
        await client.call("one_echo")
        backend.lets_in = lambda _: False
        for _ in range(5):
            answer = await client.call("one_echo")
            assert answer["isError"]
            assert "backend 'one' refused the credentials" in answer["content"][0]["text"]
        assert len(at.idp.requests()) == 2, "a fresh token did not help; a call each would not either"


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-7")
async def test_a_403_is_no_reason_for_another_token():
    backend = Guarded(status=403)
    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}) as at, at.signed_in() as client:
        await client.call("one_echo")
        backend.lets_in = lambda _: False
        assert (await client.call("one_echo"))["isError"]
        assert len(at.idp.requests()) == 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("B-10")
async def test_probes_and_shared_lists_show_the_endpoints_own_token():
    backend = Guarded()
    quick = {"operational": {"failureHandling": {"healthCheckInterval": "50ms"}}}
    idp = Idp()
    backend.lets_in = issued_by(idp)
    async with stage(lambda idp: {"one": client_credentials(idp)}, {"one": backend}, idp, config=quick) as at:
        await eventually(lambda: len(backend.calls("ping")) > 2)
        assert (await at.backend_status("one"))["status"] == "healthy"
        assert backend.refused == []
        assert len(at.idp.requests()) == 1
        assert (await at.backend_status("one"))["tools"] == 1


@pytest.mark.scenario("B-10")
async def test_where_a_user_is_needed_probes_show_nobodys_token_and_users_are_served_all_the_same():
    backend = Guarded()
    quick = {"operational": {"failureHandling": {"healthCheckInterval": "50ms"}}}
    idp = Idp()
    backend.lets_in = issued_by(idp)
    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}, idp, config=quick) as at:
        async with at.signed_in() as client:
            assert await client.names() == ["one_echo"]
            backend.refused.clear()
            await eventually(lambda: len(backend.refused) > 2)
            assert await client.call("one_echo") == {"content": [{"type": "text", "text": "called echo"}]}
        assert (await at.backend_status("one"))["status"] == "unauthenticated"
        assert "tools" not in await at.backend_status("one")
        assert len(at.idp.requests()) == 1
        assert {each.form["subject_token"] for each in at.idp.requests()} == {
            client.headers["authorization"].removeprefix("Bearer ")
        }


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-6")
async def test_what_a_backend_lists_for_one_user_no_other_sees():
    backend = Guarded()
    idp = Idp()

    @backend.on("tools/list")
    async def by_user(call):
        token = call.heard.headers.get("authorization", "").removeprefix("Bearer ")
        user = idp.known.get(token, {}).get("sub", "nobody")
        return {"tools": [{"name": f"of-{user}", "inputSchema": {"type": "object"}}]}

    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}, idp) as at:
        async with at.signed_in("alice") as alice, at.signed_in("bob") as bob:
            for _ in range(2):
                assert await alice.names() == ["one_of-alice"]
                assert await bob.names() == ["one_of-bob"]
            answer = await bob.request("tools/call", {"name": "one_of-alice"})
            assert answer["error"]["code"] == -32602
        async with at.signed_in("alice") as again:
            assert await again.names() == ["one_of-alice"]
        assert "alice" not in json.dumps(await at.world.status())


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-6")
async def test_tokens_of_one_user_that_say_different_things_share_no_list_and_a_refreshed_one_keeps_its_own():
    backend = Guarded()

    @backend.on("tools/list")
    async def by_turn(call):
        return {"tools": [{"name": f"nr{len(backend.calls('tools/list'))}", "inputSchema": {"type": "object"}}]}

    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}) as at:
        seen = {}
        async with at.signed_in("alice", scope="read") as client:
            for scope in ("read", "read write", "read"):
                for turn in range(3):
                    # Refreshed each time: `iat`, `exp` and `jti` are others.
                    later = {"now": time.time() - turn, "scope": scope}
                    client.headers["authorization"] = f"Bearer {at.idp.mint('alice', **later)}"
                    (name,) = await client.names()
                    assert seen.setdefault(scope, name) == name
            for claims in ({"scope": "read", "admin": 1}, {"scope": "read", "admin": True}):
                client.headers["authorization"] = f"Bearer {at.idp.mint('alice', **claims)}"
                seen[str(claims)] = (await client.names())[0]
        async with at.signed_in("alice", scope="read") as again:
            assert await again.names() == [seen["read"]]
        assert len(set(seen.values())) == len(seen) == 4


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("H-5", "H-6")
async def test_the_strategy_wins_over_what_clients_and_the_config_say_for_the_same_header():
    def strategies(_):
        static = {"headerForward": {"addPlaintextHeaders": {"x-api-key": "static", "X-Other": "static"}}}
        return {"one": {**header_injection("X-API-KEY"), **static}}

    async with stage(strategies, passthroughHeaders=["X-Api-Key", "X-Tenant"]) as at:
        token = at.idp.mint("alice")
        async with at.bearing(token, x_api_key="clients", x_tenant="blue") as client:
            await client.open()
            await client.call("one_echo")
        called = at.backends["one"].calls("tools/call")[0].headers
    assert (called["x-api-key"], called["x-other"], called["x-tenant"]) == ("canary-header", "static", "blue")


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("H-6")
async def test_a_name_from_client_and_config_is_still_a_collision_beside_a_token():
    def strategies(idp):
        static = {"headerForward": {"addPlaintextHeaders": {"X-Tenant": "static"}}}
        return {"one": {**client_credentials(idp), **static}}

    async with stage(strategies, passthroughHeaders=["X-Tenant"]) as at:
        async with at.bearing(at.idp.mint("alice"), x_tenant="blue") as client:
            await client.open()
            answer = await client.call("one_echo")
        assert answer["isError"]
        assert "X-Tenant" in answer["content"][0]["text"]
        assert "blue" not in json.dumps(answer)
