"""The keys of the issuer: rotated, asked for by a storm, away, slow, huge, and of somebody else."""

import asyncio
import ssl
import time

import pytest
import trustme

from tests.proxy.auth.oidc.helpers import door, oidc
from tests.support.idp import Idp, Key, hang_up, huge, says, slow
from tests.support.raw_client import eventually
from tests.support.scripted_backend import ScriptedBackend

OTHER = Key("key-9", number=9)
SIGNED_SECONDS = "vmcp_proxy.auth.incoming.oidc.authenticator.SIGNED_SECONDS"


@pytest.mark.scenario("I-3")
@pytest.mark.parametrize("keeps_old", [True, False])
async def test_a_key_that_is_new_is_taken_at_once(both_eras, keeps_old):
    async with door() as it:
        old = it.idp.mint("alice")
        assert await it.status_of(old) == 200
        it.idp.rotate(keeps_old=keeps_old)
        assert await it.status_of(it.idp.mint("alice")) == 200
        assert len(it.idp.asked("jwks")) == 2
        assert await it.status_of(it.idp.mint("bob", key=Key("key-1", number=1))) == (200 if keeps_old else 401)


@pytest.mark.scenario("I-3")
async def test_a_key_that_takes_the_name_of_another_is_taken_at_once(both_eras):
    async with door() as it:
        assert await it.status_of(it.idp.mint("alice")) == 200
        it.idp.keys = [Key(it.idp.keys[0].kid, number=2)]
        assert await it.status_of(it.idp.mint("alice")) == 200


@pytest.mark.scenario("I-3")
async def test_a_token_that_is_known_falls_with_its_key(both_eras, monkeypatch):
    monkeypatch.setattr(SIGNED_SECONDS, 0.0)
    async with door() as it:
        old = it.idp.mint("alice")
        assert await it.status_of(old) == 200
        it.idp.rotate(keeps_old=False)
        assert await it.status_of(it.idp.mint("alice")) == 200
        assert await it.status_of(old) == 401


@pytest.mark.scenario("I-3")
async def test_a_storm_of_unknown_keys_makes_one_request_and_all_get_its_answer(both_eras):
    async with door() as it:
        it.world.inside.have_the_issuer_asked_once_in(3600.0)
        invented = [it.idp.mint("eve", key=Key(f"k{number}", number=9)) for number in range(30)]
        assert set(await asyncio.gather(*map(it.status_of, invented))) == {401}
        assert [await it.status_of(token) for token in invented[:3]] == [401] * 3
        assert [len(it.idp.asked(each)) for each in ("discovery", "jwks")] == [2, 2]
        it.world.inside.have_the_issuer_asked_once_in(0.0)
        it.idp.rotate()
        fresh = [it.idp.mint("alice", n=number) for number in range(30)]
        assert set(await asyncio.gather(*map(it.status_of, fresh))) == {200}


@pytest.mark.scenario("I-3")
async def test_while_the_issuer_is_away_known_keys_let_in_and_what_nobody_can_judge_is_not_refused(both_eras):
    idp = Idp()
    async with idp.running(), door(idp) as it:
        idp.acts |= {"discovery": hang_up, "jwks": hang_up}
        assert await it.status_of(idp.mint("alice")) == 200
        answer = await it.knock(idp.mint("alice", key=OTHER))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "www-authenticate" not in answer.headers
        assert await it.status_of(idp.mint("bob")) == 200
        assert (await it.issuer())["state"] == "unavailable"
        idp.acts.clear()
        it.world.inside.have_the_issuer_asked_once_in(0.0)
        idp.rotate(OTHER)
        assert await it.status_of(idp.mint("alice")) == 200
        assert await it.issuer() == {"state": "ok", "message": ""}


@pytest.mark.scenario("I-3")
async def test_a_pod_whose_issuer_is_away_is_ready_and_serves_when_it_comes_back(both_eras):
    idp = Idp()
    async with idp.running():
        pass
    async with door(idp, is_reached=False) as it:
        token = idp.mint("alice")
        assert await it.status_of(token) == 503
        assert '"ready":true' in await it.world.admin("/readyz")
        state = await it.issuer()
        assert state == {
            "state": "unavailable",
            "message": "its discovery document: cannot connect: connection refused",
        }
        it.world.inside.have_the_issuer_asked_once_in(0.0)
        async with idp.running():
            assert await it.status_of(token) == 200


@pytest.mark.scenario("I-3")
async def test_a_slow_issuer_holds_up_no_token_that_can_be_judged_without_it(both_eras):
    answers = asyncio.Event()
    async with door() as it:
        it.idp.acts["jwks"] = slow(answers)
        waiting = asyncio.create_task(it.status_of(it.idp.mint("alice", key=OTHER)))
        await eventually(lambda: len(it.idp.asked("jwks")) == 2)
        assert await it.status_of(it.idp.mint("alice")) == 200
        assert not waiting.done()
        it.idp.keys.append(OTHER)
        answers.set()
        assert await waiting == 200


