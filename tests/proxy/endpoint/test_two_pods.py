"""Two pods of one endpoint with one Redis: sessions move, headers do not."""

import asyncio
import contextlib
import io
import logging

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.raw_client import RawClient, eventually, initialize, until_status
from tests.support.redis_server import Monitor
from tests.support.scene import scene
from tests.support.scripted_backend import text, tool
from tests.support.serving import http_backend
from vmcp_proxy.observability.logs import JsonFormatter
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

KEYS = Keyring.of({"1": bytes(range(32))})
TOOLS = "notifications/tools/list_changed"
CANARY = "canary-41c0de"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@contextlib.asynccontextmanager
async def pod(redis, *backends, **config):
    """One proxy on the shared store; the backends run already."""
    settings = Settings(port=0, admin_port=0, handles_signals=False, keyring=KEYS)
    document = {
        "config": QUIET,
        "sessionStorage": {"provider": "redis", "address": redis.address},
        "passthroughHeaders": ["X-Api-Key"],
        **config,
    }
    extra = tuple(http_backend(f"b{number}", each.port) for number, each in enumerate(backends))
    async with scene({}, extra=extra, settings=settings, **document) as world:
        yield world


@contextlib.asynccontextmanager
async def moved(client, world, **headers):
    """The same client at another pod."""
    async with RawClient(world.url, headers or client.headers) as other:
        other.session = client.session
        yield other


@contextlib.asynccontextmanager
async def two_pods(redis, backend):
    """Two pods, a client with a session of the first, and the same client at the second."""
    async with (
        backend.running(),
        pod(redis, backend) as a,
        pod(redis, backend) as b,
        a.session(x_api_key="k") as client,
        moved(client, b) as there,
    ):
        yield a, b, client, there


@pytest.mark.parametrize(
    "damage",
    [("SET", "text"), ("HSET", "capabilities", "[]"), ("HSET", "capabilities", "{"), ("HSET", "level", "loud")],
    ids=" ".join,
)
async def test_a_damaged_record_is_no_session_on_another_pod_and_the_client_can_begin_anew(redis_server, damage):
    async with two_pods(redis_server, everything()) as (_, b, _, there):
        (key,) = [part for part in redis_server.command("KEYS", "*").split(b"\r\n") if part.startswith(b"vmcp:")]
        command, *rest = damage
        redis_server.command(command, key, *rest)
        for _ in range(2):
            assert (await there.post({**PING})).status_code == 404
        assert (await b.status())["store"]["state"] == "ok"
        there.session = None
        await there.open()
        assert await there.names() == ["b0_echo"]


@pytest.mark.scenario("S-5", "H-8")
async def test_a_session_made_on_one_pod_is_whole_on_the_other(redis_server):
    backend = everything()
    async with two_pods(redis_server, backend) as (_, _, client, there):
        await client.call("b0_echo")
        await client.result("prompts/get", {"name": "b0_ask"})
        opened = len(backend.calls("initialize"))
        assert await there.names() == ["b0_echo"]
        assert await there.names("resources") == ["test://a"]
        assert await there.names("resourceTemplates") == ["test://t/{id}"]
        assert await there.names("prompts") == ["b0_ask"]
        await there.call("b0_echo")
        await there.result("resources/read", {"uri": "test://a"})
        await there.result("resources/read", {"uri": "test://t/1"})
        await there.result("prompts/get", {"name": "b0_ask"})
        assert len(backend.calls("initialize")) == opened
        calls = backend.calls("tools/call") + backend.calls("prompts/get")
        assert len({heard.session for heard in calls}) == 1
        assert len({heard.message["id"] for heard in calls}) == len(calls)
        assert {heard.headers["x-api-key"] for heard in calls} == {"k"}


@pytest.mark.scenario("S-5")
async def test_a_session_hears_of_changes_on_the_pod_where_its_stream_is(redis_server):
    backend = everything()
    async with two_pods(redis_server, backend) as (_, b, client, there):
        assert await client.names() == ["b0_echo"]
        await client.call("b0_echo")
        (used,) = {heard.session for heard in backend.calls("tools/call")}
        async with there.listening() as stream:
            await eventually(lambda: used in backend.streams)
            inside = b.inside
            await eventually(lambda: inside.clients[0].stream.told)
            backend.tools = [tool("echo"), tool("new")]
            backend.push(TOOLS)
            await stream.until(TOOLS)
            assert await there.names() == ["b0_echo", "b0_new"]
            assert (await there.call("b0_new"))["content"]


