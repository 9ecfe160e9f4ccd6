"""Users of Keycloak at the endpoint: who comes in, and how a client logs in by itself."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from e2e.keycloak.gateways import bearer, oidc
from tests.support.raw_client import initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

REDIRECT = "http://127.0.0.1/callback"


def shop():
    return ScriptedBackend(tools=[tool("build"), tool("sell"), tool("list")])


@pytest.mark.scenario("I-1", "I-2")
async def test_who_has_no_token_for_the_endpoint_is_told_where_to_get_one(realm):
    async with scene({"shop": shop()}, incomingAuth=oidc(realm)) as world:
        for headers in ({}, bearer(realm.token("alice", "stranger")), bearer("not.a.token")):
            async with world.client(**headers) as client:
                answer = await client.post(initialize())
                assert answer.status_code == 401
                (metadata,) = re.findall(r'resource_metadata="([^"]+)"', answer.headers["www-authenticate"])
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            document = (await http.get(metadata)).raise_for_status().json()
            assert document["authorization_servers"] == [realm.issuer]
            assert document["resource"] == world.url
            found = await http.get(f"{realm.issuer}/.well-known/openid-configuration")
            assert found.json()["issuer"] == realm.issuer


@pytest.mark.scenario("I-5")
async def test_a_scope_that_is_asked_for_decides_with_what_a_user_comes_in(realm):
    async with scene({"shop": shop()}, incomingAuth=oidc(realm, scopes=["phone"])) as world:
        async with world.client(**bearer(realm.token("alice"))) as client:
            answer = await client.post(initialize())
            assert answer.status_code == 403
            challenge = answer.headers["www-authenticate"]
            assert 'error="insufficient_scope"' in challenge
            assert 'scope="phone"' in challenge
        async with world.session(**bearer(realm.token("alice", scope="phone"))) as client:
            assert len(await client.names()) == 3


class Browser:
    """A user at the login form of Keycloak, and what an SDK client keeps."""

    def __init__(self, user):
        self._user = user
        self._answer = ""
        self.info = OAuthClientInformationFull(
            client_id="agent", redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
        )
        self.tokens = None

    async def open(self, url):
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            page = (await http.get(url)).raise_for_status()
            (action,) = re.findall(r'<form[^>]*action="([^"]+)"', page.text)
            form = {"username": self._user, "password": f"{self._user}-password"}
            # Its cookies are for secure origins, which the loopback is to a browser, but not to this client.
            cookies = "; ".join(each.partition(";")[0] for each in page.headers.get_list("set-cookie"))
            done = await http.post(html.unescape(action), data=form, headers={"cookie": cookies})
            assert done.status_code == 302, done.text
            self._answer = done.headers["location"]

    async def answer(self):
        answer = parse_qs(urlsplit(self._answer).query)
        return AuthorizationCodeResult(code=answer["code"][0], state=answer["state"][0], iss=answer["iss"][0])

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.info

    async def set_client_info(self, client_info):
        self.info = client_info


@pytest.mark.scenario("I-2")
async def test_a_client_of_the_sdk_gets_from_a_refusal_through_the_login_to_a_call_by_itself(realm):
    browser = Browser("alice")
    async with scene({"shop": shop()}, incomingAuth=oidc(realm)) as world:
        wanted = OAuthClientMetadata(redirect_uris=[REDIRECT], token_endpoint_auth_method="none")
        login = OAuthClientProvider(world.url, wanted, browser, browser.open, browser.answer)
        async with (
            httpx2.AsyncClient(auth=login, trust_env=False, timeout=60) as http,
            Client(streamable_http_client(world.url, http_client=http)) as client,
        ):
            assert [each.name for each in (await client.list_tools()).tools] == ["shop_build", "shop_list", "shop_sell"]
            assert (await client.call_tool("shop_build", {})).content
    assert browser.tokens is not None
