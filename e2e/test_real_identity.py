"""Users of a real Keycloak at an endpoint of the cluster: what they see, and what backends are shown of them."""

import asyncio

import jwt
import pytest
from mcp import MCPError

from e2e.support.clients import call, connected, shown_headers, tool_names, until
from e2e.support.identity import bearer, real_provider
from e2e.support.kube import condition
from e2e.support.manifests import authz_config, external_auth, group, oidc_config, secret, server, vmcp

ONE = "virtualmcpserver/one"
ENGINEERS = 'permit(principal in Group::"engineering", action == Action::"call_tool", resource);'
ALL = 'permit(principal, action == Action::"call_tool", resource in Backend::"exchanged");'
SALES = 'permit(principal in Group::"sales", action == Action::"call_tool", resource == Tool::"notes_add");'
BACKENDS = {"exchanged": "tokenExchange", "own": "clientCredentials"}


@pytest.fixture(scope="module")
def realm(cluster, tmp_path_factory):
    with real_provider(cluster, tmp_path_factory.mktemp("keycloak")) as keycloak:
        yield keycloak.realm("cluster")


@pytest.fixture(scope="module")
def endpoint(kube, realm):
    """Callers are users of the realm; one backend gets a token of theirs for itself, one a token of the proxy."""
    client = {"clientId": "vmcp", "clientSecretRef": {"name": "keycloak", "key": "vmcp"}}
    token = {"tokenUrl": realm.token_url, **client}
    kube.apply(
        secret("keycloak", vmcp="vmcp-secret"),
        oidc_config("keycloak", realm.issuer),
        authz_config("policies", ENGINEERS, ALL),
        external_auth("exchanged", "tokenExchange", audience="orders", **token),
        external_auth("own", "clientCredentials", **token),
        group(),
        server("notes"),
        *(server(name, "headers", externalAuthConfigRef={"name": name}) for name in BACKENDS),
    )
    auth = {"oidcConfigRef": {"name": "keycloak", "audience": "vmcp"}, "authzConfigRef": {"name": "policies"}}
    kube.apply(vmcp("one", incomingAuth={"type": "oidc", **auth}))
    ready = kube.until_phase(ONE, "Ready")
    assert condition(ready, "AuthConfigured")["status"] == "True"
    return ready["status"]["url"]


@pytest.mark.scenario("Z-1")
async def test_two_users_see_and_call_different_tools_of_one_endpoint_at_the_same_time(endpoint, realm):
    async with (
        connected(endpoint, bearer(realm.token("alice"))) as (alice, _),
        connected(endpoint, bearer(realm.token("bob"))) as (bob, _),
    ):
        await until(lambda: sees(alice, {"notes", *BACKENDS}))
        await until(lambda: sees(bob, {"exchanged"}))
        for _ in range(3):
            seen = await asyncio.gather(tool_names(alice), tool_names(bob))
            assert {name.partition("_")[0] for name in seen[0]} == {"notes", *BACKENDS}
            assert seen[1] == ["exchanged_show_headers", "exchanged_whoami"]
        assert await call(alice, "notes_add", a=1, b=2) == "3"
        with pytest.raises(MCPError):
            await call(bob, "notes_add", a=1, b=2)


@pytest.mark.scenario("I-6")
async def test_a_backend_gets_a_token_for_itself_in_exchange_for_the_users_and_never_the_users(endpoint, realm):
    tokens = {user: realm.token(user) for user in ("alice", "bob")}
    for user, token in tokens.items():
        async with connected(endpoint, bearer(token)) as (client, _):
            shown = await shown_headers(client, "exchanged_show_headers")
        got = shown["authorization"].removeprefix("Bearer ")
        assert got not in tokens.values()
        claims = jwt.decode(got, options={"verify_signature": False})
        assert (claims["iss"], claims["azp"], claims["aud"]) == (realm.issuer, "vmcp", "orders")
        said = realm.introspected(got)
        assert (said["active"], said["username"]) == (True, user)
        assert token not in str(shown)


@pytest.mark.scenario("I-6")
async def test_a_backend_gets_a_token_of_the_proxy_itself(endpoint, realm):
    token = realm.token("alice")
    async with connected(endpoint, bearer(token)) as (client, _):
        shown = await shown_headers(client, "own_show_headers")
    said = realm.introspected(shown["authorization"].removeprefix("Bearer "))
    assert (said["active"], said["username"]) == (True, "service-account-vmcp")
    assert token not in str(shown)


@pytest.mark.scenario("Z-4", "K-6")
async def test_a_users_open_session_follows_an_edit_of_the_policies_of_the_users_group(kube, endpoint, realm):
    async with connected(endpoint, bearer(realm.token("bob"))) as (bob, _):
        before = await tool_names(bob)
        await asyncio.to_thread(kube.apply, authz_config("policies", ENGINEERS, ALL, SALES))

        async def sees_more():
            return await tool_names(bob) == [*before, "notes_add"]

        await until(sees_more)
        assert await call(bob, "notes_add", a=2, b=2) == "4"
        await asyncio.to_thread(kube.apply, authz_config("policies", ENGINEERS, ALL))

        async def sees_less():
            return await tool_names(bob) == before

        await until(sees_less)


async def sees(client, backends):
    return {name.partition("_")[0] for name in await tool_names(client)} == backends