@pytest.mark.scenario("I-3")
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (huge(600_000), "its keys: the response is larger than 524288 bytes"),
        (says(500), "its keys: HTTP status 500"),
        (says(200, b"<html>"), "its keys: the answer is no JSON object"),
        (says(200, b"[" * 100_000), "its keys: the answer is no JSON object"),
        (says(200, {"keys": 5}), "its keys: the answer is no JWK set"),
        (says(302, b"", location="http://127.0.0.1:1/"), "its keys: redirect refused: it leads to another origin"),
    ],
)
async def test_bad_answers_leave_the_keys_as_they_were_and_are_told(both_eras, act, message):
    async with door() as it:
        it.idp.acts["jwks"] = act
        assert await it.status_of(it.idp.mint("eve", key=OTHER)) == 503
        assert await it.status_of(it.idp.mint("alice")) == 200
        assert await it.issuer() == {"state": "unavailable", "message": message}


@pytest.mark.scenario("I-3")
async def test_an_issuer_that_never_answers_is_waited_for_within_a_bound(both_eras, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.auth.oauth.endpoints.ANSWER_SECONDS", 0.1)
    async with door() as it:
        it.idp.acts["jwks"] = slow(asyncio.Event())
        assert await it.status_of(it.idp.mint("alice", key=OTHER)) == 503
        assert (await it.issuer())["message"] == "its keys: timed out waiting for the response"


async def test_an_issuer_is_trusted_by_the_ca_bundle_that_is_given_for_it():
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = authority.cert_pem.bytes().decode()
    async with Idp(tls=context).running() as idp:
        async with door(idp, insecureAllowHttp=False, caBundle=bundle) as it:
            assert await it.status_of(idp.mint("alice")) == 200
        async with door(idp, insecureAllowHttp=False, is_reached=False) as it:
            assert await it.status_of(idp.mint("alice")) == 503
            assert (await it.issuer())["message"].startswith("its discovery document: TLS failed: ")


@pytest.mark.parametrize(
    ("document", "settings", "message"),
    [
        (
            {"issuer": "https://evil.example"},
            {},
            "its discovery document names another issuer; write the issuer exactly as it stands there",
        ),
        ({"jwks_uri": None}, {}, "its discovery document names no jwks_uri; set jwksUrl"),
        ({"jwks_uri": "file:///etc/passwd"}, {}, "its keys: the URL must begin with http:// or https://"),
        (
            {},
            {"network": "public"},
            "its discovery document: the host resolves to a loopback address, which network `public` may not dial; ",
        ),
        (
            {},
            {"insecureAllowHttp": False},
            "its discovery document: its URL begins with http://; use https://, or allow",
        ),
    ],
)
async def test_what_is_wrong_with_the_issuer_is_told_and_nobody_is_let_in(document, settings, message):
    async with Idp(discovery=document).running() as idp, door(idp, is_reached=False, **settings) as it:
        assert await it.status_of(idp.mint("alice")) == 503
        assert (await it.issuer())["message"].startswith(message)
        assert not idp.asked("jwks")


async def test_keys_that_cannot_be_used_hide_no_other():
    rsa = Key("weak").jwk
    odd = [
        5,
        None,
        {},
        {"kid": "key-1"},
        {"kid": "key-1", "kty": "oct", "k": "c2VjcmV0"},
        {"kid": "key-1", "kty": "RSA", "n": 5, "e": {}},
        {"kid": "key-1", "kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kid": "key-1", "kty": ["RSA"], "n": "x", "e": "AQAB"},
        {"kid": "key-1", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {**rsa, "kid": "key-1", "use": "enc"},
        {**rsa, "kid": "key-1", "key_ops": ["encrypt"]},
    ]
    async with Idp(keys=[], jwks_extra=[*odd, Key().jwk, *odd]).running() as idp, door(idp) as it:
        assert await it.status_of(idp.mint("alice", key=Key())) == 200


async def test_keys_may_be_named_without_discovery():
    async with Idp(path="/other").running() as idp, door(idp, jwksUrl=idp.url("jwks")) as it:
        assert await it.status_of(idp.mint("alice")) == 200
        assert not idp.asked("discovery")


async def test_a_reload_keeps_the_keys_and_another_issuer_has_others():
    async with door() as it, Idp(keys=[OTHER]).running() as other:
        it.idp.acts |= {"discovery": hang_up, "jwks": hang_up}
        it.world.apply({"two": ScriptedBackend()})
        assert await it.status_of(it.idp.mint("alice")) == 200
        it.world.apply(incomingAuth=oidc(it.idp, scopes=["s"], audience="next"))
        assert await it.status_of(it.idp.mint("alice", aud="next", scope="s")) == 200
        assert await it.status_of(it.idp.mint("alice", aud="next")) == 403
        it.world.apply(incomingAuth=oidc(other))
        assert await it.status_of(it.idp.mint("alice")) == 401
        assert await it.status_of(other.mint("alice")) == 200
        assert len(it.idp.asked("jwks")) == 1


async def test_why_tokens_are_refused_is_logged_once_and_holds_no_token(caplog):
    caplog.set_level("INFO", "vmcp.auth")
    async with door() as it:
        for _ in range(5):
            token = it.idp.mint("alice", aud="elsewhere")
            assert await it.status_of(token) == 401
        assert await it.status_of(it.idp.mint("alice", now=time.time() - 1000)) == 401
    said = [record for record in caplog.records if record.getMessage() == "token refused"]
    assert len(said) == 2
    shown = str([vars(record) for record in said])
    assert "elsewhere" in shown
    assert it.idp.audience in shown
    assert token.rpartition(".")[2] not in shown
