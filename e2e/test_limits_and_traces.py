"""Two replicas: a caller's limit holds over both, and a trace goes through either from the client to the backend."""

import asyncio
import json
import secrets
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from e2e.support.clients import FOLLOW_SECONDS, until
from e2e.support.identity import bearer, provider
from e2e.support.installation import ROOT
from e2e.support.kube import condition
from e2e.support.manifests import HEALTH, group, oidc_config, server, telemetry_config, vmcp
from e2e.support.network import tunnel
from e2e.support.uplink import beside, uplink
from tests.support.otlp import OtlpReceiver
from tests.support.raw_client import RawClient

ONE = "virtualmcpserver/one"
OTEL = "mcptelemetryconfig/otel"
PODS = "app.kubernetes.io/name=vmcp,app.kubernetes.io/instance=one"
COLLECTOR_PORT = 18482
LIMIT = 4
TRACED = {"enabled": True, "samplingRate": "0"}
"""Only what a client has sampled."""


@pytest.fixture(scope="module")
def idp(cluster):
    with provider(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def collector(cluster):
    """A collector on this machine; its `far` is the URL that pods use."""
    receiver = OtlpReceiver()
    with beside(receiver.running()), uplink(cluster, receiver.port, COLLECTOR_PORT) as receiver.far:
        yield receiver


@pytest.fixture(scope="module")
def endpoint(kube, idp, collector):
    """Two replicas that share a Redis, with callers who are known, a limit on one tool, and a collector."""
    kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
    limits = {"tools": [{"name": "headers_whoami", "perUser": {"maxTokens": LIMIT, "refillPeriod": "24h"}}]}
    kube.apply(
        oidc_config("idp", idp.issuer),
        telemetry_config("otel", collector.far, tracing=TRACED),
        group(),
        server("headers", "headers"),
        server("context", "context"),
        vmcp(
            "one",
            replicas=2,
            sessionAffinity="None",
            incomingAuth={"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": idp.audience}},
            telemetryConfigRef={"name": "otel", "serviceName": "front"},
            config={"operational": HEALTH, "rateLimiting": limits},
            sessionStorage={
                "provider": "redis",
                "address": "redis:6379",
                "passwordRef": {"name": "redis", "key": "password"},
            },
        ),
    )
    return kube.until(ONE, lambda live: is_complete(live.get("status") or {}))


def is_complete(status):
    return (status.get("phase"), status.get("readyReplicas"), status.get("backendSummary")) == ("Ready", 2, "2/2")


def pods(kube):
    return [each for each in kube.list("pods", PODS) if not each["metadata"].get("deletionTimestamp")]


@asynccontextmanager
async def sessions(kube, idp, who):
    """A session of a caller at each pod, by the pod's name."""
    async with AsyncExitStack() as stack:
        found = {}
        for pod in await asyncio.to_thread(pods, kube):
            port = await stack.enter_async_context(tunnel(pod["status"]["podIP"], 4483))
            token = bearer(idp.mint(who, lifetime=3600))
            client = await stack.enter_async_context(RawClient(f"http://127.0.0.1:{port}/mcp", token))
            await client.open()
            found[pod["metadata"]["name"]] = client
        assert len(found) == 2
        yield found


async def call(client, tool, **headers):
    return await client.request("tools/call", {"name": tool, "arguments": {}}, **headers)


@pytest.mark.scenario("R-1")
async def test_the_limit_of_a_caller_holds_over_both_replicas_and_is_nobody_elses(kube, endpoint, idp):
    async with sessions(kube, idp, "alice") as alice, sessions(kube, idp, "bob") as bob:
        for client in (*alice.values(), *alice.values()):
            assert "result" in await call(client, "headers_whoami")
        for client in alice.values():
            error = (await refused(client, "headers_whoami"))["error"]
            assert error["code"] == 429
            assert error["data"]["retryAfterSeconds"] > 0
            assert "result" in await call(client, "headers_show_headers")
        for client in bob.values():
            assert "result" in await call(client, "headers_whoami")


