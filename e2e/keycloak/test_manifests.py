"""Manifests as users write them, before a real Keycloak: callers, policies and a backend in one."""

import json

import pytest

from e2e.keycloak.backends import Checking, said
from e2e.keycloak.gateways import bearer
from tests.contract.test_secrecy import rendered
from tests.support.scene import Scene
from tests.support.scripted_backend import ScriptedBackend, tool
from tests.support.serving import running
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.settings import Settings

MANIFESTS = """
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPServer
metadata: {{name: v, namespace: default}}
spec:
  groupRef: {{name: g}}
  incomingAuth:
    type: oidc
    oidcConfigRef: {{name: keycloak, audience: vmcp}}
    authzConfigRef: {{name: company}}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPGroup
metadata: {{name: g, namespace: default}}
spec: {{}}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPOIDCConfig
metadata: {{name: keycloak, namespace: default}}
spec:
  type: inline
  inline: {{issuer: "{issuer}"}}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPAuthzConfig
metadata: {{name: company, namespace: default}}
spec:
  groupClaims: [groups, realm_access.roles]
  config:
    policies:
      - |
        @id("engineers-order")
        permit (principal in Group::"engineering", action, resource in Backend::"orders");
      - |
        @id("readers-read")
        permit (principal in Group::"reader", action, resource == Tool::"wiki_read");
      - |
        @id("sellers-read")
        permit (principal in Group::"sales", action, resource in Backend::"wiki");
---
apiVersion: vmcp.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {{name: exchange, namespace: default}}
spec:
  type: tokenExchange
  tokenExchange:
    tokenUrl: {token_url}
    clientId: vmcp
    clientSecretRef: {{name: keycloak, key: vmcp}}
    audience: orders
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: orders, namespace: default}}
spec:
  remoteUrl: http://127.0.0.1:{orders}/mcp
  transport: streamable-http
  groupRef: {{name: g}}
  externalAuthConfigRef: {{name: exchange}}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: wiki, namespace: default}}
spec:
  remoteUrl: http://127.0.0.1:{wiki}/mcp
  transport: streamable-http
  groupRef: {{name: g}}
---
apiVersion: v1
kind: Secret
metadata: {{name: keycloak, namespace: default}}
stringData: {{vmcp: vmcp-secret}}
"""


async def denied(client, name):
    """Whether a call answers as one of what does not exist."""
    params = {"name": name, "arguments": {}}
    answer = await client.post({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params})
    return (answer.status_code, json.loads(answer.content)["error"]["code"]) == (200, 403)


@pytest.mark.scenario("Z-1", "I-6", "C-7")
async def test_one_file_says_who_comes_in_what_they_may_do_and_what_backends_are_shown(realm):
    orders, wiki = Checking(realm=realm), ScriptedBackend(tools=[tool("read"), tool("write")])
    settings = Settings(port=0, admin_port=0, handles_signals=False)
    async with orders.running(), wiki.running():
        text = MANIFESTS.format(issuer=realm.issuer, token_url=realm.token_url, orders=orders.port, wiki=wiki.port)
        found = rendered(text)
        async with running(Loaded(found.config, found.secrets), settings=settings) as proxy:
            world = Scene(proxy, {})
            tokens = {name: realm.token(name) for name in ("alice", "bob")}
            async with (
                world.session(**bearer(tokens["alice"])) as alice,
                world.session(**bearer(tokens["bob"])) as bob,
            ):
                assert await alice.names() == ["orders_echo", "wiki_read"]
                assert await bob.names() == ["wiki_read", "wiki_write"]
                assert said(await alice.call("orders_echo")) == "hello alice"
                assert await denied(bob, "orders_echo")
                assert await denied(alice, "wiki_write")
                assert (await bob.call("wiki_write"))["content"]
            assert all(claims["sub"] and claims["azp"] == "vmcp" for claims in orders.served)
            assert {heard.headers.get("authorization") for heard in wiki.heard} == {None}
