"""Tokens, policies and credentials for backends on one machine, all of it out of manifests."""

import pytest

from tests.proxy.cli.commands import endpoint, replace, serving, write
from tests.proxy.outgoing.helpers import Guarded
from tests.support.idp import Idp
from tests.support.raw_client import RawClient, until_code
from tests.support.scripted_backend import tool

ENGINEERS = '@id("engineers") permit (principal in Group::"eng", action, resource);'
READERS = '@id("readers") permit (principal, action, resource == Tool::"tickets_read");'


def resource(kind, name, **spec):
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def manifests(idp: Idp, backend: Guarded, *policies: str):
    """An endpoint whose provider and backend are on this machine."""
    exchange = {
        "tokenUrl": idp.url("token"),
        "clientId": "proxy",
        "clientSecretRef": {"name": "idp", "key": "secret"},
        "audience": "tickets",
    }
    incoming = {
        "type": "oidc",
        "oidcConfigRef": {"name": "idp", "audience": "vmcp"},
        "authzConfig": {"configMap": {"name": "policies", "key": "policies.cedar"}},
    }
    entry = {
        "remoteUrl": f"http://127.0.0.1:{backend.port}/mcp",
        "transport": "streamable-http",
        "groupRef": {"name": "g"},
        "externalAuthConfigRef": {"name": "exchange"},
    }
    return (
        *endpoint(incomingAuth=incoming),
        resource("MCPOIDCConfig", "idp", type="inline", inline={"issuer": idp.issuer}),
        resource("MCPExternalAuthConfig", "exchange", type="tokenExchange", tokenExchange=exchange),
        resource("MCPServerEntry", "tickets", **entry),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "idp"}, "stringData": {"secret": "proxy-secret"}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "policies"},
            "data": {"policies.cedar": "\n".join(policies)},
        },
    )


def bearing(url: str, token: str) -> RawClient:
    return RawClient(url, {"authorization": f"Bearer {token}"})


@pytest.mark.scenario("D-2", "Z-1", "Z-4", "I-6")
async def test_tokens_policies_and_exchanged_tokens_work_out_of_files_and_follow_their_edits(tmp_path):
    idp, backend = Idp(), Guarded(tools=[tool("read"), tool("write")])
    file = tmp_path / "v.yaml"
    async with idp.running(), backend.running():
        write(file, *manifests(idp, backend, ENGINEERS, READERS))
        async with serving("-f", str(file)) as served:
            url = await served.url()
            async with RawClient(url) as nobody:
                assert (await nobody.post({})).status_code == 401
            alice, bob = idp.mint("alice", groups=["eng"]), idp.mint("bob")
            async with bearing(url, alice) as engineer, bearing(url, bob) as reader:
                await engineer.open()
                await reader.open()
                assert sorted(await engineer.names()) == ["tickets_read", "tickets_write"]
                assert await reader.names() == ["tickets_read"]
                await engineer.call("tickets_write")
                shown = backend.shown("authorization", "tools/call")
                assert all(idp.known[each.removeprefix("Bearer ")]["aud"] == "tickets" for each in shown)
                assert not {f"Bearer {alice}", f"Bearer {bob}"} & backend.shown("authorization")

                replace(file, *manifests(idp, backend, ENGINEERS, "permit (principal, action);"))
                told = await served.line("ConfigMap/policies", "is no Cedar")
                assert "v.yaml:" in told
                assert "missing the `resource` variable" in told
                assert await reader.names() == ["tickets_read"]

                replace(file, *manifests(idp, backend, ENGINEERS))
                wanted = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "tickets_read"}}
                await until_code(reader, wanted, 403)
                assert await reader.names() == []
                assert sorted(await engineer.names()) == ["tickets_read", "tickets_write"]
