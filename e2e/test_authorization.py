"""Callers are identified and see what policies let them; edits of policies reach open sessions, broken ones do not."""

import asyncio
import time

import pytest
from mcp import MCPError

from e2e.support.clients import FOLLOW_SECONDS, call, connected, tool_names, until
from e2e.support.identity import bearer, provider
from e2e.support.kube import condition
from e2e.support.manifests import authz_config, group, oidc_config, server, vmcp

ONE = "virtualmcpserver/one"
POLICIES = "mcpauthzconfig/policies"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
READERS = 'permit(principal, action == Action::"call_tool", resource == Tool::"notes_add");'
WRITERS = 'permit(principal in Group::"writers", action == Action::"call_tool", resource);'
WRITTEN = "n is written"
ALICE_WRITES = """@id("alice-writes")
permit(principal == Client::"alice", action == Action::"call_tool", resource == Tool::"notes_write_note");"""


@pytest.fixture(scope="module")
def idp(cluster):
    with provider(cluster) as running:
        yield running


@pytest.fixture(autouse=True)
async def policies(kube, endpoint, idp):
    """Each test begins with the same policies in force, whatever became of them in the one before."""
    await asyncio.to_thread(kube.apply, authz_config("policies", READERS, WRITERS))
    # The phase tells nothing: it is Ready under the former ones, too.
    async with connected(endpoint, alice(idp)) as (client, _):
        await until(lambda: sees_all(client, ["notes_add"]))


@pytest.fixture(scope="module")
def endpoint(kube, idp):
    """An endpoint whose callers come with a token of the provider."""
    auth = {"oidcConfigRef": {"name": "idp", "audience": idp.audience}, "authzConfigRef": {"name": "policies"}}
    kube.apply(oidc_config("idp", idp.issuer), authz_config("policies", READERS, WRITERS))
    kube.apply(group(), server("notes"), vmcp("one", incomingAuth={"type": "oidc", **auth}))
    ready = kube.until_phase(ONE, "Ready")
    assert condition(ready, "AuthConfigured")["reason"] == "Configured"
    assert condition(ready, "AuthzConfigured")["reason"] == "Enforced"
    return ready["status"]["url"]


def pods(kube):
    return {pod["metadata"]["uid"] for pod in kube.list("pods", PODS)}


def alice(idp, **more):
    return bearer(idp.mint("alice", lifetime=3600, **more))


def bob(idp):
    return bearer(idp.mint("bob", lifetime=3600, groups=["writers"]))


@pytest.mark.scenario("I-1")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}], ids=["no token", "no good token"])
async def test_nobody_comes_in_without_a_good_token(endpoint, headers):
    with pytest.raises(ExceptionGroup) as refused:
        async with connected(endpoint, headers):
            pass
    assert "access token" in described(refused.value)


@pytest.mark.scenario("Z-1")
async def test_two_callers_see_and_call_different_tools_of_one_endpoint_at_the_same_time(endpoint, idp):
    async with connected(endpoint, alice(idp)) as (reader, _), connected(endpoint, bob(idp)) as (writer, _):
        for _ in range(3):
            seen, all_seen = await asyncio.gather(tool_names(reader), tool_names(writer))
            assert seen == ["notes_add"]
            assert {"notes_add", "notes_write_note", "notes_fail"} <= set(all_seen)
            assert await asyncio.gather(call(reader, "notes_add", a=1, b=2), write(writer)) == ["3", WRITTEN]
            with pytest.raises(MCPError) as denied:
                await write(reader)
            with pytest.raises(MCPError) as unknown:
                await call(reader, "notes_nothing")
            # What one may not use answers like what does not exist.
            assert repr(denied.value) == repr(unknown.value)


@pytest.mark.scenario("Z-4", "K-6")
async def test_an_edit_of_policies_reaches_an_open_session_in_seconds_and_rolls_no_pod(kube, endpoint, idp):
    before = pods(kube)
    async with connected(endpoint, alice(idp)) as (client, said):
        await until(lambda: sees_all(client, ["notes_add"]))
        said.clear()
        began = time.monotonic()
        await asyncio.to_thread(kube.apply, authz_config("policies", READERS, WRITERS, ALICE_WRITES))
        await until(lambda: any(heard(said)))
        await until(lambda: sees_all(client, ["notes_add", "notes_write_note"]))
        assert await write(client) == WRITTEN
        assert time.monotonic() - began < FOLLOW_SECONDS

        said.clear()
        await asyncio.to_thread(kube.apply, authz_config("policies", WRITERS))
        await until(lambda: any(heard(said)))
        await until(lambda: sees_all(client, []))
        said.clear()
        await asyncio.to_thread(kube.apply, authz_config("policies", READERS, WRITERS))
        await until(lambda: any(heard(said)))
        await until(lambda: sees_all(client, ["notes_add"]))
    assert pods(kube) == before


