"""The small identity provider of the tests says what a library of others takes for a token, and what it does not."""

import asyncio
import json
import time

import httpx2
import jwt
import pytest

from tests.support.idp import Idp, Key, hang_up, hmac_signed, huge, oauth_error, once, says, slow, tampered, unsigned
from tests.support.plain_http import http_client

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
PROXY = ("proxy", "proxy-secret")


@pytest.fixture
async def http():
    async with http_client(timeout=20) as client:
        yield client


def verified(idp, token, keys):
    """The claims, as a resource server reads them."""
    header = jwt.get_unverified_header(token)
    (jwk,) = [each for each in keys["keys"] if each.get("kid") == header.get("kid")]
    return jwt.decode(token, jwt.PyJWK(jwk), [jwk["alg"]], audience=idp.audience, issuer=idp.issuer)


async def jwks_of(idp, http):
    document = (await http.get(f"{idp.issuer.rstrip('/')}/.well-known/openid-configuration")).json()
    assert document["issuer"] == idp.issuer
    return (await http.get(document["jwks_uri"])).json()


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
@pytest.mark.parametrize("path", ["", "/", "/realms/test", "/application/o/test/"])
async def test_a_token_of_any_algorithm_is_good_by_the_keys_that_discovery_leads_to(http, alg, path):
    async with Idp(path=path, keys=[Key("k", alg)]).running() as idp:
        claims = verified(idp, idp.mint("alice", groups=["a", "b"]), await jwks_of(idp, http))
        assert (claims["sub"], claims["groups"]) == ("alice", ["a", "b"])
        assert [len(idp.asked(each)) for each in ("discovery", "jwks", "token")] == [1, 1, 0]


async def test_a_claim_that_is_none_is_left_out_and_a_token_may_be_of_another_time(http):
    async with Idp().running() as idp:
        keys = await jwks_of(idp, http)
        with pytest.raises(jwt.MissingRequiredClaimError):
            verified(idp, idp.mint("alice", aud=None), keys)
        with pytest.raises(jwt.ExpiredSignatureError):
            verified(idp, idp.mint("alice", now=time.time() - 400), keys)
        with pytest.raises(jwt.ImmatureSignatureError):
            verified(idp, idp.mint("alice", now=time.time() + 400), keys)


async def test_tokens_that_nobody_may_accept_are_wrong_in_one_way_only(http):
    async with Idp().running() as idp:
        keys = await jwks_of(idp, http)
        kid = idp.keys[0].kid
        for forged in (
            unsigned(idp.claims("eve"), kid=kid),
            hmac_signed(idp.keys[0].public_pem, idp.claims("eve"), kid=kid),
            tampered(idp.mint("alice"), sub="eve"),
            idp.mint("eve", key=Key(kid, number=9)),
        ):
            with pytest.raises((jwt.InvalidSignatureError, jwt.InvalidAlgorithmError)):
                verified(idp, forged, keys)
            seen = jwt.decode(forged, options={"verify_signature": False})
            assert (seen["sub"], seen["iss"], seen["aud"]) == ("eve", idp.issuer, "vmcp")


async def test_after_a_rotation_the_old_key_is_there_only_if_it_is_kept(http):
    async with Idp().running() as idp:
        old = idp.mint("alice")
        idp.rotate(keeps_old=True)
        keys = await jwks_of(idp, http)
        assert verified(idp, old, keys)["sub"] == verified(idp, idp.mint("alice"), keys)["sub"]
        idp.rotate()
        keys = await jwks_of(idp, http)
        assert len(keys["keys"]) == 1
        assert verified(idp, idp.mint("bob"), keys)["sub"] == "bob"


async def test_clients_log_in_by_basic_or_by_form_and_what_they_asked_is_kept(http):
    async with Idp(expires_in=60).running() as idp:
        form = {"grant_type": "client_credentials", "scope": "a b", "audience": "x"}
        basic = await http.post(idp.url("token"), data=form, auth=PROXY)
        posted = await http.post(idp.url("token"), data={**form, "client_id": "proxy", "client_secret": "proxy-secret"})
        wrong = await http.post(idp.url("token"), data=form, auth=("proxy", "wrong"))
        assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})
        assert basic.json()["access_token"] != posted.json()["access_token"]
        assert (basic.json()["expires_in"], basic.json()["token_type"]) == (60, "Bearer")
        seen = idp.requests(grant="client_credentials")
        assert [each.client.way for each in seen] == ["basic", "post", "basic"]
        assert {(each.client.id, each.form["scope"]) for each in seen} == {("proxy", "a b")}
        assert idp.known[basic.json()["access_token"]]["aud"] == "x"


