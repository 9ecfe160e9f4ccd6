"""Callers with a signed token: who is let in as whom, and who is not."""

import time

import pytest

from tests.proxy.auth.oidc.helpers import challenge_of, door
from tests.support.idp import Idp, Key, hmac_signed, tampered, unsigned
from vmcp_proxy.auth.incoming.oidc.flaw import Flaw, shown_time

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
OTHER = Key("key-9", number=9)

pytestmark = pytest.mark.usefixtures("both_eras")


@pytest.mark.scenario("I-1")
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_a_token_of_the_issuer_lets_its_bearer_in(alg):
    async with Idp(path="/realms/test", keys=[Key("k", alg)]).running() as idp, door(idp) as it:
        assert await it.status_of(idp.mint("alice")) == 200
        assert await it.status_of(idp.mint("alice", aud=["other", idp.audience])) == 200
        assert await it.status_of(idp.mint("alice", header={"typ": "at+jwt"})) == 200
        assert await it.status_of(tampered(idp.mint("alice"), sub="eve")) == 401


def wrong(idp):
    """Tokens that are each wrong in one way."""
    key = idp.keys[0]
    good = idp.claims("eve")
    return {
        "garbage": "x.y.z",
        "not base64": "ä",
        "blank inside": "a b",
        "two parts": "e30.e30",
        "head is no object": "W10.e30.c2ln",
        "head nests deeply": f"{'W1tb' * 4000}.e30.c2ln",
        "long": "a" * 20_000,
        "expired": idp.mint("eve", now=time.time() - 400),
        "not yet": idp.mint("eve", nbf=int(time.time()) + 100),
        "wrong audience": idp.mint("eve", aud="other"),
        "part of the audience": idp.mint("eve", aud=idp.audience[:-1]),
        "no audience": idp.mint("eve", aud=None),
        "wrong issuer": idp.mint("eve", iss="https://evil.example"),
        "issuer with a slash": idp.mint("eve", iss=f"{idp.issuer}/"),
        "no issuer": idp.mint("eve", iss=None),
        "no exp": idp.mint("eve", exp=None),
        "exp is text": idp.mint("eve", exp="soon"),
        "no sub": idp.mint("eve", sub=None),
        "empty sub": idp.mint("eve", sub=""),
        "sub is a number": key.sign({**good, "sub": "eve"} | {"sub": ["eve"]}),
        "unknown kid": idp.mint("eve", key=OTHER),
        "no kid": idp.mint("eve", key=Key(None, number=1)),
        "known kid, other key": idp.mint("eve", key=Key(key.kid, number=9)),
        "alg none": unsigned(good, kid=key.kid),
        "alg None": unsigned(good, kid=key.kid, alg="None"),
        "HS256 with the public key": hmac_signed(key.public_pem, good, kid=key.kid),
        "EdDSA": idp.mint("eve", key=Key(key.kid, "EdDSA")),
        "another algorithm than the key's": idp.mint("eve", key=Key(key.kid, "RS512", number=1)),
        "tampered": tampered(idp.mint("alice"), sub="eve"),
        "logout token": idp.mint("eve", header={"typ": "logout+jwt"}),
        "critical extension": idp.mint("eve", header={"crit": ["x"], "x": 1}),
    }


@pytest.mark.scenario("I-1")
async def test_every_wrong_token_gets_the_same_401_that_tells_nothing_of_why():
    async with door() as it:
        tokens = wrong(it.idp)
        answers = {
            name: await it.knock(None, authorization=f"Bearer {token}".encode()) for name, token in tokens.items()
        }
        assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(tokens, 401)
        assert len({answer.content for answer in answers.values()}) == 1
        assert len({answer.headers["www-authenticate"] for answer in answers.values()}) == 1
        (challenge, *_) = map(challenge_of, answers.values())
        assert challenge["error"] == "invalid_token"
        assert challenge["realm"] == "vmcp"
        assert challenge["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")


@pytest.mark.scenario("I-1")
@pytest.mark.parametrize("value", [None, "", "Basic YTpi", "Bearer", "DPoP x"])
async def test_who_shows_no_token_is_challenged_without_an_error(value):
    headers = {} if value is None else {"authorization": value}
    async with door(scopes=["mcp:tools", "mcp:read"]) as it:
        answer = await it.knock(None, **headers)
        assert answer.status_code == 401
        challenge = challenge_of(answer)
        assert challenge["scope"] == "mcp:tools mcp:read"
        assert ("error" in challenge) is (value == "Bearer")


