"""Callers with a token that only its issuer can read (RFC 7662)."""

import asyncio
import json
import time

import pytest

from tests.proxy.auth.oidc.helpers import SECRET, challenge_of, door, introspecting
from tests.support.idp import Idp, hang_up, huge, says, slow
from tests.support.raw_client import eventually
from tests.support.serving import load
from vmcp_proxy.auth.incoming.oidc.flaw import Flaw
from vmcp_proxy.auth.incoming.oidc.introspection import MOST_AT_ONCE

OPAQUE_SECONDS = "vmcp_proxy.auth.incoming.oidc.authenticator.OPAQUE_SECONDS"
REFUSED_SECONDS = "vmcp_proxy.auth.incoming.oidc.authenticator.REFUSED_SECONDS"

OF_ONE = MOST_AT_ONCE * 3 // 4
"""What one address has of the turns."""


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
@pytest.mark.parametrize("named", [True, False])
async def test_an_opaque_token_lets_its_bearer_in_with_all_its_claims(named):
    async with Idp().running() as idp:
        settings = {"introspectionUrl": idp.url("introspect")} if named else {}
        async with door(idp, introspecting, **settings) as it:
            groups = {"realm_access": {"roles": ["a", "b"]}, "https://example.com/groups": ["x"]}
            token = idp.opaque("alice", scope="mcp:read", **groups)
            async with it.bearing(token) as client:
                await client.open()
                identity = it.world.inside.identity
            assert (identity.issuer, identity.subject, identity.scopes) == (idp.issuer, "alice", {"mcp:read"})
            assert identity.claims["realm_access"] == {"roles": ["a", "b"]}
            assert identity.claims["https://example.com/groups"] == ["x"]
            (asked,) = idp.requests("introspect")
            assert asked.form == {"token": token, "token_type_hint": "access_token"}
            assert (asked.client.id, asked.client.secret, asked.client.way) == ("proxy", "proxy-secret", "basic")


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_a_hundred_first_requests_ask_once_and_later_ones_not_at_all():
    async with door(auth=introspecting) as it:
        token = it.idp.opaque("alice")
        assert set(await asyncio.gather(*[it.status_of(token) for _ in range(100)])) == {200}
        assert await it.status_of(token) == 200
        assert len(it.idp.asked("introspect")) == 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_a_revoked_token_is_refused_when_what_was_said_of_it_is_over(monkeypatch):
    async with door(auth=introspecting) as it:
        token, other = it.idp.opaque("alice"), it.idp.opaque("bob")
        assert await it.status_of(token) == 200
        it.idp.revoke(token)
        assert await it.status_of(token) == 200
        monkeypatch.setattr(OPAQUE_SECONDS, 0.0)
        assert await it.status_of(other) == 200
        it.idp.revoke(other)
        assert await it.status_of(other) == 401


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_a_token_that_was_refused_is_not_asked_about_again_at_once(monkeypatch):
    async with door(auth=introspecting) as it:
        assert [await it.status_of("invented") for _ in range(5)] == [401] * 5
        assert len(it.idp.asked("introspect")) == 1
        monkeypatch.setattr(REFUSED_SECONDS, 0.0)
        assert [await it.status_of("another") for _ in range(3)] == [401] * 3
        assert len(it.idp.asked("introspect")) == 4


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"aud": ["other"]},
        {"iss": "https://evil.example"},
        {"sub": None},
        {"sub": 5},
        {"now": time.time() - 1000},
    ],
)
async def test_a_token_for_somebody_else_of_somebody_else_or_of_nobody_is_refused(claims):
    async with door(auth=introspecting) as it:
        assert await it.status_of(it.idp.opaque("alice", **claims)) == 401


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"active": True, "sub": "a", "aud": "vmcp"}, 200),
        ({"active": True, "sub": "a", "aud": ["x", "vmcp"], "exp": "99999999999"}, 200),
        ({"active": True, "sub": "a", "aud": "vmcp", "exp": 5}, 401),
        ({"active": "true", "sub": "a", "aud": "vmcp"}, 401),
        ({"active": 1, "sub": "a", "aud": "vmcp"}, 401),
        ({"active": True, "sub": "a", "aud": {"vmcp": 1}}, 401),
        ({"sub": "a", "aud": "vmcp"}, 401),
        ({}, 401),
    ],
)
async def test_only_what_the_endpoint_says_in_so_many_words_lets_in(document, status):
    async with door(auth=introspecting) as it:
        it.idp.acts["introspect"] = says(200, document)
        assert await it.status_of("opaque") == status


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_what_is_no_access_token_or_not_yet_one_is_refused_and_the_log_says_as_what(caplog):
    good = {"active": True, "sub": "a", "aud": "vmcp"}
    fine = [
        {"token_type": each}
        for each in ("Bearer", "bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token", None, 5)
    ]
    fine += [{"typ": "Bearer"}, {"typ": "at+jwt"}, {"token_use": "access"}, {"nbf": time.time() + 30}, {"nbf": "soon"}]
    wrong = [
        {"token_type": "refresh_token"},
        {"token_type": "N_A"},
        {"token_type": "DPoP"},
        {"token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"typ": "Refresh"},
        {"typ": "ID", "token_type": "Bearer"},
        {"typ": "Offline"},
        {"token_use": "refresh_token"},
        {"token_use": "id"},
        {"nbf": time.time() + 100},
        {"nbf": str(int(time.time()) + 100)},
        {"sub": "a\ud83d"},
        {"groups": ["\udc00"]},
    ]
    caplog.set_level("INFO", "vmcp.auth")
    async with door(auth=introspecting) as it:
        for number, more in enumerate((*fine, *wrong)):
            it.idp.acts["introspect"] = says(200, json.dumps({**good, **more}).encode())
            answer = await it.knock(f"opaque-{number}")
            assert answer.status_code == (200 if more in fine else 401), more
    said = [vars(record)["vmcp_fields"] for record in caplog.records if record.getMessage() == "token refused"]
    assert [each["reason"] for each in said] == [Flaw.USE.value, Flaw.NOT_YET.value, Flaw.TEXT.value]
    assert said[0]["came"] == "token_type: refresh_token"


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-1")
async def test_a_signed_token_that_is_for_something_else_or_holds_no_text_gets_the_same_401():
    async with door() as it:
        wrong = [{"typ": "ID"}, {"token_use": "id"}, {"sub": "a\ud83d"}, {"x": {"y": ["\udc00"]}}, {"\udc00": 1}]
        for claims in wrong:
            answer = await it.knock(it.idp.mint(claims.pop("sub", "alice"), **claims))
            assert (answer.status_code, challenge_of(answer)["error"]) == (401, "invalid_token")
        assert await it.status_of(it.idp.mint("alice", typ="Bearer", token_use="access", token_type="tenant")) == 200


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
@pytest.mark.parametrize(
    "act", [says(500), says(401, {"error": "invalid_client"}), says(200, b"[]"), huge(600_000), hang_up]
)
async def test_a_token_that_the_issuer_does_not_judge_now_is_not_refused(act):
    async with door(auth=introspecting) as it:
        it.idp.acts["introspect"] = act
        token = it.idp.opaque("alice")
        answer = await it.knock(token)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert await it.status_of(it.idp.mint("alice")) == 200
        it.idp.acts.clear()
        assert await it.status_of(token) == 200


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_invented_tokens_ask_the_issuer_a_few_at_a_time_and_hold_up_nobody_who_is_known():
    answers = asyncio.Event()
    async with door(auth=introspecting) as it:
        known = it.idp.opaque("alice")
        assert await it.status_of(known) == 200
        it.idp.acts["introspect"] = slow(answers)
        invented = [asyncio.create_task(it.status_of(f"invented-{number}")) for number in range(3 * MOST_AT_ONCE)]
        await eventually(lambda: len(it.idp.asked("introspect")) == 1 + OF_ONE)
        assert await it.status_of(known) == 200
        assert await it.status_of(it.idp.mint("alice")) == 200
        assert len(it.idp.asked("introspect")) == 1 + OF_ONE
        answers.set()
        assert set(await asyncio.gather(*invented)) <= {401, 503}


@pytest.mark.scenario("I-4")
async def test_invented_tokens_take_no_turn_of_those_that_were_good_a_moment_ago(monkeypatch):
    answers = asyncio.Event()
    async with door(auth=introspecting) as it:
        monkeypatch.setattr(OPAQUE_SECONDS, 0.0)
        known = it.idp.opaque("alice")
        assert await it.status_of(known) == 200
        before = len(it.idp.asked("introspect"))
        it.idp.acts["introspect"] = slow(answers)
        invented = [asyncio.create_task(it.status_of(f"invented-{number}")) for number in range(3 * MOST_AT_ONCE)]
        await eventually(lambda: len(it.idp.asked("introspect")) == before + OF_ONE)
        del it.idp.acts["introspect"]
        assert await it.status_of(known) == 200
        asked = len(it.idp.asked("introspect")) - before - OF_ONE
        assert asked == 2, "for the first request and the last, before any other of the invented ones"
        it.idp.revoke(known)
        assert await it.status_of(known) == 401
        answers.set()
        assert set(await asyncio.gather(*invented)) <= {401, 503}


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_the_secret_follows_its_secret_without_another_authenticator():
    async with door(auth=introspecting) as it:
        inside = it.world.inside.authenticators
        before = inside.current
        it.idp.clients["proxy"] = "next"
        assert await it.status_of(it.idp.opaque("alice")) == 503
        it.world.proxy.apply(load(it.world.config, {SECRET: "next\n"}))
        assert await it.status_of(it.idp.opaque("alice")) == 200
        assert inside.current is before
        asked = len(it.idp.asked("introspect"))
        it.world.proxy.apply(load(it.world.config, {}))
        assert await it.status_of(it.idp.opaque("alice")) == 503
        assert len(it.idp.asked("introspect")) == asked


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("I-4")
async def test_where_nobody_introspects_an_opaque_token_is_refused():
    async with door() as it:
        assert await it.status_of(it.idp.opaque("alice")) == 401
        assert not it.idp.asked("introspect")