async def test_introspection_tells_of_tokens_until_they_are_revoked_or_over(http):
    async with Idp().running() as idp:

        async def asked(token):
            return (await http.post(idp.url("introspect"), data={"token": token}, auth=PROXY)).json()

        for token in (idp.opaque("alice", groups="a b"), idp.mint("alice", groups="a b")):
            answer = await asked(token)
            assert (answer["active"], answer["sub"], answer["groups"]) == (True, "alice", "a b")
            idp.revoke(token)
            assert await asked(token) == {"active": False}
        assert await asked(idp.opaque("alice", now=time.time() - 400)) == {"active": False}
        assert await asked("never seen") == {"active": False}


async def test_a_users_token_is_exchanged_and_an_unknown_one_is_not(http):
    async with Idp().running() as idp:
        form = {
            "grant_type": EXCHANGE,
            "subject_token": idp.mint("alice"),
            "subject_token_type": ACCESS_TOKEN,
            "audience": "backend",
        }
        answer = (await http.post(idp.url("token"), data=form, auth=PROXY)).json()
        claims = idp.known[answer["access_token"]]
        assert (claims["sub"], claims["aud"], claims["client_id"]) == ("alice", "backend", "proxy")
        assert answer["issued_token_type"] == ACCESS_TOKEN
        refused = await http.post(idp.url("token"), data={**form, "subject_token": "x"}, auth=PROXY)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


async def test_an_identity_assertion_leads_from_one_provider_to_a_token_of_another(http):
    async with Idp(path="/company").running() as company, Idp(path="/tool", trusts=[company]).running() as tool:
        form = {
            "grant_type": EXCHANGE,
            "requested_token_type": ID_JAG,
            "subject_token": company.mint("alice"),
            "subject_token_type": ID_TOKEN,
            "audience": tool.issuer,
            "scope": "read",
        }
        refused = await http.post(company.url("token"), data={**form, "subject_token_type": ACCESS_TOKEN}, auth=PROXY)
        assert refused.json()["error"] == "invalid_request"
        first = (await http.post(company.url("token"), data=form, auth=PROXY)).json()
        assert (first["token_type"], first["issued_token_type"]) == ("N_A", ID_JAG)
        assert jwt.get_unverified_header(first["access_token"])["typ"] == "oauth-id-jag+jwt"
        form = {"grant_type": BEARER, "assertion": first["access_token"]}
        second = (await http.post(tool.url("token"), data=form, auth=PROXY)).json()
        assert tool.known[second["access_token"]]["sub"] == "alice"
        form = {"grant_type": BEARER, "assertion": company.mint("alice")}
        refused = await http.post(tool.url("token"), data=form, auth=PROXY)
        assert refused.json()["error"] == "invalid_grant", "its audience is somebody else"


async def test_an_endpoint_does_what_it_is_told_instead_and_is_counted_all_the_same(http):
    async with Idp().running() as idp:
        idp.acts["jwks"] = once(says(500), 2)
        assert [(await http.get(idp.url("jwks"))).status_code for _ in range(3)] == [500, 500, 200]
        idp.acts["jwks"] = says(200, b"<html>")
        assert (await http.get(idp.url("jwks"))).content == b"<html>"
        idp.acts["jwks"] = huge(1 << 20)
        answer = await http.get(idp.url("jwks"))
        assert len(answer.content) > 1 << 20
        assert json.loads(answer.content)["keys"] == []
        idp.acts["jwks"] = hang_up
        with pytest.raises(httpx2.TransportError):
            await http.get(idp.url("jwks"))
        idp.acts["token"] = oauth_error("invalid_grant")
        answer = await http.post(idp.url("token"), data={"grant_type": "client_credentials"}, auth=PROXY)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})
        assert (len(idp.asked("jwks")), len(idp.requests())) == (6, 1)


async def test_a_slow_endpoint_answers_when_it_is_let(http):
    async with Idp().running() as idp:
        let = asyncio.Event()
        idp.acts["jwks"] = slow(let)
        asking = asyncio.create_task(http.get(idp.url("jwks")))
        async with asyncio.timeout(20):
            while not idp.asked("jwks"):  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)
        assert not asking.done()
        let.set()
        assert (await asking).status_code == 200


async def test_discovery_may_name_another_issuer_or_lack_a_member(http):
    async with Idp(discovery={"issuer": "https://other.example", "jwks_uri": None}).running() as idp:
        document = (await http.get(f"{idp.issuer}/.well-known/openid-configuration")).json()
        assert document["issuer"] == "https://other.example"
        assert "jwks_uri" not in document