@pytest.mark.scenario("I-1")
async def test_the_scheme_is_read_in_any_case_and_one_of_two_headers_is_not_chosen():
    async with door() as it:
        token = it.idp.mint("alice")
        for scheme in ("bearer", "BEARER", "Bearer", "bEaReR"):
            async with it.bearing(token, scheme) as client:
                await client.open()
        twice = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {it.idp.mint('eve')}")]
        async with it.world.client() as client:
            headers = [*twice, ("accept", "application/json, text/event-stream"), ("content-type", "application/json")]
            answer = await client._http.post(client.url, content=b"{}", headers=headers)
        assert answer.status_code == 400


@pytest.mark.scenario("I-1")
@pytest.mark.parametrize(("seconds", "status"), [(-30, 200), (-90, 401)])
async def test_clocks_may_be_a_minute_apart(seconds, status):
    async with door() as it:
        assert await it.status_of(it.idp.mint("alice", now=time.time() + seconds, lifetime=0)) == status
        ahead = {"iat": int(time.time()) - seconds, "nbf": int(time.time()) - seconds}
        assert await it.status_of(it.idp.mint("alice", **ahead)) == status


@pytest.mark.scenario("I-5")
@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "mcp:read mcp:tools other"},
        {"scope": ["mcp:tools", "mcp:read", 5]},
        {"scp": "mcp:tools mcp:read"},
        {"scp": ["mcp:read", "mcp:tools"]},
        {"scp": ["mcp:read"], "scope": "mcp:tools"},
    ],
)
async def test_scopes_are_read_as_text_and_as_array(claims):
    async with door(scopes=["mcp:tools", "mcp:read"]) as it:
        assert await it.status_of(it.idp.mint("alice", **claims)) == 200


@pytest.mark.scenario("I-5")
@pytest.mark.parametrize("claims", [{}, {"scope": "mcp:tools"}, {"scp": {"mcp:tools": 1, "mcp:read": 1}}, {"scope": 5}])
async def test_a_token_that_lacks_a_scope_gets_403_that_names_all_that_are_needed(claims, caplog):
    caplog.set_level("INFO", "vmcp.auth")
    async with door(scopes=["mcp:tools", "mcp:read"]) as it:
        answer = await it.knock(it.idp.mint("alice", **claims))
        assert answer.status_code == 403
        challenge = challenge_of(answer)
        assert (challenge["error"], challenge["scope"]) == ("insufficient_scope", "mcp:tools mcp:read")
        assert "needs (mcp:tools mcp:read); get one" in answer.json()["error"]["message"]
        assert challenge["resource_metadata"]
        assert await it.status_of(it.idp.mint("bob", **claims)) == 403
    (said,) = [record.vmcp_fields for record in caplog.records if record.getMessage() == "token refused"]
    assert (said["reason"].partition(":")[0], said["expected"]) == ("it lacks a scope", "mcp:tools mcp:read")
    assert said["came"] == (claims["scope"] if claims.get("scope") == "mcp:tools" else "")


@pytest.mark.scenario("I-1")
async def test_the_log_has_what_a_refused_token_says_of_its_time_and_which_claim_it_lacks(caplog):
    caplog.set_level("INFO", "vmcp.auth")
    async with door() as it:
        for claims in ({"exp": 1_000_000_000}, {"nbf": 4_000_000_000}, {"exp": None}):
            assert await it.status_of(it.idp.mint("alice", **claims)) == 401
    said = [vars(record)["vmcp_fields"] for record in caplog.records if record.getMessage() == "token refused"]
    assert {each["reason"]: each["came"] for each in said} == {
        Flaw.EXPIRED.value: "2001-09-09T01:46:40+00:00",
        Flaw.NOT_YET.value: "2096-10-02T07:06:40+00:00",
        Flaw.CLAIMS.value: "no exp",
    }


@pytest.mark.parametrize("seconds", [None, 1e30, -1e30, 1e18])
def test_a_time_that_no_calendar_has_is_not_shown(seconds):
    assert shown_time(seconds) == ""
