"""What each strategy asks of a token endpoint, and what it gives for it."""

import jwt
import pytest

from tests.proxy.auth.outgoing.helpers import bearer, caller, desk
from tests.support.idp import Idp, once, says
from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.outgoing.errors import NoUserError, OutgoingAuthError
from vmcp_proxy.auth.outgoing.fixed import FixedHeader
from vmcp_proxy.auth.outgoing.identity_assertion import IdentityAssertion
from vmcp_proxy.auth.outgoing.token_exchange import TokenExchange
from vmcp_proxy.auth.outgoing.tokens import TokenSource

CANARY = "canary-71c2"
TYPE = "urn:ietf:params:oauth:token-type:"


@pytest.mark.scenario("I-6")
async def test_client_credentials_get_a_token_for_the_endpoint_itself(monkeypatch):
    async with desk(monkeypatch) as at:
        source = at.client_credentials(scopes=("read", "write"), audience="files", resource="https://files/mcp")
        token = bearer(await source.slot_for(None).fetch())
        (asked,) = at.idp.requests()
    assert at.idp.known[token]["sub"] == "proxy"
    assert asked.form == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "audience": "files",
        "resource": "https://files/mcp",
    }
    assert (asked.client.way, asked.client.id, asked.client.secret) == ("basic", "proxy", "proxy-secret")


@pytest.mark.scenario("I-6")
async def test_what_is_not_set_is_not_asked_for(monkeypatch):
    async with desk(monkeypatch) as at:
        await at.client_credentials().slot_for(None).fetch()
        assert [each.form for each in at.idp.requests()] == [{"grant_type": "client_credentials"}]


@pytest.mark.scenario("I-6")
async def test_a_token_exchange_gives_the_callers_token_for_another_of_the_same_user(monkeypatch):
    async with desk(monkeypatch) as at:
        alice = caller(at.idp)
        grant = await at.token_exchange(audience="files", scopes=("read",)).slot_for(alice).fetch()
        (asked,) = at.idp.requests(grant="token-exchange")
    token = bearer(grant)
    assert at.idp.known[token]["sub"] == "alice"
    assert token != alice.token.reveal().decode()
    assert asked.form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": alice.token.reveal().decode(),
        "subject_token_type": f"{TYPE}access_token",
        "requested_token_type": f"{TYPE}access_token",
        "audience": "files",
        "scope": "read",
    }


@pytest.mark.scenario("I-6")
async def test_a_token_exchange_may_name_the_callers_token_otherwise_and_put_the_new_one_elsewhere(monkeypatch):
    async with desk(monkeypatch) as at:
        issuer = TokenExchange(at.endpoint(), subject_type=f"{TYPE}id_token")
        grant = await TokenSource("one", issuer, at.tasks, "X-Upstream-Token").slot_for(caller(at.idp)).fetch()
        assert at.idp.requests()[0].form["subject_token_type"] == f"{TYPE}id_token"
    ((name, value),) = grant.header.headers
    assert name == "X-Upstream-Token"
    assert value.startswith(b"Bearer opaque-")


@pytest.mark.scenario("I-6")
@pytest.mark.parametrize("secret", [None, "proxy-secret"])
async def test_a_client_without_a_secret_or_without_a_name_shows_none(monkeypatch, secret):
    async with desk(monkeypatch, clients={"proxy": "", "": ""}) as at:
        for client in ("proxy", None):
            issuer = TokenExchange(at.endpoint(client=client, secret=None))
            await TokenSource("one", issuer, at.tasks).slot_for(caller(at.idp)).fetch()
        assert [(each.client.way, each.client.id) for each in at.idp.requests()] == [("none", "proxy"), ("none", "")]


async def test_a_caller_without_a_token_is_told_that_a_user_is_needed(monkeypatch):
    async with desk(monkeypatch) as at:
        with pytest.raises(OutgoingAuthError, match="on behalf of a user"):
            await at.token_exchange().slot_for(None).fetch()
        assert at.idp.requests() == []
    assert NoUserError().is_dead


