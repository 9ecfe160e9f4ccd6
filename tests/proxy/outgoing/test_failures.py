"""Where there are no credentials for a backend: it is named, the others serve, and nothing is told that is secret."""

import asyncio
import json

import pytest

from tests.proxy.outgoing.helpers import (
    SECRETS,
    Guarded,
    bearer_token,
    client_credentials,
    header_injection,
    issued_by,
    stage,
    token_exchange,
)
from tests.proxy.sessions.reachable import holders_of
from tests.support.idp import Idp, oauth_error, says, slow
from tests.support.raw_client import eventually
from tests.support.serving import load


async def told(client, name):
    answer = await client.call(name)
    assert answer["isError"], answer
    return answer["content"][0]["text"]


@pytest.mark.scenario("I-6")
async def test_a_token_endpoint_that_fails_costs_its_backend_alone_and_the_error_names_that():
    idp = Idp()
    async with stage(lambda idp: {"one": token_exchange(idp), "two": bearer_token()}, idp=idp) as at:
        async with at.signed_in() as client:
            assert await client.names() == ["one_echo", "two_echo"]
            idp.acts["token"] = says(500, b"boom")
            await client.delete()
        async with at.signed_in("bob") as bob:
            assert await bob.names() == ["two_echo"], "nobody else's list stands in for his own"
            answer = await bob.request("tools/call", {"name": "one_echo"})
            assert "backend 'one'" in json.dumps(answer)
            assert "no credentials" in json.dumps(answer)
            assert await bob.call("two_echo")


@pytest.mark.scenario("I-6")
async def test_a_call_whose_token_cannot_be_got_says_why_and_blames_neither_backend_nor_circuit():
    idp, backend = Idp(), Guarded()
    circuit = {"operational": {"failureHandling": {"circuitBreaker": {"failureThreshold": 1}}}}
    async with stage(lambda idp: {"one": token_exchange(idp)}, {"one": backend}, idp, config=circuit) as at:
        async with at.signed_in("alice") as alice, at.signed_in("bob") as bob:
            await alice.names()
            await bob.names()
            (first,) = (
                backend.shown("authorization", "tools/list")
                - {""}
                - {f"Bearer {token}" for token, claims in idp.known.items() if claims["sub"] == "bob"}
            )
            backend.lets_in = lambda headers: headers.get("authorization") != first
            idp.acts["token"] = oauth_error("invalid_grant", "user alice has been signed out")
            said = await told(alice, "one_echo")
            assert "backend 'one' was not asked, for there are no credentials for it" in said
            assert "its token endpoint refuses with invalid_grant; sign in again" in said
            assert "signed out" not in said
            assert await bob.call("one_echo")
        status = await at.backend_status("one")
        assert (status["status"], status.get("circuit", "closed")) == ("healthy", "closed")


@pytest.mark.scenario("B-10")
async def test_without_a_token_of_its_own_a_backend_counts_as_unauthenticated_and_the_status_says_why():
    idp = Idp()
    idp.acts["token"] = oauth_error("invalid_client", "AADSTS7000215: invalid client secret provided", 401)
    async with stage(lambda idp: {"one": client_credentials(idp)}, idp=idp) as at:
        await eventually(lambda: at.world.proxy.members["one"].health.state.value == "unauthenticated")
        status = await at.backend_status("one")
        assert "invalid_client; correct its client ID and secret" in status["message"]
        assert "AADSTS7000215" in status["message"]
        assert "proxy-secret" not in json.dumps(status)
        assert at.backends["one"].heard == []


async def test_a_call_waits_for_its_token_no_longer_than_it_may_take():
    idp, gate = Idp(), asyncio.Event()
    short = {"operational": {"timeouts": {"default": "500ms", "list": "200ms"}}}
    async with (
        stage(lambda idp: {"one": token_exchange(idp)}, idp=idp, config=short) as at,
        at.signed_in() as client,
    ):
        await client.names()
        backend = at.backends["one"]
        (first,) = backend.shown("authorization") - {""}
        backend.lets_in = lambda headers: headers.get("authorization") != first
        idp.acts["token"] = slow(gate)
        assert "backend 'one' did not answer in time" in await told(client, "one_echo")
        gate.set()
        await eventually(lambda: len(idp.known) == 3)
        assert await client.call("one_echo"), "the token came for the next"