async def refused(client, tool):
    """The answer to a call that is over a limit, whatever its HTTP status."""
    message = {"jsonrpc": "2.0", "id": "over", "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    return (await client.post(message)).json()


@pytest.mark.scenario("O-2")
async def test_a_trace_of_a_client_goes_on_through_either_replica_to_the_backend(kube, endpoint, idp, collector):
    async with sessions(kube, idp, "alice") as clients:
        for pod, client in clients.items():
            trace, span = secrets.token_hex(16), secrets.token_hex(8)
            seen = shown(await call(client, "headers_show_headers", traceparent=f"00-{trace}-{span}-01"))
            version, same, parent, flags = seen["traceparent"].split("-")
            assert (version, same, flags) == ("00", trace, "01")
            spans = await spans_of(collector, trace, 2)
            by_id = {each.id: each for each in spans}
            sending = by_id[parent]
            entered = by_id[sending.parent]
            assert (sending.kind, entered.kind, entered.parent) == ("CLIENT", "SERVER", span)
            assert entered.name == "tools/call headers_show_headers"
            resource = entered.resource
            assert (resource["service.name"], resource["service.instance.id"]) == ("front", pod)


@pytest.mark.scenario("O-2")
async def test_the_context_in_meta_names_the_parent_and_reaches_the_backend_by_both_ways(
    kube, endpoint, idp, collector
):
    async with sessions(kube, idp, "alice") as clients:
        for client in clients.values():
            told, beside = (f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01" for _ in range(2))
            meta = {"traceparent": told, "tracestate": "vendor=1", "baggage": "user=canary"}
            params = {"name": "context_show_context", "arguments": {}, "_meta": meta}
            seen = shown(await client.request("tools/call", params, traceparent=beside))
            assert seen["headers"] == seen["meta"]
            assert seen["meta"].keys() == {"traceparent", "tracestate"}
            assert seen["meta"]["tracestate"] == "vendor=1"
            _, trace, parent, _ = told.split("-")
            spans = await spans_of(collector, trace, 2)
            by_id = {each.id: each for each in spans}
            sending = by_id[seen["meta"]["traceparent"].split("-")[2]]
            entered = by_id[sending.parent]
            assert (entered.parent, entered.kind, sending.kind) == (parent, "SERVER", "CLIENT")
            assert entered.links == [tuple(beside.split("-")[1:3])]


@pytest.mark.scenario("O-2")
async def test_what_no_client_has_sampled_is_not_traced_and_reaches_backends_as_such(kube, endpoint, idp, collector):
    async with sessions(kube, idp, "alice") as clients:
        client = next(iter(clients.values()))
        trace = secrets.token_hex(16)
        seen = shown(await call(client, "headers_show_headers", traceparent=f"00-{trace}-{secrets.token_hex(8)}-00"))
        assert seen["traceparent"].split("-")[1::2] == [trace, "00"]
        marker = secrets.token_hex(16)
        await call(client, "headers_show_headers", traceparent=f"00-{marker}-{secrets.token_hex(8)}-01")
        await spans_of(collector, marker, 2)
        assert trace not in {each.trace for each in collector.spans}


@pytest.mark.scenario("K-6", "K-19")
async def test_edits_of_telemetry_reach_pods_that_run_and_a_broken_one_stops_nothing(kube, endpoint, idp, collector):
    before = {each["metadata"]["uid"] for each in pods(kube)}
    edited = telemetry_config(
        "otel", collector.far, tracing=TRACED, resourceAttributes={"deployment.environment": "edited"}
    )
    await asyncio.to_thread(kube.apply, edited)
    async with sessions(kube, idp, "alice") as clients:
        for client in clients.values():
            await until(lambda client=client: says(client, collector, "edited"), 2 * FOLLOW_SECONDS)
        await asyncio.to_thread(kube.delete, OTEL)
        broken = await asyncio.to_thread(
            kube.until, ONE, lambda live: condition(live, "TelemetryConfigured")["reason"] == "TelemetryConfigNotFound"
        )
        assert broken["status"]["phase"] == "Ready"
        assert "what was in force stays" in condition(broken, "TelemetryConfigured")["message"]
        for client in clients.values():
            assert await says(client, collector, "edited")
    off = telemetry_config("otel", collector.far, tracing=TRACED, enabled=False)
    await asyncio.to_thread(kube.apply, off)
    await asyncio.to_thread(kube.until, ONE, lambda live: condition(live, "TelemetryConfigured")["reason"] == "Off")
    kube.until(OTEL, lambda live: (live.get("status") or {}).get("referenceCount") == 1)
    assert {each["metadata"]["uid"] for each in pods(kube)} == before


async def says(client, collector, environment):
    """Whether a call that is made now is traced with this attribute of the resource."""
    trace = secrets.token_hex(16)
    await call(client, "headers_show_headers", traceparent=f"00-{trace}-{secrets.token_hex(8)}-01")
    spans = await spans_of(collector, trace, 2)
    return {each.resource.get("deployment.environment") for each in spans} == {environment}


async def spans_of(collector, trace, count):
    """The spans of a trace, once there are so many of them."""

    def found():
        return [each for each in collector.spans if each.trace == trace]

    await until(lambda: len(found()) >= count)
    return found()


def shown(answer):
    """What reached a backend."""
    return json.loads(answer["result"]["content"][0]["text"])
