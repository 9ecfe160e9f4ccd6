"""Backends that ask Keycloak about the tokens which they are shown."""

import asyncio

import jwt
import pytest

from e2e.keycloak.backends import Checking, said
from e2e.keycloak.gateways import LOOPBACK, SECRETS, TOOL_SECRET, VMCP_SECRET, bearer, oidc
from tests.proxy.auth.oidc import helpers
from tests.support.idp import Idp
from tests.support.scene import scene


def outgoing(strategy, realm, **more):
    client = {"tokenUrl": realm.token_url, "clientId": "vmcp", "clientSecretRef": VMCP_SECRET, **LOOPBACK}
    return {"orders": {"outgoingAuth": {"type": strategy, strategy: {**client, **more}}}}


@pytest.mark.scenario("I-6")
async def test_a_backend_gets_a_token_of_the_gateway_itself(realm):
    backend = Checking(realm=realm)
    more = outgoing("clientCredentials", realm)
    tokens = [realm.token("alice"), realm.token("bob")]
    async with scene({"orders": backend}, more=more, incomingAuth=oidc(realm), secrets=SECRETS) as world:
        for token in tokens:
            async with world.session(**bearer(token)) as client:
                assert said(await client.call("orders_echo")) == "hello service-account-vmcp"
    assert {claims["azp"] for claims in backend.served} == {"vmcp"}
    assert not {heard.headers.get("authorization") for heard in backend.heard} & {f"Bearer {each}" for each in tokens}


@pytest.mark.scenario("I-6", "Z-1")
async def test_a_backend_gets_a_token_for_itself_that_is_the_callers(realm):
    backend = Checking(realm=realm)
    more = outgoing("tokenExchange", realm, audience="orders")
    tokens = [realm.token("alice"), realm.token("bob")]
    async with (
        scene({"orders": backend}, more=more, incomingAuth=oidc(realm), secrets=SECRETS) as world,
        world.session(**bearer(tokens[0])) as alice,
        world.session(**bearer(tokens[1])) as bob,
    ):
        for _ in range(2):
            assert said(await alice.call("orders_echo")) == "hello alice"
            assert said(await bob.call("orders_echo")) == "hello bob"
    shown = {heard.headers["authorization"] for heard in backend.calls("tools/call")}
    assert len(shown) == 2, "one exchange for each user"
    for each in shown:
        claims = jwt.decode(each.removeprefix("Bearer "), options={"verify_signature": False})
        assert (claims["azp"], claims["aud"]) == ("vmcp", "orders")
    assert not {heard.headers.get("authorization") for heard in backend.heard} & {f"Bearer {each}" for each in tokens}


@pytest.mark.scenario("I-7")
async def test_a_token_that_keycloak_has_revoked_is_exchanged_anew_once(realm):
    backend = Checking(realm=realm)
    more = outgoing("clientCredentials", realm)
    token = realm.token("alice")
    async with (
        scene({"orders": backend}, more=more, incomingAuth=oidc(realm), secrets=SECRETS) as world,
        world.session(**bearer(token)) as client,
    ):
        assert said(await client.call("orders_echo"))
        (before,) = {heard.headers["authorization"] for heard in backend.calls("tools/call")}
        await asyncio.to_thread(realm.revoke, before.removeprefix("Bearer "), "vmcp")
        assert said(await client.call("orders_echo")) == "hello service-account-vmcp"
    first, refused, fresh = [heard.headers["authorization"] for heard in backend.calls("tools/call")]
    assert first == refused != fresh


def tool_realm(company, subject):
    """A realm of another organisation that trusts a provider's assertions about who its users are."""
    provider = {
        "alias": "company",
        "providerId": "oidc",
        "enabled": True,
        "config": {
            "issuer": company.issuer,
            "authorizationUrl": f"{company.issuer}/authorize",
            "tokenUrl": company.url("token"),
            "jwksUrl": company.url("jwks"),
            "useJwksUrl": "true",
            "validateSignature": "true",
            "clientId": "unused",
            "clientSecret": "unused",
            "jwtAuthorizationGrantEnabled": "true",
        },
    }
    user = {
        "username": "alice-of-company",
        "enabled": True,
        "email": "alice@tool.example",
        "emailVerified": True,
        "firstName": "Alice",
        "lastName": "Guest",
        "federatedIdentities": [{"identityProvider": "company", "userId": subject, "userName": subject}],
    }
    client = {
        "clientId": "tool",
        "secret": "tool-secret",
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "attributes": {
            "oauth2.jwt.authorization.grant.enabled": "true",
            "oauth2.jwt.authorization.grant.idp": "company",
        },
        "protocolMappers": [
            {
                "name": "audience-tool",
                "protocol": "openid-connect",
                "protocolMapper": "oidc-audience-mapper",
                "config": {"included.client.audience": "tool", "access.token.claim": "true"},
            }
        ],
    }
    common = {"enabled": True, "sslRequired": "none"}
    return {**common, "identityProviders": [provider], "users": [user], "clients": [client]}


@pytest.mark.scenario("I-6", "I-10")
async def test_keycloak_as_the_server_of_a_backend_takes_the_assertion_of_another_provider(keycloak):
    """The other provider is the small one of the tests: this Keycloak takes identity assertions and makes none."""
    async with Idp(path="/company", clients={"tool": "tool-secret"}).running() as company:
        realm = keycloak.realm("tool", tool_realm(company, "alice"))
        backend = Checking(realm=realm, client="tool")
        client = {"clientId": "tool", "clientSecretRef": TOOL_SECRET, **LOOPBACK}
        settings = {
            **client,
            "tokenUrl": realm.token_url,
            "audience": realm.issuer,
            "idp": {**client, "tokenUrl": company.url("token")},
        }
        more = {"orders": {"outgoingAuth": {"type": "identityAssertion", "identityAssertion": settings}}}
        token = company.mint("alice")
        async with (
            scene({"orders": backend}, more=more, incomingAuth=helpers.oidc(company), secrets=SECRETS) as world,
            world.session(**bearer(token)) as alice,
        ):
            for _ in range(2):
                assert said(await alice.call("orders_echo")) == "hello alice-of-company"
        (request,) = company.requests(grant="token-exchange")
        assert request.form["subject_token"] == token
        assert {claims["iss"] for claims in backend.served} == {realm.issuer}
        shown = {heard.headers["authorization"] for heard in backend.calls("tools/call")}
        assert jwt.decode(shown.pop().removeprefix("Bearer "), options={"verify_signature": False})["azp"] == "tool"
        assert not shown, "one token for both calls"
