"""The tokens of providers as they are documented, and settings of docs/how-to/identity-providers.md that fit them."""

from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.proxy.auth.oidc.helpers import door
from tests.support.idp import Idp

ENTRA_APP = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Provider:
    """What is special about one: the path of its issuer, what its tokens say, what is configured for it."""

    path: str
    claims: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)


PROVIDERS = {
    "keycloak": Provider(
        "/realms/company",
        {"aud": ["vmcp", "account"], "azp": "agent", "scope": "openid profile email", "typ": "Bearer"},
    ),
    "entra v2": Provider(
        "/tenant/v2.0",
        {"aud": ENTRA_APP, "azp": "agent", "scp": "mcp.use", "ver": "2.0"},
        {"audience": ENTRA_APP, "scopes": ["https://mcp.example.com/mcp/mcp.use"]},
    ),
    "entra v1": Provider(
        "/tenant/",
        {"aud": f"api://{ENTRA_APP}", "appid": "agent", "scp": "mcp.read mcp.use", "ver": "1.0"},
        {"audience": f"api://{ENTRA_APP}", "scopes": [f"api://{ENTRA_APP}/mcp.use"]},
    ),
    "okta": Provider(
        "/oauth2/default",
        {"aud": "api://default", "cid": "agent", "scp": ["openid", "mcp"], "ver": 1},
        {"audience": "api://default", "scopes": ["mcp"]},
    ),
    "auth0": Provider(
        "/",
        {"aud": ["https://mcp.example.com/mcp", "https://t.example/userinfo"], "scope": "openid mcp:use"},
        {"audience": "https://mcp.example.com/mcp", "scopes": ["mcp:use"]},
    ),
    "authentik": Provider("/application/o/vmcp/", {"aud": "client", "scope": "openid profile"}, {"audience": "client"}),
    "google": Provider(
        "", {"aud": "c.apps.example", "azp": "c", "hd": "company.example"}, {"audience": "c.apps.example"}
    ),
}


@pytest.mark.scenario("I-1", "I-5")
@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_token_of_each_provider_lets_its_bearer_in_by_the_settings_written_for_it(name):
    provider = PROVIDERS[name]
    async with Idp(path=provider.path).running() as idp, door(idp, **provider.settings) as it:
        assert await it.status_of(idp.mint("alice", **provider.claims)) == 200
        assert await it.status_of(idp.mint("alice", **{**provider.claims, "aud": "graph"})) == 401


@pytest.mark.scenario("I-5")
@pytest.mark.parametrize(
    ("required", "held"),
    [
        ("mcp.use", "mcp.read"),
        ("mcp.use", "https://mcp.example.com/mcp/mcp.use"),
        ("api://app/mcp.use", "mcp.use2"),
        ("api://app/mcp.use", "app"),
        ("api://app/", "api:"),
        ("mcp/use", "use"),
    ],
)
async def test_a_scope_is_held_by_its_last_part_only_where_it_is_written_like_a_uri(required, held):
    async with Idp().running() as idp, door(idp, scopes=[required]) as it:
        assert await it.status_of(idp.mint("alice", scope=held)) == 403
        assert await it.status_of(idp.mint("alice", scp=[held])) == 403
        assert await it.status_of(idp.mint("alice", scope=required)) == 200


@pytest.mark.scenario("I-2")
@pytest.mark.parametrize(("scopes", "told"), [([], ["openid"]), (["a", "b"], ["a", "b"])])
async def test_clients_are_told_which_scopes_to_ask_for_and_one_at_least(scopes, told):
    async with Idp().running() as idp, door(idp, scopes=scopes) as it, httpx2.AsyncClient(trust_env=False) as http:
        where = it.world.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        document = (await http.get(where)).json()
        assert document["scopes_supported"] == told
        assert document["authorization_servers"] == [idp.issuer]
