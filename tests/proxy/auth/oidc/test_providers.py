"""The tokens of providers as they are documented, and settings of docs/how-to/identity-providers.md that fit them."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.proxy.auth.oidc.helpers import door
from tests.support.idp import Idp
from tests.support.plain_http import http_client

ENTRA_APP = "11111111-2222-3333-4444-555555555555"


MEMBER = "engineering"


@dataclass(frozen=True)
class Provider:
    """What is special about one: the path of its issuer, what its tokens say, what is configured for it.

    `group_claim` is where its groups are; `without_groups` are the claims of who is in none that counts.
    """

    path: str
    claims: dict[str, Any]
    group_claim: str
    without_groups: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)


PROVIDERS = {
    "keycloak": Provider(
        "/realms/company",
        {"aud": ["vmcp", "account"], "azp": "agent", "scope": "openid profile email", "groups": [MEMBER, "staff"]},
        "groups",
        {"groups": ["staff"]},
    ),
    "keycloak's roles": Provider(
        "/realms/company",
        {"aud": "vmcp", "typ": "Bearer", "realm_access": {"roles": [MEMBER, "reader"]}},
        "realm_access.roles",
        {"realm_access": {"roles": ["reader"]}},
    ),
    "entra v2": Provider(
        "/tenant/v2.0",
        {"aud": ENTRA_APP, "azp": "agent", "scp": "mcp.use", "ver": "2.0", "groups": [MEMBER]},
        "groups",
        {"groups": None, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}},
        {"audience": ENTRA_APP, "scopes": ["https://mcp.example.com/mcp/mcp.use"]},
    ),
    "entra v1": Provider(
        "/tenant/",
        {"aud": f"api://{ENTRA_APP}", "appid": "agent", "scp": "mcp.read mcp.use", "ver": "1.0", "roles": [MEMBER]},
        "roles",
        {"roles": None},
        {"audience": f"api://{ENTRA_APP}", "scopes": [f"api://{ENTRA_APP}/mcp.use"]},
    ),
    "okta": Provider(
        "/oauth2/default",
        {"aud": "api://default", "cid": "agent", "scp": ["openid", "mcp"], "ver": 1, "groups": ["Everyone", MEMBER]},
        "groups",
        {"groups": ["Everyone"]},
        {"audience": "api://default", "scopes": ["openid"]},
    ),
    "auth0": Provider(
        "/",
        {
            "aud": ["https://mcp.example.com/mcp", "https://t.example/userinfo"],
            "scope": "openid mcp:use",
            "https://mcp.example.com/groups": [MEMBER],
        },
        "https://mcp.example.com/groups",
        {"https://mcp.example.com/groups": [], "groups": [MEMBER]},
        {"audience": "https://mcp.example.com/mcp", "scopes": ["mcp:use"]},
    ),
    "authentik": Provider(
        "/application/o/vmcp/",
        {"aud": "client", "azp": "client", "acr": "goauthentik.io/providers/oauth2/default", "groups": [MEMBER]},
        "groups",
        {"groups": []},
        {"audience": "client"},
    ),
    "google": Provider(
        "",
        {"aud": "c.apps.example", "azp": "c.apps.example", "email_verified": True, "hd": MEMBER},
        "hd",
        {"hd": None},
        {"audience": "c.apps.example"},
    ),
    "text of one group": Provider("", {"groups": MEMBER}, "groups", {"groups": f"staff,{MEMBER} sales"}),
}


@pytest.mark.scenario("I-1", "I-5", "Z-1")
@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_token_of_each_provider_and_its_groups_count_by_the_settings_written_for_it(both_eras, name):
    provider = PROVIDERS[name]
    policy = f'permit(principal in Group::"{MEMBER}", action, resource);'
    authorization = {"policies": [policy], "groupClaims": [provider.group_claim]}
    async with (
        Idp(path=provider.path).running() as idp,
        door(idp, config={"authorization": authorization}, **provider.settings) as it,
    ):
        assert await it.status_of(idp.mint("eve", **{**provider.claims, "aud": "graph"})) == 401
        for more, seen in (({}, ["one_echo"]), (provider.without_groups, [])):
            async with it.bearing(idp.mint("alice", **{**provider.claims, **more})) as client:
                await client.open()
                assert await client.names() == seen


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
async def test_a_scope_is_held_by_its_last_part_only_where_it_is_written_like_a_uri(both_eras, required, held):
    async with Idp().running() as idp, door(idp, scopes=[required]) as it:
        assert await it.status_of(idp.mint("alice", scope=held)) == 403
        assert await it.status_of(idp.mint("alice", scp=[held])) == 403
        assert await it.status_of(idp.mint("alice", scope=required)) == 200


@pytest.mark.scenario("I-2")
@pytest.mark.parametrize(("scopes", "told"), [([], ["openid"]), (["a", "b"], ["a", "b"])])
async def test_clients_are_told_which_scopes_to_ask_for_and_one_at_least(both_eras, scopes, told):
    async with Idp().running() as idp, door(idp, scopes=scopes) as it, http_client() as http:
        where = it.world.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        document = (await http.get(where)).json()
        assert document["scopes_supported"] == told
        assert document["authorization_servers"] == [idp.issuer]
