"""Opaque tokens whose claims Keycloak tells: its own are all signed, so a front gives them out by other names."""

import asyncio
import contextlib
from urllib.parse import parse_qsl, urlencode

import httpx2
import pytest

from e2e.keycloak.gateways import SECRETS, VMCP_SECRET, bearer, oidc
from tests.support.raw_client import initialize, until_status
from tests.support.raw_server import RawServer
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

BY_GROUP = """
permit(principal in Group::"engineering", action == Action::"call_tool", resource == Tool::"one_build");
"""


@contextlib.asynccontextmanager
async def opaque(realm, names):
    """An introspection endpoint in front of Keycloak's, as gateways have one that keep tokens from clients."""

    async def introspect(asked):
        form = [(key, names.get(value, value)) for key, value in parse_qsl(asked.body.decode())]
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if "authorization" in asked.headers:
            headers["authorization"] = asked.headers["authorization"].decode()
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            answer = await http.post(realm.introspection_url, content=urlencode(form), headers=headers)
        await asked.status(answer.status_code, answer.content, answer.headers["content-type"])

    async with RawServer(introspect).running() as server:
        yield f"http://127.0.0.1:{server.port}/introspect", server


@pytest.mark.scenario("I-4")
async def test_the_claims_of_an_opaque_token_count_and_it_is_refused_when_its_user_has_logged_out(realm):
    logins = {name: realm.login(name) for name in ("alice", "bob")}
    names = {f"opaque-{name}": login["access_token"] for name, login in logins.items()}
    backend = ScriptedBackend(tools=[tool("build"), tool("sell")])
    policies = {"policies": [BY_GROUP], "groupClaims": ["groups"]}
    async with opaque(realm, names) as (url, front):
        incoming = oidc(realm, introspectionUrl=url, clientId="vmcp", clientSecretRef=VMCP_SECRET)
        async with scene({"one": backend}, incomingAuth=incoming, authorization=policies, secrets=SECRETS) as world:
            async with world.session(**bearer("opaque-bob")) as bob:
                assert await bob.names() == []
            async with world.session(**bearer("opaque-alice")) as alice:
                assert await alice.names() == ["one_build"]
                assert (await alice.call("one_build"))["content"]
                assert len(front.asked) == 2, "asked once for each, then known for a while"
                await asyncio.to_thread(realm.logout, logins["alice"])
                ping = {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {}}
                await until_status(alice, ping, 401, 90)
            async with world.client(**bearer("opaque-nobody")) as nobody:
                assert (await nobody.post(initialize())).status_code == 401