@pytest.mark.scenario("S-5")
async def test_a_session_outlives_its_pod_with_its_backend_sessions(redis_server):
    backend = everything()
    async with backend.running(), pod(redis_server, backend) as b:
        async with pod(redis_server, backend) as a, a.client(x_api_key="k") as client:
            await client.open()
            await client.call("b0_echo")
            (used,) = {heard.session for heard in backend.calls("tools/call")}
        assert used in backend.sessions
        async with moved(client, b) as there:
            await there.call("b0_echo")
            assert {heard.session for heard in backend.calls("tools/call")} == {used}
            assert await there.delete() == 204
            await eventually(lambda: used not in backend.sessions)


@pytest.mark.scenario("S-5", "S-1", "H-6")
async def test_a_session_ended_on_one_pod_is_gone_on_the_other_at_once(redis_server):
    backend = everything()
    async with two_pods(redis_server, backend) as (a, b, client, there):
        await client.call("b0_echo")
        await there.call("b0_echo")
        async with there.listening() as stream:
            await eventually(lambda: stream.comments)
            assert await client.delete() == 204
            await eventually(lambda: stream.ended)
        assert (await there.post(PING)).status_code == 404
        assert (await client.post(PING)).status_code == 404
        assert await there.delete() == 404
        for world in (a, b):
            await eventually(lambda inside=world.inside: inside.sessions == inside.snapshots == 0)
        (used,) = {heard.session for heard in backend.calls("tools/call")}
        assert used not in backend.sessions


@pytest.mark.scenario("H-8")
async def test_another_pod_wants_the_same_headers_and_a_refused_client_can_begin_anew(redis_server):
    backend = everything()
    async with (
        backend.running(),
        pod(redis_server, backend) as a,
        pod(redis_server, backend) as b,
        a.session(x_api_key="k") as client,
    ):
        await client.call("b0_echo")
        for headers in ({}, {"X-Api-Key": "other"}, {"X-Api-Key": ""}):
            async with moved(client, b) as there:
                there.headers = headers
                assert (await there.post(PING)).status_code == 404
                there.session = ""
                await there.open()
                await there.call("b0_echo") if headers.get("X-Api-Key") else await there.names()
        async with moved(client, b) as there:
            assert await there.result("ping") == {}
        assert await client.result("ping") == {}
        redis_server.command("FLUSHALL")
        async with pod(redis_server, backend) as c, moved(client, c) as there:
            assert (await there.post(PING)).status_code == 404
        assert {heard.headers.get("x-api-key") for heard in backend.calls("tools/call")} == {"k", "other"}


@pytest.mark.scenario("S-7")
async def test_redis_that_goes_and_comes_costs_new_sessions_only(own_redis):
    backend = everything()
    async with (
        backend.running(),
        pod(own_redis, backend) as a,
        pod(own_redis, backend) as b,
        a.session(x_api_key="k") as client,
        moved(client, b) as there,
        a.client() as fresh,
    ):
        await client.call("b0_echo")
        own_redis.stop()
        refused = await fresh.post(initialize())
        away = {"code": -32000, "message": "The session store is away; try again."}
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert refused.json()["error"] == away
        assert "mcp-session-id" not in refused.headers
        assert (await client.call("b0_echo"))["content"]
        elsewhere = await there.post(PING)
        assert elsewhere.status_code == 503
        assert elsewhere.headers["retry-after"] == "5"
        assert elsewhere.json()["error"] == away
        assert "true" in (await a.admin("/readyz")).lower()
        assert (await a.status())["store"]["state"] == "unavailable"
        own_redis.start()
        await until_status(fresh, initialize(), 200)
        await fresh.open()
        assert await fresh.names() == ["b0_echo"]
        assert (await client.call("b0_echo"))["content"]