@pytest.mark.scenario("I-8")
@pytest.mark.parametrize("settings", [client_credentials, token_exchange, lambda _: header_injection("X-Key")])
async def test_a_backend_whose_secret_is_missing_is_withheld_and_the_others_serve(settings):
    secrets = {key: value for key, value in SECRETS.items() if key[1] not in ("client", "header")}
    async with stage(lambda idp: {"one": settings(idp), "two": bearer_token()}, secrets=secrets) as at:
        async with at.signed_in() as client:
            assert await client.names() == ["two_echo"]
        status = await at.backend_status("one")
        assert (status["status"], status["reason"]) == ("withheld", "SecretMissing")
        assert at.backends["one"].heard == []


@pytest.mark.scenario("I-8")
@pytest.mark.parametrize("value", ["", "two\nlines", "caf\u00e9"])
async def test_a_secret_that_no_header_can_hold_withholds_the_backend(value):
    secrets = {**SECRETS, ("keys", "bearer"): value}
    async with stage(lambda _: {"one": bearer_token()}, secrets=secrets) as at:
        status = await at.backend_status("one")
    assert (status["status"], status["reason"]) == ("withheld", "SecretInvalid")
    assert "two" not in status["message"].replace("'", "")


@pytest.mark.parametrize("name", ["Host", "Mcp-Session-Id", "content-length"])
async def test_a_header_that_no_config_may_set_is_not_set_by_a_strategy_either(name):
    async with stage(lambda _: {"one": header_injection(name)}) as at, at.signed_in() as client:
        assert await client.call("one_echo")
        assert at.heard_anywhere("canary-header") == []


@pytest.mark.scenario("I-8")
async def test_a_secret_is_rotated_live_and_what_has_not_changed_keeps_its_member_and_its_tokens(both_eras):
    def strategies(idp):
        return {"one": client_credentials(idp), "two": token_exchange(idp), "three": bearer_token()}

    async with stage(strategies) as at, at.signed_in() as client:
        for name in ("one", "two", "three"):
            await client.call(f"{name}_echo")
        before, asked = dict(at.world.proxy.members), len(at.idp.requests())
        at.world.proxy.apply(load(at.world.config, {**SECRETS, ("keys", "bearer"): "rotated"}))
        assert {name: member is before[name] for name, member in at.world.proxy.members.items()} == {
            "one": True,
            "two": True,
            "three": False,
        }
        for name in ("one", "two", "three"):
            await client.call(f"{name}_echo")
        assert at.backends["three"].calls("tools/call")[-1].headers["authorization"] == "Bearer rotated"
        assert len(at.idp.requests()) == asked
        at.idp.clients["proxy"] = "new"
        at.world.proxy.apply(load(at.world.config, {**SECRETS, ("keys", "client"): "new"}))
        await client.call("one_echo")
        assert at.idp.requests()[-1].client.secret == "new"


@pytest.mark.scenario("I-8")
async def test_tokens_outlive_another_change_of_their_backend(both_eras):
    async with stage(lambda idp: {"one": token_exchange(idp)}) as at, at.signed_in() as client:
        await client.call("one_echo")
        changed = [
            {**each, "headerForward": {"addPlaintextHeaders": {"X-New": "1"}}} for each in at.world.config["backends"]
        ]
        at.world.proxy.apply(load({**at.world.config, "backends": changed}, SECRETS))
        await client.call("one_echo")
        assert at.backends["one"].calls("tools/call")[-1].headers["x-new"] == "1"
        assert len(at.idp.requests()) == 1