@pytest.mark.scenario("Z-4")
async def test_a_broken_edit_says_so_by_its_line_and_leaves_the_last_good_policies_in_force(kube, endpoint, idp):
    before = pods(kube)
    async with connected(endpoint, alice(idp)) as (client, said):
        await until(lambda: sees_all(client, ["notes_add"]))
        broken = f"{ALICE_WRITES}\npermit(principal, action, resource) when {{ context. }};"
        await asyncio.to_thread(kube.apply, authz_config("policies", READERS, broken))
        told = await asyncio.to_thread(kube.until, POLICIES, lambda live: condition(live, "Valid")["status"] == "False")
        assert condition(told, "Valid")["reason"] == "PolicyInvalid"
        assert "spec.config.policies[1]: line 3: is no Cedar" in condition(told, "Valid")["message"]
        degraded = await asyncio.to_thread(kube.until_phase, ONE, "Degraded")
        assert condition(degraded, "AuthzConfigured")["reason"] == "AuthzConfigInvalid"
        assert condition(degraded, "Ready")["status"] == "True"
        # The rest follows meanwhile: a backend joins, and is not open to alice.
        await asyncio.to_thread(kube.apply, server("more"))
        joined = await asyncio.to_thread(kube.until, ONE, lambda live: live["status"].get("backendSummary") == "2/2")
        assert joined["status"]["phase"] == "Degraded"
        assert await tool_names(client) == ["notes_add"]
        async with connected(endpoint, bob(idp)) as (writer, _):
            await until(lambda: sees(writer, {"notes", "more"}))

        await asyncio.to_thread(kube.delete, POLICIES)
        degraded = await asyncio.to_thread(
            kube.until, ONE, lambda live: condition(live, "AuthzConfigured")["reason"] == "AuthzConfigNotFound"
        )
        assert await tool_names(client) == ["notes_add"]

        said.clear()
        await asyncio.to_thread(kube.apply, authz_config("policies", READERS, WRITERS, ALICE_WRITES))
        await until(lambda: any(heard(said)))
        await until(lambda: sees_all(client, ["notes_add", "notes_write_note"]))
    kube.delete("mcpserver/more")
    kube.until_phase(ONE, "Ready")
    assert pods(kube) == before


@pytest.mark.scenario("K-19")
async def test_a_provider_that_is_deleted_while_it_is_in_use_keeps_the_door_as_it_was(kube, endpoint, idp):
    # An endpoint of its own: what flaps is told of its recovery a few times in two minutes only.
    auth = {"oidcConfigRef": {"name": "kept", "audience": idp.audience}, "authzConfigRef": {"name": "policies"}}
    kube.apply(oidc_config("kept", idp.issuer), vmcp("kept", incomingAuth={"type": "oidc", **auth}))
    url = kube.until_phase("virtualmcpserver/kept", "Ready")["status"]["url"]
    kube.delete("mcpoidcconfig/kept")
    degraded = kube.until_phase("virtualmcpserver/kept", "Degraded")
    assert condition(degraded, "AuthConfigured")["reason"] == "OIDCConfigNotFound"
    async with connected(url, alice(idp)) as (client, _):
        assert await tool_names(client) == ["notes_add"]
    with pytest.raises(ExceptionGroup) as refused:
        async with connected(url):
            pass
    assert "access token" in described(refused.value)
    kube.apply(oidc_config("kept", idp.issuer))
    kube.until_phase("virtualmcpserver/kept", "Ready")
    kube.delete("virtualmcpserver/kept")


@pytest.mark.scenario("K-7")
def test_an_endpoint_without_its_provider_serves_nobody_until_it_is_there(kube, idp):
    auth = {"type": "oidc", "oidcConfigRef": {"name": "later", "audience": idp.audience}}
    kube.apply(group("early"), vmcp("early", "early", incomingAuth=auth))
    failed = kube.until_phase("virtualmcpserver/early", "Failed")
    assert condition(failed, "AuthConfigured")["reason"] == "OIDCConfigNotFound"
    assert not kube.exists("deployment/vmcp-early")
    kube.apply(oidc_config("later", idp.issuer))
    kube.until_phase("virtualmcpserver/early", "Ready")
    used = kube.until("mcpoidcconfig/later", lambda live: live["status"].get("referenceCount") == 1)
    assert used["status"]["referencingWorkloads"] == [{"kind": "VirtualMCPServer", "name": "early"}]
    kube.delete("virtualmcpserver/early")


def heard(said):
    """The notifications about tools among what the endpoint sent unasked."""
    return (getattr(message, "method", None) == "notifications/tools/list_changed" for message in said)


async def sees_all(client, names):
    return await tool_names(client) == names


async def sees(client, backends):
    return {name.partition("_")[0] for name in await tool_names(client)} == backends


async def write(client):
    """The text that the tool answers with which only some may call."""
    result = await client.call_tool("notes_write_note", {"name": "n", "text": "t"})
    return result.content[0].text


def described(error):
    """All that an error says, with those that it holds."""
    return " ".join([repr(error), *map(described, getattr(error, "exceptions", ()))])