@pytest.mark.scenario("I-6", "I-10")
async def test_an_identity_assertion_is_got_at_the_callers_provider_and_shown_to_the_backends_server(monkeypatch):
    server = Idp(clients={"at-server": "server-secret"}, audience="mcp")
    async with desk(monkeypatch) as at, server.running():
        server.trusts = [at.idp]
        exchange = TokenExchange(
            at.endpoint(),
            audience=server.issuer,
            resource="https://mcp.example.com",
            scopes=("read",),
            subject_type=f"{TYPE}id_token",
            requested_type=f"{TYPE}id-jag",
        )
        issuer = IdentityAssertion(exchange, at.endpoint(server, "at-server", "server-secret"))
        alice = caller(at.idp)
        token = bearer(await TokenSource("one", issuer, at.tasks).slot_for(alice).fetch())
        (first,), (second,) = at.idp.requests(), server.requests()
    assert server.known[token]["sub"] == "alice"
    assert first.form["requested_token_type"] == f"{TYPE}id-jag"
    assert (first.form["audience"], first.form["resource"]) == (server.issuer, "https://mcp.example.com")
    assert second.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert (second.client.id, second.client.secret) == ("at-server", "server-secret")
    assert second.form["scope"] == "read"
    assertion = second.form["assertion"]
    assert jwt.get_unverified_header(assertion)["typ"] == "oauth-id-jag+jwt"
    assert alice.token.reveal().decode() not in str(second.form)


@pytest.mark.scenario("I-10")
async def test_what_is_no_identity_assertion_is_not_shown_to_the_backends_server(monkeypatch):
    server = Idp(clients={"proxy": "proxy-secret"})
    async with desk(monkeypatch, answers={"issued_token_type": f"{TYPE}access_token"}) as at, server.running():
        exchange = TokenExchange(
            at.endpoint(),
            audience=server.issuer,
            subject_type=f"{TYPE}id_token",
            requested_type=f"{TYPE}id-jag",
        )
        source = TokenSource("one", IdentityAssertion(exchange, at.endpoint(server)), at.tasks)
        with pytest.raises(OutgoingAuthError, match="something else than an identity assertion"):
            await source.slot_for(caller(at.idp)).fetch()
        assert server.requests() == []


@pytest.mark.scenario("I-6")
async def test_a_server_that_takes_the_clients_secret_in_the_body_only_gets_it_there_and_is_not_asked_twice(
    monkeypatch,
):
    """Some providers refuse a client in `Authorization` whom they know (RFC 6749 section 2.3.1 would have it)."""
    async with desk(monkeypatch) as at:
        at.idp.acts["token"] = once(says(401, {"error": "invalid_client"}))
        source = at.client_credentials()
        first = await source.slot_for(None).fetch()
        slot = source.slot_for(None)
        assert slot.refused(first)
        await slot.fetch(first)
        assert [each.client.way for each in at.idp.requests()] == ["basic", "post", "post"]


async def test_names_and_secrets_with_any_characters_arrive_as_they_are(monkeypatch):
    name, secret = "a:b c+ü%", 's/"e=&:\u20ac'
    async with desk(monkeypatch, clients={name: secret}) as at:
        endpoint = at.endpoint(client=name, secret=secret)
        await endpoint.ask((("grant_type", "client_credentials"),))
        at.idp.acts["token"] = once(says(401, {"error": "invalid_client"}))
        await at.endpoint(client=name, secret=secret).ask((("grant_type", "client_credentials"),))
        assert [each.client.way for each in at.idp.requests()] == ["basic", "basic", "post"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [("t0ken", "t0ken"), ("Bearer t0ken", "t0ken"), ("bearer  t0ken", "t0ken"), ("Bearert", "Bearert")],
)
def test_a_bearer_token_is_one_with_or_without_its_scheme(written, sent):
    header = FixedHeader.bearer(SecretBytes(written.encode()))
    assert header.headers == (("Authorization", b"Bearer " + sent.encode()),)


@pytest.mark.scenario("H-7")
async def test_nothing_shows_a_secret_or_a_token(monkeypatch):
    async with desk(monkeypatch, clients={"proxy": CANARY}) as at:
        endpoint = at.endpoint(secret=CANARY)
        at.idp.answers = {"access_token": CANARY}
        issuer = TokenExchange(endpoint)
        source = TokenSource("one", issuer, at.tasks)
        alice = caller(at.idp)
        slot = source.slot_for(alice)
        grant = await slot.fetch()
        shown = [repr(each) for each in (endpoint, issuer, source, slot, grant, grant.header, alice)]
    assert bearer(grant) == CANARY
    for each in shown:
        assert CANARY not in each
        assert alice.token.reveal().decode() not in each