@pytest.mark.scenario("S-7")
async def test_a_pod_starts_ready_without_redis_and_says_why_it_opens_no_sessions(own_redis):
    backend = everything()
    own_redis.stop()
    async with backend.running(), pod(own_redis, backend) as a, a.client() as client:
        assert "true" in (await a.admin("/readyz")).lower()
        assert (await client.post(initialize())).status_code == 503
        store = (await a.status())["store"]
        assert store["state"] == "unavailable"
        assert store["message"]
        own_redis.start()
        await until_status(client, initialize(), 200)


@pytest.mark.scenario("S-7")
async def test_a_session_ended_while_redis_is_away_stays_ended(own_redis):
    backend = everything()
    async with backend.running(), pod(own_redis, backend) as a, a.session(x_api_key="k") as client:
        await client.call("b0_echo")
        own_redis.freeze()
        assert await client.delete() == 204
        own_redis.thaw()
        async with pod(own_redis, backend) as b, moved(client, b) as there:
            await until_status(there, PING, 404)
            assert (await client.post(PING)).status_code == 404


@pytest.mark.scenario("S-8", "H-7")
async def test_redis_never_sees_a_header_a_token_a_name_an_id_or_a_list(redis_server, tmp_path):
    backend = everything()
    backend.tools = [tool("canarytool")]
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(lambda record: not record.name.startswith(("httpx2", "httpcore2")))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    secret = {"x_api_key": CANARY, "authorization": f"Bearer {CANARY}"}
    try:
        async with (
            backend.running(),
            Monitor(redis_server) as monitor,
            pod(redis_server, backend) as a,
            pod(redis_server, backend) as b,
        ):
            async with a.session(**secret) as client, moved(client, b) as there:
                for each in (client, there):
                    await each.names()
                    await each.call("b0_canarytool", {"argument": CANARY})
                    await each.result("prompts/get", {"name": "b0_ask"})
                dump = [redis_server.command("KEYS", "*")]
                for key in dump[0].split(b"\r\n"):
                    if key.startswith(b"vmcp"):
                        dump += [redis_server.command("HGETALL", key), redis_server.command("DUMP", key)]
                assert len(dump) > 2
                session = client.session
                assert await there.delete() == 204
            lines = await monitor.lines()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert lines
    tokens = {heard.session for heard in backend.heard if heard.session}
    seen = b"\n".join((*dump, *lines, log.getvalue().encode())).decode("latin-1")
    for word in (CANARY, session, session.split(".")[2], "canarytool", "anonymous", *tokens):
        assert word not in seen


@pytest.mark.scenario("S-5")
async def test_concurrent_calls_on_both_pods_keep_their_answers_apart(redis_server):
    backend = everything()

    @backend.on("tools/call")
    async def answer(call):
        return text(call.params["arguments"]["n"])

    async with two_pods(redis_server, backend) as (_, _, client, there):
        await client.call("b0_echo", {"n": "0"})

        async def one(number):
            result = await (client, there)[number % 2].call("b0_echo", {"n": str(number)})
            assert result["content"][0]["text"] == str(number)

        await asyncio.gather(*(one(number) for number in range(40)))
        ids = [heard.message["id"] for heard in backend.calls("tools/call")]
        assert len(ids) == len(set(ids)) == 41


@pytest.mark.scenario("H-6")
async def test_a_session_that_is_evicted_takes_its_snapshot_along_and_goes_on_elsewhere(redis_server):
    backend = everything()
    async with (
        backend.running(),
        pod(redis_server, backend) as a,
        pod(redis_server, backend, sessionManagement={"ttl": "1h", "maxSessionsPerPod": 1}) as b,
        b.session(x_api_key="first") as resident,
        a.session(x_api_key="second") as client,
        moved(client, b) as there,
    ):
        await resident.call("b0_echo")
        await there.call("b0_echo")
        inside = b.inside
        await eventually(lambda: inside.sessions == inside.snapshots == 1)
        values = await b.metrics()
        assert (values["vmcp_sessions"], values["vmcp_header_snapshots"]) == (1, 1)
        used = {heard.session for heard in backend.calls("tools/call")}
        assert used <= backend.sessions
        await resident.call("b0_echo")
        assert {heard.session for heard in backend.calls("tools/call")} == used
        sent = [heard.headers["x-api-key"] for heard in backend.calls("tools/call")]
        assert sent == ["first", "second", "first"]
