"""Two replicas and a Redis: sessions go on anywhere, header values stay where they were captured."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from e2e.support.clients import connected, shown_headers, tool_names, until
from e2e.support.installation import ROOT
from e2e.support.manifests import HEALTH, server
from e2e.support.redis import Redis
from e2e.support.replicas import ignoring_transport, reached, requests_by_pod
from tests.support.raw_client import RawClient

EXAMPLES = ROOT / "examples/kubernetes"
ENDPOINT = "virtualmcpserver/replicas"
SHOW = "headers-a_show_headers"
REQUESTS = 16
"""Connections that land on one of two pods by chance alone once in tens of thousands of runs."""

_KEYS = itertools.count()


@pytest.fixture(scope="module")
def endpoint(kube):
    """The examples as a user applies them, with two more backends, which show the headers that reach them."""
    kube.kubectl("apply", f"--filename={EXAMPLES / 'redis.yaml'}", f"--filename={EXAMPLES / 'replicas.yaml'}")
    kube.apply(*(server(name, "headers", group="replicas") for name in ("headers-a", "headers-b")))
    kube.patch(ENDPOINT, {"spec": {"config": {"operational": HEALTH}}})
    return kube.until(ENDPOINT, is_complete)


def is_complete(live):
    status = live.get("status") or {}
    return (
        status.get("phase") == "Ready"
        and status.get("readyReplicas") == 2
        and status.get("backendSummary") == "3/3"
        and all(each["status"] != "False" for each in status["conditions"] if each["type"] == "SessionStorageReady")
    )


@pytest.fixture
async def proxies(kube, endpoint):
    async with reached(kube, "replicas", endpoint["status"]["url"]) as found:
        yield found


@pytest.fixture
def key():
    """A value that no other test sends."""
    return f"key-of-test-{next(_KEYS)}"


@asynccontextmanager
async def session(url: str, key: str) -> AsyncIterator[RawClient]:
    async with RawClient(url, {"X-Api-Key": key}) as client:
        await client.open()
        yield client


async def shown(client, tool=SHOW, **headers):
    """What reached a backend of a call with these headers."""
    result = await client.request("tools/call", {"name": tool, "arguments": {}}, **headers)
    return json.loads(result["result"]["content"][0]["text"])


@pytest.mark.scenario("H-1")
async def test_a_client_sends_its_header_to_every_backend_through_the_service(endpoint, key):
    headers = {"x-aPI-kEY": key, "X-Other": "stays here"}
    async with connected(endpoint["status"]["url"], headers) as (client, _):
        assert {name.partition("_")[0] for name in await tool_names(client)} == {"echo", "headers-a", "headers-b"}
        for backend in ("headers-a", "headers-b"):
            seen = await shown_headers(client, f"{backend}_show_headers")
            assert seen["x-api-key"] == key
            assert "x-other" not in seen
            assert "stays here" not in seen.values()


@pytest.mark.scenario("H-2")
async def test_a_header_that_changes_mid_session_never_reaches_a_backend(proxies, key):
    async with session(proxies.pods[0], key) as client:
        assert (await shown(client))["x-api-key"] == key
        assert (await shown(client, x_api_key=f"{key}-changed"))["x-api-key"] == key
        client.headers = {}
        assert (await shown(client))["x-api-key"] == key


@pytest.mark.scenario("S-5", "H-8")
async def test_requests_of_one_session_spread_over_both_pods_and_all_are_answered(kube, endpoint, proxies, key):
    before = await requests_by_pod(kube, "replicas")
    async with session(proxies.service, key) as client:
        for _ in range(REQUESTS):
            # A connection of its own for each request, so that each may reach another pod.
            assert (await shown(client, connection="close"))["x-api-key"] == key
    after = await requests_by_pod(kube, "replicas")
    assert all(after[name] > before[name] for name in proxies.names)


@pytest.mark.scenario("S-5")
async def test_a_session_made_on_one_pod_is_used_on_the_other_in_every_way(proxies, key):
    async with session(proxies.pods[0], key) as client:
        lists = {kind: await client.names(kind) for kind in ("tools", "resources", "resourceTemplates", "prompts")}
        assert all(lists.values())
        client.url = proxies.pods[1]
        assert {kind: await client.names(kind) for kind in lists} == lists
        assert (await shown(client))["x-api-key"] == key
        read = await client.result("resources/read", {"uri": "notes://welcome"})
        assert "one endpoint" in read["contents"][0]["text"]
        prompt = await client.result("prompts/get", {"name": "echo_summarize", "arguments": {"name": "reload"}})
        assert "Summarize" in prompt["messages"][0]["content"]["text"]


@pytest.mark.scenario("S-5")
async def test_a_stream_on_the_other_pod_hears_of_a_backend_that_joins(kube, proxies, key):
    async with session(proxies.pods[0], key) as client:
        client.url = proxies.pods[1]
        async with client.listening() as stream:
            await asyncio.to_thread(kube.apply, server("headers-c", "headers", group="replicas"))
            await until(lambda: "notifications/tools/list_changed" in stream.methods, 60)
        await asyncio.to_thread(kube.delete, "mcpserver/headers-c")

        async def has_left():
            return "headers-c_show_headers" not in await client.names()

        await until(has_left)


@pytest.mark.scenario("S-5")
async def test_a_session_ended_on_one_pod_is_unknown_on_the_other_at_once(proxies, key):
    async with session(proxies.pods[0], key) as client:
        client.url = proxies.pods[1]
        assert (await shown(client))["x-api-key"] == key
        client.url = proxies.pods[0]
        assert await client.delete() in {200, 202, 204}
        client.url = proxies.pods[1]
        await until(lambda: is_unknown(client), 2)


@pytest.mark.scenario("H-8")
@pytest.mark.parametrize("headers", [{"X-Api-Key": "another"}, {}], ids=["another value", "no value"])
async def test_other_values_do_not_restore_a_session_and_initialising_again_does(proxies, key, headers):
    async with session(proxies.pods[0], key) as client:
        client.url = proxies.pods[1]
        client.headers = headers
        assert await is_unknown(client)
        client.session = ""
        await client.open()
        assert (await shown(client)).get("x-api-key") == headers.get("X-Api-Key")


@pytest.mark.scenario("H-8")
async def test_the_owner_goes_on_after_somebody_tried_its_session_with_other_values(proxies, key):
    async with session(proxies.pods[0], key) as client:
        async with RawClient(proxies.pods[1], {"X-Api-Key": "another"}) as other:
            other.session = client.session
            assert await is_unknown(other)
        assert (await shown(client))["x-api-key"] == key
        client.url = proxies.pods[1]
        assert (await shown(client))["x-api-key"] == key


@pytest.mark.scenario("H-8")
async def test_a_session_that_redis_does_not_know_is_unknown_on_the_other_pod(kube, proxies, key):
    async with Redis.connected(kube) as redis, session(proxies.pods[0], key) as client:
        assert await redis.delete_sessions() > 0
        client.url = proxies.pods[1]
        assert await is_unknown(client)


@pytest.mark.scenario("S-5", "K-10")
async def test_a_session_survives_the_death_of_its_pod(kube, endpoint, proxies, key):
    async with session(proxies.pods[0], key) as client:
        await asyncio.to_thread(kube.delete, f"pod/{proxies.names[0]}", "--grace-period=1")
        client.url = proxies.service

        async def is_served():
            return (await shown(client, connection="close"))["x-api-key"] == key

        # The Service may lead to the dead pod for a moment, which a client sees as a failed connection.
        await until(lambda: ignoring_transport(is_served))
        for _ in range(REQUESTS):
            assert await is_served()
    await asyncio.to_thread(kube.until, ENDPOINT, is_complete)


@pytest.mark.scenario("S-5", "K-10")
async def test_a_rolling_update_under_load_loses_no_request(kube, endpoint, proxies, key):
    def roll():
        kube.kubectl("rollout", "restart", "deployment/vmcp-replicas")
        kube.kubectl("rollout", "status", "deployment/vmcp-replicas", "--timeout=120s")
        # The rollout is over for kubectl while the last of the former pods serves on, drains and ends.
        for name in proxies.names:
            kube.until_gone(f"pod/{name}")

    async with session(proxies.service, key) as client:
        rolling = asyncio.create_task(asyncio.to_thread(roll))
        try:
            while not rolling.done():
                # A connection of its own for each request: one to a port that is closed already fails the test.
                assert (await shown(client, connection="close"))["x-api-key"] == key
        finally:
            await rolling
    await asyncio.to_thread(kube.until, ENDPOINT, is_complete)


async def is_unknown(client) -> bool:
    """Whether the pod knows nothing of the client's session."""
    answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
    return answer.status_code == 404
