"""Each backend is shown exactly its credential, and a caller's own token reaches none."""

import pytest

from e2e.support.clients import connected, shown_headers, tool_names, until
from e2e.support.identity import bearer, provider
from e2e.support.kube import backend, condition
from e2e.support.manifests import external_auth, group, oidc_config, secret, server, vmcp

ONE = "virtualmcpserver/one"
BACKENDS = ("static", "own", "exchanged", "key", "plain")
STATIC = "a-token-of-the-proxy-itself"


@pytest.fixture(scope="module")
def idp(cluster):
    with provider(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def endpoint(kube, idp):
    """One backend for each strategy, and one that is shown nothing."""
    client = {"clientId": "proxy", "clientSecretRef": {"name": "credentials", "key": "client-secret"}}
    token = {"tokenUrl": idp.url("token"), **client}
    kube.apply(secret("credentials", **{"client-secret": idp.clients["proxy"], "token": STATIC}))
    kube.apply(
        oidc_config("idp", idp.issuer),
        external_auth("static", "bearerToken", tokenSecretRef={"name": "credentials", "key": "token"}),
        external_auth("own", "clientCredentials", audience="own-backend", **token),
        external_auth("exchanged", "tokenExchange", audience="exchanged-backend", **token),
        external_auth(
            "key", "headerInjection", headerName="X-Key", valueSecretRef={"name": "credentials", "key": "token"}
        ),
        group(),
        *(
            server(name, "headers", externalAuthConfigRef={"name": name})
            for name in ("static", "own", "exchanged", "key")
        ),
        server("plain", "headers"),
    )
    kube.apply(vmcp("one", incomingAuth=incoming(idp)))
    ready = kube.until_phase(ONE, "Ready")
    assert condition(ready, "AuthConfigured")["status"] == "True"
    return ready


@pytest.mark.scenario("I-6")
async def test_each_backend_gets_exactly_its_credential_and_none_the_callers_token(endpoint, idp):
    tokens = {who: idp.mint(who, lifetime=3600) for who in ("alice", "bob")}
    for who, token in tokens.items():
        async with connected(endpoint["status"]["url"], bearer(token)) as (client, _):

            async def sees_all(client=client):
                return len(await tool_names(client)) == 2 * len(BACKENDS)

            await until(sees_all)
            shown = {name: await shown_headers(client, f"{name}_show_headers") for name in BACKENDS}
        assert all(secret_part(each) not in text(headers) for headers in shown.values() for each in tokens.values())
        assert shown["static"]["authorization"] == f"Bearer {STATIC}"
        assert (shown["key"].get("authorization"), shown["key"]["x-key"]) == (None, STATIC)
        assert "authorization" not in shown["plain"]
        own, exchanged = (idp.known[bearer_of(shown[name])] for name in ("own", "exchanged"))
        assert (own["sub"], own["aud"]) == ("proxy", "own-backend")
        assert (exchanged["sub"], exchanged["aud"]) == (who, "exchanged-backend")
    subjects = [request.form["subject_token"] for request in idp.requests(grant="token-exchange")]
    assert set(subjects) == set(tokens.values())


def test_the_status_says_how_each_backend_is_authenticated_to(endpoint):
    types = {each["name"]: each.get("authType") for each in endpoint["status"]["backends"]}
    assert types == {
        "static": "bearerToken",
        "own": "clientCredentials",
        "exchanged": "tokenExchange",
        "key": "headerInjection",
        "plain": None,
    }


@pytest.mark.scenario("I-8")
async def test_a_backend_whose_auth_is_missing_is_withheld_and_named_and_its_coming_is_all_it_takes(
    kube, endpoint, idp
):
    kube.apply(server("late", "headers", externalAuthConfigRef={"name": "late"}))
    degraded = kube.until(ONE, lambda live: backend(live, "late").get("reason") == "ExternalAuthConfigNotFound")
    assert degraded["status"]["phase"] == "Degraded"
    assert condition(degraded, "AuthConfigured")["reason"] == "ExternalAuthConfigNotFound"
    headers = bearer(idp.mint("alice"))
    async with connected(degraded["status"]["url"], headers) as (client, _):
        assert "plain_show_headers" in await tool_names(client)
        assert "late_show_headers" not in await tool_names(client)
    ref = {"name": "credentials", "key": "token"}
    kube.apply(external_auth("late", "headerInjection", headerName="X-Key", valueSecretRef=ref))
    # Ready alone may still be said of the former config, in which the backend has not had its time.
    ready = kube.until(ONE, lambda live: live["status"]["phase"] == "Ready" and backend(live, "late").get("tools"))
    assert backend(ready, "late")["authType"] == "headerInjection"
    async with connected(ready["status"]["url"], headers) as (client, _):
        assert (await shown_headers(client, "late_show_headers"))["x-key"] == STATIC


@pytest.mark.scenario("I-9")
async def test_an_edit_of_a_shared_strategy_leads_no_token_to_a_host_that_the_endpoint_does_not_name(
    kube, endpoint, idp
):
    elsewhere = "http://192.0.2.7:18499"
    client = {"clientId": "proxy", "clientSecretRef": {"name": "credentials", "key": "client-secret"}}
    kube.apply(
        external_auth("exchanged", "tokenExchange", audience="exchanged-backend", tokenUrl=f"{elsewhere}/t", **client)
    )
    withheld = kube.until(ONE, lambda live: backend(live, "exchanged").get("reason") == "TokenHostNotAllowed")
    assert f"add {elsewhere} to that list" in backend(withheld, "exchanged")["message"]
    assert condition(withheld, "AuthConfigured")["reason"] == "TokenHostNotAllowed"
    async with connected(endpoint["status"]["url"], bearer(idp.mint("alice"))) as (near, _):

        async def is_withheld():
            names = await tool_names(near)
            return "plain_show_headers" in names and "exchanged_show_headers" not in names

        await until(is_withheld)
    kube.apply(vmcp("one", incomingAuth=incoming(idp), outgoingAuth={"allowedTokenHosts": [elsewhere]}))
    # The last test of the module: what flaps is told of its recovery a few times in two minutes only.
    kube.until(ONE, lambda live: "reason" not in backend(live, "exchanged"))


def incoming(idp):
    return {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": idp.audience}}


def bearer_of(headers):
    return headers["authorization"].removeprefix("Bearer ")


def secret_part(token):
    """What nobody has who was not given the token: its signature."""
    return token.rpartition(".")[2]


def text(headers):
    return "\n".join(headers.values())