async def test_what_a_token_endpoint_says_is_logged_once_for_its_operator_and_told_to_no_caller(caplog):
    idp = Idp()
    async with stage(lambda idp: {"one": token_exchange(idp)}, idp=idp) as at:
        idp.acts["token"] = oauth_error("invalid_target", "AADSTS500011: no such resource")
        async with at.signed_in() as client:
            for _ in range(3):
                answer = json.dumps(await client.request("tools/call", {"name": "one_echo"}))
                assert "invalid_target; correct audience and resource" in answer
                assert "AADSTS500011" not in answer
    (line,) = [each for each in caplog.records if each.getMessage() == "no token for a backend"]
    assert line.levelname == "WARNING"
    assert (line.vmcp_fields["backend"], line.vmcp_fields["said"]) == ("one", "AADSTS500011: no such resource")


@pytest.mark.scenario("I-6")
async def test_the_end_of_a_session_is_told_to_the_backend_with_its_callers_token():
    async with stage(lambda idp: {"one": token_exchange(idp)}) as at:
        async with at.signed_in() as client:
            await client.call("one_echo")
            await client.delete()
        backend = at.backends["one"]
        await eventually(lambda: backend.deletes)
        assert {each.headers["authorization"] for each in backend.deletes} == backend.shown(
            "authorization", "tools/call"
        )
        assert len(at.idp.requests()) == 1


@pytest.mark.scenario("H-7", "I-10")
async def test_nothing_of_a_callers_tokens_is_in_memory_after_its_session():
    async with stage(lambda idp: {"one": token_exchange(idp)}) as at:
        async with at.signed_in() as client:
            await client.call("one_echo")
            (sent,) = at.backends["one"].shown("authorization", "tools/call")
            token = sent.removeprefix("Bearer ").encode()
            assert holders_of(token), "while the session lives"
            await client.delete()
        await eventually(lambda: not holders_of(token))


@pytest.mark.scenario("I-6")
async def test_a_header_that_a_caller_brings_takes_the_token_of_all_from_nobody(both_eras, monkeypatch):
    """The backend's 401 is about the caller's own header; the provider is away when the proxy tries another token."""
    monkeypatch.setattr("vmcp_proxy.auth.outgoing.tokens._RENEWAL_PAUSE", 600.0)
    idp = Idp()
    good = issued_by(idp)
    backend = Guarded(lets_in=lambda headers: good(headers) and headers.get("x-api-key") != "bad")
    headers = {"passthroughHeaders": ["X-Api-Key"]}
    async with (
        stage(lambda idp: {"one": client_credentials(idp)}, {"one": backend}, idp, **headers) as at,
        at.signed_in("alice") as alice,
        at.bearing(idp.mint("bob"), **{"x-api-key": "bad"}) as bob,
    ):
        assert await alice.call("one_echo")
        before = len(idp.requests("token"))
        idp.acts["token"] = says(503, {"error": "temporarily_unavailable"})
        await bob.open()
        for _ in range(3):
            await bob.request("tools/call", {"name": "one_echo", "arguments": {}})
            assert "isError" not in await alice.call("one_echo")
        assert len(backend.refused) > 0
        assert len(idp.requests("token")) == before + 1, "once for each pause"


@pytest.mark.scenario("I-7")
async def test_a_token_that_the_backend_has_forgotten_is_replaced_within_the_call_that_finds_out():
    idp = Idp()
    backend = Guarded()
    async with (
        stage(lambda idp: {"one": client_credentials(idp)}, {"one": backend}, idp) as at,
        at.signed_in("alice") as alice,
        at.signed_in("bob") as bob,
    ):
        assert await alice.call("one_echo")
        assert await bob.call("one_echo")
        (former,) = backend.shown("authorization", "tools/call")
        backend.lets_in = lambda headers: headers.get("authorization") not in (former, None)
        answers = await asyncio.gather(*(each.call("one_echo") for each in (alice, bob) for _ in range(5)))
        assert not any(answer.get("isError") for answer in answers)
        assert len(idp.requests("token")) == 2
