"""What one more call costs beyond itself: nothing. Counted, not measured."""

import asyncio
import contextlib
import ssl
from collections import Counter
from functools import partial

import httpx2
import pytest
import redis.asyncio
import trustme

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support import heap
from tests.support.raw_client import eventually
from tests.support.redis_server import Monitor
from tests.support.scene import configs_of, scene
from tests.support.scripted_backend import text
from tests.support.serving import http_backend
from tests.support.tls_front import tls_front
from vmcp_proxy.backends.link import Link
from vmcp_proxy.backends.streamable.session import HttpBackendSession
from vmcp_proxy.http_client import ClientLimits, HttpClient
from vmcp_proxy.http_client.pool import Pool
from vmcp_proxy.run import wiring
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

CALLS = 200
SESSIONS = 4
BACKENDS = ("one", "two", "three")
HEADER = {"x_api_key": "value"}
COUNTED = (
    HttpClient, Pool, Link, HttpBackendSession, httpx2.AsyncClient, redis.asyncio.Redis, redis.asyncio.Connection,
    ssl.SSLContext,
)  # fmt: skip
"""What is made once, or once per session, and never per call."""


@pytest.fixture(autouse=True)
def lasting_connections(monkeypatch):
    """Backend connections stay open however long nobody uses them: on a busy machine that may be more than 4 s."""
    expiries = {"keep_alive_expiry": 3600.0, "tls_keep_alive_expiry": 3600.0, "max_age": 3600.0}
    monkeypatch.setattr(wiring, "ClientLimits", partial(ClientLimits, **expiries))


def alive():
    found = Counter(map(type, heap.objects()))
    return {kind.__name__: found[kind] for kind in COUNTED}


def tasks():
    """The tasks of everything but the connections that a client or a backend holds open."""
    return len(asyncio.all_tasks())


@contextlib.asynccontextmanager
async def world_of_three(redis_server):
    """A proxy with sessions in Redis, two plain backends and one behind TLS, static and passthrough headers."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    backends = {name: everything() for name in BACKENDS}
    static = {"headerForward": {"addPlaintextHeaders": {"X-Static": "s"}}}
    async with contextlib.AsyncExitStack() as stack:
        for backend in backends.values():
            await stack.enter_async_context(backend.running())
        front = await stack.enter_async_context(tls_front(context, backends["three"].port))
        third = http_backend("three", front.port, url=f"https://127.0.0.1:{front.port}/mcp")
        third["tls"] = {"caBundle": ca.cert_pem.bytes().decode()}
        plain = configs_of({name: backends[name] for name in BACKENDS[:2]}, one=static)
        world = await stack.enter_async_context(
            scene(
                {},
                extra=(*plain, third),
                settings=Settings(port=0, admin_port=0, handles_signals=False, keyring=Keyring.random()),
                config=QUIET,
                passthroughHeaders=["X-Api-Key"],
                sessionStorage={"provider": "redis", "address": redis_server.address},
                sessionManagement={"ttl": "1h"},
            )
        )
        clients = [await stack.enter_async_context(world.session(**HEADER)) for _ in range(SESSIONS)]
        yield world, backends, front, clients


async def warm_up(backends, clients):
    """Opens everything that so many clients can need at once, by having all their calls at a backend meet."""
    for name, backend in backends.items():
        meeting = asyncio.Barrier(SESSIONS)

        @backend.on("tools/call")
        async def meet(call, meeting=meeting):
            await meeting.wait()
            return text("met")

        async with asyncio.timeout(10):
            await asyncio.gather(*(client.call(f"{name}_echo") for client in clients))
        backend.handlers.clear()
    for client in clients:
        await client.names()


async def call_all(clients):
    """The calls of the budget, all sessions side by side, each with its own after another."""

    async def each(number, client):
        for turn in range(CALLS // SESSIONS):
            name = BACKENDS[(number + turn) % len(BACKENDS)]
            result = await client.call(f"{name}_echo", {"turn": turn}, _meta={"progressToken": turn})
            assert result["content"][0]["text"] == "called echo"

    await asyncio.gather(*(each(number, client) for number, client in enumerate(clients)))


@pytest.mark.scenario("B-2", "S-5")
async def test_a_call_opens_nothing_lists_nothing_and_asks_no_store(redis_server):
    async with world_of_three(redis_server) as (world, backends, front, clients), Monitor(redis_server) as monitor:
        await warm_up(backends, clients)
        said = len(await monitor.lines())
        heard = {name: len(backend.heard) for name, backend in backends.items()}
        before, handshakes, objects, running = await world.metrics(), front.handshakes, alive(), tasks()
        assert handshakes > 0
        assert before["vmcp_tls_contexts_total"] >= 1
        assert said > 0

        await call_all(clients)

        # The subscription is asked for a sign of life every ten seconds; nothing else is said.
        lines = (await monitor.lines())[said:]
        assert [line for line in lines if b'"PING"' not in line] == []
        later = [each for name, backend in backends.items() for each in backend.heard[heard[name] :]]
        assert Counter((each.verb, each.method) for each in later) == {("POST", "tools/call"): CALLS}
        after = await world.metrics()
        for name in ("vmcp_tls_contexts_total", "vmcp_connections_opened_total", "vmcp_sessions"):
            assert after[name] == before[name], name
        assert front.handshakes == handshakes
        assert alive() == objects
        await eventually(lambda: tasks() <= running)


@pytest.mark.scenario("B-2")
async def test_the_catalog_is_asked_of_no_backend_by_any_list_or_read_of_a_session_that_has_it(redis_server):
    async with world_of_three(redis_server) as (world, backends, _, clients):
        await warm_up(backends, clients)
        heard = {name: len(backend.heard) for name, backend in backends.items()}
        before = await world.metrics()
        for client in clients:
            for kind in ("tools", "resources", "resourceTemplates", "prompts"):
                assert await client.names(kind)
            await client.result("resources/read", {"uri": "test://a"})
            await client.result("prompts/get", {"name": "two_ask"})
            await client.result("ping")
        later = [each.method for name, backend in backends.items() for each in backend.heard[heard[name] :]]
        assert Counter(later) == {"resources/read": SESSIONS, "prompts/get": SESSIONS}
        after = await world.metrics()
        assert after["vmcp_connections_opened_total"] == before["vmcp_connections_opened_total"]


async def test_the_count_of_what_is_alive_sees_one_more():
    before = alive()["HttpClient"]
    client = HttpClient()
    assert alive()["HttpClient"] == before + 1
    await client.aclose()
