"""What a strategy was shown goes no further than it was meant to, whatever a token endpoint gives for it (I-9)."""

import asyncio
import time

import pytest

from tests.proxy.auth.outgoing.helpers import bearer, caller, desk
from tests.support.idp import Idp, Key
from tests.support.idp.grants import ID_JAG, ID_JAG_TYP, TOKEN_TYPE
from vmcp_proxy.auth.incoming.oidc.claims import LEEWAY_SECONDS, read_claims
from vmcp_proxy.auth.incoming.oidc.token_cache import Known
from vmcp_proxy.auth.outgoing.errors import OutgoingAuthError
from vmcp_proxy.auth.outgoing.identity_assertion import IdentityAssertion
from vmcp_proxy.auth.outgoing.token_exchange import TokenExchange
from vmcp_proxy.auth.outgoing.tokens import TokenSource

pytestmark = pytest.mark.scenario("I-6", "I-9")

OWN = "gives back the very token that it was shown"
NO_ASSERTION = "something else than an identity assertion"
OTHER_AUDIENCE = "for another audience than was asked for"


def asserting(at, server):
    exchange = TokenExchange(at.endpoint(), server.issuer, subject_type=f"{TOKEN_TYPE}id_token", requested_type=ID_JAG)
    return TokenSource("one", IdentityAssertion(exchange, at.endpoint(server)), at.tasks)


async def test_a_caller_s_own_token_that_an_exchange_gives_back_goes_to_no_backend(monkeypatch):
    async with desk(monkeypatch) as at:
        alice = caller(at.idp)
        at.idp.answers = {"access_token": alice.token.reveal().decode()}
        with pytest.raises(OutgoingAuthError, match=OWN):
            await at.token_exchange(audience="files").slot_for(alice).fetch()


async def test_what_was_shown_to_the_backends_server_does_not_go_on_to_the_backend(monkeypatch):
    server = Idp()
    async with desk(monkeypatch) as at, server.running():
        server.trusts = [at.idp]
        alice = caller(at.idp)
        own, assertion = alice.token.reveal().decode(), Key().sign(at.idp.claims("alice", aud=server.issuer))
        at.idp.answers = {"access_token": assertion}
        for given in (own, assertion):
            server.answers = {"access_token": given}
            with pytest.raises(OutgoingAuthError, match=OWN):
                await asserting(at, server).slot_for(alice).fetch()


@pytest.mark.parametrize(
    ("given", "kind", "typ", "said"),
    [
        ("opaque", None, None, NO_ASSERTION),
        ("jwt", None, "at+jwt", NO_ASSERTION),
        ("jwt", None, "JWT", NO_ASSERTION),
        ("jwt", f"{TOKEN_TYPE}jwt", ID_JAG_TYP, NO_ASSERTION),
        ("other audience", None, ID_JAG_TYP, OTHER_AUDIENCE),
        ("other audience", ID_JAG, ID_JAG_TYP, OTHER_AUDIENCE),
        ("no audience", ID_JAG, ID_JAG_TYP, OTHER_AUDIENCE),
    ],
)
async def test_what_is_no_assertion_for_the_backends_server_is_not_shown_to_it(monkeypatch, given, kind, typ, said):
    """A provider that knows nothing of assertions gives an access token, which would open more there."""
    server = Idp()
    async with desk(monkeypatch) as at, server.running():
        audience = {"other audience": "https://elsewhere.example", "no audience": None}.get(given, server.issuer)
        token = (
            "some-opaque-token"
            if given == "opaque"
            else at.idp.keys[0].sign(at.idp.claims("alice", aud=audience), typ=typ)
        )
        at.idp.answers = {"access_token": token, "issued_token_type": kind}
        with pytest.raises(OutgoingAuthError, match=said):
            await asserting(at, server).slot_for(caller(at.idp)).fetch()
        assert server.requests() == []


@pytest.mark.parametrize(
    ("kind", "audience", "typ"),
    [(ID_JAG, "{}", ID_JAG_TYP), (None, "{}", ID_JAG_TYP), (ID_JAG, "{}/", "JWT"), (ID_JAG, ["a", "{}"], ID_JAG_TYP)],
)
async def test_an_assertion_is_one_by_what_its_provider_says_or_else_by_its_type(monkeypatch, kind, audience, typ):
    server = Idp()
    async with desk(monkeypatch) as at, server.running():
        server.trusts = [at.idp]
        named = [each.format(server.issuer) for each in ([audience] if isinstance(audience, str) else audience)]
        token = at.idp.keys[0].sign(at.idp.claims("alice", aud=[*named, server.issuer]), typ=typ)
        at.idp.answers = {"access_token": token, "issued_token_type": kind}
        assert bearer(await asserting(at, server).slot_for(caller(at.idp)).fetch()) in server.known


async def test_an_assertion_that_is_encrypted_for_the_backends_server_is_shown_to_it(monkeypatch):
    server = Idp()
    async with desk(monkeypatch, answers={"access_token": "a.b.c.d.e"}) as at, server.running():
        with pytest.raises(OutgoingAuthError, match="refuses with invalid_grant"):
            await asserting(at, server).slot_for(caller(at.idp)).fetch()
        assert [each.form["assertion"] for each in server.requests()] == ["a.b.c.d.e"]


async def test_what_was_got_for_a_callers_token_is_used_no_longer_than_that_lets_in(monkeypatch):
    """Once, and not twice, the leeway that it has at the door."""
    async with desk(monkeypatch, expires_in=3600) as at:
        token = at.idp.mint("alice", lifetime=100)
        alice = Known(read_claims(at.idp.known[token], time.time() + 100)).identity(at.idp.issuer, token.encode())
        grant = await at.token_exchange().slot_for(alice).fetch()
        assert grant.expires_at - asyncio.get_running_loop().time() <= 100 + LEEWAY_SECONDS
